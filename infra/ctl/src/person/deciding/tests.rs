use airlock_core::{decision::Decision, identity::PersonId};
use serde_json::json;

use super::*;
use crate::{
    cli::{UserName, VerdictName},
    fake::{self, Requested, Typist},
    person::{client_key::ClientKey, me::opened::NotWaiting, profile::Profile},
    scratch::Scratch,
};

const USER: &str = "11111111-2222-4333-8444-555555555555";
const OTHER: &str = "22222222-2222-4333-8444-555555555555";

/// April at her desk, signed in at an API that shows one request.
struct April {
    desk: Desk,
    key: ClientKey,
    requested: Requested,
    _scratch: Scratch,
}

impl April {
    async fn at(requested: Requested, terminal: Option<Arc<Typist>>) -> Self {
        let scratch = Scratch::new();
        let api = requested.api().await;
        let desk = fake::desk(&api, "april", &scratch, terminal);
        let key = fake::signed_in(&desk, &api, fake::person());
        Self { desk, key, requested, _scratch: scratch }
    }

    async fn approves(&self, reading: cli::Reading) -> anyhow::Result<Ending> {
        let options = cli::Decide {
            request: self.requested.id,
            verdict: VerdictName::Approve,
            reason: "I called her".to_owned(),
            reading,
        };
        self.desk.decide(&options).await
    }

    fn decided(&self) -> Vec<Decision> {
        self.requested.decided(&self.key.public().unwrap())
    }
}

fn asked() -> cli::Reading {
    cli::Reading {
        operation: None,
        about: cli::About { user: None, secret: None, application: None },
    }
}

fn named(operation: &str, user: &str) -> cli::Reading {
    let user = UserName::Id(user.parse().unwrap());
    cli::Reading {
        operation: Some(operation.to_owned()),
        about: cli::About { user: Some(user), secret: None, application: None },
    }
}

async fn account_disable() -> Requested {
    Requested::with(|_| ()).await
}

#[tokio::test]
async fn at_a_terminal_a_request_is_signed_once_its_reader_has_said_what_it_is() {
    for typed in
        ["account.disable 11111111", "  account.disable   11111111-2222-4333-8444-555555555555 "]
    {
        let typist = Typist::who_types(typed);
        let april = April::at(account_disable().await, Some(Arc::clone(&typist))).await;

        assert_eq!(april.approves(asked()).await.unwrap(), Ending::Done);

        let [decision] = &april.decided()[..] else { panic!() };
        assert_eq!((decision.verdict, decision.req), (Verdict::Approve, april.requested.id.digest));
        let [question] = &typist.asked()[..] else { panic!() };
        assert!(!question.contains("account.disable") && !question.contains("1111"), "{question}");
    }
}

#[tokio::test]
async fn who_answers_by_what_a_lying_api_told_them_signs_nothing() {
    // The list said `sessions.revoke`, or another user; or they just want to get on.
    let answers = [
        "sessions.revoke 11111111",
        "account.disable 22222222",
        "account.disable",
        "11111111",
        "y",
        "yes",
        "",
    ];
    for answer in answers {
        let april = April::at(account_disable().await, Some(Typist::who_types(answer))).await;

        let error = april.approves(asked()).await.unwrap_err();

        assert!(error.to_string().starts_with("nothing was signed"), "{answer}: {error}");
        assert!(!error.is::<Usage>() && april.decided().is_empty(), "{answer}");
    }
}

#[tokio::test]
async fn without_a_terminal_operation_and_user_are_wanted_before_anything_is_fetched() {
    let april = April::at(account_disable().await, None).await;
    // Nothing listens any more where the request would be shown.
    let nowhere = "http://127.0.0.1:9".parse().unwrap();
    let desk = Desk { api: crate::person::api::Api::new(nowhere).unwrap(), ..april.desk };
    let profile = desk.profiles.read().unwrap().unwrap();
    desk.profiles.keep(&Profile { api: "http://127.0.0.1:9".to_owned(), ..profile }).unwrap();
    let april = April { desk, ..april };

    let error = april.approves(asked()).await.unwrap_err();

    assert!(error.is::<Usage>(), "{error}");
}

#[tokio::test]
async fn what_was_named_must_be_what_the_signed_request_says() {
    for (operation, user) in [("sessions.revoke", USER), ("account.disable", OTHER)] {
        let april = April::at(account_disable().await, None).await;

        let error = april.approves(named(operation, user)).await.unwrap_err();

        assert!(error.to_string().starts_with("nothing was signed"), "{error}");
        assert!(april.decided().is_empty());
    }
    let april = April::at(account_disable().await, None).await;
    assert_eq!(april.approves(named("account.disable", USER)).await.unwrap(), Ending::Done);
    assert_eq!(april.decided().len(), 1);
}

#[tokio::test]
async fn what_was_named_at_a_terminal_is_not_asked() {
    let typist = Typist::who_types("no");
    let april = April::at(account_disable().await, Some(Arc::clone(&typist))).await;

    april.approves(named("account.disable", USER)).await.unwrap();

    assert_eq!((april.decided().len(), typist.asked().len()), (1, 0));
}

#[tokio::test]
async fn nobody_is_asked_about_what_has_ended() {
    let mut requested = account_disable().await;
    requested.shown["state"] = "turned_down".into();
    let typist = Typist::who_types("account.disable 11111111");
    let april = April::at(requested, Some(Arc::clone(&typist))).await;

    let error = april.approves(asked()).await.unwrap_err();

    assert!(matches!(error.downcast_ref(), Some(NotWaiting::Closed(_))), "{error}");
    assert!(typist.asked().is_empty() && april.decided().is_empty());
}

#[tokio::test]
async fn showing_a_request_signs_nothing() {
    let april = April::at(account_disable().await, None).await;

    let ending = april.desk.show(&cli::Show { request: april.requested.id }).await.unwrap();

    assert_eq!(ending, Ending::Done);
    assert!(april.decided().is_empty());
}

#[tokio::test]
async fn a_withdrawal_takes_no_question_and_a_review_takes_the_same_as_an_approval() {
    let april = April::at(account_disable().await, None).await;
    let options =
        cli::Withdraw { request: april.requested.id, reason: "another person".to_owned() };
    april.desk.withdraw(&options).await.unwrap();
    assert_eq!(april.decided()[0].verdict, Verdict::Withdraw);

    let mut requested = Requested::with(|ask| ask.break_glass = true).await;
    requested.shown["state"] = "succeeded".into();
    requested.shown["review"] = "due".into();
    let april = April::at(requested, None).await;
    let review = |reading| cli::Review {
        request: april.requested.id,
        reason: "it was right".to_owned(),
        reading,
    };
    assert!(april.desk.review(&review(asked())).await.unwrap_err().is::<Usage>());
    let other = april.desk.review(&review(named("account.enable", USER))).await;
    assert!(other.is_err() && april.decided().is_empty());
    april.desk.review(&review(named("account.disable", USER))).await.unwrap();
    assert_eq!(april.decided()[0].verdict, Verdict::Review);
}

#[tokio::test]
async fn a_reason_that_does_not_fit_was_typed_wrong() {
    let april = April::at(account_disable().await, None).await;
    let options = cli::Withdraw { request: april.requested.id, reason: " ".to_owned() };

    let error = april.desk.withdraw(&options).await.unwrap_err();

    assert!(error.is::<Usage>() && april.decided().is_empty(), "{error}");
}

#[tokio::test]
async fn a_step_up_that_is_missing_is_named_before_anybody_is_asked() {
    for (satisfied, verdict, signed) in [
        (&[][..], VerdictName::Approve, 0),
        (&["c2"], VerdictName::Deny, 0),
        (&["c2", "c1"], VerdictName::Approve, 1),
    ] {
        let mut requested = account_disable().await;
        requested.shown["step_up"] = json!("c1");
        requested.satisfied = satisfied;
        let typist = Typist::who_types("account.disable 11111111");
        let april = April::at(requested, Some(Arc::clone(&typist))).await;
        let options = cli::Decide {
            request: april.requested.id,
            verdict,
            reason: "I called her".to_owned(),
            reading: asked(),
        };

        let decided = april.desk.decide(&options).await;

        assert_eq!(april.decided().len(), signed, "{satisfied:?}");
        assert_eq!(typist.asked().len(), signed, "{satisfied:?}");
        if let Err(error) = decided {
            let told = error.to_string();
            assert!(
                told.contains("decides account.disable there must have stepped up to c1"),
                "{told}"
            );
            let api = april.desk.api.origin();
            assert!(
                told.contains(&format!("--api {api} --profile april sign-in --step-up c1`")),
                "{told}"
            );
        }
    }
}

#[tokio::test]
async fn who_neither_asked_nor_approved_is_told_that_nothing_is_theirs_to_take_back() {
    let stranger = PersonId { oid: USER.parse().unwrap(), ..fake::person() };
    let decision = |by: PersonId, verdict: &str| json!([{ "by": by.to_string(), "verdict": verdict, "at": 1, "reason": "r" }]);
    for (decisions, signed) in [
        (json!([]), 0),
        (decision(fake::person(), "approve"), 0),
        (decision(stranger, "deny"), 0),
        (decision(stranger, "approve"), 1),
    ] {
        let mut requested = account_disable().await;
        requested.shown["decisions"] = decisions;
        let april = April::at(requested, None).await;
        let profile = april.desk.profiles.read().unwrap().unwrap();
        april.desk.profiles.keep(&Profile { person: stranger, ..profile }).unwrap();
        let options = cli::Withdraw { request: april.requested.id, reason: "no".to_owned() };

        let withdrawn = april.desk.withdraw(&options).await;

        assert_eq!(april.decided().len(), signed);
        if let Err(error) = withdrawn {
            let told = error.to_string();
            assert!(told.starts_with("nothing was signed: aaaaaaaa asked for that"), "{told}");
            assert!(
                told.contains(&format!("decide {} deny --reason", april.requested.id)),
                "{told}"
            );
        }
    }
}
