//! An OpenID Connect issuer of a customer's: the one whose tokens its services show.
//!
//! It answers as an OpenIddict server does, as far as a resource server asks: discovery and
//! keys. No client is registered with it, so its token endpoint gives nobody a token; tests, and
//! whoever owns the laptop, have tokens minted through the control API.

mod keys;
#[cfg(test)]
mod tests;

use bytes::Bytes;
use http::{HeaderValue, Method, StatusCode, header};
use serde_json::{Map, Value, json};

use crate::cloud::{Answer, Asked, Names};

use self::keys::Key;
pub use self::keys::With;

/// The issuer.
#[derive(Debug)]
pub struct Issuer {
    host: String,
    current: Key,
    stranger: Key,
}

impl Issuer {
    /// Makes its keys.
    ///
    /// # Errors
    ///
    /// If the system gives no randomness.
    pub fn new(names: &Names) -> anyhow::Result<Self> {
        let (current, stranger) = (Key::generate()?, Key::generate()?);
        Ok(Self { host: names.issuer.clone(), current, stranger })
    }

    /// How its tokens name it: with the slash that OpenIddict writes.
    #[must_use]
    pub fn name(&self) -> String {
        format!("https://{}/", self.host)
    }

    /// Answers one request.
    #[must_use]
    pub fn answer(&self, asked: &Asked) -> Answer {
        match (asked.method(), asked.uri().path()) {
            (&Method::GET, "/.well-known/openid-configuration") => {
                json_answer(StatusCode::OK, &self.configuration())
            }
            (&Method::GET, "/.well-known/jwks") => {
                json_answer(StatusCode::OK, &json!({ "keys": [self.current.jwk()] }))
            }
            (&Method::POST, "/connect/token") => {
                let refused = json!({
                    "error": "invalid_client",
                    "error_description": "The specified 'client_id' is invalid.",
                });
                json_answer(StatusCode::UNAUTHORIZED, &refused)
            }
            _ => json_answer(StatusCode::NOT_FOUND, &json!({})),
        }
    }

    /// A token with exactly these claims. Members of `header` replace the usual ones; `null`
    /// removes one.
    ///
    /// # Errors
    ///
    /// If the signature cannot be made.
    pub fn mint(
        &self,
        with: With,
        header: &Map<String, Value>,
        claims: &Value,
    ) -> anyhow::Result<String> {
        let key = match with {
            With::Current => &self.current,
            With::Stranger => &self.stranger,
        };
        // A stranger's token names the issuer's key: else it would only be of an unknown one.
        let usual = json!({ "alg": "ES256", "kid": self.current.name(), "typ": "at+jwt" });
        let mut merged = usual.as_object().cloned().unwrap_or_default();
        merged.extend(header.clone());
        merged.retain(|_, value| !value.is_null());
        key.signed(&Value::Object(merged), claims)
    }

    fn configuration(&self) -> Value {
        let at = |path: &str| format!("https://{}/{path}", self.host);
        json!({
            "issuer": self.name(),
            "token_endpoint": at("connect/token"),
            "jwks_uri": at(".well-known/jwks"),
            "grant_types_supported": ["client_credentials"],
            "scopes_supported": ["openid", "runtime.sessions.revoke"],
            "claims_supported": ["aud", "exp", "iat", "iss", "sub"],
            "id_token_signing_alg_values_supported": ["ES256"],
            "subject_types_supported": ["public"],
            "token_endpoint_auth_methods_supported": ["client_secret_post", "private_key_jwt"],
            "claims_parameter_supported": false,
            "request_parameter_supported": false,
            "request_uri_parameter_supported": false,
            "tls_client_certificate_bound_access_tokens": true,
        })
    }
}

fn json_answer(status: StatusCode, body: &Value) -> Answer {
    let mut answer = Answer::new(Bytes::from(body.to_string()));
    *answer.status_mut() = status;
    let json = HeaderValue::from_static("application/json;charset=UTF-8");
    answer.headers_mut().insert(header::CONTENT_TYPE, json);
    answer
}
