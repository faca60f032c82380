//! Each step and each event of a rotation names the request that it belongs to, and no other.

use serde_json::{Value, json};

use super::{
    super::world::CONTOSO,
    shop::{DAY_S, Kind, Shop},
};
use crate::{
    digest::Digest,
    identity::App,
    ledger::{Statement, commit::StoredLeaf},
    ports::{Partition, Query},
    rotation::{Demand, Ended},
};

fn demand(shop: &Shop, number: u8, emergency: bool) -> Demand {
    let request = Digest::of(&[&[number]]);
    Demand { request, claimed_at: shop.world.now(), emergency }
}

/// What happened to the secret, each with the number of the request that it names.
async fn told(shop: &Shop) -> Vec<(String, Option<u8>)> {
    let partition = Partition::tenant(&shop.world.scope(CONTOSO).await);
    let query = Query { kind: "leaf", equals: None, not_after: None, limit: 1000 };
    let documents = shop.world.ports(App::Drift).documents;
    let mut found = documents.query(&partition, &query).await.unwrap();
    found.reverse();
    let mut told = Vec::new();
    for found in found {
        let leaf: StoredLeaf = serde_json::from_value(found.json).unwrap();
        let statement: Statement = leaf.statement.peek().unwrap();
        let happened = serde_json::to_value(statement.r#type).unwrap();
        if let Some(step) = happened.as_str().unwrap().strip_prefix("airlock.secret.") {
            told.push((step.to_owned(), statement.data.request.map(number)));
        }
    }
    told
}

fn number(request: Digest) -> u8 {
    (0..10).find(|number| Digest::of(&[&[*number]]) == request).unwrap()
}

/// What whoever watches is told: each event, with the number of its request.
async fn events(shop: &Shop) -> Vec<(String, Option<u8>)> {
    let partition = Partition::tenant(&shop.world.scope(CONTOSO).await);
    let outbox = shop.world.documents.all(&partition).into_values();
    let mut events: Vec<(String, Option<u8>)> = Vec::new();
    for item in outbox.filter(|json| json["kind"] == "outbox") {
        let body = item["body"].as_str().unwrap();
        let event: Value = serde_json::from_str(body).unwrap();
        let request = event["subject"]
            .as_str()
            .map(|text| number(serde_json::from_value(json!(text)).unwrap()));
        events.push((event["type"].as_str().unwrap().to_owned(), request));
    }
    events.sort();
    events
}

fn steps<const N: usize>(of: Option<u8>, steps: [&str; N]) -> Vec<(String, Option<u8>)> {
    steps.map(|step| (step.to_owned(), of)).into()
}

const CHANGE: [&str; 5] = ["planned", "added", "stored", "proved", "rotated"];

#[tokio::test(start_paused = true)]
async fn a_change_names_its_request_to_the_end_and_the_clocks_next_one_names_none() {
    let shop = Shop::with(Kind::ClientSecret).await;
    let scope = shop.world.scope(CONTOSO).await;

    let asked = shop.rotator().rotate(&scope, "payroll", demand(&shop, 1, false)).await.unwrap();
    assert_eq!(asked, Ended::Rotated);
    shop.world.pass(DAY_S).await;
    assert_eq!(shop.round().await.unwrap().done, 1);
    shop.world.pass(30 * DAY_S).await;
    assert_eq!(shop.round().await.unwrap().rotated, 1);
    shop.world.pass(DAY_S).await;
    assert_eq!(shop.round().await.unwrap().done, 1);

    let expected = [
        steps(None, ["adopted"]),
        steps(Some(1), CHANGE),
        steps(Some(1), ["resumed", "retired"]),
        steps(None, CHANGE),
        steps(None, ["resumed", "retired"]),
    ];
    assert_eq!(told(&shop).await, expected.concat());
    let rotated = "airlock.secret.rotated".to_owned();
    assert_eq!(events(&shop).await, [(rotated.clone(), None), (rotated, Some(1))]);
}

#[tokio::test(start_paused = true)]
async fn who_joins_a_change_is_named_where_they_do_and_who_hurries_it_takes_it_over() {
    let shop = Shop::with(Kind::ClientSecret).await;
    let scope = shop.world.scope(CONTOSO).await;
    shop.rented.add_slowly(100);
    let rotator = shop.rotator();
    let ask = async |number, emergency| {
        let demand = demand(&shop, number, emergency);
        rotator.rotate(&scope, "payroll", demand).await.unwrap()
    };

    assert_eq!(ask(1, false).await, Ended::Waiting);
    assert_eq!(ask(2, false).await, Ended::Waiting);
    assert_eq!(ask(3, true).await, Ended::Waiting);
    let mut rounds = 0;
    while rotator.round().await.unwrap().waiting > 0 {
        rounds += 1;
        assert!(rounds < 30);
        shop.world.pass(10).await;
    }

    let mut told = told(&shop).await.split_off(1);
    // Said again for as long as it waits.
    told.dedup();
    let expected = [
        steps(Some(1), ["planned", "added"]),
        steps(Some(2), ["resumed"]),
        steps(Some(3), ["resumed"]),
        steps(Some(3), ["stored", "proved", "rotated", "retired"]),
    ];
    assert_eq!(told, expected.concat());
    assert_eq!(events(&shop).await, [("airlock.secret.rotated".to_owned(), Some(3))]);
}

#[tokio::test(start_paused = true)]
async fn an_emergency_after_the_change_names_itself_where_the_old_one_goes() {
    let shop = Shop::with(Kind::ClientSecret).await;
    let scope = shop.world.scope(CONTOSO).await;
    let claimed = demand(&shop, 2, true);
    shop.world.pass(5).await;
    let rotator = shop.rotator();
    let first = demand(&shop, 1, false);
    assert_eq!(rotator.rotate(&scope, "payroll", first).await.unwrap(), Ended::Rotated);

    rotator.rotate(&scope, "payroll", claimed).await.unwrap();

    let told = told(&shop).await;
    let (retired, before) = told.split_last().unwrap();
    assert_eq!(*retired, ("retired".to_owned(), Some(2)), "{told:?}");
    assert!(before.iter().filter(|(step, _)| step == "rotated").all(|(_, of)| *of == Some(1)));
}

#[tokio::test(start_paused = true)]
async fn a_change_that_proves_no_good_names_its_request_as_well() {
    let shop = Shop::with(Kind::ClientSecret).await;
    let scope = shop.world.scope(CONTOSO).await;
    shop.rented.add_no_good(true);

    let asked = shop.rotator().rotate(&scope, "payroll", demand(&shop, 1, false)).await.unwrap();

    assert_eq!(asked, Ended::Refused);
    let ended = told(&shop).await.split_off(3);
    assert_eq!(ended, steps(Some(1), ["proof-failed", "retired"]));
    assert_eq!(events(&shop).await, [("airlock.secret.proof-failed".to_owned(), Some(1))]);
}
