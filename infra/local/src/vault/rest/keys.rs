//! Calls on keys.

use base64::{Engine as _, engine::general_purpose::URL_SAFE_NO_PAD};
use http::{Method, StatusCode};
use serde::Deserialize;
use serde_json::{Value, json};

use super::{Asking, Change, page};
use crate::vault::{
    attributes::{Standing, Tags, Wanted},
    keys::{DIGEST_BYTES, Key, SIGNING_OPERATIONS, WRAPPING_OPERATIONS},
    refused::{
        Kind, Refused, bad, disabled, forbidden, internal, not_done, not_found, out_of_time,
    },
    secrets::is_name,
    versions::{Version, Versions},
};

/// The identity that may read every public key, to make the keyset of them.
const ADMIN: &str = "admin";

/// What is asked of a key.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Operation {
    Get,
    Versions,
    Sign,
    Verify,
    Wrap,
    Unwrap,
    Rotate,
    Create,
    Update,
}

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

/// The body that makes a version.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Create {
    kty: String,
    crv: Option<String>,
    key_size: Option<u32>,
    key_ops: Option<Vec<String>>,
    #[serde(default)]
    attributes: Wanted,
    #[serde(default)]
    tags: Tags,
}

impl Operation {
    /// The data action that Azure's role definitions know it by.
    const fn action(self) -> &'static str {
        match self {
            Self::Get | Self::Versions => "Microsoft.KeyVault/vaults/keys/read",
            Self::Sign => "Microsoft.KeyVault/vaults/keys/sign/action",
            Self::Verify => "Microsoft.KeyVault/vaults/keys/verify/action",
            Self::Wrap => "Microsoft.KeyVault/vaults/keys/wrap/action",
            Self::Unwrap => "Microsoft.KeyVault/vaults/keys/unwrap/action",
            Self::Rotate => "Microsoft.KeyVault/vaults/keys/rotate/action",
            Self::Create => "Microsoft.KeyVault/vaults/keys/create/action",
            Self::Update => "Microsoft.KeyVault/vaults/keys/update/action",
        }
    }

    /// What a version that is not to be used is asked for, and whether its time matters: what was
    /// signed or wrapped in time is verified and unwrapped after it as well.
    const fn use_of_it(self) -> Option<(&'static str, bool)> {
        match self {
            Self::Get => Some(("get", false)),
            Self::Sign => Some(("sign", true)),
            Self::Verify => Some(("verify", false)),
            Self::Wrap => Some(("wrapKey", true)),
            Self::Unwrap => Some(("unwrapKey", false)),
            Self::Versions | Self::Rotate | Self::Create | Self::Update => None,
        }
    }
}

/// Answers `/keys/…`.
pub(super) fn answer(
    keys: &Versions<Key>,
    asking: &Asking<'_>,
    path: &[&str],
) -> Result<Value, Refused> {
    let Target { key: name, version, operation } = target(asking, path)?;
    let granted = may(asking, operation, name);
    let refused =
        || forbidden(asking.names, asking.caller, operation.action(), &format!("keys/{name}"));
    if operation == Operation::Create {
        return if granted { create(keys, asking, name) } else { Err(refused()) };
    }
    let found = keys.find(name, version).ok_or_else(|| not_found(Kind::Key, name, version))?;
    if !granted {
        return Err(refused());
    }
    match operation {
        Operation::Versions => {
            let item = |it: &Version<Key>| (it.id.clone(), item(asking, name, it));
            page::of(asking, keys.of(name).iter().map(item).collect())
        }
        Operation::Rotate => {
            let key = found.what.another().map_err(not_done)?;
            made(keys, asking, name, Version::new(key, &Wanted::default(), found.tags))
        }
        Operation::Update => {
            let Change { attributes, tags } = asking.body()?;
            let updated = keys.update(name, &found.id, |found| {
                found.attributes.update(&attributes);
                if let Some(tags) = tags {
                    found.tags = tags;
                }
            });
            bundle(asking, name, &updated.ok_or_else(|| not_found(Kind::Key, name, version))?)
        }
        Operation::Get => usable(operation, &found).and_then(|()| bundle(asking, name, &found)),
        _ => usable(operation, &found).and_then(|()| perform(operation, asking, name, &found)),
    }
}

/// Whether `identities.json` grants this caller this operation on this key.
fn may(asking: &Asking<'_>, operation: Operation, key: &str) -> bool {
    let Some((name, identity)) = asking.identity() else {
        return false;
    };
    let among = |keys: &[String]| keys.iter().any(|own| own == key);
    let (signs, wraps) = (among(&identity.keys.sign), among(&identity.keys.wrap));
    let rotates = among(&identity.rotates);
    match operation {
        Operation::Get | Operation::Versions => signs || wraps || rotates || name == ADMIN,
        Operation::Sign | Operation::Verify => signs,
        Operation::Wrap | Operation::Unwrap => wraps,
        Operation::Rotate | Operation::Create | Operation::Update => rotates,
    }
}

fn usable(operation: Operation, version: &Version<Key>) -> Result<(), Refused> {
    let Some((word, only_in_time)) = operation.use_of_it() else {
        return Ok(());
    };
    match version.attributes.standing() {
        Standing::Disabled => Err(disabled(Kind::Key, word)),
        Standing::OutOfTime if only_in_time => Err(out_of_time(word)),
        Standing::OutOfTime | Standing::Usable => Ok(()),
    }
}

fn create(keys: &Versions<Key>, asking: &Asking<'_>, name: &str) -> Result<Value, Refused> {
    let Create { kty, crv, key_size, key_ops, attributes, tags } = asking.body()?;
    let refused = |why: &str| bad(StatusCode::BAD_REQUEST, why.to_owned());
    if !is_name(name) {
        return Err(refused("The request URI contains an invalid name."));
    }
    let (key, offered) = match (kty.as_str(), crv.as_deref(), key_size) {
        ("EC", Some("P-256") | None, None) => (Key::signing(), SIGNING_OPERATIONS),
        ("RSA", None, bits) => (Key::wrapping(bits), WRAPPING_OPERATIONS),
        _ => return Err(refused("This kind of key is not offered here.")),
    };
    // All of them, or nothing said of it: keys for half of a purpose are not kept here.
    let all = |wanted: &Vec<String>| {
        wanted.len() == offered.len() && offered.iter().all(|one| wanted.iter().any(|it| it == one))
    };
    if key_ops.as_ref().is_some_and(|wanted| !all(wanted)) {
        return Err(refused("These key operations are not offered for this kind of key."));
    }
    let key = key.map_err(not_done)?;
    // Azure lets a version be of another kind than those before it. Nothing of ours may ask that.
    if keys.find(name, None).is_some_and(|before| !before.what.is_like(&key)) {
        return Err(refused("The key is of another kind."));
    }
    made(keys, asking, name, Version::new(key, &attributes, tags))
}

/// Adds a version, once the key in it is there, so that nobody who uses the key meanwhile waits.
fn made(
    keys: &Versions<Key>,
    asking: &Asking<'_>,
    name: &str,
    version: Version<Key>,
) -> Result<Value, Refused> {
    let bundle = bundle(asking, name, &version)?;
    keys.add(name, version);
    Ok(bundle)
}

fn perform(
    operation: Operation,
    asking: &Asking<'_>,
    name: &str,
    version: &Version<Key>,
) -> Result<Value, Refused> {
    let (key, kid) = (&version.what, kid(asking, name, version));
    let result = |value: &[u8]| json!({ "kid": kid, "value": URL_SAFE_NO_PAD.encode(value) });
    match operation {
        Operation::Sign => {
            let parameters = parameters(asking, "ES256")?;
            let digest = digest(&parameters.value)?;
            key.sign(&digest).map(|signature| result(&signature)).map_err(not_done)
        }
        Operation::Verify => {
            let parameters = parameters(asking, "ES256")?;
            let digest = digest(parameters.digest.as_deref().unwrap_or_default())?;
            let signature = bytes("value", &parameters.value)?;
            key.verify(&digest, &signature)
                .map(|verified| json!({ "value": verified }))
                .map_err(not_done)
        }
        // RSA-OAEP, with SHA-1, Azure would accept: nothing of ours may ask for it.
        Operation::Wrap => {
            let plain = bytes("value", &parameters(asking, "RSA-OAEP-256")?.value)?;
            key.wrap(&plain).map(|wrapped| result(&wrapped)).map_err(not_done)
        }
        Operation::Unwrap => {
            let wrapped = bytes("value", &parameters(asking, "RSA-OAEP-256")?.value)?;
            key.unwrap(&wrapped).map(|plain| result(&plain)).map_err(not_done)
        }
        Operation::Get
        | Operation::Versions
        | Operation::Rotate
        | Operation::Create
        | Operation::Update => Err(internal("this is no use of a key".to_owned())),
    }
}

fn target<'a>(asking: &Asking<'_>, path: &[&'a str]) -> Result<Target<'a>, Refused> {
    let method: &Method = asking.asked.method();
    let found = match (method.as_str(), path) {
        ("GET", [key, "versions"]) => Some((*key, "", Operation::Versions)),
        ("GET", [key] | [key, ""]) => Some((*key, "", Operation::Get)),
        ("GET", [key, version] | [key, version, ""]) => Some((*key, *version, Operation::Get)),
        ("PATCH", [key, version]) => Some((*key, *version, Operation::Update)),
        ("POST", [key, "create"]) => Some((*key, "", Operation::Create)),
        ("POST", [key, "rotate"]) => Some((*key, "", Operation::Rotate)),
        // With no version, SDKs leave its segment empty and people leave it out.
        ("POST", [key, operation]) => of(operation).map(|it| (*key, "", it)),
        ("POST", [key, version, operation]) => of(operation).map(|it| (*key, *version, it)),
        _ => None,
    };
    let (key, version, operation) =
        found.filter(|(key, ..)| !key.is_empty()).ok_or_else(|| asking.nothing())?;
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

fn parameters(asking: &Asking<'_>, algorithm: &str) -> Result<Parameters, Refused> {
    let parameters: Parameters = asking.body()?;
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

fn kid(asking: &Asking<'_>, name: &str, version: &Version<Key>) -> String {
    format!("https://{}/keys/{name}/{}", asking.names.vault, version.id)
}

fn bundle(asking: &Asking<'_>, name: &str, version: &Version<Key>) -> Result<Value, Refused> {
    let jwk = version.what.jwk(&kid(asking, name, version)).map_err(not_done)?;
    Ok(json!({ "key": jwk, "attributes": attributes(version), "tags": version.tags }))
}

fn item(asking: &Asking<'_>, name: &str, version: &Version<Key>) -> Value {
    let kid = kid(asking, name, version);
    json!({ "kid": kid, "attributes": attributes(version), "tags": version.tags })
}

fn attributes(version: &Version<Key>) -> Value {
    let mut written = version.attributes.written();
    written["exportable"] = json!(false);
    written
}
