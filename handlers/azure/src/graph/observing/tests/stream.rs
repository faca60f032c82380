use super::*;

const DELTA: &str = "https://graph.microsoft.com/v1.0/applications/delta";

fn page(objects: Value, link: &str, token: &str) -> Reply {
    let mut body = json!({ link: format!("{DELTA}?{token}") });
    body["value"] = objects;
    Reply::ok(body)
}

async fn changed(
    from: Option<&Position>,
    reply: impl Fn(&str) -> Reply + Send + Sync + 'static,
) -> (Result<Page, PortError>, usize) {
    let canned = Canned::new(reply);
    let page = canned.graph.changed_applications(tenant(), from).await;
    (page, canned.calls().len())
}

#[tokio::test]
async fn all_applications_come_page_by_page_and_then_what_changed() {
    let canned = Canned::new(|path| match path {
        "/applications/delta" => page(
            json!([{ "id": shouted(1), "appId": shouted(101), "displayName": "x", "web": {} }]),
            "@odata.nextLink",
            "$skiptoken=a%2Bb",
        ),
        "/applications/delta?$skiptoken=a%2Bb" => page(
            json!([
                { "id": shouted(2), "@removed": { "reason": "changed" } },
                { "id": shouted(3), "appId": shouted(103), "@removed": { "reason": "new" } },
            ]),
            "@odata.deltaLink",
            "$deltatoken=c",
        ),
        other => panic!("asked for {other}"),
    });

    let first = canned.graph.changed_applications(tenant(), None).await.unwrap();
    let Page::More(there, position) = first else { panic!("{first:?}") };
    assert_eq!(there, [Changed { object: id(1), client: Some(id(101)) }]);
    assert_eq!(position, Position("/v1.0/applications/delta?$skiptoken=a%2Bb".to_owned()));

    let second = canned.graph.changed_applications(tenant(), Some(&position)).await.unwrap();
    let Page::Last(gone, position) = second else { panic!("{second:?}") };
    assert_eq!(gone, [2, 3].map(|number| Changed { object: id(number), client: None }));
    assert_eq!(position, Position("/v1.0/applications/delta?$deltatoken=c".to_owned()));
    assert_eq!(canned.calls().len(), 2);
}

#[tokio::test]
async fn a_client_id_that_did_not_change_and_was_left_out_is_looked_up() {
    let (read, calls) = changed(None, |path| match path {
        "/applications/delta" => page(
            json!([
                { "id": shouted(1), "displayName": "renamed" },
                { "id": shouted(2), "appId": shouted(102) },
                { "id": shouted(3), "displayName": "gone since" },
            ]),
            "@odata.deltaLink",
            "$deltatoken=c",
        ),
        path if about(path) == id(1).to_string() => {
            Reply::ok(json!({ "id": shouted(1), "appId": shouted(101) }))
        }
        _ => Reply::refused(404, "Request_ResourceNotFound"),
    })
    .await;

    let Ok(Page::Last(found, _)) = read else { panic!("{read:?}") };
    let clients: Vec<_> = found.iter().map(|one| (one.object, one.client)).collect();
    assert_eq!(clients, [(id(1), Some(id(101))), (id(2), Some(id(102))), (id(3), None)]);
    assert_eq!(calls, 2);
}

#[tokio::test]
async fn a_position_that_graph_does_not_know_any_more_is_lost() {
    let from = Position("/v1.0/applications/delta?$deltatoken=old".to_owned());
    for (status, code) in [
        (410, "syncStateNotFound"),
        (410, "whatever"),
        (400, "Directory_ExpiredPageToken"),
        (400, "SyncStateNotFound"),
        (404, "resyncRequired"),
    ] {
        let (read, calls) = changed(Some(&from), move |_| Reply::refused(status, code)).await;
        assert!(matches!(read, Ok(Page::Lost)), "{status} {code}");
        assert_eq!(calls, 1);
    }
    let (read, _) = changed(Some(&from), |_| Reply::refused(400, "Request_BadRequest")).await;
    assert!(matches!(read, Err(PortError::Broken(_))));
    // Where nothing was known there is nothing to lose: it would begin anew for ever.
    let (read, _) = changed(None, |_| Reply::refused(410, "syncStateNotFound")).await;
    assert!(matches!(read, Err(PortError::Broken(_))));
}

#[tokio::test]
async fn a_position_leads_to_graph_and_to_applications_alone() {
    for bad in [
        "",
        "x",
        "@evil.example/v1.0/applications/delta",
        ".evil.example/v1.0/applications/delta",
        ":8443/v1.0/applications/delta",
        "//evil.example/v1.0/applications/delta",
        "/v1.0/users/delta?$deltatoken=c",
        "/v1.0/applications/../users/delta?$deltatoken=c",
        "/beta/applications/delta?$deltatoken=c",
    ] {
        let from = Position(bad.to_owned());
        let (read, calls) = changed(Some(&from), |_| Reply::all(json!([]))).await;
        assert!(read.is_err(), "{bad}");
        assert_eq!(calls, 0, "{bad}");
    }
}

#[tokio::test]
async fn a_page_has_one_link_and_it_leads_on() {
    let long = format!("{DELTA}?$deltatoken={}", "x".repeat(20_000));
    for links in [
        json!({}),
        json!({ "@odata.nextLink": DELTA, "@odata.deltaLink": DELTA }),
        json!({ "@odata.deltaLink": null }),
        json!({ "@odata.deltaLink": "https://evil.example/v1.0/applications/delta?$deltatoken=c" }),
        json!({ "@odata.deltaLink": "https://graph.microsoft.com/v1.0/users/delta?$deltatoken=c" }),
        json!({ "@odata.nextLink": long }),
    ] {
        let body = links.clone();
        let (read, _) = changed(None, move |_| {
            let mut body = body.clone();
            body["value"] = json!([]);
            Reply::ok(body)
        })
        .await;
        assert!(matches!(read, Err(PortError::Broken(_))), "{links}");
    }
}

fn trusting(issuer: &str, subject: Value, expression: Value) -> Value {
    let mut credential = json!({
        "id": shouted(200), "name": "x", "issuer": issuer,
        "audiences": ["api://AzureADTokenExchange"],
    });
    credential["subject"] = subject;
    credential["claimsMatchingExpression"] = expression;
    credential
}

fn ours() -> String {
    format!("https://login.microsoftonline.com/{}/v2.0", tenant())
}

async fn admired(credential: Value) -> bool {
    let canned = Canned::new(move |_| Reply::all(json!([credential])));
    let changed = [Changed { object: id(1), client: Some(id(101)) }];
    let admirers = canned.graph.admirers(tenant(), &changed, &[id(50), id(51)]).await.unwrap();
    assert!(admirers.iter().all(|one| (one.object, one.client) == (id(1), id(101))));
    !admirers.is_empty()
}

#[tokio::test]
async fn who_trusts_one_of_ours_or_may_is_an_admirer() {
    let null = || Value::Null;
    assert!(admired(trusting(&ours(), json!(id(50).to_string()), null())).await);
    assert!(admired(trusting("https://other.example", json!(shouted(51)), null())).await);
    let names_one =
        json!({ "value": format!("claims['sub'] eq '{}'", id(50)), "languageVersion": 1 });
    assert!(admired(trusting(&ours(), null(), names_one)).await);
    assert!(admired(trusting(&ours(), null(), null())).await);

    assert!(!admired(trusting(&ours(), json!(id(52).to_string()), null())).await);
    let others = json!({ "value": "claims['sub'] matches 'repo:a/*'", "languageVersion": 1 });
    let github = "https://token.actions.githubusercontent.com";
    assert!(!admired(trusting(github, null(), others)).await);
    assert!(!admired(trusting(github, null(), null())).await);
}

#[tokio::test]
async fn applications_that_changed_are_asked_twenty_in_a_call_and_each_once() {
    let canned = Canned::new(|path| {
        let number: u128 = (1..=45).find(|number| about(path) == id(*number).to_string()).unwrap();
        match number {
            // Gone since.
            7 => Reply::refused(404, "Request_ResourceNotFound"),
            40 => Reply::all(json!([
                trusting(&ours(), json!("another"), Value::Null),
                trusting(&ours(), json!(id(50).to_string()), Value::Null),
            ])),
            _ => Reply::all(json!([])),
        }
    });
    let mut changed: Vec<Changed> = (1..=44)
        .map(|number| Changed { object: id(number), client: Some(id(number + 100)) })
        .collect();
    changed.push(changed[3]);
    changed.push(Changed { object: id(45), client: None });

    let admirers = canned.graph.admirers(tenant(), &changed, &[id(50)]).await.unwrap();

    let [admirer] = admirers.as_slice() else { panic!("{admirers:?}") };
    assert_eq!((admirer.object, admirer.client), (id(40), id(140)));
    assert_eq!(admirer.federated.subject, id(50).to_string());
    assert_eq!(canned.calls().len(), 3);
}
