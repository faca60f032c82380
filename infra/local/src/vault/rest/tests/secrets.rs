//! Secrets: who may do what with which, and that no value leaves by another way.

use super::*;

const NAME: &str = "/secrets/client-secret-one";
const VALUE: &str = "correct horse battery staple";

impl World {
    fn put(&self, identity: &str, path: &str, value: &str) -> (u16, Value) {
        self.call(identity, "PUT", path, &json!({ "value": value }))
    }

    /// Sets a secret as the rotator, and tells the path of the version.
    fn set(&self, value: &str) -> String {
        let (status, set) = self.put("rotate", NAME, value);
        assert_eq!(status, 200, "{set}");
        let id = set["id"].as_str().unwrap();
        id.strip_prefix("https://airlock-local.vault.azure.net").unwrap().to_owned()
    }
}

fn refused(answer: &(u16, Value)) -> (u16, &str, &str) {
    let error = &answer.1["error"];
    let inner = error["innererror"]["code"].as_str().unwrap_or_default();
    (answer.0, error["code"].as_str().unwrap_or_default(), inner)
}

#[test]
fn what_is_set_is_read_by_name_and_every_version_by_its_own() {
    let world = World::new();
    let body = json!({
        "value": VALUE, "contentType": "text/plain", "tags": { "keyId": "7" },
        "attributes": { "enabled": true, "nbf": 5, "exp": 4_102_444_800_i64 },
    });

    let (status, set) = world.call("rotate", "PUT", NAME, &body);

    assert_eq!(status, 200, "{set}");
    assert_eq!((&set["value"], &set["contentType"]), (&json!(VALUE), &json!("text/plain")));
    assert_eq!((&set["tags"]["keyId"], &set["attributes"]["nbf"]), (&json!("7"), &json!(5)));
    let old = world.set("second");
    let new = world.set("third");
    for (path, value) in [(NAME, "third"), (old.as_str(), "second"), (new.as_str(), "third")] {
        let (status, read) = world.get("rotate", path);
        assert_eq!((status, &read["value"]), (200, &json!(value)), "{path}");
    }
    let (_, newest) = world.get("rotate", &format!("{NAME}/"));
    assert_eq!(newest["id"], format!("https://airlock-local.vault.azure.net{new}"));
}

#[test]
fn versions_are_listed_without_their_values() {
    let world = World::new();
    world.set(VALUE);
    world.set("second");

    let (status, listed) = world.get("rotate", &format!("{NAME}/versions"));

    assert_eq!((status, listed["value"].as_array().unwrap().len()), (200, 2));
    assert!(!listed.to_string().contains(VALUE));
    assert!(listed["value"][0].get("value").is_none());
    assert_eq!(refused(&world.get("rotate", "/secrets/client-secret-2/versions")).0, 404);
}

#[test]
fn a_disabled_version_is_not_read_and_another_is() {
    let world = World::new();
    let old = world.set(VALUE);
    world.set("second");
    let off = json!({ "attributes": { "enabled": false }, "tags": { "state": "old" } });

    let (status, updated) = world.patch("rotate", &old, &off);

    assert_eq!((status, &updated["attributes"]["enabled"]), (200, &json!(false)));
    assert_eq!((&updated["tags"]["state"], updated.get("value")), (&json!("old"), None));
    let read = world.get("rotate", &old);
    assert_eq!(refused(&read), (403, "Forbidden", "SecretDisabled"));
    assert_eq!(read.1["error"]["message"], "Operation get is not allowed on a disabled secret.");
    assert_eq!(world.get("rotate", NAME).1["value"], "second");
}

#[test]
fn each_right_is_needed_and_nobody_deletes() {
    let world = World::new();
    let version = world.set(VALUE);
    let off = json!({ "attributes": { "enabled": false } });
    let one = json!({ "value": "x" });

    for identity in ["signin", "intake", "execute", "drift", "admin", "nobody"] {
        for (method, path, body) in [
            ("GET", NAME, &Value::Null),
            ("GET", version.as_str(), &Value::Null),
            ("GET", &format!("{NAME}/versions"), &Value::Null),
            ("PUT", NAME, &one),
            ("PATCH", version.as_str(), &off),
        ] {
            let answer = world.call(identity, method, path, body);
            assert_eq!(
                refused(&answer),
                (403, "Forbidden", "ForbiddenByRbac"),
                "{identity} {path}"
            );
        }
    }
    for (method, path) in
        [("DELETE", NAME), ("GET", "/secrets"), ("POST", "/secrets/client-secret-one/backup")]
    {
        let answer = world.call("rotate", method, path, &Value::Null);
        assert_eq!(refused(&answer), (403, "Forbidden", "ForbiddenByRbac"), "{method} {path}");
    }

    assert_eq!(world.get("rotate", NAME).1["value"], VALUE);
    let (_, error) = world.get("intake", NAME);
    let message = error["error"]["message"].as_str().unwrap();
    for part in [
        "Action: 'Microsoft.KeyVault/vaults/secrets/getSecret/action'",
        "Resource: 'airlock-local/secrets/client-secret-one'",
        &principal_id("intake").to_string(),
    ] {
        assert!(message.contains(part), "{message}");
    }
}

#[test]
fn signin_reads_its_one_secret_and_changes_nothing() {
    let world = World::new();
    let path = "/secrets/Operator-Sign-In";

    assert_eq!(refused(&world.get("signin", path)), (404, "SecretNotFound", ""));
    assert_eq!(world.put("signin", path, "x").0, 403);
    assert_eq!(world.get("signin", &format!("{path}/versions")).0, 403);
    assert_eq!(world.get("rotate", path).0, 403);
    assert_eq!(world.put("rotate", path, "x").0, 403);
}

#[test]
fn who_may_not_read_a_secret_is_not_told_whether_it_exists() {
    let world = World::new();
    world.set(VALUE);

    let (standing, absent) =
        (world.get("intake", NAME), world.get("intake", "/secrets/client-secret-two"));

    assert_eq!(refused(&standing), refused(&absent));
}

#[test]
fn a_body_that_is_refused_is_not_repeated() {
    let world = World::new();
    for body in [
        json!({ "value": [VALUE] }),
        json!({ "value": VALUE, "enabled": false }),
        json!({ "value": VALUE.repeat(1_000) }),
        json!({ VALUE: "value" }),
        json!(VALUE),
    ] {
        let (status, error) = world.call("rotate", "PUT", NAME, &body);
        assert_eq!((status, &error["error"]["code"]), (400, &json!("BadParameter")));
        assert!(!error.to_string().contains(VALUE), "{error}");
    }
    assert_eq!(refused(&world.get("rotate", NAME)), (404, "SecretNotFound", ""));
    assert_eq!(world.put("rotate", "/secrets/client-secret-a_b", "x").0, 400);
}
