//! What an operation may do once it is permitted.

use serde_json::Value;

use super::{Effect, Eyes, OnUser};
use crate::{
    identity::ObjectId,
    ports::{Answer, Clock, Directory, Entropy, NotApplied, PortError},
    request::{Permitted, Request},
    time::Timestamp,
};

/// The calls of one permitted change, with the one application that it needs, for as long as
/// the attempt has its lease.
pub struct Hands<'a> {
    request: &'a Request<Permitted>,
    on: &'a OnUser,
    directory: &'a dyn Directory,
    entropy: &'a dyn Entropy,
    clock: &'a dyn Clock,
    until: Timestamp,
    has_written: bool,
    call_id: Option<String>,
}

/// An operation was not carried out, or not to its end.
#[derive(Debug, thiserror::Error)]
pub enum NotDone {
    /// It cannot be, in words for the requester.
    #[error("{0}")]
    Cannot(&'static str),
    /// The directory did not do it.
    #[error("call not carried out")]
    NotApplied(#[from] NotApplied),
}

impl From<PortError> for NotDone {
    fn from(error: PortError) -> Self {
        Self::NotApplied(NotApplied::Port(error))
    }
}

impl NotDone {
    /// Whether the directory refused with this status.
    pub(super) const fn is_refusal(&self, with: u16) -> bool {
        matches!(self, Self::NotApplied(NotApplied::Refused { status, .. }) if *status == with)
    }

    /// The same refusal in words of the operation's own, if it came with this status.
    pub(super) fn saying(self, status: u16, words: &'static str) -> Self {
        if self.is_refusal(status) { Self::Cannot(words) } else { self }
    }
}

impl<'a> Hands<'a> {
    /// Hands for the work of a permitted request. No call begins after `until`.
    #[must_use]
    pub fn new(
        (request, on): (&'a Request<Permitted>, &'a OnUser),
        directory: &'a dyn Directory,
        (entropy, clock): (&'a dyn Entropy, &'a dyn Clock),
        until: Timestamp,
    ) -> Self {
        let (has_written, call_id) = (false, None);
        Self { request, on, directory, entropy, clock, until, has_written, call_id }
    }

    /// Whether the directory has confirmed a change.
    #[must_use]
    pub const fn has_written(&self) -> bool {
        self.has_written
    }

    /// The directory's own id of the last call that it answered.
    #[must_use]
    pub fn into_call_id(self) -> Option<String> {
        self.call_id
    }

    /// The target.
    pub(super) const fn target(&self) -> ObjectId {
        self.on.user()
    }

    /// Randomness, for a secret that has to be chosen.
    pub(super) const fn entropy(&self) -> &dyn Entropy {
        self.entropy
    }

    /// How a body refers to a directory object.
    pub(super) fn reference(&self, object: ObjectId) -> String {
        format!("{}/directoryObjects/{object}", self.directory.root())
    }

    /// Looks at what the operation declares to look at.
    pub(super) fn eyes(&self) -> Eyes<'a> {
        Eyes::new(self.on, self.request.scope(), self.directory)
    }

    /// Sends one of the calls that the operation declares, once.
    pub(super) async fn send(
        &mut self,
        method: &'static str,
        path: String,
        body: Option<Value>,
    ) -> Result<Answer, NotDone> {
        let effect = Effect::of(self.on, method, path, body).map_err(PortError::from)?;
        // Whoever has the next lease would make the same calls at the same time.
        if self.clock.now() > self.until {
            return Err(PortError::Unavailable("the lease is nearly over".into()).into());
        }
        let answer = self.directory.apply(self.request, &effect).await?;
        self.has_written |= effect.writes();
        self.call_id.clone_from(&answer.call_id);
        Ok(answer)
    }
}
