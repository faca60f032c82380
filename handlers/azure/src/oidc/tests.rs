use std::sync::{
    LazyLock,
    atomic::{AtomicUsize, Ordering::SeqCst},
};

use airlock_core::{
    base64url, jwe,
    memory::{Dice, LocalKey, SetClock},
    ports::{PortError, Signer as _},
    service::Holder,
    time::Timestamp,
};
use async_trait::async_trait;
use aws_lc_rs::{
    rand::SystemRandom,
    rsa::{KeyPair, KeySize},
    signature::{KeyPair as _, RSA_PKCS1_SHA256, RSA_PSS_SHA256, RsaEncoding},
};
use serde_json::{Value, json};

use super::{
    published::{Keys, discovery, keys_address},
    *,
};
use crate::jose::{
    compact::MOST_BYTES,
    keys::{self, KeyCache},
    published::{Jwks, NotPublished, Published},
};

const NOON: i64 = 1_700_000_000;
const ISSUER: &str = "https://id.example/";

// Making an RSA key takes long in a debug build.
static RSA: LazyLock<KeyPair> = LazyLock::new(|| KeyPair::generate(KeySize::Rsa2048).unwrap());
static STRANGER: LazyLock<KeyPair> = LazyLock::new(|| KeyPair::generate(KeySize::Rsa2048).unwrap());
static EC: LazyLock<LocalKey> =
    LazyLock::new(|| LocalKey::new(&jwe::private_key(&Dice).unwrap()).unwrap());

fn rsa_jwk(kid: &str, alg: Option<&str>) -> Value {
    let public = RSA.public_key();
    let mut jwk = json!({
        "kty": "RSA", "use": "sig", "kid": kid,
        "n": base64url::encode(public.modulus().big_endian_without_leading_zero()),
        "e": base64url::encode(public.exponent().big_endian_without_leading_zero()),
    });
    if let Some(alg) = alg {
        jwk["alg"] = alg.into();
    }
    jwk
}

fn ec_jwk(kid: &str) -> Value {
    let mut jwk = serde_json::to_value(EC.key()).unwrap();
    (jwk["kid"], jwk["use"], jwk["alg"]) = (kid.into(), "sig".into(), "ES256".into());
    jwk
}

fn usable(keys: &Value) -> Result<Keys, NotPublished> {
    published::usable(serde_json::from_value::<Jwks>(json!({ "keys": keys })).unwrap())
}

/// Publishes three keys, and counts how often it is asked.
#[derive(Default)]
struct Issuer(AtomicUsize);

#[async_trait]
impl Published<String, IssuerKey> for Issuer {
    async fn keys(&self, issuer: String) -> Result<Keys, PortError> {
        self.0.fetch_add(1, SeqCst);
        assert_eq!(issuer, ISSUER);
        Ok(usable(&json!([rsa_jwk("rsa", None), rsa_jwk("pss", Some("PS256")), ec_jwk("ec")]))?)
    }
}

struct World {
    tokens: ServiceTokens,
    issuer: Arc<Issuer>,
    clock: Arc<SetClock>,
}

impl World {
    fn new() -> Self {
        let clock = Arc::new(SetClock::at(Timestamp::from_unix_s(NOON)));
        let issuer = Arc::<Issuer>::default();
        let keys = KeyCache::new(Arc::clone(&issuer) as Arc<_>, Arc::clone(&clock) as Arc<_>);
        let tokens = ServiceTokens { keys, clock: Arc::clone(&clock) as Arc<_> };
        Self { tokens, issuer, clock }
    }

    async fn verify(&self, token: &str) -> Result<SeenToken, NotAccepted> {
        self.tokens.verify(self.tokens.look_at(token)?, None).await
    }
}

fn claims() -> Value {
    json!({
        "iss": ISSUER, "sub": "hr", "aud": "airlock", "client_id": "hr", "jti": "1",
        "scope": "runtime.sessions.revoke runtime.account.enable",
        "iat": NOON, "exp": NOON + 3600,
    })
}

fn header(alg: &str, kid: &str) -> Value {
    json!({ "alg": alg, "kid": kid, "typ": "at+jwt", "x5t": "AAAA" })
}

fn input(header: &Value, claims: &str) -> String {
    format!("{}.{}", base64url::encode(header.to_string()), base64url::encode(claims))
}

fn by(pair: &KeyPair, encoding: &'static dyn RsaEncoding, input: &str) -> String {
    let mut signature = vec![0; pair.public_modulus_len()];
    pair.sign(encoding, &SystemRandom::new(), input.as_bytes(), &mut signature).unwrap();
    format!("{input}.{}", base64url::encode(signature))
}

fn rs256(header: &Value, claims: &str) -> String {
    by(&RSA, &RSA_PKCS1_SHA256, &input(header, claims))
}

fn token(claims: &Value) -> String {
    rs256(&header("RS256", "rsa"), &claims.to_string())
}

fn with(name: &str, value: Value) -> Value {
    let mut claims = claims();
    claims[name] = value;
    claims
}

fn without(name: &str) -> Value {
    let mut claims = claims();
    claims.as_object_mut().unwrap().remove(name);
    claims
}

#[tokio::test]
async fn a_token_of_a_published_key_says_whose_it_is_with_each_of_the_three_algorithms() {
    let world = World::new();
    let text = claims().to_string();
    let es256 = {
        let input = input(&header("ES256", "ec"), &text);
        let signature = EC.sign(EC.key(), &Digest::of(&[input.as_bytes()])).await.unwrap();
        format!("{input}.{}", base64url::encode(signature))
    };
    let ps256 = |kid| by(&RSA, &RSA_PSS_SHA256, &input(&header("PS256", kid), &text));

    for token in [token(&claims()), es256, ps256("rsa"), ps256("pss")] {
        let seen = world.verify(&token).await.unwrap();

        assert_eq!((&*seen.issuer, &*seen.audience, &*seen.subject), (ISSUER, "airlock", "hr"));
        assert!(
            seen.has_scope("runtime.sessions.revoke") && seen.has_scope("runtime.account.enable")
        );
        assert!(!seen.has_scope("runtime.sessions") && !seen.has_scope(""));
        assert_eq!(seen.holder, Holder::Anyone);
        assert_eq!(seen.digest, Digest::of(&[token.as_bytes()]));
    }
    assert_eq!(world.issuer.0.load(SeqCst), 1);
}

#[tokio::test]
async fn a_token_without_type_or_with_its_audience_in_a_list_is_taken() {
    let world = World::new();
    let mut untyped = header("RS256", "rsa");
    untyped.as_object_mut().unwrap().remove("typ");
    let long = header("RS256", "rsa");
    let mut long_typed = long.clone();
    long_typed["typ"] = "application/AT+JWT".into();

    assert!(world.verify(&rs256(&untyped, &claims().to_string())).await.is_ok());
    assert!(world.verify(&rs256(&long_typed, &claims().to_string())).await.is_ok());
    let listed = world.verify(&token(&with("aud", json!(["airlock"])))).await.unwrap();
    assert_eq!(listed.audience, "airlock");
    assert!(world.verify(&token(&without("scope"))).await.unwrap().scopes.is_empty());
}

#[tokio::test]
async fn a_claim_that_is_not_as_it_must_be_is_refused() {
    let world = World::new();
    let late = NOON + 61;
    let bad = [
        without("iss"),
        without("sub"),
        without("aud"),
        without("exp"),
        without("iat"),
        with("iss", json!([ISSUER])),
        with("iss", json!("")),
        with("sub", json!("")),
        with("sub", json!(7)),
        with("sub", Value::Null),
        with("aud", json!(["airlock", "other"])),
        with("aud", json!([])),
        with("aud", json!("")),
        with("aud", json!({ "0": "airlock" })),
        with("exp", json!(NOON - 60)),
        with("exp", json!("4102444800")),
        with("exp", json!(4e12)),
        with("nbf", json!(late)),
        with("nbf", json!("0")),
        with("nbf", json!(NOON + 3600)),
        with("iat", json!(late)),
        with("iat", json!(1.5)),
        with("scope", json!(["runtime.sessions.revoke"])),
        with("scope", Value::Null),
        with("cnf", json!("x")),
        with("cnf", json!({})),
        with("cnf", json!({ "jkt": "x" })),
        with("cnf", json!({ "x5t#S256": "short" })),
        with("cnf", json!({ "x5t#S256": Digest::of(&[b"c"]), "jkt": "x" })),
    ];

    for claims in bad {
        let refused = world.verify(&token(&claims)).await;
        assert!(matches!(refused, Err(NotAccepted::Claim(_))), "{claims}: {refused:?}");
    }
    world.clock.advance_s(3600 + 60);
    assert!(matches!(world.verify(&token(&claims())).await, Err(NotAccepted::Claim("exp"))));
}

#[tokio::test]
async fn what_is_no_signed_access_token_is_refused_before_anyone_is_asked() {
    let world = World::new();
    let text = claims().to_string();
    let good = token(&claims());
    let mut bad: Vec<String> = [
        ("alg", json!("none")),
        ("alg", json!("HS256")),
        ("alg", json!("RS512")),
        ("alg", json!("EdDSA")),
        ("alg", Value::Null),
        ("alg", json!(["RS256"])),
        ("typ", json!("JWT")),
        ("typ", json!("id+jwt")),
        ("typ", Value::Null),
        ("typ", json!(1)),
        ("kid", Value::Null),
        ("kid", json!("")),
        ("kid", json!("k".repeat(257))),
        ("jwk", rsa_jwk("rsa", None)),
        ("jku", json!("https://id.example/keys")),
        ("x5u", json!("https://id.example/c")),
        ("x5c", json!([])),
        ("crit", json!(["exp"])),
        ("b64", json!(false)),
        ("zip", json!("DEF")),
        ("cty", json!("JWT")),
    ]
    .into_iter()
    .map(|(name, value)| {
        let mut header = header("RS256", "rsa");
        header[name] = value;
        rs256(&header, &text)
    })
    .collect();
    let twice = text.replacen('{', r#"{"sub":"other","#, 1);
    bad.push(rs256(&header("RS256", "rsa"), &twice));
    bad.push(rs256(&header("RS256", "rsa"), "[]"));
    bad.push(String::new());
    bad.push(good.rsplit_once('.').unwrap().0.to_owned());
    bad.push(format!("{good}.e30.e30"));
    bad.push(format!("{good}{}", "A".repeat(MOST_BYTES)));

    for token in bad {
        let refused = world.tokens.look_at(&token).err();
        assert!(matches!(refused, Some(NotAccepted::Malformed(_))), "{token}");
    }
    assert_eq!(world.issuer.0.load(SeqCst), 0);
}

#[tokio::test]
async fn a_signature_counts_only_with_the_algorithm_that_its_key_is_for() {
    let world = World::new();
    let text = claims().to_string();
    let rs = |alg, kid| rs256(&header(alg, kid), &text);
    let ps = |alg, kid| by(&RSA, &RSA_PSS_SHA256, &input(&header(alg, kid), &text));
    let stranger = by(&STRANGER, &RSA_PKCS1_SHA256, &input(&header("RS256", "rsa"), &text));
    let good = token(&claims());
    let (signed, _) = good.rsplit_once('.').unwrap();
    let other = input(&header("RS256", "rsa"), &with("sub", json!("pay")).to_string());

    for token in [
        rs("PS256", "rsa"),
        ps("RS256", "rsa"),
        rs("RS256", "pss"),
        rs("RS256", "ec"),
        rs("ES256", "rsa"),
        rs("ES256", "ec"),
        stranger,
        format!("{signed}."),
        format!("{signed}.{}", base64url::encode([0; 256])),
        format!("{other}.{}", good.rsplit_once('.').unwrap().1),
    ] {
        let refused = world.verify(&token).await;
        assert!(matches!(refused, Err(NotAccepted::Signature)), "{token}: {refused:?}");
    }
    let unknown = world.verify(&rs("RS256", "elsewhere")).await;
    assert!(matches!(unknown, Err(NotAccepted::UnknownKey)), "{unknown:?}");
}

#[tokio::test]
async fn a_token_that_is_bound_to_a_certificate_says_whether_that_was_shown() {
    let world = World::new();
    let certificate = Digest::of(&[b"certificate"]);
    let bound = token(&with("cnf", json!({ "x5t#S256": certificate })));
    let holder = async |shown| {
        world.tokens.verify(world.tokens.look_at(&bound).unwrap(), shown).await.unwrap().holder
    };

    assert_eq!(holder(Some(certificate)).await, Holder::Certificate);
    assert_eq!(holder(Some(Digest::of(&[b"another"]))).await, Holder::SomebodyElse);
    assert_eq!(holder(None).await, Holder::SomebodyElse);
    let unbound = world.tokens.look_at(&token(&claims())).map(|it| it.claims.len());
    assert!(unbound.is_ok());
    let free = token(&claims());
    let free = world.tokens.verify(world.tokens.look_at(&free).unwrap(), Some(certificate)).await;
    assert_eq!(free.unwrap().holder, Holder::Anyone);
}

#[tokio::test]
async fn invented_key_names_do_not_make_us_ask_again_and_again() {
    let world = World::new();
    for n in 0..20 {
        let token = rs256(&header("RS256", &format!("invented-{n}")), &claims().to_string());
        assert!(world.verify(&token).await.is_err());
    }

    assert_eq!(world.issuer.0.load(SeqCst), 1);
    world.clock.advance_s(keys::PAUSE_S);
    let token = rs256(&header("RS256", "invented"), &claims().to_string());
    assert!(world.verify(&token).await.is_err());
    assert_eq!(world.issuer.0.load(SeqCst), 2);
}

#[test]
fn an_issuer_is_asked_over_tls_at_its_own_origin_and_by_its_own_name() {
    assert_eq!(discovery(ISSUER).unwrap(), "https://id.example/.well-known/openid-configuration");
    assert_eq!(
        discovery("https://id.example/realm").unwrap(),
        "https://id.example/realm/.well-known/openid-configuration"
    );
    for bad in [
        "http://id.example/",
        "id.example",
        "https://",
        "ftp://id.example/",
        "",
        "https://user@id.example/",
        "https://id.example/?a=b",
        "https://id.example/#a",
    ] {
        assert!(discovery(bad).is_err(), "{bad}");
    }
    let keys = |named, uri| keys_address(ISSUER, named, uri);
    let own = "https://id.example/.well-known/jwks";
    assert_eq!(keys(ISSUER, own).unwrap(), own);
    assert_eq!(keys("https://id.example", own), Err(NotPublished::OtherIssuer));
    for elsewhere in [
        "https://attacker.example/jwks",
        "http://id.example/jwks",
        "https://id.example:8443/jwks",
        "https://id.example@attacker.example/jwks",
        "/jwks",
        "https://169.254.169.254/",
    ] {
        assert_eq!(keys(ISSUER, elsewhere), Err(NotPublished::Elsewhere), "{elsewhere}");
    }
}

#[test]
fn a_key_that_cannot_be_trusted_to_sign_is_passed_over() {
    let good = rsa_jwk("rsa", None);
    let spoiled = |name: &str, value: Value| {
        let mut key = good.clone();
        key[name] = value;
        key
    };
    let mut off_curve = ec_jwk("ec");
    off_curve["y"] = base64url::encode([7; 32]).into();
    let mut other_curve = ec_jwk("ec");
    other_curve["crv"] = "P-384".into();

    for bad in [
        spoiled("use", json!("enc")),
        spoiled("alg", json!("RS512")),
        spoiled("alg", json!("HS256")),
        spoiled("kty", json!("oct")),
        spoiled("e", json!("AQ")),
        spoiled("e", json!("Aw")),
        spoiled("n", json!(base64url::encode([255; 128]))),
        spoiled("n", json!(base64url::encode([[0; 200], [255; 200]].concat()))),
        spoiled("kid", Value::Null),
        off_curve,
        other_curve,
        json!("text"),
    ] {
        assert!(matches!(usable(&json!([bad])), Err(NotPublished::None)), "{bad}");
    }
    assert!(matches!(usable(&json!([good, good])), Err(NotPublished::Ambiguous)));
    assert!(matches!(usable(&json!(vec![good.clone(); 101])), Err(NotPublished::TooMany)));
    assert_eq!(usable(&json!([good, ec_jwk("ec"), "text"])).map(|keys| keys.len()).unwrap(), 2);
}
