//! Sealing: `drift` proves that every tree only grew, and says so where nobody can take it back.
//!
//! In each round, for each partition whose head moved: the new leaves are read and verified one
//! by one, added to the tree as it was anchored, and must give the head. Then the tiles are
//! written, the checkpoint is signed, and the anchor is created under the next number. Whatever
//! is not a proven extension of what was anchored is refused, and the refusal is an anchor too:
//! the partition stops until the admin root orders how to go on.
//!
//! Nothing here needs to be the only one of its kind. Two processes that seal at once race for
//! one anchor's name; who loses forgets what it knew and looks again. What a process remembers of
//! a tree saves it reading, and is held against what was anchored when it starts.
//!
//! A store that does not answer is never a reason to refuse, and nor is an answer that lags: what
//! a late answer could look like is refused only when it is still so [`CONFIRM_S`] seconds later.
//!
//! What an idle tenant costs in a round: one read of its binding and one of its head. No
//! signature, no write. For all of them together there is a query every half a minute.

mod artefacts;
mod audit;
mod claims;
mod epochs;
mod known;
mod leaves;
mod recent;
mod refusal;
mod round;
mod tiles;
mod unbound;

use std::{
    collections::HashMap,
    error::Error,
    sync::{Arc, PoisonError},
};

use futures::{StreamExt as _, stream};
use tokio::sync::{Mutex, Semaphore};

pub use artefacts::deployment_id;
pub use refusal::Violation;

use self::{
    audit::Audit,
    claims::Sweep,
    known::{Known, Last},
    unbound::Unbound,
};
use crate::{
    data_keys::DataKeys,
    identity::{App, TenantId},
    jws::{self, NotVerified},
    keyset::Trust,
    ledger::{
        Anchors, Ledger, NotAnchored, NotCommitted, anchor::Refused, checkpoint::NotAnOrigin, note,
    },
    ports::{BatchError, Partition, PortError, Ports, Signer},
    tenancy::TenantScope,
    time::Timestamp,
    trust::{NotTrusted, TrustStore},
    violation::Violations,
};

/// How much later something must still be so that a late answer could look like, in seconds.
pub const CONFIRM_S: i64 = 10;

/// Leaves after which the next epoch is opened. The store holds 20 GB for a tenant; these are
/// about half of it.
pub const EPOCH_LEAVES: u64 = 4_000_000;

/// Partitions that are sealed at a time.
const AT_ONCE: usize = 8;

/// Seals the ledgers of a deployment.
pub struct Sealer {
    ports: Ports,
    /// Signs checkpoints, and nothing else.
    checkpoints: Arc<dyn Signer>,
    anchors: Anchors,
    trust: Arc<TrustStore>,
    ledger: Arc<Ledger>,
    keys: DataKeys,
    violations: Violations,
    epoch_leaves: u64,
    states: std::sync::Mutex<HashMap<String, Arc<Mutex<State>>>>,
    /// One tree is audited at a time: an audit reads all of it.
    audits: Semaphore,
    unbound: Mutex<Unbound>,
}

/// One partition, and whose word counts there.
struct Place {
    partition: Partition,
    /// Where its signed artefacts are.
    bindings: Partition,
    trust: Arc<Trust>,
    /// None of the platform's own.
    scope: Option<TenantScope>,
}

/// What this process keeps of a partition.
#[derive(Default)]
struct State {
    known: Option<Known>,
    doubt: Option<(Violation, Timestamp)>,
    /// Number of the refusal that was told.
    told: Option<u64>,
    artefacts: artefacts::Published,
    sweep: Sweep,
    audit: Audit,
}

/// What became of the partitions in one round.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Round {
    /// Trees that moved, and were anchored.
    pub sealed: usize,
    /// Trees that did not move.
    pub idle: usize,
    /// Trees that are refused.
    pub refused: usize,
    /// Trees of which it could not be told. The log says why.
    pub failed: usize,
}

/// What became of one partition.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Did {
    Nothing,
    Sealed,
    Refused,
}

/// A tree was not sealed.
#[derive(Debug, thiserror::Error)]
enum NotSealed {
    /// It is no proven extension of what was anchored.
    #[error("tree is not genuine: {0}")]
    Violation(#[from] Violation),
    /// An audit found that it is not, and looked twice.
    #[error("audited tree is not genuine: {0}")]
    Found(#[source] Violation),
    /// A leaf is a little ahead of our clock.
    #[error("a leaf is a little ahead of our clock")]
    Ahead,
    /// Another process has anchored something meanwhile.
    #[error("anchored by another process meanwhile")]
    Raced,
    /// A version of something that the admin plane signs is older than the one that was anchored.
    #[error("{0} is older than what was anchored")]
    Older(&'static str),
    /// The keyset does not list the key that we sign checkpoints with.
    #[error("checkpoint would not be believed")]
    Key(#[source] NotVerified),
    /// The ledger's name or the partition's cannot be a tree's.
    #[error("tree has no name")]
    Name(#[from] NotAnOrigin),
    /// What was anchored cannot be told.
    #[error("newest anchor not had")]
    NotAnchored(#[from] NotAnchored),
    /// The checkpoint was not signed.
    #[error("checkpoint not signed")]
    NoteNotSigned(#[from] note::NotSigned),
    /// A statement was not signed.
    #[error("statement not signed")]
    NotSigned(#[from] jws::NotSigned),
    /// A statement was not committed.
    #[error("statement not committed")]
    NotCommitted(#[from] NotCommitted),
    /// Whom to trust could not be told.
    #[error("not trusted")]
    NotTrusted(#[from] NotTrusted),
    /// A thread of ours ended early.
    #[error("verification ended early")]
    Stopped(#[source] Box<dyn Error + Send + Sync>),
    /// A port did not do what it was asked.
    #[error("port did not help")]
    Port(#[from] PortError),
}

impl Sealer {
    /// A sealer that knows nothing yet.
    #[must_use]
    pub fn new(
        ports: Ports,
        checkpoints: Arc<dyn Signer>,
        trust: Arc<TrustStore>,
        anchors: Anchors,
    ) -> Self {
        let ledger = Arc::new(Ledger::new(App::Drift, &ports, Arc::clone(&trust)));
        let keys = DataKeys::new(&ports, Arc::clone(&ledger));
        Self {
            ports,
            checkpoints,
            anchors,
            trust,
            ledger,
            keys,
            violations: Violations::default(),
            epoch_leaves: EPOCH_LEAVES,
            states: std::sync::Mutex::default(),
            audits: Semaphore::new(1),
            unbound: Mutex::default(),
        }
    }

    /// The same, with epochs of another size than [`EPOCH_LEAVES`].
    #[must_use]
    pub fn with_epochs_of(self, epoch_leaves: u64) -> Self {
        Self { epoch_leaves, ..self }
    }

    /// Seals what is new, in every partition. One partition's trouble is logged, and keeps none
    /// of the others waiting.
    ///
    /// # Errors
    ///
    /// [`NotTrusted`] if keyset or tenants could not be had at all.
    pub async fn round(&self) -> Result<Round, NotTrusted> {
        let trust = Arc::new(self.trust.trust().await?);
        let bound = self.trust.tenants().await?;
        let now = self.ports.clock.now();
        let unbound = self.tell_unbound(&bound, now).await.unwrap_or_else(|error| {
            let error = &error as &(dyn Error + 'static);
            tracing::error!(error, "not told which tenants have lost their binding");
            1
        });
        let tenants = bound.into_iter().map(Some);
        let done = stream::iter(tenants.chain([None]))
            .map(|tenant| self.one(tenant, Arc::clone(&trust)))
            .buffer_unordered(AT_ONCE);
        let begun = Round { failed: unbound, ..Round::default() };
        let round = done.fold(begun, |mut round, did| async move {
            match did {
                Some(Did::Sealed) => round.sealed += 1,
                Some(Did::Nothing) => round.idle += 1,
                Some(Did::Refused) => round.refused += 1,
                None => round.failed += 1,
            }
            round
        });
        Ok(round.await)
    }

    async fn one(&self, tenant: Option<TenantId>, trust: Arc<Trust>) -> Option<Did> {
        let work = async {
            let place = self.place(tenant, trust).await?;
            let state = self.state(&place);
            // Another round of this process is still at it.
            let Ok(mut state) = state.try_lock() else { return Ok(Did::Nothing) };
            Box::pin(self.partition(&place, &mut state)).await
        };
        match work.await {
            Ok(did) => Some(did),
            Err(error) => {
                let tenant = tenant.map_or_else(|| "platform".to_owned(), |id| id.to_string());
                let error: &NotSealed = &error;
                tracing::error!(tenant, error = error as &(dyn Error + 'static), "not sealed");
                None
            }
        }
    }

    async fn place(&self, tenant: Option<TenantId>, trust: Arc<Trust>) -> Result<Place, NotSealed> {
        let Some(tenant) = tenant else {
            let (partition, bindings) = (Partition::platform(), Partition::deployment());
            return Ok(Place { partition, bindings, trust, scope: None });
        };
        let scope = self.trust.scope_as_signed(&trust, tenant).await?;
        let (partition, bindings) = (Partition::tenant(&scope), Partition::bindings(tenant));
        Ok(Place { partition, bindings, trust, scope: Some(scope) })
    }

    fn state(&self, place: &Place) -> Arc<Mutex<State>> {
        let mut states = self.states.lock().unwrap_or_else(PoisonError::into_inner);
        Arc::clone(states.entry(place.partition.key().to_owned()).or_default())
    }

    /// One partition's turn.
    async fn partition(&self, place: &Place, state: &mut State) -> Result<Did, NotSealed> {
        let now = self.ports.clock.now();
        let mut refused = None;
        if state.known.is_none() {
            match self.last(place, now).await {
                Ok(Last::Known(known)) => state.known = Some(*known),
                Ok(Last::Refused(last)) => refused = Some(last),
                // The anchored part itself is spoiled.
                Err(NotSealed::Violation(violation)) => {
                    return self.doubt(place, state, violation, now).await;
                }
                Err(error) => return Err(error),
            }
        }
        if let Some(refused) = refused {
            let Some(known) = self.recovered(place, &refused, now).await? else {
                return self.stays_refused(place, state, &refused, now).await;
            };
            state.known = Some(known);
        }
        let Some(mut known) = state.known.take() else { return Ok(Did::Nothing) };
        let worked = self.work(place, state, &mut known, now).await;
        match worked {
            // What is known may be older than what another process anchored.
            Err(NotSealed::Raced) => Ok(Did::Nothing),
            Err(NotSealed::Violation(violation)) => {
                state.known = Some(known);
                self.doubt(place, state, violation, now).await
            }
            Err(NotSealed::Found(violation)) => {
                state.known = Some(known);
                self.stop(place, state, violation, now).await
            }
            Err(error) => {
                state.known = Some(known);
                Err(error)
            }
            Ok(did) => {
                state.known = Some(known);
                state.doubt = None;
                Ok(did)
            }
        }
    }

    async fn work(
        &self,
        place: &Place,
        state: &mut State,
        known: &mut Known,
        now: Timestamp,
    ) -> Result<Did, NotSealed> {
        // The tree first: what cannot be published or swept now is no reason not to seal.
        let published = self.publish(place, known, &mut state.artefacts, now).await;
        let did = self.seal(place, known, now).await?;
        self.export(place, known, now).await?;
        self.sweep(place, known, &mut state.sweep, now).await?;
        self.audit(place, known, &mut state.audit, now).await?;
        self.turn_epochs(place, known, now).await?;
        published?;
        Ok(did)
    }

    /// Refuses, unless it may be a late answer that has not been confirmed.
    async fn doubt(
        &self,
        place: &Place,
        state: &mut State,
        violation: Violation,
        now: Timestamp,
    ) -> Result<Did, NotSealed> {
        let since = match state.doubt {
            Some((before, since)) if before == violation => since,
            _ => now,
        };
        if violation.may_be_lag() && now.since_s(since) < CONFIRM_S {
            state.doubt = Some((violation, since));
            return Err(violation.into());
        }
        self.stop(place, state, violation, now).await
    }

    async fn stop(
        &self,
        place: &Place,
        state: &mut State,
        violation: Violation,
        now: Timestamp,
    ) -> Result<Did, NotSealed> {
        let newest = match &state.known {
            Some(known) => known.number,
            None => {
                self.anchors.list(place.partition.key(), 1).await?.first().map_or(0, |(n, _)| *n)
            }
        };
        // What another process anchored meanwhile, or this refusal, is read in the next round.
        state.known = None;
        state.doubt = None;
        if self.refuse(place, newest, violation, now).await? {
            if let Err(error) = self.tell(place, now).await {
                let error = &error as &(dyn Error + 'static);
                tracing::error!(error, "refusal not told; it will be");
            } else {
                state.told = Some(newest + 1);
            }
            return Ok(Did::Refused);
        }
        Ok(Did::Nothing)
    }

    async fn stays_refused(
        &self,
        place: &Place,
        state: &mut State,
        refused: &Refused,
        now: Timestamp,
    ) -> Result<Did, NotSealed> {
        if state.told != Some(refused.number) {
            self.tell(place, now).await?;
            state.told = Some(refused.number);
        }
        Ok(Did::Refused)
    }
}

impl From<BatchError> for NotSealed {
    fn from(error: BatchError) -> Self {
        match error {
            BatchError::Conflict(_) => Self::Raced,
            BatchError::Port(error) => Self::Port(error),
        }
    }
}
