//! Somebody who has taken `rotate` over: they change what its application owns, and nothing else.

use airlock_core::identity::TenantId;
use airlock_tests::{Answer, Drifts, Impostor, Rotations, World};
use http::Method;
use serde_json::{Value, json};
use uuid::Uuid;

const GRAPH: &str = "https://graph.microsoft.com";

/// Graph, with a token of the rotator's application.
struct Graph<'a> {
    world: &'a World,
    impostor: Impostor,
    token: String,
}

impl<'a> Graph<'a> {
    async fn of(world: &'a World, tenant: TenantId) -> Self {
        Self::by("airlock-rotator", world, tenant).await
    }

    async fn by(application: &str, world: &'a World, tenant: TenantId) -> Self {
        let impostor = world.impostor("rotate").await;
        let token = impostor.ask_as(application, tenant, GRAPH).await.ok();
        let token = token["access_token"].as_str().expect("a token is text").to_owned();
        Self { world, impostor, token }
    }

    async fn get(&self, path: &str) -> Value {
        self.impostor.graph(Method::GET, path, &self.token).await.ok()
    }

    async fn post(&self, path: &str, body: &Value) -> Answer {
        let url = format!("{GRAPH}/v1.0{path}");
        Answer::to(self.world.azure().post(url).bearer_auth(&self.token).json(body)).await
    }

    async fn add(&self, application: &str) -> Answer {
        let body = json!({ "passwordCredential": { "displayName": "mine" } });
        self.post(&format!("/applications/{application}/addPassword"), &body).await
    }

    async fn remove(&self, application: &str, credential: &str) -> Answer {
        let body = json!({ "keyId": credential });
        self.post(&format!("/applications/{application}/removePassword"), &body).await
    }

    /// All applications of the tenant: display names and object ids.
    async fn applications(&self) -> Vec<(String, String)> {
        let found = self.get("/applications?$top=100").await;
        let text = |one: &Value, name: &str| one[name].as_str().unwrap().to_owned();
        let all = found["value"].as_array().expect("a list").iter();
        all.map(|one| (text(one, "displayName"), text(one, "id"))).collect()
    }
}

/// Which credentials any application has, in any tenant.
async fn credentials(world: &World) -> Value {
    world.control().get("/rotation/credentials").await
}

#[tokio::test]
async fn whoever_took_rotate_over_gives_no_worker_a_secret_and_takes_nobody_elses() {
    let world = World::start().await;
    let rotations = Rotations::of(&world).await;
    let graph = Graph::of(&world, world.contoso()).await;
    let all = graph.applications().await;
    let owned = rotations.application("expense-reports").await["owners"].clone();
    let [_, rotator] = &owned.as_array().unwrap()[..] else { panic!("{owned}") };
    let mut ours = 0;
    let before = (credentials(&world).await, world.control().effects().await.len());

    let mut refused = Vec::new();
    for (name, id) in &all {
        let application = rotations.application(name).await;
        let owners = application["owners"].as_array();
        if owners.is_some_and(|owners| owners.iter().any(|owner| [owner] == [rotator])) {
            continue;
        }
        ours += usize::from(name.starts_with("airlock-"));
        for answer in [graph.add(id).await, graph.remove(id, &Uuid::nil().to_string()).await] {
            assert_eq!(answer.status, 403, "{name}: {}", answer.text);
            assert_eq!(answer.json["error"]["code"], "Authorization_RequestDenied", "{name}");
        }
        refused.push(name.as_str());
    }

    // Every application of ours, the rotator's own among them, and one of the tenant's.
    assert_eq!(ours, 11, "{refused:?}");
    assert!(refused.contains(&"payroll"), "{refused:?}");
    for worker in ["passwords", "methods", "accounts", "groups", "devices", "lookup"] {
        assert!(refused.contains(&format!("airlock-worker-{worker}").as_str()), "{refused:?}");
    }
    assert_eq!((credentials(&world).await, world.control().effects().await.len()), before);

    // It is not that nothing would be allowed.
    let id = rotations.application("expense-reports").await["id"].as_str().unwrap().to_owned();
    let added = graph.add(&id).await.ok();
    graph.remove(&id, added["keyId"].as_str().unwrap()).await.assert_ok();
}

#[tokio::test]
async fn what_the_rotator_owns_in_one_tenant_it_does_not_change_by_a_token_of_another() {
    let world = World::start().await;
    let graph = Graph::of(&world, world.fabrikam()).await;
    let contoso = world.contoso().to_string();
    let before = credentials(&world).await;

    for (name, application) in before[&contoso].as_object().unwrap() {
        let id = application["id"].as_str().unwrap();
        let answer = graph.add(id).await;
        assert!([403, 404].contains(&answer.status), "{name}: {}", answer.text);
    }

    assert_eq!(credentials(&world).await, before);
}

#[tokio::test]
async fn what_removes_credentials_adds_none_and_touches_nobody_elses() {
    let world = World::start().await;
    let rotations = Rotations::of(&world).await;
    let remediator = Graph::by("airlock-remediator", &world, world.contoso()).await;
    let all = Graph::of(&world, world.contoso()).await.applications().await;
    let drifts = Drifts::of(&world).await;
    let before = (credentials(&world).await, world.control().effects().await.len());

    for (name, id) in &all {
        let added = remediator.add(id).await;
        // On ours the app management policy lets nobody add one; on others it has no right.
        let code = if added.status == 400 {
            "CredentialTypeNotAllowedAsPerAppPolicy"
        } else {
            "Authorization_RequestDenied"
        };
        assert_eq!(added.json["error"]["code"], code, "{name}: {}", added.text);
        let ours = name.starts_with("airlock-");
        if !ours || ["airlock-rotator", "airlock-remediator"].contains(&name.as_str()) {
            let standing = if ours { Vec::new() } else { rotations.credentials(name).await };
            let credential = standing.first().cloned().unwrap_or_else(|| Uuid::nil().to_string());
            let removed = remediator.remove(id, &credential).await;
            assert_eq!(removed.status, 403, "{name}: {}", removed.text);
        }
    }
    assert_eq!((credentials(&world).await, world.control().effects().await.len()), before);

    // It is not that nothing would be allowed.
    let on = json!({ "application": "airlock-worker-groups" });
    let planted = drifts.alter(&json!({ "kind": "add_password", "on": on })).await;
    let (_, groups) = all.iter().find(|(name, _)| name == "airlock-worker-groups").unwrap();
    remediator.remove(groups, planted["key_id"].as_str().unwrap()).await.assert_ok();
}
