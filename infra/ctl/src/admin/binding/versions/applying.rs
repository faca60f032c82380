//! Storing what somebody else signed, at another desk.

use airlock_core::{
    binding::Binding,
    identity::TenantId,
    jws::{NotVerified, Signed},
    secret_binding::SecretBindings,
};
use serde::{Deserialize, Serialize};

use super::{Bound, Outcome, Signature, replace, standing, version};
use crate::admin::{
    binding::next::Next,
    platform::SignedPlatform,
    publish::{NotPublished, Press, Published},
};

/// Bindings on their way from whoever signs to whoever stores.
#[derive(Debug, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct SignedBindings {
    /// One for each tenant that changes.
    pub bindings: Vec<SignedBinding>,
    /// The deployment's own, if they change.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub platform: Option<SignedPlatform>,
}

/// What was signed for one tenant.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct SignedBinding {
    /// Its binding.
    pub binding: Signed<Binding>,
    /// Its secrets, if they change.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub secrets: Option<Signed<SecretBindings>>,
}

impl From<Signature> for SignedBinding {
    fn from(Signature { binding, secrets, .. }: Signature) -> Self {
        Self { binding, secrets }
    }
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
    /// The binding names other secrets than those that came with it, or that stand.
    #[error("binding {ver} of {tenant} does not name the secrets that would stand with it")]
    OtherSecrets {
        /// The tenant.
        tenant: TenantId,
        /// The version that was signed.
        ver: u64,
    },
    /// Which of both would count?
    #[error("tenant {0} stands twice")]
    Twice(TenantId),
    /// What stands was not read, or the next version not stored.
    #[error(transparent)]
    Published(#[from] NotPublished),
}

/// Stores what somebody else signed: all of it, or nothing if any of it does not count.
///
/// # Errors
///
/// [`NotApplied`].
pub async fn apply(
    press: &Press<'_>,
    signed: &[SignedBinding],
) -> Result<Vec<Published<Outcome>>, NotApplied> {
    let mut checked: Vec<Checked> = Vec::new();
    for signed in signed {
        let next = Checked::of(press, signed).await?;
        let tenant = next.signed.next.binding.tnt;
        if checked.iter().any(|other| other.signed.next.binding.tnt == tenant) {
            return Err(NotApplied::Twice(tenant));
        }
        checked.push(next);
    }
    let mut applied = Vec::new();
    for Checked { signed, standing, is_stored } in checked {
        let secrets = match &signed.next.secrets {
            Some(secrets) => secrets.secrets.clone(),
            None => standing.as_ref().map(Bound::secrets).unwrap_or_default(),
        };
        if !is_stored {
            replace(press, &signed, standing.as_ref()).await?;
        }
        let outcome = Outcome { binding: signed.next.binding, secrets };
        applied.push(if is_stored {
            Published::Unchanged(outcome)
        } else {
            Published::New(outcome)
        });
    }
    Ok(applied)
}

/// What may be stored, or is.
struct Checked {
    signed: Signature,
    standing: Option<Bound>,
    is_stored: bool,
}

impl Checked {
    async fn of(press: &Press<'_>, signed: &SignedBinding) -> Result<Self, NotApplied> {
        let SignedBinding { binding: artefact, secrets: with } = signed.clone();
        let binding = press.open(&artefact).map_err(NotApplied::NotVerified)?.value().clone();
        let (tenant, ver) = (binding.tnt, binding.ver);
        let secrets = match &with {
            None => None,
            Some(with) => Some(press.open(with).map_err(NotApplied::NotVerified)?.value().clone()),
        };
        let standing = standing(press, tenant).await?;
        let stands = standing.as_ref().map_or(0, |bound| bound.binding.value.ver);
        let is_it = |it: &Bound| it.binding.artefact.as_str() == artefact.as_str();
        let is_stored = standing.as_ref().is_some_and(is_it);
        if !is_stored && ver != stands + 1 {
            return Err(NotApplied::OtherVersion { tenant, ver, stands });
        }
        let before = standing.as_ref().and_then(|bound| bound.secrets.as_ref());
        let named = match secrets.as_ref().zip(with.as_ref()) {
            None => before.map(|before| version(&before.value, &before.artefact)),
            Some((secrets, with)) => {
                let last = before.map_or(0, |before| before.value.ver);
                let follows = is_stored || secrets.ver == last + 1;
                if secrets.tnt != tenant || !follows {
                    return Err(NotApplied::OtherSecrets { tenant, ver });
                }
                Some(version(secrets, with))
            }
        };
        if binding.secrets != named {
            return Err(NotApplied::OtherSecrets { tenant, ver });
        }
        let next = Next { binding, secrets };
        let signed = Signature { next, binding: artefact, secrets: with };
        Ok(Self { signed, standing, is_stored })
    }
}
