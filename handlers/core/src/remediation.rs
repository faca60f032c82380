//! Remediation: a credential that nobody declared is taken away from an app registration of
//! Airlock's own.
//!
//! `drift` finds it, and asks as an event producer; `rotate` does it, under a permit like any
//! other change. The application that it uses has no permission of Microsoft Graph's at all: it
//! holds a directory role for exactly the registrations that were declared to be mended, which
//! lets it change credentials there.
//!
//! What `drift` signed is not enough. Before the one call, the registration is read again, and the
//! call is made only if
//!
//! - the registration is one of Airlock's own, in the deployment's tenant, and declared to be
//!   mended: so nothing of anybody else is ever changed this way;
//! - the credential stands there, by the very id: so a finding that is out of date does nothing;
//! - it is not the one federated credential that was declared: so not even who has taken over
//!   `drift` can shut an application off.

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::Arc,
};

use async_trait::async_trait;
use uuid::Uuid;

use crate::{
    catalog::{Effect, Removable, Removal, Unfit},
    drift::{
        actual::Federated,
        desired::{Application, Desired},
    },
    identity::ObjectId,
    ports::{Answer, Clock, NotApplied, PortError},
    request::{Permitted, Request},
    tenancy::TenantScope,
    time::Timestamp,
};

/// The application that takes credentials away.
pub const REMEDIATOR: &str = "airlock-remediator";

/// What a requester is told about a registration that is not mended this way.
const NOT_OURS: &str = "not an application that Airlock takes credentials away from";

/// What a requester is told about a registration that is not there.
const NO_SUCH: &str = "the directory does not know the application";

/// What a requester is told about what shall be there.
const DECLARED: &str = "the credential is the one that was declared";

/// App registrations, and what takes credentials away from them.
#[async_trait]
pub trait Remediation: Send + Sync {
    /// An app registration and what opens it, as it is now; `None` if it is not there. It is read
    /// with an application that may not take anything away. Of a registration without federated
    /// credentials, that is none and not an error.
    ///
    /// # Errors
    ///
    /// [`PortError`]. What was not read to its end is an error, never a part.
    async fn look(
        &self,
        scope: &TenantScope,
        application: ObjectId,
    ) -> Result<Option<Opened>, PortError>;

    /// Makes the one call of the removal that the request was permitted and claimed for, once, as
    /// [`REMEDIATOR`].
    ///
    /// Made again, it changes nothing more: the credential is named by its id, which is used once.
    ///
    /// # Errors
    ///
    /// [`NotApplied`]: refused, and nothing was changed; or undecided, and it may have been.
    async fn apply(
        &self,
        request: &Request<Permitted>,
        effect: &Effect,
    ) -> Result<Answer, NotApplied>;
}

/// What opens an app registration.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Opened {
    /// Its client id.
    pub client: ObjectId,
    /// `keyId`s of its passwords.
    pub passwords: BTreeSet<Uuid>,
    /// Whose tokens are as good.
    pub federated: Vec<Federated>,
}

/// Takes away what was not declared.
pub struct Remediator {
    outside: Arc<dyn Remediation>,
    desired: Desired,
    /// What may be mended, by client id.
    mendable: BTreeMap<ObjectId, Application>,
}

/// A credential is not there any more.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Gone {
    /// The directory confirmed that it was removed.
    Now {
        /// The directory's own id of the call.
        call_id: Option<String>,
    },
    /// It was not there: somebody was faster, or an earlier attempt whose answer was lost.
    Before,
}

/// A credential was not taken away.
#[derive(Debug, thiserror::Error)]
pub enum NotRemoved {
    /// It must not be, in words for the requester. Nothing was called that changes anything.
    #[error("{0}")]
    Unfit(&'static str),
    /// The directory did not do it, or did not say so.
    #[error("credential not removed")]
    NotApplied(#[from] NotApplied),
}

impl From<Unfit> for NotRemoved {
    fn from(unfit: Unfit) -> Self {
        match unfit {
            Unfit::No(reason) => Self::Unfit(reason),
            Unfit::Port(error) => error.into(),
        }
    }
}

impl From<PortError> for NotRemoved {
    fn from(error: PortError) -> Self {
        Self::NotApplied(error.into())
    }
}

impl Remediator {
    /// Over what is outside, for what was declared: of the clients that are Airlock's `own`, those
    /// that are to be mended.
    #[must_use]
    pub fn new(outside: Arc<dyn Remediation>, desired: Desired, own: &BTreeSet<ObjectId>) -> Self {
        let applications = desired.applications.values();
        let mendable = applications.filter(|each| each.mendable && own.contains(&each.client));
        let mendable = mendable.map(|each| (each.client, each.clone())).collect();
        Self { outside, desired, mendable }
    }

    /// Whether the credential stands, and may be taken away.
    ///
    /// Remote calls: those of one [look](Remediation::look), or none.
    ///
    /// # Errors
    ///
    /// [`Unfit`].
    pub async fn stands(&self, scope: &TenantScope, removal: &Removal) -> Result<bool, Unfit> {
        if scope.tenant() != self.desired.home {
            return Err(Unfit::No(NOT_OURS));
        }
        let seen = self.outside.look(scope, removal.application()).await?;
        let seen = seen.ok_or(Unfit::No(NO_SUCH))?;
        let declared = self.mendable.get(&seen.client).ok_or(Unfit::No(NOT_OURS))?;
        match removal.kind() {
            Removable::Password => Ok(seen.passwords.contains(&removal.credential())),
            Removable::Federated => {
                let is_named = |each: &&Federated| each.id.uuid() == removal.credential();
                match seen.federated.iter().find(is_named) {
                    Some(found) if self.desired.is_declared(found, declared) => {
                        Err(Unfit::No(DECLARED))
                    }
                    found => Ok(found.is_some()),
                }
            }
        }
    }

    /// Takes the credential away that a request was permitted for. No call that changes anything
    /// begins after `until`.
    ///
    /// Remote calls: one look, then the removal; and one more look if that was refused, for Graph
    /// refuses to remove what is gone.
    ///
    /// # Errors
    ///
    /// [`NotRemoved`].
    pub async fn remove(
        &self,
        request: &Request<Permitted>,
        removal: &Removal,
        (clock, until): (&dyn Clock, Timestamp),
    ) -> Result<Gone, NotRemoved> {
        if !self.stands(request.scope(), removal).await? {
            return Ok(Gone::Before);
        }
        // Whoever has the next lease would make the same call at the same time.
        if clock.now() > until {
            return Err(PortError::Unavailable("the lease is nearly over".into()).into());
        }
        let effect = removal.effect().map_err(PortError::from)?;
        match self.outside.apply(request, &effect).await {
            Ok(Answer { call_id, .. }) => Ok(Gone::Now { call_id }),
            Err(NotApplied::Refused { status, code }) => {
                if self.stands(request.scope(), removal).await? {
                    return Err(NotApplied::Refused { status, code }.into());
                }
                Ok(Gone::Before)
            }
            Err(error) => Err(error.into()),
        }
    }
}
