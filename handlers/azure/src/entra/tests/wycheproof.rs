//! The signature and key vectors of Project Wycheproof, through the way that Entra's tokens go:
//! header, choice of the key, signature.
//!
//! The vectors lie outside of the project, in `../shared/data` or below `$AIRLOCK_SHARED`.

use std::{collections::BTreeMap, fs, path::PathBuf};

use serde_json::{Value, json};

use super::world::{issuer, jwks};
use crate::{entra::FORM, jose::compact::Jws};

/// Vectors that are invalid and whose signature we accept, each with its reason.
///
/// The key of the first was made by a library with a defect (ROCA). That it can be factored is
/// for its owner to know: the keys that count here are those that Entra publishes, and who can
/// publish there a key of their own has no need to factor one.
const ACCEPTED: [(&str, u64); 1] = [("json_web_key_test.json", 7)];

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

/// The keys of a group, published by our tenant; whether there is one set of them or one key.
fn published(group: &Value) -> Value {
    let key = group.get("public").or_else(|| group.get("private")).unwrap();
    let mut keys = key.get("keys").cloned().unwrap_or_else(|| json!([key]));
    for key in keys.as_array_mut().unwrap() {
        key["issuer"] = json!(issuer());
    }
    keys
}

/// Whether a signature is accepted, and if not at which step.
fn accepted(keys: &Value, token: &str) -> Result<(), &'static str> {
    let jws = Jws::read(token, &FORM).map_err(|_| "form")?;
    let keys = jwks(keys).map_err(|_| "no key for RS256")?;
    let key = keys.get(jws.kid()).ok_or("unknown key")?;
    if key.signed(&jws) { Ok(()) } else { Err("signature") }
}

/// The algorithm that a token names, as far as there is one.
fn algorithm(token: &str) -> Option<String> {
    let header = airlock_core::base64url::decode(token.split('.').next()?)?;
    let header: Value = serde_json::from_slice(&header).ok()?;
    Some(header["alg"].as_str()?.to_owned())
}

#[test]
fn every_vector_of_rs256_comes_out_as_wycheproof_says() {
    for file in ["json_web_signature_test.json", "json_web_key_test.json"] {
        let Some(all) = vectors(file) else { continue };
        let mut outcomes: BTreeMap<String, usize> = BTreeMap::new();
        let mut count = 0;
        for group in all["testGroups"].as_array().unwrap() {
            let keys = published(group);
            for test in group["tests"].as_array().unwrap() {
                let (id, token) = (test["tcId"].as_u64().unwrap(), test["jws"].as_str().unwrap());
                let what = format!("{file} {id}: {}", test["comment"]);
                let outcome = accepted(&keys, token);
                let is_rs256 = algorithm(token).as_deref() == Some("RS256");
                match (test["result"].as_str().unwrap(), is_rs256) {
                    ("valid", true) => assert_eq!(outcome, Ok(()), "{what}"),
                    ("valid", false) => {
                        assert_eq!(outcome, Err("form"), "another algorithm, {what}");
                    }
                    ("invalid", _) => {
                        let exempt = ACCEPTED.contains(&(file, id));
                        assert_eq!(outcome.is_ok(), exempt, "{what}");
                    }
                    (other, _) => panic!("a result that is neither: {other}"),
                }
                let result = test["result"].as_str().unwrap();
                let why = outcome.err().unwrap_or("accepted");
                let of = if is_rs256 { "RS256" } else { "another algorithm" };
                *outcomes.entry(format!("{result:8}{of:18} {why}")).or_default() += 1;
                count += 1;
            }
        }
        println!("{file}: {count} vectors");
        for (outcome, number) in &outcomes {
            println!("  {number:4}  {outcome}");
        }
        assert_eq!(count, all["numberOfTests"].as_u64().unwrap());
    }
}

#[tokio::test]
async fn no_vector_at_all_is_a_token() {
    let world = super::world::World::new();
    for file in ["json_web_signature_test.json", "json_web_key_test.json"] {
        let Some(all) = vectors(file) else { continue };
        let groups = all["testGroups"].as_array().unwrap();
        for test in groups.iter().flat_map(|group| group["tests"].as_array().unwrap()) {
            let token = test["jws"].as_str().unwrap();

            assert!(world.access(token).await.is_err(), "{file} {}", test["tcId"]);
            assert!(world.id(token).await.is_err(), "{file} {}", test["tcId"]);
        }
    }
    assert_eq!(world.verifier.kept.count(), 0);
}
