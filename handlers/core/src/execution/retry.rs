//! Trying again: when, and how the worker asks itself to.

use super::{NotHandled, Worker};
use crate::{
    permit::PermittedChange,
    ports::{Message, PortError},
    reception::queue,
};

/// Pauses before the attempts that the worker asks for itself, in seconds; the last repeats.
const BACK_OFF_S: [i64; 5] = [2, 5, 15, 30, 60];

/// How long to leave a request to somebody else who works on it, in seconds.
pub(super) const SOON_S: i64 = BACK_OFF_S[0];

impl Worker {
    /// Sends oneself a copy for later. The host would deliver at once, without any pause.
    pub(super) async fn try_later(
        &self,
        mut change: PermittedChange,
        pause_s: i64,
        traceparent: Option<String>,
    ) -> Result<(), NotHandled> {
        change.attempt = change.attempt.saturating_add(1);
        let message = Message {
            // Another name than the first message's, or duplicate detection swallows it.
            id: format!("{}-{}", change.permit.digest(), change.attempt),
            body: serde_json::to_vec(&change)?,
            not_before: Some(self.ports.clock.now().plus_s(pause_s)),
            traceparent,
        };
        Ok(self.ports.bus.send(queue(self.app), &message).await?)
    }
}

/// How long to wait for a tree that stopped, in seconds: until somebody orders how it goes on.
pub(super) const STOPPED_S: i64 = 60;

/// How long to wait before an attempt: longer before each.
pub(super) fn back_off_s(attempt: u32) -> i64 {
    let index = usize::try_from(attempt.saturating_sub(1)).unwrap_or(usize::MAX);
    BACK_OFF_S[index.min(BACK_OFF_S.len() - 1)]
}

/// How long to wait: as long as the service said, or longer with each attempt.
pub(super) fn pause_s(error: &PortError, attempt: u32) -> i64 {
    let own = back_off_s(attempt);
    match error {
        PortError::Throttled { after_s: Some(after_s) } => {
            i64::try_from(*after_s).unwrap_or(own).clamp(1, 300)
        }
        _ => own,
    }
}
