use std::sync::{
    Arc,
    atomic::{AtomicUsize, Ordering::SeqCst},
};

use airlock_core::{digest::Digest, memory::Dice, secret::Secret};
use axum::{
    Json, Router,
    extract::State,
    http::{HeaderMap, StatusCode, header},
    routing::post,
};
use serde_json::Value;

use super::*;
use crate::{
    fake::{self, NOW, Typist},
    person::client_key::ClientKey,
    scratch::Scratch,
};

/// Somebody at their desk, at an API that signs out the session `fresh` unless it is down.
struct Somebody {
    desk: Desk,
    signed_out: Arc<AtomicUsize>,
    _scratch: Scratch,
}

async fn somebody(terminal: Option<Arc<Typist>>, status: StatusCode) -> Somebody {
    let signed_out = Arc::new(AtomicUsize::new(0));
    let sign_out = async move |State(count): State<Arc<AtomicUsize>>, headers: HeaderMap| {
        assert_eq!(headers[header::AUTHORIZATION], "Session fresh");
        count.fetch_add(1, SeqCst);
        let problem = json!({ "type": "x/unavailable", "title": "later", "status": 503 });
        let done = json!({ "sign_out": "https://login.example/out" });
        (status, Json(if status.is_success() { done } else { problem }))
    };
    let routes =
        Router::new().route("/auth/sign-out", post(sign_out)).with_state(Arc::clone(&signed_out));
    let scratch = Scratch::new();
    let desk = fake::desk(&fake::api(routes).await, "me", &scratch, terminal);
    Somebody { desk, signed_out, _scratch: scratch }
}

fn signed_in() -> SignedIn {
    let person = fake::person();
    let session: Value = json!({
        "sid": Digest::of(&[b"sid"]), "tid": person.tid, "oid": person.oid,
        "name": "Mallory\nGo on as \"me\"?", "roles": [],
        "expires": NOW.plus_s(60), "idle_expires": NOW.plus_s(60),
    });
    SignedIn {
        key: ClientKey::draw(&Dice).unwrap(),
        cookie: Secret::new("fresh".to_owned()),
        session: serde_json::from_value(session).unwrap(),
    }
}

fn options(yes: bool, person: Option<&str>) -> cli::SignIn {
    let person = person.map(str::to_owned);
    cli::SignIn { tenant: None, person, no_browser: true, step_up: None, yes }
}

#[tokio::test]
async fn a_session_is_kept_once_its_person_has_said_that_it_is_theirs() {
    for answer in ["y", "YES"] {
        let typist = Typist::who_types(answer);
        let me = somebody(Some(Arc::clone(&typist)), StatusCode::OK).await;

        let ending = me.desk.go_on(&options(false, None), signed_in()).await.unwrap();

        assert_eq!((ending, me.signed_out.load(SeqCst)), (Ending::Done, 0));
        assert_eq!(me.desk.profiles.read().unwrap().unwrap().cookie.expose(), "fresh");
        assert_eq!(typist.asked(), [r#"Go on as "Mallory\u{a}Go on as \"me\"?"? [y/N]"#]);
    }
}

#[tokio::test]
async fn somebody_elses_session_is_ended_and_not_kept() {
    for answer in ["n", "", "no", "Mallory", "yess"] {
        let me = somebody(Some(Typist::who_types(answer)), StatusCode::OK).await;

        let ending = me.desk.go_on(&options(false, None), signed_in()).await.unwrap();

        assert_eq!((ending, me.signed_out.load(SeqCst)), (Ending::Refused, 1), "{answer}");
        assert!(me.desk.profiles.read().unwrap().is_none(), "{answer}");
    }
}

#[tokio::test]
async fn a_session_without_the_step_up_that_was_asked_for_is_ended_and_not_kept() {
    for (acrs, kept) in [(vec![], false), (vec!["c2", "c11"], false), (vec!["c2", "c1"], true)] {
        let me = somebody(None, StatusCode::OK).await;
        let c1 = Context::try_from("c1".to_owned()).unwrap();
        let options = cli::SignIn { step_up: Some(c1), ..options(true, None) };
        let mut signed_in = signed_in();
        signed_in.session.acrs = acrs.iter().map(|&acr| acr.to_owned()).collect();

        let ending = me.desk.go_on(&options, signed_in).await.unwrap();

        assert_eq!(ending == Ending::Done, kept, "{acrs:?}");
        assert_eq!(me.desk.profiles.read().unwrap().is_some(), kept, "{acrs:?}");
        assert_eq!(me.signed_out.load(SeqCst), usize::from(!kept), "{acrs:?}");
    }
}

#[tokio::test]
async fn a_session_that_could_not_be_ended_is_told_and_not_kept() {
    let down = StatusCode::SERVICE_UNAVAILABLE;
    let me = somebody(Some(Typist::who_types("n")), down).await;

    let error = me.desk.go_on(&options(false, None), signed_in()).await.unwrap_err();

    assert!(error.to_string().contains("lasts until 2023-11-14T22:14:20Z"), "{error}");
    assert!(me.desk.profiles.read().unwrap().is_none());
}

#[tokio::test]
async fn who_said_yes_or_whom_to_play_is_not_asked() {
    for options in [options(true, None), options(false, Some("nina@contoso.example"))] {
        let typist = Typist::who_types("n");
        let me = somebody(Some(Arc::clone(&typist)), StatusCode::OK).await;

        assert_eq!(me.desk.go_on(&options, signed_in()).await.unwrap(), Ending::Done);

        assert!(typist.asked().is_empty());
        assert!(me.desk.profiles.read().unwrap().is_some());
    }
}

#[tokio::test]
async fn without_a_terminal_nobody_signs_in_by_browser_unless_they_said_yes() {
    let me = somebody(None, StatusCode::OK).await;

    let error = me.desk.sign_in(&options(false, None)).await.unwrap_err();

    assert!(error.is::<Usage>(), "{error}");
    // With it the next thing is missing: the API is no local cloud.
    let error = me.desk.sign_in(&options(true, None)).await.unwrap_err();
    assert!(error.to_string().contains("--tenant"), "{error}");
}
