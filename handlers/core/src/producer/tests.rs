use serde_json::{Value, json};

use super::*;
use crate::{
    base64url,
    keyset::{Keyset, KeysetKey},
    memory::LocalKey,
    ports::Signer as _,
    tests::world::{CONTOSO, NOON, key},
};

const NOW: Timestamp = Timestamp::from_unix_s(NOON);

fn event() -> Value {
    json!({
        "specversion": "1.0", "id": "alert-7", "source": "siem", "type": "airlock.request.asked",
        "time": NOW.to_string(), "tenantid": CONTOSO, "datacontenttype": "application/json",
        "data": {
            "op": { "name": "sessions.revoke", "target": { "user": CONTOSO } },
            "purpose": "impossible travel",
        },
    })
}

/// As any JOSE library makes one.
async fn signed(header: &Value, payload: &str, key: &LocalKey) -> String {
    let input = format!("{}.{}", base64url::encode(header.to_string()), base64url::encode(payload));
    let signature = key.sign(key.key(), &Digest::of(&[input.as_bytes()])).await.unwrap();
    format!("{input}.{}", base64url::encode(signature))
}

fn header(key: &LocalKey) -> Value {
    json!({ "typ": "cloudevent+jwt", "alg": "ES256", "kid": key.key().thumbprint() })
}

fn terms(producers: &[(&str, &LocalKey)]) -> Terms {
    let producer = |(name, key): &(&str, &LocalKey)| Producer {
        name: (*name).to_owned(),
        signed_by: SignedBy::Key(key.key().clone()),
        operations: vec!["sessions.revoke".to_owned()],
        owners: Vec::new(),
    };
    Terms { producers: producers.iter().map(producer).collect(), ..Terms::default() }
}

/// A keyset that lists a key for `drift`, as it may sign what.
async fn trust(drift: &LocalKey, signs: &[Typ]) -> Trust {
    let root = key();
    let listed = KeysetKey {
        jwk: drift.key().clone(),
        app: App::Drift,
        signs: signs.to_vec(),
        nbf: NOW,
        revoked: None,
    };
    let keyset = Keyset {
        ver: 1,
        iat: NOW,
        exp: NOW.plus_s(86_400),
        keys: vec![listed],
        replacements: Vec::new(),
        secrets: None,
    };
    let keyset = Signed::sign(&keyset, &root).await.unwrap();
    Trust::verify(root.key(), &keyset, NOW).unwrap()
}

async fn opened(event: &Value, by: &LocalKey, terms: &Terms) -> Result<Event, NotVerified> {
    opened_under(event, by, terms, &trust(&key(), &[Typ::Event]).await).await
}

async fn opened_under(
    event: &Value,
    by: &LocalKey,
    terms: &Terms,
    trust: &Trust,
) -> Result<Event, NotVerified> {
    let text = signed(&header(by), &event.to_string(), by).await;
    let event = Signed::parse(text)?;
    open(&event, terms, trust, NOW).map(|(_, event)| event.value().clone())
}

#[tokio::test]
async fn an_event_is_read_as_any_producer_writes_it() {
    let key = key();

    let event = opened(&event(), &key, &terms(&[("siem", &key)])).await.unwrap();

    assert_eq!((event.id(), event.source(), event.tenant()), ("alert-7", "siem", CONTOSO));
    assert_eq!((event.time(), event.until()), (NOW, NOW.plus_s(DEFAULT_LIFETIME_S)));
    assert_eq!(event.data().op.name, "sessions.revoke");
}

#[tokio::test]
async fn only_the_one_producer_of_that_name_and_key_is_believed() {
    let (ours, other) = (key(), key());

    for terms in [
        terms(&[]),
        terms(&[("siem", &other)]),
        terms(&[("edr", &ours)]),
        terms(&[("siem", &ours), ("siem", &other)]),
        terms(&[("edr", &ours), ("siem", &other)]),
    ] {
        let refused = opened(&event(), &ours, &terms).await;
        assert!(matches!(refused, Err(NotVerified::UnknownKey(_))), "{refused:?}");
    }
    assert!(opened(&event(), &ours, &terms(&[("edr", &ours), ("siem", &ours)])).await.is_ok());
}

#[tokio::test]
async fn an_event_that_is_not_exactly_one_of_ours_is_none() {
    let key = key();
    let terms = terms(&[("siem", &key)]);
    let spoiled: [(&str, Value); 14] = [
        ("specversion", json!("0.3")),
        ("type", json!("com.example.alert")),
        ("id", json!("")),
        ("id", json!("a".repeat(MAX_ID_BYTES + 1))),
        ("id", Value::Null),
        ("source", json!("edr")),
        ("time", json!("yesterday")),
        ("time", json!(NOON)),
        ("time", json!(NOW.plus_s(60).to_string())),
        ("time", json!(NOW.plus_s(-DEFAULT_LIFETIME_S).to_string())),
        ("tenantid", json!("contoso")),
        ("datacontenttype", json!("application/xml")),
        ("extension", json!("unknown")),
        ("data", json!({})),
    ];

    for (name, value) in spoiled {
        let mut event = event();
        event[name] = value;
        assert!(opened(&event, &key, &terms).await.is_err(), "{event}");
    }
    let mut forever = event();
    forever["data"]["lifetime_s"] = json!(MAX_LIFETIME_S + 1);
    assert!(opened(&forever, &key, &terms).await.is_err());
}

#[tokio::test]
async fn another_type_or_algorithm_is_not_read_at_all() {
    let key = key();
    let text = event().to_string();
    for (name, value) in [
        ("typ", json!("JWT")),
        ("typ", json!("request+jwt")),
        ("typ", Value::Null),
        ("alg", json!("none")),
        ("alg", json!("HS256")),
        ("crit", json!(["exp"])),
        ("jwk", json!(key.key())),
    ] {
        let mut header = header(&key);
        header[name] = value.clone();

        let event = Signed::<Event>::parse(signed(&header, &text, &key).await);

        assert!(event.is_err(), "{name}: {value}");
    }
}

#[tokio::test]
async fn an_event_is_the_same_request_by_its_id_and_its_producer_alone() {
    let key = key();
    let terms = terms(&[("siem", &key), ("edr", &key)]);
    let with = async |name: &str, value: Value| {
        let mut event = event();
        event[name] = value;
        opened(&event, &key, &terms).await.unwrap()
    };
    let first = opened(&event(), &key, &terms).await.unwrap();
    let later = with("time", json!(NOW.plus_s(-5).to_string())).await;
    let next = with("id", json!("alert-8")).await;
    let other = with("source", json!("edr")).await;

    assert_eq!((first.identity(), first.request_id()), (later.identity(), later.request_id()));
    for different in [next, other] {
        assert_ne!(first.identity(), different.identity());
        assert_ne!(first.request_id(), different.request_id());
    }
}

#[tokio::test]
async fn the_one_producer_that_is_an_app_signs_with_what_the_keyset_lists_for_it() {
    let (drift, stranger) = (key(), key());
    let mut ours = terms(&[("siem", &stranger)]);
    ours.producers[0].signed_by = SignedBy::Drift;
    let both = [Typ::Finding, Typ::Event];
    let listed = trust(&drift, &both).await;

    assert!(opened_under(&event(), &drift, &ours, &listed).await.is_ok());
    for (by, terms, trust) in [
        (&stranger, &ours, trust(&drift, &both).await),
        (&drift, &ours, trust(&stranger, &both).await),
        // It may sign findings, and no events.
        (&drift, &ours, trust(&drift, &[Typ::Finding]).await),
        // The name is that of a producer with a key of its own.
        (&drift, &terms(&[("siem", &stranger)]), trust(&drift, &both).await),
    ] {
        let refused = opened_under(&event(), by, terms, &trust).await;
        assert!(matches!(refused, Err(NotVerified::UnknownKey(_))), "{refused:?}");
    }
}

#[test]
fn a_producer_names_its_key_or_the_app_drift_and_exactly_one_of_them() {
    let jwk = json!(key().key());
    let written = |signed_by: Value| {
        let mut producer = json!({ "name": "siem", "operations": [], "owners": [] });
        producer.as_object_mut().unwrap().extend(signed_by.as_object().unwrap().clone());
        producer
    };
    for right in [json!({ "key": jwk }), json!({ "app": "drift" })] {
        let producer: Producer = serde_json::from_value(written(right.clone())).unwrap();
        assert_eq!(serde_json::to_value(&producer).unwrap(), written(right));
    }
    for wrong in [
        json!({}),
        json!({ "key": jwk, "app": "drift" }),
        json!({ "app": "intake" }),
        json!({ "app": "signin" }),
        json!({ "app": "nobody" }),
        json!({ "app": "drift", "surprise": 1 }),
    ] {
        assert!(serde_json::from_value::<Producer>(written(wrong.clone())).is_err(), "{wrong}");
    }
}
