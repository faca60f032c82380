use std::sync::{
    LazyLock, Mutex,
    atomic::{AtomicUsize, Ordering::SeqCst},
};

use airlock_core::memory::SetClock;
use async_trait::async_trait;
use aws_lc_rs::{
    rand::SystemRandom,
    rsa::{KeyPair, KeySize},
    signature::{KeyPair as _, RSA_PKCS1_SHA256},
};
use serde_json::json;

use super::{
    published::{Jwks, Keys, NotPublished, Published},
    *,
};

const NOON: i64 = 1_700_000_000;
const AUTHORITY: &str = "https://login.microsoftonline.com";
const TENANT: &str = "605d9d43-3534-4810-8152-9d01a268ad22";
const OTHER_TENANT: &str = "012cf276-003e-4e7a-ab5d-345607b83f7e";
const AUDIENCE: &str = "11111111-2222-4333-8444-555555555555";
const OBJECT: &str = "99999999-2222-4333-8444-555555555555";

struct Key {
    pair: KeyPair,
    kid: &'static str,
}

// Making an RSA key takes a second in a debug build.
static OURS: LazyLock<Key> = LazyLock::new(|| Key::generate("ours"));
static FOREIGN: LazyLock<Key> = LazyLock::new(|| Key::generate("foreign"));

impl Key {
    fn generate(kid: &'static str) -> Self {
        Self { pair: KeyPair::generate(KeySize::Rsa2048).unwrap(), kid }
    }

    fn jwk(&self, issuer: &str) -> Value {
        let public = self.pair.public_key();
        json!({
            "kty": "RSA", "use": "sig", "kid": self.kid, "issuer": issuer,
            "n": base64url::encode(public.modulus().big_endian_without_leading_zero()),
            "e": base64url::encode(public.exponent().big_endian_without_leading_zero()),
        })
    }

    fn sign(&self, header: &str, payload: &str) -> String {
        let input = format!("{}.{}", base64url::encode(header), base64url::encode(payload));
        let mut signature = vec![0; self.pair.public_modulus_len()];
        self.pair
            .sign(&RSA_PKCS1_SHA256, &SystemRandom::new(), input.as_bytes(), &mut signature)
            .unwrap();
        format!("{input}.{}", base64url::encode(signature))
    }
}

fn tenant() -> TenantId {
    TENANT.parse().unwrap()
}

fn audience() -> ObjectId {
    AUDIENCE.parse().unwrap()
}

fn issuer() -> String {
    published::issuer(AUTHORITY, tenant())
}

fn jwks(keys: &Value) -> Result<Keys, NotPublished> {
    let jwks: Jwks = serde_json::from_value(json!({ "keys": keys })).unwrap();
    jwks.for_issuer(&issuer(), tenant())
}

/// Publishes our key, and counts how often it is asked; or does not answer.
struct Publisher {
    asked: AtomicUsize,
    answers: Mutex<Answers>,
}

#[derive(Clone, Copy)]
enum Answers {
    Ours,
    Nothing,
    Failure,
}

#[async_trait]
impl Published for Publisher {
    async fn keys(&self, _: TenantId) -> Result<Keys, PortError> {
        self.asked.fetch_add(1, SeqCst);
        tokio::task::yield_now().await;
        let answers = *self.answers.lock().unwrap();
        match answers {
            Answers::Ours => Ok(jwks(&json!([OURS.jwk(&issuer())]))?),
            Answers::Nothing => Ok(Keys::new()),
            Answers::Failure => Err(PortError::Unavailable("no answer".into())),
        }
    }
}

struct World {
    verifier: TokenVerifier,
    entra: Arc<Publisher>,
    clock: Arc<SetClock>,
}

impl World {
    fn new() -> Self {
        let clock = Arc::new(SetClock::at(Timestamp::from_unix_s(NOON)));
        let entra =
            Arc::new(Publisher { asked: AtomicUsize::new(0), answers: Mutex::new(Answers::Ours) });
        let published = Arc::clone(&entra) as Arc<dyn Published>;
        let verifier = TokenVerifier {
            authority: AUTHORITY.to_owned(),
            keys: KeyCache::new(published, Arc::clone(&clock) as Arc<dyn Clock>),
            clock: Arc::clone(&clock) as Arc<dyn Clock>,
        };
        Self { verifier, entra, clock }
    }

    fn answer(&self, answers: Answers) {
        *self.entra.answers.lock().unwrap() = answers;
    }

    fn asked(&self) -> usize {
        self.entra.asked.load(SeqCst)
    }

    async fn verify(&self, token: &str) -> Result<EntraToken, NotAccepted> {
        self.verifier.verify(token, tenant(), audience()).await
    }

    /// A token as it would be issued now.
    fn token(&self) -> String {
        let mut claims = claims();
        let now = self.clock.now().as_unix_s();
        (claims["nbf"], claims["iat"], claims["exp"]) = (json!(now), json!(now), json!(now + 3600));
        OURS.sign(HEADER, &claims.to_string())
    }
}

const HEADER: &str = r#"{"typ":"JWT","alg":"RS256","kid":"ours"}"#;

fn claims() -> Value {
    json!({
        "aud": AUDIENCE, "iss": issuer(), "iat": NOON, "nbf": NOON, "exp": NOON + 3600,
        "oid": OBJECT, "tid": TENANT, "ver": "2.0", "sub": "pairwise",
        "roles": ["Approver", "NotOurs"], "acrs": ["c1"], "auth_time": NOON - 60,
        "scp": "access_as_user other", "nonce": "n",
    })
}

fn with(name: &str, value: Value) -> String {
    let mut claims = claims();
    claims[name] = value;
    OURS.sign(HEADER, &claims.to_string())
}

fn without(name: &str) -> String {
    let mut claims = claims();
    claims.as_object_mut().unwrap().remove(name);
    OURS.sign(HEADER, &claims.to_string())
}

#[tokio::test]
async fn a_token_of_the_tenant_for_us_is_accepted() {
    let token = World::new().verify(&OURS.sign(HEADER, &claims().to_string())).await.unwrap();

    assert_eq!(token.object.to_string(), OBJECT);
    assert_eq!(token.roles(), [Role::Approver]);
    assert_eq!(token.acrs(), ["c1"]);
    assert_eq!(token.scopes(), ["access_as_user", "other"]);
    assert_eq!(token.auth_time(), Some(Timestamp::from_unix_s(NOON - 60)));
    assert_eq!(token.nonce(), Some("n"));
    assert!(!token.is_app());
}

#[tokio::test]
async fn a_claim_that_is_missing_or_another_is_refused() {
    let world = World::new();
    let table = [
        ("ver", json!("1.0")),
        ("ver", json!(2.0)),
        ("iss", json!(format!("https://sts.windows.net/{TENANT}/"))),
        ("iss", json!(format!("{AUTHORITY}/{OTHER_TENANT}/v2.0"))),
        ("iss", json!(format!("{AUTHORITY}/{TENANT}/v2.0/"))),
        ("tid", json!(OTHER_TENANT)),
        ("aud", json!(OBJECT)),
        ("aud", json!(format!("api://{AUDIENCE}"))),
        ("aud", json!([AUDIENCE])),
        ("nbf", json!(NOON + SKEW_S + 1)),
        ("iat", json!(NOON + SKEW_S + 1)),
        ("exp", json!(NOON - SKEW_S)),
        ("exp", json!("9999999999")),
        ("oid", json!("someone")),
    ];
    for (name, value) in table {
        let refused = world.verify(&with(name, value.clone())).await.unwrap_err();

        assert!(matches!(refused, NotAccepted::Claim(claim) if claim == name), "{name} {value}");
    }
    for name in ["ver", "iss", "tid", "aud", "nbf", "iat", "exp", "oid"] {
        let refused = world.verify(&without(name)).await.unwrap_err();

        assert!(matches!(refused, NotAccepted::Claim(claim) if claim == name), "{name}");
    }
}

#[tokio::test]
async fn a_minute_of_skew_is_forgiven() {
    let world = World::new();

    assert!(world.verify(&with("nbf", json!(NOON + SKEW_S))).await.is_ok());
    let mut old = claims();
    (old["nbf"], old["exp"]) = (json!(NOON - 3600), json!(NOON - SKEW_S + 1));
    assert!(world.verify(&OURS.sign(HEADER, &old.to_string())).await.is_ok());
}

#[tokio::test]
async fn what_is_not_a_token_of_entras_form_is_refused_before_its_claims_are_read() {
    let world = World::new();
    let payload = claims().to_string();
    let doubled = payload.replacen('{', r#"{"aud":"x","#, 1);
    let good = OURS.sign(HEADER, &payload);
    let table = [
        String::new(),
        "a.b".to_owned(),
        format!("{good}.x"),
        format!("{good}="),
        format!("{}.{}", "x".repeat(MOST_BYTES), good),
        OURS.sign(r#"{"typ":"JWT","alg":"none","kid":"ours"}"#, &payload),
        OURS.sign(r#"{"typ":"JWT","alg":"HS256","kid":"ours"}"#, &payload),
        OURS.sign(r#"{"typ":"JWT","alg":"RS512","kid":"ours"}"#, &payload),
        OURS.sign(r#"{"typ":"JWT","alg":"PS256","kid":"ours"}"#, &payload),
        OURS.sign(r#"{"typ":"JWT","alg":"RS256"}"#, &payload),
        OURS.sign(r#"{"typ":"JWT","alg":"RS256","kid":""}"#, &payload),
        OURS.sign(r#"{"typ":"JWT","alg":"RS256","alg":"RS256","kid":"ours"}"#, &payload),
        OURS.sign(r#"{"typ":"JWT","alg":"RS256","kid":"ours","crit":["x"]}"#, &payload),
        OURS.sign(r#"{"typ":"effect-permit+jwt","alg":"RS256","kid":"ours"}"#, &payload),
        OURS.sign(HEADER, &doubled),
        OURS.sign(HEADER, "[]"),
        OURS.sign(HEADER, ""),
    ];
    for token in table {
        let refused = world.verify(&token).await.unwrap_err();

        let form = matches!(refused, NotAccepted::Malformed(_) | NotAccepted::Signature);
        assert!(form, "{refused}");
    }
}

#[tokio::test]
async fn only_a_key_of_the_tenant_signs_for_it() {
    let world = World::new();
    let payload = claims().to_string();
    let borrowed = FOREIGN.sign(HEADER, &payload);
    let unknown = FOREIGN.sign(r#"{"alg":"RS256","kid":"foreign"}"#, &payload);
    let mut changed = OURS.sign(HEADER, &payload);
    changed.insert(changed.find('.').unwrap() + 8, 'x');
    let brought = format!(r#"{{"alg":"RS256","kid":"foreign","jwk":{}}}"#, FOREIGN.jwk(&issuer()));

    assert!(matches!(world.verify(&borrowed).await, Err(NotAccepted::Signature)));
    assert!(matches!(world.verify(&changed).await, Err(NotAccepted::Signature)));
    assert!(matches!(world.verify(&unknown).await, Err(NotAccepted::UnknownKey)));
    let brought = FOREIGN.sign(&brought, &payload);
    assert!(matches!(world.verify(&brought).await, Err(NotAccepted::UnknownKey)));
}

#[test]
fn keys_of_other_issuers_and_other_kinds_are_not_taken() {
    let any_tenant = format!("{AUTHORITY}/{{tenantid}}/v2.0");
    let mut weak = OURS.jwk(&issuer());
    weak["n"] = json!(base64url::encode([0xff; 128]));
    let mut encrypting = OURS.jwk(&issuer());
    encrypting["use"] = json!("enc");
    let mut nobodys = OURS.jwk(&issuer());
    nobodys.as_object_mut().unwrap().remove("issuer");
    let elliptic = json!({ "kty": "EC", "kid": "ours", "issuer": issuer() });

    assert_eq!(jwks(&json!([OURS.jwk(&any_tenant)])).unwrap().len(), 1);
    for bad in
        [OURS.jwk("https://login.microsoftonline.com/x/v2.0"), weak, encrypting, nobodys, elliptic]
    {
        assert!(matches!(jwks(&json!([bad])), Err(NotPublished::None)), "{bad}");
    }
    let many: Vec<Value> = (0..1001).map(|_| OURS.jwk(&issuer())).collect();
    assert!(matches!(jwks(&json!(many)), Err(NotPublished::TooMany)));
}

#[tokio::test]
async fn keys_are_fetched_once_for_many_and_again_after_an_hour() {
    let world = World::new();
    let token = world.token();
    let verified = futures::future::join_all((0..10).map(|_| world.verify(&token))).await;

    assert!(verified.iter().all(Result::is_ok));
    assert_eq!(world.asked(), 1);
    world.clock.advance_s(3599);
    world.verify(&world.token()).await.unwrap();
    assert_eq!(world.asked(), 1);
    world.clock.advance_s(1);
    world.verify(&world.token()).await.unwrap();
    assert_eq!(world.asked(), 2);
}

#[tokio::test]
async fn an_unknown_key_makes_us_ask_once_in_five_minutes() {
    let world = World::new();
    world.verify(&world.token()).await.unwrap();
    let unknown = FOREIGN.sign(r#"{"alg":"RS256","kid":"foreign"}"#, "{}");

    for _ in 0..5 {
        assert!(matches!(world.verify(&unknown).await, Err(NotAccepted::UnknownKey)));
    }
    assert_eq!(world.asked(), 1, "the keys are fresh");
    world.clock.advance_s(300);
    for _ in 0..5 {
        assert!(matches!(world.verify(&unknown).await, Err(NotAccepted::UnknownKey)));
    }
    assert_eq!(world.asked(), 2);
    assert!(world.verify(&world.token()).await.is_ok());
}

#[tokio::test]
async fn what_was_fetched_last_counts_for_a_day_while_entra_does_not_answer() {
    let world = World::new();
    world.verify(&world.token()).await.unwrap();
    world.answer(Answers::Failure);

    world.clock.advance_s(3600);
    for _ in 0..5 {
        assert!(world.verify(&world.token()).await.is_ok());
    }
    assert_eq!(world.asked(), 2, "one try, then a pause");
    world.clock.advance_s(23 * 3600);
    assert!(matches!(world.verify(&world.token()).await, Err(NotAccepted::Keys(_))));
}

#[tokio::test]
async fn an_outage_at_the_start_is_no_refusal_and_passes() {
    let world = World::new();
    world.answer(Answers::Failure);

    for _ in 0..5 {
        assert!(matches!(world.verify(&world.token()).await, Err(NotAccepted::Keys(_))));
    }
    assert_eq!(world.asked(), 1, "not a flood");
    world.answer(Answers::Ours);
    world.clock.advance_s(5);
    assert!(world.verify(&world.token()).await.is_ok());
}

#[tokio::test]
async fn a_key_that_was_withdrawn_no_longer_counts() {
    let world = World::new();
    world.verify(&world.token()).await.unwrap();
    world.answer(Answers::Nothing);

    world.clock.advance_s(3600);

    assert!(matches!(world.verify(&world.token()).await, Err(NotAccepted::UnknownKey)));
}

#[test]
fn a_verified_token_prints_nothing_about_the_person() {
    let Value::Object(claims) = claims() else { unreachable!() };
    let token = EntraToken { tenant: tenant(), object: OBJECT.parse().unwrap(), claims };

    assert!(!format!("{token:?}").contains(OBJECT));
}
