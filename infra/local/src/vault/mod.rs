//! Key Vault: keys that sign, wrap and unwrap for those who may, and show their public halves;
//! and secrets.
//!
//! A vault answers a request without a token by a challenge; its SDK counts on that and sends
//! the first request without token and body.

mod attributes;
mod keys;
mod refused;
mod rest;
mod secrets;
mod versions;

use anyhow::{Context as _, ensure};
use serde_json::{Value, json};
use time::{Duration, OffsetDateTime};

use crate::{
    cloud::{Answer, Asked, Shared},
    directory::Issued,
    identities::Identities,
};

use self::{
    attributes::{Tags, Wanted},
    keys::Key,
    secrets::{Hidden, Secret},
    versions::{Version, Versions},
};

/// Age of the keys that there are at the start, in days.
const KEY_AGE_DAYS: i64 = 60;

/// The vault with all that is in it.
#[derive(Debug)]
pub struct Vault {
    keys: Versions<Key>,
    secrets: Versions<Secret>,
}

impl Vault {
    /// Makes a first version of every key that is granted to anyone, as old as a key of a
    /// deployment is that has been at work for a while. There are no secrets yet.
    ///
    /// # Errors
    ///
    /// If a key cannot be made.
    pub fn new(identities: &Identities) -> anyhow::Result<Self> {
        let keys = Versions::default();
        let made = OffsetDateTime::now_utc() - Duration::days(KEY_AGE_DAYS);
        let add = |name: &String, key: Result<Key, _>| {
            let key = key.ok().with_context(|| format!("the key {name} could not be made"))?;
            keys.add(name, Version::since(key, made.unix_timestamp()));
            anyhow::Ok(())
        };
        for identity in identities.identities.values() {
            for name in &identity.keys.sign {
                if keys.of(name).is_empty() {
                    add(name, Key::signing())?;
                }
            }
            for name in &identity.keys.wrap {
                if keys.of(name).is_empty() {
                    add(name, Key::wrapping(None))?;
                }
            }
        }
        Ok(Self { keys, secrets: Versions::default() })
    }

    /// Keeps a secret that somebody put here before the cloud was there.
    ///
    /// # Errors
    ///
    /// If it is no secret that a vault takes.
    pub fn keep(&self, issued: Issued) -> anyhow::Result<()> {
        let Issued { vault: name, secret, at } = issued;
        ensure!(secrets::is_name(&name), "{name} is no name of a secret");
        // Without a word of what it is: errors quote.
        let value = Hidden::try_from(secret).map_err(anyhow::Error::msg)?;
        let secret = Secret { value, content_type: None };
        self.secrets.add(&name, Version::since(secret, at.unix_timestamp()));
        Ok(())
    }

    /// Begins to make the keys that take long, so that nobody has to wait for them.
    ///
    /// # Errors
    ///
    /// If there is no thread for it.
    pub fn begin(&self) -> anyhow::Result<()> {
        for name in self.keys.names() {
            self.keys.of(&name).iter().try_for_each(|version| version.what.begin(&name))?;
        }
        Ok(())
    }

    /// Answers one REST call.
    pub async fn answer(cloud: &Shared, asked: Asked) -> Answer {
        rest::answer(cloud, asked).await
    }

    /// Makes a new version of a key that signs, as whoever owns the vault can.
    ///
    /// # Errors
    ///
    /// If there is no such key, or it could not be made.
    pub fn renew(&self, name: &str) -> anyhow::Result<()> {
        ensure!(!self.keys.of(name).is_empty(), "there is no key {name}");
        let key =
            Key::signing().ok().with_context(|| format!("the key {name} could not be made"))?;
        self.keys.add(name, Version::new(key, &Wanted::default(), Tags::new()));
        Ok(())
    }

    /// Which versions there are of every key and secret, oldest first, with their attributes.
    /// Neither values nor public halves.
    #[must_use]
    pub fn shown(&self) -> Value {
        json!({ "keys": self.keys.shown(), "secrets": self.secrets.shown() })
    }
}
