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

fn span() -> Span {
    Span { from: at("2026-01-01T00:00:00Z"), until: at("2026-01-01T06:00:00Z") }
}

fn ours(all: &[u128]) -> BTreeSet<ObjectId> {
    all.iter().copied().map(id).collect()
}

#[tokio::test]
async fn what_service_principals_of_ours_did_is_told_oldest_first() {
    let request = Digest::of(&[b"request"]);
    let named = correlation(request).to_string().to_uppercase();
    let canned = Canned::new(move |path| {
        assert_eq!(
            path,
            "/auditLogs/directoryAudits?$filter=activityDateTime%20ge%202026-01-01T00:00:00Z\
             %20and%20activityDateTime%20le%202026-01-01T06:00:00Z&$top=999"
        );
        let mut person = entry("p", "2026-01-01T00:00:03Z", Value::Null, Value::Null);
        person["initiatedBy"] = json!({ "user": { "id": shouted(3) }, "app": null });
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

    let changes = canned.graph.changes(tenant(), &ours(&[1, 2]), span()).await.unwrap().unwrap();

    let told: Vec<(&str, Option<ObjectId>)> =
        changes.iter().map(|change| (change.id.as_str(), change.by)).collect();
    assert_eq!(told, [("c", Some(id(1))), ("a", Some(id(2))), ("b", Some(id(1)))]);
    let correlations: Vec<_> = changes.iter().map(|change| change.correlation).collect();
    assert_eq!(correlations, [None, None, Some(correlation(request))]);
    assert!(changes[0].targets.iter().eq(&["Device_7".to_owned(), id(66).to_string()]));
    assert_eq!(changes[0].activity, "Disable account");
    assert_eq!(canned.calls().len(), 1);
}

#[tokio::test]
async fn what_anybody_did_to_an_object_of_ours_is_told_with_who_it_was() {
    let canned = Canned::new(|_| {
        let done_by = |name: &str, by: Value| {
            let mut entry = entry(name, "2026-01-01T00:00:02Z", Value::Null, Value::Null);
            entry["initiatedBy"] = by;
            entry
        };
        let mut other = done_by("to another", json!({ "user": { "id": shouted(3) }, "app": null }));
        other["targetResources"][0]["id"] = json!(shouted(67));
        Reply::all(json!([
            done_by("a person", json!({ "user": { "id": shouted(3) }, "app": null })),
            done_by("an app", json!({ "user": null, "app": { "servicePrincipalId": shouted(4) } })),
            done_by("no one", json!({ "user": null, "app": null })),
            done_by("unlike any", json!(7)),
            other,
        ]))
    });

    let changes = canned.graph.changes(tenant(), &ours(&[66]), span()).await.unwrap().unwrap();

    let told: Vec<_> = changes.iter().map(|change| (change.id.as_str(), change.by)).collect();
    let expected = [
        ("a person", Some(id(3))),
        ("an app", Some(id(4))),
        ("no one", None),
        ("unlike any", None),
    ];
    assert_eq!(told, expected);
}

#[tokio::test]
async fn an_entry_whose_targets_are_not_understood_could_hide_one_of_ours() {
    let mut strange = entry("a", "2026-01-01T00:00:02Z", json!(shouted(9)), Value::Null);
    strange["targetResources"] = json!({ "id": shouted(1) });
    let canned = Canned::new(move |_| Reply::all(json!([strange])));

    let read = canned.graph.changes(tenant(), &ours(&[1]), span()).await;

    assert!(matches!(read, Err(PortError::Broken(_))));
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
        let read = canned.graph.changes(tenant(), &ours(&[1]), span()).await;
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
    let canned = log(10);
    let begun = tokio::time::Instant::now();

    let changes = canned.graph.changes(tenant(), &ours(&[1]), span()).await.unwrap().unwrap();

    assert_eq!(changes.len(), 10);
    assert_eq!(canned.calls().len(), 10);
    assert_eq!(begun.elapsed().as_secs(), 18, "two seconds before each but the first");
}

#[tokio::test(start_paused = true)]
async fn of_a_log_that_is_too_long_for_one_reading_no_part_is_given() {
    let canned = log(11);

    let read = canned.graph.changes(tenant(), &ours(&[1]), span()).await.unwrap();

    assert_eq!(read, None);
    assert_eq!(canned.calls().len(), 10);
}
