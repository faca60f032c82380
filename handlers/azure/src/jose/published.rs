//! How keys are published: a description of the issuer that says where its keys are (OpenID
//! Connect Discovery 1.0), and there a set of them (RFC 7517).

use std::collections::HashMap;

use airlock_core::ports::PortError;
use async_trait::async_trait;
use serde::{Deserialize, de::DeserializeOwned};
use serde_json::Value;

use crate::{failure::Meaning, transport};

/// The largest document that is read, in bytes. The keys of a tenant of Entra's are about 20 KiB.
const MOST_BYTES: usize = 1024 * 1024;

/// Where keys are published: a tenant's by Entra, or another issuer's by itself.
#[async_trait]
pub(crate) trait Published<Issuer: Send + 'static, Key>: Send + Sync {
    /// The keys that sign for an issuer now, by their names.
    async fn keys(&self, issuer: Issuer) -> Result<HashMap<String, Key>, PortError>;
}

/// The part of an issuer's description that counts.
#[derive(Deserialize)]
pub(crate) struct Metadata {
    /// Who it says that it is.
    pub(crate) issuer: String,
    /// Where it says that its keys are.
    pub(crate) jwks_uri: String,
}

/// What is published as keys. One that is not understood is passed over (RFC 7517, section 5).
#[derive(Deserialize)]
pub(crate) struct Jwks {
    keys: Vec<Value>,
}

/// What is published is not what an issuer of ours publishes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub(crate) enum NotPublished {
    #[error("issuer is no https URL without user, query and fragment")]
    Address,
    #[error("metadata is of another issuer")]
    OtherIssuer,
    #[error("keys are published elsewhere than where the issuer is")]
    Elsewhere,
    #[error("too many keys")]
    TooMany,
    #[error("two keys have one name")]
    Ambiguous,
    #[error("no key that can sign for the issuer")]
    None,
    #[error("answered {0}")]
    Status(u16),
    #[error("document too large")]
    TooLarge,
}

impl From<NotPublished> for PortError {
    fn from(error: NotPublished) -> Self {
        Self::Broken(error.into())
    }
}

impl Jwks {
    /// The keys that are understood, if there are no more than so many in all.
    ///
    /// # Errors
    ///
    /// [`NotPublished::TooMany`].
    pub(crate) fn understood<Jwk: DeserializeOwned>(
        self,
        most: usize,
    ) -> Result<impl Iterator<Item = Jwk>, NotPublished> {
        if self.keys.len() > most {
            return Err(NotPublished::TooMany);
        }
        Ok(self.keys.into_iter().filter_map(|key| serde_json::from_value(key).ok()))
    }
}

/// Reads a JSON document of any issuer's, up to a bound.
///
/// # Errors
///
/// [`PortError`].
pub(crate) async fn document<T: DeserializeOwned>(
    http: &reqwest::Client,
    address: &str,
) -> Result<T, PortError> {
    let unavailable = |error: reqwest::Error| PortError::Unavailable(error.into());
    let request = http.get(address).build().map_err(unavailable)?;
    let mut response = transport::send(http, request).await.map_err(unavailable)?;
    let status = response.status().as_u16();
    if status != 200 {
        return Err(Meaning::of_status(status, None).because(NotPublished::Status(status)));
    }
    let mut bytes = Vec::new();
    while let Some(chunk) = response.chunk().await.map_err(unavailable)? {
        if bytes.len() + chunk.len() > MOST_BYTES {
            return Err(NotPublished::TooLarge.into());
        }
        bytes.extend_from_slice(&chunk);
    }
    serde_json::from_slice(&bytes).map_err(|error| PortError::Broken(error.into()))
}
