//! What somebody has added to an application, or taken from it, counts at the token endpoint.

use super::*;
use crate::directory::alteration::Alteration;

const WORKER: &str = "airlock-worker-accounts";

fn alter(cloud: &Cloud, tenant: Uuid, change: Value) -> Value {
    let change: Alteration = serde_json::from_value(change).unwrap();
    cloud.directory.alter(tenant, change).unwrap()
}

/// A request by an identity's token.
fn by(cloud: &Cloud, identity: &str) -> Parameters {
    vec![
        ("grant_type", "client_credentials".to_owned()),
        ("client_id", application_id(WORKER).to_string()),
        ("client_assertion_type", BEARER.to_owned()),
        ("client_assertion", assertion(cloud, identity)),
        ("scope", "https://graph.microsoft.com/.default".to_owned()),
    ]
}

fn by_secret(secret: &str) -> Parameters {
    vec![
        ("grant_type", "client_credentials".to_owned()),
        ("client_id", application_id(WORKER).to_string()),
        ("client_secret", secret.to_owned()),
        ("scope", "https://graph.microsoft.com/.default".to_owned()),
    ]
}

async fn claims(cloud: &Shared, tenant: Uuid, parameters: &Parameters) -> Value {
    let (status, body) = post(cloud, &tenant.to_string(), parameters).await;
    assert_eq!(status, StatusCode::OK, "{body}");
    claims_of(body["access_token"].as_str().unwrap())
}

fn at_once(cloud: &Cloud) {
    let none = std::time::Duration::ZERO;
    cloud.directory.set_propagation(crate::directory::Propagation { added: none, removed: none });
}

#[tokio::test]
async fn a_planted_trust_opens_until_it_is_removed_and_one_that_is_removed_opens_nothing() {
    let cloud = cloud();
    let home = cloud.names.tenant;
    let subject = principal_id("intake").to_string();
    assert_eq!(code_of(&cloud, home, &by(&cloud, "intake")).await.1, 700_213);

    let name = "planted";
    alter(
        &cloud,
        home,
        json!({ "kind": "add_federated_credential", "application": WORKER,
        "name": name, "subject": subject }),
    );
    for tenant in [home, fabrikam()] {
        let claims = claims(&cloud, tenant, &by(&cloud, "intake")).await;
        assert_eq!(claims["azp"], application_id(WORKER).to_string());
    }
    alter(
        &cloud,
        home,
        json!({ "kind": "remove_federated_credential", "application": WORKER,
        "name": name }),
    );
    assert_eq!(code_of(&cloud, home, &by(&cloud, "intake")).await.1, 700_213);

    alter(
        &cloud,
        home,
        json!({ "kind": "change_federated_credential", "application": WORKER,
        "issuer": "https://token.actions.githubusercontent.com" }),
    );
    assert_eq!(code_of(&cloud, home, &by(&cloud, "execute")).await.1, 700_211);
    alter(&cloud, home, json!({ "kind": "remove_federated_credential", "application": WORKER }));
    assert_eq!(code_of(&cloud, home, &by(&cloud, "execute")).await.1, 70_025);
}

#[tokio::test]
async fn a_planted_secret_opens_everywhere_and_one_of_a_service_principal_in_its_tenant() {
    let cloud = cloud();
    at_once(&cloud);
    let home = cloud.names.tenant;
    let on = json!({ "application": WORKER });
    let everywhere = alter(&cloud, home, json!({ "kind": "add_password", "on": on }));
    let on_principal = json!({ "service_principal": WORKER });
    let there = alter(&cloud, fabrikam(), json!({ "kind": "add_password", "on": on_principal }));
    let secret = |added: &Value| by_secret(added["secret"].as_str().unwrap());

    for (tenant, added) in [(home, &everywhere), (fabrikam(), &everywhere), (fabrikam(), &there)] {
        let claims = claims(&cloud, tenant, &secret(added)).await;
        assert_eq!((&claims["azpacr"], &claims["tid"]), (&json!("1"), &json!(tenant)));
    }
    assert_eq!(code_of(&cloud, home, &secret(&there)).await.1, 7_000_215);

    let key_id = &everywhere["key_id"];
    alter(&cloud, home, json!({ "kind": "remove_credential", "on": on, "key_id": key_id }));
    assert_eq!(code_of(&cloud, home, &secret(&everywhere)).await.1, 7_000_215);
}

#[tokio::test]
async fn a_token_carries_what_is_granted_now() {
    let cloud = cloud();
    let home = cloud.names.tenant;
    let roles = async || {
        let claims = claims(&cloud, home, &by(&cloud, "execute")).await;
        claims["roles"].as_array().unwrap().iter().map(ToString::to_string).collect::<Vec<_>>()
    };
    let declared = &cloud.identities.applications[WORKER].permissions;
    assert_eq!(roles().await.len(), declared.len());

    let role = "Directory.ReadWrite.All";
    alter(&cloud, home, json!({ "kind": "grant_app_role", "to": WORKER, "role": role }));
    assert!(roles().await.contains(&format!("{role:?}")));

    let of_intake = with(by(&cloud, "execute"), "scope", "api://airlock-intake/.default");
    assert_eq!(code_of(&cloud, home, &of_intake).await.1, 501_051);
    alter(
        &cloud,
        home,
        json!({ "kind": "grant_app_role", "to": WORKER,
        "role": "Confirmations.Ask", "resource": "airlock-intake" }),
    );
    assert_eq!(claims(&cloud, home, &of_intake).await["roles"], json!(["Confirmations.Ask"]));
}

#[tokio::test]
async fn a_disabled_service_principal_gets_no_token_in_its_tenant() {
    let cloud = cloud();
    let home = cloud.names.tenant;
    alter(
        &cloud,
        fabrikam(),
        json!({ "kind": "set_enabled", "service_principal": WORKER,
        "enabled": false }),
    );

    let refused = code_of(&cloud, fabrikam(), &by(&cloud, "execute")).await;

    assert_eq!(refused, (400, json!(7_000_112), "unauthorized_client".to_owned()));
    claims(&cloud, home, &by(&cloud, "execute")).await;
}

#[tokio::test]
async fn a_third_partys_trust_opens_as_its_secret_would() {
    let cloud = cloud();
    let home = cloud.names.tenant;
    let client = stable_id("third-party/client", "contoso.example/payroll").to_string();
    let asking = with(by(&cloud, "drift"), "client_id", &client);
    assert_eq!(code_of(&cloud, home, &asking).await.1, 70_025);

    alter(
        &cloud,
        home,
        json!({ "kind": "add_federated_credential", "application": "payroll",
        "name": "drift", "subject": principal_id("drift").to_string() }),
    );

    assert_eq!(claims(&cloud, home, &asking).await["azp"], client);
}
