//! Vault, database, bus and storage: open to Entra's tokens alone, and to no public network.

use serde_json::{Value, json};

use super::{LOCATION, resource};
use crate::{
    arm::{
        kinds::{
            ACCOUNTS, BLOB_SERVICES, CONTAINERS, NAMESPACES, SQL_ROLE_DEFINITIONS,
            STORAGE_ACCOUNTS, VAULTS,
        },
        places::{ANCHORS, Places},
    },
    cloud::Names,
    identities::Identities,
    package::APPS,
};

/// How long nothing of anchors and claims can be changed or deleted, in days.
const KEPT_DAYS: u32 = 3650;
/// Containers under a retention policy.
const IMMUTABLE: [&str; 2] = [ANCHORS, "claims"];
/// Cosmos DB's own roles, with what each allows besides reading what the account is.
const SQL_ROLES: [(&str, &str, &[&str]); 2] = [
    (
        "00000000-0000-0000-0000-000000000001",
        "Cosmos DB Built-in Data Reader",
        &["executeQuery", "readChangeFeed", "items/read"],
    ),
    (
        "00000000-0000-0000-0000-000000000002",
        "Cosmos DB Built-in Data Contributor",
        &["*", "items/*"],
    ),
];

/// Everything that keeps something.
pub(super) fn resources(identities: &Identities, names: &Names, places: &Places) -> Vec<Value> {
    let mut all = vec![vault(names, places), database(names, places), bus(names, places)];
    all.extend(SQL_ROLES.map(|role| sql_role(places, role)));
    let granted = identities.identities.values().flat_map(|identity| identity.blobs.keys());
    let packages = APPS.map(|app| format!("package-{app}"));
    let mut containers: Vec<String> = granted.cloned().chain(packages).collect();
    containers.sort();
    containers.dedup();
    for (account, host) in places.accounts().into_iter().zip([&names.blobs, &names.anchors]) {
        all.push(storage(account, host));
        let service = format!("{account}/blobServices/default");
        let retention = json!({ "enabled": true, "days": 7 });
        let properties = json!({
            "isVersioningEnabled": false,
            "deleteRetentionPolicy": retention,
            "containerDeleteRetentionPolicy": retention,
        });
        all.push(resource(&BLOB_SERVICES, &service, json!({ "properties": properties })));
        let own = containers.iter().filter(|name| places.account_of(name) == account);
        all.extend(own.map(|name| container(&service, name)));
    }
    all
}

fn no_network() -> Value {
    json!({ "bypass": "None", "defaultAction": "Deny", "ipRules": [], "virtualNetworkRules": [] })
}

fn vault(names: &Names, places: &Places) -> Value {
    let properties = json!({
        "tenantId": names.tenant,
        "sku": { "family": "A", "name": "premium" },
        "accessPolicies": [],
        "enabledForDeployment": false,
        "enabledForDiskEncryption": false,
        "enabledForTemplateDeployment": false,
        "enableRbacAuthorization": true,
        "enableSoftDelete": true,
        "softDeleteRetentionInDays": 90,
        "enablePurgeProtection": true,
        "publicNetworkAccess": "Disabled",
        "networkAcls": no_network(),
        "vaultUri": format!("https://{}/", names.vault),
        "provisioningState": "Succeeded",
    });
    let body = json!({ "location": LOCATION, "tags": {}, "properties": properties });
    resource(&VAULTS, &places.vault(), body)
}

fn database(names: &Names, places: &Places) -> Value {
    let properties = json!({
        "provisioningState": "Succeeded",
        "documentEndpoint": format!("https://{}:443/", names.cosmos),
        "databaseAccountOfferType": "Standard",
        "disableLocalAuth": true,
        "disableKeyBasedMetadataWriteAccess": true,
        "publicNetworkAccess": "Disabled",
        "isVirtualNetworkFilterEnabled": false,
        "virtualNetworkRules": [],
        "ipRules": [],
        "networkAclBypass": "None",
        "networkAclBypassResourceIds": [],
        "minimalTlsVersion": "Tls12",
        "enableFreeTier": false,
        "consistencyPolicy": {
            "defaultConsistencyLevel": "Strong",
            "maxIntervalInSeconds": 5,
            "maxStalenessPrefix": 100,
        },
        "backupPolicy": {
            "type": "Continuous",
            "continuousModeProperties": { "tier": "Continuous30Days" },
        },
        "capabilities": [{ "name": "EnableServerless" }],
        "locations": [{ "locationName": "West Europe", "failoverPriority": 0 }],
    });
    let identity = json!({ "type": "None" });
    let body = json!({
        "kind": "GlobalDocumentDB",
        "location": "West Europe",
        "tags": {},
        "identity": identity,
        "properties": properties,
    });
    resource(&ACCOUNTS, &places.cosmos(), body)
}

fn sql_role(places: &Places, (id, name, allowed): (&str, &str, &[&str])) -> Value {
    let account = "Microsoft.DocumentDB/databaseAccounts";
    let metadata = format!("{account}/readMetadata");
    let containers = format!("{account}/sqlDatabases/containers");
    let allowed = allowed.iter().map(|action| format!("{containers}/{action}"));
    let actions: Vec<String> = [metadata].into_iter().chain(allowed).collect();
    let properties = json!({
        "roleName": name,
        "type": "BuiltInRole",
        "assignableScopes": [places.cosmos()],
        "permissions": [{ "dataActions": actions, "notDataActions": [] }],
    });
    let id = format!("{}/sqlRoleDefinitions/{id}", places.cosmos());
    resource(&SQL_ROLE_DEFINITIONS, &id, json!({ "properties": properties }))
}

fn bus(names: &Names, places: &Places) -> Value {
    let properties = json!({
        "provisioningState": "Succeeded",
        "status": "Active",
        "disableLocalAuth": true,
        "minimumTlsVersion": "1.2",
        "publicNetworkAccess": "Disabled",
        "zoneRedundant": true,
        "serviceBusEndpoint": format!("https://{}:443/", names.bus),
    });
    let sku = json!({ "name": "Premium", "tier": "Premium", "capacity": 1 });
    let body = json!({ "location": LOCATION, "tags": {}, "sku": sku, "properties": properties });
    resource(&NAMESPACES, &places.bus(), body)
}

fn storage(account: &str, host: &str) -> Value {
    let properties = json!({
        "provisioningState": "Succeeded",
        "allowSharedKeyAccess": false,
        "allowBlobPublicAccess": false,
        "allowCrossTenantReplication": false,
        "defaultToOAuthAuthentication": true,
        "isLocalUserEnabled": false,
        "isSftpEnabled": false,
        "supportsHttpsTrafficOnly": true,
        "minimumTlsVersion": "TLS1_2",
        "publicNetworkAccess": "Disabled",
        "networkAcls": no_network(),
        "primaryEndpoints": { "blob": format!("https://{host}/") },
    });
    let body = json!({
        "kind": "StorageV2",
        "location": LOCATION,
        "tags": {},
        "sku": { "name": "Standard_ZRS", "tier": "Standard" },
        "properties": properties,
    });
    resource(&STORAGE_ACCOUNTS, account, body)
}

fn container(service: &str, name: &str) -> Value {
    let immutable = IMMUTABLE.contains(&name);
    let mut properties = json!({
        "publicAccess": "None",
        "leaseStatus": "Unlocked",
        "leaseState": "Available",
        "hasImmutabilityPolicy": immutable,
        "hasLegalHold": false,
        "defaultEncryptionScope": "$account-encryption-key",
        "denyEncryptionScopeOverride": false,
        "immutableStorageWithVersioning": { "enabled": false },
    });
    if immutable {
        properties["immutabilityPolicy"] = json!({
            "properties": {
                "immutabilityPeriodSinceCreationInDays": KEPT_DAYS,
                "state": "Locked",
                "allowProtectedAppendWrites": false,
            },
            "updateHistory": [],
        });
    }
    let id = format!("{service}/containers/{name}");
    resource(&CONTAINERS, &id, json!({ "properties": properties }))
}
