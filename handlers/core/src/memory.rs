//! The ports in memory, for this crate's own tests. They keep the same promises as the ones
//! over Azure, and can be told to fail.

pub mod actual;
mod blobs;
mod documents;
mod gate;
pub mod remediation;
pub mod rotation;

use std::{
    collections::{HashMap, VecDeque},
    sync::{
        Arc, Mutex, MutexGuard, PoisonError,
        atomic::{AtomicI64, Ordering},
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
        Answer, Bus, Clock, Directory, Entropy, Message, NotApplied, Partition, PortError, Signer,
        WrappedKey, Wrapper,
    },
    request::{Permitted, Request},
    tenancy::TenantScope,
    time::Timestamp,
};

pub use blobs::Kept;
pub use documents::Documented;

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

    /// Its public half.
    #[must_use]
    pub const fn key(&self) -> &PublicKey {
        &self.public
    }
}

#[async_trait]
impl Signer for LocalKey {
    fn current(&self) -> PublicKey {
        self.public.clone()
    }

    async fn sign(&self, key: &PublicKey, digest: &Digest) -> Result<[u8; 64], PortError> {
        if *key != self.public {
            return Err(PortError::Broken("another key".into()));
        }
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

/// Messages that were sent.
#[derive(Debug, Default)]
pub struct Sent {
    messages: Mutex<Vec<(String, Message)>>,
    /// Whether the broker takes nothing.
    pub away: Mutex<bool>,
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
        if *lock(&self.away) {
            return Err(lost());
        }
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
        lock(&self.sent).push((effect.application(), call + &body));
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
