//! Who somebody is to an API: their client key and session, kept between commands.
//!
//! One file for each API and name, and beside it one with the keys of secrets that are still to
//! be seen. Both are readable by their owner alone.

use std::{
    collections::BTreeMap,
    fmt,
    path::{Path, PathBuf},
    str::FromStr,
};

use airlock_core::{digest::Digest, identity::PersonId, secret::Secret, time::Timestamp};
use serde::{Deserialize, Serialize};
use zeroize::Zeroizing;

use super::{client_key::ClientKey, view::RequestId};
use crate::{
    origin::Origin,
    private_file::{self, NotKept},
};

/// The name under which somebody keeps a session, for those who are several people.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ProfileName(String);

/// The text cannot name a profile.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("a profile's name has 1 to 32 letters, digits and hyphens")]
pub struct NotAName;

impl ProfileName {
    /// The name under which somebody is kept who gives none.
    pub const DEFAULT: &str = "default";
}

impl FromStr for ProfileName {
    type Err = NotAName;

    fn from_str(text: &str) -> Result<Self, NotAName> {
        let plain = |c: char| c.is_ascii_alphanumeric() || c == '-';
        if (1..=32).contains(&text.len()) && text.chars().all(plain) {
            Ok(Self(text.to_owned()))
        } else {
            Err(NotAName)
        }
    }
}

impl fmt::Display for ProfileName {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(&self.0)
    }
}

/// Everything that makes a command somebody's.
#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Profile {
    /// Origin of the API that the session is good for.
    pub api: String,
    /// The person, and the tenant that they signed in to.
    pub person: PersonId,
    /// SHA-256 of the session's id.
    pub sid: Digest,
    /// Absolute end of the session.
    pub expires: Timestamp,
    /// The client key.
    pub key: ClientKey,
    /// What names the session to the API.
    #[serde(with = "kept_secret")]
    pub cookie: Secret,
}

/// The key is bound to nothing but one request, and goes when its secret was seen.
#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Awaited {
    key: ClientKey,
    until: Timestamp,
}

/// Where profiles are kept.
#[derive(Clone, Debug)]
pub struct Profiles {
    folder: PathBuf,
    api: String,
    name: ProfileName,
    session: PathBuf,
    awaited: PathBuf,
}

/// A profile was not read or written.
#[derive(Debug, thiserror::Error)]
pub enum NoProfile {
    /// The file was not read or written.
    #[error("profile not kept")]
    File(#[from] NotKept),
    /// It is not what this program writes.
    #[error("{} was not understood: remove it and sign in again", .0.display())]
    Form(PathBuf, #[source] serde_json::Error),
}

impl Profiles {
    /// The profile of this name for this API, in this folder.
    #[must_use]
    pub fn new(folder: &Path, api: &Origin, name: &ProfileName) -> Self {
        let api = api.file_name();
        let stem = format!("{api}-{name}");
        Self {
            folder: folder.to_owned(),
            api,
            name: name.clone(),
            session: folder.join(format!("{stem}.json")),
            awaited: folder.join(format!("{stem}.pending.json")),
        }
    }

    /// The name of this one.
    #[must_use]
    pub const fn name(&self) -> &ProfileName {
        &self.name
    }

    /// The names under which somebody is kept for this API.
    ///
    /// # Errors
    ///
    /// [`NoProfile`].
    pub fn kept(&self) -> Result<Vec<String>, NoProfile> {
        let files = private_file::names(&self.folder)?;
        let name = |file: &String| {
            let name = file.strip_prefix(&self.api)?.strip_prefix('-')?.strip_suffix(".json")?;
            // What waits for a secret has a dot more, which no name has.
            name.parse::<ProfileName>().ok().map(|ProfileName(name)| name)
        };
        let mut names: Vec<String> = files.iter().filter_map(name).collect();
        names.sort_unstable();
        Ok(names)
    }

    /// Reads it; `None` if nobody signed in.
    ///
    /// # Errors
    ///
    /// [`NoProfile`].
    pub fn read(&self) -> Result<Option<Profile>, NoProfile> {
        read(&self.session)
    }

    /// Keeps a new session. Keys of the old one's secrets stay: they are good until they expire.
    ///
    /// # Errors
    ///
    /// [`NoProfile`].
    pub fn keep(&self, profile: &Profile) -> Result<(), NoProfile> {
        write(&self.session, profile)
    }

    /// Forgets everything.
    ///
    /// # Errors
    ///
    /// [`NoProfile`].
    pub fn forget(&self) -> Result<(), NoProfile> {
        private_file::remove(&self.session)?;
        Ok(private_file::remove(&self.awaited)?)
    }

    /// Keeps the key that the secret of a request will be encrypted to.
    ///
    /// # Errors
    ///
    /// [`NoProfile`].
    pub fn await_secret(
        &self,
        request: RequestId,
        key: ClientKey,
        until: Timestamp,
        now: Timestamp,
    ) -> Result<(), NoProfile> {
        let mut awaited = self.awaited()?;
        awaited.retain(|_, awaited| awaited.until > now);
        awaited.insert(request.to_string(), Awaited { key, until });
        write(&self.awaited, &awaited)
    }

    /// The key for the secret of a request.
    ///
    /// # Errors
    ///
    /// [`NoProfile`].
    pub fn key_for(&self, request: RequestId) -> Result<Option<ClientKey>, NoProfile> {
        Ok(self.awaited()?.remove(&request.to_string()).map(|awaited| awaited.key))
    }

    /// The secret of a request was seen.
    ///
    /// # Errors
    ///
    /// [`NoProfile`].
    pub fn seen(&self, request: RequestId) -> Result<(), NoProfile> {
        let mut awaited = self.awaited()?;
        awaited.remove(&request.to_string());
        if awaited.is_empty() {
            return Ok(private_file::remove(&self.awaited)?);
        }
        write(&self.awaited, &awaited)
    }

    fn awaited(&self) -> Result<BTreeMap<String, Awaited>, NoProfile> {
        Ok(read(&self.awaited)?.unwrap_or_default())
    }
}

fn read<T: for<'de> Deserialize<'de>>(file: &Path) -> Result<Option<T>, NoProfile> {
    let Some(text) = private_file::read(file)? else { return Ok(None) };
    let form = |error| NoProfile::Form(file.to_owned(), error);
    serde_json::from_str(&text).map(Some).map_err(form)
}

fn write(file: &Path, what: &impl Serialize) -> Result<(), NoProfile> {
    let form = |error| NoProfile::Form(file.to_owned(), error);
    let text = Zeroizing::new(serde_json::to_string_pretty(what).map_err(form)?);
    Ok(private_file::write(file, &text)?)
}

/// A secret in a file of its owner's: the only place where one is written out.
mod kept_secret {
    use airlock_core::secret::Secret;
    use serde::{Deserialize as _, Deserializer, Serializer};

    pub fn serialize<S: Serializer>(secret: &Secret, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(secret.expose())
    }

    pub fn deserialize<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Secret, D::Error> {
        String::deserialize(deserializer).map(Secret::new)
    }
}

#[cfg(test)]
mod tests;
