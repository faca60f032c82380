//! What writers believe of a ledger: what was sealed, what extends it, and nothing else.

mod stage;

use self::stage::{AtWork, add, contoso, creating, head, process, statement, violation};
use super::world::{CONTOSO, FABRIKAM, NINA, World, key};
use crate::{
    identity::{App, Role::HelpdeskAgent},
    jws::{NotVerified, Signed},
    ledger::{
        Commit, Frontier, Happened, NotCommitted, NotProven, Statement,
        commit::{HEAD, StoredHead, StoredLeaf, leaf_id},
        merkle::leaf_hash,
    },
    memory::{Fault, LocalKey},
    ports::Partition,
    reception::NotReceived,
    trust::NotTrusted,
};

#[tokio::test]
async fn a_process_at_work_proves_a_tree_without_a_call_and_commits_with_one() {
    let world = World::new().await;
    let partition = contoso(&world).await;
    let (ledger, watched) = process(&world);
    let (trust, now) = (world.trust().await, world.now());
    ledger.commit(&partition, creating("a"), now).await.unwrap();
    world.seal().await;
    ledger.commit(&partition, creating("b"), now).await.unwrap();
    let anchors = world.anchors.calls();
    watched.calls();

    for name in ["c", "d", "e"] {
        ledger.proven(&partition, &trust, now).await.unwrap();
        ledger.commit(&partition, creating(name), now).await.unwrap();
    }

    assert_eq!(watched.calls(), [0, 0, 3]);
    assert_eq!(world.anchors.calls(), anchors);
}

#[tokio::test]
async fn a_process_that_starts_reads_the_anchor_the_head_and_what_is_not_sealed() {
    let world = World::new().await;
    let partition = contoso(&world).await;
    let (writer, _) = process(&world);
    let (trust, now) = (world.trust().await, world.now());
    writer.commit(&partition, creating("a"), now).await.unwrap();
    world.seal().await;
    let sealed = head(&world, &partition).frontier;

    let (covered, watched) = process(&world);
    let anchors = world.anchors.calls();
    let proven = covered.proven(&partition, &trust, now).await.unwrap();
    assert_eq!(watched.calls(), [1, 0, 0], "the head alone");
    assert_eq!(world.anchors.calls() - anchors, 2, "one list, one read");
    assert_eq!((proven.size, proven.root), (sealed.size(), sealed.root()));
    assert_eq!((proven.binding, proven.keyset), (1, 1));

    writer.commit(&partition, creating("b"), now).await.unwrap();
    let (uncovered, watched) = process(&world);
    let anchors = world.anchors.calls();
    let proven = uncovered.proven(&partition, &trust, now).await.unwrap();
    assert_eq!(watched.calls(), [1, 1, 0], "the head, and the leaves on the way to it");
    assert_eq!(world.anchors.calls() - anchors, 2);
    assert_eq!(proven.size, sealed.size(), "what a permit names is sealed");
}

#[tokio::test]
async fn what_another_process_wrote_is_read_and_verified_before_it_is_built_upon() {
    let world = World::new().await;
    let partition = contoso(&world).await;
    let ((one, watched), (other, _)) = (process(&world), process(&world));
    one.commit(&partition, creating("a"), world.now()).await.unwrap();
    other.commit(&partition, creating("b"), world.now()).await.unwrap();
    other.commit(&partition, creating("c"), world.now()).await.unwrap();
    watched.calls();

    let committed = one.commit(&partition, creating("d"), world.now()).await.unwrap();

    assert_eq!(committed.index, 3);
    // A batch that lost, a look for oneself, the head, the leaves, and a batch that won.
    assert_eq!(watched.calls(), [1, 2, 2]);
}

#[tokio::test(start_paused = true)]
async fn nothing_goes_on_in_a_tree_that_is_not_what_was_sealed() {
    type Tampering = fn(&AtWork);
    let tamperings: [(&str, Tampering); 7] = [
        ("the partition is put back", AtWork::roll_back),
        ("the head is put back", |at| {
            at.world.documents.overwrite(&at.partition, HEAD, at.earlier[HEAD].clone());
        }),
        ("the head is gone", |at| at.world.documents.forget(&at.partition, HEAD)),
        ("the head contradicts itself", |at| {
            let mut head = at.earlier[HEAD].clone();
            head["root"] = crate::digest::Digest::of(&[b"another"]).to_string().into();
            at.world.documents.overwrite(&at.partition, HEAD, head);
        }),
        ("the head is of another epoch", |at| {
            let head = StoredHead::new(&at.partition, 1, Frontier::empty());
            let head = serde_json::to_value(head).unwrap();
            at.world.documents.overwrite(&at.partition, HEAD, head);
        }),
        ("the tree is emptied", |at| {
            for id in at.world.documents.all(&at.partition).into_keys() {
                at.world.documents.forget(&at.partition, &id);
            }
        }),
        ("the head is that of a tree which begins with other leaves", |at| {
            let size = head(&at.world, &at.partition).frontier.size();
            let mut frontier = Frontier::empty();
            (0..size).for_each(|n| frontier.push(leaf_hash(&n.to_be_bytes())));
            let head = StoredHead::new(&at.partition, 0, frontier);
            let head = serde_json::to_value(head).unwrap();
            at.world.documents.overwrite(&at.partition, HEAD, head);
        }),
    ];
    for (what, tamper) in tamperings {
        let at = AtWork::new().await;

        tamper(&at);

        at.nothing_goes_on(what, violation).await;
        let told = at.world.ledger(&Partition::platform()).await;
        assert!(told.contains(&"airlock.integrity.violation".to_owned()), "{what}: {told:?}");
    }
}

#[tokio::test(start_paused = true)]
async fn a_leaf_that_is_not_ours_is_not_built_upon_however_well_the_head_fits() {
    let stranger = key();
    for what in ["a stranger's", "another tenant's", "written twice", "in the wrong purpose"] {
        let at = AtWork::new().await;
        let (world, partition) = (&at.world, &at.partition);
        let signin = world.key_of(App::Signin);
        let forged = match what {
            "a stranger's" => statement(world, partition.key(), App::Signin, &stranger).await,
            "another tenant's" => {
                statement(world, &FABRIKAM.to_string(), App::Signin, signin).await
            }
            "in the wrong purpose" => {
                let checkpoints =
                    LocalKey::new(&crate::jwe::private_key(&crate::memory::Dice).unwrap());
                statement(world, partition.key(), App::Drift, &checkpoints.unwrap()).await
            }
            _ => {
                let last = head(world, partition).frontier.size() - 1;
                let leaf = world.documents.all(partition)[&leaf_id(0, last)].clone();
                serde_json::from_value::<StoredLeaf>(leaf).unwrap().statement
            }
        };

        add(world, partition, &forged);

        at.nothing_goes_on(what, violation).await;
    }
}

#[tokio::test(start_paused = true)]
async fn a_leaf_that_is_gone_or_was_changed_stops_whoever_has_not_seen_it() {
    for what in ["gone", "another's place", "another's words"] {
        let at = AtWork::new().await;
        let (world, partition) = (&at.world, &at.partition);
        let last = head(world, partition).frontier.size() - 1;
        let id = leaf_id(0, last);
        let mut leaf = world.documents.all(partition)[&id].clone();
        let before = world.documents.all(partition)[&leaf_id(0, last - 1)].clone();
        match what {
            "gone" => world.documents.forget(partition, &id),
            "another's place" => {
                leaf["at"] = 0.into();
                world.documents.overwrite(partition, &id, leaf);
            }
            _ => {
                leaf["statement"] = before["statement"].clone();
                leaf["digest"] = before["digest"].clone();
                leaf["subject"] = before["subject"].clone();
                world.documents.overwrite(partition, &id, leaf);
            }
        }
        let (cold, _) = process(world);

        let proven = cold.proven(partition, &world.trust().await, world.now()).await;
        let committed = cold.commit(partition, creating("more"), world.now()).await;

        assert!(proven.as_ref().is_err_and(NotProven::is_violation), "{what}: {proven:?}");
        let refused = matches!(
            &committed,
            Err(NotCommitted::NotProven(error)) if error.is_violation()
        );
        assert!(refused, "{what}: {committed:?}");
    }
}

#[tokio::test]
async fn a_process_does_not_forget_what_it_has_seen_because_it_is_contradicted() {
    let at = AtWork::new().await;
    let (world, partition) = (&at.world, &at.partition);
    let (warm, _) = process(world);
    let (trust, now) = (world.trust().await, world.now());
    let earlier = world.documents.all(partition);
    warm.commit(partition, creating("seen"), now).await.unwrap();

    // Still an extension of what was sealed: only who has seen more knows.
    for id in world.documents.all(partition).into_keys() {
        world.documents.forget(partition, &id);
    }
    for (id, json) in earlier {
        world.documents.overwrite(partition, &id, json);
    }

    for _ in 0..2 {
        let refused = warm.commit(partition, creating("more"), now).await;
        let is_violation = matches!(
            &refused,
            Err(NotCommitted::NotProven(error)) if error.is_violation()
        );
        assert!(is_violation, "{refused:?}");
    }
    assert!(process(world).0.proven(partition, &trust, now).await.is_ok());
}

#[tokio::test]
async fn while_drift_is_down_for_a_minute_nothing_is_decided_and_later_it_goes_on() {
    let at = AtWork::new().await;
    let world = &at.world;

    world.clock.advance_s(59);
    at.submit(&world.desk(), &at.harriet).await.unwrap();
    world.clock.advance_s(2);

    at.nothing_goes_on("not sealed", |error| matches!(error, NotProven::Stale)).await;
    let (queue, copy) = world.bus.all().pop().unwrap();
    assert!(queue.starts_with("permits") && copy.not_before.is_some(), "tried again later");

    world.seal().await;
    at.submit(&world.reception, &at.harriet).await.unwrap();
    assert!(world.deliver_permit(&world.worker()).await);
    assert_eq!(world.effects(), 1);
}

#[tokio::test]
async fn what_has_happened_is_written_even_if_the_tree_is_not_sealed() {
    let world = World::new().await;
    let partition = contoso(&world).await;
    let (ledger, _) = process(&world);
    ledger.commit(&partition, creating("a"), world.now()).await.unwrap();
    world.clock.advance_s(61);

    let decision = ledger.commit(&partition, creating("b"), world.now()).await;
    let ended = Commit { happened: Happened::Ended, ..creating("c") };
    let ended = ledger.commit(&partition, ended, world.now()).await;

    assert!(matches!(decision, Err(NotCommitted::NotProven(NotProven::Stale))), "{decision:?}");
    assert_eq!(ended.unwrap().index, 1);
}

#[tokio::test]
async fn a_process_that_did_not_look_for_a_minute_looks_before_it_decides() {
    let world = World::new().await;
    let partition = contoso(&world).await;
    let (idle, watched) = process(&world);
    let trust = world.trust().await;
    idle.commit(&partition, creating("a"), world.now()).await.unwrap();
    world.pass(61).await;
    watched.calls();
    let anchors = world.anchors.calls();

    idle.proven(&partition, &trust, world.now()).await.unwrap();

    assert_eq!(watched.calls()[0], 1, "the head");
    assert_eq!(world.anchors.calls() - anchors, 2, "a list, and the anchor that is new");
}

#[tokio::test]
async fn a_tree_in_use_is_looked_at_beside_the_work() {
    let world = World::new().await;
    let partition = contoso(&world).await;
    let (ledger, watched) = process(&world);
    let trust = world.trust().await;
    ledger.commit(&partition, creating("a"), world.now()).await.unwrap();
    world.pass(10).await;
    watched.calls();

    let before = ledger.proven(&partition, &trust, world.now()).await.unwrap();
    super::world::settle().await;
    let after = ledger.proven(&partition, &trust, world.now()).await.unwrap();

    assert_eq!((before.size, after.size > 0), (0, true), "found without anybody waiting for it");
}

#[tokio::test]
async fn a_tree_that_was_refused_stops_every_writer() {
    let at = AtWork::new().await;
    let (world, partition) = (&at.world, &at.partition);
    // A second leaf with the same statement: drift sees it, and it is not taken back.
    let last = head(world, partition).frontier.size() - 1;
    let leaf = world.documents.all(partition)[&leaf_id(0, last)].clone();
    let before = world.documents.all(partition);
    add(world, partition, &serde_json::from_value::<StoredLeaf>(leaf).unwrap().statement);
    let sealer = world.drift();
    let mut refused = sealer.round().await.unwrap().refused;
    world.clock.advance_s(crate::sealing::CONFIRM_S);
    refused += sealer.round().await.unwrap().refused;
    assert!(refused > 0);

    // Whoever did it puts everything right again: too late.
    world.documents.forget(partition, &leaf_id(0, last + 1));
    for (id, json) in before {
        world.documents.overwrite(partition, &id, json);
    }

    world.clock.advance_s(10);
    let _ = at.submit(&world.reception, &at.harriet).await;
    super::world::settle().await;
    at.nothing_goes_on("refused", |error| matches!(error, NotProven::Refused)).await;
}

#[tokio::test]
async fn a_binding_that_is_older_than_what_was_anchored_is_refused_by_whoever_reads_it() {
    let at = AtWork::new().await;
    let world = &at.world;
    let bindings = Partition::bindings(CONTOSO);
    let old = world.documents.all(&bindings)["binding"].clone();
    world.change_terms(CONTOSO, |terms| "the new name".clone_into(&mut terms.name)).await;
    world.pass(20).await;

    world.documents.overwrite(&bindings, "binding", old);

    for store in [world.trust_store(), world.trust_store()] {
        let trust = store.trust().await.unwrap();
        let refused = store.scope(&trust, CONTOSO).await;
        let is_older =
            matches!(refused, Err(NotTrusted::NotVerified(NotVerified::Other("version"))));
        assert!(is_older, "{refused:?}");
    }
    at.nobody_starts_anything().await;
}

#[tokio::test]
async fn a_keyset_that_is_older_than_what_was_anchored_is_refused_by_whoever_reads_it() {
    let at = AtWork::new().await;
    let world = &at.world;
    let deployment = Partition::deployment();
    let old = world.documents.all(&deployment)["keyset"].clone();
    world.replace_keyset(2).await;
    world.pass(20).await;

    world.documents.overwrite(&deployment, "keyset", old);

    let refused = world.trust_store().trust().await;
    let is_older = matches!(refused, Err(NotTrusted::NotVerified(NotVerified::Other("version"))));
    assert!(is_older, "{:?}", refused.err());
    at.nobody_starts_anything().await;
}

#[tokio::test]
async fn a_permit_names_what_was_sealed() {
    let at = AtWork::new().await;
    let world = &at.world;
    let sealed = serde_json::from_value::<StoredHead>(at.earlier[HEAD].clone()).unwrap().frontier;

    at.submit(&world.desk(), &at.harriet).await.unwrap();
    super::world::settle().await;

    let permit = world.trust().await.open(&world.last_change().permit, world.now()).unwrap();
    assert_eq!(permit.lgr.origin, format!("ledger.airlock.example/t/{CONTOSO}/0"));
    // `drift` writes down what the admin plane published before it seals.
    assert!(permit.lgr.size >= sealed.size(), "{} < {}", permit.lgr.size, sealed.size());
}

#[tokio::test]
async fn what_a_key_signed_before_it_was_revoked_stays_valid_and_a_backdated_word_does_not() {
    let world = World::new().await;
    let harriet = world.sign_in(CONTOSO, 1, &[HelpdeskAgent]).await;
    let ask = world.ask(&harriet, "sessions.revoke", NINA);
    let id = world.submit(&harriet, &ask).await.unwrap().id;
    assert!(world.deliver(&world.worker(), 1).await);
    world.pass(30).await;

    world.revoke_key_of(App::Execute).await;
    world.pass(30).await;

    let name = crate::reception::RequestName::parse(&id).unwrap();
    let shown = world.desk().show(&harriet.caller, name).await.unwrap();
    assert_eq!(shown.view.state, "succeeded", "anchored before");

    // Something was anchored since the revocation: what the key says now, it says too late.
    world.submit(&harriet, &world.ask(&harriet, "sessions.revoke", NINA)).await.unwrap();
    world.seal().await;
    let partition = contoso(&world).await;
    let execute = world.key_of(App::Execute);
    let said = statement(&world, partition.key(), App::Execute, execute).await.peek().unwrap();
    let said = Statement { iat: world.now().plus_s(-59), ..said };
    add(&world, &partition, &Signed::sign(&said, execute).await.unwrap());
    let refused = process(&world).0.proven(&partition, &world.trust().await, world.now()).await;
    assert!(refused.as_ref().is_err_and(NotProven::is_violation), "{refused:?}");
}

#[tokio::test]
async fn what_a_key_signed_and_nobody_anchored_before_its_revocation_counts_no_longer() {
    let world = World::new().await;
    let harriet = world.sign_in(CONTOSO, 1, &[HelpdeskAgent]).await;
    let ask = world.ask(&harriet, "sessions.revoke", NINA);
    let id = world.submit(&harriet, &ask).await.unwrap().id;
    world.seal().await;
    assert!(world.deliver(&world.worker(), 1).await);

    world.clock.advance_s(1);
    world.revoke_key_of(App::Execute).await;
    world.clock.advance_s(1);
    world.seal().await;

    let name = crate::reception::RequestName::parse(&id).unwrap();
    let shown = world.desk().show(&harriet.caller, name).await;
    assert!(matches!(shown, Err(NotReceived::Violation(_))), "{:?}", shown.err());
}

#[tokio::test]
async fn a_writer_goes_on_in_the_next_epoch_and_finds_what_it_wrote_in_the_one_before() {
    let world = World::new().await;
    let partition = contoso(&world).await;
    let (warm, _) = process(&world);
    for name in ["a", "b", "c"] {
        warm.commit(&partition, creating(name), world.now()).await.unwrap();
    }
    let sealer = world.drift().with_epochs_of(3);
    sealer.round().await.unwrap();
    world.clock.advance_s(5);
    sealer.round().await.unwrap();
    assert_eq!(head(&world, &partition).epoch, 1);

    world.documents.next_batches([Fault::None, Fault::LosesAnswer]);
    let next = warm.commit(&partition, creating("d"), world.now()).await.unwrap();

    assert_eq!((next.epoch, next.index), (1, 1), "after the leaf that opened it");
    let cold = process(&world).0;
    let proven = cold.proven(&partition, &world.trust().await, world.now()).await.unwrap();
    assert_eq!(proven.keyset, 1);
    assert_eq!(cold.commit(&partition, creating("e"), world.now()).await.unwrap().index, 2);
}

#[tokio::test]
async fn a_statement_that_waited_for_two_minutes_is_not_sent_any_more() {
    let world = World::new().await;
    let partition = contoso(&world).await;
    let (ledger, watched) = process(&world);
    ledger.commit(&partition, creating("a"), world.now()).await.unwrap();
    watched.calls();
    let signed_at = world.now();
    world.clock.advance_s(121);
    let ended = Commit { happened: Happened::Ended, ..creating("b") };

    let refused = ledger.commit(&partition, ended, signed_at).await;

    assert!(matches!(refused, Err(NotCommitted::Undecided(None))), "{refused:?}");
    assert_eq!(watched.calls(), [0, 0, 0]);
}

#[tokio::test]
async fn what_was_sealed_long_after_it_was_written_is_no_backdated_leaf() {
    let world = World::new().await;
    let partition = contoso(&world).await;
    let ((one, _), (other, _)) = (process(&world), process(&world));
    one.commit(&partition, creating("a"), world.now()).await.unwrap();
    other.commit(&partition, creating("b"), world.now()).await.unwrap();
    world.pass(3600).await;
    one.commit(&partition, creating("c"), world.now()).await.unwrap();
    world.pass(3600).await;

    // It has seen none of it, and knows an anchor that is much younger.
    let committed = other.commit(&partition, creating("d"), world.now()).await.unwrap();

    assert_eq!(committed.index, head(&world, &partition).frontier.size() - 1);
}
