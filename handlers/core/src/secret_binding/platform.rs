//! What is changed on schedule for the platform: its apps' signing keys, the key of sessions, and
//! nothing else.

use serde::{Deserialize, Serialize};

use super::{Driven, NotBound, SecretBindings, Secrets, Thing, VaultName, identity};
use crate::{
    digest::Digest,
    identity::App,
    keyset::Trust,
    ports::{Documents, PLATFORM, Partition},
    session_record::ABSOLUTE_S,
    time::Timestamp,
    trust::NotTrusted,
};

/// The platform's secret bindings. They lie beside the keyset, which names them.
pub type PlatformSecretBindings = SecretBindings<Platform, PlatformDriver>;

/// Whose they are: of no tenant.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct Platform;

/// What a secret of the platform is, and where.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "snake_case", deny_unknown_fields)]
pub enum PlatformDriver {
    /// A Key Vault key with which an app signs. Its next version counts once a person has admitted
    /// it to the keyset.
    SigningKey {
        /// The app.
        app: App,
        /// Its name.
        key: VaultName,
    },
    /// The Key Vault key under which `signin` keeps what it holds of sessions. Its next version
    /// counts as soon as it is there.
    SessionKey {
        /// Its name.
        key: VaultName,
    },
}

/// For how long a version of the key of sessions may still be needed once another is in use, in
/// seconds: as long as the longest session, and a day more.
///
/// The day is because `signin` says once a day which version it uses: what it keeps under a version
/// can be a day younger than the last word about it. What outlives neither is a day's sealing key.
pub const SESSION_KEY_STAYS_S: i64 = ABSOLUTE_S + 24 * 3600;

impl From<Platform> for String {
    fn from(_: Platform) -> Self {
        PLATFORM.to_owned()
    }
}

impl TryFrom<String> for Platform {
    type Error = NotBound;

    fn try_from(text: String) -> Result<Self, NotBound> {
        if text == PLATFORM { Ok(Self) } else { Err(NotBound("not the platform")) }
    }
}

impl PlatformDriver {
    /// Its name.
    #[must_use]
    pub const fn kind(&self) -> &'static str {
        match self {
            Self::SigningKey { .. } => "signing_key",
            Self::SessionKey { .. } => "session_key",
        }
    }
}

impl Driven for PlatformDriver {
    fn thing(&self) -> Thing<'_> {
        match self {
            Self::SigningKey { key, .. } | Self::SessionKey { key } => Thing::Key(key),
        }
    }

    fn identity(&self) -> Digest {
        let app = match self {
            Self::SigningKey { app, .. } => *app,
            Self::SessionKey { .. } => App::Signin,
        };
        identity(self.kind(), self.thing(), &app.to_string())
    }

    fn needs_admission(&self) -> bool {
        match self {
            Self::SigningKey { .. } => true,
            Self::SessionKey { .. } => false,
        }
    }

    fn least_overlap_s(&self) -> i64 {
        match self {
            Self::SigningKey { .. } => 0,
            Self::SessionKey { .. } => SESSION_KEY_STAYS_S,
        }
    }
}

impl PlatformSecretBindings {
    /// The secrets of the platform, of exactly the version that the keyset names. None if it names
    /// none.
    ///
    /// Remote calls: one read.
    ///
    /// # Errors
    ///
    /// [`NotTrusted`].
    pub async fn read_platform(
        documents: &dyn Documents,
        trust: &Trust,
        now: Timestamp,
    ) -> Result<Secrets<PlatformDriver>, NotTrusted> {
        let Some(named) = trust.secrets() else { return Ok(Secrets::default()) };
        let partition = Partition::deployment();
        let opened = Self::read_named(documents, &partition, named, trust, now).await?;
        Ok(opened.value().secrets.clone())
    }
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;

    fn bound(tnt: &str, driver: &Value) -> Value {
        let secret = json!({
            "name": "it", "driver": driver, "max_age_days": 90, "overlap_hours": 24,
        });
        json!({ "tnt": tnt, "ver": 1, "iat": 0, "exp": 1, "secrets": [secret] })
    }

    #[test]
    fn a_tenant_has_no_signing_keys_and_the_platform_nothing_else() {
        let signing = json!({ "kind": "signing_key", "app": "intake", "key": "intake-signing" });
        let wrapping = json!({ "kind": "key_vault_key", "key": "tenant-data" });
        let tenant = "00000000-0000-0000-0000-000000000001";
        let platforms = |it: &Value| serde_json::from_value::<PlatformSecretBindings>(it.clone());
        let tenants = |it: &Value| serde_json::from_value::<SecretBindings>(it.clone());

        assert!(platforms(&bound("platform", &signing)).is_ok());
        assert!(tenants(&bound(tenant, &wrapping)).is_ok());
        for (tnt, driver) in [("platform", &wrapping), (tenant, &signing), (tenant, &wrapping)] {
            assert!(platforms(&bound(tnt, driver)).is_err(), "{tnt} {driver}");
        }
        for (tnt, driver) in [("platform", &wrapping), (tenant, &signing), ("platform", &signing)] {
            assert!(tenants(&bound(tnt, driver)).is_err(), "{tnt} {driver}");
        }
    }

    #[test]
    fn what_was_written_is_read_again() {
        let signing = json!({ "kind": "signing_key", "app": "drift", "key": "drift-checkpoint" });
        let written = bound("platform", &signing);

        let read: PlatformSecretBindings = serde_json::from_value(written.clone()).unwrap();

        assert_eq!(serde_json::to_value(read).unwrap(), written);
    }
}
