//! What an operation may look at before it is carried out.

use serde_json::Value;

use super::{
    OnUser,
    effect::{self, Declares as _},
};
use crate::{
    binding::Terms,
    identity::ObjectId,
    ports::{Directory, PortError},
    tenancy::TenantScope,
};

/// The reads of one operation, with the application that can only read.
pub struct Eyes<'a> {
    on: &'a OnUser,
    scope: &'a TenantScope,
    directory: &'a dyn Directory,
}

/// Why an operation is not begun.
#[derive(Debug, thiserror::Error)]
pub enum Unfit {
    /// Not on this target, in words for the requester.
    #[error("{0}")]
    No(&'static str),
    /// Something was not read. It is never taken for "no".
    #[error("not looked at")]
    Port(#[from] PortError),
}

impl<'a> Eyes<'a> {
    /// Eyes for a change in its tenant.
    #[must_use]
    pub fn new(on: &'a OnUser, scope: &'a TenantScope, directory: &'a dyn Directory) -> Self {
        Self { on, scope, directory }
    }

    /// The tenant's terms.
    pub(super) const fn terms(&self) -> &Terms {
        self.scope.terms()
    }

    /// The target.
    pub(super) const fn target(&self) -> ObjectId {
        self.on.user()
    }

    /// Reads something that the operation declares to read, all pages of it; `None` if it is
    /// not there.
    pub(super) async fn read(&self, path: &str) -> Result<Option<Value>, PortError> {
        effect::declared(self.on, self.on.reach().reads, "GET", path)?;
        self.directory.read(self.scope, path).await
    }

    /// Whether somebody else is protected, by the same rules as a target; `None` if there is no
    /// such user.
    pub(super) async fn is_protected(&self, user: ObjectId) -> Result<Option<bool>, PortError> {
        let facts = self.directory.look_up(self.scope, user).await?;
        Ok(facts.map(|facts| facts.protected))
    }
}
