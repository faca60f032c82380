//! Inside the doors: nobody does what `infra/identities.json` does not grant them.

use airlock_tests::World;
use http::Method;
use serde_json::{Value, json};

#[tokio::test]
async fn nobody_does_what_they_are_not_granted() {
    let world = World::start().await;
    let contoso = world.contoso();
    let tenant = contoso.to_string();
    let nina = world.who("nina");
    let before = world.stored().await;
    let blobs = world.control().blobs().await;
    let digest = json!({ "alg": "ES256", "value": airlock_core::base64url::encode([7; 32]) });

    // Another app's key.
    for (app, key) in [
        ("signin", "intake-signing"),
        ("intake", "signin-signing"),
        ("intake", "execute-signing"),
        ("execute", "intake-signing"),
        ("drift", "execute-signing"),
        ("signin", "admin-root"),
        ("intake", "admin-root"),
        ("execute", "admin-root"),
    ] {
        let path = format!("/keys/{key}/sign");
        let impostor = world.impostor(app).await;
        let refused = impostor.vault(Method::POST, &path, Some(digest.clone())).await;
        assert_eq!(refused.status, 403, "{app} signs with {key}: {}", refused.text);
    }
    for (app, key) in [("signin", "tenant-data"), ("intake", "session-data")] {
        let body =
            json!({ "alg": "RSA-OAEP-256", "value": airlock_core::base64url::encode([7; 32]) });
        let path = format!("/keys/{key}/wrapkey");
        let refused = world.impostor(app).await.vault(Method::POST, &path, Some(body)).await;
        assert_eq!(refused.status, 403, "{app} wraps with {key}: {}", refused.text);
    }

    // Another app's documents.
    for (app, container) in [
        ("intake", "bindings"),
        ("execute", "bindings"),
        ("drift", "bindings"),
        ("signin", "bindings"),
        ("signin", "tenants"),
        ("intake", "sessions"),
        ("execute", "sessions"),
        ("intake", "revocations"),
        ("execute", "revocations"),
    ] {
        let impostor = world.impostor(app).await;
        let document = Some(json!({ "id": "x", "tenant": tenant }));
        let refused = impostor.cosmos(Method::POST, container, &tenant, "", document).await;
        assert_eq!(refused.status, 403, "{app} writes {container}: {}", refused.text);
    }
    for (app, container) in [("execute", "sessions"), ("signin", "tenants")] {
        let impostor = world.impostor(app).await;
        let refused = impostor.cosmos(Method::GET, container, &tenant, "/head", None).await;
        assert_eq!(refused.status, 403, "{app} reads {container}: {}", refused.text);
    }

    // Claims are the workers', and nobody's twice.
    for app in ["signin", "intake", "drift"] {
        let refused = world.impostor(app).await.create_blob("claims", "x/y", "mine").await;
        assert_eq!(refused.status, 403, "{app}: {}", refused.text);
    }
    for app in ["signin", "intake", "execute"] {
        let refused = world.impostor(app).await.create_blob("tiles", "x/y", "mine").await;
        assert_eq!(refused.status, 403, "{app}: {}", refused.text);
    }

    // Queues. Service Bus says 401 where others say 403.
    for (app, queue) in [
        ("signin", "permits-execute"),
        ("drift", "permits-execute"),
        ("execute", "permits-rotate"),
        ("execute", "intake-events"),
    ] {
        let refused = world.impostor(app).await.send(queue, "m", b"{}".to_vec()).await;
        assert_eq!(refused.status, 401, "{app} sends to {queue}: {}", refused.text);
    }
    for app in ["signin", "intake", "drift", "rotate"] {
        let refused = world.impostor(app).await.take("permits-execute").await;
        assert_eq!(refused.status, 401, "{app} receives: {}", refused.text);
    }

    // An identity's own token opens nothing at Graph: no identity has a permission there.
    let path = format!("/users/{}/revokeSignInSessions", nina.object);
    for app in ["signin", "intake", "execute", "rotate", "drift"] {
        let impostor = world.impostor(app).await;
        let token = impostor.token("https://graph.microsoft.com").await;
        let refused = impostor.graph(Method::POST, &path, &token).await;
        assert_eq!(refused.status, 403, "{app}: {}", refused.text);
    }
    // And each worker application opens only its own part.
    let execute = world.impostor("execute").await;
    for worker in ["lookup", "methods", "passwords", "groups", "devices"] {
        let name = format!("airlock-worker-{worker}");
        let token = execute.ask_as(&name, contoso, "https://graph.microsoft.com").await.ok();
        let token = token["access_token"].as_str().unwrap();
        let refused = execute.graph(Method::POST, &path, token).await;
        assert_eq!(refused.status, 403, "{name}: {}", refused.text);
    }
    // Nobody but signin is let near intake's confirmations.
    for app in ["intake", "execute", "rotate", "drift"] {
        let impostor = world.impostor(app).await;
        let audience = format!("api://{}", impostor.application("airlock-intake"));
        let refused = impostor.ask_for_token(&audience).await;
        assert_eq!(refused.status, 400, "{app}: {}", refused.text);
    }

    assert_eq!(world.control().effects().await, Vec::<Value>::new());
    world.nothing_stored_since(&before).await;
    assert_eq!(world.control().blobs().await, blobs);
}
