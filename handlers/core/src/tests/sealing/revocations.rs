//! Who undoes a sign-out in the database is found out by what the ledger was told of it.

use super::Book;
use crate::{
    identity::{App, Role::Approver},
    jws::Signed,
    memory::LocalKey,
    ports::Partition,
    revocation::{COUNTS_S, Revocation, StoredRevocation, person_id},
    tests::world::{CONTOSO, Client, FABRIKAM, World},
};

/// A deployment in which a person's sessions were revoked twice, and the ledger was told.
struct Revoked {
    book: Book,
    april: Client,
    /// What was stored the first time.
    before: serde_json::Value,
}

async fn store(world: &World, revocation: &Revocation, key: &LocalKey) {
    let signed = Signed::sign(revocation, key).await.unwrap();
    let stored = StoredRevocation::new(revocation, signed);
    let partition = Partition::revocations(revocation.tid);
    let json = serde_json::to_value(&stored).unwrap();
    world.documents.overwrite(&partition, &stored.id, json);
}

impl Revoked {
    async fn new() -> Self {
        let book = Book::new().await;
        let world = &book.world;
        let april = world.sign_in(CONTOSO, 1, &[Approver]).await;
        let first = world.revoke(&april).await;
        world.tell(&april, &first).await;
        let before = world.documents.all(&Partition::revocations(CONTOSO));
        let before = before[&person_id(april.id())].clone();
        world.clock.advance_s(20);
        let second = Revocation { nbf: world.now(), iat: world.now(), ..first };
        store(world, &second, world.key_of(App::Signin)).await;
        world.tell(&april, &second).await;
        Self { book, april, before }
    }

    fn id(&self) -> String {
        person_id(self.april.id())
    }

    /// What is stored now.
    fn stored(&self) -> serde_json::Value {
        self.book.world.documents.all(&Partition::revocations(CONTOSO))[&self.id()].clone()
    }

    fn overwrite(&self, json: serde_json::Value) {
        let partition = Partition::revocations(CONTOSO);
        self.book.world.documents.overwrite(&partition, &self.id(), json);
    }
}

#[tokio::test]
async fn a_revocation_that_is_there_is_in_order_and_so_is_one_that_went_further_since() {
    let revoked = Revoked::new().await;
    let world = &revoked.book.world;
    // Nobody has told the ledger of this one yet.
    let told = StoredRevocation::read(crate::ports::Found {
        json: revoked.stored(),
        etag: crate::ports::Etag("1".to_owned()),
    });
    let told = told.unwrap().open(&world.trust().await, world.now()).unwrap();
    let further = Revocation { nbf: world.now().plus_s(60), iat: world.now(), ..told };
    store(world, &further, world.key_of(App::Signin)).await;

    assert_eq!(revoked.book.audited().await, None);
}

#[tokio::test]
async fn a_sign_out_that_is_undone_stops_the_tenant_and_no_other() {
    let revoked = Revoked::new().await;
    let world = &revoked.book.world;
    world.documents.forget(&Partition::revocations(CONTOSO), &revoked.id());
    assert_eq!(revoked.book.audited().await.as_deref(), Some("a document is missing"));
    let fabrikam = revoked.book.partition(FABRIKAM).await;
    assert!(revoked.book.refused(&fabrikam).await.is_none());

    let revoked = Revoked::new().await;
    revoked.overwrite(revoked.before.clone());
    let reason = revoked.book.audited().await;
    assert_eq!(reason.as_deref(), Some("a document was put back to an earlier state"));
}

#[tokio::test]
async fn a_revocation_that_says_something_else_than_was_signed_stops_the_tenant() {
    for (member, value) in [
        ("id", serde_json::json!("0")),
        ("tenant", FABRIKAM.to_string().into()),
        ("person", "somebody else".into()),
        ("at", 1.into()),
        ("more", "x".into()),
    ] {
        let revoked = Revoked::new().await;
        let mut stored = revoked.stored();
        stored[member] = value;
        revoked.overwrite(stored);
        let reason = revoked.book.audited().await;
        assert_eq!(reason.as_deref(), Some("a document is not genuine"), "{member}");
    }

    // Of another kind it is no revocation, and then one is missing.
    let revoked = Revoked::new().await;
    let mut stored = revoked.stored();
    stored["kind"] = "remark".into();
    revoked.overwrite(stored);
    assert_eq!(revoked.book.audited().await.as_deref(), Some("a document is missing"));
}

#[tokio::test]
async fn a_revocation_by_a_key_that_was_revoked_since_is_still_there() {
    let revoked = Revoked::new().await;
    revoked.book.world.clock.advance_s(5);
    revoked.book.world.revoke_key_of(App::Signin).await;

    assert_eq!(revoked.book.audited().await, None);
}

#[tokio::test]
async fn a_revocation_that_nobody_can_need_any_more_may_go() {
    let revoked = Revoked::new().await;
    let world = &revoked.book.world;
    world.clock.advance_s(COUNTS_S);
    world.documents.forget(&Partition::revocations(CONTOSO), &revoked.id());

    assert_eq!(revoked.book.audited().await, None);
}
