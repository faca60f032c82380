//! One change of a keyset at a time, as somebody orders it.

use airlock_core::{
    jwk::Thumbprint,
    keyset::{Keyset, KeysetKey},
    root::{Countersigned, MAX_REPLACEMENTS},
    time::{LEEWAY_S, Timestamp},
};

use super::{Listed, NotPlanned};
use crate::admin::publish::LIFETIME_S;

/// Lists a key before it is used; `None` if it is listed so already.
///
/// # Errors
///
/// [`NotPlanned`] if it is somebody else's, was revoked, or would count for what is signed
/// already.
pub fn admitted(
    previous: &Keyset,
    key: &Listed,
    from: Option<Timestamp>,
    now: Timestamp,
) -> Result<Option<Keyset>, NotPlanned> {
    if let Some(from) = from.filter(|from| from.plus_s(LEEWAY_S) < now) {
        return Err(NotPlanned::Past(from));
    }
    let name = key.jwk.thumbprint();
    if let Some(known) = previous.keys.iter().find(|known| known.jwk == key.jwk) {
        return match known {
            KeysetKey { app, .. } if *app != key.app => Err(NotPlanned::ChangedHands(name)),
            KeysetKey { revoked: Some(from), .. } => {
                Err(NotPlanned::Revoked { key: name, from: *from })
            }
            _ => Ok(None),
        };
    }
    let mut keys = previous.keys.clone();
    keys.push(KeysetKey {
        jwk: key.jwk.clone(),
        app: key.app,
        signs: key.signs.clone(),
        // A handler's clock may be a little behind ours.
        nbf: from.unwrap_or(now).plus_s(-LEEWAY_S),
        revoked: None,
    });
    Ok(Some(Keyset { keys, ..following(previous, now) }))
}

/// Revokes a key, from now on or from a time in the past; `None` if it is revoked from then on.
///
/// The time can be moved to an earlier one, if more is known, and never to a later one.
///
/// # Errors
///
/// [`NotPlanned`] if there is no such key, or its time has not come.
pub fn revoked(
    previous: &Keyset,
    key: Thumbprint,
    from: Timestamp,
    now: Timestamp,
) -> Result<Option<Keyset>, NotPlanned> {
    if from > now {
        return Err(NotPlanned::Future(from));
    }
    let mut keys = previous.keys.clone();
    let listed = keys
        .iter_mut()
        .find(|listed| listed.jwk.thumbprint() == key)
        .ok_or(NotPlanned::NotListed(key))?;
    if listed.revoked.is_some_and(|already| already <= from) {
        return Ok(None);
    }
    listed.revoked = Some(from);
    Ok(Some(Keyset { keys, ..following(previous, now) }))
}

/// The first keyset of a new root.
///
/// # Errors
///
/// [`NotPlanned`] if the new root is an app's key, or there were too many roots.
pub fn handed_over(
    previous: &Keyset,
    replacement: Countersigned,
    root: Thumbprint,
    now: Timestamp,
) -> Result<Keyset, NotPlanned> {
    if previous.keys.iter().any(|key| key.jwk.thumbprint() == root) {
        return Err(NotPlanned::Root(root));
    }
    if previous.replacements.len() >= MAX_REPLACEMENTS {
        return Err(NotPlanned::TooOften);
    }
    let mut next = following(previous, now);
    next.replacements.push(replacement);
    Ok(next)
}

fn following(previous: &Keyset, now: Timestamp) -> Keyset {
    let ver = previous.ver + 1;
    Keyset { ver, iat: now, exp: now.plus_s(LIFETIME_S), ..previous.clone() }
}

#[cfg(test)]
mod tests;
