use http::Request;
use jsonwebtoken::{Algorithm, DecodingKey, Validation};

use super::*;
use crate::entra::tests::names;

fn issuer() -> Issuer {
    Issuer::new(&names()).unwrap()
}

fn asked(issuer: &Issuer, method: Method, path: &str) -> (StatusCode, Value) {
    let request = Request::builder().method(method).uri(path).body(Bytes::new()).unwrap();
    let answer = issuer.answer(&request);
    (answer.status(), serde_json::from_slice(answer.body()).unwrap())
}

#[test]
fn a_resource_server_finds_the_keys_by_discovery() {
    let issuer = issuer();

    let (status, found) = asked(&issuer, Method::GET, "/.well-known/openid-configuration");
    assert_eq!((status, found["issuer"].as_str()), (StatusCode::OK, Some(&*issuer.name())));
    let keys = found["jwks_uri"].as_str().unwrap().strip_prefix(&issuer.name()).unwrap();
    let (status, keys) = asked(&issuer, Method::GET, &format!("/{keys}"));

    assert_eq!((status, keys["keys"].as_array().unwrap().len()), (StatusCode::OK, 1));
    assert!(keys["keys"][0].get("d").is_none());
    assert_eq!(asked(&issuer, Method::POST, "/connect/token").0, StatusCode::UNAUTHORIZED);
    assert_eq!(asked(&issuer, Method::GET, "/").0, StatusCode::NOT_FOUND);
}

#[test]
fn only_what_its_own_key_signs_is_verified_by_what_it_publishes() {
    let issuer = issuer();
    let jwk = issuer.current.jwk();
    let text = |name: &str| jwk[name].as_str().unwrap().to_owned();
    let key = DecodingKey::from_ec_components(&text("x"), &text("y")).unwrap();
    let mut validation = Validation::new(Algorithm::ES256);
    validation.required_spec_claims.clear();
    validation.validate_exp = false;
    let verified = |with| {
        let token = issuer.mint(with, &Map::new(), &json!({ "sub": "s" })).unwrap();
        jsonwebtoken::decode::<Value>(&token, &key, &validation).is_ok()
    };

    assert!(verified(With::Current));
    assert!(!verified(With::Stranger));
}
