//! What goes wrong with a call: the columns of the table.

use serde_json::{Value, json};

/// Longer than any call may take.
const STALL_MS: u64 = 30_000;

/// As often as the clients of Azure's SDKs try a call.
const ALL_TRIES: u64 = 3;

/// What goes wrong.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fault {
    /// The connection closes, and nothing was done.
    Failed,
    /// It was done, and the answer is lost.
    Lost,
    /// So it is for each try of the client.
    LostEachTime,
    /// 503, as often as the client tries.
    Unavailable,
    /// 429 that says when to come again.
    Throttled,
    /// 429 that does not, as often as the client tries.
    ThrottledSilently,
    /// Nothing happens for 30 s.
    Stalls,
    /// It is done at once, and the answer comes after 30 s.
    AnswersLate,
}

impl Fault {
    /// What the cloud does, and how often.
    pub fn effect(self) -> (Value, u64) {
        match self {
            Self::Failed => (json!({ "kind": "drop" }), 1),
            Self::Lost => (json!({ "kind": "lose_answer" }), 1),
            Self::LostEachTime => (json!({ "kind": "lose_answer" }), ALL_TRIES),
            Self::Unavailable => (json!({ "kind": "fail", "status": 503 }), ALL_TRIES),
            Self::Throttled => (json!({ "kind": "throttle", "retry_after_s": 1 }), 1),
            Self::ThrottledSilently => (json!({ "kind": "throttle" }), ALL_TRIES),
            Self::Stalls => (json!({ "kind": "delay", "ms": STALL_MS }), 1),
            Self::AnswersLate => (json!({ "kind": "delay_answer", "ms": STALL_MS }), 1),
        }
    }

    /// Whether it is another fault for a call that changes nothing than those beside it: what was
    /// not changed cannot have been changed twice.
    pub const fn matters_to_reads(self) -> bool {
        !matches!(self, Self::LostEachTime | Self::AnswersLate)
    }

    /// Its column's head.
    pub const fn words(self) -> &'static str {
        match self {
            Self::Failed => "fails",
            Self::Lost => "answer lost",
            Self::LostEachTime => "answer lost, 3x",
            Self::Unavailable => "503, 3x",
            Self::Throttled => "429, Retry-After",
            Self::ThrottledSilently => "429 alone, 3x",
            Self::Stalls => "stalls for 30 s",
            Self::AnswersLate => "done, silent for 30 s",
        }
    }
}
