//! `mfa.reset`: sign-in methods of a user are taken away, of the kinds that the caller chooses.
//!
//! Microsoft Graph does not delete the default method while there are others, and tells an
//! application which one that is only in its beta. So every method is tried, and one that the
//! directory will not delete yet is tried again after the others: the default comes last by
//! itself. If others stay because their kind was not chosen, it stays too, and the request
//! says so.

use async_trait::async_trait;
use serde::Deserialize;
use serde_json::{Value, json};

use super::{
    Entry, Hands, Means, NotDone, NotUnderstood, Operation, Parameter, Plan, Planning, Reach, Risk,
    TargetKind, parameters, reading,
};
use crate::{identity::App, secret::Secret};

/// `DELETE /users/{id}/authentication/…Methods/{id}`, for each method of the chosen kinds.
pub(super) const MFA_RESET: Operation =
    Operation { entry: &ENTRY, plan: Planning::Directory(reset) };

const ENTRY: Entry = Entry {
    name: "mfa.reset",
    summary: "Removes a user's sign-in methods of the kinds that you choose, to be set up anew.",
    risk: Risk::High,
    secret: false,
    parameters: &[Parameter {
        name: "methods",
        meaning: "kinds to remove, as a list or with commas: phone, authenticator, passkey, \
                  software_oath, windows_hello, email",
        required: true,
        example: "phone,authenticator",
    }],
    worker: App::Execute,
    target: TargetKind::User,
    means: Means::Directory(Reach {
        application: "airlock-worker-methods",
        permissions: &[
            "UserAuthenticationMethod.Read.All",
            "UserAuthMethod-Phone.ReadWrite.All",
            "UserAuthMethod-MicrosoftAuthApp.ReadWrite.All",
            "UserAuthMethod-Passkey.ReadWrite.All",
            "UserAuthMethod-SoftwareOATH.ReadWrite.All",
            "UserAuthMethod-WindowsHello.ReadWrite.All",
            "UserAuthMethod-Email.ReadWrite.All",
        ],
        calls: &[
            "GET /users/{user}/authentication/methods",
            "DELETE /users/{user}/authentication/phoneMethods/{id}",
            "DELETE /users/{user}/authentication/microsoftAuthenticatorMethods/{id}",
            "DELETE /users/{user}/authentication/fido2Methods/{id}",
            "DELETE /users/{user}/authentication/softwareOathMethods/{id}",
            "DELETE /users/{user}/authentication/windowsHelloForBusinessMethods/{id}",
            "DELETE /users/{user}/authentication/emailMethods/{id}",
        ],
        reads: &[],
    }),
    pace_s: None,
    converges: "what is gone already is done; what is left is listed again and removed",
};

/// A kind of sign-in method. A password is none of them: it is reset, never removed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Deserialize)]
#[serde(rename_all = "snake_case")]
enum Kind {
    Phone,
    Authenticator,
    Passkey,
    SoftwareOath,
    WindowsHello,
    Email,
}

impl Kind {
    const fn name(self) -> &'static str {
        match self {
            Self::Phone => "phone",
            Self::Authenticator => "authenticator",
            Self::Passkey => "passkey",
            Self::SoftwareOath => "software_oath",
            Self::WindowsHello => "windows_hello",
            Self::Email => "email",
        }
    }

    /// The type that Graph lists it with, and the collection that it is deleted from.
    const fn in_graph(self) -> (&'static str, &'static str) {
        match self {
            Self::Phone => ("#microsoft.graph.phoneAuthenticationMethod", "phoneMethods"),
            Self::Authenticator => (
                "#microsoft.graph.microsoftAuthenticatorAuthenticationMethod",
                "microsoftAuthenticatorMethods",
            ),
            Self::Passkey => ("#microsoft.graph.fido2AuthenticationMethod", "fido2Methods"),
            Self::SoftwareOath => {
                ("#microsoft.graph.softwareOathAuthenticationMethod", "softwareOathMethods")
            }
            Self::WindowsHello => (
                "#microsoft.graph.windowsHelloForBusinessAuthenticationMethod",
                "windowsHelloForBusinessMethods",
            ),
            Self::Email => ("#microsoft.graph.emailAuthenticationMethod", "emailMethods"),
        }
    }
}

/// How kinds are named: a list, or one text with commas, which is all that a command line has.
#[derive(Deserialize)]
#[serde(untagged)]
enum Written {
    List(Vec<Kind>),
    Text(String),
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Methods {
    methods: Written,
}

fn reset(value: &Value) -> Result<Box<dyn Plan>, NotUnderstood> {
    let Methods { methods } = parameters(value)?;
    let mut kinds = match methods {
        Written::List(kinds) => kinds,
        Written::Text(text) => text
            .split(',')
            .map(|name| Kind::deserialize(json!(name)))
            .collect::<Result<_, _>>()
            .map_err(|_| NotUnderstood::Parameters)?,
    };
    kinds.sort_unstable();
    let named = kinds.len();
    kinds.dedup();
    // Nothing to do, or twice the same: not what anybody meant.
    if kinds.is_empty() || kinds.len() < named {
        return Err(NotUnderstood::Parameters);
    }
    Ok(Box::new(Reset(kinds)))
}

#[derive(Debug)]
struct Reset(Vec<Kind>);

#[async_trait]
impl Plan for Reset {
    fn parameters(&self) -> Value {
        json!({ "methods": self.0.iter().map(|kind| kind.name()).collect::<Vec<_>>() })
    }

    async fn carry_out(&self, hands: &mut Hands<'_>) -> Result<Option<Secret>, NotDone> {
        let user = format!("/users/{}/authentication", hands.target());
        let answer = hands.send("GET", format!("{user}/methods"), None).await?;
        let mut left = Vec::new();
        for method in reading::members(&answer.body)? {
            let kind = reading::text(method, "@odata.type")?;
            let chosen = self.0.iter().map(|chosen| chosen.in_graph()).find(|(of, _)| *of == kind);
            if let Some((_, collection)) = chosen {
                left.push(format!("{user}/{collection}/{}", reading::text(method, "id")?));
            }
        }
        while !left.is_empty() {
            let before = left.len();
            let mut put_off = Vec::new();
            for path in left {
                match hands.send("DELETE", path.clone(), None).await {
                    Ok(_) => {}
                    // Somebody was faster: perhaps an earlier attempt of ours.
                    Err(error) if error.is_refusal(404) => {}
                    Err(error) if error.is_refusal(400) => put_off.push(path),
                    Err(error) => return Err(error),
                }
            }
            if put_off.len() == before {
                return Err(NotDone::Cannot(
                    "the directory keeps the default method while there are methods of kinds \
                     that were not chosen",
                ));
            }
            left = put_off;
        }
        Ok(None)
    }
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use crate::{
        catalog::{
            NotUnderstood,
            tests::{Bench, Ended, understand},
        },
        tests::world::NINA,
    };

    const PASSWORD: &str = "28c10230-6103-485e-b985-444c60001490";

    fn methods() -> Value {
        let method = |kind: &str, id: &str| json!({ "@odata.type": format!("#microsoft.graph.{kind}AuthenticationMethod"), "id": id });
        json!({ "value": [
            method("password", PASSWORD),
            method("phone", "3179e48a-750b-4051-897c-87b9720928f7"),
            method("microsoftAuthenticator", "6803c096-8c68-4b2c-9f4d-3a5a9b0d9c11"),
            method("fido2", "-2_GRUg2-HYz6_1YG4YRAQ2"),
            method("temporaryAccessPass", "05267842-25b2-4b21-8abd-8e4982796f7f"),
        ] })
    }

    fn listing() -> String {
        format!("GET /users/{NINA}/authentication/methods")
    }

    fn deletion(of: &str) -> String {
        format!("DELETE /users/{NINA}/authentication/{of}")
    }

    #[test]
    fn kinds_are_named_once_each_and_known() {
        for bad in [
            json!({}),
            json!({ "methods": [] }),
            json!({ "methods": "" }),
            json!({ "methods": "phone," }),
            json!({ "methods": "phone, email" }),
            json!({ "methods": "phone,phone" }),
            json!({ "methods": ["phone", "phone"] }),
            json!({ "methods": "password" }),
            json!({ "methods": "Phone" }),
            json!({ "methods": ["phone,email"] }),
            json!({ "methods": true }),
            json!({ "methods": { "phone": true } }),
        ] {
            let refused = understand("mfa.reset", bad.clone());
            assert_eq!(refused.unwrap_err(), NotUnderstood::Parameters, "{bad}");
        }
    }

    #[test]
    fn order_and_writing_of_kinds_do_not_count() {
        let list = understand("mfa.reset", json!({ "methods": ["email", "phone"] })).unwrap();
        let text = understand("mfa.reset", json!({ "methods": "phone,email" })).unwrap();
        let fewer = understand("mfa.reset", json!({ "methods": "phone" })).unwrap();

        assert_eq!(list.digest(), text.digest());
        assert_ne!(list.digest(), fewer.digest());
    }

    #[tokio::test]
    async fn every_kind_is_deleted_from_its_own_collection() {
        let bench = Bench::new().await;
        let kinds = "phone,authenticator,passkey,software_oath,windows_hello,email";
        let all = json!({ "value": [
            { "@odata.type": "#microsoft.graph.phoneAuthenticationMethod", "id": "1" },
            { "@odata.type": "#microsoft.graph.microsoftAuthenticatorAuthenticationMethod", "id": "2" },
            { "@odata.type": "#microsoft.graph.fido2AuthenticationMethod", "id": "3" },
            { "@odata.type": "#microsoft.graph.softwareOathAuthenticationMethod", "id": "4" },
            { "@odata.type": "#microsoft.graph.windowsHelloForBusinessAuthenticationMethod", "id": "5" },
            { "@odata.type": "#microsoft.graph.emailAuthenticationMethod", "id": "6" },
        ] });
        bench.answers(&listing(), [Ok(all)]);

        assert_eq!(
            bench.carry_out("mfa.reset", json!({ "methods": kinds })).await,
            Ended::succeeded()
        );

        insta::assert_snapshot!(bench.sent(), @"
        airlock-worker-methods: GET /users/NINA/authentication/methods
        airlock-worker-methods: DELETE /users/NINA/authentication/phoneMethods/1
        airlock-worker-methods: DELETE /users/NINA/authentication/microsoftAuthenticatorMethods/2
        airlock-worker-methods: DELETE /users/NINA/authentication/fido2Methods/3
        airlock-worker-methods: DELETE /users/NINA/authentication/softwareOathMethods/4
        airlock-worker-methods: DELETE /users/NINA/authentication/windowsHelloForBusinessMethods/5
        airlock-worker-methods: DELETE /users/NINA/authentication/emailMethods/6
        ");
    }

    #[tokio::test]
    async fn only_the_chosen_kinds_are_removed_and_the_default_method_last() {
        let bench = Bench::new().await;
        bench.answers(&listing(), [Ok(methods())]);
        let default = deletion("phoneMethods/3179e48a-750b-4051-897c-87b9720928f7");
        bench.answers(&default, [Err(400), Ok(Value::Null)]);

        let ended = bench.carry_out("mfa.reset", json!({ "methods": ["phone", "passkey"] })).await;

        assert_eq!(ended, Ended::succeeded());
        insta::assert_snapshot!(bench.sent(), @"
        airlock-worker-methods: GET /users/NINA/authentication/methods
        airlock-worker-methods: DELETE /users/NINA/authentication/phoneMethods/3179e48a-750b-4051-897c-87b9720928f7
        airlock-worker-methods: DELETE /users/NINA/authentication/fido2Methods/-2_GRUg2-HYz6_1YG4YRAQ2
        airlock-worker-methods: DELETE /users/NINA/authentication/phoneMethods/3179e48a-750b-4051-897c-87b9720928f7
        ");
    }

    #[tokio::test]
    async fn a_default_method_that_stays_is_said_and_what_was_removed_is_not_hidden() {
        let keeps = "the directory keeps the default method while there are methods of kinds \
                     that were not chosen";
        let phone = deletion("phoneMethods/3179e48a-750b-4051-897c-87b9720928f7");

        let bench = Bench::new().await;
        bench.answers(&listing(), [Ok(methods())]);
        bench.answers(&phone, [Err(400)]);
        let ended = bench.carry_out("mfa.reset", json!({ "methods": "phone" })).await;
        assert_eq!(ended, Ended::so("failed", keeps));

        let bench = Bench::new().await;
        bench.answers(&listing(), [Ok(methods())]);
        bench.answers(&phone, [Err(400), Err(400)]);
        let ended = bench.carry_out("mfa.reset", json!({ "methods": "phone,passkey" })).await;
        assert_eq!(ended.state, "unknown");
        assert!(ended.reason.starts_with("it was begun, and may have been done"), "{ended:?}");
    }

    #[tokio::test]
    async fn what_is_gone_already_is_done_and_nothing_at_all_is_done_too() {
        let bench = Bench::new().await;
        let gone = deletion("fido2Methods/-2_GRUg2-HYz6_1YG4YRAQ2");
        bench.answers(&listing(), [Ok(methods()), Ok(json!({ "value": [] }))]);
        bench.answers(&gone, [Err(404)]);

        for _ in 0..2 {
            let ended = bench.carry_out("mfa.reset", json!({ "methods": "passkey" })).await;
            assert_eq!(ended, Ended::succeeded());
        }
    }

    #[tokio::test]
    async fn a_reset_whose_answer_was_lost_is_finished_by_the_next_attempt() {
        let bench = Bench::new().await;
        let rest = json!({ "value": [methods()["value"][3]] });
        bench.answers(&listing(), [Ok(methods()), Ok(rest)]);
        let id = bench.permitted("mfa.reset", json!({ "methods": "phone,passkey" })).await;
        bench.loses_the_answer_of_call(2);

        bench.deliver().await;
        assert_eq!(bench.world.state(&id).await.0, "executing");
        bench.deliver().await;

        assert_eq!(bench.ended(&id).await, Ended::succeeded());
        insta::assert_snapshot!(bench.sent(), @"
        airlock-worker-methods: GET /users/NINA/authentication/methods
        airlock-worker-methods: DELETE /users/NINA/authentication/phoneMethods/3179e48a-750b-4051-897c-87b9720928f7
        airlock-worker-methods: GET /users/NINA/authentication/methods
        airlock-worker-methods: DELETE /users/NINA/authentication/fido2Methods/-2_GRUg2-HYz6_1YG4YRAQ2
        ");
    }

    #[tokio::test]
    async fn no_call_begins_when_the_lease_is_nearly_over_and_the_rest_is_done_under_the_next() {
        let bench = Bench::new().await;
        let rest = json!({ "value": [methods()["value"][3]] });
        bench.answers(&listing(), [Ok(methods()), Ok(rest)]);
        *bench.world.directory.takes.lock().unwrap() = Some((bench.world.clock.clone(), 10));
        let id = bench.permitted("mfa.reset", json!({ "methods": "phone,passkey" })).await;

        bench.deliver().await;
        assert_eq!(bench.world.state(&id).await.0, "executing");
        assert_eq!(bench.sent().lines().count(), 2, "of 30 s, the last 12 are left alone");
        bench.deliver().await;

        assert_eq!(bench.ended(&id).await, Ended::succeeded());
        assert_eq!(bench.sent().lines().count(), 2);
    }

    #[tokio::test]
    async fn an_answer_that_would_steer_a_call_elsewhere_moves_nothing() {
        for id in ["../../../olga", "1/$ref", "1?x=1", "", "%2e%2e"] {
            let bench = Bench::new().await;
            let kind = "#microsoft.graph.phoneAuthenticationMethod";
            let listed = json!({ "value": [{ "@odata.type": kind, "id": id }] });
            bench.answers(&listing(), [Ok(listed)]);

            let ended = bench.carry_out("mfa.reset", json!({ "methods": "phone" })).await;

            assert_eq!(ended.state, "unknown", "{id}");
            assert_eq!(
                bench.sent(),
                "airlock-worker-methods: GET /users/NINA/authentication/methods"
            );
        }
    }
}
