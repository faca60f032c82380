//! Azure's role assignments, by what `infra/identities.json` grants.
//!
//! Which role stands for a right is said there too, so that whoever deploys and whoever compares
//! read the same. A right is over the one thing that it names; only a right over secrets that begin
//! alike is over their vault, because Azure knows no patterns of names.

use std::collections::BTreeSet;

use anyhow::Context as _;
use uuid::Uuid;

use super::places::Places;
use crate::identities::{ArmRight, Identities, Identity, Right, SecretRight, principal_id};

/// A role that is assigned to an identity.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Assigned {
    /// Id of what it is over.
    pub scope: String,
    /// Id of the role's definition.
    pub role: Uuid,
    /// Object id of the identity.
    pub principal: Uuid,
    /// Whether Cosmos DB keeps it, and not Azure.
    pub by_cosmos: bool,
}

/// The definition of the role that stands for a right.
///
/// # Errors
///
/// If none does.
pub fn definition(identities: &Identities, right: &str) -> anyhow::Result<Uuid> {
    let known = identities.azure_roles.get(right).map(|role| role.id);
    known.with_context(|| format!("infra/identities.json names no role for {right}"))
}

/// Every role that is granted.
///
/// # Errors
///
/// If no role stands for a right.
pub fn assigned(identities: &Identities, places: &Places) -> anyhow::Result<BTreeSet<Assigned>> {
    let mut all = BTreeSet::new();
    for (name, identity) in &identities.identities {
        let principal = principal_id(name);
        for (right, scope) in rights(identity, places) {
            let by_cosmos = CONTAINER_RIGHTS.contains(&right);
            all.insert(Assigned {
                scope,
                role: definition(identities, right)?,
                principal,
                by_cosmos,
            });
        }
    }
    Ok(all)
}

/// Rights that Cosmos DB itself assigns.
const CONTAINER_RIGHTS: [&str; 2] = ["container_read", "container_write"];

/// Each right of an identity, and the id of what it is over.
fn rights(identity: &Identity, places: &Places) -> Vec<(&'static str, String)> {
    let mut all = Vec::new();
    for (right, keys) in [
        ("key_sign", &identity.keys.sign),
        ("key_wrap", &identity.keys.wrap),
        ("key_rotate", &identity.rotates),
    ] {
        all.extend(keys.iter().map(|key| (right, places.key(key))));
    }
    for (names, rights) in &identity.secrets {
        let sets = rights.contains(&SecretRight::Set);
        let right = if sets { "secret_set" } else { "secret_get" };
        all.push((right, names.one().map_or_else(|| places.vault(), |name| places.secret(name))));
    }
    for (container, rights) in &identity.cosmos {
        let writes = rights.contains(&Right::Write);
        let right = if writes { "container_write" } else { "container_read" };
        all.push((right, places.documents(container)));
    }
    for (container, rights) in &identity.blobs {
        let writes = rights.contains(&Right::Write);
        all.extend(rights.iter().filter_map(|right| {
            let right = match right {
                Right::Write => "blob_write",
                Right::Create => "blob_create",
                Right::Read if !writes => "blob_read",
                // Who writes reads as well.
                Right::Read => return None,
            };
            Some((right, places.container(container)))
        }));
    }
    for (right, queues) in [("queue_send", &identity.send), ("queue_receive", &identity.receive)] {
        all.extend(queues.iter().map(|queue| (right, places.queue(queue))));
    }
    all.extend(identity.arm.iter().map(|right| match right {
        ArmRight::Read => ("resources_read", places.group.id()),
        ArmRight::AppSettings => ("app_settings_list", places.group.id()),
    }));
    all
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::entra::tests::names;

    fn identities() -> Identities {
        Identities::parse(crate::IDENTITIES).unwrap()
    }

    fn all() -> BTreeSet<Assigned> {
        assigned(&identities(), &Places::of(&names())).unwrap()
    }

    /// Right and scope below the group, of one identity.
    fn of(identity: &str) -> Vec<String> {
        let known = identities().azure_roles;
        let group = Places::of(&names()).group.id();
        let right = |id: Uuid| known.iter().find(|(_, other)| other.id == id).unwrap().0.clone();
        let own = all().into_iter().filter(|one| one.principal == principal_id(identity));
        let mut own: Vec<String> = own
            .map(|one| {
                let below = one.scope.strip_prefix(&group).unwrap();
                let short = below.rsplit_once("/airlock").map_or(below, |(_, short)| short);
                format!("{} @ {short}", right(one.role))
            })
            .collect();
        own.sort();
        own
    }

    #[test]
    fn what_intake_is_granted_is_a_role_over_each_single_thing() {
        assert_eq!(
            of("intake"),
            [
                "blob_read @ anchors/blobServices/default/containers/anchors",
                "blob_read @ local/blobServices/default/containers/tiles",
                "container_read @ /colls/bindings",
                "container_read @ /colls/revocations",
                "container_read @ /colls/sessions",
                "container_write @ /colls/tenants",
                "key_sign @ -local/keys/intake-signing",
                "key_wrap @ -local/keys/tenant-data",
                "queue_receive @ -local/queues/intake-events",
                "queue_send @ -local/queues/events",
                "queue_send @ -local/queues/permits-execute",
                "queue_send @ -local/queues/permits-rotate",
            ]
        );
    }

    #[test]
    fn who_creates_cannot_overwrite_and_who_makes_versions_cannot_sign() {
        let over = |identity: &str, scope: &str| -> Vec<String> {
            let end = format!(" @ {scope}");
            of(identity)
                .iter()
                .filter_map(|one| one.strip_suffix(&end).map(str::to_owned))
                .collect()
        };

        let anchors = "anchors/blobServices/default/containers/anchors";
        assert_eq!(over("drift", anchors), ["blob_create", "blob_read"]);
        assert_eq!(over("rotate", "-local/keys/intake-signing"), ["key_rotate"]);
        assert_eq!(over("signin", "-local/secrets/operator-sign-in"), ["secret_get"]);
        assert_eq!(over("rotate", "-local"), ["secret_set"]);
        assert!(over("intake", "-local").is_empty());
    }

    #[test]
    fn drift_alone_reads_the_group_and_only_cosmos_keeps_what_is_over_documents() {
        let group = Places::of(&names()).group.id();
        let over_group = all().into_iter().filter(|one| one.scope == group);
        let over_group: Vec<Uuid> = over_group.map(|one| one.principal).collect();

        assert_eq!(over_group, [principal_id("drift"); 2]);
        assert!(all().iter().all(|one| one.by_cosmos == one.scope.contains("/colls/")));
    }

    #[test]
    fn a_tenants_own_database_is_another_scope() {
        let places = Places::of(&names());

        assert!(places.documents("tenants").ends_with("/dbs/airlock/colls/tenants"));
        assert!(places.documents("airlock-1/tenants").ends_with("/dbs/airlock-1/colls/tenants"));
    }

    #[test]
    fn a_right_that_no_role_stands_for_is_an_error() {
        let mut identities = identities();
        identities.azure_roles.remove("queue_send");

        assert!(assigned(&identities, &Places::of(&names())).is_err());
    }
}
