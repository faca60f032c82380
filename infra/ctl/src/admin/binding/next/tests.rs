use serde_json::{Value, json};

use super::*;
use crate::admin::binding::{
    versions::standing,
    world::{NOW, TENANT, World, protecting},
};

const OTHER: &str = "012cf276-003e-4e7a-ab5d-345607b83f7e";

/// What stands once this is bound.
async fn bound(wanted: &TenantTerms) -> Bound {
    let world = World::new();
    world.bind(wanted).await;
    standing(&world.press(), wanted.tenant).await.unwrap().unwrap()
}

#[tokio::test]
async fn a_binding_is_signed_again_for_a_change_or_when_a_third_of_its_life_is_over() {
    let terms = protecting(TENANT, TENANT);
    let first = bound(&terms).await;
    let ver = |wanted: &TenantTerms, now| {
        next(Some(&first), wanted, now).unwrap().map(|next| next.binding.ver)
    };

    let value = &first.binding.value;
    assert_eq!((value.ver, value.exp), (1, NOW.plus_s(LIFETIME_S)));
    assert_eq!(ver(&terms, NOW.plus_s(RENEW_S - 1)), None);
    assert_eq!(ver(&terms, NOW.plus_s(RENEW_S)), Some(2));
    assert_eq!(ver(&protecting(TENANT, OTHER), NOW), Some(2));
}

fn apart(isolation: &Value) -> TenantTerms {
    let terms = json!({ "name": "A tenant", "home_tenants": [], "isolation": isolation });
    serde_json::from_value(json!({ "tenant": OTHER, "terms": terms })).unwrap()
}

#[tokio::test]
async fn a_tenant_keeps_the_place_that_it_was_first_bound_with() {
    let shared = bound(&apart(&json!({}))).await;
    let pool = bound(&apart(&json!({ "data": "pool", "secrets": "pool" }))).await;
    let changed = |bound: &Bound, isolation: &Value| {
        let next = next(Some(bound), &apart(isolation), NOW);
        next.map_err(|error| error.to_string())
    };

    let told = changed(&shared, &json!({ "data": "silo" })).unwrap_err();
    assert_eq!(
        told,
        format!(
            "data isolation of {OTHER} is `shared` and cannot become `silo`: what the tenant \
             has would have to be moved, and signing a binding moves nothing"
        )
    );
    for (bound, isolation, layer) in [
        (&shared, json!({ "data": "pool" }), "data"),
        (&shared, json!({ "secrets": "pool" }), "secrets"),
        (&pool, json!({}), "data"),
        (&pool, json!({ "data": "silo", "secrets": "pool" }), "data"),
        (&pool, json!({ "data": "pool" }), "secrets"),
    ] {
        let told = changed(bound, &isolation).unwrap_err();
        assert!(told.starts_with(layer), "{told}");
    }
    // As it was, in more words or in fewer.
    let said = json!({ "data": "shared", "secrets": "shared", "compute": "shared" });
    assert!(changed(&shared, &said).unwrap().is_none());
}
