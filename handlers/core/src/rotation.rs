//! Changing secrets and keys on schedule, so that none is missing for a moment and none is left
//! over.
//!
//! A change goes from *planned* over *added*, *stored* and *proved* to *active*, and later the
//! credential before it is removed. Each of these is one commit to the tenant's ledger, made after
//! the call that it tells of; each call can be repeated and finds by its tags what was done before.
//! So whoever comes next, in whatever process, finishes what was begun.
//!
//! Guarantee, under SIGKILL at any instruction and lost answers: the credential in use is removed
//! only after the next one was proved by use, by its id, when its overlap is over; and what was
//! added without being recorded is removed as well, by its id.

mod client_secret;
mod drivers;
mod generated;
mod pace;
mod place;
pub mod ports;
mod rewrapping;
mod rotating;
mod session_key;
mod sightings;
mod signing_key;
pub mod state;
mod turn;
mod wrapping_key;

use std::{
    collections::{BTreeSet, HashMap, HashSet},
    error::Error,
    sync::{Arc, Mutex, PoisonError},
};

use futures::{FutureExt as _, StreamExt as _, stream};
use uuid::Uuid;

use crate::{
    data_keys::DataKeys,
    digest::Digest,
    identity::{App, ObjectId, TenantId},
    keyset::Trust,
    ledger::{Ledger, NotCommitted, NotGenuine, NotProven},
    ports::{Found, Partition, PortError, Ports},
    secret_binding::{
        Driven, PlatformSecretBindings, SecretBinding, SecretBindings, SecretName, Secrets,
    },
    tenancy::TenantScope,
    time::Timestamp,
    trust::{NotTrusted, TrustStore},
};

use self::{
    pace::Pace,
    ports::RotationPorts,
    rotating::{Made, Rotating},
    state::{PREFIX, PREFIX_END, Rotation, document_id},
    turn::Turn,
};

/// For how long a process has a secret to itself, in seconds: longer than its longest step.
pub const LEASE_S: i64 = 300;

/// Secrets that one process works on at once.
const AT_ONCE: usize = 8;

/// For how long a round takes up secrets, in seconds: the next one goes on.
const ROUND_S: i64 = 240;

/// For how long a new credential that is not accepted yet is used again, in seconds, by one run
/// after the other, before it counts as refused.
const PATIENCE_S: i64 = 600;

/// Documents that are read at once.
const PAGE: u32 = 500;

/// One process that rotates.
pub struct Rotator {
    ports: Ports,
    outside: RotationPorts,
    trust: Arc<TrustStore>,
    ledger: Arc<Ledger>,
    data_keys: DataKeys,
    holder: Uuid,
    pace: Pace,
    own: Own,
    busy: Mutex<HashSet<Name>>,
    kept: Mutex<HashMap<Name, Made>>,
}

/// What Airlock itself lives by. No tenant's bindings reach it.
#[derive(Clone, Debug)]
pub struct Own {
    /// Applications whose secrets are never changed, by any of their ids.
    pub clients: BTreeSet<ObjectId>,
    /// The key that wraps tenants' data keys, after which those of one tenant alone are named.
    pub data_key: String,
}

/// What a request asks of one secret.
#[derive(Clone, Copy, Debug)]
pub struct Demand {
    /// The request: asked for again, nothing is changed again.
    pub request: Digest,
    /// When it was claimed: what was changed since is not changed again for it.
    pub claimed_at: Timestamp,
    /// Whether the old credential is removed at once.
    pub emergency: bool,
}

/// What became of one secret.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Ended {
    /// There was nothing to do, or everything that was to be done is.
    Done,
    /// Its new credential is in use.
    Rotated,
    /// Its new credential is not accepted yet, or something still needs its old one: a later round
    /// goes on.
    Waiting,
    /// Another process works on it.
    Busy,
    /// Its new credential did not prove good and was removed. The one before stays in use.
    Refused,
}

/// What a round came to.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Round {
    /// Secrets whose new credential is in use.
    pub rotated: u32,
    /// Secrets of which an old credential was removed, or nothing was left to do.
    pub done: u32,
    /// Secrets that a later round goes on with.
    pub waiting: u32,
    /// Secrets whose new credential did not prove good.
    pub refused: u32,
    /// Secrets or tenants of which something was not read, not called or not committed.
    pub failed: u32,
}

/// A secret was not rotated, or not to the end. The next round goes on.
#[derive(Debug, thiserror::Error)]
pub enum NotRotated {
    /// The tenant, or its secret bindings, are not to be trusted, or not now.
    #[error("tenant not entered")]
    NotTrusted(#[from] NotTrusted),
    /// No secret of this name is bound in the tenant.
    #[error("no such secret")]
    Unknown,
    /// It is bound to an application of Airlock's own, which has no secret. Nothing was called.
    #[error("bound to an application of Airlock's own")]
    Own,
    /// It is bound to a key under which the tenant's data keys do not stand. Nothing was called.
    #[error("bound to a key that does not wrap this tenant's data keys")]
    NotItsKey,
    /// What is known by its name is about another thing. Nothing was called.
    #[error("bound to another thing than its rotation is about: bind it by another name")]
    OtherThing,
    /// What is stored about it is not what a process of ours wrote.
    #[error("stored rotation not genuine")]
    NotGenuine(#[from] NotGenuine),
    /// The ledger is not proven.
    #[error("ledger not proven")]
    NotProven(#[from] NotProven),
    /// How far it has come could not be committed.
    #[error("rotation not committed")]
    NotCommitted(#[source] NotCommitted),
    /// Another process was faster.
    #[error("another process works on it")]
    Taken,
    /// Entra, Key Vault or the store did not help.
    #[error("rotation's call not made")]
    Port(#[from] PortError),
    /// Its document names something that is not of its kind.
    #[error("stored rotation does not fit its binding: {0}")]
    Other(&'static str),
}

impl From<NotCommitted> for NotRotated {
    fn from(error: NotCommitted) -> Self {
        match error {
            NotCommitted::Conflict => Self::Taken,
            error => Self::NotCommitted(error),
        }
    }
}

/// What changes a secret, unless nothing may.
type Driving<'a> = Result<Box<dyn Rotating + 'a>, NotRotated>;

/// A secret by its partition and its own name.
type Name = (String, SecretName);

/// Where how far it has come is written, and whom to trust there.
struct Place<'a> {
    trust: &'a Trust,
    partition: Partition,
}

/// One secret in work in this process, until this goes.
struct Working<'a> {
    rotator: &'a Rotator,
    secret: Name,
}

impl Drop for Working<'_> {
    fn drop(&mut self) {
        let busy = &self.rotator.busy;
        busy.lock().unwrap_or_else(PoisonError::into_inner).remove(&self.secret);
    }
}

impl Place<'_> {
    fn named(&self, name: &SecretName) -> Name {
        (self.partition.key().to_owned(), name.clone())
    }
}

impl Rotator {
    /// A process of the name `holder`: random, new for each. Whatever tenants bind, it touches
    /// nothing of what is Airlock's `own`.
    #[must_use]
    pub fn new(
        ports: Ports,
        outside: RotationPorts,
        trust: Arc<TrustStore>,
        own: Own,
        holder: [u8; 16],
    ) -> Self {
        let ledger = Arc::new(Ledger::new(App::Rotate, &ports, Arc::clone(&trust)));
        let data_keys = DataKeys::new(&ports, Arc::clone(&ledger));
        let holder = uuid::Builder::from_random_bytes(holder).into_uuid();
        let (pace, busy, kept) = (Pace::default(), Mutex::default(), Mutex::default());
        Self { ports, outside, trust, ledger, data_keys, holder, pace, own, busy, kept }
    }

    /// Changes what is due, finishes what was begun, and removes what is over, for the platform and
    /// in every tenant.
    ///
    /// # Errors
    ///
    /// [`NotTrusted`] if nobody can tell whom to trust. One secret's or one tenant's failure stops
    /// no other.
    pub async fn round(&self) -> Result<Round, NotTrusted> {
        let trust = self.trust.trust().await?;
        let until = self.ports.clock.now().plus_s(ROUND_S);
        let mut round = Round::default();
        if let Err(error) = self.round_of_platform(&trust, until, &mut round).await {
            round.failed += 1;
            let error = &error as &(dyn Error + 'static);
            tracing::error!(error, "the platform's keys not looked at");
        }
        for tenant in self.trust.tenants().await? {
            if let Err(error) = self.round_in(&trust, tenant, until, &mut round).await {
                round.failed += 1;
                let error = &error as &(dyn Error + 'static);
                tracing::error!(error, %tenant, "secrets of a tenant not looked at");
            }
        }
        Ok(round)
    }

    async fn round_in(
        &self,
        trust: &Trust,
        tenant: TenantId,
        until: Timestamp,
        round: &mut Round,
    ) -> Result<(), NotRotated> {
        let scope = &self.trust.scope(trust, tenant).await?;
        let now = self.ports.clock.now();
        let documents = &*self.ports.documents;
        let secrets = SecretBindings::read(documents, trust, scope, now).await?;
        let place = Place { trust, partition: Partition::tenant(scope) };
        let driver = |binding| self.driver(trust, scope, binding);
        self.round_at(&place, &secrets, &driver, until, round).await
    }

    async fn round_of_platform(
        &self,
        trust: &Trust,
        until: Timestamp,
        round: &mut Round,
    ) -> Result<(), NotRotated> {
        let now = self.ports.clock.now();
        let documents = &*self.ports.documents;
        let secrets = PlatformSecretBindings::read_platform(documents, trust, now).await?;
        if secrets.iter().next().is_none() {
            return Ok(());
        }
        let place = Place { trust, partition: Partition::platform() };
        self.ledger.proven(&place.partition, trust, now).await?;
        let driver = |binding| Ok(self.platform_driver(trust, binding));
        self.round_at(&place, &secrets, &driver, until, round).await
    }

    async fn round_at<'a, D: Driven + Sync>(
        &'a self,
        place: &'a Place<'_>,
        secrets: &'a Secrets<D>,
        driver: &'a (dyn Fn(&'a SecretBinding<D>) -> Driving<'a> + Sync),
        until: Timestamp,
        round: &mut Round,
    ) -> Result<(), NotRotated> {
        let now = self.ports.clock.now();
        let mut stored = self.stored(&place.partition).await?;
        let mut work = Vec::new();
        for binding in secrets.iter() {
            let found = stored.remove(&document_id(&binding.name));
            // Looked at before it is believed: what has nothing to do costs no signature check.
            let seen = found.as_ref().and_then(Rotation::unverified);
            if seen.is_none_or(|rotation| rotation.has_work(binding, now)) {
                work.push(self.one_of_round(place, binding, driver, until).boxed());
            }
        }
        let mut ended = stream::iter(work).buffer_unordered(AT_ONCE);
        while let Some(ended) = ended.next().await {
            match ended {
                Ok(Ended::Done) => round.done += 1,
                Ok(Ended::Rotated) => round.rotated += 1,
                Ok(Ended::Waiting | Ended::Busy) | Err(NotRotated::Taken) => round.waiting += 1,
                Ok(Ended::Refused) => round.refused += 1,
                Err(_) => round.failed += 1,
            }
        }
        Ok(())
    }

    async fn one_of_round<'a, D: Driven + Sync>(
        &'a self,
        place: &'a Place<'_>,
        binding: &'a SecretBinding<D>,
        driver: &'a (dyn Fn(&'a SecretBinding<D>) -> Driving<'a> + Sync),
        until: Timestamp,
    ) -> Result<Ended, NotRotated> {
        self.pace.turn().await;
        if self.ports.clock.now() >= until {
            return Ok(Ended::Waiting);
        }
        let ended = match driver(binding) {
            Ok(driver) => self.one(place, binding, &*driver, None).await,
            Err(error) => Err(error),
        };
        if let Err(NotRotated::Port(PortError::Throttled { after_s })) = &ended {
            self.pace.hold(*after_s).await;
        }
        if let Err(error) = &ended {
            let error = error as &(dyn Error + 'static);
            tracing::error!(error, secret = %binding.name, "secret not rotated");
        }
        ended
    }

    /// All rotations of a tenant as they are stored, by their ids.
    async fn stored(&self, partition: &Partition) -> Result<HashMap<String, Found>, PortError> {
        let mut all = HashMap::new();
        let mut from = PREFIX.to_owned();
        loop {
            let page = self.ports.documents.range(partition, &from..PREFIX_END, PAGE).await?;
            let is_last = page.is_empty();
            for found in page {
                let id = found.json["id"].as_str().unwrap_or_default().to_owned();
                from = format!("{id}\0");
                all.insert(id, found);
            }
            if is_last {
                return Ok(all);
            }
        }
    }

    /// Changes one secret because a request asks for it. The same request changes nothing twice.
    ///
    /// # Errors
    ///
    /// [`NotRotated`].
    pub async fn rotate(
        &self,
        scope: &TenantScope,
        secret: &str,
        demand: Demand,
    ) -> Result<Ended, NotRotated> {
        let trust = self.trust.trust().await?;
        let now = self.ports.clock.now();
        let secrets = SecretBindings::read(&*self.ports.documents, &trust, scope, now).await?;
        let binding = secrets.named(secret).ok_or(NotRotated::Unknown)?;
        let place = Place { trust: &trust, partition: Partition::tenant(scope) };
        let driver = self.driver(&trust, scope, binding)?;
        let ended = self.one(&place, binding, &*driver, Some(demand)).await?;
        if demand.emergency && ended == Ended::Rotated {
            // It is over once the old one is gone as well.
            return match self.one(&place, binding, &*driver, Some(demand)).await? {
                waits @ (Ended::Waiting | Ended::Busy) => Ok(waits),
                Ended::Done | Ended::Rotated | Ended::Refused => Ok(ended),
            };
        }
        Ok(ended)
    }

    async fn one<D: Driven + Sync>(
        &self,
        place: &Place<'_>,
        binding: &SecretBinding<D>,
        driver: &dyn Rotating,
        demand: Option<Demand>,
    ) -> Result<Ended, NotRotated> {
        let Some(_ours) = self.enter(place, &binding.name) else {
            return Ok(Ended::Busy);
        };
        let mut turn = Turn::open(self, place, binding, driver).await?;
        // Boxed: with all its steps it is too large to be carried on a stack of futures.
        Box::pin(turn.take(demand)).await
    }

    /// Keeps what was added and is not accepted yet: its value is nowhere else. A process that
    /// ends forgets it, and the next one adds another.
    fn keep(&self, place: &Place<'_>, name: &SecretName, made: Made) {
        let secret = place.named(name);
        self.kept.lock().unwrap_or_else(PoisonError::into_inner).insert(secret, made);
    }

    fn take_kept(&self, place: &Place<'_>, name: &SecretName) -> Option<Made> {
        let secret = place.named(name);
        self.kept.lock().unwrap_or_else(PoisonError::into_inner).remove(&secret)
    }

    fn enter(&self, place: &Place<'_>, name: &SecretName) -> Option<Working<'_>> {
        let secret = place.named(name);
        let mut busy = self.busy.lock().unwrap_or_else(PoisonError::into_inner);
        busy.insert(secret.clone()).then(|| Working { rotator: self, secret })
    }
}
