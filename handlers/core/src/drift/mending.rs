//! Asking Airlock itself to mend what was found: through the same door as everybody else.
//!
//! `drift` holds no right to change anything. It sends what it found, signed, as an event of a
//! registered producer; policy says whether that is permitted at once or waits for approval.
//!
//! Guarantee: a finding is marked as being mended before the event goes out, and a process that
//! dies in between sends the same event again: its id and time are the finding's. What comes twice
//! is one request. That it worked is said by nobody but the next round, which looks.

use std::{
    collections::BTreeMap,
    sync::{Mutex, PoisonError},
};

use super::{
    Drift,
    check::Mend,
    findings::{AGAIN_S, NotSettled, ToMend},
};
use crate::{
    binding::{SignedBy, Terms},
    catalog::{Asked, Target},
    digest::Digest,
    jws::Signed,
    ports::Message,
    producer::{Event, EventData},
    time::Timestamp,
};

/// The operation that `drift` asks for.
pub const OPERATION: &str = "credential.remove";

/// The queue that producers send to.
const QUEUE: &str = "intake-events";

/// Which attempts this process has sent.
#[derive(Default)]
pub(super) struct Asks(Mutex<BTreeMap<Digest, (Timestamp, u32)>>);

impl Drift {
    /// Sends what was not sent yet. Remote calls: a signature and a message each.
    pub(super) async fn ask_to_mend(
        &self,
        producer: Option<&str>,
        all: &[ToMend],
    ) -> Result<(), NotSettled> {
        let Some(producer) = producer else { return Ok(()) };
        for each in all {
            if self.asks.sent(each) {
                continue;
            }
            let event = event(producer, each);
            let signed = Signed::sign(&event, &*self.ports.signer).await?;
            let message = Message {
                id: format!("{}-{}-{}", each.fingerprint, each.since.as_unix_s(), each.attempt),
                body: signed.as_str().as_bytes().to_vec(),
                not_before: None,
                traceparent: None,
            };
            self.ports.bus.send(QUEUE, &message).await?;
            self.asks.remember(each);
            tracing::info!(fingerprint = %each.fingerprint, attempt = each.attempt, "to be mended");
        }
        Ok(())
    }
}

/// Under which name the terms let `drift` ask for what mends.
pub(super) fn producer(terms: &Terms) -> Option<&str> {
    let mut all = terms.producers.iter();
    let registered = all.find(|producer| {
        producer.signed_by == SignedBy::Drift
            && producer.operations.iter().any(|operation| operation == OPERATION)
    });
    registered.map(|producer| producer.name.as_str())
}

fn event(producer: &str, each: &ToMend) -> Event {
    let (tenant, application, credential, kind) = match &each.mend {
        Mend::RemovePassword { tenant, application, credential } => {
            (*tenant, *application, *credential, "password")
        }
        Mend::RemoveFederated { tenant, application, credential } => {
            (*tenant, *application, *credential, "federated")
        }
    };
    let op = Asked {
        name: OPERATION.to_owned(),
        target: Target::Application(application),
        parameters: serde_json::json!({ "credential": credential, "kind": kind }),
    };
    let data = EventData {
        op,
        purpose: format!("drift {}", each.fingerprint),
        ticket: None,
        lifetime_s: u32::try_from(AGAIN_S).ok(),
        finding: Some(each.finding.clone()),
    };
    // With the time: what comes back is asked for anew.
    let id = format!("{}/{}/{}", each.fingerprint, each.since.as_unix_s(), each.attempt);
    Event::asking(producer.to_owned(), id, each.since, tenant, data)
}

impl Asks {
    fn sent(&self, each: &ToMend) -> bool {
        let all = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        all.get(&each.fingerprint) == Some(&(each.since, each.attempt))
    }

    fn remember(&self, each: &ToMend) {
        let mut all = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        all.insert(each.fingerprint, (each.since, each.attempt));
    }
}
