//! `risk.dismiss`: Entra's suspicion of a user is put aside.

use async_trait::async_trait;
use serde_json::{Value, json};

use super::{
    Entry, Hands, Means, NotDone, Operation, Plan, Planning, Reach, Risk, TargetKind, always,
};
use crate::{identity::App, secret::Secret};

/// `POST /identityProtection/riskyUsers/dismiss`, with one user.
pub(super) const RISK_DISMISS: Operation =
    Operation { entry: &ENTRY, plan: Planning::Directory(|value| always(Dismiss, value)) };

const ENTRY: Entry = Entry {
    name: "risk.dismiss",
    summary: "Dismisses the risk that Entra sees in a user, so that they can sign in again.",
    // In the wrong hands it hides that an account was taken over.
    risk: Risk::High,
    secret: false,
    parameters: &[],
    worker: App::Execute,
    target: TargetKind::User,
    means: Means::Directory(Reach {
        application: "airlock-worker-accounts",
        permissions: &["IdentityRiskyUser.ReadWrite.All"],
        calls: &["POST /identityProtection/riskyUsers/dismiss"],
        reads: &[],
    }),
    // What Graph takes of one tenant, from all applications; beyond it, it does not say when to
    // come again.
    pace_s: Some(1),
    converges: "a risk that is dismissed already stays dismissed",
};

#[derive(Debug)]
struct Dismiss;

#[async_trait]
impl Plan for Dismiss {
    fn parameters(&self) -> Value {
        json!({})
    }

    async fn carry_out(&self, hands: &mut Hands<'_>) -> Result<Option<Secret>, NotDone> {
        let users = json!({ "userIds": [hands.target()] });
        let path = "/identityProtection/riskyUsers/dismiss".to_owned();
        let sent = hands.send("POST", path, Some(users)).await;
        sent.map(|_| None).map_err(|error| error.saying(404, "Entra sees no risk in the target"))
    }
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use crate::catalog::tests::{Bench, Ended};

    #[tokio::test]
    async fn the_risk_of_one_user_is_dismissed() {
        let bench = Bench::new().await;

        assert_eq!(bench.carry_out("risk.dismiss", json!({})).await, Ended::succeeded());

        insta::assert_snapshot!(bench.sent(), @r#"airlock-worker-accounts: POST /identityProtection/riskyUsers/dismiss {"userIds":["NINA"]}"#);
    }

    #[tokio::test]
    async fn whom_entra_sees_no_risk_in_is_told() {
        let bench = Bench::new().await;
        let call = "POST /identityProtection/riskyUsers/dismiss";
        bench.answers(call, [Err(404), Ok(Value::Null)]);

        let ended = bench.carry_out("risk.dismiss", json!({})).await;

        assert_eq!(ended, Ended::so("failed", "Entra sees no risk in the target"));
    }

    #[tokio::test]
    async fn two_in_one_second_are_not_sent_by_any_number_of_processes() {
        let bench = Bench::new().await;
        let (one, other) = (bench.world.worker(), bench.world.worker());
        let first = bench.permitted("risk.dismiss", json!({})).await;
        assert!(bench.world.deliver(&one, 1).await);
        let second = bench.permitted("risk.dismiss", json!({})).await;
        let leaves = bench.world.contoso_ledger().await.len();

        assert!(bench.world.deliver(&other, 1).await);
        assert_eq!(bench.ended(&first).await, Ended::succeeded());
        assert_eq!(bench.world.state(&second).await.0, "permitted");
        assert_eq!(bench.sent().lines().count(), 1);
        assert_eq!(bench.world.contoso_ledger().await.len(), leaves, "waiting fills no ledger");
        let (_, copy) = bench.world.bus.all().pop().unwrap();
        assert!(copy.not_before.is_some_and(|at| at > bench.world.now()), "{copy:?}");

        bench.world.clock.advance_s(1);
        assert!(bench.world.deliver(&other, 1).await);
        assert_eq!(bench.ended(&second).await, Ended::succeeded());
        assert_eq!(bench.sent().lines().count(), 1);
    }
}
