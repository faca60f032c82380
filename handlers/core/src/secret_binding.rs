//! Which secrets of a tenant are changed on schedule: references, and never a value.
//!
//! Signed by the admin root beside the tenant's binding, which names its version and digest: so
//! neither can be put back without the other, and the binding's version is anchored. The platform
//! has such bindings as well, for its apps' own keys, and the keyset names theirs. What may be bound
//! for a tenant and what for the platform are different types: neither is read as the other.

mod platform;

use std::{collections::HashSet, fmt};

use serde::{Deserialize, Serialize, de::DeserializeOwned};

use crate::{
    digest::Digest,
    identity::{ObjectId, TenantId},
    jws::{Artefact, NotVerified, Typ, Verified},
    keyset::Trust,
    ledger::statement::ArtefactVersion,
    ports::{Documents, Partition},
    tenancy::TenantScope,
    time::Timestamp,
    trust::{NotTrusted, StoredArtefact},
};

pub use platform::{Platform, PlatformDriver, PlatformSecretBindings, SESSION_KEY_STAYS_S};

/// Id of a tenant's secret bindings, in its partition of the bindings.
pub const SECRETS_ID: &str = "secrets";

/// Seconds of a day.
const DAY_S: i64 = 24 * 3600;

/// All secrets of one tenant that are changed on schedule, of one version; or the
/// [platform's](PlatformSecretBindings).
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
#[serde(bound(serialize = "T: Serialize, D: Clone + Serialize"))]
#[serde(bound(deserialize = "T: Deserialize<'de>, D: Driven + Deserialize<'de>"))]
pub struct SecretBindings<T = TenantId, D = Driver> {
    /// The tenant whose they are.
    pub tnt: T,
    /// Counts up by one with every change.
    pub ver: u64,
    /// When the admin plane signed it.
    pub iat: Timestamp,
    /// When it must have been renewed.
    pub exp: Timestamp,
    /// The secrets.
    pub secrets: Secrets<D>,
}

/// Secrets of different names, no two of which are the same thing.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "Vec<SecretBinding<D>>", into = "Vec<SecretBinding<D>>")]
#[serde(bound(serialize = "D: Clone + Serialize"))]
#[serde(bound(deserialize = "D: Driven + Deserialize<'de>"))]
pub struct Secrets<D = Driver>(Vec<SecretBinding<D>>);

/// One secret.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct SecretBinding<D = Driver> {
    /// Its name here.
    pub name: SecretName,
    /// What it is, and where.
    pub driver: D,
    /// Days after which it is replaced, at the latest.
    pub max_age_days: Within<1, 365>,
    /// Hours for which the one before stays valid beside it.
    pub overlap_hours: Within<1, 720>,
    /// People who answer for it.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub owners: Vec<ObjectId>,
}

/// What a secret is, in Key Vault.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Thing<'a> {
    /// A secret of this name.
    Secret(&'a VaultName),
    /// A key of this name.
    Key(&'a VaultName),
}

/// What can be bound: it is one thing in Key Vault.
pub trait Driven {
    /// Which.
    fn thing(&self) -> Thing<'_>;

    /// Names what it is, however it is scheduled: its kind, where it lies, and whose it is. What is
    /// known of a rotation is about one of these.
    fn identity(&self) -> Digest;

    /// For how long the one before has to stay valid, in seconds, whatever is bound: somebody holds
    /// what only that one opens.
    fn least_overlap_s(&self) -> i64 {
        0
    }

    /// Whether a new one counts only once a person has admitted it.
    fn needs_admission(&self) -> bool {
        false
    }
}

/// What a tenant's secret is, and where.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "snake_case", deny_unknown_fields)]
pub enum Driver {
    /// A client secret of an application that the rotator's own application owns.
    EntraClientSecret {
        /// Object id of the application.
        application: ObjectId,
        /// Its client id.
        client: ObjectId,
        /// The Key Vault secret where the application's users find it.
        secret: VaultName,
        /// The credential (`keyId`) that is in use before the first change, to be removed after
        /// it. Credentials of others are never touched.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        replaces: Option<uuid::Uuid>,
    },
    /// A Key Vault key that wraps data keys.
    KeyVaultKey {
        /// Its name.
        key: VaultName,
    },
    /// Random bytes that somebody else compares.
    Generated {
        /// The Key Vault secret where its users find it.
        secret: VaultName,
        /// Bytes of randomness. The value is their base64url.
        bytes: Within<32, 256>,
        /// Where to ask whether it is accepted.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        check: Option<CheckUrl>,
    },
}

/// A number within bounds.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "u32", into = "u32")]
pub struct Within<const LEAST: u32, const MOST: u32>(u32);

/// Name of a secret in its tenant: 1 to 64 small letters, digits and hyphens.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct SecretName(String);

/// Name of a secret or key in Key Vault: 1 to 127 small letters, digits and hyphens. Key Vault
/// does not tell capitals from small letters; this does, so that no two names are one thing.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct VaultName(String);

/// An `https` address without user, query or fragment.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct CheckUrl(String);

/// Something in a secret binding is not what it must be.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub struct NotBound(&'static str);

impl<const LEAST: u32, const MOST: u32> Within<LEAST, MOST> {
    /// The number.
    #[must_use]
    pub const fn number(self) -> u32 {
        self.0
    }
}

impl<const LEAST: u32, const MOST: u32> TryFrom<u32> for Within<LEAST, MOST> {
    type Error = NotBound;

    fn try_from(number: u32) -> Result<Self, NotBound> {
        let fits = (LEAST..=MOST).contains(&number);
        if fits { Ok(Self(number)) } else { Err(NotBound("number out of bounds")) }
    }
}

impl<const LEAST: u32, const MOST: u32> From<Within<LEAST, MOST>> for u32 {
    fn from(within: Within<LEAST, MOST>) -> Self {
        within.0
    }
}

/// Small letters, digits and hyphens, at most this many.
fn is_plain(text: &str, most: usize) -> bool {
    let plain = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'-';
    (1..=most).contains(&text.len()) && text.bytes().all(plain)
}

macro_rules! name {
    ($name:ident, $fits:expr, $words:literal) => {
        impl $name {
            /// The text.
            #[must_use]
            pub fn as_str(&self) -> &str {
                &self.0
            }
        }

        impl TryFrom<String> for $name {
            type Error = NotBound;

            fn try_from(text: String) -> Result<Self, NotBound> {
                let fits: fn(&str) -> bool = $fits;
                if fits(&text) { Ok(Self(text)) } else { Err(NotBound($words)) }
            }
        }

        impl From<$name> for String {
            fn from(name: $name) -> Self {
                name.0
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
                formatter.write_str(&self.0)
            }
        }
    };
}

name!(SecretName, |text| is_plain(text, 64), "not the name of a secret");
name!(VaultName, |text| is_plain(text, 127), "not a name in key vault");
name!(CheckUrl, is_check_url, "not an https address");

fn is_check_url(text: &str) -> bool {
    let Some(rest) = text.strip_prefix("https://") else { return false };
    let host = rest.split('/').next().unwrap_or_default();
    let allowed = |byte: u8| byte.is_ascii_alphanumeric() || b"-._~/:".contains(&byte);
    // By name: what an address leads to, nobody can read in a review.
    let named = host.bytes().any(|byte| byte.is_ascii_alphabetic());
    text.len() <= 512 && named && rest.bytes().all(allowed)
}

impl<D: Driven> TryFrom<Vec<SecretBinding<D>>> for Secrets<D> {
    type Error = NotBound;

    fn try_from(secrets: Vec<SecretBinding<D>>) -> Result<Self, NotBound> {
        let mut names = HashSet::new();
        let mut things = HashSet::new();
        for secret in &secrets {
            if !names.insert(&secret.name) {
                return Err(NotBound("two secrets of one name"));
            }
            // Two schedules for one thing would remove each other's.
            if !things.insert(secret.driver.thing()) {
                return Err(NotBound("two secrets are one thing"));
            }
            if secret.overlap_s() < secret.driver.least_overlap_s() {
                return Err(NotBound("overlap shorter than what the one before opens lasts"));
            }
        }
        Ok(Self(secrets))
    }
}

impl<D> From<Secrets<D>> for Vec<SecretBinding<D>> {
    fn from(secrets: Secrets<D>) -> Self {
        secrets.0
    }
}

/// None.
impl<D> Default for Secrets<D> {
    fn default() -> Self {
        Self(Vec::new())
    }
}

impl<D> Secrets<D> {
    /// All of them.
    pub fn iter(&self) -> impl Iterator<Item = &SecretBinding<D>> {
        self.0.iter()
    }

    /// The one of this name.
    #[must_use]
    pub fn named(&self, name: &str) -> Option<&SecretBinding<D>> {
        self.0.iter().find(|secret| secret.name.as_str() == name)
    }
}

impl Driver {
    /// Its name.
    #[must_use]
    pub const fn kind(&self) -> &'static str {
        match self {
            Self::EntraClientSecret { .. } => "entra_client_secret",
            Self::KeyVaultKey { .. } => "key_vault_key",
            Self::Generated { .. } => "generated",
        }
    }
}

impl Driven for Driver {
    fn thing(&self) -> Thing<'_> {
        match self {
            Self::EntraClientSecret { secret, .. } | Self::Generated { secret, .. } => {
                Thing::Secret(secret)
            }
            Self::KeyVaultKey { key } => Thing::Key(key),
        }
    }

    fn identity(&self) -> Digest {
        let application = match self {
            Self::EntraClientSecret { application, .. } => application.to_string(),
            Self::KeyVaultKey { .. } | Self::Generated { .. } => String::new(),
        };
        identity(self.kind(), self.thing(), &application)
    }
}

/// No two parts can hold a zero byte, so no two identities are made of the same bytes.
fn identity(kind: &str, thing: Thing<'_>, whose: &str) -> Digest {
    let (is, name) = match thing {
        Thing::Secret(name) => ("secret", name),
        Thing::Key(name) => ("key", name),
    };
    let text = [kind, is, name.as_str(), whose].join("\0");
    Digest::of(&[b"airlock bound thing\0", text.as_bytes()])
}

impl<D> SecretBinding<D> {
    /// Seconds after which it is replaced, at the latest.
    #[must_use]
    pub fn max_age_s(&self) -> i64 {
        i64::from(self.max_age_days.number()) * DAY_S
    }

    /// Seconds for which the one before stays valid beside it.
    #[must_use]
    pub fn overlap_s(&self) -> i64 {
        i64::from(self.overlap_hours.number()) * 3600
    }
}

impl SecretBindings {
    /// The secrets of a tenant, of exactly the version that its binding names. None if it names
    /// none.
    ///
    /// Remote calls: one read.
    ///
    /// # Errors
    ///
    /// [`NotTrusted`].
    pub async fn read(
        documents: &dyn Documents,
        trust: &Trust,
        scope: &TenantScope,
        now: Timestamp,
    ) -> Result<Secrets, NotTrusted> {
        let Some(named) = scope.binding().secrets else { return Ok(Secrets::default()) };
        let partition = Partition::bindings(scope.tenant());
        let opened = Self::read_named(documents, &partition, named, trust, now).await?;
        if opened.tnt != scope.tenant() {
            return Err(other("tenant"));
        }
        Ok(opened.value().secrets.clone())
    }
}

impl<T, D> SecretBindings<T, D>
where
    Self: Artefact,
{
    /// Those that lie in a partition, if they are of exactly the version that is named.
    async fn read_named(
        documents: &dyn Documents,
        partition: &Partition,
        named: ArtefactVersion,
        trust: &Trust,
        now: Timestamp,
    ) -> Result<Verified<Self>, NotTrusted> {
        let found = documents.read(partition, SECRETS_ID).await?;
        let found = found.ok_or_else(|| other("place"))?;
        let stored: StoredArtefact<Self> =
            serde_json::from_value(found.json).map_err(NotTrusted::Form)?;
        if stored.tenant != partition.key() || stored.id != SECRETS_ID {
            return Err(other("place"));
        }
        let opened = trust.open_root(&stored.artefact, now).map_err(NotTrusted::NotVerified)?;
        // Published since the binding that names them was read: ask with the new one.
        if opened.ver > named.ver {
            return Err(NotTrusted::Older);
        }
        if (opened.ver, opened.digest()) != (named.ver, named.digest) {
            return Err(other("version"));
        }
        Ok(opened)
    }
}

const fn other(what: &'static str) -> NotTrusted {
    NotTrusted::NotVerified(NotVerified::Other(what))
}

impl<T, D> Artefact for SecretBindings<T, D>
where
    T: Serialize + DeserializeOwned,
    D: Clone + Driven + Serialize + DeserializeOwned,
{
    const TYP: Typ = Typ::SecretBinding;

    fn not_before(&self) -> Option<Timestamp> {
        Some(self.iat)
    }

    fn expires(&self) -> Option<Timestamp> {
        Some(self.exp)
    }
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;

    fn good() -> Value {
        json!({
            "name": "payroll", "max_age_days": 90, "overlap_hours": 24,
            "driver": {
                "kind": "entra_client_secret", "secret": "client-secret-payroll",
                "application": "00000000-0000-0000-0000-000000000001",
                "client": "00000000-0000-0000-0000-000000000002",
            },
        })
    }

    #[test]
    fn a_binding_says_nothing_that_it_should_not() {
        assert!(serde_json::from_value::<SecretBinding>(good()).is_ok());
        for (pointer, bad) in [
            ("/max_age_days", json!(0)),
            ("/max_age_days", json!(366)),
            ("/overlap_hours", json!(0)),
            ("/overlap_hours", json!(721)),
            ("/name", json!("Pay Roll")),
            ("/name", json!("")),
            ("/driver/secret", json!("../keys/admin-root")),
            ("/driver/kind", json!("other")),
        ] {
            let mut spoiled = good();
            *spoiled.pointer_mut(pointer).unwrap() = bad;
            assert!(serde_json::from_value::<SecretBinding>(spoiled).is_err(), "{pointer}");
        }
        for place in ["", "/driver"] {
            let mut spoiled = good();
            spoiled.pointer_mut(place).unwrap()["value"] = json!("hunter2");
            assert!(serde_json::from_value::<SecretBinding>(spoiled).is_err(), "{place}");
        }
    }

    #[test]
    fn no_two_secrets_are_of_one_name_or_one_thing() {
        let mut other = good();
        other["name"] = json!("other");
        assert!(serde_json::from_value::<Secrets>(json!([good(), other])).is_err());
        other["driver"]["secret"] = json!("client-secret-other");
        assert!(serde_json::from_value::<Secrets>(json!([good(), other.clone()])).is_ok());
        other["name"] = json!("payroll");
        assert!(serde_json::from_value::<Secrets>(json!([good(), other])).is_err());
    }

    #[test]
    fn what_is_asked_has_an_https_address_by_name() {
        let reads = |text: &str| CheckUrl::try_from(text.to_owned()).is_ok();

        assert!(reads("https://api.example/check"));
        for bad in [
            "http://api.example/",
            "https://",
            "https://127.0.0.1/",
            "https://user@api.example/",
            "https://api.example/?x=1",
            "https://api.example/#x",
        ] {
            assert!(!reads(bad), "{bad}");
        }
    }
}
