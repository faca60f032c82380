//! A request of somebody's, and an API that shows it and takes decisions about it.

use std::sync::{Arc, Mutex};

use airlock_core::{
    ask::{Ask, RequestEvidence},
    catalog::{Asked, Target},
    decision::Decision,
    digest::Digest,
    identity::{App, PersonId},
    jwk::PublicKey,
    jws::Signed,
    memory::Dice,
    session::{Confirmation, Confirms, PersonEvidence, Session},
    time::Timestamp,
};
use axum::{
    Json, Router,
    extract::State,
    routing::{get, post},
};
use serde_json::{Value, json};
use uuid::Uuid;

use crate::person::{api::Api, client_key::ClientKey, view::RequestId};

/// When it all happens.
pub const NOW: Timestamp = Timestamp::from_unix_s(1_700_000_000);

/// Whoever asks.
pub fn person() -> PersonId {
    PersonId {
        tid: "605d9d43-3534-4810-8152-9d01a268ad22".parse().unwrap(),
        oid: "aaaaaaaa-2222-4333-8444-555555555555".parse().unwrap(),
    }
}

/// A request that waits for a decision.
pub struct Requested {
    /// Its name.
    pub id: RequestId,
    /// What the API shows.
    pub shown: Value,
    /// Authentication contexts that the API says whoever asks it has satisfied.
    pub satisfied: &'static [&'static str],
    decided: Decisions,
}

type Decisions = Arc<Mutex<Vec<Signed<Decision>>>>;

impl Requested {
    /// To disable the account of `11111111-…`, or what a test makes of that.
    pub async fn with(change: impl FnOnce(&mut Ask)) -> Self {
        let key = ClientKey::draw(&Dice).unwrap();
        let signer = key.signer().unwrap();
        let PersonId { tid, oid } = person();
        let session = Session {
            iss: App::Signin,
            sid: "sid".to_owned(),
            tid,
            oid,
            roles: Vec::new(),
            acrs: Vec::new(),
            auth_time: NOW,
            iat: NOW,
            exp: NOW.plus_s(3600),
            cnf: Confirms { jwk: key.public().unwrap() },
            cookie: Digest::of(&[b"cookie"]),
        };
        let confirmation = Confirmation {
            iss: App::Intake,
            session: Digest::of(&[b"not looked at"]),
            tid,
            oid,
            jkt: session.cnf.jwk.thumbprint(),
            iat: NOW,
            exp: session.exp,
        };
        let mut ask = Ask {
            jti: Uuid::nil(),
            iat: NOW,
            exp: NOW.plus_s(60),
            aud: App::Execute,
            tnt: tid,
            sid: session.sid_hash(),
            by: person(),
            op: Asked {
                name: "account.disable".to_owned(),
                target: Target::User("11111111-2222-4333-8444-555555555555".parse().unwrap()),
                parameters: json!({}),
            },
            purpose: "left".to_owned(),
            ticket: None,
            break_glass: false,
            reveal_to: None,
        };
        change(&mut ask);
        let request = Signed::sign(&ask, &signer).await.unwrap();
        let id = RequestId { tenant: ask.tnt, digest: request.digest() };
        let person = PersonEvidence {
            session: Signed::sign(&session, &signer).await.unwrap(),
            confirmation: Signed::sign(&confirmation, &signer).await.unwrap(),
        };
        let shown = json!({
            "id": id,
            "state": "pending",
            "operation": ask.op.name,
            "target": ask.op.target.to_string(),
            "tenant": ask.tnt,
            "requester": ask.by.to_string(),
            "purpose": ask.purpose,
            "ticket": ask.ticket,
            "break_glass": ask.break_glass,
            "asked_at": ask.iat,
            "expires": ask.exp,
            "needs_approvals": 1,
            "approvals": 0,
            "evidence": RequestEvidence::Proven { request, person },
        });
        Self { id, shown, satisfied: &[], decided: Decisions::default() }
    }

    /// An API that shows it.
    pub async fn api(&self) -> Api {
        let show = async |State((shown, _)): State<(Value, Decisions)>| Json(shown);
        let decide = async |State((mut shown, decided)): State<(Value, Decisions)>,
                            Json(body): Json<Value>| {
            let decision = serde_json::from_value(body["decision"].clone()).unwrap();
            decided.lock().unwrap().push(decision);
            shown["state"] = json!("permitted");
            Json(shown)
        };
        let session = json!({
            "sid": Digest::of(&[b"mine"]), "tid": person().tid, "oid": person().oid,
            "name": "April", "roles": [], "acrs": self.satisfied, "expires": NOW, "idle_expires": NOW,
        });
        let routes = Router::new()
            .route("/auth/session", get(async || Json(session)))
            .route("/api/requests/{id}", get(show))
            .route("/api/requests/{id}/decision", post(decide))
            .with_state((self.shown.clone(), Arc::clone(&self.decided)));
        super::api(routes).await
    }

    /// What was decided, by the holder of this key.
    pub fn decided(&self, by: &PublicKey) -> Vec<Decision> {
        let decided = self.decided.lock().unwrap();
        decided.iter().map(|decision| Decision::clone(&decision.verify(by, NOW).unwrap())).collect()
    }
}
