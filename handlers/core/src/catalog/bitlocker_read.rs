//! `bitlocker.read`: the recovery key of a drive of a user's device.

use async_trait::async_trait;
use serde::Deserialize;
use serde_json::{Value, json};

use super::{
    Entry, Eyes, Hands, Means, NotDone, Operation, Parameter, Plan, Planning, Reach, Risk,
    TargetKind, Unfit, as_written, device, reading,
};
use crate::{
    identity::{App, ObjectId},
    secret::Secret,
};

/// `GET /informationProtection/bitlocker/recoveryKeys/{id}` with `key` selected.
///
/// Whoever needs one reads its id from the locked device's screen. Which device it belongs to is
/// looked up first, without the key: reading the key is what Entra's audit log keeps.
pub(super) const BITLOCKER_READ: Operation =
    Operation { entry: &ENTRY, plan: Planning::Directory(as_written::<RecoveryKey>) };

const ENTRY: Entry = Entry {
    name: "bitlocker.read",
    summary: "Reads the BitLocker recovery key of a drive of a user's device, shown to you once.",
    risk: Risk::High,
    secret: true,
    parameters: &[Parameter {
        name: "key",
        meaning: "id of the recovery key, as the locked device shows it",
        required: true,
        example: "b465e4e8-e4e8-b465-e8e4-65b4e8e465b4",
    }],
    worker: App::Execute,
    target: TargetKind::User,
    means: Means::Directory(Reach {
        application: "airlock-worker-devices",
        permissions: &["BitlockerKey.Read.All"],
        calls: &["GET /informationProtection/bitlocker/recoveryKeys/{key}?$select=key"],
        reads: &[
            "GET /informationProtection/bitlocker/recoveryKeys/{key}",
            device::OWNERS,
            device::USERS,
        ],
    }),
    pace_s: None,
    converges: "it changes nothing; a repeat reads the same key",
};

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct RecoveryKey {
    key: ObjectId,
}

#[async_trait]
impl Plan for RecoveryKey {
    fn parameters(&self) -> Value {
        json!({ "key": self.key })
    }

    async fn check(&self, eyes: &Eyes<'_>) -> Result<(), Unfit> {
        let path = format!("/informationProtection/bitlocker/recoveryKeys/{}", self.key);
        let missing = Unfit::No("the recovery key does not exist");
        let about = eyes.read(&path).await?.ok_or(missing)?;
        device::is_the_targets(eyes, reading::id(&about, "deviceId")?).await
    }

    async fn carry_out(&self, hands: &mut Hands<'_>) -> Result<Option<Secret>, NotDone> {
        let path =
            format!("/informationProtection/bitlocker/recoveryKeys/{}?$select=key", self.key);
        let sent = hands.send("GET", path, None).await;
        let answer = sent.map_err(|error| error.saying(404, "the recovery key does not exist"))?;
        Ok(Some(Secret::new(reading::text(&answer.body, "key")?.to_owned())))
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use crate::{
        catalog::{
            NotUnderstood,
            device::tests::{DEVICE, registered},
            tests::{Bench, Ended, understand},
        },
        tests::world::{NINA, SVEN},
    };

    const KEY: &str = "b465e4e8-e4e8-b465-e8e4-65b4e8e465b4";

    fn path() -> String {
        format!("/informationProtection/bitlocker/recoveryKeys/{KEY}")
    }

    async fn bench() -> Bench {
        let bench = Bench::new().await;
        bench.shows(
            &path(),
            json!({ "id": KEY, "deviceId": DEVICE, "volumeType": "operatingSystemVolume" }),
        );
        bench
    }

    #[test]
    fn a_key_is_named_by_its_whole_id() {
        for bad in
            [json!({}), json!({ "key": "B465E4E8" }), json!({ "key": KEY, "device": DEVICE })]
        {
            let refused = understand("bitlocker.read", bad.clone());
            assert_eq!(refused.unwrap_err(), NotUnderstood::Parameters, "{bad}");
        }
    }

    #[tokio::test]
    async fn the_key_is_read_once_it_is_known_whose_it_is() {
        let bench = bench().await;
        registered(&bench, &[NINA], &[NINA]);
        let key = "123456-231453-873456-213546-654678-765689-123456-324565";
        bench.answers(&format!("GET {}?$select=key", path()), [Ok(json!({ "key": key }))]);

        let ended = bench.carry_out("bitlocker.read", json!({ "key": KEY })).await;

        assert_eq!(ended, Ended::with(key));
        insta::assert_snapshot!(bench.sent(), @"airlock-worker-devices: GET /informationProtection/bitlocker/recoveryKeys/b465e4e8-e4e8-b465-e8e4-65b4e8e465b4?$select=key");
    }

    #[tokio::test]
    async fn somebody_elses_key_or_none_is_not_read() {
        let bench = bench().await;
        registered(&bench, &[SVEN], &[SVEN]);
        let ended = bench.carry_out("bitlocker.read", json!({ "key": KEY })).await;
        assert_eq!(ended, Ended::so("refused", "the device is not registered to the target"));

        let ended = bench.carry_out("bitlocker.read", json!({ "key": DEVICE })).await;
        assert_eq!(ended, Ended::so("refused", "the recovery key does not exist"));
        assert_eq!(bench.sent(), "");
    }
}
