//! The ECDSA P-256 and JWS vectors of Project Wycheproof, against what verifies our artefacts.
//!
//! The vectors lie outside of the project, in `../shared/data` or below `$AIRLOCK_SHARED`.
//!
//! They cannot be artefacts themselves: their headers name no `typ` and keys by other names than
//! thumbprints, and their payloads are no claims. So each is tried in two ways. Its signature is
//! verified over its own message, by the library and with the key as [`Signed`] uses them, and
//! must come out as Wycheproof says. And its signature is put on a genuine artefact's header and
//! claims, under the vector's key, where it must not verify whatever it is: a signature that fits
//! every message (such as one of zeros) would.

use std::{collections::BTreeMap, fs, path::PathBuf};

use serde_json::{Value, json};

use super::*;
use crate::memory::{Dice, LocalKey};

const ECDSA: &str = "ecdsa_secp256r1_sha256_p1363_test.json";
const JWS: &str = "json_web_signature_test.json";

/// An artefact that says nothing, so that nothing but its signature can be wrong.
#[derive(Serialize, Deserialize)]
struct Nothing {}

impl Artefact for Nothing {
    const TYP: Typ = Typ::Statement;

    fn not_before(&self) -> Option<Timestamp> {
        None
    }

    fn expires(&self) -> Option<Timestamp> {
        None
    }
}

fn vectors(file: &str) -> Option<Value> {
    let shared = std::env::var_os("AIRLOCK_SHARED").map_or_else(
        || PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../../../shared"),
        PathBuf::from,
    );
    let path = shared.join("data/wycheproof").join(file);
    let text = fs::read(&path).ok();
    if text.is_none() {
        println!("SKIPPED: reference data not found ({})", path.display());
    }
    Some(serde_json::from_slice(&text?).unwrap())
}

/// Every test of a file, with its group.
fn tests(all: &Value) -> impl Iterator<Item = (&Value, &Value)> {
    let groups = all["testGroups"].as_array().unwrap();
    groups
        .iter()
        .flat_map(|group| group["tests"].as_array().unwrap().iter().map(move |test| (group, test)))
}

/// The members of a JWK that a key of ours has: those others that Wycheproof writes say what a
/// purpose in the keyset says for us.
fn key(jwk: &Value) -> Option<PublicKey> {
    let ours = json!({ "crv": jwk["crv"], "kty": jwk["kty"], "x": jwk["x"], "y": jwk["y"] });
    serde_json::from_value(ours).ok()
}

/// The key of an uncompressed point.
fn point(bytes: &[u8]) -> PublicKey {
    let [4, coordinates @ ..] = bytes else { panic!("a point is 4, x and y") };
    let (x, y) = coordinates.split_at(32);
    PublicKey::from_coordinates(x.try_into().unwrap(), y.try_into().unwrap()).unwrap()
}

fn hex(text: &Value) -> Vec<u8> {
    let digits = text.as_str().unwrap();
    let byte = |at: usize| u8::from_str_radix(&digits[at..at + 2], 16).unwrap();
    (0..digits.len()).step_by(2).map(byte).collect()
}

/// Whether a signature in base64url verifies over a message, as [`Signed::verify`] has it done.
fn verifies(key: &PublicKey, message: &[u8], signature: &str) -> bool {
    let (x, y) = key.coordinates();
    let decoding = DecodingKey::from_ec_components(&x, &y).unwrap();
    jsonwebtoken::crypto::verify(signature, message, &decoding, Algorithm::ES256).unwrap_or(false)
}

/// Whether a signature verifies on an artefact that it does not belong to.
fn verifies_anything(key: &PublicKey, signature: &str) -> bool {
    let header = json!({ "alg": "ES256", "kid": key.thumbprint(), "typ": "statement+jwt" });
    let header = base64url::encode(header.to_string());
    let artefact = format!("{header}.{}.{signature}", base64url::encode("{}"));
    let artefact: Signed<Nothing> = Signed::parse(artefact).unwrap();
    artefact.verify(key, Timestamp::from_unix_s(0)).is_ok()
}

fn report(file: &str, outcomes: &BTreeMap<String, usize>) {
    println!("{file}: {} vectors", outcomes.values().sum::<usize>());
    for (outcome, number) in outcomes {
        println!("  {number:4}  {outcome}");
    }
}

#[tokio::test]
async fn an_artefact_that_says_nothing_verifies_with_its_own_signature() {
    let key = LocalKey::new(&crate::jwe::private_key(&Dice).unwrap()).unwrap();
    let signed = Signed::sign(&Nothing {}, &key).await.unwrap();
    let (_, signature) = signed.as_str().rsplit_once('.').unwrap();

    assert!(verifies_anything(key.key(), signature));
}

#[test]
fn every_ecdsa_signature_comes_out_as_wycheproof_says() {
    let Some(all) = vectors(ECDSA) else { return };
    let mut outcomes = BTreeMap::new();

    for (group, test) in tests(&all) {
        let what = format!("{} {}", test["tcId"], test["comment"]);
        let key = point(&hex(&group["publicKey"]["uncompressed"]));
        let signature = base64url::encode(hex(&test["sig"]));
        let holds = verifies(&key, &hex(&test["msg"]), &signature);

        assert_eq!(holds, test["result"] == "valid", "{what}");
        assert!(!verifies_anything(&key, &signature), "{what}");
        let outcome = format!("{} {}", test["result"], if holds { "accepted" } else { "refused" });
        *outcomes.entry(outcome).or_default() += 1;
    }

    report(ECDSA, &outcomes);
    assert_eq!(outcomes.values().sum::<usize>(), all["numberOfTests"]);
}

#[test]
fn every_jws_of_es256_comes_out_as_wycheproof_says() {
    let Some(all) = vectors(JWS) else { return };
    let mut outcomes: BTreeMap<String, usize> = BTreeMap::new();

    for (group, test) in tests(&all) {
        let what = format!("{} {}", test["tcId"], test["comment"]);
        let text = test["jws"].as_str().unwrap();
        // Whatever it is, it is not an artefact.
        assert!(Signed::<Nothing>::parse(text).is_err(), "{what}");
        let outcome = signature_alone(group, text);
        let result = test["result"].as_str().unwrap();
        match (result, outcome) {
            ("valid", outcome) if is_es256(text) => assert_eq!(outcome, "accepted", "{what}"),
            (_, outcome) => assert_ne!(outcome, "accepted", "{what}"),
        }
        *outcomes.entry(format!("{result:8}{outcome}")).or_default() += 1;
    }

    report(JWS, &outcomes);
    assert_eq!(outcomes.values().sum::<usize>(), all["numberOfTests"]);
}

/// What becomes of the signature of a JWS, if its form alone did not rule it out.
fn signature_alone(group: &Value, text: &str) -> &'static str {
    let jwk = group.get("public").or_else(|| group.get("private")).unwrap();
    if jwk["kty"] != "EC" || jwk["crv"] != "P-256" {
        return "another kind of key";
    }
    // A key in the keyset has purposes, and encryption is none of them.
    let encrypts = jwk["use"] == "enc" || jwk["key_ops"] == json!(["encrypt"]);
    if encrypts {
        assert!(serde_json::from_value::<PublicKey>(jwk.clone()).is_err());
        return "a key that does not sign";
    }
    let mut parts = text.split('.');
    let (Some(header), Some(payload), Some(signature), None) =
        (parts.next(), parts.next(), parts.next(), parts.next())
    else {
        return "form";
    };
    if !is_es256(text) {
        return "another algorithm";
    }
    let key = key(jwk).unwrap();
    assert!(!verifies_anything(&key, signature), "{text}");
    let message = format!("{header}.{payload}");
    if verifies(&key, message.as_bytes(), signature) { "accepted" } else { "signature" }
}

fn is_es256(text: &str) -> bool {
    text.split('.')
        .next()
        .and_then(base64url::decode)
        .and_then(|header| serde_json::from_slice::<Value>(&header).ok())
        .is_some_and(|header| header["alg"] == "ES256")
}
