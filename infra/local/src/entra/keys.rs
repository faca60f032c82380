//! The keys that tokens are signed with, and the verification of tokens.
//!
//! Two keys are current: one signs, and the other is published so that clients learn never to
//! rely on a single one. A third is published with another issuer than the tenant's, as Entra
//! publishes keys that sign for other tenants only: who verifies must compare `issuer`.

use std::sync::OnceLock;

use anyhow::{Context as _, anyhow};
use aws_lc_rs::{
    rand::SystemRandom,
    rsa::{KeyPair, KeySize},
    signature::{KeyPair as _, RSA_PKCS1_SHA256},
};
use base64::{Engine as _, prelude::BASE64_URL_SAFE_NO_PAD as BASE64URL};
use jsonwebtoken::{Algorithm, DecodingKey, Validation};
use serde::Deserialize;
use serde_json::{Map, Value, json};
use sha2::{Digest as _, Sha256};

/// Issuer of personal Microsoft accounts: a tenant that is never ours.
const FOREIGN_ISSUER: &str =
    "https://login.microsoftonline.com/9188040d-6c67-4c5b-b112-36a304b66dad/v2.0";

/// The keys of Entra.
#[derive(Debug)]
pub struct Keys {
    current: Key,
    next: Key,
    foreign: Key,
    stranger: OnceLock<Key>,
}

/// Which key a token is minted with. All but the first make tokens that nobody may accept.
#[derive(Clone, Copy, Debug, Deserialize, PartialEq, Eq)]
#[serde(rename_all = "kebab-case")]
pub enum Minting {
    /// The key that signs.
    Current,
    /// Published, but not for the tenants of this cloud.
    OtherTenant,
    /// Published nowhere.
    Stranger,
    /// No signature at all.
    None,
}

/// What is read from a verified token.
#[derive(Debug, Deserialize)]
pub struct Claims {
    /// Issuer.
    pub iss: String,
    /// Audience: exactly one.
    pub aud: String,
    /// Subject.
    pub sub: String,
    /// Object id.
    pub oid: Option<String>,
    /// Tenant.
    pub tid: Option<String>,
    /// Version of the token's form.
    pub ver: Option<String>,
    /// Client.
    pub azp: Option<String>,
    /// Application permissions, or app roles.
    #[serde(default)]
    pub roles: Vec<String>,
    /// Not before, in seconds.
    pub nbf: u64,
    /// Expiry, in seconds.
    pub exp: u64,
    /// Resource id of a managed identity; only its tokens have one.
    pub xms_mirid: Option<String>,
}

impl Claims {
    /// Whether the token is valid at this time. Nothing is forgiven: all processes share a clock.
    #[must_use]
    pub const fn is_valid_at(&self, now_s: u64) -> bool {
        self.nbf <= now_s && now_s < self.exp
    }
}

impl Keys {
    /// Makes the keys.
    ///
    /// # Errors
    ///
    /// If the system gives no randomness.
    pub fn generate() -> anyhow::Result<Self> {
        Ok(Self {
            current: Key::generate()?,
            next: Key::generate()?,
            foreign: Key::generate()?,
            stranger: OnceLock::new(),
        })
    }

    /// The key set of the tenant with this issuer.
    #[must_use]
    pub fn jwks(&self, issuer: &str) -> Value {
        json!({ "keys": [
            self.current.jwk(issuer),
            self.next.jwk(issuer),
            self.foreign.jwk(FOREIGN_ISSUER),
        ]})
    }

    /// Signs a token of Entra's.
    ///
    /// # Errors
    ///
    /// If the signature cannot be made.
    pub fn issue(&self, claims: &Value) -> anyhow::Result<String> {
        let key = &self.current;
        key.signed(&json!({ "typ": "JWT", "alg": "RS256", "kid": key.kid }), claims)
    }

    /// Signs whatever is asked: tests need tokens that must be refused. Members of `header`
    /// replace the usual ones; `null` removes one.
    ///
    /// # Errors
    ///
    /// If the signature cannot be made.
    pub fn mint(
        &self,
        with: Minting,
        header: &Map<String, Value>,
        claims: &Value,
    ) -> anyhow::Result<String> {
        let key = self.named(with)?;
        let mut merged = Map::new();
        merged.insert("typ".to_owned(), "JWT".into());
        merged
            .insert("alg".to_owned(), if with == Minting::None { "none" } else { "RS256" }.into());
        merged.insert("kid".to_owned(), key.kid.as_str().into());
        merged.extend(header.clone());
        merged.retain(|_, value| !value.is_null());
        let header = Value::Object(merged);
        if with == Minting::None {
            return Ok(format!("{}.", signing_input(&header, claims)));
        }
        key.signed(&header, claims)
    }

    /// Signs a text as it stands, whether or not it is the beginning of a token: some tokens that
    /// must be refused have no form in JSON values, such as one with a claim twice.
    ///
    /// # Errors
    ///
    /// If the signature cannot be made.
    pub fn sign(&self, with: Minting, input: &str) -> anyhow::Result<String> {
        match with {
            Minting::None => Ok(format!("{input}.")),
            with => self.named(with)?.sign(input),
        }
    }

    /// The key that a token is minted with, and whose name it carries.
    fn named(&self, with: Minting) -> anyhow::Result<&Key> {
        match with {
            Minting::Current | Minting::None => Ok(&self.current),
            Minting::OtherTenant => Ok(&self.foreign),
            Minting::Stranger => self.stranger(),
        }
    }

    /// The claims of a token that one of the two current keys has signed. Issuer, audience and
    /// time are the caller's to check.
    #[must_use]
    pub fn verified(&self, token: &str) -> Option<Claims> {
        let header = jsonwebtoken::decode_header(token).ok()?;
        if header.typ.as_deref() != Some("JWT") {
            return None;
        }
        let kid = header.kid?;
        let key = [&self.current, &self.next].into_iter().find(|key| key.kid == kid)?;
        let mut signature_only = Validation::new(Algorithm::RS256);
        signature_only.required_spec_claims.clear();
        signature_only.validate_exp = false;
        signature_only.validate_aud = false;
        let token = jsonwebtoken::decode(token, &key.verifying, &signature_only).ok()?;
        Some(token.claims)
    }

    /// The claims of a token, whoever signed it. For what is decided before the signature can be:
    /// which federated credential an assertion claims to match.
    #[must_use]
    pub fn unverified(token: &str) -> Option<Claims> {
        jsonwebtoken::dangerous::insecure_decode(token).ok().map(|token| token.claims)
    }

    fn stranger(&self) -> anyhow::Result<&Key> {
        if self.stranger.get().is_none() {
            // A race makes one key too many, which is dropped.
            let _lost = self.stranger.set(Key::generate()?);
        }
        self.stranger.get().context("the key was just made")
    }
}

#[derive(Debug)]
struct Key {
    pair: KeyPair,
    kid: String,
    modulus: String,
    exponent: String,
    verifying: DecodingKey,
}

impl Key {
    fn generate() -> anyhow::Result<Self> {
        let pair = KeyPair::generate(KeySize::Rsa2048).map_err(|_| anyhow!("no RSA key made"))?;
        let modulus =
            BASE64URL.encode(pair.public_key().modulus().big_endian_without_leading_zero());
        let exponent =
            BASE64URL.encode(pair.public_key().exponent().big_endian_without_leading_zero());
        // RFC 7638: the members in this order, without white space.
        let thumbprint = format!(r#"{{"e":"{exponent}","kty":"RSA","n":"{modulus}"}}"#);
        let kid = BASE64URL.encode(Sha256::digest(thumbprint));
        let verifying = DecodingKey::from_rsa_components(&modulus, &exponent)
            .context("the public key was not understood")?;
        Ok(Self { pair, kid, modulus, exponent, verifying })
    }

    fn jwk(&self, issuer: &str) -> Value {
        json!({
            "kty": "RSA",
            "use": "sig",
            "kid": self.kid,
            "n": self.modulus,
            "e": self.exponent,
            "cloud_instance_name": "microsoftonline.com",
            "issuer": issuer,
        })
    }

    // By hand and not by `jsonwebtoken`, which writes no header that is wrong on purpose.
    fn signed(&self, header: &Value, claims: &Value) -> anyhow::Result<String> {
        self.sign(&signing_input(header, claims))
    }

    fn sign(&self, input: &str) -> anyhow::Result<String> {
        let mut signature = vec![0; self.pair.public_modulus_len()];
        self.pair
            .sign(&RSA_PKCS1_SHA256, &SystemRandom::new(), input.as_bytes(), &mut signature)
            .map_err(|_| anyhow!("token not signed"))?;
        Ok(format!("{input}.{}", BASE64URL.encode(signature)))
    }
}

fn signing_input(header: &Value, claims: &Value) -> String {
    format!("{}.{}", BASE64URL.encode(header.to_string()), BASE64URL.encode(claims.to_string()))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn claims() -> Value {
        json!({ "iss": "i", "aud": "a", "sub": "s", "nbf": 1, "exp": 9 })
    }

    #[test]
    fn only_the_current_keys_make_tokens_that_count() {
        let keys = Keys::generate().unwrap();
        let minted = |with| keys.mint(with, &Map::new(), &claims()).unwrap();

        assert_eq!(keys.verified(&keys.issue(&claims()).unwrap()).unwrap().sub, "s");
        assert!(keys.verified(&minted(Minting::Current)).is_some());
        assert!(keys.verified(&minted(Minting::OtherTenant)).is_none());
        assert!(keys.verified(&minted(Minting::Stranger)).is_none());
        assert!(keys.verified(&minted(Minting::None)).is_none());
    }

    #[test]
    fn a_token_that_borrows_the_name_of_a_key_does_not_count() {
        let keys = Keys::generate().unwrap();
        let mut header = Map::new();
        header.insert("kid".to_owned(), keys.current.kid.as_str().into());

        for with in [Minting::Stranger, Minting::OtherTenant, Minting::None] {
            assert!(keys.verified(&keys.mint(with, &header, &claims()).unwrap()).is_none());
        }
    }

    #[test]
    fn a_text_is_signed_as_it_stands() {
        let keys = Keys::generate().unwrap();
        let token = keys.issue(&claims()).unwrap();
        let (input, _) = token.rsplit_once('.').unwrap();

        assert_eq!(keys.sign(Minting::Current, input).unwrap(), token);
        assert_eq!(keys.sign(Minting::None, input).unwrap(), format!("{input}."));
        assert!(keys.verified(&keys.sign(Minting::Stranger, input).unwrap()).is_none());
    }

    #[test]
    fn a_token_for_several_audiences_does_not_count() {
        let keys = Keys::generate().unwrap();
        let mut claims = claims();
        claims["aud"] = json!(["a", "b"]);

        assert!(keys.verified(&keys.issue(&claims).unwrap()).is_none());
    }

    #[test]
    fn a_token_is_valid_from_its_first_second_to_before_its_last() {
        let keys = Keys::generate().unwrap();
        let claims = keys.verified(&keys.issue(&claims()).unwrap()).unwrap();

        let valid = [0, 1, 8, 9].map(|now_s| claims.is_valid_at(now_s));
        assert_eq!(valid, [false, true, true, false]);
    }

    #[test]
    fn every_published_key_names_its_issuer_and_one_names_another() {
        let keys = Keys::generate().unwrap();

        let jwks = keys.jwks("https://login.microsoftonline.com/t/v2.0");
        let issuers: Vec<_> =
            jwks["keys"].as_array().unwrap().iter().map(|k| &k["issuer"]).collect();
        assert_eq!(issuers.len(), 3);
        assert_eq!(issuers[0], issuers[1]);
        assert_ne!(issuers[0], issuers[2]);
    }
}
