//! Signed artefacts: what is read, what is believed, and what is neither.

use serde_json::{Value, json};

use super::world::{CONTOSO, FABRIKAM, NINA, World, key};
use crate::{
    ask::Ask,
    base64url,
    envelope::{Envelope, NotOpened, Place},
    identity::{App, Role::HelpdeskAgent},
    jwe,
    jwk::{self, PublicKey},
    jws::{MAX_BYTES, NotVerified, Signed},
    manifest::{Manifest, ManifestFile, NotDeployed},
    memory::{Dice, LocalKey, Mask},
    permit::Permit,
    ports::Signer as _,
    secret::Secret,
    sign_in::{self, SignIn},
    tenancy::TenantScope,
    time::Timestamp,
};

/// Signs any header and payload, as an attacker with a key can.
async fn forge(key: &LocalKey, header: &Value, payload: &str) -> String {
    let input = format!("{}.{}", base64url::encode(header.to_string()), base64url::encode(payload));
    let digest = crate::digest::Digest::of(&[input.as_bytes()]);
    format!("{input}.{}", base64url::encode(key.sign(key.key(), &digest).await.unwrap()))
}

#[tokio::test]
async fn a_header_of_another_kind_is_not_read() {
    let world = World::new().await;
    let harriet = world.sign_in(CONTOSO, 1, &[HelpdeskAgent]).await;
    let payload = serde_json::to_string(&world.ask(&harriet, "sessions.revoke", NINA)).unwrap();
    let kid = harriet.key.key().thumbprint().to_string();
    let good = json!({ "alg": "ES256", "kid": kid, "typ": "request+jwt" });
    assert!(Signed::<Ask>::parse(forge(&harriet.key, &good, &payload).await).is_ok());
    let jwk = serde_json::to_value(harriet.key.key()).unwrap();

    let bad = [
        json!({ "alg": "none", "kid": kid, "typ": "request+jwt" }),
        json!({ "alg": "HS256", "kid": kid, "typ": "request+jwt" }),
        json!({ "alg": "es256", "kid": kid, "typ": "request+jwt" }),
        json!({ "alg": "ES256", "kid": kid }),
        json!({ "alg": "ES256", "kid": kid, "typ": "JWT" }),
        json!({ "alg": "ES256", "kid": kid, "typ": "decision+jwt" }),
        json!({ "alg": "ES256", "typ": "request+jwt" }),
        json!({ "alg": "ES256", "kid": "../../key", "typ": "request+jwt" }),
        json!({ "alg": "ES256", "kid": kid, "typ": "request+jwt", "crit": ["exp"] }),
        json!({ "alg": "ES256", "kid": kid, "typ": "request+jwt", "jwk": jwk }),
        json!({ "alg": "ES256", "kid": kid, "typ": "request+jwt", "jku": "https://evil.example" }),
        json!({ "alg": "ES256", "kid": kid, "typ": "request+jwt", "x5u": "https://evil.example" }),
        json!({ "alg": "ES256", "kid": kid, "typ": "request+jwt", "b64": false }),
    ];
    for header in bad {
        let text = forge(&harriet.key, &header, &payload).await;
        assert!(Signed::<Ask>::parse(text).is_err(), "{header}");
    }
}

#[tokio::test]
async fn text_that_is_no_compact_jws_is_not_read() {
    let world = World::new().await;
    let harriet = world.sign_in(CONTOSO, 1, &[HelpdeskAgent]).await;
    let ask = world.ask(&harriet, "sessions.revoke", NINA);
    let good = Signed::sign(&ask, &harriet.key).await.unwrap();
    let text = good.as_str();
    let (header, rest) = text.split_once('.').unwrap();

    for bad in [
        String::new(),
        "..".to_owned(),
        header.to_owned(),
        format!("{text}.more"),
        format!("{header}=.{rest}"),
        format!("{text}{}", "A".repeat(MAX_BYTES)),
        format!("\u{feff}{text}"),
    ] {
        assert!(Signed::<Ask>::parse(bad).is_err());
    }
}

#[tokio::test]
async fn a_payload_of_another_form_is_not_believed_even_if_signed() {
    let world = World::new().await;
    let harriet = world.sign_in(CONTOSO, 1, &[HelpdeskAgent]).await;
    let ask = world.ask(&harriet, "sessions.revoke", NINA);
    let good = serde_json::to_value(&ask).unwrap();
    let kid = harriet.key.key().thumbprint().to_string();
    let header = json!({ "alg": "ES256", "kid": kid, "typ": "request+jwt" });
    let text = serde_json::to_string(&good).unwrap();
    let mut unknown = good.clone();
    unknown["sudo"] = true.into();
    let mut array = good.clone();
    array["aud"] = json!(["execute", "rotate"]);
    let twice = text.replacen('{', r#"{"purpose":"first","#, 1);

    for bad in [unknown.to_string(), array.to_string(), twice, "[]".to_owned(), "null".to_owned()] {
        let signed = Signed::<Ask>::parse(forge(&harriet.key, &header, &bad).await).unwrap();
        let refused = signed.verify(harriet.key.key(), world.now()).unwrap_err();
        assert_eq!(refused, NotVerified::Signature, "{bad}");
    }
}

#[tokio::test]
async fn time_is_judged_to_the_second() {
    let world = World::new().await;
    let harriet = world.sign_in(CONTOSO, 1, &[HelpdeskAgent]).await;
    let ask = world.ask(&harriet, "sessions.revoke", NINA);
    let signed = Signed::sign(&ask, &harriet.key).await.unwrap();
    let verify = |at| signed.verify(harriet.key.key(), at).map(|_| ());

    assert_eq!(verify(ask.iat.plus_s(-5)), Ok(()));
    assert_eq!(verify(ask.iat.plus_s(-6)), Err(NotVerified::NotYet(ask.iat)));
    assert_eq!(verify(ask.exp.plus_s(-1)), Ok(()));
    assert_eq!(verify(ask.exp), Err(NotVerified::Expired(ask.exp)));
}

#[tokio::test]
async fn a_key_signs_only_what_the_keyset_says() {
    let world = World::new().await;
    let harriet = world.sign_in(CONTOSO, 1, &[HelpdeskAgent]).await;
    let view = world.submit(&harriet, &world.ask(&harriet, "sessions.revoke", NINA)).await.unwrap();
    assert_eq!(view.state, "permitted");
    let trust = world.trust().await;
    let permit = world.last_change().permit;
    let value: Permit = trust.open(&permit, world.now()).unwrap().value().clone();

    // The worker's own key, and signin's: both genuine, neither for permits.
    for app in [App::Execute, App::Signin, App::Drift] {
        let forged = Signed::sign(&value, world.key_of(app)).await.unwrap();
        let refused = trust.open(&forged, world.now()).unwrap_err();
        assert!(matches!(refused, NotVerified::UnknownKey(_)), "{app}");
    }
    // Intake's key in another app's name.
    let mut posing = value;
    posing.iss = App::Execute;
    let posing = Signed::sign(&posing, world.key_of(App::Intake)).await.unwrap();
    assert_eq!(trust.open(&posing, world.now()).unwrap_err(), NotVerified::Other("issuer"));
}

#[tokio::test]
async fn a_binding_lets_nobody_into_another_tenant() {
    let world = World::new().await;
    let scope = world.scope(CONTOSO).await;
    let binding = Signed::sign(scope.binding().value(), &world.root).await.unwrap();
    let forged = Signed::sign(scope.binding().value(), world.key_of(App::Intake)).await.unwrap();
    let trust = world.trust().await;

    let elsewhere = TenantScope::enter(&trust, &binding, FABRIKAM, world.now());
    assert_eq!(elsewhere.unwrap_err(), NotVerified::Other("tenant"));
    let by_another = TenantScope::enter(&trust, &forged, CONTOSO, world.now());
    assert!(matches!(by_another, Err(NotVerified::UnknownKey(_))));
    let late = world.now().plus_s(86_400 * 91);
    assert!(matches!(
        TenantScope::enter(&trust, &binding, CONTOSO, late),
        Err(NotVerified::Expired(_))
    ));
}

#[tokio::test]
async fn a_proof_of_a_key_is_by_that_key_and_for_this_api() {
    let client = key();
    let now = crate::time::Timestamp::from_unix_s(1000);
    let proof = |jwk: jwk::PublicKey, aud: &str| SignIn {
        aud: aud.to_owned(),
        challenge: "c".to_owned(),
        tenant: CONTOSO,
        return_to: "/".to_owned(),
        jwk,
        iat: now,
        exp: now.plus_s(60),
    };
    let good = Signed::sign(&proof(client.key().clone(), "https://api"), &client).await.unwrap();
    let stolen = Signed::sign(&proof(key().key().clone(), "https://api"), &client).await.unwrap();

    assert!(sign_in::open(&good, "https://api", now).is_ok());
    assert!(sign_in::open(&good, "https://other", now).is_err());
    assert!(sign_in::open(&stolen, "https://api", now).is_err());
}

/// What `intake` of this root's deployment trusts.
pub fn manifest(root: &PublicKey, iat: Timestamp, may_override: &[&str]) -> Manifest {
    let nobody = NINA;
    Manifest {
        app: App::Intake,
        iat,
        root: root.clone(),
        package: crate::digest::Digest::of(&[]),
        tenant: CONTOSO,
        authority: "https://login.example".to_owned(),
        sign_in_pages: "https://login.example".to_owned(),
        graph: "https://graph.example".to_owned(),
        vault: "https://vault.example".to_owned(),
        cosmos: "https://cosmos.example".to_owned(),
        bus: "bus.example".to_owned(),
        blobs: "https://blobs.example".to_owned(),
        anchors: "https://anchors.example".to_owned(),
        resource_manager: "https://management.example".to_owned(),
        resources: format!("/subscriptions/{NINA}/resourceGroups/airlock"),
        sites: std::collections::BTreeMap::new(),
        ledger: "ledger.example".to_owned(),
        portal: "https://portal.example".to_owned(),
        api: "https://api.example".to_owned(),
        confirmations: "https://intake.example".to_owned(),
        portal_client: nobody,
        intake_client: nobody,
        signin_principal: nobody,
        principals: std::collections::BTreeMap::new(),
        workers: std::collections::BTreeMap::new(),
        may_override: may_override.iter().map(|&name| name.to_owned()).collect(),
    }
}

#[tokio::test]
async fn a_manifest_cannot_be_for_another_app_or_move_trust_unasked() {
    let root = key();
    let now = Timestamp::from_unix_s(1000);
    let manifest = |may_override: &[&str]| manifest(root.key(), now, may_override);
    let file = async |manifest: Manifest, key: &LocalKey| {
        let signed = Signed::sign(&manifest, key).await.unwrap();
        serde_json::to_string(&ManifestFile { root: root.key().clone(), manifest: signed }).unwrap()
    };
    let proxied = |name: &str| name == "HTTPS_PROXY";
    let strict = file(manifest(&[]), &root).await;

    assert!(Manifest::open(&strict, App::Intake, |_| false, now).is_ok());
    let other = Manifest::open(&strict, App::Execute, |_| false, now);
    assert!(matches!(other, Err(NotDeployed::OtherApp)));
    let moved = Manifest::open(&strict, App::Intake, proxied, now);
    assert!(matches!(moved, Err(NotDeployed::Moved(names)) if names == ["HTTPS_PROXY"]));
    let allowed = file(manifest(&["HTTPS_PROXY"]), &root).await;
    assert!(Manifest::open(&allowed, App::Intake, proxied, now).is_ok());
    let forged = file(manifest(&["HTTPS_PROXY"]), &key()).await;
    assert!(matches!(
        Manifest::open(&forged, App::Intake, proxied, now),
        Err(NotDeployed::NotVerified(_))
    ));
}

#[tokio::test]
async fn a_ciphertext_opens_only_where_it_belongs() {
    let place = Place { tenant: "a", document: "b", field: "c", version: 1 };
    let envelope = Envelope::seal(place, b"secret", &Mask, &Dice).await.unwrap();

    assert_eq!(&**envelope.open(place, &Mask).await.unwrap(), b"secret");
    for other in [
        Place { tenant: "x", ..place },
        Place { document: "x", ..place },
        Place { field: "x", ..place },
        Place { version: 2, ..place },
        // The same bytes, split elsewhere.
        Place { tenant: "ab", document: "", ..place },
    ] {
        assert!(matches!(envelope.open(other, &Mask).await, Err(NotOpened::Changed)), "{other:?}");
    }
}

#[test]
fn a_result_is_readable_by_one_key_only() {
    let private = jwe::private_key(&Dice).unwrap();
    let public = jwk::PublicKey::from_point(&private.public_key()).unwrap();
    let jwe = jwe::seal(&Secret::new("Pass-1234".to_owned()), &public, &Dice).unwrap();

    assert_eq!(jwe::open(&jwe, &private).unwrap().expose(), "Pass-1234");
    assert!(jwe::open(&jwe, &jwe::private_key(&Dice).unwrap()).is_err());
    assert!(!jwe.contains("Pass-1234"));
    let mut parts: Vec<String> = jwe.split('.').map(str::to_owned).collect();
    let mut text = base64url::decode(&parts[3]).unwrap();
    text[0] ^= 1;
    parts[3] = base64url::encode(text);
    assert!(jwe::open(&parts.join("."), &private).is_err());
}

#[test]
fn a_result_names_its_algorithms_and_no_private_key() {
    let private = jwe::private_key(&Dice).unwrap();
    let public = jwk::PublicKey::from_point(&private.public_key()).unwrap();
    let jwe = jwe::seal(&Secret::new("x".to_owned()), &public, &Dice).unwrap();

    let header = base64url::decode(jwe.split('.').next().unwrap()).unwrap();
    let header: Value = serde_json::from_slice(&header).unwrap();
    assert_eq!(header["alg"], "ECDH-ES");
    assert_eq!(header["enc"], "A256GCM");
    assert_eq!(header["epk"]["crv"], "P-256");
    assert!(header["epk"].get("d").is_none());
}
