//! The versions of a binding: what stands, what stood before, and what comes next.
//!
//! The one that counts is stored under one id, and each that it replaced is kept beside it. Those
//! are for reading only: the ledger knows the newest version, so an old one that is put back is
//! refused. Its terms come back as a new version.

use airlock_core::{
    binding::Binding,
    identity::TenantId,
    jws::{NotVerified, Signed},
    ports::Partition,
    time::Timestamp,
    trust::BINDING_ID,
};
use serde::{Deserialize, Serialize};

use super::{TenantTerms, WouldMove, following, next, renewed};
use crate::admin::publish::{NotPublished, Press, Published, Standing};

/// Bindings on their way from whoever signs to whoever stores.
#[derive(Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct SignedBindings {
    /// One for each tenant that changes.
    pub bindings: Vec<Signed<Binding>>,
}

/// What was signed is not stored, nor is anything that came with it.
#[derive(Debug, thiserror::Error)]
pub enum NotApplied {
    /// The root of this deployment did not sign it, or its time is over.
    #[error("a signed binding does not count")]
    NotVerified(#[source] NotVerified),
    /// It is not the next version of what stands: somebody published meanwhile, or it is old.
    #[error(
        "binding {ver} of {tenant} does not follow binding {stands}, which stands: plan and sign again"
    )]
    OtherVersion {
        /// The tenant.
        tenant: TenantId,
        /// The version that was signed.
        ver: u64,
        /// The version that stands; 0 if none does.
        stands: u64,
    },
    /// Which of both would count?
    #[error("tenant {0} stands twice")]
    Twice(TenantId),
    /// What stands was not read, or the next version not stored.
    #[error(transparent)]
    Published(#[from] NotPublished),
}

/// An earlier version is not there to be read.
#[derive(Debug, thiserror::Error)]
pub enum NoSuchVersion {
    /// Nothing is bound.
    #[error("tenant {0} is not bound")]
    Unbound(TenantId),
    /// It stands, or was never kept.
    #[error("tenant {tenant} has no earlier binding {ver}")]
    NotKept {
        /// The tenant.
        tenant: TenantId,
        /// The version.
        ver: u64,
    },
    /// It was not read.
    #[error(transparent)]
    NotRead(#[from] NotPublished),
}

/// Id of a version that was replaced.
fn kept_id(ver: u64) -> String {
    format!("{BINDING_ID}-{ver}")
}

/// What stands in a tenant.
///
/// # Errors
///
/// [`NotPublished`] if it is not the root's word about this tenant.
pub async fn standing(
    press: &Press<'_>,
    tenant: TenantId,
) -> Result<Option<Standing<Binding>>, NotPublished> {
    let standing = press.standing(&Partition::bindings(tenant), BINDING_ID).await?;
    about(tenant, standing)
}

/// A version that was replaced.
///
/// # Errors
///
/// [`NotPublished`] if what is kept is not the root's word about this tenant and version.
pub async fn kept(
    press: &Press<'_>,
    tenant: TenantId,
    ver: u64,
) -> Result<Option<Standing<Binding>>, NotPublished> {
    let kept = press.standing(&Partition::bindings(tenant), &kept_id(ver)).await?;
    let kept: Option<Standing<Binding>> = about(tenant, kept)?;
    if kept.as_ref().is_some_and(|kept| kept.value.ver != ver) {
        return Err(NotPublished::NotGenuine(NotVerified::Other("version")));
    }
    Ok(kept)
}

fn about(
    tenant: TenantId,
    standing: Option<Standing<Binding>>,
) -> Result<Option<Standing<Binding>>, NotPublished> {
    match standing {
        Some(standing) if standing.value.tnt != tenant => {
            Err(NotPublished::NotGenuine(NotVerified::Other("tenant")))
        }
        standing => Ok(standing),
    }
}

/// What is to be signed for terms to hold; `None` if they do, for long enough.
///
/// # Errors
///
/// [`WouldMove`].
pub fn wanted(
    standing: Option<&Standing<Binding>>,
    wanted: &TenantTerms,
    now: Timestamp,
) -> Result<Option<Binding>, WouldMove> {
    let next = next(standing.map(|standing| &standing.value), wanted, now)?;
    Ok(next.or_else(|| {
        let old = standing.filter(|standing| !standing.is_by_present_root)?;
        Some(renewed(&old.value, now))
    }))
}

/// Publishes the next version, if these terms do not stand yet.
///
/// # Errors
///
/// [`NotPublished`]. What was stored before still counts.
pub async fn publish(
    press: &Press<'_>,
    terms: &TenantTerms,
    now: Timestamp,
) -> Result<Published<Binding>, NotPublished> {
    let standing = standing(press, terms.tenant).await?;
    let Some(binding) = wanted(standing.as_ref(), terms, now)? else {
        let standing = standing.ok_or(NotPublished::Nothing)?;
        return Ok(Published::Unchanged(standing.value));
    };
    let artefact = press.sign(&binding).await?;
    replace(press, &binding, &artefact, standing.as_ref()).await?;
    Ok(Published::New(binding))
}

/// Stores a version in place of the one that stands, which is kept.
///
/// # Errors
///
/// [`NotPublished`]. What was stored before still counts. [`NotPublished::OtherHistory`] if a
/// version of that number stood before: then what stands was put back.
pub async fn replace(
    press: &Press<'_>,
    binding: &Binding,
    artefact: &Signed<Binding>,
    standing: Option<&Standing<Binding>>,
) -> Result<(), NotPublished> {
    let partition = Partition::bindings(binding.tnt);
    if kept(press, binding.tnt, binding.ver).await?.is_some() {
        return Err(NotPublished::OtherHistory(kept_id(binding.ver)));
    }
    // First: a version that is kept and stands as well is harmless, one that is gone is not.
    if let Some(standing) = standing {
        press.keep(&partition, &kept_id(standing.value.ver), standing).await?;
    }
    press.store(&partition, BINDING_ID, artefact, standing).await
}

/// Stores what somebody else signed: all of it, or nothing if any of it does not count.
///
/// # Errors
///
/// [`NotApplied`].
pub async fn apply(
    press: &Press<'_>,
    signed: &SignedBindings,
) -> Result<Vec<Published<Binding>>, NotApplied> {
    let mut checked: Vec<Next<'_>> = Vec::new();
    for artefact in &signed.bindings {
        let next = Next::of(press, artefact).await?;
        let tenant = next.binding.tnt;
        if checked.iter().any(|other| other.binding.tnt == tenant) {
            return Err(NotApplied::Twice(tenant));
        }
        checked.push(next);
    }
    let mut applied = Vec::new();
    for Next { artefact, binding, standing, is_stored } in checked {
        if is_stored {
            applied.push(Published::Unchanged(binding));
            continue;
        }
        replace(press, &binding, artefact, standing.as_ref()).await?;
        applied.push(Published::New(binding));
    }
    Ok(applied)
}

/// A signed binding that may be stored, or that is.
struct Next<'a> {
    artefact: &'a Signed<Binding>,
    binding: Binding,
    standing: Option<Standing<Binding>>,
    is_stored: bool,
}

impl<'a> Next<'a> {
    async fn of(press: &Press<'_>, artefact: &'a Signed<Binding>) -> Result<Self, NotApplied> {
        let binding = press.open(artefact).map_err(NotApplied::NotVerified)?.value().clone();
        let tenant = binding.tnt;
        let standing = standing(press, tenant).await?;
        let stands = standing.as_ref().map_or(0, |standing| standing.value.ver);
        let is_it = |it: &Standing<Binding>| it.artefact.as_str() == artefact.as_str();
        let is_stored = standing.as_ref().is_some_and(is_it);
        if !is_stored && binding.ver != stands + 1 {
            return Err(NotApplied::OtherVersion { tenant, ver: binding.ver, stands });
        }
        Ok(Self { artefact, binding, standing, is_stored })
    }
}

/// An earlier version beside the one that stands.
#[derive(Debug)]
pub struct Earlier {
    /// What stands.
    pub standing: Standing<Binding>,
    /// What stood.
    pub kept: Standing<Binding>,
}

/// Reads an earlier version, to sign its terms again.
///
/// # Errors
///
/// [`NoSuchVersion`].
pub async fn earlier(
    press: &Press<'_>,
    tenant: TenantId,
    ver: u64,
) -> Result<Earlier, NoSuchVersion> {
    let standing = standing(press, tenant).await?.ok_or(NoSuchVersion::Unbound(tenant))?;
    let not_kept = NoSuchVersion::NotKept { tenant, ver };
    if ver >= standing.value.ver {
        return Err(not_kept);
    }
    let kept = kept(press, tenant, ver).await?.ok_or(not_kept)?;
    Ok(Earlier { standing, kept })
}

/// Publishes terms as the next version, whether or not they differ from what stands.
///
/// # Errors
///
/// [`NotPublished`]. What was stored before still counts.
pub async fn roll_forward(
    press: &Press<'_>,
    standing: &Standing<Binding>,
    terms: &TenantTerms,
    now: Timestamp,
) -> Result<Binding, NotPublished> {
    let binding = following(Some(&standing.value), terms, now)?;
    let artefact = press.sign(&binding).await?;
    replace(press, &binding, &artefact, Some(standing)).await?;
    Ok(binding)
}

#[cfg(test)]
mod tests;
