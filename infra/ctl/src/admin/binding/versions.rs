//! The versions of a binding and of the secrets that hold with it: what stands, what stood before,
//! and what comes next.
//!
//! What counts is stored under one id each, and what it replaced is kept beside it. That is for
//! reading only: the ledger knows the newest version, so an old one that is put back is refused.
//! What it said comes back as a new version. Binding and secrets are written in one batch, so that
//! a reader never finds the one without the other, wherever a publication is interrupted.

mod applying;

use airlock_core::{
    binding::Binding,
    identity::TenantId,
    jws::{NotVerified, Signed},
    ledger::statement::ArtefactVersion,
    ports::Partition,
    secret_binding::{SECRETS_ID, SecretBindings, Secrets},
    time::Timestamp,
    trust::BINDING_ID,
};

#[cfg(test)]
pub use self::applying::{NotApplied, SignedBinding};
pub use self::applying::{SignedBindings, apply};
use super::{
    TenantTerms,
    next::{Next, following, next},
};
use crate::admin::publish::{NotPublished, Press, Published, Standing};

/// What stands in a tenant, or stood: its binding, and the secrets that it names.
#[derive(Debug)]
pub struct Bound {
    /// Its binding.
    pub binding: Standing<Binding>,
    /// Its secrets, if it ever had any.
    pub secrets: Option<Standing<SecretBindings>>,
}

impl Bound {
    /// The secrets that are bound.
    #[must_use]
    pub fn secrets(&self) -> Secrets {
        self.secrets.as_ref().map(|secrets| secrets.value.secrets.clone()).unwrap_or_default()
    }

    /// Whether the root of today signed all of it.
    #[must_use]
    pub fn is_by_present_root(&self) -> bool {
        self.binding.is_by_present_root
            && self.secrets.as_ref().is_none_or(|secrets| secrets.is_by_present_root)
    }
}

/// What is signed and may take the place of what stands.
#[derive(Clone, Debug)]
pub struct Signature {
    /// What it says.
    pub next: Next,
    /// The binding.
    pub binding: Signed<Binding>,
    /// The secrets, if they change.
    pub secrets: Option<Signed<SecretBindings>>,
}

/// What was published, or stands.
#[derive(Debug)]
pub struct Outcome {
    /// The binding.
    pub binding: Binding,
    /// The secrets that hold with it.
    pub secrets: Secrets,
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
fn kept_id(id: &str, ver: u64) -> String {
    format!("{id}-{ver}")
}

fn not_genuine(what: &'static str) -> NotPublished {
    NotPublished::NotGenuine(NotVerified::Other(what))
}

/// What stands in a tenant.
///
/// # Errors
///
/// [`NotPublished`] if it is not the root's word about this tenant.
pub async fn standing(press: &Press<'_>, tenant: TenantId) -> Result<Option<Bound>, NotPublished> {
    match standing_once(press, tenant).await {
        // Both are written at once, but read one after the other: somebody may have published
        // between. What does not fit twice was put there.
        Err(NotPublished::NotGenuine(_)) => standing_once(press, tenant).await,
        read => read,
    }
}

async fn standing_once(press: &Press<'_>, tenant: TenantId) -> Result<Option<Bound>, NotPublished> {
    let partition = Partition::bindings(tenant);
    let binding: Option<Standing<Binding>> = press.standing(&partition, BINDING_ID).await?;
    let secrets: Option<Standing<SecretBindings>> = press.standing(&partition, SECRETS_ID).await?;
    match (binding, secrets) {
        (None, None) => Ok(None),
        (Some(binding), secrets) => bound(tenant, binding, secrets).map(Some),
        (None, Some(_)) => Err(not_genuine("secrets")),
    }
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
) -> Result<Option<Bound>, NotPublished> {
    let partition = Partition::bindings(tenant);
    let binding: Option<Standing<Binding>> =
        press.standing(&partition, &kept_id(BINDING_ID, ver)).await?;
    let Some(binding) = binding else { return Ok(None) };
    if binding.value.ver != ver {
        return Err(not_genuine("version"));
    }
    let secrets = match binding.value.secrets {
        None => None,
        Some(named) => {
            let kept = press.standing(&partition, &kept_id(SECRETS_ID, named.ver)).await?;
            // What later bindings name as well stands still.
            match kept {
                Some(kept) => Some(kept),
                None => press.standing(&partition, SECRETS_ID).await?,
            }
        }
    };
    bound(tenant, binding, secrets).map(Some)
}

/// A binding and exactly the secrets that it names, both of this tenant.
fn bound(
    tenant: TenantId,
    binding: Standing<Binding>,
    secrets: Option<Standing<SecretBindings>>,
) -> Result<Bound, NotPublished> {
    let of_another = binding.value.tnt != tenant
        || secrets.as_ref().is_some_and(|secrets| secrets.value.tnt != tenant);
    if of_another {
        return Err(not_genuine("tenant"));
    }
    let found = secrets.as_ref().map(|secrets| version(&secrets.value, &secrets.artefact));
    if binding.value.secrets != found {
        return Err(not_genuine("secrets"));
    }
    Ok(Bound { binding, secrets })
}

fn version(value: &SecretBindings, artefact: &Signed<SecretBindings>) -> ArtefactVersion {
    ArtefactVersion { ver: value.ver, digest: artefact.digest() }
}

/// Signs what comes next: the secrets first, whose digest the binding names.
///
/// # Errors
///
/// [`NotPublished`]. Nothing is stored.
pub async fn sign(press: &Press<'_>, mut next: Next) -> Result<Signature, NotPublished> {
    let secrets = match &next.secrets {
        None => None,
        Some(secrets) => {
            let signed = press.sign(secrets).await?;
            next.binding.secrets = Some(version(secrets, &signed));
            Some(signed)
        }
    };
    let binding = press.sign(&next.binding).await?;
    Ok(Signature { next, binding, secrets })
}

/// Publishes the next version, if this does not stand yet.
///
/// # Errors
///
/// [`NotPublished`]. What was stored before still counts.
pub async fn publish(
    press: &Press<'_>,
    wanted: &TenantTerms,
    now: Timestamp,
) -> Result<(Published<Outcome>, Secrets), NotPublished> {
    let standing = standing(press, wanted.tenant).await?;
    let before = standing.as_ref().map(Bound::secrets).unwrap_or_default();
    let Some(next) = next(standing.as_ref(), wanted, now)? else {
        let standing = standing.ok_or(NotPublished::Nothing)?;
        let outcome = Outcome { binding: standing.binding.value, secrets: before.clone() };
        return Ok((Published::Unchanged(outcome), before));
    };
    let signed = sign(press, next).await?;
    replace(press, &signed, standing.as_ref()).await?;
    let secrets = wanted.secrets.clone();
    Ok((Published::New(Outcome { binding: signed.next.binding, secrets }), before))
}

/// Stores a version in place of the one that stands, which is kept: all of it in one batch.
///
/// # Errors
///
/// [`NotPublished`]. What was stored before still counts. [`NotPublished::OtherHistory`] if a
/// version of that number stood before: then what stands was put back.
pub async fn replace(
    press: &Press<'_>,
    signed: &Signature,
    standing: Option<&Bound>,
) -> Result<(), NotPublished> {
    let Signature { next, binding, secrets } = signed;
    let partition = Partition::bindings(next.binding.tnt);
    let was_replaced = kept_id(BINDING_ID, next.binding.ver);
    if press.standing::<Binding>(&partition, &was_replaced).await?.is_some() {
        return Err(NotPublished::OtherHistory(was_replaced));
    }
    let mut writes = Vec::new();
    if let Some(Bound { binding, .. }) = standing {
        let id = kept_id(BINDING_ID, binding.value.ver);
        writes.extend(press.keeping(&partition, &id, binding).await?);
    }
    if let Some(secrets) = secrets {
        let before = standing.and_then(|bound| bound.secrets.as_ref());
        if let Some(before) = before {
            let id = kept_id(SECRETS_ID, before.value.ver);
            writes.extend(press.keeping(&partition, &id, before).await?);
        }
        writes.push(press.placing(&partition, SECRETS_ID, secrets, before)?);
    }
    let over = standing.map(|bound| &bound.binding);
    writes.push(press.placing(&partition, BINDING_ID, binding, over)?);
    press.store_all(&partition, &writes).await
}

/// An earlier version beside the one that stands.
#[derive(Debug)]
pub struct Earlier {
    /// What stands.
    pub standing: Bound,
    /// What stood.
    pub kept: Bound,
}

/// Reads an earlier version, to sign what it said again.
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
    if ver >= standing.binding.value.ver {
        return Err(not_kept);
    }
    let kept = kept(press, tenant, ver).await?.ok_or(not_kept)?;
    Ok(Earlier { standing, kept })
}

/// Publishes this as the next version, whether or not it differs from what stands.
///
/// # Errors
///
/// [`NotPublished`]. What was stored before still counts.
pub async fn roll_forward(
    press: &Press<'_>,
    standing: &Bound,
    wanted: &TenantTerms,
    now: Timestamp,
) -> Result<Binding, NotPublished> {
    let signed = sign(press, following(Some(standing), wanted, now)?).await?;
    replace(press, &signed, Some(standing)).await?;
    Ok(signed.next.binding)
}

#[cfg(test)]
mod tests;
