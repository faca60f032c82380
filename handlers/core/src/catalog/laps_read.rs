//! `laps.read`: the local administrator's password of a user's Windows device.

use async_trait::async_trait;
use base64::{Engine as _, engine::general_purpose::STANDARD};
use serde::Deserialize;
use serde_json::{Value, json};
use time::{OffsetDateTime, format_description::well_known::Rfc3339};
use zeroize::Zeroizing;

use super::{
    Entry, Eyes, Hands, Means, NotDone, Operation, Parameter, Plan, Planning, Reach, Risk,
    TargetKind, Unfit, as_written, device, reading,
};
use crate::{
    identity::{App, ObjectId},
    ports::PortError,
    secret::Secret,
};

/// `GET /directory/deviceLocalCredentials/{deviceId}` with `credentials` selected.
///
/// Not the path without `/directory`, which permissions are still listed for: Microsoft has
/// withdrawn it.
pub(super) const LAPS_READ: Operation =
    Operation { entry: &ENTRY, plan: Planning::Directory(as_written::<Device>) };

const ENTRY: Entry = Entry {
    name: "laps.read",
    summary: "Reads the local administrator's name and password of a user's device, shown to you \
              once.",
    risk: Risk::High,
    secret: true,
    parameters: &[Parameter {
        name: "device",
        meaning: "the device's own id (`deviceId`), registered to the user",
        required: true,
        example: "9f1c2d3e-4b5a-4678-8c9d-0e1f2a3b4c5d",
    }],
    worker: App::Execute,
    target: TargetKind::User,
    means: Means::Directory(Reach {
        application: "airlock-worker-devices",
        permissions: &["DeviceLocalCredential.Read.All"],
        calls: &["GET /directory/deviceLocalCredentials/{device}?$select=credentials"],
        reads: &[device::OWNERS, device::USERS],
    }),
    pace_s: None,
    converges: "it changes nothing; a repeat reads the password of that moment",
};

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Device {
    device: ObjectId,
}

#[async_trait]
impl Plan for Device {
    fn parameters(&self) -> Value {
        json!({ "device": self.device })
    }

    async fn check(&self, eyes: &Eyes<'_>) -> Result<(), Unfit> {
        device::is_the_targets(eyes, self.device).await
    }

    async fn carry_out(&self, hands: &mut Hands<'_>) -> Result<Option<Secret>, NotDone> {
        let none = "the directory keeps no local administrator's password of the device";
        let path = format!("/directory/deviceLocalCredentials/{}?$select=credentials", self.device);
        let answer =
            hands.send("GET", path, None).await.map_err(|error| error.saying(404, none))?;
        let newest = newest(reading::list(&answer.body, "credentials")?)?;
        Ok(Some(name_and_password(newest.ok_or(NotDone::Cannot(none))?)?))
    }
}

/// The directory keeps earlier passwords too; the device has the last that it backed up.
fn newest(credentials: &[Value]) -> Result<Option<&Value>, PortError> {
    let mut newest: Option<(OffsetDateTime, &Value)> = None;
    for credential in credentials {
        let at = reading::text(credential, "backupDateTime")?;
        let at = OffsetDateTime::parse(at, &Rfc3339)
            .map_err(|error| PortError::Broken(error.to_string().into()))?;
        if newest.is_none_or(|(newest, _)| at > newest) {
            newest = Some((at, credential));
        }
    }
    Ok(newest.map(|(_, credential)| credential))
}

/// Two lines: the account's name, which can be as random as its password, and the password.
fn name_and_password(credential: &Value) -> Result<Secret, PortError> {
    let name = reading::text(credential, "accountName")?;
    let broken = || PortError::Broken("password is not UTF-8 in base64".into());
    let bytes = STANDARD.decode(reading::text(credential, "passwordBase64")?);
    let bytes = Zeroizing::new(bytes.map_err(|_| broken())?);
    let password = str::from_utf8(&bytes).map_err(|_| broken())?;
    Ok(Secret::new(format!("{name}\n{password}")))
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use crate::{
        catalog::{
            NotUnderstood,
            device::tests::{DEVICE, registered},
            tests::{Bench, Ended, understand},
        },
        tests::world::NINA,
    };

    fn call() -> String {
        format!("GET /directory/deviceLocalCredentials/{DEVICE}?$select=credentials")
    }

    fn credential(at: &str, password: &str) -> Value {
        json!({
            "accountName": "lapsadmin", "accountSid": "S-1-5-21-1-2-3-500",
            "backupDateTime": at, "passwordBase64": password,
        })
    }

    async fn read(credentials: Value) -> (Ended, String) {
        let bench = Bench::new().await;
        registered(&bench, &[NINA], &[NINA]);
        bench.answers(&call(), [Ok(json!({ "credentials": credentials }))]);
        let ended = bench.carry_out("laps.read", json!({ "device": DEVICE })).await;
        (ended, bench.sent())
    }

    #[test]
    fn a_device_is_named_by_its_id() {
        for bad in [json!({}), json!({ "device": "NINA-LAPTOP" }), json!({ "device": 7 })] {
            let refused = understand("laps.read", bad.clone());
            assert_eq!(refused.unwrap_err(), NotUnderstood::Parameters, "{bad}");
        }
    }

    #[tokio::test]
    async fn the_newest_password_is_read_with_the_name_of_its_account() {
        let (ended, sent) = read(json!([
            credential("2026-08-01T09:00:00Z", "b2xkZXI="),
            credential("2026-08-20T09:00:00.1234567Z", "bmV3ZXN0"),
            credential("2026-07-01T09:00:00Z", "b2xkZXN0"),
        ]))
        .await;

        assert_eq!(ended, Ended::with("lapsadmin\nnewest"));
        insta::assert_snapshot!(sent, @"airlock-worker-devices: GET /directory/deviceLocalCredentials/9f1c2d3e-4b5a-4678-8c9d-0e1f2a3b4c5d?$select=credentials");
    }

    #[tokio::test]
    async fn a_device_without_a_password_is_told_so() {
        let reason = "the directory keeps no local administrator's password of the device";
        let (none, _) = read(json!([])).await;
        assert_eq!(none, Ended::so("failed", reason));

        let bench = Bench::new().await;
        registered(&bench, &[NINA], &[NINA]);
        bench.answers(&call(), [Err(404)]);
        let ended = bench.carry_out("laps.read", json!({ "device": DEVICE })).await;
        assert_eq!(ended, Ended::so("failed", reason));
    }

    #[tokio::test]
    async fn what_cannot_be_read_as_a_password_is_shown_to_nobody() {
        let spoiled = credential("2026-08-01T09:00:00Z", "bmV3ZXN0");
        for (name, value) in [
            ("passwordBase64", json!(null)),
            ("passwordBase64", json!("not base64!")),
            ("passwordBase64", json!("/w==")),
            ("accountName", json!(null)),
            ("backupDateTime", json!("yesterday")),
        ] {
            let mut spoiled = spoiled.clone();
            spoiled[name] = value;
            let (ended, _) = read(json!([spoiled])).await;
            assert_eq!((ended.state, ended.secret), ("unknown", None), "{name}");
        }
    }
}
