//! Azure's role assignments, as rights of `identities.json` stand for them.
//!
//! A right is over the one thing that it names. Azure knows no patterns of names: a right over
//! secrets that begin alike is over their vault.

use std::collections::{BTreeMap, BTreeSet};

use super::{Declared, DeclaredIdentity, NotDesired};
use crate::{
    drift::actual::{Name, RoleAssignment},
    identity::{App, ObjectId},
    manifest::Manifest,
};

/// The container that lies in an account of its own.
const ANCHORS: &str = "anchors";

/// Every assignment that was declared.
pub(super) fn assignments(
    declared: &Declared,
    principals: &BTreeMap<App, ObjectId>,
    manifest: &Manifest,
) -> Result<BTreeSet<RoleAssignment>, NotDesired> {
    let mut all = BTreeSet::new();
    for (app, identity) in &declared.identities {
        for (right, scope) in rights(identity, manifest) {
            let role = declared.azure_roles.get(right).map(|role| role.id.to_string());
            let role = role.ok_or_else(|| NotDesired::Unknown(format!("the right {right}")))?;
            let principal = principals.get(app).copied();
            let principal = principal.ok_or_else(|| NotDesired::Unknown(app.to_string()))?;
            all.insert(RoleAssignment {
                scope: Name::new(&scope),
                role: Name::new(&role),
                principal,
            });
        }
    }
    Ok(all)
}

fn rights(identity: &DeclaredIdentity, manifest: &Manifest) -> Vec<(&'static str, String)> {
    let vault = format!("/providers/Microsoft.KeyVault/vaults/{}", host(&manifest.vault));
    let bus = format!("/providers/Microsoft.ServiceBus/namespaces/{}", host(&manifest.bus));
    let cosmos =
        format!("/providers/Microsoft.DocumentDB/databaseAccounts/{}", host(&manifest.cosmos));
    let mut all = Vec::new();
    let keys = [
        ("key_sign", &identity.keys.sign),
        ("key_wrap", &identity.keys.wrap),
        ("key_rotate", &identity.rotates),
    ];
    for (right, names) in keys {
        all.extend(names.iter().map(|name| (right, format!("{vault}/keys/{name}"))));
    }
    for (name, held) in &identity.secrets {
        let right = if has(held, "set") { "secret_set" } else { "secret_get" };
        let scope =
            if name.ends_with('*') { vault.clone() } else { format!("{vault}/secrets/{name}") };
        all.push((right, scope));
    }
    for (name, held) in &identity.blobs {
        let account = if name == ANCHORS { &manifest.anchors } else { &manifest.blobs };
        let scope = format!(
            "/providers/Microsoft.Storage/storageAccounts/{}/blobServices/default/containers/{name}",
            host(account)
        );
        let named = [("write", "blob_write"), ("create", "blob_create"), ("read", "blob_read")];
        // To write is to read as well.
        let covered = |right: &str| right == "read" && has(held, "write");
        let kept = named.iter().filter(|(right, _)| has(held, right) && !covered(right));
        all.extend(kept.map(|(_, role)| (*role, scope.clone())));
    }
    for (right, queues) in [("queue_send", &identity.send), ("queue_receive", &identity.receive)] {
        all.extend(queues.iter().map(|queue| (right, format!("{bus}/queues/{queue}"))));
    }
    for (name, held) in &identity.cosmos {
        let right = if has(held, "write") { "container_write" } else { "container_read" };
        all.push((right, format!("{cosmos}/dbs/{DATABASE}/colls/{name}")));
    }
    for (name, right) in [("read", "resources_read"), ("appsettings", "app_settings_list")] {
        if has(&identity.arm, name) {
            all.push((right, String::new()));
        }
    }
    all
}

/// The one database of the deployment's own.
const DATABASE: &str = "airlock";

fn has(held: &[String], right: &str) -> bool {
    held.iter().any(|each| each == right)
}

/// Name of a resource: the first part of its host.
fn host(url: &str) -> &str {
    let host = url.trim_start_matches("https://");
    host.split(['.', ':', '/']).next().unwrap_or(host)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_resource_is_named_by_its_host() {
        assert_eq!(host("https://airlock-local.vault.azure.net"), "airlock-local");
        assert_eq!(host("https://airlock-local.documents.azure.com:443/"), "airlock-local");
        assert_eq!(host("airlock-local.servicebus.windows.net"), "airlock-local");
    }
}
