//! What the platform binds: the keyset, and its apps' keys that are changed on schedule.
//!
//! The keyset names the version of the secrets that hold with it, as a tenant's binding does, so a
//! change of them is a new version of it. Both are written in one batch.

use airlock_core::{
    jws::{NotVerified, Signed},
    keyset::Keyset,
    ledger::statement::ArtefactVersion,
    ports::Partition,
    secret_binding::{
        Platform, PlatformDriver, PlatformSecretBindings, SECRETS_ID, SecretBindings, Secrets,
    },
    time::Timestamp,
    trust::KEYSET_ID,
};
use serde::{Deserialize, Serialize};

use super::{
    keyset::{self, Listed},
    publish::{LIFETIME_S, NotPublished, Press, Published, RENEW_S, Standing},
};

/// A keyset with its secrets, on its way from whoever signs to whoever stores.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct SignedPlatform {
    /// The keyset.
    pub keyset: Signed<Keyset>,
    /// The secrets that it names.
    pub secrets: Signed<PlatformSecretBindings>,
}

/// What was signed is not stored.
#[derive(Debug, thiserror::Error)]
pub enum NotApplied {
    /// The root of this deployment did not sign it, or its time is over.
    #[error("a signed keyset does not count")]
    NotVerified(#[source] NotVerified),
    /// It is not the next version of what stands.
    #[error("keyset {ver} does not follow keyset {stands}, which stands: plan and sign again")]
    OtherVersion {
        /// The version that was signed.
        ver: u64,
        /// The version that stands; 0 if none does.
        stands: u64,
    },
    /// It names other secrets than those that came with it.
    #[error("keyset {0} does not name the secrets that came with it")]
    OtherSecrets(u64),
    /// What stands was not read, or the next version not stored.
    #[error(transparent)]
    Published(#[from] NotPublished),
}

/// What stands.
#[derive(Debug)]
pub struct Bound {
    /// The keyset.
    pub keyset: Standing<Keyset>,
    /// The secrets, if there ever were any.
    pub secrets: Option<Standing<PlatformSecretBindings>>,
}

impl Bound {
    /// The secrets that are bound.
    #[must_use]
    pub fn secrets(&self) -> Secrets<PlatformDriver> {
        self.secrets.as_ref().map(|secrets| secrets.value.secrets.clone()).unwrap_or_default()
    }
}

/// What is to be signed.
#[derive(Debug)]
pub struct Next {
    /// The next keyset.
    pub keyset: Keyset,
    /// The next secrets, if they change.
    pub secrets: Option<PlatformSecretBindings>,
}

/// What is signed and may take the place of what stands.
#[derive(Debug)]
pub struct Signature {
    /// What the keyset says.
    pub says: Keyset,
    /// The keyset.
    pub keyset: Signed<Keyset>,
    /// The secrets, if they change.
    pub secrets: Option<Signed<PlatformSecretBindings>>,
}

/// What stands.
///
/// # Errors
///
/// [`NotPublished`] if it is not the root's word.
pub async fn standing(press: &Press<'_>) -> Result<Option<Bound>, NotPublished> {
    match standing_once(press).await {
        // As with tenants: somebody may have published between the two reads.
        Err(NotPublished::NotGenuine(_)) => standing_once(press).await,
        read => read,
    }
}

async fn standing_once(press: &Press<'_>) -> Result<Option<Bound>, NotPublished> {
    let partition = Partition::deployment();
    let keyset: Option<Standing<Keyset>> = press.standing(&partition, KEYSET_ID).await?;
    let secrets: Option<Standing<PlatformSecretBindings>> =
        press.standing(&partition, SECRETS_ID).await?;
    let named = keyset.as_ref().and_then(|keyset| keyset.value.secrets);
    if named != secrets.as_ref().map(|secrets| version(&secrets.value, &secrets.artefact)) {
        return Err(NotPublished::NotGenuine(NotVerified::Other("secrets")));
    }
    Ok(keyset.map(|keyset| Bound { keyset, secrets }))
}

fn version(
    value: &PlatformSecretBindings,
    artefact: &Signed<PlatformSecretBindings>,
) -> ArtefactVersion {
    ArtefactVersion { ver: value.ver, digest: artefact.digest() }
}

/// What is to be signed for these keys to be listed and, if anything is wanted, these secrets to be
/// changed on schedule; `None` if that stands, for long enough and by the root of today.
///
/// # Errors
///
/// [`NotPublished`].
pub fn next(
    bound: Option<&Bound>,
    listed: &[Listed],
    wanted: Option<&Secrets<PlatformDriver>>,
    now: Timestamp,
) -> Result<Option<Next>, NotPublished> {
    let before = bound.map(|bound| &bound.keyset.value);
    let keyset = keyset::next(before, listed, now)?;
    let secrets = wanted.and_then(|wanted| next_secrets(bound, wanted, now));
    match (keyset, before) {
        (None, _) if secrets.is_none() => Ok(None),
        (Some(keyset), _) => Ok(Some(Next { keyset, secrets })),
        (None, Some(before)) => {
            let (ver, exp) = (before.ver + 1, now.plus_s(LIFETIME_S));
            let keyset = Keyset { ver, iat: now, exp, ..before.clone() };
            Ok(Some(Next { keyset, secrets }))
        }
        (None, None) => Err(NotPublished::Nothing),
    }
}

fn next_secrets(
    bound: Option<&Bound>,
    wanted: &Secrets<PlatformDriver>,
    now: Timestamp,
) -> Option<PlatformSecretBindings> {
    let before = bound.and_then(|bound| bound.secrets.as_ref());
    let says_it = |before: &Standing<PlatformSecretBindings>| {
        before.value.secrets == *wanted
            && before.is_by_present_root
            && now.since_s(before.value.iat) < RENEW_S
    };
    let is_nothing = before.is_none() && wanted.iter().next().is_none();
    (!is_nothing && !before.is_some_and(says_it)).then(|| SecretBindings {
        tnt: Platform,
        ver: before.map_or(1, |before| before.value.ver + 1),
        iat: now,
        exp: now.plus_s(LIFETIME_S),
        secrets: wanted.clone(),
    })
}

/// Signs what comes next: the secrets first, whose digest the keyset names.
///
/// # Errors
///
/// [`NotPublished`]. Nothing is stored.
pub async fn sign(press: &Press<'_>, next: Next) -> Result<Signature, NotPublished> {
    let Next { keyset: mut says, secrets } = next;
    let secrets = match secrets {
        None => None,
        Some(secrets) => {
            let signed = press.sign(&secrets).await?;
            says.secrets = Some(version(&secrets, &signed));
            Some(signed)
        }
    };
    let keyset = press.sign(&says).await?;
    Ok(Signature { says, keyset, secrets })
}

/// Stores a version in place of the one that stands: all of it in one batch.
///
/// # Errors
///
/// [`NotPublished`]. What was stored before still counts.
pub async fn replace(
    press: &Press<'_>,
    signed: &Signature,
    bound: Option<&Bound>,
) -> Result<(), NotPublished> {
    let partition = Partition::deployment();
    let mut writes = Vec::new();
    if let Some(secrets) = &signed.secrets {
        let before = bound.and_then(|bound| bound.secrets.as_ref());
        if let Some(before) = before {
            let id = format!("{SECRETS_ID}-{}", before.value.ver);
            writes.extend(press.keeping(&partition, &id, before).await?);
        }
        writes.push(press.placing(&partition, SECRETS_ID, secrets, before)?);
    }
    let over = bound.map(|bound| &bound.keyset);
    writes.push(press.placing(&partition, KEYSET_ID, &signed.keyset, over)?);
    press.store_all(&partition, &writes).await
}

/// Publishes the next version, if this does not stand yet.
///
/// # Errors
///
/// [`NotPublished`]. What was stored before still counts.
pub async fn publish(
    press: &Press<'_>,
    listed: &[Listed],
    wanted: Option<&Secrets<PlatformDriver>>,
    now: Timestamp,
) -> Result<Published<Keyset>, NotPublished> {
    let bound = standing(press).await?;
    let Some(next) = next(bound.as_ref(), listed, wanted, now)? else {
        let bound = bound.ok_or(NotPublished::Nothing)?;
        return Ok(Published::Unchanged(bound.keyset.value));
    };
    let signed = sign(press, next).await?;
    replace(press, &signed, bound.as_ref()).await?;
    Ok(Published::New(signed.says))
}

/// What is to be signed for these secrets to be changed on schedule, the keys being as they are;
/// `None` if that stands.
///
/// # Errors
///
/// [`NotPublished::Nothing`] if there is no keyset that could name them.
pub fn binding(
    bound: Option<&Bound>,
    wanted: &Secrets<PlatformDriver>,
    now: Timestamp,
) -> Result<Option<Next>, NotPublished> {
    match bound {
        None if wanted.iter().next().is_none() => Ok(None),
        None => Err(NotPublished::Nothing),
        // A keyset that is renewed for itself is the business of whoever looks after keys.
        Some(_) if next_secrets(bound, wanted, now).is_none() => Ok(None),
        Some(_) => next(bound, &[], Some(wanted), now),
    }
}

/// What somebody else signed, and may be stored.
pub struct Checked {
    signed: Signature,
    bound: Option<Bound>,
    is_stored: bool,
}

impl Checked {
    /// Looks whether what was signed follows what stands.
    ///
    /// # Errors
    ///
    /// [`NotApplied`].
    pub async fn of(press: &Press<'_>, signed: &SignedPlatform) -> Result<Self, NotApplied> {
        let SignedPlatform { keyset, secrets } = signed.clone();
        let says = press.open(&keyset).map_err(NotApplied::NotVerified)?.value().clone();
        let with = press.open(&secrets).map_err(NotApplied::NotVerified)?.value().clone();
        let bound = standing(press).await?;
        let stands = bound.as_ref().map_or(0, |bound| bound.keyset.value.ver);
        let is_it = |bound: &Bound| bound.keyset.artefact.as_str() == keyset.as_str();
        let is_stored = bound.as_ref().is_some_and(is_it);
        let ver = says.ver;
        if !is_stored && ver != stands + 1 {
            return Err(NotApplied::OtherVersion { ver, stands });
        }
        let before = bound.as_ref().and_then(|bound| bound.secrets.as_ref());
        let follows = is_stored || with.ver == before.map_or(0, |before| before.value.ver) + 1;
        if !follows || says.secrets != Some(version(&with, &secrets)) {
            return Err(NotApplied::OtherSecrets(ver));
        }
        let signed = Signature { says, keyset, secrets: Some(secrets) };
        Ok(Self { signed, bound, is_stored })
    }

    /// Stores it, if it is not stored yet.
    ///
    /// # Errors
    ///
    /// [`NotApplied`].
    pub async fn store(self, press: &Press<'_>) -> Result<Published<Keyset>, NotApplied> {
        let Self { signed, bound, is_stored } = self;
        if is_stored {
            return Ok(Published::Unchanged(signed.says));
        }
        replace(press, &signed, bound.as_ref()).await?;
        Ok(Published::New(signed.says))
    }
}

#[cfg(test)]
mod tests;
