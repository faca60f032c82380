//! Function apps on Flex Consumption, each with an identity of its own.

use std::{fs, path::Path};

use anyhow::Context as _;
use serde_json::{Value, json};

use super::{LOCATION, resource, site};
use crate::{
    arm::{
        front_door_id,
        kinds::{FUNCTIONS, PUBLISHING, SITE_CONFIG, SITES},
        places::{NAME, Places},
    },
    cloud::Names,
    identities::{Identities, client_id, principal_id},
    package::{self, APPS},
};

/// Apps that the front door leads to. The network outside reaches no other.
const OUTER: [&str; 2] = ["signin", "intake"];
/// Priority of the rule that Azure puts behind all others.
const LAST: u32 = 2_147_483_647;

/// Every app, with what is below it.
pub(super) fn resources(
    identities: &Identities,
    names: &Names,
    places: &Places,
) -> anyhow::Result<Vec<Value>> {
    let mut all = Vec::new();
    for app in APPS {
        let id = places.id(&SITES, &site(app));
        all.push(resource(&SITES, &id, of(app, names, places)));
        let web = json!({ "location": LOCATION, "properties": config(app) });
        all.push(resource(&SITE_CONFIG, &format!("{id}/config/web"), web));
        let settings = package::settings(identities, names, app)?;
        let settings = json!({ "location": LOCATION, "properties": settings });
        all.push(resource(&SITE_CONFIG, &format!("{id}/config/appsettings"), settings));
        for policy in ["ftp", "scm"] {
            let policy_id = format!("{id}/basicPublishingCredentialsPolicies/{policy}");
            let body = json!({ "location": LOCATION, "properties": { "allow": false } });
            all.push(resource(&PUBLISHING, &policy_id, body));
        }
        all.extend(functions(app, &id)?);
    }
    Ok(all)
}

fn of(app: &str, names: &Names, places: &Places) -> Value {
    let identity = places.identity(app);
    let host = package::host(app);
    let outer = OUTER.contains(&app);
    json!({
        "kind": "functionapp,linux",
        "location": LOCATION,
        "tags": {},
        "identity": {
            "type": "UserAssigned",
            "userAssignedIdentities": {
                (identity.as_str()): {
                    "principalId": principal_id(app),
                    "clientId": client_id(app),
                },
            },
        },
        "properties": {
            "state": "Running",
            "enabled": true,
            "httpsOnly": true,
            "clientCertEnabled": false,
            "publicNetworkAccess": if outer { "Enabled" } else { "Disabled" },
            "hostNames": [host.as_str()],
            "enabledHostNames": [host.as_str()],
            "defaultHostName": host,
            "sku": "FlexConsumption",
            "reserved": true,
            "virtualNetworkSubnetId": format!(
                "{}/providers/Microsoft.Network/virtualNetworks/{NAME}/subnets/{app}",
                places.group.id()
            ),
            "keyVaultReferenceIdentity": identity,
            "functionAppConfig": {
                "deployment": {
                    "storage": {
                        "type": "blobContainer",
                        "value": format!("https://{}/package-{app}", names.blobs),
                        "authentication": {
                            "type": "UserAssignedIdentity",
                            "userAssignedIdentityResourceId": identity,
                            "storageAccountConnectionStringName": null,
                        },
                    },
                },
                "runtime": { "name": "custom", "version": "1.0" },
                "scaleAndConcurrency": {
                    "alwaysReady": [],
                    "maximumInstanceCount": 100,
                    "instanceMemoryMB": 2048,
                    "triggers": null,
                },
            },
            // Most of it is told below `config/web` alone.
            "siteConfig": {
                "numberOfWorkers": 1,
                "linuxFxVersion": "",
                "alwaysOn": false,
                "http20Enabled": false,
                "functionAppScaleLimit": 100,
                "minimumElasticInstanceCount": 0,
                "ipSecurityRestrictions": null,
                "ipSecurityRestrictionsDefaultAction": null,
                "minTlsVersion": null,
                "ftpsState": null,
            },
        },
    })
}

fn config(app: &str) -> Value {
    let denies = json!({
        "ipAddress": "Any",
        "action": "Deny",
        "priority": LAST,
        "name": "Deny all",
        "description": "Deny all access",
    });
    let mut rules = Vec::new();
    if OUTER.contains(&app) {
        rules.push(json!({
            "ipAddress": "AzureFrontDoor.Backend",
            "tag": "ServiceTag",
            "action": "Allow",
            "priority": 100,
            "name": "front-door",
            "headers": { "x-azure-fdid": [front_door_id()] },
        }));
    }
    rules.push(denies.clone());
    json!({
        "numberOfWorkers": 1,
        "linuxFxVersion": "",
        "alwaysOn": false,
        "http20Enabled": true,
        "minTlsVersion": "1.2",
        "scmMinTlsVersion": "1.2",
        "ftpsState": "Disabled",
        "remoteDebuggingEnabled": false,
        "webSocketsEnabled": false,
        "vnetRouteAllEnabled": true,
        "publicNetworkAccess": if OUTER.contains(&app) { "Enabled" } else { "Disabled" },
        "ipSecurityRestrictions": rules,
        "ipSecurityRestrictionsDefaultAction": "Deny",
        "scmIpSecurityRestrictions": [denies],
        "scmIpSecurityRestrictionsDefaultAction": "Deny",
        "scmIpSecurityRestrictionsUseMain": false,
        "keyVaultReferenceIdentity": null,
    })
}

/// The functions of an app, as its package has them.
fn functions(app: &str, site_id: &str) -> anyhow::Result<Vec<Value>> {
    let folder = Path::new(crate::SOURCES).join("functions").join(app);
    let mut all = Vec::new();
    for entry in fs::read_dir(&folder).with_context(|| folder.display().to_string())? {
        let entry = entry?;
        let function = entry.file_name().to_string_lossy().into_owned();
        let file = entry.path().join("function.json");
        let text = fs::read(&file).with_context(|| file.display().to_string())?;
        let config: Value =
            serde_json::from_slice(&text).with_context(|| file.display().to_string())?;
        let site = site(app);
        let home = format!("https://{}", package::host(app));
        let mut body = json!({
            "location": LOCATION,
            "properties": {
                "name": function,
                "config": config,
                "script_root_path_href": format!("{home}/admin/vfs/home/site/wwwroot/{function}/"),
                "config_href":
                    format!("{home}/admin/vfs/home/site/wwwroot/{function}/function.json"),
                "href": format!("{home}/admin/functions/{function}"),
                "isDisabled": false,
                "language": "Custom",
                "test_data": "",
            },
        });
        body = resource(&FUNCTIONS, &format!("{site_id}/functions/{function}"), body);
        // With the site's: so its provider names what is below a site.
        body["name"] = format!("{site}/{function}").into();
        all.push(body);
    }
    Ok(all)
}
