//! What is promised about each secret.

use serde_json::json;

use super::super::world::CONTOSO;
use super::shop::{DAY_S, FIRST, Kind, PAYROLL, Shop};
use crate::{
    digest::Digest,
    identity::{Role, TenantId},
    ports::Partition,
    reception::Tree,
    rotation::{Demand, Ended, LEASE_S, NotRotated, Round},
};

fn request(number: u8) -> Digest {
    Digest::of(&[&[number]])
}

#[tokio::test(start_paused = true)]
async fn a_secret_is_taken_over_changed_when_due_and_its_old_one_removed_after_the_overlap() {
    let shop = Shop::with(Kind::ClientSecret).await;

    assert_eq!(shop.round().await.unwrap().done, 1);
    assert_eq!(shop.story().await, ["adopted"]);
    shop.world.pass(26 * DAY_S).await;
    assert_eq!(shop.round().await.unwrap(), crate::rotation::Round::default(), "not due yet");
    shop.world.pass(4 * DAY_S).await;
    assert_eq!(shop.round().await.unwrap().rotated, 1);
    assert_eq!(shop.rented.credentials(PAYROLL).len(), 2, "old and new are valid together");
    shop.world.pass(DAY_S).await;
    assert_eq!(shop.round().await.unwrap().done, 1);

    let told = ["adopted", "planned", "added", "stored", "proved", "rotated", "resumed", "retired"];
    assert_eq!(shop.story().await, told);
    assert!(!shop.rented.credentials(PAYROLL).contains(&FIRST));
    assert_eq!(shop.rented.outages(), [""; 0]);
}

#[tokio::test(start_paused = true)]
async fn a_secret_that_entra_learns_of_slowly_is_not_shown_to_its_users_before() {
    for not_yet in [3, 8, 30] {
        let shop = Shop::with(Kind::ClientSecret).await;
        shop.round().await.unwrap();
        shop.world.pass(30 * DAY_S).await;
        shop.rented.add_slowly(not_yet);
        let rotator = shop.rotator();
        let mut rounds = 0;
        while shop.rotation().await.active.unwrap().run.is_nil() {
            rounds += 1;
            assert!(rounds < 6, "{not_yet}");
            rotator.round().await.unwrap();
            shop.outlast_a_lease().await;
        }
        assert_eq!(shop.rented.outages(), [""; 0], "{not_yet}");
        assert_eq!(shop.rented.credentials(PAYROLL).len(), 2, "{not_yet}: old and new, no stray");
    }
}

#[tokio::test(start_paused = true)]
async fn two_processes_never_change_one_secret_at_once() {
    let shop = Shop::with(Kind::ClientSecret).await;
    shop.round().await.unwrap();
    shop.world.pass(30 * DAY_S).await;
    let (one, other) = (shop.rotator(), shop.rotator());

    let (one, other) = tokio::join!(one.round(), other.round());

    assert_eq!(one.unwrap().rotated + other.unwrap().rotated, 1);
    assert_eq!(shop.rented.credentials(PAYROLL).len(), 2);
    let planned = shop.story().await.into_iter().filter(|told| told == "planned").count();
    assert_eq!(planned, 1);
}

#[tokio::test(start_paused = true)]
async fn a_request_changes_a_secret_once_and_an_emergency_removes_the_old_one_at_once() {
    for emergency in [false, true] {
        let shop = Shop::with(Kind::ClientSecret).await;
        let scope = shop.world.scope(CONTOSO).await;
        let rotator = shop.rotator();
        let demand = Demand { request: request(1), claimed_at: shop.world.now(), emergency };

        assert_eq!(rotator.rotate(&scope, "payroll", demand).await.unwrap(), Ended::Rotated);
        assert_eq!(rotator.rotate(&scope, "payroll", demand).await.unwrap(), Ended::Done);

        let left = shop.rented.credentials(PAYROLL);
        assert_eq!(left.len(), if emergency { 1 } else { 2 });
        assert_eq!(left.contains(&FIRST), !emergency);
        let unknown = rotator.rotate(&scope, "other", demand).await;
        assert!(matches!(unknown, Err(NotRotated::Unknown)));
    }
}

#[tokio::test(start_paused = true)]
async fn credentials_of_others_are_never_touched() {
    let shop = Shop::with(Kind::ClientSecret).await;
    let others = uuid::Uuid::from_u128(0x07e5);
    shop.rented.put_credential(PAYROLL, others, "somebody else's");
    let scope = shop.world.scope(CONTOSO).await;
    let rotator = shop.rotator();

    for number in 1..4 {
        let demand =
            Demand { request: request(number), claimed_at: shop.world.now(), emergency: true };
        assert_eq!(rotator.rotate(&scope, "payroll", demand).await.unwrap(), Ended::Rotated);
    }

    let left = shop.rented.credentials(PAYROLL);
    assert_eq!(left.len(), 2);
    assert!(left.contains(&others));
}

/// A name was withdrawn, and means something else when it comes back.
#[tokio::test(start_paused = true)]
async fn a_name_never_comes_to_mean_another_thing() {
    let mut moved = Kind::ClientSecret.binding();
    moved["driver"]["secret"] = json!("client-secret-other");
    let mut others = Kind::ClientSecret.binding();
    others["driver"]["application"] = json!(uuid::Uuid::from_u128(0xb0b));
    for other in [moved, others, Kind::Generated.binding()] {
        let shop = Shop::with(Kind::ClientSecret).await;
        shop.round().await.unwrap();
        let before = shop.rotation().await;
        shop.bind(&json!([])).await;
        shop.world.pass(31 * DAY_S).await;
        shop.bind(&json!([other])).await;
        let made = shop.gate.calls().len();
        let scope = shop.world.scope(CONTOSO).await;
        let demand = Demand { request: request(1), claimed_at: shop.world.now(), emergency: true };

        for _ in 0..2 {
            let round = shop.round().await.unwrap();
            assert_eq!(round, Round { failed: 1, ..Round::default() }, "{other}");
        }
        let asked = shop.rotator().rotate(&scope, "payroll", demand).await;

        assert!(matches!(asked, Err(NotRotated::OtherThing)), "{asked:?}");
        assert_eq!(shop.gate.calls().len(), made, "nothing is called, and nothing written");
        assert_eq!(shop.rotation().await, before);
        let tara = shop.world.sign_in(CONTOSO, 11, &[Role::TenantAdmin]).await;
        let tree = Tree::Tenant(CONTOSO);
        let seen = shop.world.reception.secrets(&tara.caller, tree).await.unwrap();
        let shown = serde_json::to_value(&seen[0]).unwrap();
        assert_eq!((&shown["stage"], &shown["overdue"]), (&json!("of_another"), &json!(true)));

        // The same thing under the same name is what it was.
        shop.bind(&json!([Kind::ClientSecret.binding()])).await;
        assert_eq!(shop.round().await.unwrap().rotated, 1);
    }
}

#[tokio::test(start_paused = true)]
async fn a_tenant_has_no_key_rotated_but_the_one_that_wraps_its_data_keys() {
    for key in ["intake-signing", "drift-checkpoint", "session-data", "admin-root", "tenant-data-x"]
    {
        let shop = Shop::with(Kind::WrappingKey).await;
        shop.rented.put_signing_key(key).unwrap();
        let mut binding = Kind::WrappingKey.binding();
        binding["driver"]["key"] = json!(key);
        shop.bind(&json!([binding])).await;
        let scope = shop.world.scope(CONTOSO).await;
        let demand = Demand { request: request(1), claimed_at: shop.world.now(), emergency: true };

        let round = shop.round().await.unwrap();
        let asked = shop.rotator().rotate(&scope, "payroll", demand).await;

        assert_eq!(round, Round { failed: 1, ..Round::default() }, "{key}");
        assert!(matches!(asked, Err(NotRotated::NotItsKey)), "{key}: {asked:?}");
        assert_eq!(shop.gate.calls(), [""; 0], "{key}");
        assert_eq!(shop.rented.versions_of(key), (1, 1), "{key}");
    }
}

#[tokio::test(start_paused = true)]
async fn bindings_that_were_put_back_are_refused() {
    let shop = Shop::with(Kind::ClientSecret).await;
    let partition = crate::ports::Partition::bindings(CONTOSO);
    let before = shop.world.documents.all(&partition)["secrets"].clone();
    shop.bind(&json!([Kind::Generated.binding()])).await;
    shop.world.documents.overwrite(&partition, "secrets", before);

    let round = shop.round().await.unwrap();

    assert_eq!((round.failed, shop.gate.calls().len()), (1, 0));
}

#[tokio::test(start_paused = true)]
async fn a_thousand_due_secrets_are_changed_by_rounds_one_after_the_other() {
    let shop = Shop::with(Kind::Generated).await;
    let bindings = |tenant: u128| -> serde_json::Value {
        let one = |number: u32| {
            let name = format!("t{tenant}-s{number}");
            json!({
                "name": name, "max_age_days": 30, "overlap_hours": 1,
                "driver": { "kind": "generated", "secret": name, "bytes": 32 },
            })
        };
        (0..250).map(one).collect()
    };
    // In four tenants: what is signed for one is bounded.
    shop.bind(&bindings(0)).await;
    for tenant in 1..4 {
        shop.bind_in(TenantId::new(uuid::Uuid::from_u128(tenant)), &bindings(tenant)).await;
    }

    let began = tokio::time::Instant::now();
    let round = shop.round().await.unwrap();

    assert_eq!((round.rotated, round.failed), (1000, 0), "{round:?}");
    let took = began.elapsed();
    println!(
        "1,000 due secrets: {} s by the pace, {} calls",
        took.as_secs(),
        shop.gate.calls().len()
    );
    assert!(took.as_secs() >= 99, "no more than ten a second are taken up");
    shop.world.pass(LEASE_S).await;
    assert_eq!(shop.round().await.unwrap(), crate::rotation::Round::default());
}

#[tokio::test(start_paused = true)]
async fn no_value_enters_a_document_or_an_event() {
    let shop = Shop::with(Kind::ClientSecret).await;
    let scope = shop.world.scope(CONTOSO).await;
    let demand = Demand { request: request(1), claimed_at: shop.world.now(), emergency: true };
    shop.rotator().rotate(&scope, "payroll", demand).await.unwrap();

    let partition = crate::ports::Partition::tenant(&scope);
    let stored = format!("{:?}", shop.world.documents.all(&partition));

    assert!(stored.contains("rotation-payroll") && stored.contains("outbox"));
    assert!(!stored.contains("value of") && !stored.contains("first"), "{stored}");
}

#[tokio::test(start_paused = true)]
async fn whoever_puts_its_document_back_or_deletes_it_takes_no_credential_from_its_users() {
    for is_deleted in [false, true] {
        let shop = Shop::with(Kind::ClientSecret).await;
        shop.round().await.unwrap();
        let contoso = Partition::tenant(&shop.world.scope(CONTOSO).await);
        let earlier = shop.world.documents.all(&contoso)["rotation-payroll"].clone();
        shop.world.pass(30 * DAY_S).await;
        assert_eq!(shop.round().await.unwrap().rotated, 1);
        shop.world.pass(DAY_S).await;
        assert_eq!(shop.round().await.unwrap().done, 1);
        let used = shop.rented.credentials(PAYROLL);
        assert_eq!(used.len(), 1);

        if is_deleted {
            shop.world.documents.forget(&contoso, "rotation-payroll");
        } else {
            shop.world.documents.overwrite(&contoso, "rotation-payroll", earlier);
        }
        shop.round().await.unwrap();
        shop.world.pass(31 * DAY_S).await;
        shop.round().await.unwrap();
        shop.world.pass(DAY_S).await;
        shop.round().await.unwrap();

        assert_eq!(shop.rented.outages(), [""; 0], "deleted: {is_deleted}");
        let left = shop.rented.credentials(PAYROLL);
        assert_eq!(left.len(), 1, "deleted: {is_deleted}");
        assert_ne!(left, used, "deleted: {is_deleted}");
    }
}
