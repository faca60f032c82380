//! A taken-over `intake` moves and changes what people have genuinely signed.

use airlock_core::{
    ask::Ask,
    catalog::Target,
    decision::{DecisionEvidence, Verdict},
    digest::Digest,
    jws::Signed,
    permit::Permit,
};
use airlock_tests::{Forger, Order, World, now, payload, spoiled};
use serde_json::json;

use crate::forged::{proven, refused, waiting};

#[tokio::test]
async fn an_approval_counts_for_the_request_that_was_approved_and_no_other() {
    let world = World::start().await;
    let forger = Forger::new(&world).await;
    let harriet = world.person("harriet").await;
    let april = world.person("april").await;
    let approved = harriet.ask("account.disable", &world.who("nina")).await;
    april.approve(&approved.id).await;
    harriet.wait_for(&approved.id, "succeeded").await;
    let other = harriet.ask("account.disable", &world.who("oscar")).await;
    let stored = world.stored_request(&approved.id).await.unwrap();
    let moved: DecisionEvidence = serde_json::from_value(stored["decisions"][0].clone()).unwrap();

    let evidence = proven(&other.signed, forger.evidence_of(&harriet).await);
    let fake = forger.forge(evidence, vec![moved]).await;
    let leaf = refused(&world, &forger, &fake).await;

    assert_eq!(leaf.reason(), "a decision is not the approver's");
}

#[tokio::test]
async fn what_was_approved_cannot_be_changed_afterwards() {
    let world = World::start().await;
    let forger = Forger::new(&world).await;
    let (harriet, asking) = waiting(&world).await;
    let april = world.person("april").await;
    let decided = DecisionEvidence {
        decision: april.sign_decision(&asking.id, Verdict::Approve).await,
        person: forger.evidence_of(&april).await,
    };

    // Another target in the request itself: then it is not Harriet's.
    let (input, signature) = asking.signed.as_str().rsplit_once('.').unwrap();
    let (header, _) = input.split_once('.').unwrap();
    let mut changed: Ask = payload(asking.signed.as_str());
    changed.op.target = Target::User(world.who("oscar").object);
    let changed = airlock_core::base64url::encode(serde_json::to_vec(&changed).unwrap());
    let changed = Signed::parse(format!("{header}.{changed}.{signature}")).unwrap();
    let evidence = proven(&changed, forger.evidence_of(&harriet).await);
    let fake = forger.forge(evidence, vec![decided]).await;
    assert!(refused(&world, &forger, &fake).await.is_violation());
}

#[tokio::test]
async fn a_permit_permits_what_was_asked_and_approved_and_nothing_else() {
    let world = World::start().await;
    let forger = Forger::new(&world).await;
    let harriet = world.person("harriet").await;
    let april = world.person("april").await;
    let nina = world.who("nina");
    // Everything is genuine and approved; only the permit is spoiled.
    let delivered = async |spoil: &dyn Fn(&mut Permit)| {
        let asking = harriet.ask("account.disable", &nina).await;
        let evidence = proven(&asking.signed, forger.evidence_of(&harriet).await);
        let decisions = vec![DecisionEvidence {
            decision: april.sign_decision(&asking.id, Verdict::Approve).await,
            person: forger.evidence_of(&april).await,
        }];
        let mut permit = forger.permit(&evidence, &decisions).await;
        spoil(&mut permit);
        let fake = forger.forge_with(evidence, decisions, permit).await;
        refused(&world, &forger, &fake).await
    };
    let other = harriet.sign(&Order::of("account.disable", &nina)).await;
    let other = proven(&other.signed, forger.evidence_of(&harriet).await);
    let [moved] = forger.permit(&other, &[]).await.authorization_details;
    let violations: [&dyn Fn(&mut Permit); 4] = [
        &|permit| permit.authorization_details[0].op_hash = Digest::of(&[b"other"]),
        // The hash of the very same operation, in another request.
        &|permit| permit.authorization_details = [moved.clone()],
        &|permit| permit.authorization_details[0].actions = ["account.enable".to_owned()],
        &|permit| permit.apr = vec![Digest::of(&[b"an approval that is not there"])],
    ];

    for spoil in violations {
        let leaf = delivered(spoil).await;
        assert!(leaf.is_violation(), "{leaf:?}");
    }
    // It lives too long, or no longer: what was asked is in order, and its time is over.
    for (from_s, until_s) in [(0, 3600), (-200, -100)] {
        let leaf = delivered(&|permit| {
            (permit.nbf, permit.exp) = (now().plus_s(from_s), now().plus_s(until_s));
        })
        .await;
        assert_eq!(leaf.kind(), "airlock.request.ended");
    }
}

#[tokio::test]
async fn what_is_no_permitted_change_is_recorded_and_forgotten() {
    let world = World::start().await;
    let forger = Forger::new(&world).await;
    let (harriet, asking) = waiting(&world).await;
    let evidence = proven(&asking.signed, forger.evidence_of(&harriet).await);
    let fake = forger.forge(evidence, Vec::new()).await;
    let good = serde_json::to_value(&fake.change).unwrap();

    let mut more = good.clone();
    more["also"] = json!(true);
    let mut none = good.clone();
    none["permit"] = json!("e30.e30.e30");
    let permit = fake.change.permit.as_str();
    let mut changed = good.clone();
    changed["permit"] = json!(spoiled(permit, permit.find('.').unwrap() + 20));
    let bodies: [Vec<u8>; 6] = [
        Vec::new(),
        b"null".to_vec(),
        vec![0xff, 0xfe, 0x00],
        more.to_string().into_bytes(),
        none.to_string().into_bytes(),
        changed.to_string().into_bytes(),
    ];
    for body in bodies {
        let before = world.before().await;
        forger.send_raw(body).await;
        let leaf = world.refused_since(&before).await;
        assert!(leaf.is_violation(), "{leaf:?}");
    }

    // A permit that was never recorded, for a request that was.
    let before = world.before().await;
    forger.send(&fake.change).await;
    let leaf = world.refused_since(&before).await;
    assert_eq!(leaf.reason(), "the message is not what was recorded");
    // Nothing of this touched what Harriet asked.
    assert_eq!(harriet.show(&asking.id).await.ok()["state"], "pending");
    let dead = world.control().bus().await;
    assert_eq!(dead["permits-execute"]["dead"], json!([]));
}

#[tokio::test]
async fn what_was_asked_for_one_tenant_is_not_carried_out_in_another() {
    let world = World::start().await;
    let forger = Forger::new(&world).await;
    let harriet = world.person("harriet").await;
    let fabrikam = world.fabrikam();
    let asking = harriet.sign(&Order::of("sessions.revoke", &world.who("nina"))).await;
    let evidence = proven(&asking.signed, forger.evidence_of(&harriet).await);

    // A permit for Fabrikam over a request for Contoso, and Fabrikam's database says the same.
    let mut permit = forger.permit(&evidence, &[]).await;
    permit.tnt = fabrikam;
    let fake = forger.forge_with(evidence, Vec::new(), permit).await;
    let before = world.before().await;
    forger.plant_in(&fabrikam.to_string(), &fake.record).await;
    forger.send(&fake.change).await;
    let leaf = world.refused_since(&before).await;

    assert_eq!(leaf.reason(), "the request is about another tenant");
    assert_eq!(leaf.says["tenantid"], fabrikam.to_string());
}

#[tokio::test]
async fn a_stored_request_that_another_app_wrote_or_that_lies_elsewhere_is_not_carried_out() {
    let world = World::start().await;
    let forger = Forger::new(&world).await;
    let harriet = world.person("harriet").await;
    let nina = world.who("nina");
    let evidence = async || {
        let asking = harriet.sign(&Order::of("sessions.revoke", &nina)).await;
        proven(&asking.signed, forger.evidence_of(&harriet).await)
    };

    // Nothing is stored.
    let fake = forger.forge(evidence().await, Vec::new()).await;
    let before = world.before().await;
    forger.send(&fake.change).await;
    assert!(world.refused_since(&before).await.is_violation());

    // It is stored under another request's name.
    let other = forger.forge(evidence().await, Vec::new()).await;
    let mut record = other.record.clone();
    record.request = fake.record.request;
    let before = world.before().await;
    forger.plant(&record).await;
    forger.send(&fake.change).await;
    assert!(world.refused_since(&before).await.is_violation());
}
