//! What a taken-over `intake` puts together: its identity, its key, the whole database and the
//! bus, but no person's client key. `execute` believes none of it.

use airlock_core::{
    ask::{Ask, RequestEvidence},
    catalog::{Asked, Target},
    decision::{Decision, Verdict},
    digest::Digest,
    identity::{App, Role, TenantId},
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

/// A session for somebody, bound to a key, signed by whoever.
pub async fn session(
    who: &Who,
    roles: &[Role],
    key: &LocalKey,
    by: &dyn Signer,
) -> Signed<Session> {
    let session = Session {
        iss: App::Signin,
        sid: Uuid::new_v4().to_string(),
        tid: who.tenant,
        oid: who.object,
        roles: roles.to_vec(),
        acrs: Vec::new(),
        auth_time: now(),
        iat: now().plus_s(-60),
        exp: now().plus_s(3600),
        cnf: Confirms { jwk: key.key().clone() },
        cookie: Digest::of(&[b"nobody's"]),
    };
    Signed::sign(&session, by).await.unwrap()
}

/// A confirmation that fits a session. `intake` signs it: that much it can.
pub async fn confirmed(forger: &Forger, signed: &Signed<Session>) -> Signed<Confirmation> {
    let session: Session = payload(signed.as_str());
    let confirmation = Confirmation {
        iss: App::Intake,
        session: signed.digest(),
        tid: session.tid,
        oid: session.oid,
        jkt: session.cnf.jwk.thumbprint(),
        iat: session.iat,
        exp: session.exp,
    };
    Signed::sign(&confirmation, forger.key()).await.unwrap()
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
        op: Asked {
            name: operation.to_owned(),
            target: Target { user: on.object },
            parameters: json!({}),
        },
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
