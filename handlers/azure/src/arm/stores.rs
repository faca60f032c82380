//! Vaults, databases, buses and storage: who can open them, and from where.

use std::collections::BTreeSet;

use airlock_core::{
    claim,
    drift::actual::{Name, Resource, ResourceKind, Way},
};
use serde::Deserialize;
use serde_json::Value;

use super::words::{self, NotUnderstood, Word, is};

/// The container whose blobs are never changed or deleted.
const ANCHORS: &str = "anchors";

/// A resource, of whatever kind.
#[derive(Debug, Deserialize)]
struct Store<P> {
    id: String,
    properties: P,
}

impl<P> Store<P> {
    fn read(self, kind: ResourceKind, judge: impl Fn(&P) -> Judged) -> Resource {
        let Judged { public, keyed, kept } = judge(&self.properties);
        Resource { kind, id: Name::new(&self.id), public, keyed, kept }
    }
}

/// What is told of each alike.
struct Judged {
    public: bool,
    keyed: BTreeSet<Way>,
    kept: bool,
}

/// The ways of which it does not say that they are closed.
fn open<const N: usize>(ways: [(bool, Way); N]) -> BTreeSet<Way> {
    ways.into_iter().filter_map(|(is_closed, way)| (!is_closed).then_some(way)).collect()
}

/// What is not told is not taken for closed: without it, the network outside is let in.
fn is_public(access: Option<&Word>) -> bool {
    !(is(access, "disabled") || is(access, "securedbyperimeter"))
}

/// Key Vaults.
pub(super) fn vaults(listed: Vec<Value>) -> Result<Vec<Resource>, NotUnderstood> {
    #[derive(Deserialize)]
    #[serde(rename_all = "camelCase")]
    struct Vault {
        public_network_access: Option<Word>,
        enable_rbac_authorization: Option<bool>,
        enable_soft_delete: Option<bool>,
        enable_purge_protection: Option<bool>,
    }
    let listed: Vec<Store<Vault>> = words::understood("vaults", listed)?;
    let read = listed.into_iter().map(|vault| {
        vault.read(ResourceKind::Vault, |vault| Judged {
            public: is_public(vault.public_network_access.as_ref()),
            // Else access policies of its own decide.
            keyed: open([(vault.enable_rbac_authorization == Some(true), Way::AccessPolicies)]),
            // Soft delete cannot be switched off any more, and is not always told.
            kept: vault.enable_purge_protection == Some(true)
                && vault.enable_soft_delete != Some(false),
        })
    });
    Ok(read.collect())
}

/// Cosmos DB accounts.
pub(super) fn databases(listed: Vec<Value>) -> Result<Vec<Resource>, NotUnderstood> {
    #[derive(Deserialize)]
    #[serde(rename_all = "camelCase")]
    struct Database {
        public_network_access: Option<Word>,
        disable_local_auth: Option<bool>,
        disable_key_based_metadata_write_access: Option<bool>,
    }
    let listed: Vec<Store<Database>> = words::understood("databases", listed)?;
    let read = listed.into_iter().map(|database| {
        database.read(ResourceKind::Database, |database| Judged {
            public: is_public(database.public_network_access.as_ref()),
            keyed: open([
                (database.disable_local_auth == Some(true), Way::SharedKeys),
                (
                    database.disable_key_based_metadata_write_access == Some(true),
                    Way::MetadataByKey,
                ),
            ]),
            kept: true,
        })
    });
    Ok(read.collect())
}

/// Service Bus namespaces.
pub(super) fn buses(listed: Vec<Value>) -> Result<Vec<Resource>, NotUnderstood> {
    #[derive(Deserialize)]
    #[serde(rename_all = "camelCase")]
    struct Bus {
        public_network_access: Option<Word>,
        disable_local_auth: Option<bool>,
    }
    let listed: Vec<Store<Bus>> = words::understood("buses", listed)?;
    let read = listed.into_iter().map(|bus| {
        bus.read(ResourceKind::Bus, |bus| Judged {
            public: is_public(bus.public_network_access.as_ref()),
            keyed: open([(bus.disable_local_auth == Some(true), Way::SharedKeys)]),
            kept: true,
        })
    });
    Ok(read.collect())
}

/// A storage account, of which the containers are told elsewhere.
#[derive(Debug, Deserialize)]
pub(super) struct Account {
    id: String,
    name: String,
    properties: AccountProperties,
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
struct AccountProperties {
    public_network_access: Option<Word>,
    allow_shared_key_access: Option<bool>,
    allow_blob_public_access: Option<bool>,
    is_local_user_enabled: Option<bool>,
}

#[derive(Debug, Deserialize)]
struct Container {
    name: String,
    properties: ContainerProperties,
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
struct ContainerProperties {
    public_access: Option<Word>,
    immutability_policy: Option<Policy>,
}

#[derive(Debug, Deserialize)]
struct Policy {
    properties: Option<PolicyProperties>,
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
struct PolicyProperties {
    immutability_period_since_creation_in_days: Option<u32>,
    state: Option<Word>,
}

impl Account {
    /// Its path.
    pub(super) fn path(&self, group: &str) -> Result<String, NotUnderstood> {
        words::path(&Name::new(&self.id), group)
    }

    /// The account, with its containers. `anchors` is the name of the account of anchors.
    pub(super) fn read(
        self,
        anchors: &Name,
        containers: &[Value],
    ) -> Result<Resource, NotUnderstood> {
        let containers: Vec<Container> = words::understood("containers", containers.to_owned())?;
        let properties = &self.properties;
        let opened = containers.iter().filter(|container| container.is_open());
        let opened = opened.map(|container| Way::OpenContainer(Name::new(&container.name)));
        let mut keyed = open([
            // What is not told is allowed: shared keys are, unless somebody forbids them.
            (properties.allow_shared_key_access == Some(false), Way::SharedKeys),
            (properties.allow_blob_public_access == Some(false), Way::Anonymous),
            // Of this, the contrary.
            (properties.is_local_user_enabled != Some(true), Way::LocalUsers),
        ]);
        keyed.extend(opened);
        let (kind, must_keep) = if Name::new(&self.name) == *anchors {
            (ResourceKind::Anchors, ANCHORS)
        } else {
            (ResourceKind::Blobs, claim::CONTAINER)
        };
        Ok(Resource {
            kind,
            id: Name::new(&self.id),
            public: is_public(properties.public_network_access.as_ref()),
            keyed,
            kept: containers.iter().any(|container| container.keeps(must_keep)),
        })
    }
}

impl Container {
    /// Whether anybody reads it.
    fn is_open(&self) -> bool {
        self.properties.public_access.as_ref().is_some_and(|access| !access.is("none"))
    }

    /// Whether it has this name, and a policy by which nobody deletes what is in it. One that is
    /// not locked is deleted first.
    fn keeps(&self, name: &str) -> bool {
        let policy = self.properties.immutability_policy.as_ref();
        let policy = policy.and_then(|policy| policy.properties.as_ref());
        let is_locked = policy.is_some_and(|policy| {
            policy.immutability_period_since_creation_in_days.is_some_and(|days| days > 0)
                && is(policy.state.as_ref(), "locked")
        });
        self.name.eq_ignore_ascii_case(name) && is_locked
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn with(mut resource: Value, name: &str, value: Value) -> Value {
        resource["properties"][name] = value;
        resource
    }

    fn vault() -> Value {
        json!({ "id": "/Vaults/V", "name": "V", "properties": {
            "publicNetworkAccess": "disabled",
            "enableRbacAuthorization": true,
            "enablePurgeProtection": true,
        } })
    }

    fn account() -> Value {
        json!({ "id": "/Accounts/Anchors1", "name": "Anchors1", "properties": {
            "publicNetworkAccess": "Disabled",
            "allowSharedKeyAccess": false,
            "allowBlobPublicAccess": false,
        } })
    }

    fn container() -> Value {
        json!({ "name": "Anchors", "properties": {
            "publicAccess": "NONE",
            "immutabilityPolicy": {
                "properties": { "immutabilityPeriodSinceCreationInDays": 10, "state": "locked" },
            },
        } })
    }

    fn judged(resource: &Resource) -> (bool, bool, bool) {
        (resource.public, !resource.keyed.is_empty(), resource.kept)
    }

    fn of_vault(name: &str, value: Value) -> (bool, bool, bool) {
        judged(&vaults(vec![with(vault(), name, value)]).unwrap()[0])
    }

    #[test]
    fn a_vault_is_open_to_entra_from_within_and_keeps_what_is_deleted() {
        assert_eq!(of_vault("publicNetworkAccess", json!("Disabled")), (false, false, true));
        assert_eq!(of_vault("publicNetworkAccess", json!("Enabled")), (true, false, true));
        assert_eq!(of_vault("publicNetworkAccess", json!(null)), (true, false, true));
        assert_eq!(of_vault("enableRbacAuthorization", json!(false)), (false, true, true));
        assert_eq!(of_vault("enableRbacAuthorization", json!(null)), (false, true, true));
        assert_eq!(of_vault("enablePurgeProtection", json!(null)), (false, false, false));
        assert_eq!(of_vault("enableSoftDelete", json!(false)), (false, false, false));
    }

    #[test]
    fn keys_of_databases_and_buses_count_unless_they_are_forbidden() {
        let closed = json!({ "id": "/a", "properties": {
            "publicNetworkAccess": "Disabled",
            "disableLocalAuth": true,
            "disableKeyBasedMetadataWriteAccess": true,
        } });
        let database = |resource: Value| judged(&databases(vec![resource]).unwrap()[0]);
        let bus = |resource: Value| judged(&buses(vec![resource]).unwrap()[0]);

        assert_eq!(database(closed.clone()), (false, false, true));
        assert_eq!(bus(closed.clone()), (false, false, true));
        let ways = |resource: Value| {
            let (database, bus) = (databases(vec![resource.clone()]), buses(vec![resource]));
            (database.unwrap()[0].keyed.clone(), bus.unwrap()[0].keyed.clone())
        };
        let keyed = with(closed.clone(), "disableLocalAuth", json!(null));
        assert_eq!(ways(keyed), ([Way::SharedKeys].into(), [Way::SharedKeys].into()));
        let metadata = with(closed, "disableKeyBasedMetadataWriteAccess", json!(false));
        assert_eq!(ways(metadata), ([Way::MetadataByKey].into(), BTreeSet::new()));
    }

    fn of_account(account: Value, containers: &[Value]) -> Resource {
        let account: Account = words::one("account", account).unwrap();
        account.read(&Name::new("anchors1"), containers).unwrap()
    }

    #[test]
    fn an_account_is_opened_by_no_key_and_by_nobody_without_one() {
        let read = |account| judged(&of_account(account, &[container()]));

        assert_eq!(read(account()), (false, false, true));
        let ways = |account, containers: &[Value]| of_account(account, containers).keyed;
        for (name, value, way) in [
            ("allowSharedKeyAccess", json!(null), Way::SharedKeys),
            ("allowSharedKeyAccess", json!(true), Way::SharedKeys),
            ("allowBlobPublicAccess", json!(true), Way::Anonymous),
            ("isLocalUserEnabled", json!(true), Way::LocalUsers),
        ] {
            let ways = ways(with(account(), name, value), &[container()]);
            assert_eq!(ways, [way].into(), "{name}");
        }
        let open = with(container(), "publicAccess", json!("blob"));
        let keyed = with(account(), "allowSharedKeyAccess", json!(true));
        assert_eq!(
            ways(keyed, &[container(), open]),
            [Way::SharedKeys, Way::OpenContainer(Name::new("anchors"))].into(),
            "each is told, and of a container which"
        );
    }

    #[test]
    fn anchors_are_kept_by_a_policy_of_their_own_container() {
        let kept = |containers: &[Value]| of_account(account(), containers).kept;

        assert_eq!(of_account(account(), &[container()]).kind, ResourceKind::Anchors);
        assert!(kept(&[container()]));
        assert!(!kept(&[]));
        assert!(!kept(&[with(container(), "immutabilityPolicy", json!(null))]));
        for (days, state) in [(0, json!("Locked")), (10, json!("Unlocked")), (10, json!(null))] {
            let policy = json!({ "properties": {
                "immutabilityPeriodSinceCreationInDays": days, "state": state,
            } });
            assert!(!kept(&[with(container(), "immutabilityPolicy", policy)]), "{days} {state}");
        }
        let mut other = container();
        other["name"] = "others".into();
        assert!(!kept(&[other]));
        let mut blobs = account();
        blobs["name"] = "blobs1".into();
        let mut claims = container();
        claims["name"] = "claims".into();
        assert_eq!(of_account(blobs.clone(), &[]).kind, ResourceKind::Blobs);
        assert!(of_account(blobs.clone(), &[claims]).kept);
        assert!(!of_account(blobs, &[container()]).kept);
    }

    #[test]
    fn what_is_no_resource_is_not_understood() {
        assert!(vaults(vec![json!({ "id": "/a" })]).is_err());
        assert!(databases(vec![json!({ "properties": {} })]).is_err());
        assert!(buses(vec![json!(1)]).is_err());
    }
}
