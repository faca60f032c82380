//! `license.assign`: a user gets a licence that the tenant has bought.

use async_trait::async_trait;
use serde::Deserialize;
use serde_json::{Value, json};

use super::{
    Entry, Eyes, Hands, Means, NotDone, Operation, Parameter, Plan, Planning, Reach, Risk,
    TargetKind, Unfit, as_written, reading,
};
use crate::{
    identity::{App, ObjectId},
    ports::PortError,
    secret::Secret,
};

/// `POST /users/{id}/assignLicense`, which never takes one away.
pub(super) const LICENSE_ASSIGN: Operation =
    Operation { entry: &ENTRY, plan: Planning::Directory(as_written::<License>) };

const ENTRY: Entry = Entry {
    name: "license.assign",
    summary: "Assigns a licence to a user, with all of its plans.",
    risk: Risk::Low,
    secret: false,
    parameters: &[Parameter {
        name: "sku",
        meaning: "the licence: its `skuId`",
        required: true,
        example: "6fd2c87f-b296-42f0-b197-1e91e994b900",
    }],
    worker: App::Execute,
    target: TargetKind::User,
    means: Means::Directory(Reach {
        application: "airlock-worker-accounts",
        permissions: &["LicenseAssignment.ReadWrite.All"],
        calls: &["POST /users/{user}/assignLicense"],
        reads: &[
            "GET /users/{user}?$select=id,usageLocation,assignedLicenses",
            "GET /subscribedSkus",
        ],
    }),
    pace_s: None,
    converges: "a licence that is assigned already stays assigned, and takes no second one",
};

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct License {
    sku: ObjectId,
}

#[async_trait]
impl Plan for License {
    fn parameters(&self) -> Value {
        json!({ "sku": self.sku })
    }

    async fn check(&self, eyes: &Eyes<'_>) -> Result<(), Unfit> {
        let path = format!("/users/{}?$select=id,usageLocation,assignedLicenses", eyes.target());
        let user = eyes.read(&path).await?.ok_or(Unfit::No("the target does not exist"))?;
        if reading::text_if_any(&user, "usageLocation")?.is_none_or(str::is_empty) {
            return Err(Unfit::No("the target has no usage location, which licences need"));
        }
        let held = find(reading::list(&user, "assignedLicenses")?, self.sku)?;
        let none = Unfit::No("the tenant has no licence of this kind for users");
        let Some(bought) = eyes.read("/subscribedSkus").await? else { return Err(none) };
        let sku = find(reading::members(&bought)?, self.sku)?;
        let Some(sku) = sku.filter(|sku| sku["appliesTo"] == "User") else { return Err(none) };
        // Who holds it takes no other, so the last one is enough for any number of attempts.
        if held.is_none() && left(sku)? == 0 {
            return Err(Unfit::No("no licence of this kind is left"));
        }
        Ok(())
    }

    async fn carry_out(&self, hands: &mut Hands<'_>) -> Result<Option<Secret>, NotDone> {
        let path = format!("/users/{}/assignLicense", hands.target());
        let licences = json!({
            "addLicenses": [{ "skuId": self.sku, "disabledPlans": [] }],
            "removeLicenses": [],
        });
        let conflict = "the directory will not assign it: it may not go with another licence, or \
                        with the usage location";
        let sent = hands.send("POST", path, Some(licences)).await;
        sent.map(|_| None).map_err(|error| error.saying(400, conflict))
    }
}

fn find(licences: &[Value], sku: ObjectId) -> Result<Option<&Value>, PortError> {
    let mut found = None;
    for licence in licences {
        if reading::id(licence, "skuId")? == sku {
            found = Some(licence);
        }
    }
    Ok(found)
}

/// How many can still be assigned. One whose subscription ran out counts until its grace does.
fn left(sku: &Value) -> Result<u64, PortError> {
    let units = &sku["prepaidUnits"];
    let had = reading::count(units, "enabled")? + reading::count(units, "warning")?;
    Ok(had.saturating_sub(reading::count(sku, "consumedUnits")?))
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

    const SKU: &str = "6fd2c87f-b296-42f0-b197-1e91e994b900";

    fn nina(location: Option<&str>, held: &[&str]) -> Value {
        let held: Vec<_> =
            held.iter().map(|sku| json!({ "skuId": sku, "disabledPlans": [] })).collect();
        json!({ "id": NINA, "usageLocation": location, "assignedLicenses": held })
    }

    fn bought(enabled: u32, warning: u32, consumed: u32) -> Value {
        json!({
            "skuId": SKU, "appliesTo": "User", "consumedUnits": consumed,
            "prepaidUnits": { "enabled": enabled, "warning": warning, "suspended": 5 },
        })
    }

    async fn bench(user: Value, skus: Value) -> Bench {
        let bench = Bench::new().await;
        let path = format!("/users/{NINA}?$select=id,usageLocation,assignedLicenses");
        bench.shows(&path, user);
        bench.shows("/subscribedSkus", json!({ "value": skus }));
        bench
    }

    #[test]
    fn a_licence_is_named_by_its_id() {
        for bad in [json!({}), json!({ "sku": "E3" }), json!({ "sku": SKU, "remove": [SKU] })] {
            let refused = understand("license.assign", bad.clone());
            assert_eq!(refused.unwrap_err(), NotUnderstood::Parameters, "{bad}");
        }
    }

    #[tokio::test]
    async fn one_licence_is_assigned_and_none_taken_away() {
        let bench = bench(nina(Some("DE"), &[]), json!([bought(5, 0, 4)])).await;

        let ended = bench.carry_out("license.assign", json!({ "sku": SKU })).await;

        assert_eq!(ended, Ended::succeeded());
        insta::assert_snapshot!(bench.sent(), @r#"airlock-worker-accounts: POST /users/NINA/assignLicense {"addLicenses":[{"disabledPlans":[],"skuId":"6fd2c87f-b296-42f0-b197-1e91e994b900"}],"removeLicenses":[]}"#);
    }

    #[tokio::test]
    async fn without_a_usage_location_or_a_licence_nothing_is_assigned() {
        let other =
            json!({ "skuId": NINA, "appliesTo": "User", "consumedUnits": 0, "prepaidUnits": {} });
        let mut for_companies = bought(5, 0, 0);
        for_companies["appliesTo"] = json!("Company");
        let nowhere = "the target has no usage location, which licences need";
        let not_bought = "the tenant has no licence of this kind for users";
        let none_left = "no licence of this kind is left";
        for (user, skus, reason) in [
            (nina(None, &[]), json!([bought(5, 0, 0)]), nowhere),
            (nina(Some(""), &[]), json!([bought(5, 0, 0)]), nowhere),
            (nina(Some("DE"), &[]), json!([other]), not_bought),
            (nina(Some("DE"), &[]), json!([for_companies]), not_bought),
            (nina(Some("DE"), &[]), json!([bought(5, 0, 5)]), none_left),
            (nina(Some("DE"), &[]), json!([bought(5, 1, 7)]), none_left),
        ] {
            let bench = bench(user, skus).await;

            let ended = bench.carry_out("license.assign", json!({ "sku": SKU })).await;

            assert_eq!(ended, Ended::so("refused", reason));
            assert_eq!(bench.sent(), "");
        }
    }

    #[tokio::test]
    async fn the_last_licence_does_not_keep_its_own_holder_from_a_repeat() {
        let bench = bench(nina(Some("DE"), &[SKU]), json!([bought(5, 0, 5)])).await;

        let ended = bench.carry_out("license.assign", json!({ "sku": SKU })).await;

        assert_eq!(ended, Ended::succeeded());
    }

    #[tokio::test]
    async fn a_conflict_is_told_in_words() {
        let bench = bench(nina(Some("DE"), &[]), json!([bought(5, 0, 0)])).await;
        bench.answers(&format!("POST /users/{NINA}/assignLicense"), [Err(400)]);

        let ended = bench.carry_out("license.assign", json!({ "sku": SKU })).await;

        assert_eq!(ended.state, "failed");
        assert!(ended.reason.contains("may not go with another licence"), "{}", ended.reason);
    }
}
