//! What names people is encrypted wherever we keep it.

use std::sync::{
    Arc,
    atomic::{AtomicUsize, Ordering::SeqCst},
};

use async_trait::async_trait;
use serde_json::{Value, json};
use uuid::Uuid;

use super::world::{CONTOSO, FABRIKAM, NINA, OLGA, World};
use crate::{
    base64url,
    data_keys::{DataKeys, KEPT_S},
    decision::Verdict,
    identity::{
        App,
        Role::{Approver, HelpdeskAgent},
    },
    ledger::{Document, Happened, Ledger, NotRead, Stored, document::Unsigned},
    memory::{Fault, Mask},
    ports::{Documents as _, Partition, PortError, Ports, WrappedKey, Wrapper},
    reception::{NotReceived, RequestName},
    record::{Record, document_id},
};

/// Counts what it unwraps.
#[derive(Clone, Default)]
struct Counting(Arc<AtomicUsize>);

#[async_trait]
impl Wrapper for Counting {
    fn of(&self, _: &Partition) -> Arc<dyn Wrapper> {
        Arc::new(self.clone())
    }

    async fn wrap(&self, key: &[u8; 32]) -> Result<WrappedKey, PortError> {
        Mask.wrap(key).await
    }

    async fn unwrap(&self, key: &WrappedKey) -> Result<[u8; 32], PortError> {
        self.0.fetch_add(1, SeqCst);
        Mask.unwrap(key).await
    }
}

/// A vault that does not answer.
struct Down;

#[async_trait]
impl Wrapper for Down {
    fn of(&self, _: &Partition) -> Arc<dyn Wrapper> {
        Arc::new(Self)
    }

    async fn wrap(&self, _: &[u8; 32]) -> Result<WrappedKey, PortError> {
        Err(PortError::Unavailable("down".into()))
    }

    async fn unwrap(&self, _: &WrappedKey) -> Result<[u8; 32], PortError> {
        Err(PortError::Unavailable("down".into()))
    }
}

async fn partition(world: &World) -> Partition {
    Partition::tenant(&world.scope(CONTOSO).await)
}

fn data_key(world: &World, partition: &Partition) -> (String, Value) {
    let documents = world.documents.all(partition);
    let mut keys = documents.into_iter().filter(|(_, json)| json["kind"] == "data-key");
    let key = keys.next().unwrap();
    assert!(keys.next().is_none());
    key
}

/// Another process's data keys, and how often it asked the vault.
fn other_process(world: &World) -> (DataKeys, Arc<Counting>) {
    let counting = Arc::new(Counting::default());
    let ports = Ports { wrapper: counting.clone(), ..world.ports(App::Execute) };
    let ledger = Ledger::new(App::Execute, &ports, Arc::new(world.trust_store()));
    (DataKeys::new(&ports, Arc::new(ledger)), counting)
}

async fn read(world: &World, keys: &DataKeys, id: &str) -> Result<Document<Record>, NotRead> {
    let (partition, trust) = (partition(world).await, world.trust().await);
    let digest = RequestName::parse(id).unwrap().digest;
    let found = world.documents.read(&partition, &document_id(digest)).await.unwrap().unwrap();
    Document::open_sealed(found, keys.of(&trust, &partition), world.now()).await
}

#[tokio::test]
async fn neither_the_store_nor_the_bus_says_who_asked_what_of_whom_or_why() {
    let world = World::new().await;
    let harriet = world.sign_in(CONTOSO, 0x7777_1111, &[HelpdeskAgent]).await;
    let april = world.sign_in(CONTOSO, 0x7777_2222, &[Approver]).await;

    let view = world.submit(&harriet, &world.ask(&harriet, "account.disable", NINA)).await.unwrap();
    world.decide(&april, &view.id, Verdict::Approve).await.unwrap();
    assert!(world.deliver(&world.worker(), 1).await);
    assert_eq!(world.state(&view.id).await.0, "succeeded");

    let documents = format!("{:?}", world.documents.all(&partition(&world).await));
    for told in ["ticket 4711", "looked at it", "account.disable"] {
        assert!(!documents.contains(told), "{told} is stored in clear");
        let encoded = base64url::encode(told);
        assert!(!documents.contains(encoded.trim_end_matches('=')), "{told} is only encoded");
    }
    for person in [harriet.id().oid, april.id().oid, NINA] {
        assert!(!documents.contains(&person.to_string()), "{person} is stored in clear");
    }
    let sent = world.bus.all();
    let (_, permit) = sent.iter().find(|(queue, _)| queue.starts_with("permits")).unwrap();
    let permit: Value = serde_json::from_slice(&permit.body).unwrap();
    assert_eq!(permit.as_object().unwrap().keys().collect::<Vec<_>>(), ["attempt", "permit"]);
}

#[tokio::test]
async fn a_tenants_data_key_is_made_once_and_unwrapped_anew_every_five_minutes() {
    let world = World::new().await;
    let harriet = world.sign_in(CONTOSO, 1, &[HelpdeskAgent]).await;
    let first =
        world.submit(&harriet, &world.ask(&harriet, "sessions.revoke", NINA)).await.unwrap();
    let second =
        world.submit(&harriet, &world.ask(&harriet, "sessions.revoke", OLGA)).await.unwrap();
    data_key(&world, &partition(&world).await);
    let (keys, vault) = other_process(&world);

    for view in [&first, &second, &first] {
        assert!(read(&world, &keys, &view.id).await.is_ok());
    }
    assert_eq!(vault.0.load(SeqCst), 1);

    world.pass(KEPT_S - 1).await;
    assert!(read(&world, &keys, &first.id).await.is_ok());
    assert_eq!(vault.0.load(SeqCst), 1);
    world.clock.advance_s(1);
    keys.forget_old();
    assert!(read(&world, &keys, &first.id).await.is_ok());
    assert_eq!(vault.0.load(SeqCst), 2);
}

#[tokio::test]
async fn after_thirty_days_another_key_encrypts_and_the_old_one_still_opens() {
    let world = World::new().await;
    let harriet = world.sign_in(CONTOSO, 1, &[HelpdeskAgent]).await;
    let old = world.submit(&harriet, &world.ask(&harriet, "sessions.revoke", NINA)).await.unwrap();

    world.pass(30 * 24 * 3600).await;
    let harriet = world.sign_in(CONTOSO, 1, &[HelpdeskAgent]).await;
    let new = world.submit(&harriet, &world.ask(&harriet, "sessions.revoke", NINA)).await.unwrap();

    let documents = world.documents.all(&partition(&world).await);
    let key_of = |id: &str| {
        let digest = RequestName::parse(id).unwrap().digest;
        documents[&document_id(digest)]["sealed"]["key"].as_str().unwrap().to_owned()
    };
    assert_ne!(key_of(&old.id), key_of(&new.id));
    let (keys, vault) = other_process(&world);
    assert!(read(&world, &keys, &old.id).await.is_ok());
    assert!(read(&world, &keys, &new.id).await.is_ok());
    assert_eq!(vault.0.load(SeqCst), 2);
}

#[tokio::test]
async fn two_processes_that_begin_at_once_use_one_key() {
    let world = World::new().await;
    let (here, there) = (other_process(&world).0, other_process(&world).0);
    let (partition, trust) = (partition(&world).await, world.trust().await);

    let (one, other) = tokio::join!(
        here.of(&trust, &partition).seal("one", None, "text"),
        there.of(&trust, &partition).seal("other", None, "text"),
    );

    data_key(&world, &partition);
    let (one, other) = (one.unwrap(), other.unwrap());
    assert_eq!(one.sealed.key, other.sealed.key);
    // Each opens what the other encrypted.
    let opened = there.of(&trust, &partition).open("one", &one.sealed).await.unwrap();
    assert_eq!(opened.text(), "text");
    assert!(here.of(&trust, &partition).open("other", &other.sealed).await.is_ok());
}

#[tokio::test]
async fn a_key_whose_commit_failed_or_whose_answer_was_lost_is_made_once() {
    for fault in [Fault::Fails, Fault::LosesAnswer, Fault::Repeats] {
        let world = World::new().await;
        let harriet = world.sign_in(CONTOSO, 1, &[HelpdeskAgent]).await;
        let ask = world.ask(&harriet, "sessions.revoke", NINA);
        world.documents.next_batches([fault]);

        // The ledger itself tries again.
        let view = world.submit(&harriet, &ask).await.unwrap();

        data_key(&world, &partition(&world).await);
        let (keys, _) = other_process(&world);
        assert!(read(&world, &keys, &view.id).await.is_ok(), "{fault:?}");
    }
}

#[tokio::test]
async fn a_data_key_of_somebody_elses_is_not_used() {
    // Anybody can wrap a key of their own, and the database's owner can put it there.
    let world = World::new().await;
    let harriet = world.sign_in(CONTOSO, 1, &[HelpdeskAgent]).await;
    let partition = partition(&world).await;
    let view = world.submit(&harriet, &world.ask(&harriet, "sessions.revoke", NINA)).await.unwrap();
    let (id, genuine) = data_key(&world, &partition);
    let wrapped = Mask.wrap(&[9; 32]).await.unwrap();
    let body = json!({ "kid": wrapped.kid, "wrapped": base64url::encode(wrapped.wrapped) });

    let mut unsigned = genuine.clone();
    unsigned["body"] = body.to_string().into();
    // Signin's key is not intake's: it signs statements, and none that count here.
    let by_signin = Unsigned {
        id: id.clone(),
        partition: partition.key().to_owned(),
        kind: "data-key",
        at: 0,
        salt: [1; 16],
        body: body.to_string(),
        happened: Happened::DataKeyMade,
        statement: Uuid::new_v4(),
    };
    let signin = world.key_of(App::Signin);
    let by_signin = Stored::sign(by_signin, App::Signin, signin, world.now()).await.unwrap();
    for planted in [unsigned, by_signin.to_json().unwrap()] {
        world.documents.overwrite(&partition, &id, planted);
        let before = world.documents.all(&partition);
        let recorded = world.ledger(&Partition::platform()).await.len();
        let desk = world.desk();

        let request = world.ask(&harriet, "sessions.revoke", OLGA);
        let request = crate::jws::Signed::sign(&request, &harriet.key).await.unwrap();
        let taken = desk.submit(&harriet.caller, request, None, None).await;

        assert!(matches!(taken, Err(NotReceived::Violation(_))), "{taken:?}");
        assert_eq!(world.documents.all(&partition), before);
        let platform = world.ledger(&Partition::platform()).await;
        assert_eq!(platform.len(), recorded + 1);
        assert_eq!(platform.last().unwrap(), "airlock.integrity.violation");
    }
    // What was there before is not read with it either.
    let shown = world.desk().show(&harriet.caller, RequestName::parse(&view.id).unwrap()).await;
    assert!(matches!(shown, Err(NotReceived::Violation(_))));
}

#[tokio::test]
async fn after_the_database_was_put_back_a_key_that_was_made_anew_is_read_anew() {
    let world = World::new().await;
    let partition = partition(&world).await;
    let trust = world.trust().await;
    let (here, there) = (other_process(&world).0, other_process(&world).0);
    here.of(&trust, &partition).seal("request-1", None, "text").await.unwrap();
    for id in world.documents.all(&partition).into_keys() {
        world.documents.forget(&partition, &id);
    }

    let contents = there.of(&trust, &partition).seal("request-1", None, "text").await.unwrap();
    let opened = here.of(&trust, &partition).open("request-1", &contents.sealed).await;

    assert_eq!(opened.unwrap().text(), "text");
}

#[tokio::test]
async fn documents_that_were_spoiled_do_not_make_us_ask_the_vault_for_each() {
    let world = World::new().await;
    let harriet = world.sign_in(CONTOSO, 1, &[HelpdeskAgent]).await;
    let view = world.submit(&harriet, &world.ask(&harriet, "sessions.revoke", NINA)).await.unwrap();
    let partition = partition(&world).await;
    let id = document_id(RequestName::parse(&view.id).unwrap().digest);
    let mut spoiled = world.documents.all(&partition)[&id].clone();
    spoiled["sealed"]["iv"] = json!("AAAAAAAAAAAAAAAA");
    world.documents.overwrite(&partition, &id, spoiled);
    let (keys, vault) = other_process(&world);

    for _ in 0..5 {
        let opened = read(&world, &keys, &view.id).await;
        assert!(matches!(opened, Err(NotRead::NotGenuine(_))));
    }

    assert_eq!(vault.0.load(SeqCst), 1);
}

#[tokio::test]
async fn after_its_makers_key_was_revoked_a_data_key_has_a_successor() {
    let world = World::new().await;
    let (partition, trust) = (partition(&world).await, world.trust().await);
    let before = world.data_keys();
    let before = before.of(&trust, &partition).seal("request-1", None, "text").await.unwrap();
    let (first, _) = data_key(&world, &partition);
    world.pass(1).await;

    world.revoke_key_of(App::Intake).await;
    let (keys, _) = other_process(&world);
    let trust = world.trust().await;
    let contents = keys.of(&trust, &partition).seal("request-2", None, "text").await.unwrap();

    assert_eq!(contents.sealed.key, format!("{first}.1"));
    let again = keys.of(&trust, &partition).open("request-1", &before.sealed).await;
    assert_eq!(again.unwrap().text(), "text", "anchored before: still read, no longer used");
    let contents = keys.of(&trust, &partition).seal("request-2", None, "text").await.unwrap();
    assert_eq!(contents.sealed.key, format!("{first}.1"));
    let opened = other_process(&world).0;
    let opened = opened.of(&trust, &partition).open("request-2", &contents.sealed).await;
    assert_eq!(opened.unwrap().text(), "text");
}

#[tokio::test]
async fn a_ciphertext_opens_in_its_own_place_alone() {
    let world = World::new().await;
    let keys = world.data_keys();
    let (contoso, trust) = (partition(&world).await, world.trust().await);
    let fabrikam = Partition::tenant(&world.scope(FABRIKAM).await);
    let contents = keys.of(&trust, &contoso).seal("request-1", None, "text").await.unwrap();
    keys.of(&trust, &fabrikam).seal("request-1", None, "text").await.unwrap();

    let here = keys.of(&trust, &contoso).open("request-1", &contents.sealed).await;
    let as_another = keys.of(&trust, &contoso).open("request-2", &contents.sealed).await;
    let of_another = keys.of(&trust, &fabrikam).open("request-1", &contents.sealed).await;

    assert_eq!(here.unwrap().text(), "text");
    assert!(as_another.is_err());
    assert!(of_another.is_err());
}

#[tokio::test]
async fn without_the_vault_nothing_is_read_taken_or_done() {
    let world = World::new().await;
    let harriet = world.sign_in(CONTOSO, 1, &[HelpdeskAgent]).await;
    let view = world.submit(&harriet, &world.ask(&harriet, "sessions.revoke", NINA)).await.unwrap();
    let ports = Ports { wrapper: Arc::new(Down), ..world.ports(App::Intake) };
    let desk = world.desk_over(ports);
    let stored = world.documents.all(&partition(&world).await);

    let name = RequestName::parse(&view.id).unwrap();
    let shown = desk.show(&harriet.caller, name).await;
    let request = world.ask(&harriet, "sessions.revoke", OLGA);
    let request = crate::jws::Signed::sign(&request, &harriet.key).await.unwrap();
    let taken = desk.submit(&harriet.caller, request, None, None).await;

    assert!(matches!(shown, Err(NotReceived::Port(_))));
    assert!(matches!(taken, Err(NotReceived::Port(_))), "{taken:?}");
    assert_eq!(world.documents.all(&partition(&world).await), stored);
}
