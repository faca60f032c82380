//! What is told to the admin plane, so that it can sign keyset, bindings and manifests.

use std::{collections::BTreeMap, fs, path::Path};

use anyhow::Context as _;
use serde::Serialize;
use serde_json::{Value, json};
use uuid::Uuid;

use crate::{
    arm,
    cloud::{Names, audience},
    identities::{self, Identities},
    package::APPS,
};

/// The runtime tenant bindings that the admin plane is to sign, but for the keys of producers.
pub const BINDINGS: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/bindings.json");
/// Overrides of trust that the local manifests allow: the loopback cloud is found through a proxy
/// and vouched for by an authority of its own. In Azure nothing stands here.
pub const MAY_OVERRIDE: [&str; 2] = ["SSL_CERT_FILE", "HTTPS_PROXY"];

#[derive(Serialize)]
struct Identity<'a> {
    client_id: Uuid,
    principal_id: Uuid,
    keys: Keys<'a>,
    signs: &'a [String],
}

#[derive(Serialize)]
struct Keys<'a> {
    sign: &'a [String],
    wrap: &'a [String],
}

/// The bindings as they are reviewed.
///
/// # Errors
///
/// If they are not there, or no JSON.
pub fn bindings() -> anyhow::Result<Value> {
    let text = fs::read(BINDINGS).context(BINDINGS)?;
    serde_json::from_slice(&text).context(BINDINGS)
}

/// The deployment, for `airlockctl admin bootstrap`.
#[must_use]
pub fn describe(
    identities: &Identities,
    names: &Names,
    confirmations: &str,
    packages: &Path,
    bindings: &Path,
) -> Value {
    let described: BTreeMap<&str, Identity<'_>> = identities
        .identities
        .iter()
        .map(|(name, identity)| {
            let identity = Identity {
                client_id: identities::client_id(name),
                principal_id: identities::principal_id(name),
                keys: Keys { sign: &identity.keys.sign, wrap: &identity.keys.wrap },
                signs: &identity.signs,
            };
            (name.as_str(), identity)
        })
        .collect();
    let applications: BTreeMap<&str, Value> = identities
        .applications
        .keys()
        .map(|name| (name.as_str(), json!({ "client_id": identities::application_id(name) })))
        .collect();
    let sites: BTreeMap<&str, String> = APPS.iter().map(|app| (*app, arm::site(app))).collect();
    let packages: BTreeMap<&str, _> =
        APPS.iter().map(|app| (*app, packages.join(app).display().to_string())).collect();
    json!({
        "tenant": names.tenant,
        "authority": format!("https://{}", names.entra),
        "sign_in_pages": names.pages,
        "graph": audience::GRAPH,
        "vault": format!("https://{}", names.vault),
        "cosmos": format!("https://{}:443/", names.cosmos),
        "database": "airlock",
        "bus": names.bus,
        "blobs": format!("https://{}", names.blobs),
        "anchors": format!("https://{}", names.anchors),
        "resource_manager": audience::ARM,
        "resources": arm::group_id(names),
        "sites": sites,
        "ledger": "ledger.airlock.example",
        "portal": names.portal,
        "api": names.api,
        "confirmations": confirmations,
        "may_override": MAY_OVERRIDE,
        "identities": described,
        "applications": applications,
        "packages": packages,
        "bindings": bindings,
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{directory::Directory, identities::stable_id};

    #[test]
    fn bindings_name_the_tenants_that_the_local_cloud_has() {
        let bindings: Value = serde_json::from_slice(&std::fs::read(BINDINGS).unwrap()).unwrap();
        let contoso = stable_id("tenant", "contoso.example").to_string();
        let fabrikam = stable_id("tenant", "fabrikam.example").to_string();
        let wingtip = stable_id("tenant", "wingtip.example").to_string();

        let tenants = bindings["tenants"].as_array().unwrap();
        let homes = |tenant: &Value| -> Vec<String> {
            let homes = tenant["terms"]["home_tenants"].as_array().unwrap();
            homes.iter().map(|home| home["tenant"].as_str().unwrap().to_owned()).collect()
        };

        assert_eq!(tenants.len(), 3);
        assert_eq!(tenants[0]["tenant"], contoso);
        assert_eq!(homes(&tenants[0]), [contoso.as_str()]);
        assert_eq!(tenants[1]["tenant"], fabrikam);
        assert_eq!(homes(&tenants[1]), [fabrikam, contoso]);
        assert_eq!(tenants[2]["tenant"], wingtip);
        assert_eq!(homes(&tenants[2]), [wingtip]);
    }

    /// A bound client secret is that of an application that the rotator owns, and what it replaces
    /// is there.
    #[test]
    fn bound_client_secrets_are_those_of_applications_that_have_them() {
        let bindings: Value = serde_json::from_slice(&std::fs::read(BINDINGS).unwrap()).unwrap();
        let directory = Directory::new(&crate::names(&crate::Addresses::default()));
        let issued: Vec<String> =
            directory.take_issued().into_iter().map(|issued| issued.vault).collect();
        let shown = directory.credentials();

        let mut bound = 0;
        for tenant in bindings["tenants"].as_array().unwrap() {
            for secret in tenant["secrets"].as_array().into_iter().flatten() {
                let driver = &secret["driver"];
                if driver["kind"] != "entra_client_secret" {
                    continue;
                }
                let id = tenant["tenant"].as_str().unwrap();
                let application = &shown[id][secret["name"].as_str().unwrap()];
                let rotator =
                    identities::service_principal_id("airlock-rotator", id.parse().unwrap());
                assert_eq!(application["id"], driver["application"]);
                assert_eq!(application["appId"], driver["client"]);
                assert_eq!(application["credentials"][0]["keyId"], driver["replaces"]);
                assert!(application["owners"].as_array().unwrap().contains(&json!(rotator)));
                assert!(issued.iter().any(|vault| driver["secret"] == **vault));
                bound += 1;
            }
        }
        assert_eq!(bound, issued.len());
    }

    #[test]
    fn only_the_deployments_own_tenant_confers_platform_admin() {
        let bindings: Value = serde_json::from_slice(&std::fs::read(BINDINGS).unwrap()).unwrap();
        let own = crate::names(&crate::Addresses::default()).tenant.to_string();

        for tenant in bindings["tenants"].as_array().unwrap() {
            for home in tenant["terms"]["home_tenants"].as_array().unwrap() {
                let roles = home["roles"].as_array().unwrap();
                if roles.iter().any(|role| role == "PlatformAdmin") {
                    assert_eq!(home["tenant"], own);
                }
            }
        }
    }

    #[test]
    fn no_setting_that_moves_trust_is_allowed_beyond_those_the_loopback_needs() {
        let identities = Identities::parse(crate::IDENTITIES).unwrap();
        let names = crate::names(&crate::Addresses::default());

        let (apps, bindings) = (Path::new("/apps"), Path::new("/bindings.json"));
        let deployment = describe(&identities, &names, "http://127.0.0.1:9", apps, bindings);

        assert_eq!(deployment["may_override"], json!(["SSL_CERT_FILE", "HTTPS_PROXY"]));
        assert_eq!(deployment["packages"]["drift"], "/apps/drift");
        assert_eq!(deployment["sites"]["drift"], "airlock-local-drift");
        assert_eq!(deployment["identities"]["execute"]["keys"]["sign"], json!(["execute-signing"]));
    }
}
