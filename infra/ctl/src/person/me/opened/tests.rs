use std::sync::Arc;

use airlock_core::{
    digest::Digest,
    memory::{Dice, SetClock},
};
use serde_json::Value;

use super::*;
use crate::{
    fake::{self, NOW, Requested},
    person::{
        api::Api,
        client_key::ClientKey,
        people::{self, People},
    },
};

const USER: &str = "11111111-2222-4333-8444-555555555555";

fn me(api: Api) -> Me {
    let key = ClientKey::draw(&Dice).unwrap();
    let clock = Arc::new(SetClock::at(NOW));
    Me::new(api, key, Digest::of(&[b"mine"]), fake::person(), clock, Arc::new(Dice))
}

fn decided(requested: &Requested, me: &Me) -> Vec<Decision> {
    requested.decided(&me.key.public().unwrap())
}

/// A request that has ended, and says this of its review.
async fn ended(break_glass: bool, review: Value) -> Requested {
    let mut requested = Requested::with(|ask| {
        ask.break_glass = break_glass;
        ask.iat = NOW.plus_s(-7200);
        ask.exp = NOW.plus_s(-3600);
    })
    .await;
    requested.shown["state"] = json!("succeeded");
    requested.shown["review"] = review;
    requested
}

#[tokio::test]
async fn a_decision_is_signed_over_what_was_shown_and_ends_with_the_request() {
    let requested = Requested::with(|_| ()).await;
    let me = me(requested.api().await);
    let request = me.open(requested.id).await.unwrap().recognise("account.disable", USER).unwrap();

    me.decide(&request, Verdict::Deny, "no").await.unwrap();

    let [decision] = &decided(&requested, &me)[..] else { panic!() };
    assert_eq!((decision.tnt, decision.req), (requested.id.tenant, requested.id.digest));
    assert_eq!((decision.verdict, decision.reason.as_str()), (Verdict::Deny, "no"));
    assert_eq!((decision.exp, decision.sid), (NOW.plus_s(60), Digest::of(&[b"mine"])));
}

#[tokio::test]
async fn an_api_that_lies_about_a_request_is_not_believed() {
    let mut requested = Requested::with(|_| ()).await;
    for (member, lie) in [("operation", "sessions.revoke"), ("purpose", "harmless")] {
        requested.shown[member] = json!(lie);
    }
    requested.shown["target"] = json!("22222222-2222-4333-8444-555555555555");
    let me_there = me(requested.api().await);
    let opened = me_there.open(requested.id).await.unwrap();

    let text = opened.told(&People::default()).to_string();
    assert!(text.contains("operation account.disable: "), "{text}");
    assert!(text.contains(&format!("user      {USER}\n")), "{text}");
    assert!(text.contains("purpose   \"left\"\n"), "{text}");
    assert!(text.contains(&format!("asked by  {}\n", fake::person())), "{text}");
    assert!(!text.contains("harmless") && !text.contains("sessions.revoke"), "{text}");

    let mut other = Requested::with(|ask| ask.purpose = "other".to_owned()).await;
    other.shown["id"] = json!(requested.id);
    let opened = me(other.api().await).open(requested.id).await;
    assert!(matches!(opened, Err(NotOpened::Disclosed(NotDisclosed::NotVerified(_)))));
}

#[tokio::test]
async fn a_request_is_recognised_by_its_operation_and_its_user() {
    let requested = Requested::with(|_| ()).await;
    let me = me(requested.api().await);
    let recognised = async |operation, user| {
        me.open(requested.id).await.unwrap().recognise(operation, user).map(drop)
    };

    assert_eq!(recognised("account.disable", USER).await, Ok(()));
    assert_eq!(recognised("account.disable", "11111111").await, Ok(()));
    for operation in ["sessions.revoke", "account", ""] {
        let other = Err(NotRecognised::Operation("account.disable"));
        assert_eq!(recognised(operation, USER).await, other, "{operation}");
    }
    for user in ["22222222", "1111111", "", "11111111-2222"] {
        let other = Err(NotRecognised::Target(USER.parse().unwrap()));
        assert_eq!(recognised("account.disable", user).await, other, "{user}");
    }
}

#[tokio::test]
async fn parameters_ticket_and_emergency_are_shown_as_they_were_signed() {
    let group = "33333333-2222-4333-8444-555555555555";
    let requested = Requested::with(|ask| {
        ask.op.name = "group.add".to_owned();
        ask.op.parameters = json!({ "group": group });
        ask.ticket = Some("INC  4711\n".to_owned());
        ask.break_glass = true;
    })
    .await;
    let opened = me(requested.api().await).open(requested.id).await.unwrap();

    let text = opened.told(&People::default()).to_string();
    let json = serde_json::to_value(&opened).unwrap();

    assert!(text.contains(&format!("with      group: \"{group}\"\n")), "{text}");
    assert!(text.contains("ticket    \"INC \\u{20}4711\\u{a}\"\n"), "{text}");
    assert!(text.contains("\nemergency "), "{text}");
    assert_eq!(json["signed"]["parameters"], json!({ "group": group }));
    assert_eq!(json["signed"]["ticket"], "INC  4711\n");
    assert_eq!(json["signed"]["break_glass"], true);
    assert_eq!(json["id"], json!(requested.id));
}

#[tokio::test]
async fn decisions_are_shown_with_who_made_them_and_why() {
    let april = fake::person();
    let nina = airlock_core::identity::PersonId { oid: USER.parse().unwrap(), ..april };
    let fake = "user      22222222-2222-4333-8444-555555555555";
    let mut requested = Requested::with(|_| ()).await;
    requested.shown["decisions"] = json!([
        { "by": april.to_string(), "verdict": "approve", "at": NOW, "reason": "I called her" },
        { "by": nina.to_string(), "verdict": "deny", "at": NOW, "reason": format!("no\n{fake}") },
    ]);
    requested.shown["step_up"] = json!("c1");
    let opened = me(requested.api().await).open(requested.id).await.unwrap();
    let people = people::tests::among(april, "april@contoso.example", nina);

    let text = opened.told(&people).to_string();
    let json = serde_json::to_value(&opened).unwrap();

    let approved = "decided   approved by april@contoso.example at 2023-11-14T22:13:20Z\n          \
                    \"I called her\"\n";
    assert!(text.contains(approved), "{text}");
    assert!(text.contains("decided   denied by you at 2023-11-14T22:13:20Z\n"), "{text}");
    assert!(text.contains("step up   c1, of whoever approves or denies it\n"), "{text}");
    assert_eq!(text.lines().filter(|line| line.starts_with("user ")).count(), 1, "{text}");
    assert_eq!(json["decisions"], requested.shown["decisions"]);
    assert_eq!(json["step_up"], "c1");
    assert!(opened.is_approved_by(&april.to_string()) && !opened.is_approved_by(&nina.to_string()));
    for (verdict, wanted) in [
        (Verdict::Approve, true),
        (Verdict::Deny, true),
        (Verdict::Withdraw, false),
        (Verdict::Review, false),
    ] {
        assert_eq!(opened.step_up_for(verdict).is_some(), wanted, "{verdict:?}");
    }
}

#[tokio::test]
async fn a_purpose_cannot_pretend_to_be_another_line() {
    let fake = "user      22222222-2222-4333-8444-555555555555";
    let padded = format!("left{}{fake}{}", " ".repeat(66), " ".repeat(34));
    let natural =
        format!("{}{fake}", "he left, as his manager told me on the telephone ".repeat(2));
    for purpose in [padded, natural] {
        let requested = Requested::with(|ask| ask.purpose = purpose).await;
        let opened = me(requested.api().await).open(requested.id).await.unwrap();

        let text = opened.told(&People::default()).to_string();

        assert!(!text.contains(fake), "{text}");
        let widest = text.lines().filter(|line| line.ends_with('"')).map(str::len).max();
        assert!(widest.unwrap() <= 72, "{text}");
        assert_eq!(text.lines().filter(|line| line.starts_with("user ")).count(), 1, "{text}");
    }
}

#[tokio::test]
async fn what_has_ended_is_not_decided_and_nothing_is_sent() {
    for (state, exp) in [("failed", 60), ("withdrawn", 60), ("expired", 60), ("pending", 0)] {
        let mut requested = Requested::with(|ask| ask.exp = NOW.plus_s(exp)).await;
        requested.shown["state"] = json!(state);
        let me = me(requested.api().await);
        let opened = me.open(requested.id).await.unwrap();

        let waits = opened.waits_for(Verdict::Approve, NOW);
        let withdrawn = me.withdraw(&opened, "yes").await;
        let request = opened.recognise("account.disable", USER).unwrap();
        let decided_it = me.decide(&request, Verdict::Approve, "yes").await;

        assert!(matches!(waits, Err(NotWaiting::Closed(_))), "{state}");
        assert!(matches!(withdrawn, Err(NotDecided::NotWaiting(NotWaiting::Closed(_)))), "{state}");
        assert!(
            matches!(decided_it, Err(NotDecided::NotWaiting(NotWaiting::Closed(_)))),
            "{state}"
        );
        assert!(decided(&requested, &me).is_empty(), "{state}");
    }
}

#[tokio::test]
async fn a_decision_needs_a_reason_that_fits() {
    for reason in ["", " \n", &"x".repeat(1001)] {
        let requested = Requested::with(|_| ()).await;
        let me = me(requested.api().await);
        let opened = me.open(requested.id).await.unwrap();

        let withdrawn = me.withdraw(&opened, reason).await;

        assert!(matches!(withdrawn, Err(NotDecided::Reason)));
        assert!(decided(&requested, &me).is_empty());
    }
}

#[tokio::test]
async fn an_emergency_that_has_ended_is_reviewed_after_its_own_time() {
    let requested = ended(true, json!("due")).await;
    let me = me(requested.api().await);
    let opened = me.open(requested.id).await.unwrap();
    assert!(matches!(opened.waits_for(Verdict::Deny, NOW), Err(NotWaiting::Closed(_))));
    let request = opened.recognise("account.disable", USER).unwrap();

    me.decide(&request, Verdict::Review, "it was right").await.unwrap();

    let [decision] = &decided(&requested, &me)[..] else { panic!() };
    assert_eq!((decision.verdict, decision.req), (Verdict::Review, requested.id.digest));
    assert!(decision.exp > NOW);
}

#[tokio::test]
async fn only_a_review_that_is_due_is_signed() {
    let waiting = Requested::with(|ask| ask.break_glass = true).await;
    let done = ended(true, json!("done")).await;
    let silent = ended(true, Value::Null).await;
    // The API says so, and what was signed is no emergency.
    let ordinary = ended(false, json!("due")).await;
    for requested in [waiting, done, silent, ordinary] {
        let me = me(requested.api().await);
        let opened = me.open(requested.id).await.unwrap();
        let request = opened.recognise("account.disable", USER).unwrap();

        let reviewed = me.decide(&request, Verdict::Review, "yes").await;

        assert!(matches!(reviewed, Err(NotDecided::NotWaiting(NotWaiting::NoReview))));
        assert!(decided(&requested, &me).is_empty());
    }
}
