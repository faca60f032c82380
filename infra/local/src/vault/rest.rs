//! Key Vault over REST, as its SDKs speak it.

mod keys;
mod page;
mod secrets;

use bytes::Bytes;
use http::StatusCode;
use serde::{Deserialize, de::DeserializeOwned};
use serde_json::Value;
use url::form_urlencoded;

use super::{
    Vault,
    attributes::{Tags, Wanted},
    refused::{Refused, bad, challenge, internal, json_answer},
};
use crate::{
    cloud::{Answer, Asked, Caller, Names, Shared, audience},
    identities::{Identities, Identity},
};

/// Versions of the API in which keys and secrets are what they are here.
const API_VERSIONS: [&str; 9] =
    ["7.0", "7.1", "7.2", "7.3", "7.4", "7.5", "7.6", "2025-07-01", "2026-04-01"];

/// A verified caller, and what is known of them.
struct Asking<'a> {
    identities: &'a Identities,
    names: &'a Names,
    caller: &'a Caller,
    asked: &'a Asked,
}

/// The body of a change of a version.
#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
struct Change {
    #[serde(default)]
    attributes: Wanted,
    tags: Option<Tags>,
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
        match self.try_handle(&Asking { identities, names, caller, asked }) {
            Ok(value) => json_answer(StatusCode::OK, &value),
            Err(refused) => refused.answer(),
        }
    }

    fn try_handle(&self, asking: &Asking<'_>) -> Result<Value, Refused> {
        api_version(asking.asked)?;
        let path = asking.asked.uri().path().trim_start_matches('/');
        let segments: Vec<&str> = path.split('/').collect();
        match segments.split_first() {
            Some((&"keys", rest)) => keys::answer(&self.keys, asking, rest),
            Some((&"secrets", rest)) => secrets::answer(&self.secrets, asking, rest),
            _ => Err(asking.nothing()),
        }
    }
}

impl<'a> Asking<'a> {
    /// The identity that calls, with its name, if it is one of ours.
    fn identity(&self) -> Option<(&'a str, &'a Identity)> {
        let name = self.caller.identity.as_deref()?;
        let (name, identity) = self.identities.identities.get_key_value(name)?;
        Some((name, identity))
    }

    /// The path names nothing that could be done.
    fn nothing(&self) -> Refused {
        let (method, path) = (self.asked.method(), self.asked.uri().path());
        bad(StatusCode::NOT_FOUND, format!("{method} {path} is not an operation of a vault."))
    }

    /// The body, understood wholly or refused.
    fn body<T: DeserializeOwned>(&self) -> Result<T, Refused> {
        read(self.asked.body())
    }
}

fn read<T: DeserializeOwned>(body: &Bytes) -> Result<T, Refused> {
    serde_json::from_slice(body).map_err(|error| {
        // Only where: what a parser says quotes what it read, and that may be a secret.
        let at = error.column();
        bad(StatusCode::BAD_REQUEST, format!("The request body was not understood at {at}."))
    })
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

#[cfg(test)]
mod tests;
