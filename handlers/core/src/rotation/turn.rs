//! One process's turn with one secret: from the document to wherever it leads.

use super::{
    Demand, Ended, LEASE_S, NotRotated, Place, Rotator,
    ports::Acceptance,
    rotating::{Made, Rotating, Storing},
    state::{Active, KIND, Lease, Rotation, Run, Stage, Why, document_id},
};
use crate::{
    digest::Digest,
    event,
    identity::App,
    ledger::{Commit, Contents, Document, Happened, NotGenuine, Stored, commit::Change},
    ports::{Etag, Found, PortError},
    secret_binding::{Driven, SecretBinding},
    time::Timestamp,
};

/// The longest step, in seconds: a lease that is shorter is renewed before it.
const LONGEST_STEP_S: i64 = LEASE_S - 30;

/// A secret, as far as this process knows.
pub(super) struct Turn<'a, D> {
    rotator: &'a Rotator,
    place: &'a Place<'a>,
    binding: &'a SecretBinding<D>,
    driver: &'a dyn Rotating,
    rotation: Rotation,
    /// Its version, if it is stored.
    etag: Option<Etag>,
    created: i64,
    salt: [u8; 16],
    /// What was just added, while its value is in memory.
    made: Option<Made>,
}

/// What one commit tells, besides what the document says.
#[derive(Clone, Copy, Default)]
struct Telling {
    /// What those who watch are told.
    words: Option<&'static str>,
    /// The request that it belongs to.
    request: Option<Digest>,
}

impl<'a, D: Driven> Turn<'a, D> {
    /// Reads how far it has come.
    pub async fn open(
        rotator: &'a Rotator,
        place: &'a Place<'a>,
        binding: &'a SecretBinding<D>,
        driver: &'a dyn Rotating,
    ) -> Result<Self, NotRotated> {
        let id = document_id(&binding.name);
        let now = rotator.ports.clock.now();
        let found = rotator.ports.documents.read(&place.partition, &id).await?;
        let mut turn = Self {
            rotator,
            place,
            binding,
            driver,
            rotation: Rotation::of(binding.name.clone()),
            etag: None,
            created: now.as_unix_s(),
            salt: [0; 16],
            made: rotator.take_kept(place, &binding.name),
        };
        match found {
            Some(found) => turn.read(found, now).await?,
            None => rotator.ports.entropy.fill(&mut turn.salt)?,
        }
        if turn.rotation.is_of_another(binding) {
            return Err(NotRotated::OtherThing);
        }
        turn.rotation.thing = Some(binding.driver.identity());
        Ok(turn)
    }

    async fn read(&mut self, found: Found, now: Timestamp) -> Result<(), NotRotated> {
        let Place { trust, partition } = self.place;
        let signed = Stored::statement_of(&found)?;
        let (digest, key) = (signed.digest(), signed.key());
        let ledger = &self.rotator.ledger;
        let trust = ledger.trust_about(partition, digest, key, trust, now).await?;
        let document: Document<Rotation> = Document::open(found, partition, &trust, now)?;
        if document.by != App::Rotate || document.id != document_id(&document.body.name) {
            return Err(NotGenuine::Contents("author").into());
        }
        self.rotation = document.body;
        (self.created, self.salt, self.etag) = (document.at, document.salt, Some(document.etag));
        Ok(())
    }

    /// Does what is to be done.
    pub async fn take(&mut self, demand: Option<Demand>) -> Result<Ended, NotRotated> {
        let now = self.now();
        if self.is_others(now) {
            return Ok(Ended::Busy);
        }
        if self.etag.is_none() {
            self.adopt().await?;
        }
        if demand.is_none() && self.waits().await? {
            self.retire().await?;
            return Ok(Ended::Waiting);
        }
        self.begin(demand).await?;
        let mut ended = Ended::Done;
        while self.rotation.run.is_some() {
            match self.step().await? {
                Some(stopped @ (Ended::Waiting | Ended::Refused)) => return Ok(stopped),
                Some(other) => ended = other,
                None => {}
            }
        }
        match self.retire().await? {
            Ended::Waiting => Ok(if ended == Ended::Rotated { ended } else { Ended::Waiting }),
            _ => Ok(ended),
        }
    }

    /// Whether another process works on it.
    fn is_others(&self, now: Timestamp) -> bool {
        let holder = self.rotator.holder;
        self.rotation.lease.is_some_and(|lease| lease.holder != holder && now < lease.until)
    }

    /// Whether somebody else has to do something first: then nothing is written.
    async fn waits(&self) -> Result<bool, NotRotated> {
        match &self.rotation.run {
            Some(run) => self.driver.waits(run).await,
            None => Ok(false),
        }
    }

    /// Records what was in use before the first change.
    async fn adopt(&mut self) -> Result<(), NotRotated> {
        if let Some((held, since)) = self.driver.adopt().await? {
            self.rotation.active = Some(Active { held, since, run: uuid::Uuid::nil() });
            self.commit(Happened::SecretAdopted, Telling::default()).await?;
        }
        Ok(())
    }

    /// Plans a change if one is due or demanded, or takes up the one that was begun.
    async fn begin(&mut self, demand: Option<Demand>) -> Result<(), NotRotated> {
        let now = self.now();
        if let Some(demand) = demand.filter(|demand| demand.emergency)
            && self.rotation.meets(&demand)
            && self.binding.driver.least_overlap_s() == 0
        {
            self.rotation.hurry(now, Some(demand.request));
        }
        let demand = demand.filter(|demand| !self.rotation.meets(demand));
        if let Some(run) = &mut self.rotation.run {
            let hurried = demand.is_some_and(|demand| demand.emergency);
            if hurried {
                run.why = Why::Emergency;
            }
            if let Some(demand) = demand {
                if hurried || run.request.is_none() {
                    run.request = Some(demand.request);
                }
                self.rotation.demanded = Some(demand.request);
                // Whoever joins is named where they do, whosever change it is.
                let telling = Telling { request: Some(demand.request), words: None };
                return self.commit(Happened::SecretResumed, telling).await;
            }
            let request = run.request;
            return self.hold(request).await;
        }
        let why = match demand {
            Some(Demand { emergency: true, .. }) => Why::Emergency,
            Some(Demand { emergency: false, .. }) => Why::Demanded,
            None if self.rotation.due(self.binding).is_none_or(|due| due <= now) => Why::Due,
            None => return Ok(()),
        };
        let mut id = [0; 16];
        self.rotator.ports.entropy.fill(&mut id)?;
        let id = uuid::Builder::from_random_bytes(id).into_uuid();
        let request = demand.map(|demand| demand.request);
        let stage = Stage::Planned;
        self.rotation.run = Some(Run { id, attempt: 0, why, request, at: now, stage });
        self.rotation.demanded = request.or(self.rotation.demanded);
        self.commit(Happened::SecretPlanned, Telling { request, words: None }).await
    }

    /// Sees to it that this process has the secret to itself for the longest step.
    async fn hold(&mut self, request: Option<Digest>) -> Result<(), NotRotated> {
        let (now, holder) = (self.now(), self.rotator.holder);
        let lasts =
            |lease: Lease| lease.holder == holder && lease.until.since_s(now) >= LONGEST_STEP_S;
        if self.rotation.lease.is_some_and(lasts) {
            return Ok(());
        }
        self.commit(Happened::SecretResumed, Telling { request, words: None }).await
    }

    /// Makes one step and commits it. Something, if the change ended or waits.
    async fn step(&mut self) -> Result<Option<Ended>, NotRotated> {
        let Some(run) = self.rotation.run.clone() else { return Ok(Some(Ended::Done)) };
        self.hold(run.request).await?;
        match &run.stage {
            Stage::Planned => {
                let made = self.driver.add(&run, &self.rotation).await?;
                let credential = made.credential.clone();
                self.made = Some(made);
                self.reach(Stage::Added { credential }, Happened::SecretAdded).await?;
            }
            Stage::Added { credential } => return self.store(&run, credential).await,
            Stage::Stored { held, at } => match self.driver.prove(held, *at).await? {
                Acceptance::Accepted => {
                    let held = held.clone();
                    self.reach(Stage::Proved { held }, Happened::SecretProved).await?;
                }
                Acceptance::NotYet if self.now().since_s(*at) <= self.driver.patience_s() => {
                    return Ok(Some(Ended::Waiting));
                }
                Acceptance::NotYet | Acceptance::Refused => {
                    self.refuse(held.credential.clone()).await?;
                }
            },
            Stage::Proved { held } => {
                let now = self.now();
                let wanted_s = if run.why == Why::Emergency { 0 } else { self.binding.overlap_s() };
                let overlap_s = wanted_s.max(self.binding.driver.least_overlap_s());
                self.rotation.activate(&run, held.clone(), now, now.plus_s(overlap_s));
                let words = Some("a new credential is in use");
                let telling = Telling { words, request: run.request };
                self.commit(Happened::SecretRotated, telling).await?;
                return Ok(Some(Ended::Rotated));
            }
            Stage::Refused { credential } => {
                let active = self.rotation.active.as_ref().map(|active| &active.held);
                let back = self.driver.undo(&run, credential, active).await?;
                if let (Some(back), Some(active)) = (back, &mut self.rotation.active) {
                    active.held = back;
                }
                self.rotation.run = None;
                // Whoever asks again shall have it tried again.
                self.rotation.demanded = None;
                self.rotation.failures = self.rotation.failures.saturating_add(1);
                let telling = Telling { request: run.request, words: None };
                self.commit(Happened::SecretRetired, telling).await?;
                return Ok(Some(Ended::Refused));
            }
        }
        Ok(None)
    }

    async fn store(&mut self, run: &Run, credential: &str) -> Result<Option<Ended>, NotRotated> {
        let made = self.made.take().filter(|made| made.credential == credential);
        let forgotten = || Made { credential: credential.to_owned(), value: None };
        let made = made.unwrap_or_else(forgotten);
        match self.driver.store(run, &made).await? {
            Storing::Stored(held) => {
                let at = self.now();
                self.reach(Stage::Stored { held, at }, Happened::SecretStored).await?;
            }
            Storing::Lost => {
                if let Some(run) = &mut self.rotation.run {
                    run.attempt = run.attempt.saturating_add(1);
                }
                self.reach(Stage::Planned, Happened::SecretPlanned).await?;
            }
            Storing::NotYet => {
                self.rotator.keep(self.place, &self.binding.name, made);
                return Ok(Some(Ended::Waiting));
            }
            Storing::Refused => self.refuse(made.credential).await?,
        }
        Ok(None)
    }

    /// Records that the new credential is no good, before it is taken back.
    async fn refuse(&mut self, credential: String) -> Result<(), NotRotated> {
        tracing::error!(secret = %self.binding.name, "new credential did not prove good");
        if let Some(run) = &mut self.rotation.run {
            run.stage = Stage::Refused { credential };
        }
        let words = Some("a new credential did not prove good; the one before stays in use");
        let telling = Telling { words, request: self.request() };
        self.commit(Happened::SecretProofFailed, telling).await
    }

    /// The request for which a change is being made.
    fn request(&self) -> Option<Digest> {
        self.rotation.run.as_ref().and_then(|run| run.request)
    }

    async fn reach(&mut self, stage: Stage, happened: Happened) -> Result<(), NotRotated> {
        if let Some(run) = &mut self.rotation.run {
            run.stage = stage;
        }
        let telling = Telling { request: self.request(), words: None };
        self.commit(happened, telling).await
    }

    /// Removes old credentials whose time is over.
    async fn retire(&mut self) -> Result<Ended, NotRotated> {
        while let Some(old) = self.rotation.removable(self.now()).cloned() {
            self.hold(old.request).await?;
            if !self.driver.remove(&old.held, &self.rotation).await? {
                return Ok(Ended::Waiting);
            }
            self.rotation.old.retain(|other| other.held != old.held);
            let telling = Telling { request: old.request, words: None };
            self.commit(Happened::SecretRetired, telling).await?;
        }
        Ok(Ended::Done)
    }

    /// Commits how far it has come. What goes out says what happened and for which request, and
    /// names nothing else.
    async fn commit(&mut self, happened: Happened, telling: Telling) -> Result<(), NotRotated> {
        let Telling { words, request } = telling;
        let now = self.now();
        let busy = self.rotation.run.is_some()
            || happened == Happened::SecretResumed
            || self.rotation.removable(now).is_some();
        let (holder, until) = (self.rotator.holder, now.plus_s(LEASE_S));
        self.rotation.lease = busy.then_some(Lease { holder, until });
        let Rotator { ports, ledger, .. } = self.rotator;
        let partition = &self.place.partition;
        let mut outgoing = Vec::new();
        if let Some(words) = words {
            let (by, entropy) = (App::Rotate, &*ports.entropy);
            let told = event::outgoing(by, happened, partition, request, words, entropy, now);
            outgoing.push(told?);
        }
        let body = serde_json::to_string(&self.rotation);
        let body = body.map_err(|error| PortError::Broken(error.into()))?;
        let commit = Commit {
            request,
            reason: words.map(str::to_owned),
            change: Some(Change {
                id: document_id(&self.rotation.name),
                kind: KIND,
                at: self.created,
                hint: None,
                contents: Contents::Clear { salt: Some(self.salt), body },
                replaces: self.etag.clone(),
            }),
            outgoing,
            ..Commit::of(happened)
        };
        let committed = ledger.commit(partition, commit, now).await?;
        self.etag = committed.etag;
        Ok(())
    }

    fn now(&self) -> Timestamp {
        self.rotator.ports.clock.now()
    }
}
