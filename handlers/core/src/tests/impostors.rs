//! What a taken-over outer app, bus or database cannot make the worker do.
//!
//! The attacker here holds `intake`'s key and writes to database and bus at will. Each attack
//! also stores a request document that is genuine by `intake`'s key, so that what refuses it
//! is the evidence.

use std::sync::Arc;

use serde_json::json;
use uuid::Uuid;

use super::world::{CONTOSO, Client, FABRIKAM, NINA, SVEN, World, key};
use crate::{
    ask::{Ask, RequestEvidence},
    catalog::{Asked, Change, Target},
    decision::{DecisionEvidence, Verdict},
    identity::{
        App,
        Role::{self, Approver, HelpdeskAgent, SeniorAgent},
    },
    jws::{Artefact, Signed},
    ledger::{Commit, Happened, Ledger},
    permit::{
        AuthorizationDetail, DETAIL_TYPE, LedgerSeen, OpHashAlg, Permit, PermittedChange,
        Reference, Version,
    },
    policy::Policies,
    ports::Partition,
    reception::RequestName,
    record::{Record, State, Summary},
    request::Blinding,
    session::PersonEvidence,
};

/// What the attacker wants done.
pub(super) struct Forged {
    pub(super) evidence: RequestEvidence,
    pub(super) decisions: Vec<DecisionEvidence>,
    pub(super) op: Asked,
    pub(super) by: String,
}

impl Forged {
    fn of(evidence: RequestEvidence, ask: &Ask, by: &Client) -> Self {
        Self { evidence, decisions: Vec::new(), op: ask.op.clone(), by: by.id().to_string() }
    }

    /// What `intake` attests for a service, without having seen any token.
    pub(super) async fn attested(world: &World, service: &str, operation: &str) -> Self {
        let attestation = world.attestation(service, operation, NINA);
        let signed = Signed::sign(&attestation, world.key_of(App::Intake)).await.unwrap();
        Self {
            evidence: RequestEvidence::Attested { attestation: signed },
            decisions: Vec::new(),
            op: attestation.op,
            by: format!("service:{service}"),
        }
    }
}

/// Signs a permit for it as `intake`, stores a request document as `intake`, sends it.
pub(super) async fn attack(world: &World, forged: Forged) -> String {
    let (id, message) = permitted(world, forged).await;
    let body = serde_json::to_vec(&message).unwrap();
    assert!(world.worker().handle(&body, 1, None).await.is_ok());
    id
}

/// What `intake` could send alone, whatever the request: its name, and the message.
pub(super) async fn permitted(world: &World, forged: Forged) -> (String, PermittedChange) {
    let scope = world.scope(CONTOSO).await;
    let change = Change::understand(CONTOSO, &forged.op).unwrap();
    let request = forged.evidence.digest();
    let now = world.now();
    let permit = Permit {
        iss: App::Intake,
        aud: change.entry().worker,
        jti: Uuid::new_v4(),
        iat: now,
        nbf: now,
        exp: now.plus_s(100),
        tnt: CONTOSO,
        req: request,
        authorization_details: [AuthorizationDetail {
            r#type: DETAIL_TYPE.to_owned(),
            actions: [forged.op.name.clone()],
            op_hash: Blinding::of(&forged.evidence).unwrap().op_hash(&change),
            op_hash_alg: OpHashAlg::BlindedByRequest,
        }],
        pol: Policies::standard().unwrap().reference().clone(),
        apr: forged.decisions.iter().map(|evidence| evidence.decision.digest()).collect(),
        bnd: Reference { id: CONTOSO.to_string(), ver: 1, hash: scope.binding().digest() },
        ks: Version { ver: 1 },
        lgr: LedgerSeen { origin: "x".to_owned(), size: 0, root: request },
    };
    let permit = Signed::sign(&permit, world.key_of(App::Intake)).await.unwrap();
    let record = Record {
        request,
        evidence: forged.evidence.clone(),
        decisions: forged.decisions.clone(),
        state: State::Permitted,
        needs_approvals: 0,
        approvals: 0,
        permit: Some(permit.clone()),
        claim: None,
        lease: None,
        outcome: None,
        result: None,
        revealed: None,
        review: None,
        summary: Summary {
            operation: forged.op.name,
            target: forged.op.target,
            requester: forged.by,
            purpose: "none of your business".to_owned(),
            ticket: None,
            break_glass: false,
            asked_at: now,
            expires: now.plus_s(3600),
        },
    };
    let ports = world.ports(App::Intake);
    let partition = Partition::tenant(&scope);
    let (trust, keys) = (world.trust().await, world.data_keys());
    let change = record.change(None, keys.of(&trust, &partition), now).await.unwrap();
    let ledger = Ledger::new(App::Intake, &ports, Arc::new(world.trust_store()));
    let commit =
        Commit { request: Some(request), change: Some(change), ..Commit::of(Happened::Permitted) };
    // A request that is already there is attacked as it stands.
    let _ = ledger.commit(&partition, commit, now).await;
    (format!("{CONTOSO}.{request}"), PermittedChange { attempt: 0, permit })
}

pub(super) async fn assert_refused(world: &World, id: &str, effects_before: usize) {
    assert_eq!(world.effects(), effects_before, "something was done");
    let (state, reason) = world.state(id).await;
    assert_eq!(state, "refused", "{reason}");
    let last = world.contoso_ledger().await.pop().unwrap();
    assert_eq!(last, "airlock.integrity.violation", "{reason}");
}

async fn forge_person(world: &World, roles: &[Role]) -> (Client, PersonEvidence) {
    // The session is signed by intake's key: the only one that the attacker has.
    let mut client = world.sign_in(CONTOSO, 66, roles).await;
    let session = client.caller.person.session().value().clone();
    let signed = Signed::sign(&session, world.key_of(App::Intake)).await.unwrap();
    client.caller.evidence.session = signed;
    let evidence = client.caller.evidence.clone();
    (client, evidence)
}

#[tokio::test]
async fn an_invented_requester_gets_nothing() {
    let world = World::new().await;
    let (nobody, _) = forge_person(&world, &[SeniorAgent]).await;
    let ask = world.ask(&nobody, "sessions.revoke", NINA);
    let request = Signed::sign(&ask, &nobody.key).await.unwrap();

    let id = attack(&world, Forged::of(nobody.proven(request), &ask, &nobody)).await;

    assert_refused(&world, &id, 0).await;
}

#[tokio::test]
async fn a_session_without_intakes_confirmation_gets_nothing() {
    // This attacker holds signin's key, and confirms the session with it.
    let world = World::new().await;
    let mut nobody = world.sign_in(CONTOSO, 66, &[SeniorAgent]).await;
    let confirmation = crate::session::Confirmation {
        iss: App::Signin,
        session: nobody.caller.evidence.session.digest(),
        tid: CONTOSO,
        oid: nobody.id().oid,
        jkt: nobody.caller.person.session().cnf.jwk.thumbprint(),
        iat: world.now(),
        exp: world.now().plus_s(3600),
    };
    nobody.caller.evidence.confirmation =
        Signed::sign(&confirmation, world.key_of(App::Signin)).await.unwrap();
    let ask = world.ask(&nobody, "sessions.revoke", NINA);
    let request = Signed::sign(&ask, &nobody.key).await.unwrap();

    let id = attack(&world, Forged::of(nobody.proven(request), &ask, &nobody)).await;

    assert_refused(&world, &id, 0).await;
}

#[tokio::test]
async fn an_invented_approver_approves_nothing() {
    let world = World::new().await;
    let harriet = world.sign_in(CONTOSO, 1, &[HelpdeskAgent]).await;
    let ask = world.ask(&harriet, "account.disable", NINA);
    let request = Signed::sign(&ask, &harriet.key).await.unwrap();
    let (nobody, person) = forge_person(&world, &[Approver]).await;
    let decision = world.decision(&nobody, request.digest(), Verdict::Approve);
    let decision = Signed::sign(&decision, &nobody.key).await.unwrap();
    let mut forged = Forged::of(harriet.proven(request), &ask, &harriet);
    forged.decisions = vec![DecisionEvidence { decision, person }];

    let id = attack(&world, forged).await;

    assert_refused(&world, &id, 0).await;
}

#[tokio::test]
async fn an_approval_moved_from_another_request_approves_nothing() {
    let world = World::new().await;
    let harriet = world.sign_in(CONTOSO, 1, &[HelpdeskAgent]).await;
    let april = world.sign_in(CONTOSO, 2, &[Approver]).await;
    let approved =
        Signed::sign(&world.ask(&harriet, "account.disable", NINA), &harriet.key).await.unwrap();
    let decision = world.decision(&april, approved.digest(), Verdict::Approve);
    let decision = Signed::sign(&decision, &april.key).await.unwrap();
    let other = world.ask(&harriet, "account.disable", SVEN);
    let request = Signed::sign(&other, &harriet.key).await.unwrap();
    let mut forged = Forged::of(harriet.proven(request), &other, &harriet);
    forged.decisions = vec![DecisionEvidence { decision, person: april.caller.evidence.clone() }];

    let id = attack(&world, forged).await;

    assert_refused(&world, &id, 0).await;
}

#[tokio::test]
async fn an_approval_that_is_missing_is_not_made_up_by_a_permit() {
    let world = World::new().await;
    let harriet = world.sign_in(CONTOSO, 1, &[HelpdeskAgent]).await;
    let ask = world.ask(&harriet, "account.disable", NINA);
    let request = Signed::sign(&ask, &harriet.key).await.unwrap();

    let id = attack(&world, Forged::of(harriet.proven(request), &ask, &harriet)).await;

    assert_refused(&world, &id, 0).await;
}

#[tokio::test]
async fn an_operation_changed_after_it_was_signed_is_not_done() {
    let world = World::new().await;
    let sam = world.sign_in(CONTOSO, 1, &[SeniorAgent]).await;
    let ask = world.ask(&sam, "sessions.revoke", NINA);
    let request = Signed::sign(&ask, &sam.key).await.unwrap();
    let mut forged = Forged::of(sam.proven(request), &ask, &sam);
    forged.op.name = "account.disable".to_owned();

    let id = attack(&world, forged).await;

    assert_refused(&world, &id, 0).await;
}

#[tokio::test]
async fn a_permit_for_another_target_permits_nothing() {
    let world = World::new().await;
    let sam = world.sign_in(CONTOSO, 1, &[SeniorAgent]).await;
    let ask = world.ask(&sam, "sessions.revoke", NINA);
    let request = Signed::sign(&ask, &sam.key).await.unwrap();
    let mut forged = Forged::of(sam.proven(request), &ask, &sam);
    forged.op.target = Target::User(SVEN);

    let id = attack(&world, forged).await;

    assert_refused(&world, &id, 0).await;
}

#[tokio::test]
async fn the_twin_of_a_used_signature_is_the_same_request() {
    let world = World::new().await;
    let harriet = world.sign_in(CONTOSO, 1, &[HelpdeskAgent]).await;
    let ask = world.ask(&harriet, "sessions.revoke", NINA);
    let view = world.submit(&harriet, &ask).await.unwrap();
    assert!(world.deliver(&world.worker(), 1).await);
    let name = RequestName::parse(&view.id).unwrap();
    let stored = world.record(CONTOSO, name.digest).await.body.evidence;
    let RequestEvidence::Proven { request, person } = stored else { panic!() };

    let twin = twin(&request);
    assert_ne!(twin.as_str(), request.as_str());
    let evidence = RequestEvidence::Proven { request: twin, person };
    let id = attack(&world, Forged::of(evidence, &ask, &harriet)).await;

    assert_eq!(id, view.id);
    assert_eq!((world.state(&id).await.0, world.effects()), ("succeeded", 1));
}

/// (r, n - s) verifies wherever (r, s) does.
pub(super) fn twin<T: Artefact>(signed: &Signed<T>) -> Signed<T> {
    let (input, signature) = signed.as_str().rsplit_once('.').unwrap();
    let bytes = crate::base64url::decode(signature).unwrap();
    let signature = p256::ecdsa::Signature::from_slice(&bytes).unwrap();
    let s = -signature.s().as_ref();
    let twin =
        p256::ecdsa::Signature::from_scalars(signature.r().to_bytes(), s.to_bytes()).unwrap();
    Signed::parse(format!("{input}.{}", crate::base64url::encode(twin.to_bytes()))).unwrap()
}

#[tokio::test]
async fn a_person_of_another_tenant_gets_nothing_here() {
    let world = World::new().await;
    let fiona = world.sign_in(FABRIKAM, 1, &[SeniorAgent]).await;
    let ask = world.ask(&fiona, "sessions.revoke", NINA);
    let request = Signed::sign(&ask, &fiona.key).await.unwrap();

    let id = attack(&world, Forged::of(fiona.proven(request), &ask, &fiona)).await;

    assert_refused(&world, &id, 0).await;
}

#[tokio::test]
async fn what_was_signed_after_the_session_ended_does_not_count() {
    let world = World::new().await;
    let sam = world.sign_in(CONTOSO, 1, &[SeniorAgent]).await;
    world.pass(9 * 3600).await;
    let ask = world.ask(&sam, "sessions.revoke", NINA);
    let request = Signed::sign(&ask, &sam.key).await.unwrap();

    let id = attack(&world, Forged::of(sam.proven(request), &ask, &sam)).await;

    assert_eq!(world.effects(), 0);
    assert_eq!(world.state(&id).await.0, "refused");
}

#[tokio::test]
async fn what_another_key_than_the_sessions_signed_does_not_count() {
    let world = World::new().await;
    let sam = world.sign_in(CONTOSO, 1, &[SeniorAgent]).await;
    let ask = world.ask(&sam, "sessions.revoke", NINA);
    let request = Signed::sign(&ask, &key()).await.unwrap();

    let id = attack(&world, Forged::of(sam.proven(request), &ask, &sam)).await;

    assert_refused(&world, &id, 0).await;
}

#[tokio::test]
async fn intakes_word_alone_is_never_enough() {
    for operation in ["password.reset", "tap.issue", "account.disable", "sessions.revoke"] {
        let world = World::new().await;
        let forged = Forged::attested(&world, "batch", operation).await;

        let id = attack(&world, forged).await;

        assert_eq!(world.effects(), 0, "{operation}");
        assert_eq!(world.state(&id).await.0, "refused");
        assert_eq!(world.contoso_ledger().await.last().unwrap(), "airlock.request.ended");
    }
}

#[tokio::test]
async fn a_person_whose_sessions_were_revoked_gets_nothing_done() {
    let world = World::new().await;
    let sam = world.sign_in(CONTOSO, 1, &[SeniorAgent]).await;
    let view = world.submit(&sam, &world.ask(&sam, "sessions.revoke", NINA)).await.unwrap();
    world.clock.advance_s(1);
    world.revoke(&sam).await;

    assert!(world.deliver(&world.worker(), 1).await);

    let (state, reason) = world.state(&view.id).await;
    assert_eq!((state, world.effects()), ("refused", 0));
    assert_eq!(reason, "a session that it rests on was revoked");
}

#[tokio::test]
async fn no_byte_of_a_stored_request_can_be_changed() {
    let world = World::new().await;
    let harriet = world.sign_in(CONTOSO, 1, &[HelpdeskAgent]).await;
    let view = world.submit(&harriet, &world.ask(&harriet, "sessions.revoke", NINA)).await.unwrap();
    let partition = Partition::tenant(&world.scope(CONTOSO).await);
    let id = view.id.split_once('.').unwrap().1;
    let id = format!("request-{id}");
    let genuine = world.documents.all(&partition)[&id].clone();
    let mut spoiled = Vec::new();
    for member in ["key", "iv", "data"] {
        let text = genuine["sealed"][member].as_str().unwrap();
        for position in (0..text.len()).step_by(if member == "data" { 97 } else { 1 }) {
            let mut bytes = text.as_bytes().to_vec();
            bytes[position] = if bytes[position] == b'A' { b'B' } else { b'A' };
            let mut document = genuine.clone();
            document["sealed"][member] = String::from_utf8(bytes).unwrap().into();
            spoiled.push((format!("{member} {position}"), document));
        }
    }
    // Without its ciphertext; in clear; as if somebody had ordered it to be erased.
    for (name, spoil) in [
        ("nothing", json!({ "sealed": null })),
        ("clear", json!({ "sealed": null, "body": "{}", "salt": "AAAAAAAAAAAAAAAAAAAAAA" })),
        ("both", json!({ "body": "{}", "salt": "AAAAAAAAAAAAAAAAAAAAAA" })),
    ] {
        let mut document = genuine.clone();
        for (member, value) in spoil.as_object().unwrap() {
            document[member] = value.clone();
        }
        document.as_object_mut().unwrap().retain(|_, value| !value.is_null());
        spoiled.push((name.to_owned(), document));
    }

    for (what, document) in spoiled {
        world.documents.overwrite(&partition, &id, document);

        assert!(world.deliver(&world.worker(), 1).await);

        assert_eq!(world.effects(), 0, "{what}");
        let last = world.contoso_ledger().await.pop().unwrap();
        assert_eq!(last, "airlock.integrity.violation", "{what}");
    }
}

#[tokio::test]
async fn a_permit_that_was_not_recorded_changes_nothing_about_the_request() {
    let world = World::new().await;
    let harriet = world.sign_in(CONTOSO, 1, &[HelpdeskAgent]).await;
    let ask = world.ask(&harriet, "sessions.revoke", NINA);
    let view = world.submit(&harriet, &ask).await.unwrap();
    let mut change = world.last_change();
    let intake = world.key_of(App::Intake);
    let mut permit = change.permit.verify(intake.key(), world.now()).unwrap().value().clone();
    permit.jti = Uuid::new_v4();
    change.permit = Signed::sign(&permit, intake).await.unwrap();

    let body = serde_json::to_vec(&change).unwrap();
    assert!(world.worker().handle(&body, 1, None).await.is_ok());
    assert_eq!((world.state(&view.id).await.0, world.effects()), ("permitted", 0));
    assert_eq!(world.contoso_ledger().await.last().unwrap(), "airlock.integrity.violation");

    assert!(world.deliver(&world.worker(), 1).await);
    assert_eq!((world.state(&view.id).await.0, world.effects()), ("succeeded", 1));
}

#[tokio::test]
async fn the_twin_of_a_permits_signature_is_the_same_permit() {
    // Whoever owns the bus can make it, and it verifies too.
    let world = World::new().await;
    let harriet = world.sign_in(CONTOSO, 1, &[HelpdeskAgent]).await;
    let ask = world.ask(&harriet, "sessions.revoke", NINA);
    let view = world.submit(&harriet, &ask).await.unwrap();
    let mut change = world.last_change();
    change.permit = twin(&change.permit);
    assert_ne!(change.permit.as_str(), world.last_change().permit.as_str());
    let body = serde_json::to_vec(&change).unwrap();

    let worker = world.worker();
    for _ in 0..3 {
        assert!(worker.handle(&body, 1, None).await.is_ok());
    }

    assert_eq!((world.state(&view.id).await.0, world.effects()), ("succeeded", 1));
    let ledger = world.contoso_ledger().await;
    let done = ["permitted", "claimed", "ended"].map(|way| format!("airlock.request.{way}"));
    assert_eq!(ledger, done);
}

#[tokio::test]
async fn a_session_that_never_ends_is_no_session() {
    let world = World::new().await;
    let key = key();
    let mut session = world.session(CONTOSO, 1, &[SeniorAgent], &key);
    session.exp = session.iat.plus_s(crate::session_record::ABSOLUTE_S + 1);
    let evidence = world.evidence(&session).await;

    assert!(evidence.verify(&world.trust().await, world.now()).is_err());
}

#[tokio::test]
async fn an_earlier_keyset_put_back_is_noticed() {
    let world = World::new().await;
    let harriet = world.sign_in(CONTOSO, 1, &[HelpdeskAgent]).await;
    let ask = world.ask(&harriet, "sessions.revoke", NINA);
    let partition = Partition::deployment();
    let first = world.documents.all(&partition)["keyset"].clone();
    world.replace_keyset(2).await;
    let view = world.submit(&harriet, &ask).await.unwrap();
    world.documents.overwrite(&partition, "keyset", first);

    assert!(world.deliver(&world.worker(), 1).await);

    assert_eq!(world.effects(), 0);
    assert_eq!(world.state(&view.id).await.0, "permitted");
    let platform = world.ledger(&Partition::platform()).await;
    assert_eq!(platform, ["airlock.integrity.violation"]);
}
