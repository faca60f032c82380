use airlock_core::{digest::Digest, request::correlation};

use super::*;

fn entry(name: &str, time: &str, by: Value, correlation: Value) -> Value {
    let mut entry = json!({
        "id": name,
        "category": "UserManagement",
        "correlationId": null,
        "result": "success",
        "resultReason": "",
        "activityDisplayName": "Disable account",
        "activityDateTime": time,
        "loggedByService": "Core Directory",
        "operationType": "Update",
        "initiatedBy": {
            "user": null,
            "app": {
                "appId": null, "displayName": "airlock-worker-accounts",
                "servicePrincipalId": null, "servicePrincipalName": null,
            },
        },
        "targetResources": [
            { "id": shouted(66), "displayName": null, "type": "User", "modifiedProperties": [] },
            { "id": "Device_7", "displayName": null, "type": "Other" },
            { "id": null, "displayName": "x", "type": "Other" },
        ],
        "additionalDetails": [],
    });
    entry["correlationId"] = correlation;
    entry["initiatedBy"]["app"]["servicePrincipalId"] = by;
    entry
}

fn since() -> Timestamp {
    at("2026-01-01T00:00:00Z")
}

#[tokio::test]
async fn what_service_principals_of_ours_did_is_told_oldest_first() {
    let request = Digest::of(&[b"request"]);
    let named = correlation(request).to_string().to_uppercase();
    let canned = Canned::new(move |path| {
        assert_eq!(
            path,
            "/auditLogs/directoryAudits?$filter=activityDateTime%20ge%202026-01-01T00:00:00Z&$top=999"
        );
        let mut person = entry("p", "2026-01-01T00:00:03Z", Value::Null, Value::Null);
        person["initiatedBy"] = json!({ "user": { "id": shouted(1) }, "app": null });
        Reply::all(json!([
            entry("b", "2026-01-01T00:00:02.9999999Z", json!(shouted(1)), json!(named)),
            entry("a", "2026-01-01T00:00:02Z", json!(shouted(2)), json!("none")),
            entry("o", "2026-01-01T00:00:02Z", json!(shouted(3)), Value::Null),
            person,
            // Of no form that anything has: somebody else's.
            { "initiatedBy": 7 },
            entry("n", "2026-01-01T00:00:01Z", json!(""), Value::Null),
            entry("c", "2026-01-01T00:00:01+00:00", json!(shouted(1)), Value::Null),
        ]))
    });

    let changes = canned.graph.changes(tenant(), &[id(1), id(2)], since()).await.unwrap();

    let told: Vec<(&str, ObjectId)> =
        changes.iter().map(|change| (change.id.as_str(), change.by)).collect();
    assert_eq!(told, [("c", id(1)), ("a", id(2)), ("b", id(1))]);
    let correlations: Vec<_> = changes.iter().map(|change| change.correlation).collect();
    assert_eq!(correlations, [None, None, Some(correlation(request))]);
    assert!(changes[0].targets.iter().eq(&["Device_7".to_owned(), id(66).to_string()]));
    assert_eq!(changes[0].activity, "Disable account");
    assert_eq!(canned.calls().len(), 1);
}

#[tokio::test]
async fn an_entry_of_ours_that_is_not_understood_is_not_left_out() {
    for (property, value) in [
        ("activityDateTime", json!("some day")),
        ("activityDateTime", Value::Null),
        ("activityDisplayName", Value::Null),
        ("id", json!(7)),
        ("targetResources", json!("x")),
    ] {
        let mut bad = entry("a", "2026-01-01T00:00:02Z", json!(shouted(1)), Value::Null);
        bad[property] = value;
        let canned = Canned::new(move |_| Reply::all(json!([bad])));
        let read = canned.graph.changes(tenant(), &[id(1)], since()).await;
        assert!(matches!(read, Err(PortError::Broken(_))), "{property}");
    }
}

/// A log of so many pages, each with the last entry of the one before.
fn log(pages: usize) -> Canned {
    Canned::new(move |path| {
        let page: usize = path.split("$skiptoken=").nth(1).map_or(0, |page| page.parse().unwrap());
        let entry = |page: usize| {
            entry(&format!("{page:03}"), "2026-01-01T00:00:02Z", json!(shouted(1)), Value::Null)
        };
        let mut body = json!({ "value": [entry(page.saturating_sub(1)), entry(page)] });
        if page + 1 < pages {
            let next = format!("{ORIGIN}/v1.0/auditLogs/directoryAudits?$skiptoken={}", page + 1);
            body["@odata.nextLink"] = json!(next);
        }
        Reply::ok(body)
    })
}

#[tokio::test(start_paused = true)]
async fn a_long_log_is_read_no_faster_than_graph_allows_and_each_entry_once() {
    let canned = log(12);
    let begun = tokio::time::Instant::now();

    let changes = canned.graph.changes(tenant(), &[id(1)], since()).await.unwrap();

    assert_eq!(changes.len(), 12);
    assert_eq!(canned.calls().len(), 12);
    assert_eq!(begun.elapsed().as_secs(), 14, "two seconds before each but the first five");
}

#[tokio::test(start_paused = true)]
async fn a_log_without_end_is_not_read_and_no_part_of_it_given() {
    assert_eq!(log(40).graph.changes(tenant(), &[id(1)], since()).await.unwrap().len(), 40);

    let endless = log(41).graph.changes(tenant(), &[id(1)], since()).await;

    assert!(matches!(endless, Err(PortError::Broken(_))));
}
