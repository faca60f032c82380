//! The audit log: which entries each change leaves, and how they are found.

use super::*;

const OBSERVER: &str = "airlock-observer";
const ACCOUNTS: &str = "airlock-worker-accounts";

impl World {
    fn audits(&self, query: &str) -> Vec<Value> {
        self.all(OBSERVER, &format!("/v1.0/auditLogs/directoryAudits{query}"))
    }

    /// Sends a change under this `client-request-id`, and returns the names of what it left.
    fn left_by(&self, name: &str, method: &str, path: &str, body: Value) -> Vec<String> {
        let id = Uuid::new_v4().to_string();
        let caller = self.application(name);
        let (status, answer) =
            self.send(&caller, method, path, &[("client-request-id", &id)], body);
        assert!((200..300).contains(&status), "{path}: {answer}");
        let left = self.audits(&format!("?$filter=correlationId+eq+'{id}'"));
        for entry in &left {
            let by = &entry["initiatedBy"]["app"];
            assert_eq!(by["servicePrincipalId"], json!(caller.object));
            assert_eq!((&by["displayName"], &by["appId"]), (&json!(name), &Value::Null));
            assert_eq!(entry["additionalDetails"][0]["value"], "tests");
        }
        left.iter().map(|entry| entry["activityDisplayName"].as_str().unwrap().to_owned()).collect()
    }
}

#[test]
fn each_operation_leaves_what_entra_calls_it_under_the_id_of_its_request() {
    let world = World::new();
    let nina = format!("/v1.0/users/{}", user("nina"));
    let travel = format!("/v1.0/groups/{}/members", group("Travel Booking"));
    let reference = json!({
        "@odata.id": format!("https://graph.microsoft.com/v1.0/directoryObjects/{}", user("nina")),
    });
    let member = format!("{travel}/{}/$ref", user("nina"));

    let cases = [
        (ACCOUNTS, "PATCH", nina.clone(), json!({ "accountEnabled": false }), "Disable account"),
        (ACCOUNTS, "PATCH", nina.clone(), json!({ "accountEnabled": true }), "Enable account"),
        ("airlock-worker-passwords", "PATCH", nina.clone(), password(), "Reset user password"),
        (
            ACCOUNTS,
            "POST",
            format!("{nina}/revokeSignInSessions"),
            Value::Null,
            "Update StsRefreshTokenValidFrom Timestamp",
        ),
        (
            "airlock-worker-methods",
            "POST",
            format!("{nina}/authentication/temporaryAccessPassMethods"),
            json!({}),
            "Admin registered security info",
        ),
        (
            "airlock-worker-groups",
            "POST",
            format!("{travel}/$ref"),
            reference,
            "Add member to group",
        ),
        ("airlock-worker-groups", "DELETE", member, Value::Null, "Remove member from group"),
        (
            "airlock-worker-devices",
            "GET",
            format!(
                "/v1.0/informationProtection/bitlocker/recoveryKeys/{}?$select=key",
                recovery_key("NINA-LAPTOP")
            ),
            Value::Null,
            "Read BitLocker key",
        ),
    ];
    for (name, method, path, body, activity) in cases {
        let left = world.left_by(name, method, &path, body);
        assert!(left.contains(&activity.to_owned()), "{method} {path}: {left:?}");
    }
}

#[test]
fn an_entry_names_its_target_and_no_secret() {
    let world = World::new();
    let nina = format!("/v1.0/users/{}", user("nina"));
    world.left_by("airlock-worker-passwords", "PATCH", &nina, password());

    let all = world.audits("");

    let target = &all[0]["targetResources"][0];
    assert_eq!((&target["id"], &target["type"]), (&json!(user("nina")), &json!("User")));
    assert_eq!(target["userPrincipalName"], "nina@contoso.example");
    assert!(!json!(all).to_string().contains("Winter-2031"));
}

#[test]
fn entries_are_found_by_time_and_by_who_did_it_newest_first() {
    let world = World::new();
    for seconds_ago in [7_200, 3_600, 60] {
        world.alter(json!({
            "kind": "write_audit", "service_principal": ACCOUNTS, "activity": "Disable account",
            "person": "nina@contoso.example", "seconds_ago": seconds_ago,
        }));
    }
    world.alter(json!({
        "kind": "write_audit", "service_principal": "payroll", "activity": "Update user",
    }));
    let id = service_principal_id(ACCOUNTS, contoso());
    let hour_ago = OffsetDateTime::now_utc() - time::Duration::minutes(61);
    let since = crate::directory::written(hour_ago);

    let all = world.audits("?$top=1");
    let recent = world.audits(&format!(
        "?$filter=activityDateTime+ge+{since}+and+initiatedBy/app/servicePrincipalId+eq+'{id}'&$top=1"
    ));

    assert_eq!((all.len(), recent.len()), (4, 2));
    let times: Vec<&str> =
        all.iter().map(|one| one["activityDateTime"].as_str().unwrap()).collect();
    assert!(times.is_sorted_by(|newer, older| newer >= older), "{times:?}");
    assert!(recent.iter().all(|one| one["initiatedBy"]["app"]["displayName"] == ACCOUNTS));
    assert_eq!(world.get(OBSERVER, "/v1.0/auditLogs/directoryAudits?$skiptoken=x").0, 400);
}

#[test]
fn what_was_refused_leaves_no_entry() {
    let world = World::new();
    let nina = format!("/v1.0/users/{}", user("nina"));

    assert_eq!(
        world.patch("airlock-worker-groups", &nina, json!({ "accountEnabled": false })).0,
        403
    );

    assert!(world.audits("").is_empty());
}
