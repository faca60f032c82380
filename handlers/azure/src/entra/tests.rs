//! What is accepted, and as what.

mod bad_tokens;
mod kept;
mod keys;
mod world;
mod wycheproof;

use airlock_core::{
    identity::{PersonId, Role},
    time::Timestamp,
};
use serde_json::json;

use self::world::{
    BLUEPRINT, CLIENT, NOON, OBJECT, OTHER_TENANT, TENANT, World, agent, application, id, person,
    signed, with,
};
use super::*;

fn somebody() -> PersonId {
    PersonId { tid: TENANT.parse().unwrap(), oid: OBJECT.parse().unwrap() }
}

#[tokio::test]
async fn a_persons_token_is_a_persons() {
    let token = World::new().access(&signed(&person())).await.unwrap().person().unwrap();

    assert_eq!(token.person(), somebody());
    assert_eq!(token.client().to_string(), CLIENT);
    assert_eq!(token.claims().roles(), [Role::Approver]);
    assert_eq!(token.claims().acrs(), ["c1"]);
    assert_eq!(token.claims().auth_time(), Some(Timestamp::from_unix_s(NOON - 60)));
    assert_eq!(token.claims().expires(), Timestamp::from_unix_s(NOON + 3600));
    assert!(token.has_scope("access_as_user"));
    assert!(token.has_scope("other"));
    assert!(!token.has_scope("access_as"));
    assert!(!token.has_scope(""));
}

#[tokio::test]
async fn an_applications_token_is_an_applications() {
    let token = World::new().access(&signed(&application())).await.unwrap().application().unwrap();

    assert_eq!(token.client().to_string(), CLIENT);
    assert_eq!(token.claims().object().to_string(), OBJECT);
    assert!(token.has_permission("Confirm.All"));
    assert!(!token.has_permission("Confirm"));
}

#[tokio::test]
async fn the_three_flows_of_agents_are_told_apart() {
    let world = World::new();
    let user = with(with(agent(), "idtyp", json!("user")), "scp", json!("runtime.users.read"));
    let for_person = with(user.clone(), "xms_sub_fct", json!("7"));
    let as_user = with(user, "xms_sub_fct", json!("9 13"));
    let unnamed = with(for_person.clone(), "xms_par_app_azp", json!(null));

    let flow = async |claims| world.access(&signed(&claims)).await.unwrap().agent().unwrap();

    let alone = flow(agent()).await;
    assert_eq!(alone.acting(), Acting::Alone);
    assert_eq!(alone.agent().to_string(), CLIENT);
    assert_eq!(alone.blueprint().unwrap().to_string(), BLUEPRINT);
    assert_eq!(flow(for_person.clone()).await.acting(), Acting::ForPerson(somebody()));
    assert_eq!(flow(as_user).await.acting(), Acting::AsUser(somebody()));
    assert!(flow(for_person).await.has_scope("runtime.users.read"));
    assert_eq!(flow(unnamed).await.blueprint(), None);
}

#[tokio::test]
async fn facets_are_numbers_in_any_order_and_unknown_ones_mark_nobody() {
    let world = World::new();
    let human = with(person(), "xms_act_fct", json!("3 9  2147483648"));

    assert_eq!(world.access(&signed(&human)).await.unwrap().kind(), Kind::Person);
    let agent = with(agent(), "xms_act_fct", json!(" 0011 3"));
    assert_eq!(world.access(&signed(&agent)).await.unwrap().kind(), Kind::Agent);
}

#[tokio::test]
async fn an_id_token_says_who_signed_in() {
    let token = World::new().id(&signed(&id())).await.unwrap();

    assert_eq!(token.person(), somebody());
    assert_eq!(token.nonce(), Some("n"));
    assert_eq!(token.claims().text("name"), Some("Ada"));
}

#[tokio::test]
async fn a_minute_of_skew_is_forgiven() {
    let world = World::new();
    let skew_s = claims::SKEW_S;
    let early = with(person(), "nbf", json!(NOON + skew_s));
    let mut late = with(person(), "nbf", json!(NOON - 3600));
    late["exp"] = json!(NOON - skew_s + 1);

    assert!(world.access(&signed(&early)).await.is_ok());
    assert!(world.access(&signed(&late)).await.is_ok());
}

#[tokio::test]
async fn whose_token_it_claims_to_be_is_told_without_asking_anyone() {
    let world = World::new();
    let foreign = with(person(), "tid", json!(OTHER_TENANT));

    let presented = world.verifier.look_at("a.b.c").err();
    assert!(matches!(presented, Some(NotAccepted::Malformed(_))));
    let foreign = signed(&foreign);
    let presented = world.verifier.look_at(&foreign).unwrap();
    assert_eq!(presented.claimed_tenant().to_string(), OTHER_TENANT);
    assert_eq!(world.asked(), 0);
}

#[tokio::test]
async fn what_was_verified_prints_nothing_about_the_person() {
    let world = World::new();
    let token = world.access(&signed(&person())).await.unwrap();
    let id = world.id(&signed(&id())).await.unwrap();

    for printed in [format!("{token:?}"), format!("{id:?}")] {
        assert!(!printed.contains(OBJECT) && !printed.contains("Ada"), "{printed}");
    }
}
