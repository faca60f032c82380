//! How far a tenant is kept apart from the others of a deployment, layer by layer.
//!
//! Every layer is `shared`, `pool` or `silo` in a binding, and `shared` where it says nothing:
//!
//! | layer | `shared` | `pool` | `silo` |
//! |---|---|---|---|
//! | `compute` | the deployment's function apps | a stamp of its own | a stamp of its own |
//! | `network` | the deployment's network | a stamp of its own | a stamp of its own |
//! | `data` | a partition of the container `tenants` | a container of its own | a database of its own |
//! | `secrets` | its data keys are wrapped by the apps' common key | by a key of its own | a stamp of its own |
//! | `quota` | counted in the tenant's own ledger | means nothing | means nothing |
//!
//! A *stamp* is a deployment of its own, with its own admin root: its packages name its vault and
//! its network, and no binding could. There the tenant is bound as `shared`, and is alone.
//! Quotas are never shared: each tenant's requests are counted in its own ledger, so none uses up
//! another's. What the store gives each tenant to work with follows `data`.
//!
//! What a deployment cannot keep is no value of [`Isolation`], so a binding that promises it is
//! neither signed nor opened: whoever reads `silo` must not find that it meant `shared`.
//!
//! Whatever the layout, what is stored counts by its signature and the tenant that it names, and
//! not by where it lies. The layout bounds what a lost grant, a full partition or a mistake with
//! the database reaches.

use std::fmt;

use serde::{Deserialize, Serialize};

/// How far a tenant is kept apart, as far as one deployment can.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(try_from = "Layers", into = "Layers")]
pub struct Isolation {
    /// Where its documents are.
    pub data: DataIsolation,
    /// What wraps its data keys.
    pub secrets: SecretsIsolation,
}

/// Where a tenant's documents are. The partition key is the tenant's id in every layout.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum DataIsolation {
    /// In a partition of the container that all share.
    #[default]
    Shared,
    /// In a container of the tenant's own, in the deployment's database.
    Pool,
    /// In a database of the tenant's own, in the deployment's account.
    Silo,
}

/// Which key of the vault wraps a tenant's data keys.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum SecretsIsolation {
    /// The one that wraps other tenants' too.
    #[default]
    Shared,
    /// One of the tenant's own. To destroy it is to forget what the tenant ever encrypted.
    Pool,
}

/// A binding promises what this deployment cannot keep.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum NotKept {
    /// Nothing in a deployment can be one tenant's alone in this layer.
    #[error(
        "{layer} isolation `{level}` is a stamp of its own: deploy one for this tenant, and bind it there as `shared`"
    )]
    Stamp {
        /// The layer.
        layer: &'static str,
        /// What was asked of it.
        level: Level,
    },
    /// Every package names one vault.
    #[error(
        "secrets isolation `silo` is a stamp of its own: a deployment has one vault; `pool` is a key of the tenant's own in it"
    )]
    Vault,
    /// There is nothing that it could mean.
    #[error(
        "quota isolation `{0}` means nothing: each tenant's requests are counted in its own ledger"
    )]
    Quota(Level),
}

/// How far apart, in a binding's words.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Level {
    /// With others.
    #[default]
    Shared,
    /// Its own part of what the deployment has.
    Pool,
    /// Its own.
    Silo,
}

impl fmt::Display for Level {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(match self {
            Self::Shared => "shared",
            Self::Pool => "pool",
            Self::Silo => "silo",
        })
    }
}

/// All that a binding can say.
#[derive(Clone, Copy, Debug, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
struct Layers {
    compute: Level,
    network: Level,
    data: Level,
    secrets: Level,
    quota: Level,
}

impl DataIsolation {
    /// Its word.
    #[must_use]
    pub const fn level(self) -> Level {
        match self {
            Self::Shared => Level::Shared,
            Self::Pool => Level::Pool,
            Self::Silo => Level::Silo,
        }
    }
}

impl SecretsIsolation {
    /// Its word.
    #[must_use]
    pub const fn level(self) -> Level {
        match self {
            Self::Shared => Level::Shared,
            Self::Pool => Level::Pool,
        }
    }
}

impl TryFrom<Layers> for Isolation {
    type Error = NotKept;

    fn try_from(layers: Layers) -> Result<Self, NotKept> {
        for (layer, level) in [("compute", layers.compute), ("network", layers.network)] {
            if level != Level::Shared {
                return Err(NotKept::Stamp { layer, level });
            }
        }
        if layers.quota != Level::Shared {
            return Err(NotKept::Quota(layers.quota));
        }
        let data = match layers.data {
            Level::Shared => DataIsolation::Shared,
            Level::Pool => DataIsolation::Pool,
            Level::Silo => DataIsolation::Silo,
        };
        let secrets = match layers.secrets {
            Level::Shared => SecretsIsolation::Shared,
            Level::Pool => SecretsIsolation::Pool,
            Level::Silo => return Err(NotKept::Vault),
        };
        Ok(Self { data, secrets })
    }
}

impl From<Isolation> for Layers {
    fn from(isolation: Isolation) -> Self {
        let (data, secrets) = (isolation.data.level(), isolation.secrets.level());
        Self { data, secrets, ..Self::default() }
    }
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;

    fn read(layers: Value) -> Result<Isolation, String> {
        serde_json::from_value(layers).map_err(|error| error.to_string())
    }

    #[test]
    fn what_a_deployment_can_keep_is_read_and_written_as_it_stands() {
        for (data, secrets) in
            [("shared", "shared"), ("pool", "shared"), ("silo", "pool"), ("shared", "pool")]
        {
            let layers = json!({
                "compute": "shared", "network": "shared", "data": data, "secrets": secrets,
                "quota": "shared",
            });
            let isolation = read(layers.clone()).unwrap();
            assert_eq!(serde_json::to_value(isolation).unwrap(), layers);
        }
        assert_eq!(read(json!({})).unwrap(), Isolation::default());
        assert_eq!(read(json!({ "data": "silo" })).unwrap().data, DataIsolation::Silo);
    }

    #[test]
    fn what_it_cannot_keep_is_refused_with_the_reason_and_never_read_as_less() {
        let refused = |layers: Value| read(layers).unwrap_err();

        for layer in ["compute", "network"] {
            for level in ["pool", "silo"] {
                let told = refused(json!({ layer: level }));
                assert!(told.starts_with(&format!(
                    "{layer} isolation `{level}` is a stamp of its own: deploy one"
                )));
            }
        }
        assert!(refused(json!({ "secrets": "silo" })).contains("has one vault"));
        for level in ["pool", "silo"] {
            assert!(refused(json!({ "quota": level })).contains("means nothing"));
        }
    }

    #[test]
    fn words_that_are_none_are_refused() {
        for other in [
            json!({ "data": "dedicated" }),
            json!({ "data": "Silo" }),
            json!({ "data": null }),
            json!({ "database": "silo" }),
            json!("silo"),
        ] {
            assert!(read(other.clone()).is_err(), "{other}");
        }
    }
}
