//! Whatever goes wrong, wherever: a reading fails as a whole, and says how.

use futures::future::BoxFuture;

use super::*;

type Reading = for<'a> fn(&'a Graph) -> BoxFuture<'a, Result<(), PortError>>;

/// Every method, each asked for enough that it has more than one answer to wait for.
const READINGS: [(&str, Reading); 14] = [
    ("registrations", |graph| {
        Box::pin(async { graph.registrations(tenant(), &two()).await.map(drop) })
    }),
    ("federated", |graph| Box::pin(async { graph.federated(tenant(), &two()).await.map(drop) })),
    ("application_owners", |graph| {
        Box::pin(async { graph.application_owners(tenant(), &two()).await.map(drop) })
    }),
    ("service_principals", |graph| {
        Box::pin(async { graph.service_principals(tenant(), &two()).await.map(drop) })
    }),
    ("principal_owners", |graph| {
        Box::pin(async { graph.principal_owners(tenant(), &two()).await.map(drop) })
    }),
    ("app_roles", |graph| Box::pin(async { graph.app_roles(tenant(), &two()).await.map(drop) })),
    ("delegated", |graph| Box::pin(async { graph.delegated(tenant(), &two()).await.map(drop) })),
    ("directory_roles", |graph| {
        Box::pin(async { graph.directory_roles(tenant(), &two()).await.map(drop) })
    }),
    ("custom_roles", |graph| Box::pin(async { graph.custom_roles(tenant()).await.map(drop) })),
    ("owned", |graph| Box::pin(async { graph.owned(tenant(), id(2)).await.map(drop) })),
    ("access_policies", |graph| {
        Box::pin(async { Directories::access_policies(graph, tenant()).await.map(drop) })
    }),
    ("changes", |graph| {
        Box::pin(async { graph.changes(tenant(), &two().into(), year()).await.map(drop) })
    }),
    ("changed_applications", |graph| {
        Box::pin(async { graph.changed_applications(tenant(), None).await.map(drop) })
    }),
    ("admirers", |graph| {
        Box::pin(async {
            let changed = two().map(|object| Changed { object, client: Some(object) });
            graph.admirers(tenant(), &changed, &two()).await.map(drop)
        })
    }),
];

fn two() -> [ObjectId; 2] {
    [id(1), id(2)]
}

/// Answers everything with nothing, but for what is about the second object, or about no object.
async fn when(
    reading: Reading,
    second: impl Fn() -> Reply + Send + Sync + 'static,
) -> Result<(), PortError> {
    let canned = Canned::new(move |path| {
        if path.contains(&id(1).to_string()) {
            return Reply::all(json!([]));
        }
        second()
    });
    reading(&canned.graph).await
}

#[tokio::test]
async fn nothing_is_read_where_all_is_empty_and_nothing_wrong() {
    for (name, reading) in READINGS {
        let empty = || {
            let delta = format!("{ORIGIN}/v1.0/applications/delta?$deltatoken=c");
            let is_delta = json!({ "value": [], "@odata.deltaLink": delta });
            Reply::ok(is_delta)
        };
        assert!(when(reading, empty).await.is_ok(), "{name}");
    }
}

#[tokio::test]
async fn one_refusal_is_the_end_of_a_reading() {
    for (name, reading) in READINGS {
        let denied = when(reading, || Reply::refused(403, "Authorization_RequestDenied")).await;
        assert!(matches!(denied, Err(PortError::Denied(_))), "{name}: {denied:?}");
        let down = when(reading, || Reply::refused(503, "serviceNotAvailable")).await;
        assert!(matches!(down, Err(PortError::Unavailable(_))), "{name}: {down:?}");
        let odd = when(reading, || Reply::refused(400, "Request_BadRequest")).await;
        assert!(matches!(odd, Err(PortError::Broken(_))), "{name}: {odd:?}");
    }
}

#[tokio::test]
async fn whoever_is_asked_to_wait_is_told_how_long() {
    for (name, reading) in READINGS {
        let throttled = when(reading, || Reply::throttled("17")).await;
        assert!(
            matches!(throttled, Err(PortError::Throttled { after_s: Some(17) })),
            "{name}: {throttled:?}"
        );
    }
}

#[tokio::test]
async fn no_answer_is_not_an_empty_one() {
    for (name, reading) in READINGS {
        assert!(when(reading, Reply::none).await.is_err(), "{name}");
        for bad in [json!({}), json!({ "value": null }), json!([]), Value::Null] {
            let read = when(reading, move || Reply::ok(bad.clone())).await;
            assert!(matches!(read, Err(PortError::Broken(_))), "{name}");
        }
    }
}

#[tokio::test(start_paused = true)]
async fn half_a_page_is_nothing() {
    // A page of the delta query is a reading of its own.
    for (name, reading) in READINGS.into_iter().filter(|(name, _)| *name != "changed_applications")
    {
        for (next, expected) in [
            (format!("{ORIGIN}/v1.0/next"), "unavailable"),
            ("https://evil.example/v1.0/next".to_owned(), "broken"),
        ] {
            let canned = Canned::new(move |path| {
                if path == "/next" {
                    return Reply::none();
                }
                Reply::ok(json!({ "value": [], "@odata.nextLink": next }))
            });
            let read = reading(&canned.graph).await;
            let told = match read {
                Err(PortError::Unavailable(_)) => "unavailable",
                Err(PortError::Broken(_)) => "broken",
                other => panic!("{name}: {other:?}"),
            };
            assert_eq!(told, expected, "{name}");
        }
    }
}

#[tokio::test(start_paused = true)]
async fn a_collection_without_end_is_not_read_for_ever() {
    // These give what they have and say that there is more.
    let by_turns = ["changed_applications", "changes"];
    for (name, reading) in READINGS.into_iter().filter(|(name, _)| !by_turns.contains(name)) {
        let canned = Canned::new(|_| {
            let next = format!("{ORIGIN}/v1.0/next");
            Reply::ok(json!({ "value": [], "@odata.nextLink": next }))
        });
        let read = reading(&canned.graph).await;
        assert!(matches!(read, Err(PortError::Broken(_))), "{name}");
        assert!(canned.calls().len() <= 40, "{name}");
    }
}

#[tokio::test]
async fn objects_further_on_count_like_the_first() {
    let canned = Canned::new(|path| {
        if path == "/next" {
            return Reply::all(json!([{ "id": shouted(8) }]));
        }
        let next = format!("{ORIGIN}/v1.0/next");
        Reply::ok(json!({ "value": [{ "id": shouted(7) }], "@odata.nextLink": next }))
    });

    let owners = canned.graph.application_owners(tenant(), &[id(1)]).await.unwrap();

    assert_eq!(owners[&id(1)], [id(7), id(8)]);
}

#[tokio::test]
async fn an_object_that_is_gone_since_it_was_listed_has_not_nothing() {
    for (name, reading) in READINGS {
        if ["admirers", "access_policies", "changes", "changed_applications"].contains(&name) {
            continue;
        }
        let gone = when(reading, || Reply::refused(404, "Request_ResourceNotFound")).await;
        assert!(matches!(gone, Err(PortError::Broken(_))), "{name}: {gone:?}");
    }
}
