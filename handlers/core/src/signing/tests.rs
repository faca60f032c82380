//! Always the right version signs, and what it signs verifies under the key that is named.

use std::sync::{
    Arc,
    atomic::{AtomicBool, AtomicUsize, Ordering},
};

use super::*;
use crate::{
    jws::{Signed, Typ},
    keyset::{Keyset, KeysetKey},
    ledger::{Happened, Statement, statement::Data},
    memory::{
        LocalKey, SetClock,
        rotation::{Gate, Rented, Signing},
    },
};

const NAME: &str = "intake-signing";
const NOON: Timestamp = Timestamp::from_unix_s(1_790_000_000);

/// Who sign at once.
const TASKS: usize = 16;

/// An app with its key, and whoever signs the keyset.
struct Stage {
    clock: Arc<SetClock>,
    rented: Arc<Rented>,
    root: LocalKey,
}

fn key() -> LocalKey {
    LocalKey::new(&crate::jwe::private_key(&crate::memory::Dice).unwrap()).unwrap()
}

impl Stage {
    /// The key has one version.
    fn new() -> (Self, PublicKey) {
        let clock = Arc::new(SetClock::at(NOON));
        let rented = Arc::new(Rented::new(Arc::new(Gate::default()), clock.clone()));
        let first = rented.put_signing_key(NAME).unwrap();
        (Self { clock, rented, root: key() }, first)
    }

    /// The next version.
    fn renew(&self) -> PublicKey {
        self.rented.put_signing_key(NAME).unwrap()
    }

    async fn connect(&self) -> (Arc<FollowingSigner>, Arc<Signing>) {
        let vault = Arc::new(self.rented.signing(NAME));
        let signer = FollowingSigner::connect(App::Intake, vault.clone(), self.clock.clone());
        (Arc::new(signer.await.unwrap()), vault)
    }

    /// A keyset of this version that lists these, each counting from so many seconds after noon.
    async fn trust(&self, ver: u64, listed: &[(&PublicKey, i64, bool)]) -> Trust {
        let now = self.clock.now();
        let one = |(jwk, from, is_revoked): &(&PublicKey, i64, bool)| KeysetKey {
            jwk: (*jwk).clone(),
            app: App::Intake,
            signs: vec![Typ::Statement],
            nbf: NOON.plus_s(*from),
            revoked: is_revoked.then_some(now),
        };
        let keys = listed.iter().map(one).collect();
        let (exp, replacements) = (now.plus_s(86_400), Vec::new());
        let keyset = Keyset { ver, iat: now, exp, keys, replacements, secrets: None };
        let signed = Signed::sign(&keyset, &self.root).await.unwrap();
        Trust::verify(self.root.key(), &signed, now).unwrap()
    }
}

fn statement() -> Statement {
    Statement {
        specversion: "1.0".to_owned(),
        id: uuid::Uuid::nil(),
        source: "/airlock/intake".to_owned(),
        r#type: Happened::Received,
        subject: "thing".to_owned(),
        time: NOON.to_string(),
        traceparent: None,
        tenantid: "platform".to_owned(),
        principal: None,
        iss: App::Intake,
        iat: NOON,
        data: Data::default(),
    }
}

/// Signs something, and gives whose signature it is.
async fn signs(signer: &FollowingSigner, keys: &[&PublicKey]) -> usize {
    let made = Signed::sign(&statement(), signer).await.unwrap();
    let by = keys.iter().position(|key| made.verify(key, NOON).is_ok());
    by.expect("it verifies under one of them")
}

#[tokio::test]
async fn a_new_version_signs_once_it_is_listed_and_everyone_knows() {
    let (stage, first) = Stage::new();
    let (signer, vault) = stage.connect().await;
    signer.follow(&stage.trust(1, &[(&first, -60, false)]).await).await;
    let second = stage.renew();
    let both = [&first, &second];

    assert_eq!(signs(&signer, &both).await, 0);
    let listed = stage.trust(2, &[(&first, -60, false), (&second, 0, false)]).await;
    signer.follow(&listed).await;
    assert_eq!(signs(&signer, &both).await, 0, "others may not know it yet");
    stage.clock.advance_s(SETTLED_S);
    signer.follow(&listed).await;
    assert_eq!(signs(&signer, &both).await, 1);

    // One list and one public half, and nothing for each keyset that says nothing new.
    for ver in 2..50 {
        let again = stage.trust(ver, &[(&first, -60, false), (&second, 0, false)]).await;
        signer.follow(&again).await;
    }
    let calls: Vec<_> = vault.calls().into_iter().filter(|call| *call != "sign").collect();
    assert_eq!(calls, ["newest", "usable", "public"]);
}

#[tokio::test]
async fn a_process_that_starts_before_the_admission_goes_on_with_the_version_before() {
    let (stage, first) = Stage::new();
    let second = stage.renew();
    let (signer, vault) = stage.connect().await;
    assert_eq!(signer.current(), second);

    signer.follow(&stage.trust(1, &[(&first, -60, false)]).await).await;

    assert_eq!(signs(&signer, &[&first, &second]).await, 0);
    assert_eq!(vault.calls()[..4], ["newest", "usable", "public", "sign"]);
}

#[tokio::test]
async fn a_key_that_nobody_admitted_stays_what_it_was() {
    let (stage, first) = Stage::new();
    let (signer, _) = stage.connect().await;
    let stranger = key();

    signer.follow(&stage.trust(1, &[(stranger.key(), -60, false)]).await).await;

    assert_eq!(signer.current(), first, "no version is listed: the ledger takes nothing of it");
}

#[tokio::test]
async fn a_version_whose_key_was_revoked_signs_nothing_more() {
    let (stage, first) = Stage::new();
    let (signer, _) = stage.connect().await;
    signer.follow(&stage.trust(1, &[(&first, -60, false)]).await).await;
    let second = stage.renew();

    let listed = [(&first, -60, true), (&second, 0, false)];
    signer.follow(&stage.trust(2, &listed).await).await;

    assert_eq!(signs(&signer, &[&first, &second]).await, 1, "at once: there is no other");
}

#[tokio::test]
async fn a_version_that_was_disabled_fails_nobody() {
    let (stage, first) = Stage::new();
    let second = stage.renew();
    let (signer, vault) = stage.connect().await;
    let settled = [(&first, -SETTLED_S, false), (&second, -SETTLED_S, false)];
    signer.follow(&stage.trust(1, &settled).await).await;
    let both = [&first, &second];
    assert_eq!(signs(&signer, &both).await, 1);

    stage.rented.disable_key(NAME, &second);

    assert_eq!(signs(&signer, &both).await, 0);
    let (other, _) = stage.connect().await;
    assert_eq!(other.current(), first, "a process that starts does not need the newest");
    stage.rented.disable_key(NAME, &first);
    let before = vault.calls().len();
    for _ in 0..20 {
        assert!(Signed::sign(&statement(), &*signer).await.is_err());
    }
    let lists = vault.calls().split_off(before).into_iter().filter(|call| *call == "usable");
    assert!(lists.count() <= 1, "not one for each signature");
}

#[tokio::test]
async fn a_vault_that_does_not_answer_is_asked_later() {
    let (stage, first) = Stage::new();
    let (signer, vault) = stage.connect().await;
    signer.follow(&stage.trust(1, &[(&first, -60, false)]).await).await;
    let second = stage.renew();
    let listed = [(&first, -60, false), (&second, -SETTLED_S, false)];
    let listed = stage.trust(2, &listed).await;

    vault.lose(true);
    for _ in 0..20 {
        signer.follow(&listed).await;
    }
    vault.lose(false);
    assert_eq!(vault.calls(), ["newest", "usable"], "not for each request");
    assert_eq!(signs(&signer, &[&first, &second]).await, 0);

    stage.clock.advance_s(AGAIN_S);
    signer.follow(&listed).await;
    assert_eq!(signs(&signer, &[&first, &second]).await, 1);
}

#[tokio::test]
async fn an_older_keyset_changes_nothing() {
    let (stage, first) = Stage::new();
    let second = stage.renew();
    let (signer, _) = stage.connect().await;
    let settled = [(&first, -SETTLED_S, false), (&second, -SETTLED_S, false)];
    signer.follow(&stage.trust(2, &settled).await).await;

    signer.follow(&stage.trust(1, &settled[..1]).await).await;

    assert_eq!(signs(&signer, &[&first, &second]).await, 1);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn a_signature_is_the_named_keys_however_many_sign_while_versions_change() {
    let (stage, first) = Stage::new();
    let (signer, _) = stage.connect().await;
    let mut keys = vec![first];
    signer.follow(&stage.trust(1, &[(&keys[0], -SETTLED_S, false)]).await).await;
    let over = Arc::new(AtomicBool::new(false));
    let made: Arc<Vec<AtomicUsize>> = Arc::new((0..TASKS).map(|_| AtomicUsize::new(0)).collect());
    let mut signing = tokio::task::JoinSet::new();
    for task in 0..TASKS {
        let (signer, over, made) = (Arc::clone(&signer), Arc::clone(&over), Arc::clone(&made));
        signing.spawn(async move {
            let mut all = Vec::new();
            while !over.load(Ordering::Relaxed) {
                all.push(Signed::sign(&statement(), &*signer).await.unwrap());
                made[task].fetch_add(1, Ordering::Relaxed);
            }
            all
        });
    }

    for ver in 2..8 {
        keys.push(stage.renew());
        let listed: Vec<_> = keys.iter().map(|key| (key, -SETTLED_S, false)).collect();
        signer.follow(&stage.trust(ver, &listed).await).await;
        let before = usize::try_from(ver).unwrap() - 2;
        // What is being signed with it goes on with the next one.
        stage.rented.disable_key(NAME, &keys[before]);
        // Each ends what it is at, and begins and ends another, before there is one more version.
        let soon: Vec<_> = made.iter().map(|made| made.load(Ordering::Relaxed) + 2).collect();
        while made.iter().zip(&soon).any(|(made, soon)| made.load(Ordering::Relaxed) < *soon) {
            assert!(signing.try_join_next().is_none(), "no change fails who signs");
            tokio::time::sleep(std::time::Duration::from_millis(1)).await;
        }
    }
    over.store(true, Ordering::Relaxed);

    let mut by = std::collections::BTreeMap::<usize, usize>::new();
    for signed in signing.join_all().await.into_iter().flatten() {
        let named = keys.iter().position(|key| key.thumbprint() == signed.key()).unwrap();
        assert!(signed.verify(&keys[named], NOON).is_ok(), "it is the named key's");
        *by.entry(named).or_default() += 1;
    }
    println!("signatures by version: {by:?}");
    for later in 1..keys.len() {
        assert!(
            by.get(&later).is_some_and(|made| *made >= TASKS),
            "each signs with version {later}"
        );
    }
}
