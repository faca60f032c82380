mod secrets;

use airlock_core::{memory::Fault, ports::Documents};
use serde_json::json;

use super::*;
use crate::admin::{
    binding::world::{NOW, OTHER, TENANT, THIRD, World, protecting},
    publish::LIFETIME_S,
};

#[tokio::test]
async fn each_version_that_is_replaced_is_kept_beside_the_one_that_counts() {
    let world = World::new();

    for group in [TENANT, OTHER, TENANT] {
        world.bind(&protecting(TENANT, group)).await;
    }

    assert_eq!(world.ids(), ["binding", "binding-1", "binding-2"]);
    let press = world.press();
    let tenant = TENANT.parse().unwrap();
    let first = kept(&press, tenant, 1).await.unwrap().unwrap();
    assert_eq!(first.binding.value.terms, protecting(TENANT, TENANT).terms);
    assert_eq!(standing(&press, tenant).await.unwrap().unwrap().binding.value.ver, 3);
    assert!(kept(&press, tenant, 3).await.unwrap().is_none());
}

#[tokio::test]
async fn old_terms_come_back_as_a_new_version() {
    let world = World::new();
    world.bind(&protecting(TENANT, TENANT)).await;
    world.bind(&protecting(TENANT, OTHER)).await;
    let tenant = TENANT.parse().unwrap();

    let press = world.press();
    let Earlier { standing, kept } = earlier(&press, tenant, 1).await.unwrap();
    let again = TenantTerms { tenant, secrets: kept.secrets(), terms: kept.binding.value.terms };
    let third = roll_forward(&press, &standing, &again, NOW).await.unwrap();

    assert_eq!((third.ver, third.terms), (3, protecting(TENANT, TENANT).terms));
    assert_eq!(world.ids(), ["binding", "binding-1", "binding-2"]);
    for ver in [0, 3, 4] {
        let none = earlier(&press, tenant, ver).await.unwrap_err();
        assert!(matches!(none, NoSuchVersion::NotKept { .. }), "{ver}");
    }
}

#[tokio::test]
async fn what_somebody_signed_is_stored_once_and_only_after_what_it_follows() {
    let world = World::new();
    let first = world.sign(&protecting(TENANT, TENANT)).await;
    assert_eq!(world.apply(vec![first.clone()]).await.unwrap(), [1]);
    let second = world.sign(&protecting(TENANT, OTHER)).await;
    let rival = world.sign(&protecting(TENANT, THIRD)).await;

    assert_eq!(world.apply(vec![second.clone()]).await.unwrap(), [2]);
    assert_eq!(world.apply(vec![second]).await.unwrap(), [0]);

    let stored = world.stored();
    for old in [first, rival] {
        let refused = world.apply(vec![old]).await.unwrap_err();
        assert!(matches!(refused, NotApplied::OtherVersion { stands: 2, .. }), "{refused}");
    }
    assert_eq!(world.stored(), stored);
}

#[tokio::test]
async fn a_binding_whose_time_is_over_is_not_stored() {
    let world = World::new();
    let first = world.sign(&protecting(TENANT, TENANT)).await;

    world.clock.advance_s(LIFETIME_S);

    let refused = world.apply(vec![first]).await.unwrap_err();
    assert!(matches!(refused, NotApplied::NotVerified(NotVerified::Expired(_))), "{refused}");
    assert!(world.stored().is_empty());
}

#[tokio::test]
async fn what_another_root_signed_is_not_stored_nor_what_comes_with_it() {
    let (world, stranger) = (World::new(), World::new());
    let good = world.sign(&protecting(TENANT, TENANT)).await;
    let bad = stranger.sign(&protecting(OTHER, TENANT)).await;

    let refused = world.apply(vec![good.clone(), bad]).await.unwrap_err();
    assert!(matches!(refused, NotApplied::NotVerified(_)), "{refused}");
    let twice = world.apply(vec![good.clone(), good]).await.unwrap_err();
    assert!(matches!(twice, NotApplied::Twice(_)), "{twice}");

    assert!(world.stored().is_empty());
}

#[tokio::test]
async fn an_old_version_that_was_put_back_is_not_counted_on_from() {
    let world = World::new();
    world.bind(&protecting(TENANT, TENANT)).await;
    world.bind(&protecting(TENANT, OTHER)).await;
    world.bind(&protecting(TENANT, TENANT)).await;
    let partition = Partition::bindings(TENANT.parse().unwrap());
    let mut old =
        Documents::read(&*world.documents, &partition, "binding-1").await.unwrap().unwrap().json;
    old["id"] = json!("binding");
    old["kind"] = json!("binding");
    world.documents.overwrite(&partition, "binding", old);

    let stored = world.stored();

    let press = world.press();
    let refused = publish(&press, &protecting(TENANT, OTHER), NOW).await.unwrap_err();

    assert!(matches!(refused, NotPublished::OtherHistory(id) if id == "binding-2"));
    assert_eq!(world.stored(), stored);
}

#[tokio::test]
async fn another_tenants_binding_and_another_version_are_not_taken_for_ones_own() {
    let world = World::new();
    world.bind(&protecting(TENANT, TENANT)).await;
    world.bind(&protecting(TENANT, OTHER)).await;
    let own = Partition::bindings(TENANT.parse().unwrap());
    let mut binding =
        Documents::read(&*world.documents, &own, "binding").await.unwrap().unwrap().json;
    let other: TenantId = OTHER.parse().unwrap();
    let press = world.press();

    binding["id"] = json!("binding-1");
    world.documents.overwrite(&own, "binding-1", binding.clone());
    let refused = kept(&press, TENANT.parse().unwrap(), 1).await.unwrap_err();
    assert!(matches!(refused, NotPublished::NotGenuine(NotVerified::Other("version"))));

    binding["id"] = json!("binding");
    binding["tenant"] = json!(OTHER);
    world.documents.overwrite(&Partition::bindings(other), "binding", binding);
    let refused = standing(&press, other).await.unwrap_err();
    assert!(matches!(refused, NotPublished::NotGenuine(NotVerified::Other("tenant"))));
}

#[tokio::test]
async fn a_write_whose_answer_was_lost_leaves_one_version_and_one_history() {
    let world = World::new();
    world.bind(&protecting(TENANT, TENANT)).await;
    world.documents.next_batches([Fault::Repeats, Fault::Repeats]);

    assert_eq!(world.bind(&protecting(TENANT, OTHER)).await.binding.ver, 2);

    assert_eq!(world.ids(), ["binding", "binding-1"]);
}
