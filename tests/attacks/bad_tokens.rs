//! Entra tokens that are not what they should be, at the doors of the running handlers.
//!
//! Most are signed by Entra's own key, so that nothing but the one spoiled thing is wrong with
//! them. Whoever shows one is told nothing, nothing is stored, and neither a signature nor Entra's
//! keys are asked for because of it.

mod table;

use airlock_core::{identity::Role, jws::Signed, session::Session};
use airlock_tests::{Answer, Mill, World, claims_of, client_key, now};
use http::Method;
use serde_json::{Value, json};
use uuid::Uuid;

use self::table::{Bad, UNKNOWN, of_another_kind, of_any_token, of_wrong_claims};
use crate::{
    forged::session_of,
    thief::{Thief, confirmations, to_confirm},
};

async fn show(world: &World, path: &str, token: &str) -> Answer {
    let call = world.call(Method::GET, path);
    Answer::to(call.header("authorization", format!("Bearer {token}"))).await
}

/// What the handlers asked of the cloud since, that a stranger must not be able to make them ask:
/// signatures, Entra's keys, and whatever writes.
async fn caused(world: &World, before: usize) -> Vec<String> {
    let calls = world.control().calls().await.into_iter().skip(before);
    calls
        .filter(|call| {
            match (call["service"].as_str().unwrap(), call["method"].as_str().unwrap()) {
                ("vault" | "entra" | "graph", _) => true,
                ("blob", method) => method != "GET",
                _ => false,
            }
        })
        .map(|call| format!("{} {} {}", call["service"], call["method"], call["path"]))
        .collect()
}

#[tokio::test]
async fn a_token_with_one_thing_wrong_opens_neither_claims_nor_sessions() {
    let world = World::start().await;
    let harriet = world.person("harriet").await;
    let claims = harriet.get("/auth/call-the-api").await.ok()["claims"].clone();
    let mill = Mill::new(world.control(), claims).await;
    let mut table = of_any_token(&mill, &world).await;
    table.extend(of_wrong_claims(&mill, &world).await);
    table.extend(of_another_kind(&mill).await);
    let good = mill.good().await;
    show(&world, "/api/claims", &good).await.assert_ok();
    // So that no key is asked for because nobody of that tenant has come yet.
    let foreign = mill.with_claims(&[("tid", json!(world.fabrikam()))]).await;
    show(&world, "/api/claims", &foreign).await.assert_problem(UNKNOWN);
    // Somebody who signs in does make us ask.
    assert!(!caused(&world, 0).await.is_empty());
    let (before, calls) = (world.stored().await, world.control().calls().await.len());

    let mut wrong = Vec::new();
    for Bad { name, token, problem } in &table {
        let answer = show(&world, "/api/claims", token).await;
        println!("{name:48.48} {} {}", answer.status, answer.json["type"]);
        if answer.as_problem() != Ok(problem) {
            wrong.push(format!("{name}: {:?}", answer.as_problem()));
        }
        for path in ["/api/requests", "/auth/session"] {
            let answer = show(&world, path, token).await;
            if answer.as_problem() != Ok("not-signed-in") {
                wrong.push(format!("{name} at {path}: {:?}", answer.as_problem()));
            }
        }
    }

    println!("{} bad tokens", table.len());
    assert!(wrong.is_empty(), "{wrong:#?}");
    assert!(table.len() >= 60);
    assert_eq!(caused(&world, calls).await, Vec::<String>::new());
    world.nothing_stored_since(&before).await;
    // And nothing of that made the good one bad.
    show(&world, "/api/claims", &good).await.assert_ok();
    let twice = world.call(Method::GET, "/api/claims").bearer_auth(&good).bearer_auth(&good);
    Answer::to(twice).await.assert_problem(UNKNOWN);
}

/// A session of Tara's as a taken-over `signin` would sign one, and the claims of the ID token that
/// fits it.
async fn session(world: &World, thief: &Thief) -> (Signed<Session>, Value) {
    let tara = session_of(&world.who("tara"), &[Role::TenantAdmin], client_key().1.key());
    let session = Session { acrs: vec!["c1".to_owned()], ..tara };
    (thief.sign(&session).await, thief.fitting(&session))
}

/// Which of these were not answered as they must be.
async fn wrongly_answered(table: &[Bad], answer: impl AsyncFn(&str) -> Answer) -> Vec<String> {
    let mut wrong = Vec::new();
    for Bad { name, token, problem } in table {
        let answer = answer(token).await;
        if answer.as_problem() != Ok(problem) {
            wrong.push(format!("{name}: {:?}", answer.as_problem()));
        }
    }
    wrong
}

#[tokio::test]
async fn an_id_token_with_one_thing_wrong_confirms_no_session() {
    let world = World::start().await;
    let thief = Thief::new(&world).await;
    let (session, claims) = session(&world, &thief).await;
    let confirm = async |id_token: &str| thief.asks(&world, &session, id_token).await;
    let mill = Mill::new(world.control(), claims).await;
    // That much a taken-over signin can, with a genuine token for its own key.
    assert!(confirm(&mill.good().await).await.ok()["confirmation"].is_string());
    let mut table = of_any_token(&mill, &world).await;
    let stranger = Uuid::new_v4().to_string();
    for (name, value) in [
        ("iss", json!(format!("https://sts.windows.net/{}/", world.contoso()))),
        ("tid", json!(world.fabrikam())),
        ("aud", json!(thief.signin.application("airlock-intake"))),
        ("oid", json!(world.who("harriet").object)),
        ("ver", json!("1.0")),
        ("nonce", Value::Null),
        ("nonce", json!("x")),
        ("nonce", json!([mill.claims()["nonce"].clone()])),
        ("roles", json!(["HelpdeskAgent"])),
        ("roles", Value::Null),
        ("acrs", json!(["c2"])),
        ("acrs", Value::Null),
        ("auth_time", json!(now().plus_s(-3600))),
        ("auth_time", Value::Null),
        ("exp", json!(now().plus_s(-120))),
        ("nbf", json!(now().plus_s(120))),
        ("idtyp", json!("app")),
        ("scp", json!("access_as_user")),
        ("azp", json!(stranger)),
        ("xms_act_fct", json!("11")),
        ("xms_sub_fct", json!("13")),
        ("xms_par_app_azp", json!(stranger)),
    ] {
        let what = format!("{name} {value}");
        table.push(Bad::unknown(what, mill.with_claims(&[(name, value)]).await));
    }
    let (before, calls) = (world.stored().await, world.control().calls().await.len());

    let wrong = wrongly_answered(&table, confirm).await;

    println!("{} bad ID tokens", table.len());
    assert!(wrong.is_empty(), "{wrong:#?}");
    assert_eq!(caused(&world, calls).await, Vec::<String>::new());
    world.nothing_stored_since(&before).await;
}

#[tokio::test]
async fn what_is_no_managed_identitys_token_does_not_open_the_confirmations() {
    let world = World::start().await;
    let thief = Thief::new(&world).await;
    let (session, claims) = session(&world, &thief).await;
    let id_token = world.control().mint(&claims, "current").await;
    let body = to_confirm(&session, &id_token);
    let confirm = async |token: &str| confirmations(&world, token, &body).await;
    let mill = Mill::new(world.control(), claims_of(&thief.own)).await;
    // With a good token the same is confirmed.
    assert!(confirm(&mill.good().await).await.ok()["confirmation"].is_string());
    let mut table = of_any_token(&mill, &world).await;
    let person = [("idtyp", json!("user")), ("scp", json!("access_as_user"))];
    let agent = [("xms_act_fct", json!("11")), ("xms_sub_fct", json!("11"))];
    let other = [("oid", json!(Uuid::new_v4()))];
    for (name, changes) in [
        ("a person's", &person[..]),
        ("an agent's", &agent[..]),
        ("another identity's", &other[..]),
    ] {
        table.push(Bad::known(name, mill.with_claims(changes).await));
    }
    let before = world.stored().await;

    let wrong = wrongly_answered(&table, confirm).await;

    assert!(wrong.is_empty(), "{wrong:#?}");
    world.nothing_stored_since(&before).await;
}
