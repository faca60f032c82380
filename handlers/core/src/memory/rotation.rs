//! What rotation reaches, in memory: Key Vault's secrets and keys, Entra's client secrets, a third
//! party. Each call can be told to fail, to lose its answer, or to be the one in which the process
//! dies.

mod signing;
mod versioned;

use std::{
    collections::{BTreeMap, HashSet},
    sync::{Arc, Mutex},
};

use async_trait::async_trait;
use uuid::Uuid;

pub use self::{signing::Signing, versioned::Versioned};
pub use super::gate::{Gate, Gated, Wrong};
use super::{Dice, LocalKey, SetClock, lock};
use crate::{
    identity::ObjectId,
    jwe,
    jwk::{PublicKey, Thumbprint},
    ports::{Clock as _, PortError},
    rotation::ports::{
        Acceptance, Consumers, Credential, Credentials, KeyKind, KeyVersions, NewCredential,
        RotationPorts, SecretVault, Tags, Version,
    },
    secret::Secret,
    secret_binding::CheckUrl,
    tenancy::TenantScope,
    time::Timestamp,
};

/// Vault, directory and third party, as far as rotation goes.
pub struct Rented {
    gate: Arc<Gate>,
    clock: Arc<SetClock>,
    held: Mutex<Inside>,
}

/// What is in them.
#[derive(Default)]
struct Inside {
    secrets: BTreeMap<String, Vec<(Version, Secret)>>,
    keys: BTreeMap<String, Vec<Kept>>,
    /// What the keyset lists, as far as the watch goes.
    admitted: HashSet<Thumbprint>,
    applications: BTreeMap<ObjectId, Vec<Given>>,
    made: u32,
    not_yet: u32,
    no_good: bool,
    watched: Option<(String, Option<ObjectId>)>,
    outages: Vec<&'static str>,
}

/// A version of a key.
#[derive(Clone)]
struct Kept {
    version: Version,
    /// Of a key that signs.
    signs: Option<Arc<LocalKey>>,
}

/// A client secret that Entra knows.
struct Given {
    credential: Credential,
    value: Secret,
    /// Uses that are refused before it is known everywhere.
    not_yet: u32,
    no_good: bool,
}

impl Inside {
    /// A version of a key, if it may be used.
    fn kept(&self, name: &str, version: &str) -> Result<&Kept, PortError> {
        let mut kept = self.keys.get(name).into_iter().flatten();
        let kept = kept.find(|kept| kept.version.id == version).ok_or_else(absent)?;
        if kept.version.enabled { Ok(kept) } else { Err(disabled()) }
    }

    fn id(&mut self) -> String {
        self.made += 1;
        format!("{:032x}", self.made)
    }

    /// Whether users who take the newest version get in at this moment.
    fn is_usable(&self) -> bool {
        let Some((secret, application)) = &self.watched else { return true };
        if let Some(versions) = self.keys.get(secret) {
            let signs = |kept: &Kept| Some(kept.signs.as_ref()?.key().thumbprint());
            let may_sign =
                |kept: &Kept| signs(kept).is_some_and(|key| self.admitted.contains(&key));
            return match versions.last() {
                // An app chooses among what is listed.
                Some(Kept { signs: Some(_), .. }) => {
                    versions.iter().any(|kept| kept.version.enabled && may_sign(kept))
                }
                // Whoever wraps takes the newest that may be used.
                _ => versions.iter().any(|kept| kept.version.enabled),
            };
        }
        let newest = self.secrets.get(secret).and_then(|versions| versions.last());
        let Some((version, value)) = newest else { return false };
        let accepted = application.as_ref().is_none_or(|application| {
            let given = self.applications.get(application).into_iter().flatten();
            given
                .filter(|given| given.not_yet == 0 && !given.no_good)
                .any(|given| given.value.expose() == value.expose())
        });
        version.enabled && accepted
    }
}

impl Rented {
    /// Nothing is in them yet.
    #[must_use]
    pub fn new(gate: Arc<Gate>, clock: Arc<SetClock>) -> Self {
        Self { gate, clock, held: Mutex::default() }
    }

    /// As the rotator reaches it.
    #[must_use]
    pub fn ports(self: &Arc<Self>) -> RotationPorts {
        RotationPorts {
            secrets: Arc::clone(self) as Arc<dyn SecretVault>,
            keys: Arc::clone(self) as Arc<dyn KeyVersions>,
            credentials: Arc::clone(self) as Arc<dyn Credentials>,
            consumers: Arc::clone(self) as Arc<dyn Consumers>,
        }
    }

    /// Adds a version of a secret, as somebody did before.
    pub fn put_secret(&self, name: &str, value: &str) {
        let version = self.version(Tags::new());
        let value = Secret::new(value.to_owned());
        lock(&self.held).secrets.entry(name.to_owned()).or_default().push((version, value));
    }

    /// Adds a version of a key, as somebody did before.
    pub fn put_key(&self, name: &str) {
        let version = self.version(Tags::new());
        let kept = Kept { version, signs: None };
        lock(&self.held).keys.entry(name.to_owned()).or_default().push(kept);
    }

    /// Disables a version of a key, as somebody does who may.
    pub fn disable_key(&self, name: &str, key: &PublicKey) {
        let mut held = lock(&self.held);
        for kept in held.keys.get_mut(name).into_iter().flatten() {
            if kept.signs.as_ref().is_some_and(|signs| signs.key() == key) {
                kept.version.enabled = false;
            }
        }
    }

    /// The newest version of a key.
    #[must_use]
    pub fn newest_version(&self, name: &str) -> Option<String> {
        let held = lock(&self.held);
        held.keys.get(name)?.last().map(|kept| kept.version.id.clone())
    }

    /// Disables a version of a key, as somebody does who may.
    pub fn disable_version(&self, name: &str, version: &str) {
        let mut held = lock(&self.held);
        for kept in held.keys.get_mut(name).into_iter().flatten() {
            kept.version.enabled &= kept.version.id != version;
        }
    }

    /// Adds a version of a key that signs, as somebody did before.
    ///
    /// # Errors
    ///
    /// [`PortError`] if there is no randomness.
    pub fn put_signing_key(&self, name: &str) -> Result<PublicKey, PortError> {
        let (version, signs) = (self.version(Tags::new()), signing_key()?);
        let key = signs.key().clone();
        let kept = Kept { version, signs: Some(signs) };
        lock(&self.held).keys.entry(name.to_owned()).or_default().push(kept);
        Ok(key)
    }

    /// Public halves of all versions of a key that signs, oldest first, and whether each may be
    /// used.
    #[must_use]
    pub fn public_halves(&self, name: &str) -> Vec<(PublicKey, bool)> {
        let held = lock(&self.held);
        let kept = held.keys.get(name).into_iter().flatten();
        kept.filter_map(|kept| Some((kept.signs.as_ref()?.key().clone(), kept.version.enabled)))
            .collect()
    }

    /// For the [watch](Self::watch): the keyset lists this key.
    pub fn admit(&self, key: &PublicKey) {
        lock(&self.held).admitted.insert(key.thumbprint());
    }

    /// A key as the app signs with it whose it is: no call of the rotator's.
    #[must_use]
    pub fn signing(self: &Arc<Self>, name: &str) -> Signing {
        Signing::new(Arc::clone(self), name)
    }

    /// Adds a client secret, as somebody did before.
    pub fn put_credential(&self, application: ObjectId, id: Uuid, value: &str) {
        let credential = Credential { id, name: None, at: self.clock.now() };
        let given =
            Given { credential, value: Secret::new(value.to_owned()), not_yet: 0, no_good: false };
        lock(&self.held).applications.entry(application).or_default().push(given);
    }

    /// From now on a new credential is refused as often as this before it is known everywhere.
    pub fn add_slowly(&self, not_yet: u32) {
        lock(&self.held).not_yet = not_yet;
    }

    /// From now on new credentials and versions are no good.
    pub fn add_no_good(&self, no_good: bool) {
        lock(&self.held).no_good = no_good;
    }

    /// Looks after each call whether whoever takes the newest version of a secret or key gets in.
    pub fn watch(&self, name: &str, application: Option<ObjectId>) {
        lock(&self.held).watched = Some((name.to_owned(), application));
    }

    /// Calls after which nobody could get in.
    #[must_use]
    pub fn outages(&self) -> Vec<&'static str> {
        lock(&self.held).outages.clone()
    }

    /// The client secrets that an application has.
    #[must_use]
    pub fn credentials(&self, application: ObjectId) -> Vec<Uuid> {
        let held = lock(&self.held);
        let given = held.applications.get(&application).into_iter().flatten();
        given.map(|given| given.credential.id).collect()
    }

    /// How many versions of a secret or key there are, and how many may be used.
    #[must_use]
    pub fn versions_of(&self, name: &str) -> (usize, usize) {
        let held = lock(&self.held);
        let secrets = held.secrets.get(name).into_iter().flatten().map(|(version, _)| version);
        let keys = held.keys.get(name).into_iter().flatten().map(|kept| &kept.version);
        let all: Vec<bool> = secrets.chain(keys).map(|version| version.enabled).collect();
        (all.len(), all.iter().filter(|enabled| **enabled).count())
    }

    fn version(&self, tags: Tags) -> Version {
        let id = lock(&self.held).id();
        Version { id, at: self.clock.now(), enabled: true, tags }
    }

    async fn call<T>(
        &self,
        name: &'static str,
        call: impl FnOnce(&mut Inside) -> Result<T, PortError> + Send,
    ) -> Result<T, PortError> {
        let work = async {
            let mut held = lock(&self.held);
            let done = call(&mut held);
            if !held.is_usable() {
                held.outages.push(name);
            }
            done
        };
        self.gate.pass(name, work).await
    }
}

fn absent() -> PortError {
    PortError::Broken("no such thing".into())
}

fn disabled() -> PortError {
    PortError::Denied("disabled".into())
}

#[async_trait]
impl SecretVault for Rented {
    async fn set(&self, name: &str, value: &Secret, tags: &Tags) -> Result<String, PortError> {
        let version = self.version(tags.clone());
        self.call("secret set", |held| {
            let id = version.id.clone();
            held.secrets.entry(name.to_owned()).or_default().push((version, value.clone()));
            Ok(id)
        })
        .await
    }

    async fn get(&self, name: &str, version: &str) -> Result<Secret, PortError> {
        self.call("secret get", |held| {
            let found = held.secrets.get(name).into_iter().flatten();
            let (found, value) =
                found.into_iter().find(|(found, _)| found.id == version).ok_or_else(absent)?;
            if found.enabled { Ok(value.clone()) } else { Err(disabled()) }
        })
        .await
    }

    async fn versions(&self, name: &str) -> Result<Vec<Version>, PortError> {
        self.call("secret versions", |held| {
            let versions = held.secrets.get(name).into_iter().flatten();
            Ok(versions.map(|(version, _)| version.clone()).collect())
        })
        .await
    }

    async fn disable(&self, name: &str, version: &str) -> Result<(), PortError> {
        self.call("secret disable", |held| {
            let found = held.secrets.get_mut(name).into_iter().flatten();
            let (found, _) =
                found.into_iter().find(|(found, _)| found.id == version).ok_or_else(absent)?;
            found.enabled = false;
            Ok(())
        })
        .await
    }
}

#[async_trait]
impl KeyVersions for Rented {
    async fn make(&self, name: &str, kind: KeyKind, tags: &Tags) -> Result<String, PortError> {
        let version = self.version(tags.clone());
        let signs = match kind {
            KeyKind::Signing => Some(signing_key()?),
            KeyKind::Wrapping => None,
        };
        self.call("key make", |held| {
            let id = version.id.clone();
            held.keys.entry(name.to_owned()).or_default().push(Kept { version, signs });
            Ok(id)
        })
        .await
    }

    async fn public(&self, name: &str, version: &str) -> Result<PublicKey, PortError> {
        self.call("key get", |held| {
            let signs = held.kept(name, version)?.signs.as_ref().ok_or_else(absent)?;
            Ok(signs.key().clone())
        })
        .await
    }

    async fn versions(&self, name: &str) -> Result<Vec<Version>, PortError> {
        self.call("key versions", |held| {
            let kept = held.keys.get(name).into_iter().flatten();
            Ok(kept.map(|kept| kept.version.clone()).collect())
        })
        .await
    }

    async fn disable(&self, name: &str, version: &str) -> Result<(), PortError> {
        self.call("key disable", |held| {
            let mut kept = held.keys.get_mut(name).into_iter().flatten();
            let kept = kept.find(|kept| kept.version.id == version).ok_or_else(absent)?;
            kept.version.enabled = false;
            Ok(())
        })
        .await
    }

    async fn wraps(&self, name: &str, version: &str) -> Result<bool, PortError> {
        self.call("key wraps", |held| {
            held.kept(name, version)?;
            Ok(!held.no_good)
        })
        .await
    }

    fn kid(&self, name: &str, version: &str) -> String {
        format!("{name}/{version}")
    }
}

#[async_trait]
impl Credentials for Rented {
    async fn list(
        &self,
        _: &TenantScope,
        application: ObjectId,
    ) -> Result<Vec<Credential>, PortError> {
        self.call("credential list", |held| {
            let given = held.applications.get(&application).into_iter().flatten();
            Ok(given.map(|given| given.credential.clone()).collect())
        })
        .await
    }

    async fn add(
        &self,
        _: &TenantScope,
        application: ObjectId,
        name: &str,
        _: Timestamp,
    ) -> Result<NewCredential, PortError> {
        let at = self.clock.now();
        self.call("credential add", |held| {
            let id = Uuid::from_u128(u128::from_str_radix(&held.id(), 16).unwrap_or_default());
            let value = Secret::new(format!("value of {id}"));
            let credential = Credential { id, name: Some(name.to_owned()), at };
            let (not_yet, no_good) = (held.not_yet, held.no_good);
            let given = Given { credential, value: value.clone(), not_yet, no_good };
            held.applications.entry(application).or_default().push(given);
            Ok(NewCredential { id, value })
        })
        .await
    }

    async fn remove(
        &self,
        _: &TenantScope,
        application: ObjectId,
        id: Uuid,
    ) -> Result<(), PortError> {
        self.call("credential remove", |held| {
            let given = held.applications.get_mut(&application).ok_or_else(absent)?;
            given.retain(|given| given.credential.id != id);
            Ok(())
        })
        .await
    }

    async fn try_out(
        &self,
        _: &TenantScope,
        _: ObjectId,
        secret: &Secret,
    ) -> Result<Acceptance, PortError> {
        self.call("token request", |held| {
            let mut given = held.applications.values_mut().flatten();
            let found = given.find(|given| given.value.expose() == secret.expose());
            Ok(match found {
                Some(given) if given.no_good => Acceptance::Refused,
                Some(given) if given.not_yet > 0 => {
                    given.not_yet -= 1;
                    Acceptance::NotYet
                }
                Some(_) => Acceptance::Accepted,
                // As Entra answers it: nobody can tell a wrong secret from a new one.
                None => Acceptance::NotYet,
            })
        })
        .await
    }
}

#[async_trait]
impl Consumers for Rented {
    async fn try_out(&self, _: &CheckUrl, secret: &Secret) -> Result<Acceptance, PortError> {
        self.call("consumer check", |held| {
            let newest = held.secrets.values().filter_map(|versions| versions.last());
            let known = newest.into_iter().any(|(_, value)| value.expose() == secret.expose());
            Ok(match (held.no_good, known) {
                (true, _) => Acceptance::Refused,
                (false, true) => Acceptance::Accepted,
                (false, false) => Acceptance::NotYet,
            })
        })
        .await
    }
}

fn signing_key() -> Result<Arc<LocalKey>, PortError> {
    let private = jwe::private_key(&Dice);
    let private = private.map_err(|error| PortError::Broken(error.into()))?;
    LocalKey::new(&private).map(Arc::new).map_err(|error| PortError::Broken(error.into()))
}
