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
            "kind": "write_audit", "by": { "service_principal": ACCOUNTS },
            "activity": "Disable account",
            "target": "nina@contoso.example", "seconds_ago": seconds_ago,
        }));
    }
    world.alter(json!({
        "kind": "write_audit", "by": { "person": "sven@contoso.example" },
        "activity": "Update application", "target": ACCOUNTS,
    }));
    let ago = |minutes| {
        crate::directory::written(OffsetDateTime::now_utc() - time::Duration::minutes(minutes))
    };
    let (from, until) = (ago(61), ago(-1));

    let all = world.audits("?$top=1");
    let of_span = |by: &str| {
        let span = format!("activityDateTime+ge+{from}+and+activityDateTime+le+{until}");
        world.audits(&format!("?$filter={span}+and+initiatedBy/{by}&$top=1"))
    };
    let recent = of_span(&format!("app/displayName+eq+'{ACCOUNTS}'"));
    let by_person = of_span("user/userPrincipalName+eq+'sven@contoso.example'");

    assert_eq!((all.len(), recent.len(), by_person.len()), (4, 2, 1));
    assert_eq!(by_person[0]["initiatedBy"]["user"]["id"], json!(user("sven")));
    assert_eq!(by_person[0]["targetResources"][0]["type"], "Application");
    let times: Vec<&str> =
        all.iter().map(|one| one["activityDateTime"].as_str().unwrap()).collect();
    assert!(times.is_sorted_by(|newer, older| newer >= older), "{times:?}");
    assert!(recent.iter().all(|one| one["initiatedBy"]["app"]["displayName"] == ACCOUNTS));
    assert_eq!(world.get(OBSERVER, "/v1.0/auditLogs/directoryAudits?$skiptoken=x").0, 400);
}

#[test]
fn the_log_is_filtered_by_what_graph_documents_and_by_nothing_else() {
    let world = World::new();
    let id = service_principal_id(ACCOUNTS, contoso());
    let since = "2031-02-03T12:00:00Z";

    for filter in [
        format!("initiatedBy/app/servicePrincipalId+eq+'{id}'"),
        "category+eq+'UserManagement'".to_owned(),
        format!("activityDateTime+gt+{since}"),
        format!("activityDateTime+ge+{since}+and+activityDateTime+lt+{since}"),
        "activityDisplayName+in+('Update+user')".to_owned(),
        "startswith(initiatedBy/app/displayName,'airlock')".to_owned(),
    ] {
        let path = format!("/v1.0/auditLogs/directoryAudits?$filter={filter}");
        assert_eq!(world.get(OBSERVER, &path).0, 400, "{filter}");
    }
    world.audits("?$filter=startswith(activityDisplayName,'Update')");
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
