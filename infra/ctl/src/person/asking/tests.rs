use serde_json::{Value, json};

use super::*;
use crate::{
    fake::{self, Requested},
    scratch::Scratch,
};

/// Harriet, signed in at an API that shows one request as it is changed here.
async fn harriet(change: impl FnOnce(&mut Value)) -> (Desk, Requested, Scratch) {
    let scratch = Scratch::new();
    let mut requested = Requested::with(|_| ()).await;
    change(&mut requested.shown);
    let api = requested.api().await;
    let desk = fake::desk(&api, "harriet", &scratch, None);
    fake::signed_in(&desk, &api, fake::person());
    (desk, requested, scratch)
}

fn view(requested: &Requested) -> RequestView {
    serde_json::from_value(requested.shown.clone()).unwrap()
}

#[tokio::test]
async fn who_stops_looking_is_told_so_and_how_to_go_on() {
    let (desk, requested, scratch) = harriet(|_| ()).await;
    let options = cli::Watch { request: requested.id, seconds: Some(0) };

    assert_eq!(desk.watch(&options).await.unwrap(), Ending::Refused);

    let view = view(&requested);
    assert_eq!(
        closing(0, &view).unwrap(),
        "Not ended after 0 s, so this stops looking: pending, waits for 1 approval."
    );
    let steps = desk.next_steps(&view);
    let (api, id) = (desk.api.origin(), requested.id);
    let decide = format!("airlockctl --stack {} --api {api} decide {id} approve", stack(&scratch));
    assert!(steps[0].contains(&decide), "{steps:?}");
    assert!(steps[1].ends_with(&format!("--api {api} --profile harriet watch {id}")), "{steps:?}");
}

fn stack(scratch: &Scratch) -> String {
    scratch.path().join("stack.json").display().to_string()
}

#[tokio::test]
async fn what_has_ended_is_not_told_to_be_looked_at_again() {
    for (reveal, review, next) in [
        (Value::Null, Value::Null, &[][..]),
        (json!("ready"), Value::Null, &["--profile harriet reveal"]),
        // Somebody else reviews: not under Harriet's name.
        (Value::Null, json!("due"), &["/ review"]),
    ] {
        let (desk, requested, _scratch) = harriet(|shown| {
            shown["state"] = json!("succeeded");
            shown["reveal"] = reveal;
            shown["review"] = review;
        })
        .await;
        let view = view(&requested);

        assert_eq!(closing(5, &view), None);
        let origin = desk.api.origin().to_string();
        let steps: Vec<String> =
            desk.next_steps(&view).iter().map(|step| step.replace(&origin, "/")).collect();
        assert_eq!(steps.len(), next.len(), "{steps:?}");
        for (step, words) in steps.iter().zip(next) {
            assert!(step.contains(words), "{step}");
        }
    }
}

#[tokio::test]
async fn a_profile_under_which_nobody_signed_in_is_told_of_those_that_are_there() {
    let (harriets, requested, scratch) = harriet(|_| ()).await;
    let api = harriets.api.origin().clone();
    let desk = fake::desk(&requested.api().await, "hariet", &scratch, None);
    let desk = Desk {
        api: harriets.api,
        profiles: crate::person::Profiles::new(scratch.path(), &api, &"hariet".parse().unwrap()),
        ..desk
    };

    let error = desk.requests(&cli::Requests { tenant: None, state: None }).await.unwrap_err();

    let told = error.to_string();
    assert!(
        told.starts_with(&format!(
            "nobody is signed in at {api} under the profile hariet (signed in there: harriet): run"
        )),
        "{told}"
    );
    assert!(told.ends_with("--profile hariet sign-in`"), "{told}");
}
