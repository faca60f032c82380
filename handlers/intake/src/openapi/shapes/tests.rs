//! What core writes is what the document says, member by member: each value here is written out
//! with all that it can have, so that a new member does not compile until it is described.

use airlock_core::{
    ask, base64url, catalog, claim, decision, digest,
    identity::{self, App},
    jwk::PublicKey as Key,
    jws::{Artefact, Signed},
    ledger, producer, reception, record, service, session,
    time::Timestamp,
};
use serde::{Serialize, de::DeserializeOwned};
use serde_json::{Value, json};

use super::*;

/// Reads what core wrote as `Shape`, which knows nothing else, and compares what that writes.
fn told_as<Shape: Serialize + DeserializeOwned>(written: &impl Serialize) {
    let written = serde_json::to_value(written).unwrap();

    let read: Shape = serde_json::from_value(written.clone()).unwrap();

    assert_eq!(serde_json::to_value(read).unwrap(), written);
}

const AT: Timestamp = Timestamp::from_unix_s(1_700_000_000);

/// A UUID, as whichever type needs one.
fn id<Id: DeserializeOwned>() -> Id {
    serde_json::from_value(json!("7f4e3c1a-0000-4000-8000-00000000c0de")).unwrap()
}

fn digest() -> digest::Digest {
    digest::Digest::of(&[b"it"])
}

fn key() -> Key {
    serde_json::from_value(json!({
        "kty": "EC",
        "crv": "P-256",
        "x": "f83OJ3D2xF1Bg8vub9tLe1gHMzV76e8Tus9uPHvRVEU",
        "y": "x_FEzRu9m36HLN_tue659LNpXW6pCyStikYjKIWI5a0",
    }))
    .unwrap()
}

fn asked() -> catalog::Asked {
    catalog::Asked {
        name: "tap.issue".to_owned(),
        target: catalog::Target::User(id()),
        parameters: json!({ "lifetime_minutes": 60 }),
    }
}

/// Something signed, as far as it is read without a key.
fn signed<T: Artefact>() -> Signed<T> {
    let header = json!({ "alg": "ES256", "kid": key().thumbprint(), "typ": T::TYP.media_type() })
        .to_string();
    Signed::parse(format!("{}.e30.AA", base64url::encode(header))).unwrap()
}

fn view() -> reception::View {
    let ending = claim::Ending::Succeeded;
    reception::View {
        id: reception::RequestName { tenant: id(), digest: digest() }.to_string(),
        state: record::State::Succeeded.name(),
        tenant: id(),
        summary: record::Summary {
            operation: "tap.issue".to_owned(),
            target: catalog::Target::User(id()),
            requester: identity::PersonId { tid: id(), oid: id() }.to_string(),
            purpose: "first day".to_owned(),
            ticket: Some("INC-7".to_owned()),
            break_glass: true,
            asked_at: AT,
            expires: AT,
        },
        needs_approvals: 1,
        approvals: 1,
        outcome: Some(reception::OutcomeView { ending, reason: "done".to_owned() }),
        review: Some("due"),
        reveal: Some("ready"),
    }
}

#[test]
fn a_request_is_told_as_described() {
    told_as::<RequestView>(&view());
    told_as::<RequestView>(&reception::View {
        review: Some("done"),
        reveal: Some("revealed"),
        ..view()
    });
}

#[test]
fn a_request_is_shown_with_its_evidence_as_described() {
    let person = session::PersonEvidence { session: signed(), confirmation: signed() };
    for evidence in [
        ask::RequestEvidence::Proven { request: signed(), person },
        ask::RequestEvidence::Attested { attestation: signed() },
        ask::RequestEvidence::Produced { event: signed() },
    ] {
        // No `_` arm: new evidence does not compile until it is described.
        match &evidence {
            ask::RequestEvidence::Proven { .. }
            | ask::RequestEvidence::Attested { .. }
            | ask::RequestEvidence::Produced { .. } => {}
        }
        let decided = reception::DecisionView {
            by: identity::PersonId { tid: id(), oid: id() }.to_string(),
            verdict: decision::Verdict::Approve,
            at: AT,
            reason: "known".to_owned(),
        };
        let shown = reception::Shown {
            view: view(),
            evidence,
            decisions: vec![decided],
            step_up: Some("c1".to_owned().try_into().unwrap()),
        };
        told_as::<RequestShown>(&shown);
    }
}

#[test]
fn a_secret_is_named_as_described() {
    let name = || "payroll".to_owned().try_into().unwrap();
    told_as::<Asked>(&catalog::Asked {
        name: "secret.rotate".to_owned(),
        target: catalog::Target::Secret(name()),
        parameters: json!({ "emergency": true }),
    });
    let mut view = view();
    view.summary.target = catalog::Target::Secret(name());
    told_as::<RequestView>(&view);
}

#[test]
fn an_application_is_named_as_described() {
    told_as::<Asked>(&catalog::Asked {
        name: "credential.remove".to_owned(),
        target: catalog::Target::Application(id()),
        parameters: json!({ "credential": id::<identity::TenantId>(), "kind": "password" }),
    });
    let mut view = view();
    view.summary.target = catalog::Target::Application(id());
    told_as::<RequestView>(&view);
}

#[test]
fn what_people_sign_is_as_described() {
    told_as::<Ask>(&ask::Ask {
        jti: id(),
        iat: AT,
        exp: AT,
        aud: App::Execute,
        tnt: id(),
        sid: digest(),
        by: identity::PersonId { tid: id(), oid: id() },
        op: asked(),
        purpose: "first day".to_owned(),
        ticket: Some("INC-7".to_owned()),
        break_glass: true,
        reveal_to: Some(key()),
    });
    told_as::<Decision>(&decision::Decision {
        jti: id(),
        iat: AT,
        exp: AT,
        tnt: id(),
        req: digest(),
        sid: digest(),
        verdict: decision::Verdict::Approve,
        reason: "known".to_owned(),
    });
}

#[test]
fn what_stands_for_people_is_as_described() {
    told_as::<Session>(&session::Session {
        iss: App::Signin,
        sid: "AAAAAAAAAAAAAAAAAAAAAA".to_owned(),
        tid: id(),
        oid: id(),
        roles: identity::Role::ALL.to_vec(),
        acrs: vec!["c1".to_owned()],
        auth_time: AT,
        iat: AT,
        exp: AT,
        cnf: session::Confirms { jwk: key() },
        cookie: digest(),
    });
    told_as::<Confirmation>(&session::Confirmation {
        iss: App::Intake,
        session: digest(),
        tid: id(),
        oid: id(),
        jkt: key().thumbprint(),
        iat: AT,
        exp: AT,
    });
    told_as::<Attestation>(&ask::Attestation {
        iss: App::Intake,
        jti: id(),
        iat: AT,
        exp: AT,
        aud: App::Execute,
        tnt: id(),
        sub: "hr-system".to_owned(),
        token: digest(),
        op: asked(),
        purpose: "first day".to_owned(),
        ticket: Some("INC-7".to_owned()),
    });
}

#[test]
fn what_programs_ask_is_as_described() {
    let ask = service::ServiceAsk {
        tenant: id(),
        op: asked(),
        purpose: "first day".to_owned(),
        ticket: Some("INC-7".to_owned()),
        lifetime_s: Some(600),
    };
    told_as::<ServiceAsk>(&ask);
    let service::ServiceAsk { tenant, op, purpose, ticket, lifetime_s } = ask;
    let finding = Some(signed());
    let data = producer::EventData { op, purpose, ticket, lifetime_s, finding };
    let (producer, name) = ("hr-system".to_owned(), "joiner-7".to_owned());
    told_as::<Event>(&producer::Event::asking(producer, name, AT, tenant, data));
}

#[test]
fn the_catalog_is_told_as_described() {
    for operation in catalog::OPERATIONS {
        told_as::<Operation>(operation.entry());
    }
}

#[test]
fn every_word_that_stands_for_one_of_several_is_described() {
    use claim::Ending as End;
    use decision::Verdict as Said;
    use record::State;

    // No `_` arm below: a new word does not compile until it is described.
    use catalog::TargetKind as Kind;
    for kind in [Kind::User, Kind::Secret, Kind::Application] {
        match kind {
            Kind::User | Kind::Secret | Kind::Application => told_as::<TargetKind>(&kind),
        }
    }
    for state in [
        State::Pending,
        State::Permitted,
        State::Executing,
        State::Succeeded,
        State::Refused,
        State::Failed,
        State::Unknown,
        State::TurnedDown,
        State::Withdrawn,
    ] {
        let (shown, stored) = match state {
            State::Pending => (RequestState::Pending, StoredState::Pending),
            State::Permitted => (RequestState::Permitted, StoredState::Permitted),
            State::Executing => (RequestState::Executing, StoredState::Executing),
            State::Succeeded => (RequestState::Succeeded, StoredState::Succeeded),
            State::Refused => (RequestState::Refused, StoredState::Refused),
            State::Failed => (RequestState::Failed, StoredState::Failed),
            State::Unknown => (RequestState::Unknown, StoredState::Unknown),
            State::TurnedDown => (RequestState::TurnedDown, StoredState::TurnedDown),
            State::Withdrawn => (RequestState::Withdrawn, StoredState::Withdrawn),
        };
        assert_eq!(serde_json::to_value(shown).unwrap(), Value::from(state.name()));
        assert_eq!(serde_json::to_value(stored).unwrap(), Value::from(state.name()));
        told_as::<StoredState>(&state);
    }
    for ending in [End::Succeeded, End::Refused, End::Failed, End::Unknown] {
        let described = match ending {
            End::Succeeded => Ending::Succeeded,
            End::Refused => Ending::Refused,
            End::Failed => Ending::Failed,
            End::Unknown => Ending::Unknown,
        };
        assert_eq!(serde_json::to_value(described).unwrap(), serde_json::to_value(ending).unwrap());
    }
    let verdicts = [Said::Approve, Said::Deny, Said::Withdraw, Said::Review];
    for verdict in verdicts {
        let described = match verdict {
            Said::Approve => Verdict::Approve,
            Said::Deny => Verdict::Deny,
            Said::Withdraw => Verdict::Withdraw,
            Said::Review => Verdict::Review,
        };
        assert_eq!(
            serde_json::to_value(described).unwrap(),
            serde_json::to_value(verdict).unwrap()
        );
    }
    for role in identity::Role::ALL {
        told_as::<Role>(&role);
    }
}

#[test]
fn a_receipt_is_told_as_described() {
    let proof = reception::Proof {
        receipt: "c2sp.org/tlog-proof@v1".to_owned(),
        statement: signed(),
        outcome: signed(),
    };
    told_as::<RequestProof>(&proof);
    told_as::<OutcomeClaims>(&claim::Outcome {
        iss: App::Execute,
        tnt: id(),
        req: digest(),
        ending: claim::Ending::Succeeded,
        reason: "done".to_owned(),
        iat: AT,
        result: Some(digest()),
        call_id: Some("c".to_owned()),
    });
    told_as::<Statement>(&ledger::Statement {
        specversion: "1.0".to_owned(),
        id: id(),
        source: "/airlock/execute".to_owned(),
        r#type: ledger::Happened::Ended,
        subject: "request-1".to_owned(),
        time: "2026-01-01T00:00:00Z".to_owned(),
        traceparent: Some("00-0".to_owned()),
        tenantid: "platform".to_owned(),
        principal: Some(digest()),
        iss: App::Execute,
        iat: AT,
        data: ledger::statement::Data {
            request: Some(digest()),
            reason: Some("done".to_owned()),
            ..ledger::statement::Data::default()
        },
    });
}
