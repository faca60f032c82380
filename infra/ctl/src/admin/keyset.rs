//! The keyset: which key may sign what, from the deployment and from Key Vault.
//!
//! A key stays listed when its successor comes: what it signed is still read. It leaves by
//! being revoked, which nothing undoes. A new version is signed only for a change, or when a
//! third of the old one's life is over.

mod change;

use std::collections::BTreeMap;

use airlock_core::{
    identity::App,
    jwk::{PublicKey, Thumbprint},
    jws::Typ,
    keyset::{Keyset, KeysetKey},
    root::MAX_REPLACEMENTS,
    time::{LEEWAY_S, Timestamp},
};
use serde::{
    Deserialize as _,
    de::{IntoDeserializer as _, value::Error},
};

pub use self::change::{admitted, handed_over, revoked};
use super::{
    deployment::{Identity, KeyName},
    publish::{LIFETIME_S, RENEW_S},
};

/// What identities sign that is no artefact of the keyset: not a JWS of ours, or not yet.
const OUTSIDE: [&str; 1] = ["rotation"];

/// What only the root or a person's client key signs: no app's key may ever be listed for it.
const NEVER_AN_APPS: [Typ; 10] = [
    Typ::Keyset,
    Typ::Root,
    Typ::Binding,
    Typ::SecretBinding,
    Typ::Deployment,
    Typ::Erasure,
    Typ::Recovery,
    Typ::SignIn,
    Typ::Request,
    Typ::Decision,
];

/// A key that shall be listed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Wanted {
    /// Whose it is.
    pub app: App,
    /// Its name in Key Vault.
    pub key: KeyName,
    /// What it may sign.
    pub signs: Vec<Typ>,
}

/// What the deployment says about keys.
#[derive(Debug, Default)]
pub struct Plan {
    /// Keys to list.
    pub wanted: Vec<Wanted>,
    /// What was left out, for whoever reads along.
    pub notes: Vec<String>,
}

/// A key of the deployment, with its public half from Key Vault.
#[derive(Clone, Debug)]
pub struct Listed {
    /// Whose it is.
    pub app: App,
    /// The public key.
    pub jwk: PublicKey,
    /// What it may sign.
    pub signs: Vec<Typ>,
}

/// There is no keyset for this deployment.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
pub enum NotPlanned {
    /// A name that means nothing.
    #[error("{app} cannot sign {name}: there is no such thing")]
    Unknown {
        /// The identity.
        app: App,
        /// What it says that it signs.
        name: String,
    },
    /// An app would speak for the root or for people.
    #[error("{app} must not sign {}: only the root or a person's client does", typ.media_type())]
    NotAnApps {
        /// The identity.
        app: App,
        /// What it says that it signs.
        typ: Typ,
    },
    /// One app could speak for another.
    #[error("key {} is used by {first} and by {second}", key.as_str())]
    Shared {
        /// The key.
        key: KeyName,
        /// One identity.
        first: App,
        /// The other.
        second: App,
    },
    /// A listed key would change hands, and all that it ever signed with it.
    #[error("key {0} is listed for another app already")]
    ChangedHands(Thumbprint),
    /// There is nothing to revoke.
    #[error("key {0} is not listed")]
    NotListed(Thumbprint),
    /// It would count again.
    #[error("key {key} was revoked from {from} on, and nothing undoes that")]
    Revoked {
        /// The key.
        key: Thumbprint,
        /// From when on.
        from: Timestamp,
    },
    /// What was signed before would come to count.
    #[error("a key counts from now on, or from later, and not from {0}")]
    Past(Timestamp),
    /// Nobody could tell whether it had been meant when the time comes.
    #[error("a key is revoked from now on, or from earlier, and not from {0}")]
    Future(Timestamp),
    /// The root signs for nobody else, and no app for it.
    #[error("key {0} is a root of this deployment")]
    Root(Thumbprint),
    /// Every reader would have too much to verify.
    #[error("the root was replaced {MAX_REPLACEMENTS} times: no keyset carries more")]
    TooOften,
}

/// Reads which keys shall be listed, and for what.
///
/// A key that is named for something that the app signs (`drift-checkpoint`) serves that alone,
/// and nothing else serves it: checkpoints and statements are never signed with one key.
///
/// # Errors
///
/// [`NotPlanned`].
pub fn plan(identities: &BTreeMap<App, Identity>) -> Result<Plan, NotPlanned> {
    let mut plan = Plan::default();
    let mut owners: BTreeMap<&KeyName, App> = BTreeMap::new();
    for (&app, identity) in identities {
        for key in &identity.keys.sign {
            if let Some(first) = owners.insert(key, app) {
                return Err(NotPlanned::Shared { key: key.clone(), first, second: app });
            }
        }
        // The root signs the keyset; it is not in it.
        if app == App::Admin {
            continue;
        }
        let mut inside: BTreeMap<&str, Typ> = BTreeMap::new();
        let mut outside = Vec::new();
        for name in &identity.signs {
            match meaning(app, name)? {
                Some(typ) => drop(inside.insert(name, typ)),
                None => outside.push(name.as_str()),
            }
        }
        let prefix = format!("{app}-");
        let purpose = |key: &KeyName| -> Option<&str> {
            let suffix = key.as_str().strip_prefix(&prefix)?;
            identity.signs.iter().map(String::as_str).find(|name| *name == suffix)
        };
        let (own, shared): (Vec<_>, Vec<_>) =
            identity.keys.sign.iter().partition(|key| purpose(key).is_some());
        let mut signs: Vec<Typ> = inside
            .iter()
            .filter(|(name, _)| !own.iter().any(|key| purpose(key) == Some(**name)))
            .map(|(_, typ)| *typ)
            .collect();
        signs.sort_unstable();
        for key in shared {
            plan.wanted.push(Wanted { app, key: key.clone(), signs: signs.clone() });
        }
        for name in outside {
            plan.notes.push(format!("{app} signs {name}, which is outside the keyset"));
        }
        for key in own {
            match purpose(key).and_then(|name| inside.get(name)) {
                Some(typ) => {
                    plan.wanted.push(Wanted { app, key: key.clone(), signs: vec![*typ] });
                }
                None => plan.notes.push(format!("key {} is outside the keyset", key.as_str())),
            }
        }
    }
    Ok(plan)
}

fn meaning(app: App, name: &str) -> Result<Option<Typ>, NotPlanned> {
    if OUTSIDE.contains(&name) {
        return Ok(None);
    }
    let deserializer: serde::de::value::StrDeserializer<'_, Error> = name.into_deserializer();
    let typ = Typ::deserialize(deserializer)
        .map_err(|_| NotPlanned::Unknown { app, name: name.to_owned() })?;
    if NEVER_AN_APPS.contains(&typ) {
        return Err(NotPlanned::NotAnApps { app, typ });
    }
    Ok(Some(typ))
}

/// The next keyset; `None` if the previous one still says everything, for long enough.
///
/// # Errors
///
/// [`NotPlanned`].
pub fn next(
    previous: Option<&Keyset>,
    listed: &[Listed],
    now: Timestamp,
) -> Result<Option<Keyset>, NotPlanned> {
    let mut keys = previous.map(|keyset| keyset.keys.clone()).unwrap_or_default();
    let mut changed = previous.is_none_or(|keyset| now.since_s(keyset.iat) >= RENEW_S);
    for Listed { app, jwk, signs } in listed {
        match keys.iter_mut().find(|key| key.jwk == *jwk) {
            Some(key) if key.app != *app => {
                return Err(NotPlanned::ChangedHands(jwk.thumbprint()));
            }
            Some(key) => {
                changed |= key.signs != *signs;
                key.signs.clone_from(signs);
            }
            None => {
                changed = true;
                keys.push(KeysetKey {
                    jwk: jwk.clone(),
                    app: *app,
                    signs: signs.clone(),
                    // A handler's clock may be a little behind ours.
                    nbf: now.plus_s(-LEEWAY_S),
                    revoked: None,
                });
            }
        }
    }
    if !changed {
        return Ok(None);
    }
    let replacements = previous.map(|keyset| keyset.replacements.clone()).unwrap_or_default();
    Ok(Some(Keyset {
        ver: previous.map_or(1, |keyset| keyset.ver + 1),
        iat: now,
        exp: now.plus_s(LIFETIME_S),
        keys,
        replacements,
        secrets: previous.and_then(|keyset| keyset.secrets),
    }))
}

#[cfg(test)]
mod tests;
