use serde_json::json;

use super::*;

fn partition() -> Partition {
    Partition::platform()
}

fn writes() -> [Write; 3] {
    let etag = Etag("\"1\"".to_owned());
    [
        Write::Replace(json!({ "id": "head" }), etag.clone()),
        Write::Create(json!({ "id": "leaf" })),
        Write::Delete("sent".to_owned(), etag),
    ]
}

fn answered(codes: &[u16]) -> Result<Vec<Etag>, BatchError> {
    let results: Vec<Value> = codes
        .iter()
        .map(|code| match code {
            204 => json!({ "statusCode": code }),
            200..=299 => json!({ "statusCode": code, "eTag": "\"2\"" }),
            429 => json!({ "statusCode": code, "retryAfterMilliseconds": 3000 }),
            _ => json!({ "statusCode": code }),
        })
        .collect();
    judged(&serde_json::from_value(json!(results)).unwrap(), &writes())
}

#[test]
fn a_batch_that_was_carried_out_gives_the_new_versions() {
    let etags = answered(&[200, 201, 204]).unwrap();

    let etags: Vec<String> = etags.into_iter().map(|etag| etag.0).collect();
    assert_eq!(etags, ["\"2\"", "\"2\"", "\"1\""]);
}

#[test]
fn a_failed_batch_names_the_write_whose_condition_failed() {
    let index = |codes: &[u16]| match answered(codes) {
        Err(BatchError::Conflict(index)) => index,
        other => panic!("{other:?}"),
    };

    assert_eq!(index(&[412, 424, 424]), 0);
    assert_eq!(index(&[424, 409, 424]), 1);
    assert_eq!(index(&[424, 424, 412]), 2);
    assert_eq!(index(&[404, 424, 424]), 0, "what was to be replaced is gone");
    assert_eq!(index(&[424, 424, 404]), 2, "what was to be deleted is gone");
}

#[test]
fn other_failures_are_no_conflict() {
    let port = |codes: &[u16]| match answered(codes) {
        Err(BatchError::Port(error)) => error,
        other => panic!("{other:?}"),
    };

    assert!(matches!(port(&[424, 429, 424]), PortError::Throttled { after_s: Some(3) }));
    assert!(matches!(port(&[424, 503, 424]), PortError::Unavailable(_)));
    assert!(matches!(port(&[424, 449, 424]), PortError::Unavailable(_)));
    assert!(matches!(port(&[424, 403, 424]), PortError::Denied(_)));
    assert!(matches!(port(&[424, 413, 424]), PortError::Broken(_)));
    assert!(matches!(port(&[424, 404, 424]), PortError::Broken(_)), "create is never 404");
    assert!(matches!(port(&[424, 424, 424]), PortError::Broken(_)));
    assert!(matches!(port(&[200, 201]), PortError::Broken(_)));
    assert!(matches!(port(&[200, 204, 204]), PortError::Broken(_)), "no version told");
}

#[test]
fn a_document_comes_without_the_services_own_properties() {
    let found = document(json!({
        "id": "head", "_custom": 1, "_rid": "r", "_self": "s", "_etag": "\"7\"",
        "_attachments": "a", "_ts": 1
    }))
    .unwrap();

    assert_eq!(found.json, json!({ "id": "head", "_custom": 1 }));
    assert_eq!(found.etag, Etag("\"7\"".to_owned()));
    assert!(document(json!({ "id": "head" })).is_err());
    assert!(document(json!([])).is_err());
}

#[test]
fn a_batch_without_an_id_is_not_sent() {
    let nameless = [Write::Replace(json!({}), Etag(String::new()))];

    assert!(batch(&partition(), &nameless).is_err());
    assert!(batch(&partition(), &writes()).is_ok());
}

#[test]
fn a_querys_values_are_parameters() {
    let query = Query {
        kind: "request",
        equals: Some(("person", "x' OR true --".to_owned())),
        not_after: None,
        limit: 50,
    };

    let text = serde_json::to_value(text(&query).unwrap()).unwrap();

    insta::assert_json_snapshot!(text, @r#"
    {
      "query": "SELECT TOP 50 * FROM c WHERE c.kind = @kind AND c.person = @value ORDER BY c.at DESC",
      "parameters": [
        {
          "name": "@kind",
          "value": "request"
        },
        {
          "name": "@value",
          "value": "x' OR true --"
        }
      ]
    }
    "#);
}
