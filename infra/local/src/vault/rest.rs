//! Key Vault over REST, as its SDKs speak it.

use base64::{Engine as _, engine::general_purpose::URL_SAFE_NO_PAD};
use bytes::Bytes;
use http::{Method, StatusCode};
use serde::Deserialize;
use serde_json::{Value, json};
use url::form_urlencoded;

use super::{
    Operation, Vault,
    keys::{DIGEST_BYTES, Key},
    may,
    refused::{Refused, bad, challenge, forbidden, internal, json_answer, not_done, not_found},
};
use crate::{
    cloud::{Answer, Asked, Caller, Names, Shared, audience},
    identities::Identities,
};

/// Versions of the API in which keys are what they are here.
const API_VERSIONS: [&str; 8] = ["7.0", "7.1", "7.2", "7.3", "7.4", "7.5", "7.6", "2025-07-01"];

/// What a path names.
#[derive(Debug, PartialEq, Eq)]
struct Target<'a> {
    key: &'a str,
    /// `None` for the newest.
    version: Option<&'a str>,
    operation: Operation,
}

/// The body of every cryptographic operation.
#[derive(Debug, Deserialize)]
struct Parameters {
    alg: String,
    /// Digest to sign, signature to verify, key to wrap, or wrapped key.
    value: String,
    /// What a signature to verify is over.
    digest: Option<String>,
}

pub(super) async fn answer(cloud: &Shared, asked: Asked) -> Answer {
    let caller = match cloud.entra.verify(cloud, asked.headers(), audience::VAULT) {
        Ok(caller) => caller,
        Err(error) => return challenge(&cloud.names, asked.headers(), &error),
    };
    let shared = cloud.clone();
    // An operation with a private key takes milliseconds, and a key may still be in the making.
    let working = tokio::task::spawn_blocking(move || {
        shared.vault.handle(&shared.identities, &shared.names, &caller, &asked)
    });
    working
        .await
        .unwrap_or_else(|error| internal(format!("the operation did not end: {error}")).answer())
}

impl Vault {
    /// Answers a caller whose token was verified.
    fn handle(
        &self,
        identities: &Identities,
        names: &Names,
        caller: &Caller,
        asked: &Asked,
    ) -> Answer {
        match self.try_handle(identities, names, caller, asked) {
            Ok(value) => json_answer(StatusCode::OK, &value),
            Err(refused) => refused.answer(),
        }
    }

    fn try_handle(
        &self,
        identities: &Identities,
        names: &Names,
        caller: &Caller,
        asked: &Asked,
    ) -> Result<Value, Refused> {
        api_version(asked)?;
        let Target { key: name, version, operation } = target(asked.method(), asked.uri().path())?;
        let granted = may(identities, caller, operation, name);
        if operation == Operation::Create && !granted {
            return Err(forbidden(names, caller, operation, name));
        }
        let key = self
            .keys
            .get(name)
            .filter(|key| version.is_none_or(|version| version == key.version))
            .ok_or_else(|| not_found(name, version))?;
        if !granted {
            return Err(forbidden(names, caller, operation, name));
        }
        let kid = format!("https://{}/keys/{name}/{}", names.vault, key.version);
        perform(operation, key, &kid, asked.body())
    }
}

fn perform(operation: Operation, key: &Key, kid: &str, body: &Bytes) -> Result<Value, Refused> {
    let result = |value: &[u8]| json!({ "kid": kid, "value": URL_SAFE_NO_PAD.encode(value) });
    match operation {
        Operation::Get => {
            let jwk = key.jwk(kid).map_err(not_done)?;
            Ok(json!({ "key": jwk, "attributes": attributes(key), "tags": {} }))
        }
        Operation::Versions => {
            let only = json!({ "kid": kid, "attributes": attributes(key), "tags": {} });
            Ok(json!({ "value": [only], "nextLink": null }))
        }
        Operation::Sign => {
            let parameters = parameters(body, "ES256")?;
            let digest = digest(&parameters.value)?;
            key.sign(&digest).map(|signature| result(&signature)).map_err(not_done)
        }
        Operation::Verify => {
            let parameters = parameters(body, "ES256")?;
            let digest = digest(parameters.digest.as_deref().unwrap_or_default())?;
            let signature = bytes("value", &parameters.value)?;
            key.verify(&digest, &signature)
                .map(|verified| json!({ "value": verified }))
                .map_err(not_done)
        }
        // RSA-OAEP, with SHA-1, Azure would accept: nothing of ours may ask for it.
        Operation::Wrap => {
            let plain = bytes("value", &parameters(body, "RSA-OAEP-256")?.value)?;
            key.wrap(&plain).map(|wrapped| result(&wrapped)).map_err(not_done)
        }
        Operation::Unwrap => {
            let wrapped = bytes("value", &parameters(body, "RSA-OAEP-256")?.value)?;
            key.unwrap(&wrapped).map(|plain| result(&plain)).map_err(not_done)
        }
        Operation::Rotate | Operation::Create => Err(internal("nobody is granted this".to_owned())),
    }
}

fn target<'a>(method: &Method, path: &'a str) -> Result<Target<'a>, Refused> {
    let segments: Vec<&str> = path.trim_start_matches('/').split('/').collect();
    let found = match (method.as_str(), &segments[..]) {
        ("GET", ["keys", key, "versions"]) => Some((*key, "", Operation::Versions)),
        ("GET", ["keys", key] | ["keys", key, ""]) => Some((*key, "", Operation::Get)),
        ("GET", ["keys", key, version] | ["keys", key, version, ""]) => {
            Some((*key, *version, Operation::Get))
        }
        ("POST", ["keys", key, "create"]) => Some((*key, "", Operation::Create)),
        ("POST", ["keys", key, "rotate"]) => Some((*key, "", Operation::Rotate)),
        // With no version, SDKs leave its segment empty and people leave it out.
        ("POST", ["keys", key, operation]) => of(operation).map(|it| (*key, "", it)),
        ("POST", ["keys", key, version, operation]) => of(operation).map(|it| (*key, *version, it)),
        _ => None,
    };
    let (key, version, operation) = found.filter(|(key, ..)| !key.is_empty()).ok_or_else(|| {
        bad(StatusCode::NOT_FOUND, format!("{method} {path} is not an operation on a key."))
    })?;
    Ok(Target { key, version: (!version.is_empty()).then_some(version), operation })
}

fn of(segment: &str) -> Option<Operation> {
    match segment.to_ascii_lowercase().as_str() {
        "sign" => Some(Operation::Sign),
        "verify" => Some(Operation::Verify),
        "wrapkey" => Some(Operation::Wrap),
        "unwrapkey" => Some(Operation::Unwrap),
        _ => None,
    }
}

fn api_version(asked: &Asked) -> Result<(), Refused> {
    let query = asked.uri().query().unwrap_or_default();
    let version = form_urlencoded::parse(query.as_bytes()).find(|(name, _)| name == "api-version");
    match version {
        Some((_, version)) if API_VERSIONS.contains(&version.as_ref()) => Ok(()),
        Some((_, version)) => Err(bad(
            StatusCode::BAD_REQUEST,
            format!("The specified version ({version}) is not recognized."),
        )),
        None => Err(bad(StatusCode::BAD_REQUEST, "api-version must be specified".to_owned())),
    }
}

fn parameters(body: &Bytes, algorithm: &str) -> Result<Parameters, Refused> {
    let parameters: Parameters = serde_json::from_slice(body).map_err(|error| {
        bad(StatusCode::BAD_REQUEST, format!("The request body was not understood: {error}"))
    })?;
    if parameters.alg == algorithm {
        return Ok(parameters);
    }
    Err(bad(
        StatusCode::BAD_REQUEST,
        format!(
            "Key and signing or encryption algorithm are incompatible: '{}', not '{algorithm}'.",
            parameters.alg
        ),
    ))
}

fn digest(value: &str) -> Result<Vec<u8>, Refused> {
    let digest = bytes("digest", value)?;
    if digest.len() == DIGEST_BYTES {
        return Ok(digest);
    }
    Err(bad(
        StatusCode::BAD_REQUEST,
        format!(
            "Invalid length of 'value': {} bytes. Append or truncate to {DIGEST_BYTES}.",
            digest.len()
        ),
    ))
}

fn bytes(what: &str, value: &str) -> Result<Vec<u8>, Refused> {
    URL_SAFE_NO_PAD.decode(value.trim_end_matches('=')).map_err(|error| {
        bad(StatusCode::BAD_REQUEST, format!("Property {what} is not base64url: {error}"))
    })
}

fn attributes(key: &Key) -> Value {
    json!({
        "enabled": true,
        "created": key.made_s,
        "updated": key.made_s,
        "recoveryLevel": "Recoverable",
        "recoverableDays": 90,
        "exportable": false,
    })
}

#[cfg(test)]
mod tests;
