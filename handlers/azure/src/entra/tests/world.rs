//! Two tenants, whose keys are published, and a verifier that asks for them.

use std::sync::{
    Arc, LazyLock, Mutex,
    atomic::{AtomicUsize, Ordering::SeqCst},
};

use airlock_core::{
    base64url,
    identity::{ObjectId, TenantId},
    memory::SetClock,
    ports::{Clock, PortError},
    time::Timestamp,
};
use async_trait::async_trait;
use aws_lc_rs::{
    rand::SystemRandom,
    rsa::{KeyPair, KeySize},
    signature::{KeyPair as _, RSA_PKCS1_SHA256, RsaEncoding},
};
use serde_json::{Value, json};

use crate::{
    entra::{
        AccessToken, IdToken, NotAccepted, TokenVerifier,
        kept::KeptTokens,
        published::{self, Keys, SigningKey},
    },
    jose::{
        keys::KeyCache,
        published::{Jwks, NotPublished, Published},
    },
};

pub const NOON: i64 = 1_700_000_000;
pub const AUTHORITY: &str = "https://login.microsoftonline.com";
pub const TENANT: &str = "605d9d43-3534-4810-8152-9d01a268ad22";
pub const OTHER_TENANT: &str = "012cf276-003e-4e7a-ab5d-345607b83f7e";
pub const AUDIENCE: &str = "11111111-2222-4333-8444-555555555555";
pub const OBJECT: &str = "99999999-2222-4333-8444-555555555555";
pub const CLIENT: &str = "77777777-2222-4333-8444-555555555555";
pub const BLUEPRINT: &str = "55555555-2222-4333-8444-555555555555";

pub struct Key {
    pub pair: KeyPair,
    pub kid: &'static str,
}

// Making an RSA key takes a second in a debug build.
pub static OURS: LazyLock<Key> = LazyLock::new(|| Key::generate("ours"));
/// Published by the other tenant.
pub static FOREIGN: LazyLock<Key> = LazyLock::new(|| Key::generate("foreign"));
/// Published by nobody.
pub static STRANGER: LazyLock<Key> = LazyLock::new(|| Key::generate("stranger"));

impl Key {
    fn generate(kid: &'static str) -> Self {
        Self { pair: KeyPair::generate(KeySize::Rsa2048).unwrap(), kid }
    }

    pub fn jwk(&self, issuer: &str) -> Value {
        let public = self.pair.public_key();
        json!({
            "kty": "RSA", "use": "sig", "kid": self.kid, "issuer": issuer,
            "n": base64url::encode(public.modulus().big_endian_without_leading_zero()),
            "e": base64url::encode(public.exponent().big_endian_without_leading_zero()),
        })
    }

    pub fn sign(&self, header: &str, payload: &str) -> String {
        self.sign_as(&RSA_PKCS1_SHA256, header, payload)
    }

    pub fn sign_as(
        &self,
        encoding: &'static dyn RsaEncoding,
        header: &str,
        payload: &str,
    ) -> String {
        let input = input(header, payload);
        let mut signature = vec![0; self.pair.public_modulus_len()];
        self.pair.sign(encoding, &SystemRandom::new(), input.as_bytes(), &mut signature).unwrap();
        format!("{input}.{}", base64url::encode(signature))
    }
}

/// What is signed.
pub fn input(header: &str, payload: &str) -> String {
    format!("{}.{}", base64url::encode(header), base64url::encode(payload))
}

pub fn tenant() -> TenantId {
    TENANT.parse().unwrap()
}

pub fn audience() -> ObjectId {
    AUDIENCE.parse().unwrap()
}

pub fn issuer() -> String {
    published::issuer(AUTHORITY, tenant())
}

pub fn jwks(keys: &Value) -> Result<Keys, NotPublished> {
    jwks_of(tenant(), keys)
}

fn jwks_of(tenant: TenantId, keys: &Value) -> Result<Keys, NotPublished> {
    let jwks: Jwks = serde_json::from_value(json!({ "keys": keys })).unwrap();
    published::of_issuer(jwks, &published::issuer(AUTHORITY, tenant), tenant)
}

/// Publishes each tenant's key, and counts how often it is asked; or does not answer.
pub struct Publisher {
    asked: AtomicUsize,
    answers: Mutex<Answers>,
}

#[derive(Clone, Copy)]
pub enum Answers {
    Keys,
    OtherKey,
    Failure,
    Never,
}

#[async_trait]
impl Published<TenantId, SigningKey> for Publisher {
    async fn keys(&self, tenant: TenantId) -> Result<Keys, PortError> {
        self.asked.fetch_add(1, SeqCst);
        tokio::task::yield_now().await;
        let answers = *self.answers.lock().unwrap();
        let issuer = published::issuer(AUTHORITY, tenant);
        let of_tenant = if tenant.to_string() == TENANT { &OURS } else { &FOREIGN };
        match answers {
            Answers::Keys => Ok(jwks_of(tenant, &json!([of_tenant.jwk(&issuer)]))?),
            Answers::OtherKey => Ok(jwks_of(tenant, &json!([STRANGER.jwk(&issuer)]))?),
            Answers::Failure => Err(PortError::Unavailable("no answer".into())),
            Answers::Never => std::future::pending().await,
        }
    }
}

pub struct World {
    pub verifier: TokenVerifier,
    pub clock: Arc<SetClock>,
    entra: Arc<Publisher>,
}

impl World {
    pub fn new() -> Self {
        let clock = Arc::new(SetClock::at(Timestamp::from_unix_s(NOON)));
        let entra =
            Arc::new(Publisher { asked: AtomicUsize::new(0), answers: Mutex::new(Answers::Keys) });
        let published = Arc::clone(&entra) as Arc<_>;
        let verifier = TokenVerifier {
            authority: AUTHORITY.to_owned(),
            keys: KeyCache::new(published, Arc::clone(&clock) as Arc<dyn Clock>),
            kept: KeptTokens::default(),
            clock: Arc::clone(&clock) as Arc<dyn Clock>,
        };
        Self { verifier, clock, entra }
    }

    pub fn answer(&self, answers: Answers) {
        *self.entra.answers.lock().unwrap() = answers;
    }

    pub fn asked(&self) -> usize {
        self.entra.asked.load(SeqCst)
    }

    /// Lets what was begun in the background come to its end.
    pub async fn rest() {
        for _ in 0..10 {
            tokio::task::yield_now().await;
        }
    }

    pub async fn access(&self, token: &str) -> Result<AccessToken, NotAccepted> {
        let presented = self.verifier.look_at(token)?;
        self.verifier.access_token(presented, tenant(), audience()).await
    }

    pub async fn id(&self, token: &str) -> Result<IdToken, NotAccepted> {
        self.verifier.id_token(token, tenant(), audience()).await
    }

    /// A person's token as it would be issued now.
    pub fn token(&self) -> String {
        let mut claims = person();
        let now = self.clock.now().as_unix_s();
        (claims["nbf"], claims["iat"], claims["exp"]) = (json!(now), json!(now), json!(now + 3600));
        OURS.sign(HEADER, &claims.to_string())
    }
}

pub const HEADER: &str = r#"{"typ":"JWT","alg":"RS256","kid":"ours"}"#;

/// Claims that every token has.
fn anyones() -> Value {
    json!({
        "aud": AUDIENCE, "iss": issuer(), "iat": NOON, "nbf": NOON, "exp": NOON + 3600,
        "oid": OBJECT, "tid": TENANT, "ver": "2.0", "sub": "pairwise", "uti": "id",
    })
}

fn and(more: Value) -> Value {
    let mut claims = anyones();
    let Value::Object(more) = more else { panic!("claims are an object") };
    claims.as_object_mut().unwrap().extend(more);
    claims
}

/// A person's access token.
pub fn person() -> Value {
    and(json!({
        "idtyp": "user", "azp": CLIENT, "azpacr": "2", "scp": "access_as_user other",
        "roles": ["Approver", "NotOurs"], "acrs": ["c1"], "auth_time": NOON - 60,
    }))
}

/// An application's own access token.
pub fn application() -> Value {
    and(json!({ "idtyp": "app", "azp": CLIENT, "azpacr": "2", "roles": ["Confirm.All"] }))
}

/// An agent that acts alone.
pub fn agent() -> Value {
    and(json!({
        "idtyp": "app", "azp": CLIENT, "scp": "/", "roles": ["Ask.All"],
        "xms_act_fct": "3 9 11", "xms_sub_fct": "9 3 11", "xms_par_app_azp": BLUEPRINT,
    }))
}

/// An ID token.
pub fn id() -> Value {
    and(json!({
        "nonce": "n", "name": "Ada", "sid": "s", "roles": ["Approver"], "auth_time": NOON - 60,
    }))
}

/// Claims with one more, or another in its place; `null` takes it away.
pub fn with(mut claims: Value, name: &str, value: Value) -> Value {
    let members = claims.as_object_mut().unwrap();
    if value.is_null() {
        members.remove(name);
    } else {
        members.insert(name.to_owned(), value);
    }
    claims
}

/// Claims as the tenant signs them.
pub fn signed(claims: &Value) -> String {
    OURS.sign(HEADER, &claims.to_string())
}
