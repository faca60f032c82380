//! Where a tenant's documents lie, and what wraps its data keys.

use std::{collections::BTreeSet, process::Command};

use airlock_core::{base64url, identity::TenantId};
use airlock_tests::{Answer, Asking, Impostor, World, program};
use http::Method;
use serde_json::{Value, json};

use super::{inject, taken_out};

/// Where each tenant's documents lie, as the control API names one container alone.
fn places(world: &World) -> [(TenantId, String); 3] {
    let (fabrikam, wingtip) = (world.fabrikam(), world.wingtip());
    [
        (world.contoso(), "airlock%2Ftenants".to_owned()),
        (fabrikam, format!("airlock%2Ftenants-{fabrikam}")),
        (wingtip, format!("airlock-{wingtip}%2Ftenants")),
    ]
}

/// Whose documents lie in a container.
async fn whose(world: &World, place: &str) -> BTreeSet<String> {
    let documents = world.control().documents(place).await;
    documents.iter().map(|document| document["tenant"].as_str().unwrap().to_owned()).collect()
}

fn request_document(asking: &Asking) -> String {
    format!("request-{}", asking.digest())
}

#[tokio::test]
async fn data_each_tenants_documents_lie_where_its_binding_says_and_nowhere_else() {
    let world = World::start().await;
    for (agent, target) in [("harriet", "nina"), ("fiona", "flora"), ("wanda", "willem")] {
        let agent = world.person(agent).await;
        let asking = agent.ask("sessions.revoke", &world.who(target)).await;
        agent.wait_for(&asking.id, "succeeded").await;
        assert_eq!(agent.show(&asking.id).await.ok()["id"], asking.id);
    }
    world.settled().await;

    for (tenant, place) in places(&world) {
        let mut there = whose(&world, &place).await;
        there.remove("platform");
        assert_eq!(there, BTreeSet::from([tenant.to_string()]), "{place}");
        world.ledger(tenant).await.assert_whole();
    }
    let effects = world.control().effects().await;
    let changed: Vec<&Value> = effects.iter().map(|effect| &effect["tenant"]).collect();
    assert_eq!(changed, places(&world).map(|(tenant, _)| tenant.to_string()).each_ref());
}

#[tokio::test]
async fn data_a_document_of_one_tenant_is_nothing_in_another_tenants_place() {
    let world = World::start().await;
    let control = world.control();
    let [(contoso, shared), (fabrikam, pool), (wingtip, silo)] = places(&world);
    // Each tenant's administrator, who would be shown whatever is there.
    let [tara, frank, wes] =
        [world.person("tara").await, world.person("frank").await, world.person("wes").await];
    let execute = world.impostor("execute").await;
    control.stop("execute").await;

    for (agent, target, (tenant, own), others) in [
        (
            "harriet",
            "nina",
            (contoso, &shared),
            [(fabrikam, &pool, &frank), (wingtip, &silo, &wes)],
        ),
        ("fiona", "flora", (fabrikam, &pool), [(contoso, &shared, &tara), (wingtip, &silo, &wes)]),
        (
            "wanda",
            "willem",
            (wingtip, &silo),
            [(contoso, &shared, &tara), (fabrikam, &pool, &frank)],
        ),
    ] {
        let agent = world.person(agent).await;
        let asking = agent.ask("sessions.revoke", &world.who(target)).await;
        let message = taken_out(&world, &execute).await;
        let id = request_document(&asking);
        let genuine = control.document(own, &id).await.unwrap();
        control.remove(own, &tenant.to_string(), &id).await;

        for (other, place, administrator) in others {
            // As it is: nobody looks for it there.
            control.put(place, &tenant.to_string(), &genuine).await;
            agent.show(&asking.id).await.assert_problem("not-found");
            // As the other tenant's: it is looked at, and is not.
            let mut moved = genuine.clone();
            moved["tenant"] = json!(other);
            control.put(place, &other.to_string(), &moved).await;
            let there = format!("{other}.{}", asking.digest());
            administrator.show(&there).await.assert_problem("integrity");
        }

        // Nor does the worker find it there: its own tenant's ledger says so.
        let before = world.before().await;
        control.start("execute").await;
        inject(&world, &message).await;
        let leaf = world.refused_since(&before).await;
        assert!(leaf.is_violation(), "{leaf:?}");
        assert_eq!(leaf.says["tenantid"], tenant.to_string());
        control.stop("execute").await;

        for (other, place, _) in others {
            control.remove(place, &tenant.to_string(), &id).await;
            control.remove(place, &other.to_string(), &id).await;
        }
    }
}

#[tokio::test]
async fn data_nobody_makes_a_place_and_whoever_may_not_read_tenants_reads_no_tenants_own() {
    let world = World::start().await;
    let [_, (fabrikam, _), (wingtip, _)] = places(&world);
    let own = [
        (fabrikam, format!("/dbs/airlock/colls/tenants-{fabrikam}")),
        (wingtip, format!("/dbs/airlock-{wingtip}/colls/tenants")),
    ];
    let nobodys = [
        (wingtip, format!("/dbs/airlock/colls/tenants-{wingtip}")),
        (fabrikam, format!("/dbs/airlock-{fabrikam}/colls/tenants")),
    ];
    let before = world.stored().await;
    let ask = async |app: &Impostor, method: Method, tenant: TenantId, path: String| -> Answer {
        let token = app.token("https://cosmos.azure.com").await;
        let request = world
            .azure()
            .request(method, format!("{}{path}", app.host("cosmos")))
            .header("authorization", airlock_tests::cosmos_authorization(&token))
            .header("x-ms-version", "2020-07-15")
            .header("x-ms-documentdb-partitionkey", json!([tenant]).to_string())
            .json(&json!({ "id": "x", "tenant": tenant }));
        Answer::to(request).await
    };

    let signin = world.impostor("signin").await;
    for (tenant, place) in &own {
        for (method, path) in [(Method::GET, "/docs/head"), (Method::POST, "/docs")] {
            let refused = ask(&signin, method, *tenant, format!("{place}{path}")).await;
            assert_eq!(refused.status, 403, "{place}: {}", refused.text);
        }
    }
    for app in ["intake", "execute", "rotate", "drift", "admin"] {
        let app = world.impostor(app).await;
        for (tenant, place) in &nobodys {
            let absent = ask(&app, Method::GET, *tenant, place.clone()).await;
            assert_eq!(absent.status, 404, "{place}: {}", absent.text);
            let refused = ask(&app, Method::POST, *tenant, format!("{place}/docs")).await;
            assert_eq!(refused.status, 403, "{place}: {}", refused.text);
        }
        for path in ["/dbs", "/dbs/airlock/colls"] {
            let refused = ask(&app, Method::POST, fabrikam, path.to_owned()).await;
            assert_eq!(refused.status, 403, "{path}: {}", refused.text);
        }
    }
    world.nothing_stored_since(&before).await;
}

#[tokio::test]
async fn data_and_secrets_a_bound_tenant_is_not_bound_elsewhere() {
    let world = World::start().await;
    let text = |name: &str| world.stack()[name].as_str().unwrap().to_owned();
    let state = world.state();
    let bindings = std::fs::read(state.join("bindings.json")).unwrap();
    let bindings: Value = serde_json::from_slice(&bindings).unwrap();
    let bind = |tenant: usize, isolation: Value| {
        let mut changed = bindings.clone();
        changed["tenants"][tenant]["terms"]["isolation"] = isolation;
        let file = state.join("other-bindings.json");
        std::fs::write(&file, changed.to_string()).unwrap();
        let environment = world.stack()["admin"].as_object().unwrap();
        let environment = environment.iter().map(|(name, value)| (name, value.as_str().unwrap()));
        let mut command = Command::new(program("airlockctl"));
        command.args(["admin", "bind", "--deployment", &text("deployment"), "--file"]).arg(&file);
        let output = command.env_clear().envs(environment).output().unwrap();
        (output.status.success(), String::from_utf8(output.stderr).unwrap())
    };
    let (contoso, fabrikam, wingtip) = (0, 1, 2);
    let before = world.stored().await;

    for (tenant, isolation, why) in [
        (contoso, json!({ "data": "pool" }), "data isolation of"),
        (contoso, json!({ "secrets": "pool" }), "secrets isolation of"),
        (fabrikam, json!({}), "data isolation of"),
        (fabrikam, json!({ "data": "pool" }), "secrets isolation of"),
        (wingtip, json!({ "data": "pool" }), "data isolation of"),
        (contoso, json!({ "compute": "silo" }), "is a stamp of its own"),
        (contoso, json!({ "network": "pool" }), "is a stamp of its own"),
        (contoso, json!({ "secrets": "silo" }), "is a stamp of its own"),
        (contoso, json!({ "quota": "silo" }), "means nothing"),
    ] {
        let (bound, told) = bind(tenant, isolation.clone());
        assert!(!bound && told.contains(why), "{isolation}: {told}");
    }
    world.nothing_stored_since(&before).await;
    let (bound, told) = bind(wingtip, json!({ "data": "silo", "secrets": "shared" }));
    assert!(bound, "{told}");
    world.nothing_stored_since(&before).await;
}

#[tokio::test]
async fn secrets_a_tenants_own_key_is_for_whoever_may_work_with_tenants() {
    let world = World::start().await;
    let fabrikam = world.fabrikam();
    let own = format!("tenant-data-{fabrikam}");
    let wraps = async |app: &str, key: &str, operation: &str, value: &str| {
        let body = json!({ "alg": "RSA-OAEP-256", "value": value });
        let path = format!("/keys/{key}/{operation}");
        world.impostor(app).await.vault(Method::POST, &path, Some(body)).await
    };
    let key = base64url::encode([7; 32]);

    for operation in ["wrapkey", "unwrapkey"] {
        assert_eq!(wraps("signin", &own, operation, &key).await.status, 403);
        assert_eq!(wraps("admin", &own, operation, &key).await.status, 403);
    }
    let wrapped = wraps("intake", &own, "wrapkey", &key).await.ok();
    let wrapped = wrapped["value"].as_str().unwrap().to_owned();
    assert_eq!(wraps("execute", &own, "unwrapkey", &wrapped).await.ok()["value"], key);
    // What Fabrikam's key wrapped the common one does not unwrap.
    assert_eq!(wraps("intake", "tenant-data", "unwrapkey", &wrapped).await.status, 400);
    // Who shares has none, and nobody makes one.
    for tenant in [world.contoso(), world.wingtip()] {
        let none = format!("tenant-data-{tenant}");
        assert_eq!(wraps("intake", &none, "wrapkey", &key).await.status, 404);
        assert_eq!(wraps("intake", &none, "create", &key).await.status, 403);
    }
}

#[tokio::test]
async fn secrets_each_tenants_data_key_is_wrapped_by_the_key_that_its_binding_says() {
    let world = World::start().await;
    let control = world.control();
    let data_key = async |tenant: TenantId| {
        let documents = control.partition("tenants", &tenant.to_string()).await;
        documents.into_iter().find(|document| document["kind"] == "data-key").unwrap()
    };
    let (contoso, fabrikam, wingtip) = (world.contoso(), world.fabrikam(), world.wingtip());
    let mut asked = Vec::new();
    for (agent, target, tenant, key) in [
        ("harriet", "nina", contoso, "tenant-data".to_owned()),
        ("fiona", "flora", fabrikam, format!("tenant-data-{fabrikam}")),
        ("wanda", "willem", wingtip, "tenant-data".to_owned()),
    ] {
        let agent = world.person(agent).await;
        let asking = agent.ask("sessions.revoke", &world.who(target)).await;
        agent.wait_for(&asking.id, "succeeded").await;
        let stored = data_key(tenant).await;
        let body: Value = serde_json::from_str(stored["body"].as_str().unwrap()).unwrap();
        let kid = body["kid"].as_str().unwrap();
        assert!(kid.contains(&format!("/keys/{key}/")), "{kid}");
        asked.push((agent, asking));
    }

    // Contoso's key in the place of Fabrikam's. What was unwrapped before is still in memory.
    let mut moved = data_key(contoso).await;
    moved["tenant"] = json!(fabrikam);
    let genuine = data_key(fabrikam).await;
    control.put("tenants", &fabrikam.to_string(), &moved).await;
    control.stop("intake").await;
    control.start("intake").await;
    let (fiona, theirs) = &asked[1];
    fiona.show(&theirs.id).await.assert_problem("integrity");
    control.put("tenants", &fabrikam.to_string(), &genuine).await;
    assert_eq!(fiona.show(&theirs.id).await.ok()["state"], "succeeded");
}
