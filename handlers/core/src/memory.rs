//! The ports in memory, for this crate's own tests. They keep the same promises as the ones
//! over Azure, and can be told to fail.

pub mod rotation;

use std::{
    collections::{BTreeMap, HashMap, VecDeque},
    ops::Range,
    sync::{
        Arc, Mutex, MutexGuard, PoisonError,
        atomic::{AtomicI64, AtomicU64, Ordering},
    },
};

use async_trait::async_trait;
use p256::{
    SecretKey,
    ecdsa::{Signature, SigningKey, signature::hazmat::PrehashSigner as _},
};
use serde_json::Value;

use crate::{
    catalog::Effect,
    digest::Digest,
    identity::ObjectId,
    jwk::{NotAKey, PublicKey},
    policy::TargetFacts,
    ports::{
        Answer, BatchError, Blob, Blobs, Bus, Clock, Container, Created, Directory, Documents,
        Entropy, Etag, Found, Message, NotApplied, Partition, PortError, Query, Signer, WrappedKey,
        Wrapper, Write,
    },
    request::{Permitted, Request},
    tenancy::TenantScope,
    time::Timestamp,
};

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

fn lost() -> PortError {
    PortError::Unavailable("told to fail".into())
}

/// A clock that stands until it is moved.
#[derive(Debug)]
pub struct SetClock(AtomicI64);

impl SetClock {
    /// Stands at `now`.
    #[must_use]
    pub const fn at(now: Timestamp) -> Self {
        Self(AtomicI64::new(now.as_unix_s()))
    }

    /// Moves it.
    pub fn advance_s(&self, seconds: i64) {
        self.0.fetch_add(seconds, Ordering::SeqCst);
    }
}

impl Clock for SetClock {
    fn now(&self) -> Timestamp {
        Timestamp::from_unix_s(self.0.load(Ordering::SeqCst))
    }
}

/// The system's randomness.
#[derive(Clone, Copy, Debug, Default)]
pub struct Dice;

impl Entropy for Dice {
    fn fill(&self, buffer: &mut [u8]) -> Result<(), PortError> {
        getrandom::fill(buffer).map_err(|error| PortError::Broken(error.to_string().into()))
    }
}

/// A signing key in this process: a client's, or a test's.
pub struct LocalKey {
    private: SigningKey,
    public: PublicKey,
}

impl LocalKey {
    /// The key of a private scalar.
    ///
    /// # Errors
    ///
    /// [`NotAKey`], which no private key is.
    pub fn new(private: &SecretKey) -> Result<Self, NotAKey> {
        let public = PublicKey::from_point(&private.public_key())?;
        Ok(Self { private: SigningKey::from(private), public })
    }
}

#[async_trait]
impl Signer for LocalKey {
    fn key(&self) -> &PublicKey {
        &self.public
    }

    async fn sign(&self, digest: &Digest) -> Result<[u8; 64], PortError> {
        let signature: Signature = self
            .private
            .sign_prehash(digest.as_bytes())
            .map_err(|error| PortError::Broken(error.to_string().into()))?;
        Ok(signature.to_bytes().into())
    }
}

/// Wraps by masking: enough to see that what was wrapped is what is unwrapped, and by which key.
#[derive(Clone, Copy, Debug, Default)]
pub struct Mask;

/// A key beside [`Mask`], by its name.
struct NamedMask(String);

/// Name of [`Mask`].
const MASK: &str = "memory";

#[async_trait]
impl Wrapper for Mask {
    fn of(&self, partition: &Partition) -> Arc<dyn Wrapper> {
        Arc::new(NamedMask(partition.wrapping_key_name(MASK).into_owned()))
    }

    async fn wrap(&self, key: &[u8; 32]) -> Result<WrappedKey, PortError> {
        NamedMask(MASK.to_owned()).wrap(key).await
    }

    async fn unwrap(&self, key: &WrappedKey) -> Result<[u8; 32], PortError> {
        NamedMask(MASK.to_owned()).unwrap(key).await
    }
}

#[async_trait]
impl Wrapper for NamedMask {
    fn of(&self, partition: &Partition) -> Arc<dyn Wrapper> {
        Mask.of(partition)
    }

    async fn wrap(&self, key: &[u8; 32]) -> Result<WrappedKey, PortError> {
        let wrapped = key.iter().map(|byte| byte ^ 0x5a).collect();
        Ok(WrappedKey { kid: self.0.clone(), wrapped })
    }

    async fn unwrap(&self, key: &WrappedKey) -> Result<[u8; 32], PortError> {
        if key.kid != self.0 {
            return Err(PortError::Broken("wrapped by another key".into()));
        }
        let bytes: Vec<u8> = key.wrapped.iter().map(|byte| byte ^ 0x5a).collect();
        bytes.try_into().map_err(|_| PortError::Broken("not a wrapped key".into()))
    }
}

/// How the next call goes wrong.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fault {
    /// It does nothing and fails.
    Fails,
    /// It does its work, and the answer is lost.
    LosesAnswer,
    /// It does its work twice, as an implementation that repeats after a lost answer: the
    /// caller sees the second try.
    Repeats,
    /// It works.
    None,
}

/// A partition's documents by id.
type Contents = BTreeMap<String, (Value, Etag)>;

/// Documents in memory.
#[derive(Debug, Default)]
pub struct Documented {
    stored: Mutex<HashMap<Partition, Contents>>,
    version: AtomicU64,
    faults: Mutex<VecDeque<Fault>>,
    reads: Mutex<VecDeque<Fault>>,
}

impl Documented {
    /// What the next batches do, in order; after them, batches work.
    pub fn next_batches(&self, faults: impl IntoIterator<Item = Fault>) {
        lock(&self.faults).extend(faults);
    }

    /// What the next reads do, of whatever kind, in order; after them, they work. One whose
    /// answer is lost has failed.
    pub fn next_reads(&self, faults: impl IntoIterator<Item = Fault>) {
        lock(&self.reads).extend(faults);
    }

    /// Forgets what reads were told to do.
    pub fn read_again(&self) {
        lock(&self.reads).clear();
    }

    fn reads(&self) -> Result<(), PortError> {
        match lock(&self.reads).pop_front() {
            Some(Fault::Fails | Fault::LosesAnswer) => Err(lost()),
            Some(Fault::Repeats | Fault::None) | None => Ok(()),
        }
    }

    /// All documents of a partition.
    #[must_use]
    pub fn all(&self, partition: &Partition) -> BTreeMap<String, Value> {
        lock(&self.stored)
            .get(partition)
            .into_iter()
            .flatten()
            .map(|(id, (json, _))| (id.clone(), json.clone()))
            .collect()
    }

    /// Writes past every rule, as whoever owns the database can.
    pub fn overwrite(&self, partition: &Partition, id: &str, json: Value) {
        let etag = self.etag();
        lock(&self.stored)
            .entry(partition.clone())
            .or_default()
            .insert(id.to_owned(), (json, etag));
    }

    /// Removes past every rule, as whoever owns the database can.
    pub fn forget(&self, partition: &Partition, id: &str) {
        if let Some(documents) = lock(&self.stored).get_mut(partition) {
            documents.remove(id);
        }
    }

    fn etag(&self) -> Etag {
        Etag(self.version.fetch_add(1, Ordering::SeqCst).to_string())
    }

    fn apply(&self, partition: &Partition, writes: &[Write]) -> Result<Vec<Etag>, BatchError> {
        let mut stored = lock(&self.stored);
        let documents = stored.entry(partition.clone()).or_default();
        let mut after = documents.clone();
        let mut etags = Vec::new();
        for (position, write) in writes.iter().enumerate() {
            let conflict = || BatchError::Conflict(position);
            let (id, json, expected) = match write {
                Write::Create(json) => (id(json), Some(json.clone()), None),
                Write::Replace(json, etag) => (id(json), Some(json.clone()), Some(etag)),
                Write::Delete(id, etag) => (id.clone(), None, Some(etag)),
            };
            if after.get(&id).map(|(_, etag)| etag) != expected {
                return Err(conflict());
            }
            let etag = self.etag();
            match json {
                Some(json) => after.insert(id, (json, etag.clone())),
                None => after.remove(&id),
            };
            etags.push(etag);
        }
        *documents = after;
        Ok(etags)
    }
}

fn id(json: &Value) -> String {
    json["id"].as_str().unwrap_or_default().to_owned()
}

#[async_trait]
impl Documents for Documented {
    async fn read(&self, partition: &Partition, id: &str) -> Result<Option<Found>, PortError> {
        self.reads()?;
        Ok(lock(&self.stored)
            .get(partition)
            .and_then(|documents| documents.get(id))
            .map(|(json, etag)| Found { json: json.clone(), etag: etag.clone() }))
    }

    async fn query(&self, partition: &Partition, query: &Query) -> Result<Vec<Found>, PortError> {
        self.reads()?;
        let stored = lock(&self.stored);
        let mut found: Vec<Found> = stored
            .get(partition)
            .into_iter()
            .flatten()
            .filter(|(_, (json, _))| json["kind"] == query.kind)
            .filter(|(_, (json, _))| {
                query.equals.as_ref().is_none_or(|(name, value)| json[*name] == **value)
            })
            .filter(|(_, (json, _))| {
                query.not_after.is_none_or(|at| json["at"].as_i64() <= Some(at))
            })
            .map(|(_, (json, etag))| Found { json: json.clone(), etag: etag.clone() })
            .collect();
        found.sort_by_key(|found| std::cmp::Reverse(found.json["at"].as_i64()));
        found.truncate(query.limit as usize);
        Ok(found)
    }

    async fn range(
        &self,
        partition: &Partition,
        ids: Range<&str>,
        limit: u32,
    ) -> Result<Vec<Found>, PortError> {
        self.reads()?;
        let stored = lock(&self.stored);
        let Some(documents) = stored.get(partition) else { return Ok(Vec::new()) };
        let found = documents.range(ids.start.to_owned()..ids.end.to_owned());
        let found = found.take(limit as usize);
        Ok(found
            .map(|(_, (json, etag))| Found { json: json.clone(), etag: etag.clone() })
            .collect())
    }

    async fn partitions(
        &self,
        container: Container,
        kind: &'static str,
    ) -> Result<Vec<String>, PortError> {
        Ok(lock(&self.stored)
            .iter()
            .filter(|(partition, _)| {
                partition.container() == container && partition.is_among_others()
            })
            .filter(|(_, documents)| documents.values().any(|(json, _)| json["kind"] == kind))
            .map(|(partition, _)| partition.key().to_owned())
            .collect())
    }

    async fn batch(
        &self,
        partition: &Partition,
        writes: &[Write],
    ) -> Result<Vec<Etag>, BatchError> {
        let fault = lock(&self.faults).pop_front().unwrap_or(Fault::None);
        match fault {
            Fault::None => self.apply(partition, writes),
            Fault::Fails => Err(lost().into()),
            Fault::LosesAnswer => {
                self.apply(partition, writes)?;
                Err(lost().into())
            }
            Fault::Repeats => {
                self.apply(partition, writes)?;
                self.apply(partition, writes)
            }
        }
    }
}

/// Create-only blobs in memory.
#[derive(Debug, Default)]
pub struct Kept {
    blobs: Mutex<Blobbed>,
    faults: Mutex<VecDeque<Fault>>,
    reads: Mutex<VecDeque<Fault>>,
    calls: AtomicU64,
    clock: Option<Arc<SetClock>>,
}

/// Blobs by container and name, with the time of their creation.
type Blobbed = BTreeMap<(String, String), (Vec<u8>, Timestamp)>;

impl Kept {
    /// Blobs whose time of creation this clock tells; without one it is 1970.
    #[must_use]
    pub fn by(clock: Arc<SetClock>) -> Self {
        Self { clock: Some(clock), ..Self::default() }
    }

    /// What the next creations do, in order; after them, they work.
    pub fn next_creations(&self, faults: impl IntoIterator<Item = Fault>) {
        lock(&self.faults).extend(faults);
    }

    /// What the next reads and lists do, in order; after them, they work. One whose answer is
    /// lost has failed.
    pub fn next_reads(&self, faults: impl IntoIterator<Item = Fault>) {
        lock(&self.reads).extend(faults);
    }

    /// Forgets what reads and lists were told to do.
    pub fn read_again(&self) {
        lock(&self.reads).clear();
    }

    /// How many calls were made.
    pub fn calls(&self) -> u64 {
        self.calls.load(Ordering::SeqCst)
    }

    /// Names in a container.
    #[must_use]
    pub fn names(&self, container: &str) -> Vec<String> {
        let blobs = lock(&self.blobs);
        blobs.keys().filter(|(own, _)| own == container).map(|(_, name)| name.clone()).collect()
    }

    /// Writes past every rule, as whoever owns the account can.
    pub fn overwrite(&self, container: &str, name: &str, bytes: &[u8]) {
        let at = self.now();
        let key = (container.to_owned(), name.to_owned());
        lock(&self.blobs).insert(key, (bytes.to_vec(), at));
    }

    /// Removes past every rule, as whoever owns the account can.
    pub fn forget(&self, container: &str, name: &str) {
        lock(&self.blobs).remove(&(container.to_owned(), name.to_owned()));
    }

    fn now(&self) -> Timestamp {
        self.clock.as_ref().map_or(Timestamp::from_unix_s(0), |clock| clock.now())
    }

    fn reads(&self) -> Result<(), PortError> {
        self.calls.fetch_add(1, Ordering::SeqCst);
        match lock(&self.reads).pop_front() {
            Some(Fault::Fails | Fault::LosesAnswer) => Err(lost()),
            Some(Fault::Repeats | Fault::None) | None => Ok(()),
        }
    }
}

#[async_trait]
impl Blobs for Kept {
    async fn create(
        &self,
        container: &str,
        name: &str,
        bytes: &[u8],
    ) -> Result<Created, PortError> {
        self.calls.fetch_add(1, Ordering::SeqCst);
        let fault = lock(&self.faults).pop_front().unwrap_or(Fault::None);
        if fault == Fault::Fails {
            return Err(lost());
        }
        let key = (container.to_owned(), name.to_owned());
        let at = self.now();
        let mut blobs = lock(&self.blobs);
        let existed = blobs.contains_key(&key);
        blobs.entry(key).or_insert_with(|| (bytes.to_vec(), at));
        match fault {
            Fault::LosesAnswer => Err(lost()),
            Fault::None | Fault::Fails if !existed => Ok(Created::New),
            Fault::None | Fault::Fails | Fault::Repeats => Ok(Created::Existed),
        }
    }

    async fn read(&self, container: &str, name: &str) -> Result<Option<Vec<u8>>, PortError> {
        self.reads()?;
        let key = (container.to_owned(), name.to_owned());
        Ok(lock(&self.blobs).get(&key).map(|(bytes, _)| bytes.clone()))
    }

    async fn list(
        &self,
        container: &str,
        prefix: &str,
        limit: usize,
    ) -> Result<Vec<Blob>, PortError> {
        self.reads()?;
        let first = (container.to_owned(), prefix.to_owned());
        let blobs = lock(&self.blobs);
        let found = blobs.range(first..);
        let found =
            found.take_while(|((own, name), _)| own == container && name.starts_with(prefix));
        let found = found.take(limit);
        Ok(found.map(|((_, name), (_, at))| Blob { name: name.clone(), at: *at }).collect())
    }
}

/// Messages that were sent.
#[derive(Debug, Default)]
pub struct Sent {
    messages: Mutex<Vec<(String, Message)>>,
}

impl Sent {
    /// All of them, with their queues.
    #[must_use]
    pub fn all(&self) -> Vec<(String, Message)> {
        lock(&self.messages).clone()
    }
}

#[async_trait]
impl Bus for Sent {
    async fn send(&self, queue: &str, message: &Message) -> Result<(), PortError> {
        let mut messages = lock(&self.messages);
        if messages.iter().all(|(other, sent)| other != queue || sent.id != message.id) {
            messages.push((queue.to_owned(), message.clone()));
        }
        Ok(())
    }
}

/// A directory in memory: some targets, and what was done to them.
#[derive(Debug, Default)]
pub struct Listed {
    /// Who is there.
    pub targets: Mutex<HashMap<ObjectId, TargetFacts>>,
    /// What was done, in order.
    pub applied: Mutex<Vec<(Digest, String)>>,
    /// What the next applications do.
    pub faults: Mutex<VecDeque<Fault>>,
    /// What there is to read, by path.
    pub readable: Mutex<HashMap<String, Value>>,
    /// What was sent: application, method, path and canonical body.
    pub sent: Mutex<Vec<(&'static str, String)>>,
    /// How long each application takes, in seconds, by this clock.
    pub takes: Mutex<Option<(Arc<SetClock>, i64)>>,
    /// What it answers to a call, by method and path, instead of a pass.
    pub answers: Mutex<HashMap<String, VecDeque<Result<Value, u16>>>>,
}

#[async_trait]
impl Directory for Listed {
    async fn look_up(
        &self,
        _: &TenantScope,
        target: ObjectId,
    ) -> Result<Option<TargetFacts>, PortError> {
        Ok(lock(&self.targets).get(&target).copied())
    }

    async fn read(&self, _: &TenantScope, path: &str) -> Result<Option<Value>, PortError> {
        Ok(lock(&self.readable).get(path).cloned())
    }

    fn root(&self) -> &'static str {
        "https://graph.microsoft.com/v1.0"
    }

    async fn apply(
        &self,
        request: &Request<Permitted>,
        effect: &Effect,
    ) -> Result<Answer, NotApplied> {
        let fault = lock(&self.faults).pop_front().unwrap_or(Fault::None);
        if fault == Fault::Fails {
            return Err(lost().into());
        }
        if let Some((clock, seconds)) = &*lock(&self.takes) {
            clock.advance_s(*seconds);
        }
        let call = format!("{} {}", effect.method(), effect.path());
        let answer = lock(&self.answers).get_mut(&call).and_then(VecDeque::pop_front);
        let body = effect.body().map(serde_json_canonicalizer::to_string).transpose();
        let body = body.map_err(|error| PortError::Broken(error.into()))?;
        let body = body.map_or_else(String::new, |body| format!(" {body}"));
        lock(&self.sent).push((request.change().entry().application, call + &body));
        if let Some(Err(status)) = answer {
            return Err(NotApplied::Refused { status, code: "told".to_owned() });
        }
        lock(&self.applied).push((request.digest(), effect.path().to_owned()));
        if fault == Fault::LosesAnswer {
            return Err(lost().into());
        }
        let body = match answer {
            Some(Ok(body)) => body,
            _ => serde_json::json!({ "temporaryAccessPass": "Pass-1234" }),
        };
        Ok(Answer { body, call_id: Some("call-1".to_owned()) })
    }
}
