//! The services' doors: who gets in with which token.

use airlock_tests::{Answer, Impostor, World, cosmos_authorization, now, re_minted};
use http::Method;
use serde_json::{Value, json};

/// A service, and a call that its caller may make and that changes nothing.
struct Door {
    name: &'static str,
    resource: &'static str,
    call: fn(&Impostor, &reqwest::Client) -> reqwest::RequestBuilder,
    authorization: fn(&str) -> String,
}

const DOORS: [Door; 5] = [
    Door {
        name: "Key Vault",
        resource: "https://vault.azure.net",
        call: |of, azure| {
            azure.get(format!("{}/keys/execute-signing?api-version=7.4", of.host("vault")))
        },
        authorization: bearer,
    },
    Door {
        name: "Cosmos DB",
        resource: "https://cosmos.azure.com",
        call: |of, azure| {
            azure
                .get(format!("{}/dbs/airlock/colls/bindings/docs/keyset", of.host("cosmos")))
                .header("x-ms-version", "2020-07-15")
                .header("x-ms-documentdb-partitionkey", r#"["platform"]"#)
        },
        authorization: cosmos_authorization,
    },
    Door {
        name: "Service Bus",
        resource: "https://servicebus.azure.net",
        call: |of, azure| {
            azure.delete(format!("{}/permits-execute/messages/head?timeout=0", of.host("bus")))
        },
        authorization: bearer,
    },
    Door {
        name: "Blob storage",
        resource: "https://storage.azure.com",
        call: |of, azure| {
            azure
                .get(format!("{}/claims?restype=container&comp=list", of.host("blobs")))
                .header("x-ms-version", "2024-11-04")
        },
        authorization: bearer,
    },
    Door {
        name: "Microsoft Graph",
        resource: "https://graph.microsoft.com",
        call: |of, azure| azure.get(format!("{}/v1.0/users?$top=1", of.host("graph"))),
        authorization: bearer,
    },
];

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
            let mut call = (door.call)(&execute, world.azure());
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
    let intake = world.impostor("intake").await;
    let signin = world.impostor("signin").await;
    let url = world.stack()["confirmations"].as_str().unwrap();
    let header = json!({
        "alg": "ES256", "kid": airlock_core::digest::Digest::of(&[b"x"]), "typ": "session+jwt",
    });
    let part = |text: &str| airlock_core::base64url::encode(text);
    let session = format!("{}.{}.{}", part(&header.to_string()), part("{}"), part("x"));
    let body = json!({ "session": session, "id_token": "x", "nonce_random": "x" });
    let audience = format!("api://{}", intake.application("airlock-intake"));
    let own = signin.token(&audience).await;
    let confirm =
        async |token: &str| Answer::to(world.http().post(url).bearer_auth(token).json(&body)).await;
    let before = world.stored().await;

    Answer::to(world.http().post(url).json(&body)).await.assert_problem("not-verified");
    let changes = [
        ("oid", json!(uuid::Uuid::new_v4())),
        ("tid", json!(world.fabrikam())),
        ("idtyp", json!("user")),
        ("aud", json!(intake.application("airlock-portal"))),
        ("exp", json!(now().plus_s(-600))),
    ];
    for (name, value) in changes {
        let token = re_minted(world.control(), &own, &[(name, value)], "current").await;
        let refused = confirm(&token).await;
        let problem = refused.as_problem();
        assert!(matches!(problem, Ok("not-verified" | "not-allowed")), "{name}: {problem:?}");
    }
    // Its own token is let in, to have what it brought refused.
    confirm(&own).await.assert_problem("not-verified");
    for key in ["stranger", "other-tenant", "none"] {
        let token = re_minted(world.control(), &own, &[], key).await;
        confirm(&token).await.assert_problem("not-verified");
    }
    let other = signin.token("api://AzureADTokenExchange").await;
    confirm(&other).await.assert_problem("not-verified");
    // Not publicly routed either.
    let public = world.call(Method::POST, "/internal/confirmations").bearer_auth(&own).json(&body);
    assert_eq!(Answer::to(public).await.status, 404);
    world.nothing_stored_since(&before).await;
}
