//! Between tenants: of one nothing reaches another, layer by layer. Contoso shares the container
//! of all, Fabrikam has a container and a wrapping key of its own, Wingtip a database of its own.

mod places;

use airlock_core::{
    base64url,
    claim::{CONTAINER, claim_blob, outcome_blob},
};
use airlock_tests::{Impostor, LATER, Order, SOON, World, eventually};
use base64::{Engine as _, prelude::BASE64_STANDARD};
use serde_json::{Value, json};
use uuid::Uuid;

/// Takes a message out of the queue, and waits until nothing would bring it back.
async fn taken_out(world: &World, execute: &Impostor) -> Value {
    let control = world.control();
    let message = eventually("the message", SOON, async || {
        let taken = execute.take("permits-execute").await;
        (taken.status == 200).then_some(taken.json)
    })
    .await;
    eventually("the outbox is empty", SOON, async || {
        let documents = control.documents("tenants").await;
        documents.iter().all(|document| document["kind"] != "outbox").then_some(())
    })
    .await;
    message
}

async fn inject(world: &World, message: &Value) {
    let (id, body) = (Uuid::new_v4().to_string(), message.to_string());
    world.control().inject("permits-execute", &id, body.as_bytes()).await;
}

#[tokio::test]
async fn bus_a_message_of_one_tenant_does_nothing_in_another() {
    let world = World::start().await;
    let control = world.control();
    let execute = world.impostor("execute").await;
    let (harriet, wanda) = (world.person("harriet").await, world.person("wanda").await);
    let (contoso, wingtip) = (world.contoso(), world.wingtip());
    control.stop("execute").await;
    let here = harriet.ask("sessions.revoke", &world.who("nina")).await;
    let first = taken_out(&world, &execute).await;
    let there = wanda.ask("sessions.revoke", &world.who("willem")).await;
    let second = taken_out(&world, &execute).await;
    control.start("execute").await;

    // A permit in which the tenant was changed is nobody's: that is the deployment's to record.
    for (message, own, other) in [(&first, contoso, wingtip), (&second, wingtip, contoso)] {
        let permit = message["permit"].as_str().unwrap();
        let parts: Vec<&str> = permit.split('.').collect();
        let claims = String::from_utf8(base64url::decode(parts[1]).unwrap()).unwrap();
        let moved = claims.replace(&own.to_string(), &other.to_string());
        assert_ne!(moved, claims);
        let mut message = message.clone();
        let permit = format!("{}.{}.{}", parts[0], base64url::encode(moved), parts[2]);
        message["permit"] = json!(permit);
        let before = world.before().await;
        inject(&world, &message).await;
        let leaf = world.refused_since(&before).await;
        assert!(leaf.is_violation(), "{leaf:?}");
        assert_eq!(leaf.says["tenantid"], "platform");
    }

    // Each tenant's permit finds the other's request, under the name of its own.
    let genuine = [&here, &there].map(|asking| format!("request-{}", asking.digest()));
    let mut documents = Vec::new();
    for id in &genuine {
        documents.push(control.document("tenants", id).await.unwrap());
    }
    let sides = [(contoso, &first, 0, 1), (wingtip, &second, 1, 0)];
    for (tenant, message, own, other) in sides {
        let mut renamed = documents[other].clone();
        (renamed["id"], renamed["tenant"]) = (json!(genuine[own]), json!(tenant));
        control.put("tenants", &tenant.to_string(), &renamed).await;
        let before = world.before().await;
        inject(&world, message).await;
        let leaf = world.refused_since(&before).await;
        assert!(leaf.is_violation(), "{leaf:?}");
        assert_eq!(leaf.says["tenantid"], tenant.to_string());
        control.put("tenants", &tenant.to_string(), &documents[own]).await;
    }

    // As it was sent each is carried out, where it was asked for.
    for (message, person, asking) in [(first, harriet, here), (second, wanda, there)] {
        inject(&world, &message).await;
        person.wait_for(&asking.id, "succeeded").await;
    }
    let effects = control.effects().await;
    let tenants: Vec<&Value> = effects.iter().map(|effect| &effect["tenant"]).collect();
    assert_eq!(tenants, [&contoso.to_string(), &wingtip.to_string()]);
}

#[tokio::test]
async fn principals_who_is_at_home_in_one_tenant_has_no_business_in_another_that_does_not_say_so() {
    let world = World::start().await;
    let people = [
        world.person("harriet").await,
        world.person("tara").await,
        world.person("frank").await,
        world.person("wanda").await,
        world.person("wes").await,
    ];
    let targets = [world.who("nina"), world.who("flora"), world.who("willem")];
    let mut genuine = Vec::new();
    for (agent, target) in [("harriet", "nina"), ("fiona", "flora"), ("wanda", "willem")] {
        let agent = world.person(agent).await;
        let asking = agent.ask("account.disable", &world.who(target)).await;
        genuine.push(asking.id);
    }
    world.settled().await;
    let (stored, before) = (world.stored().await, world.before().await);

    for person in &people {
        for (target, theirs) in targets.iter().zip(&genuine) {
            // Fabrikam lets Contoso's helpdesk in, and not its administrators.
            let let_in =
                person.who.name.starts_with("harriet@") && target.tenant == world.fabrikam();
            if target.tenant == person.who.tenant || let_in {
                continue;
            }
            let asking = person.sign(&Order::of("sessions.revoke", target)).await;
            person.submit(&asking).await.assert_problem("not-found");
            person.show(theirs).await.assert_problem("not-found");
            let verdict = airlock_core::decision::Verdict::Approve;
            person.decide(theirs, verdict).await.assert_problem("not-found");
            let list = format!("/api/requests?tenant={}", target.tenant);
            person.get(&list).await.assert_problem("not-found");
            assert!(world.stored_request(&asking.id).await.is_none());
        }
    }
    world.nothing_stored_since(&stored).await;
    world.nothing_done_since(&before).await;
}

#[tokio::test]
async fn claims_what_was_claimed_and_done_in_one_tenant_counts_for_nothing_in_another() {
    let world = World::start().await;
    let control = world.control();
    let execute = world.impostor("execute").await;
    let kept = async || control.blobs().await["blobs"][CONTAINER].take();
    let harriet = world.person("harriet").await;
    let done = harriet.ask("sessions.revoke", &world.who("nina")).await;
    harriet.wait_for(&done.id, "succeeded").await;
    let fiona = world.person("fiona").await;
    control.stop("execute").await;
    let asking = fiona.ask("sessions.revoke", &world.who("flora")).await;
    let (contoso, fabrikam) = (world.contoso(), world.fabrikam());

    // Contoso's claim in the place of Fabrikam's.
    let blobs = kept().await;
    let body = blobs[claim_blob(contoso, done.digest())]["body"].as_str().unwrap();
    let claim = String::from_utf8(BASE64_STANDARD.decode(body).unwrap()).unwrap();
    assert!(blobs[outcome_blob(contoso, done.digest())].is_object());
    let name = claim_blob(fabrikam, asking.digest());
    assert_eq!(execute.create_blob(CONTAINER, &name, &claim).await.status, 201);
    let before = world.before().await;
    control.start("execute").await;
    let leaf = world.refused_since(&before).await;

    assert!(leaf.is_violation(), "{leaf:?}");
    assert_eq!(leaf.says["tenantid"], fabrikam.to_string());
    let view = fiona.wait_for(&asking.id, "unknown").await;
    assert_eq!(view["id"], asking.id);
    assert_eq!(harriet.show(&done.id).await.ok()["state"], "succeeded");
    // And what is done next there is claimed under its own tenant's name.
    let next = fiona.ask("sessions.revoke", &world.who("flora")).await;
    eventually("the next is done", LATER, async || {
        (fiona.show(&next.id).await.json["state"] == "succeeded").then_some(())
    })
    .await;
    assert!(kept().await[claim_blob(fabrikam, next.digest())].is_object());
}
