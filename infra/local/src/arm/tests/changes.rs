//! Changes, as somebody who owns the subscription could make them.

use super::*;

const VAULT: &str = "providers/Microsoft.KeyVault/vaults/airlock-local";

async fn vault(world: &World) -> Value {
    world.get(&format!("~/{VAULT}?api-version=2026-02-01")).await["properties"].clone()
}

#[tokio::test]
async fn a_change_is_seen_and_undone() {
    let world = World::of("drift");
    world.cloud.resources.snapshot();

    let patch = json!({ "properties": { "publicNetworkAccess": "Enabled", "networkAcls": null } });
    world.change(json!({ "id": VAULT, "patch": patch })).unwrap();

    let open = vault(&world).await;
    assert_eq!(open["publicNetworkAccess"], "Enabled");
    assert!(open.get("networkAcls").is_none());
    assert_eq!(open["enablePurgeProtection"], true);
    world.cloud.resources.restore().unwrap();
    assert_eq!(vault(&world).await["publicNetworkAccess"], "Disabled");
}

#[tokio::test]
async fn an_assignment_is_over_what_its_id_says() {
    let world = World::of("drift");
    let name = uuid::Uuid::new_v4();
    let id = format!("{VAULT}/providers/Microsoft.Authorization/roleAssignments/{name}");

    world.change(json!({ "id": id, "create": assigned("owner") })).unwrap();

    let path = format!("~/{id}?api-version={ROLES}");
    let scope = world.get(&path).await["properties"]["scope"].clone();
    assert_eq!(scope, format!("{}/{VAULT}", group_id(&world.cloud.names)));
    let over_vault = format!(
        "~/{VAULT}/providers/Microsoft.Authorization/roleAssignments?api-version={ROLES}\
         &$filter=atScope()"
    );
    let others = ["rotate sets secrets", "drift reads", "drift reads settings"];
    assert_eq!(world.list(&over_vault).await.len(), 1 + others.len());
}

#[tokio::test]
async fn whoever_an_identity_trusts_is_listed_below_it() {
    let world = World::of("drift");
    let identity = "providers/Microsoft.ManagedIdentity/userAssignedIdentities/airlock-execute";
    let trusted = format!("~/{identity}/federatedIdentityCredentials?api-version=2024-11-30");
    assert_eq!(world.list(&trusted).await, [] as [Value; 0]);

    let body = json!({ "properties": {
        "issuer": "https://token.actions.githubusercontent.com",
        "subject": "repo:evil/evil:ref:refs/heads/main",
        "audiences": ["api://AzureADTokenExchange"],
    } });
    let id = format!("{identity}/federatedIdentityCredentials/ci");
    world.change(json!({ "id": id, "create": body })).unwrap();

    let found = world.list(&trusted).await;
    assert_eq!(names(&found), ["ci"]);
    assert_eq!(found[0]["properties"], body["properties"]);
    let other = trusted.replace("airlock-execute", "airlock-drift");
    assert_eq!(world.list(&other).await, [] as [Value; 0]);
}

#[tokio::test]
async fn what_is_deleted_is_gone_with_what_is_below_it() {
    let world = World::of("drift");
    let site = "providers/Microsoft.Web/sites/airlock-local-execute";

    world.change(json!({ "id": site.to_uppercase(), "delete": true })).unwrap();

    let gone = refusal(404, "ResourceNotFound");
    for path in [site.to_owned(), format!("{site}/functions"), format!("{site}/config/web")] {
        let path = format!("~/{path}?api-version={WEB}");
        assert_eq!(world.refused(Method::GET, &path).await, gone, "{path}");
    }
}

#[tokio::test]
async fn what_is_no_change_is_refused_and_changes_nothing() {
    let world = World::of("drift");
    let before = world.cloud.resources.all();
    let none = "providers/Microsoft.KeyVault/vaults/none";

    for bad in [
        json!({ "id": VAULT }),
        json!({ "id": VAULT, "patch": {}, "delete": true }),
        json!({ "id": VAULT, "create": {} }),
        json!({ "id": VAULT, "patch": null }),
        json!({ "id": VAULT, "patch": { "id": "/elsewhere" } }),
        json!({ "id": none, "patch": {} }),
        json!({ "id": none, "delete": true }),
        json!({ "id": "providers/Microsoft.KeyVault/vaults", "create": {} }),
        json!({ "id": "providers/Microsoft.Printing/printers/a", "create": {} }),
        json!({ "id": "/tenants/a", "create": {} }),
    ] {
        assert!(world.change(bad.clone()).is_err(), "{bad}");
    }
    assert_eq!(world.cloud.resources.all(), before);
    assert!(world.cloud.resources.restore().is_err());
}

#[tokio::test]
async fn in_other_words_everything_is_still_there_by_short_pages() {
    let world = World::of("drift");
    let path = format!("~/providers/Microsoft.Authorization/roleAssignments?api-version={ROLES}");
    let essence = |list: &[Value]| {
        let mut all: Vec<String> = list
            .iter()
            .map(|one| {
                let properties = &one["properties"];
                let parts = ["scope", "roleDefinitionId", "principalId"]
                    .map(|name| properties[name].as_str().unwrap().to_lowercase());
                parts.join(" ")
            })
            .collect();
        all.sort();
        all
    };
    let plain = world.list(&path).await;

    world.cloud.resources.snapshot();
    let mut seen = vec![plain.clone()];
    for _ in 0..2 {
        world.cloud.resources.shuffle();
        let put = world.list(&path).await;
        assert!(!seen.contains(&put));
        assert_eq!(essence(&put), essence(&plain));
        seen.push(put);
    }
    let page = world.get(&path).await;
    assert_eq!(page["value"].as_array().unwrap().len(), 2);
    world.cloud.resources.restore().unwrap();
    assert_eq!(world.list(&path).await, plain);
}
