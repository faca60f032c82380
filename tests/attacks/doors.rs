//! The services' doors: who gets in with which token.

use airlock_core::identity::Role;
use airlock_tests::{
    Answer, Impostor, World, client_key, cosmos_authorization, now, public, re_minted,
};
use http::Method;
use serde_json::{Value, json};

use crate::{
    forged::session_of,
    thief::{Thief, confirmations, to_confirm},
};

/// A service, and a call that its caller may make and that changes nothing.
struct Door {
    name: &'static str,
    /// What Entra calls it.
    resource: &'static str,
    /// What the cloud calls its host.
    host: &'static str,
    method: Method,
    path: &'static str,
    headers: &'static [(&'static str, &'static str)],
    authorization: fn(&str) -> String,
}

const DOORS: [Door; 5] = [
    Door {
        name: "Key Vault",
        resource: "https://vault.azure.net",
        host: "vault",
        method: Method::GET,
        path: "/keys/execute-signing?api-version=7.4",
        headers: &[],
        authorization: bearer,
    },
    Door {
        name: "Cosmos DB",
        resource: "https://cosmos.azure.com",
        host: "cosmos",
        method: Method::GET,
        path: "/dbs/airlock/colls/bindings/docs/keyset",
        headers: &[
            ("x-ms-version", "2020-07-15"),
            ("x-ms-documentdb-partitionkey", r#"["platform"]"#),
        ],
        authorization: cosmos_authorization,
    },
    Door {
        name: "Service Bus",
        resource: "https://servicebus.azure.net",
        host: "bus",
        method: Method::DELETE,
        path: "/permits-execute/messages/head?timeout=0",
        headers: &[],
        authorization: bearer,
    },
    Door {
        name: "Blob storage",
        resource: "https://storage.azure.com",
        host: "blobs",
        method: Method::GET,
        path: "/claims?restype=container&comp=list",
        headers: &[("x-ms-version", "2024-11-04")],
        authorization: bearer,
    },
    Door {
        name: "Microsoft Graph",
        resource: "https://graph.microsoft.com",
        host: "graph",
        method: Method::GET,
        path: "/v1.0/users?$top=1",
        headers: &[],
        authorization: bearer,
    },
];

impl Door {
    fn call(&self, of: &Impostor, azure: &reqwest::Client) -> reqwest::RequestBuilder {
        let url = format!("{}{}", of.host(self.host), self.path);
        let call = azure.request(self.method.clone(), url);
        self.headers.iter().fold(call, |call, (name, value)| call.header(*name, *value))
    }
}

fn bearer(token: &str) -> String {
    format!("Bearer {token}")
}

#[tokio::test]
async fn every_service_wants_entras_own_token_for_itself_and_in_time() {
    let world = World::start().await;
    let control = world.control();
    let execute = world.impostor("execute").await;
    let lookup = execute
        .ask_as("airlock-worker-lookup", world.contoso(), "https://graph.microsoft.com")
        .await
        .ok();
    let lookup = lookup["access_token"].as_str().unwrap().to_owned();

    for door in &DOORS {
        let own = if door.name == "Microsoft Graph" {
            lookup.clone()
        } else {
            execute.token(door.resource).await
        };
        let other = execute.token("api://AzureADTokenExchange").await;
        let knock = async |token: Option<&str>| {
            let mut call = door.call(&execute, world.azure());
            if let Some(token) = token {
                call = call.header("authorization", (door.authorization)(token));
            }
            Answer::to(call).await.status
        };
        let spoiled = async |name: &str, value: Value| {
            re_minted(control, &own, &[(name, value)], "current").await
        };
        let of_another_tenant =
            "https://login.microsoftonline.com/9188040d-6c67-4c5b-b112-36a304b66dad/v2.0";

        // Signed again without a change, it is as good as Entra's own.
        assert_eq!(knock(Some(&own)).await / 100, 2, "{}", door.name);
        assert_eq!(knock(Some(&re_minted(control, &own, &[], "current").await)).await / 100, 2);

        let refused = [
            ("none", None),
            ("no token at all", Some("abc".to_owned())),
            ("of another resource", Some(other)),
            ("of another audience", Some(spoiled("aud", json!("https://example.org")).await)),
            ("of several audiences", Some(spoiled("aud", json!([door.resource])).await)),
            ("of another issuer", Some(spoiled("iss", json!(of_another_tenant)).await)),
            ("of another tenant", Some(spoiled("tid", json!(uuid::Uuid::new_v4())).await)),
            ("expired", Some(spoiled("exp", json!(now().plus_s(-1))).await)),
            ("not yet valid", Some(spoiled("nbf", json!(now().plus_s(600))).await)),
            ("without an object", Some(spoiled("oid", Value::Null).await)),
            ("by a stranger", Some(re_minted(control, &own, &[], "stranger").await)),
            (
                "by a key of another tenant",
                Some(re_minted(control, &own, &[], "other-tenant").await),
            ),
            ("unsigned", Some(re_minted(control, &own, &[], "none").await)),
        ];
        for (what, token) in refused {
            let status = knock(token.as_deref()).await;
            assert_eq!(status, 401, "{}: {what}", door.name);
        }
    }
}

#[tokio::test]
async fn intakes_confirmations_answer_to_signins_identity_alone() {
    let world = World::start().await;
    let thief = Thief::new(&world).await;
    let (signin, own) = (&thief.signin, &thief.own);
    let session = session_of(&world.who("tara"), &[Role::TenantAdmin], &public(&client_key().0));
    let id_token = world.control().mint(&thief.fitting(&session), "current").await;
    let body = to_confirm(&thief.sign(&session).await, &id_token);
    let confirm = async |token: &str| confirmations(&world, token, &body).await;
    let before = world.stored().await;

    let url = world.stack()["confirmations"].as_str().unwrap();
    Answer::to(world.http().post(url).json(&body)).await.assert_problem("not-verified");
    let changes = [
        ("oid", json!(uuid::Uuid::new_v4())),
        ("tid", json!(world.fabrikam())),
        ("idtyp", json!("user")),
        ("aud", json!(signin.application("airlock-portal"))),
        ("exp", json!(now().plus_s(-600))),
    ];
    for (name, value) in changes {
        let token = re_minted(world.control(), own, &[(name, value)], "current").await;
        let refused = confirm(&token).await;
        let problem = refused.as_problem();
        assert!(matches!(problem, Ok("not-verified" | "not-allowed")), "{name}: {problem:?}");
    }
    // With its own token the same is confirmed.
    assert!(confirm(own).await.ok()["confirmation"].is_string());
    for key in ["stranger", "other-tenant", "none"] {
        let token = re_minted(world.control(), own, &[], key).await;
        confirm(&token).await.assert_problem("not-verified");
    }
    let other = signin.token("api://AzureADTokenExchange").await;
    confirm(&other).await.assert_problem("not-verified");
    // Not publicly routed either.
    let public = world.call(Method::POST, "/internal/confirmations").bearer_auth(own).json(&body);
    assert_eq!(Answer::to(public).await.status, 404);
    world.nothing_stored_since(&before).await;
}
