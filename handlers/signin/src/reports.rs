//! What is said to the ledger of sign-ins: signed here, written down by `drift`.
//!
//! This app writes to no ledger. What happened is stored, signed, in one batch with the document
//! that it is about, sent after that, and taken off once it is sent. So nothing that happened is
//! forgotten by a process that dies, whenever it does: what it leaves, a timer sends.
//!
//! What is sent twice is swallowed by the broker or passed over by `drift`; what somebody else put
//! there is not sent. It is kept without any limit of time: it names nobody.

use std::sync::Arc;

use airlock_azure::hosting::{Invoked, Json, Refusal, chain, current_traceparent};
use airlock_core::{
    digest::Digest,
    functions::Done,
    identity::{App, TenantId},
    jws::Signed,
    ledger::{NotGenuine, Statement},
    ports::{BatchError, Container, Etag, Found, Partition, PortError, Ports, Query, Write},
    recording::event::{self, QUEUE, Report},
    time::Timestamp,
    trust::{NotTrusted, TrustStore},
};
use axum::extract::State;
use serde::{Deserialize, Serialize};
use tokio::sync::Semaphore;
use tracing::Instrument as _;

use crate::{desk::Signin, opaque, refused, store::NotKept};

/// `kind` of what waits to be sent.
pub const KIND: &str = "report";

/// Reports that a process sends at the same time, at the most; the others the timer sends.
const AT_ONCE: usize = 100;

/// Reports that one round takes from one partition: revocations of one tenant share one.
const ROUND: u32 = 100;

/// How long a round goes on, in seconds. The host ends a call after five minutes.
const ROUND_S: i64 = 180;

/// What waits to be sent, as it is stored.
#[derive(Clone, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Waiting {
    /// `report-<digest>`.
    id: String,
    /// Partition key.
    tenant: String,
    /// Always [`KIND`].
    kind: String,
    /// When it was stored.
    at: i64,
    /// What is said.
    event: Signed<Statement>,
}

/// What was not sent stays where it is.
#[derive(Debug, thiserror::Error)]
pub enum NotSent {
    /// We did not sign it: whoever owns the database put it there.
    #[error("report not genuine")]
    NotGenuine(#[from] NotGenuine),
    /// Whom to trust could not be told.
    #[error("whom to trust not known")]
    Trust(#[from] NotTrusted),
    /// Store or bus did not answer.
    #[error("report not sent")]
    Port(#[from] PortError),
}

impl Waiting {
    /// Something to be said, stored in the partition of what it is about.
    #[must_use]
    pub fn new(partition: &Partition, event: Signed<Statement>, now: Timestamp) -> Self {
        Self {
            id: format!("{KIND}-{}", event.digest()),
            tenant: partition.key().to_owned(),
            kind: KIND.to_owned(),
            at: now.as_unix_s(),
            event,
        }
    }

    /// The write that stores it: a part of the batch of what it is about.
    ///
    /// # Errors
    ///
    /// Never: every member is text or a number.
    pub fn write(&self) -> Result<Write, serde_json::Error> {
        serde_json::to_value(self).map(Write::Create)
    }
}

/// The way to the ledger.
#[derive(Clone)]
pub struct Reports {
    ports: Ports,
    trust: Arc<TrustStore>,
    places: Arc<Semaphore>,
}

impl Reports {
    /// Over these ports.
    #[must_use]
    pub fn new(ports: Ports, trust: Arc<TrustStore>) -> Self {
        Self { ports, trust, places: Arc::new(Semaphore::new(AT_ONCE)) }
    }

    /// Sends what was just stored in this version. Nobody waits for it: it is stored.
    pub fn send_soon(&self, partition: &Partition, waiting: Waiting, etag: Etag) {
        // While the bus is away, what is to be sent must not fill the process.
        let Ok(place) = Arc::clone(&self.places).try_acquire_owned() else { return };
        let (reports, partition) = (self.clone(), partition.clone());
        let sending = async move {
            if let Err(error) = reports.send(&partition, waiting, etag).await {
                tracing::warn!(cause = chain(&error), "not reported yet");
            }
            drop(place);
        };
        tokio::spawn(sending.in_current_span());
    }

    /// Reports a sign-in that was refused, and why. `attempt` names it, and nobody.
    ///
    /// It is refused in any case; what cannot be stored is logged.
    pub async fn refused(&self, tenant: TenantId, attempt: Digest, why: &'static str) {
        if let Err(error) = self.store_refused(tenant, attempt, why).await {
            tracing::error!(cause = chain(&error), why, "refused sign-in not reported");
        }
    }

    async fn store_refused(
        &self,
        tenant: TenantId,
        attempt: Digest,
        why: &'static str,
    ) -> Result<(), NotKept> {
        let now = self.ports.clock.now();
        let id = opaque::name(&*self.ports.entropy)?;
        let statement = event::refused(tenant, attempt, why, id, now);
        let event = Signed::sign(&statement, &*self.ports.signer).await?;
        let partition = Partition::session(&format!("refused-{}", event.digest()));
        let waiting = Waiting::new(&partition, event, now);
        match self.ports.documents.batch(&partition, &[waiting.write()?]).await {
            Ok(etags) => {
                if let [etag] = &*etags {
                    self.send_soon(&partition, waiting, etag.clone());
                }
                Ok(())
            }
            // Its name is its digest: only we can have written it, and the answer was lost.
            Err(BatchError::Conflict(_)) => Ok(()),
            Err(BatchError::Port(error)) => Err(error.into()),
        }
    }

    async fn send(
        &self,
        partition: &Partition,
        waiting: Waiting,
        etag: Etag,
    ) -> Result<(), NotSent> {
        let trust = self.trust.trust().await?;
        let opened = trust.open(&waiting.event, self.ports.clock.now());
        let opened = opened.map_err(NotGenuine::Statement)?;
        if opened.iss != App::Signin || waiting.tenant != partition.key() {
            return Err(NotGenuine::Contents("place").into());
        }
        let message = Report::new(waiting.event).message(None, current_traceparent())?;
        self.ports.bus.send(QUEUE, &message).await?;
        match self.ports.documents.batch(partition, &[Write::Delete(waiting.id, etag)]).await {
            // Another process has sent and removed it, too.
            Ok(_) | Err(BatchError::Conflict(_)) => Ok(()),
            Err(BatchError::Port(error)) => Err(error.into()),
        }
    }
}

/// What became of a round.
#[derive(Debug, Default, PartialEq, Eq)]
pub struct Round {
    /// Reports that were sent.
    pub sent: usize,
    /// Reports that are still there.
    pub left: usize,
}

impl Reports {
    /// Sends what was left, as far as there is time. What cannot be sent keeps nothing else
    /// waiting.
    ///
    /// # Errors
    ///
    /// [`PortError`] if it cannot be told what was left.
    pub async fn send_what_is_left(&self) -> Result<Round, PortError> {
        let mut partitions = Vec::new();
        for container in [Container::Sessions, Container::Revocations] {
            let keys = self.ports.documents.partitions(container, KIND).await?;
            partitions.extend(keys.iter().filter_map(|key| partition(container, key)));
        }
        self.in_any_order(&mut partitions)?;
        let until = self.ports.clock.now().plus_s(ROUND_S);
        let mut round = Round::default();
        for partition in partitions {
            if self.ports.clock.now() >= until {
                tracing::warn!("no time to send everything that was left");
                break;
            }
            let query = Query { kind: KIND, equals: None, not_after: None, limit: ROUND };
            for found in self.ports.documents.query(&partition, &query).await? {
                match self.send_found(&partition, found).await {
                    Ok(()) => round.sent += 1,
                    Err(error) => {
                        round.left += 1;
                        tracing::error!(cause = chain(&error), "report not sent; it stays");
                    }
                }
            }
        }
        Ok(round)
    }

    async fn send_found(&self, partition: &Partition, found: Found) -> Result<(), NotSent> {
        let waiting = serde_json::from_value(found.json).map_err(NotGenuine::Form)?;
        self.send(partition, waiting, found.etag).await
    }

    /// Begins anywhere: what one round does not come to is not the same each time.
    fn in_any_order(&self, partitions: &mut [Partition]) -> Result<(), PortError> {
        let mut random = [0; 4];
        self.ports.entropy.fill(&mut random)?;
        let first = usize::try_from(u32::from_le_bytes(random)).unwrap_or_default();
        if let Some(first) = first.checked_rem(partitions.len()) {
            partitions.rotate_left(first);
        }
        Ok(())
    }
}

fn partition(container: Container, key: &str) -> Option<Partition> {
    match container {
        Container::Sessions => Some(Partition::session(key)),
        Container::Revocations => key.parse().ok().map(Partition::revocations),
        Container::Tenants | Container::Bindings => None,
    }
}

/// Sends what was stored and not sent.
///
/// Trigger: a timer, which may fire twice or not at all.
pub async fn resend(State(signin): State<Signin>, _: Invoked) -> Result<Json<Done>, Refusal> {
    let desk = signin.desk().await?;
    let Round { sent, left } = desk.reports.send_what_is_left().await.map_err(refused::port)?;
    if sent + left > 0 {
        tracing::info!(sent, left, "reported what was left");
    }
    Ok(Json(Done::new()))
}
