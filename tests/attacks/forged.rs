//! What whoever knows our source puts together: artefacts that are right in form, by whatever key
//! they hold. A taken-over `intake` holds its own and no person's, and writes to database and bus.
//! `execute` believes none of it.

use airlock_core::{
    ask::{Ask, Attestation, RequestEvidence},
    catalog::{Asked, Target},
    decision::{Decision, Verdict},
    digest::Digest,
    identity::{App, Role, TenantId},
    jwk::PublicKey,
    jws::Signed,
    memory::LocalKey,
    permit::Permit,
    ports::Signer,
    session::{Confirmation, Confirms, PersonEvidence, Session},
};
use airlock_tests::{Asking, Forged, Forger, Leaf, Person, Who, World, now, payload};
use serde_json::json;
use uuid::Uuid;

/// Delivers what was forged, and makes sure that `execute` refuses it itself: a leaf of its own,
/// nothing written, the planted request ended as refused.
pub async fn refused(world: &World, forger: &Forger, fake: &Forged) -> Leaf {
    let before = world.before().await;
    forger.deliver(fake).await;
    let leaf = world.refused_since(&before).await;
    assert_eq!(leaf.says["data"]["request"], fake.record.request.to_string());
    let id =
        format!("{}.{}", payload::<Permit>(fake.change.permit.as_str()).tnt, fake.record.request);
    let stored = world.stored_request(&id).await.expect("it was planted");
    assert_eq!(stored["state"], "refused", "{}", leaf.reason());
    leaf
}

pub fn proven(request: &Signed<Ask>, person: PersonEvidence) -> RequestEvidence {
    RequestEvidence::Proven { request: request.clone(), person }
}

/// What a good session of somebody says, bound to a key.
pub fn session_of(who: &Who, roles: &[Role], key: &PublicKey) -> Session {
    let at = now();
    Session {
        iss: App::Signin,
        sid: Uuid::new_v4().to_string(),
        tid: who.tenant,
        oid: who.object,
        roles: roles.to_vec(),
        acrs: Vec::new(),
        auth_time: at,
        iat: at,
        exp: at.plus_s(3600),
        cnf: Confirms { jwk: key.clone() },
        cookie: Digest::of(&[b"nobody's"]),
    }
}

/// A session for somebody that began a minute ago, bound to a key, signed by whoever.
pub async fn session(
    who: &Who,
    roles: &[Role],
    key: &LocalKey,
    by: &dyn Signer,
) -> Signed<Session> {
    let session = Session { iat: now().plus_s(-60), ..session_of(who, roles, key.key()) };
    Signed::sign(&session, by).await.unwrap()
}

/// What a confirmation says that fits a session.
pub fn confirmation_of(signed: &Signed<Session>) -> Confirmation {
    let session: Session = payload(signed.as_str());
    Confirmation {
        iss: App::Intake,
        session: signed.digest(),
        tid: session.tid,
        oid: session.oid,
        jkt: session.cnf.jwk.thumbprint(),
        iat: session.iat,
        exp: session.exp,
    }
}

/// A confirmation that fits a session. `intake` signs it: that much it can.
pub async fn confirmed(forger: &Forger, signed: &Signed<Session>) -> Signed<Confirmation> {
    Signed::sign(&confirmation_of(signed), forger.key()).await.unwrap()
}

fn asked(on: &Who, operation: &str) -> Asked {
    Asked { name: operation.to_owned(), target: Target::User(on.object), parameters: json!({}) }
}

/// What a taken-over `intake` attests for a service, without having seen any token.
pub async fn attested(forger: &Forger, service: &str, operation: &str, on: &Who) -> Forged {
    let attestation = Attestation {
        iss: App::Intake,
        jti: Uuid::new_v4(),
        iat: now(),
        exp: now().plus_s(600),
        aud: App::Execute,
        tnt: on.tenant,
        sub: service.to_owned(),
        token: Digest::of(&[b"no token"]),
        op: asked(on, operation),
        purpose: "none that I would tell".to_owned(),
        ticket: None,
    };
    let attestation = Signed::sign(&attestation, forger.key()).await.unwrap();
    forger.forge(RequestEvidence::Attested { attestation }, Vec::new()).await
}

pub async fn ask(
    on: &Who,
    operation: &str,
    session: &Signed<Session>,
    key: &dyn Signer,
) -> Signed<Ask> {
    let ask = Ask {
        jti: Uuid::new_v4(),
        iat: now(),
        exp: now().plus_s(3600),
        aud: App::Execute,
        tnt: on.tenant,
        sid: payload::<Session>(session.as_str()).sid_hash(),
        by: payload::<Session>(session.as_str()).person(),
        op: asked(on, operation),
        purpose: "none that I would tell".to_owned(),
        ticket: None,
        break_glass: false,
        reveal_to: None,
    };
    Signed::sign(&ask, key).await.unwrap()
}

pub async fn decision(id: &str, session: &Signed<Session>, key: &dyn Signer) -> Signed<Decision> {
    let (tenant, digest) = id.split_once('.').unwrap();
    let decision = Decision {
        jti: Uuid::new_v4(),
        iat: now(),
        exp: now().plus_s(3600),
        tnt: tenant.parse::<TenantId>().unwrap(),
        req: Digest::parse(digest).unwrap(),
        sid: payload::<Session>(session.as_str()).sid_hash(),
        verdict: Verdict::Approve,
        reason: "because".to_owned(),
    };
    Signed::sign(&decision, key).await.unwrap()
}

/// A request of harriet's that waits for an approval.
pub async fn waiting(world: &World) -> (Person, Asking) {
    let harriet = world.person("harriet").await;
    let asking = harriet.ask("account.disable", &world.who("nina")).await;
    (harriet, asking)
}
