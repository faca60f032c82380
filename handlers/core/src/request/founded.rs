//! What `drift` found, on which a request rests. A part of the trusted base.
//!
//! Whoever could have a credential removed by their own word could shut Airlock off. So `drift`
//! asks by its finding, and everybody who judges the request opens that finding anew: `intake`
//! when it takes the event, and the worker before it acts.

use super::asked::{AskedBy, Principal};
use crate::{
    binding::{Producer, SignedBy},
    catalog::{Change, Work},
    drift::check::Mend,
    finding::{Drifted, Finding, State, Verdict},
    jws::{NotVerified, Signed},
    keyset::Trust,
    producer::Event,
    time::Timestamp,
};

/// How old a finding may be when `drift` asks by it, in seconds.
///
/// A round of `drift` looks at everything within minutes and asks at once. What it saw long ago
/// may be mended since, or declared: then it has to look again. How long a request waits for its
/// approval is bounded by the event and the finding, which expire, and the worker looks at the
/// credential again before it takes it away.
pub const FRESH_S: i64 = 15 * 60;

/// A finding that holds, and what would mend it.
#[derive(Clone, Debug)]
pub(super) struct Founded {
    check: String,
    mend: Mend,
}

impl Founded {
    /// What a producer's event rests on, if it says that it does.
    pub(super) fn by(
        producer: &Producer,
        event: &Event,
        trust: &Trust,
        now: Timestamp,
    ) -> Result<Option<Self>, NotVerified> {
        let Some(finding) = &event.data().finding else { return Ok(None) };
        // Findings are shown to people: who has read one has not found anything.
        if producer.signed_by != SignedBy::Drift {
            return Err(NotVerified::Other("finding"));
        }
        Self::open(finding, event, trust, now).map(Some)
    }

    fn open(
        finding: &Signed<Finding>,
        event: &Event,
        trust: &Trust,
        now: Timestamp,
    ) -> Result<Self, NotVerified> {
        let finding = trust.open(finding, now)?.value().clone();
        if finding.tnt != event.tenant() {
            return Err(NotVerified::Other("tenant"));
        }
        if event.time().since_s(finding.iat) >= FRESH_S {
            return Err(NotVerified::Other("time"));
        }
        match (finding.verdict, finding.drift) {
            (
                Verdict::Drift,
                Some(Drifted {
                    check,
                    mend: Some(mend),
                    state: State::Open | State::Remediating { .. },
                    ..
                }),
            ) if is_its(&check, &mend) => Ok(Self { check, mend }),
            _ => Err(NotVerified::Other("finding")),
        }
    }

    /// The check that found it.
    pub(super) fn check(&self) -> &str {
        &self.check
    }

    /// Whether a change is exactly what would mend it.
    fn supports(&self, change: &Change) -> bool {
        match change.work() {
            Work::Remediation(removal) => removal.is(change.tenant(), &self.mend),
            Work::Directory(_) | Work::Rotation(_) => false,
        }
    }
}

/// Whether a check finds what this mends: policy judges by the check's name.
fn is_its(check: &str, mend: &Mend) -> bool {
    match mend {
        Mend::RemovePassword { .. } => check == "secretless-application",
        Mend::RemoveFederated { .. } => check == "federated-credential",
    }
}

/// Makes sure that an event asks for what was found, exactly, if anything was; and for what only
/// `drift` may ask only if it was found. A person or a service is refused that by policy.
pub(super) fn check(asked: &AskedBy, change: &Change) -> Result<(), NotVerified> {
    let holds = match &asked.founded {
        Some(founded) => founded.supports(change),
        None => match (&asked.principal, change.work()) {
            (Principal::Produced(_), Work::Remediation(_)) => false,
            (_, Work::Directory(_) | Work::Rotation(_) | Work::Remediation(_)) => true,
        },
    };
    if holds { Ok(()) } else { Err(NotVerified::Other("finding")) }
}
