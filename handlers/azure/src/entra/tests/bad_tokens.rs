//! Tokens that must not be accepted, each spoiled in one way, and why each is not.

use airlock_core::base64url;
use aws_lc_rs::{
    hmac,
    rand::SystemRandom,
    signature::{
        ECDSA_P256_SHA256_FIXED_SIGNING, EcdsaKeyPair, KeyPair as _, RSA_PKCS1_SHA384,
        RSA_PKCS1_SHA512, RSA_PSS_SHA256,
    },
};
use serde_json::{Value, json};

use super::world::{
    AUDIENCE, AUTHORITY, BLUEPRINT, CLIENT, FOREIGN, HEADER, NOON, OBJECT, OTHER_TENANT, OURS,
    STRANGER, TENANT, World, agent, application, id, input, issuer, person, signed, with,
};
use crate::{
    entra::{NotAccepted, claims::SKEW_S},
    jose::compact::MOST_BYTES,
};

/// The path on which a token is shown.
#[derive(Clone, Copy, Debug)]
enum Path {
    Person,
    Application,
    Agent,
    SignIn,
}

/// A token, where it is shown, and the reason for which it is refused there.
struct Bad {
    name: String,
    path: Path,
    token: String,
    why: &'static str,
}

impl Bad {
    fn new(name: impl Into<String>, path: Path, token: String, why: &'static str) -> Self {
        Self { name: name.into(), path, token, why }
    }

    /// On the path of people.
    fn shown(name: impl Into<String>, token: String, why: &'static str) -> Self {
        Self::new(name, Path::Person, token, why)
    }

    fn claims(name: &str, claims: &Value, why: &'static str) -> Self {
        Self::shown(name, signed(claims), why)
    }
}

async fn show(world: &World, path: Path, token: &str) -> Result<(), NotAccepted> {
    match path {
        Path::Person => world.access(token).await?.person().map(drop),
        Path::Application => world.access(token).await?.application().map(drop),
        Path::Agent => world.access(token).await?.agent().map(drop),
        Path::SignIn => world.id(token).await.map(drop),
    }
}

const LENGTH: &str = "token malformed: length";
const PARTS: &str = "token malformed: parts";
const FORM: &str = "token malformed: header";
const ALGORITHM: &str = "token malformed: alg";
const TYPE: &str = "token malformed: typ";
const NAME: &str = "token malformed: kid";
const CONTENT: &str = "token malformed: claims";
const UNKNOWN: &str = "signed by a key that its tenant does not publish";
const SIGNATURE: &str = "signature not valid";

fn good() -> String {
    signed(&person())
}

fn forms() -> Vec<Bad> {
    let good = good();
    let [header, payload, signature] = good.split('.').collect::<Vec<_>>()[..] else {
        panic!("three parts")
    };
    let long = signed(&with(person(), "groups", json!("x".repeat(MOST_BYTES))));
    let standard = format!("{header}.{payload}.{signature}=");
    let mut padded = header.to_owned();
    padded.push('=');
    vec![
        Bad::shown("nothing", String::new(), PARTS),
        Bad::shown("two parts", format!("{header}.{payload}"), PARTS),
        Bad::shown("four parts", format!("{good}."), PARTS),
        Bad::shown("five parts, a JWE", format!("{good}.x.y"), PARTS),
        Bad::shown("JSON serialization", json!({ "payload": payload }).to_string(), PARTS),
        Bad::shown("oversized", long, LENGTH),
        Bad::shown("oversized, of points", ".".repeat(MOST_BYTES + 1), LENGTH),
        Bad::shown("no header", format!(".{payload}.{signature}"), FORM),
        Bad::shown("no claims", format!("{header}..{signature}"), CONTENT),
        Bad::shown("no signature", format!("{header}.{payload}."), SIGNATURE),
        Bad::shown("padded header", format!("{padded}.{payload}.{signature}"), FORM),
        Bad::shown("padded signature", standard, SIGNATURE),
        Bad::shown("a space before", format!(" {good}"), FORM),
        Bad::shown("a line end after", format!("{good}\n"), SIGNATURE),
        Bad::shown("header is a list", OURS.sign("[]", &person().to_string()), FORM),
        Bad::shown("claims are a list", OURS.sign(HEADER, "[]"), CONTENT),
        Bad::shown("claims are text", OURS.sign(HEADER, "\"x\""), CONTENT),
        Bad::shown("claims are two objects", OURS.sign(HEADER, "{}{}"), CONTENT),
        Bad::shown("claims cut off", OURS.sign(HEADER, r#"{"aud":"#), CONTENT),
        Bad::shown(
            "claims a thousand deep",
            OURS.sign(HEADER, &format!("{{\"a\":{}{}}}", "[".repeat(1000), "]".repeat(1000))),
            CONTENT,
        ),
    ]
}

fn duplicates() -> Vec<Bad> {
    let claims = person().to_string();
    let twice = |member: &str| OURS.sign(HEADER, &claims.replacen('{', &format!("{{{member},"), 1));
    let header = |text: &str| OURS.sign(text, &claims);
    vec![
        Bad::shown("aud twice", twice(&format!(r#""aud":"{OBJECT}""#)), CONTENT),
        Bad::shown("aud twice, both right", twice(&format!(r#""aud":"{AUDIENCE}""#)), CONTENT),
        Bad::shown("oid twice", twice(r#""oid":"x""#), CONTENT),
        Bad::shown("oid twice, once escaped", twice(r#""\u006fid":"x""#), CONTENT),
        Bad::shown("a member of a member twice", twice(r#""cnf":{"a":1,"a":2}"#), CONTENT),
        Bad::shown("alg twice", header(r#"{"alg":"none","alg":"RS256","kid":"ours"}"#), FORM),
        Bad::shown("kid twice", header(r#"{"alg":"RS256","kid":"x","kid":"ours"}"#), FORM),
    ]
}

fn hmac_signed(secret: &[u8], header: &str) -> String {
    let input = input(header, &person().to_string());
    let tag = hmac::sign(&hmac::Key::new(hmac::HMAC_SHA256, secret), input.as_bytes());
    format!("{input}.{}", base64url::encode(tag))
}

/// The texts of our public key that a confused verifier would take for a shared secret.
fn public_key_as_secret() -> [(&'static str, Vec<u8>); 3] {
    let der = OURS.pair.public_key().as_ref().to_vec();
    let text = base64url::encode(&der).replace('-', "+").replace('_', "/");
    let pem = format!("-----BEGIN RSA PUBLIC KEY-----\n{text}\n-----END RSA PUBLIC KEY-----\n");
    let modulus = OURS.jwk(&issuer())["n"].as_str().unwrap().as_bytes().to_vec();
    [("DER", der), ("PEM", pem.into_bytes()), ("modulus", modulus)]
}

fn algorithms() -> Vec<Bad> {
    let claims = person().to_string();
    let header = |alg: &str| format!(r#"{{"typ":"JWT","alg":"{alg}","kid":"ours"}}"#);
    let mut bad = Vec::new();
    for alg in ["none", "None", "NONE", "nOnE", ""] {
        let unsigned = format!("{}.", input(&header(alg), &claims));
        bad.push(Bad::shown(format!("alg {alg:?}, unsigned"), unsigned, ALGORITHM));
    }
    bad.push(Bad::shown("alg none, signed", OURS.sign(&header("none"), &claims), ALGORITHM));
    bad.push(Bad::shown("no alg", OURS.sign(r#"{"kid":"ours"}"#, &claims), ALGORITHM));
    bad.push(Bad::shown("alg in small letters", OURS.sign(&header("rs256"), &claims), ALGORITHM));
    let listed = OURS.sign(r#"{"alg":["RS256"],"kid":"ours"}"#, &claims);
    bad.push(Bad::shown("alg is a list", listed, ALGORITHM));
    for (what, secret) in public_key_as_secret() {
        let name = format!("HS256 with our public key's {what}");
        bad.push(Bad::shown(name, hmac_signed(&secret, &header("HS256")), ALGORITHM));
        let name = format!("HS256 with our public key's {what}, called RS256");
        bad.push(Bad::shown(name, hmac_signed(&secret, HEADER), SIGNATURE));
    }
    let encodings: [(&str, &'static dyn aws_lc_rs::signature::RsaEncoding); 3] =
        [("RS384", &RSA_PKCS1_SHA384), ("RS512", &RSA_PKCS1_SHA512), ("PS256", &RSA_PSS_SHA256)];
    for (alg, encoding) in encodings {
        let token = OURS.sign_as(encoding, &header(alg), &claims);
        bad.push(Bad::shown(format!("{alg} by our key"), token, ALGORITHM));
        let token = OURS.sign_as(encoding, HEADER, &claims);
        bad.push(Bad::shown(format!("{alg} by our key, called RS256"), token, SIGNATURE));
    }
    bad.push(Bad::shown("ES256 by a key of its own", elliptic(&header("ES256")), ALGORITHM));
    bad
}

fn elliptic(header: &str) -> String {
    let random = SystemRandom::new();
    let document = EcdsaKeyPair::generate_pkcs8(&ECDSA_P256_SHA256_FIXED_SIGNING, &random).unwrap();
    let pair =
        EcdsaKeyPair::from_pkcs8(&ECDSA_P256_SHA256_FIXED_SIGNING, document.as_ref()).unwrap();
    let input = input(header, &person().to_string());
    let signature = pair.sign(&random, input.as_bytes()).unwrap();
    assert!(!pair.public_key().as_ref().is_empty());
    format!("{input}.{}", base64url::encode(signature.as_ref()))
}

fn headers() -> Vec<Bad> {
    let claims = person().to_string();
    let header = |name: &str, value: Value| {
        let header = with(json!({ "typ": "JWT", "alg": "RS256", "kid": "ours" }), name, value);
        header.to_string()
    };
    let ours = |name: &str, value: Value| OURS.sign(&header(name, value), &claims);
    let theirs = |name: &str, value: Value| STRANGER.sign(&header(name, value), &claims);
    let own = STRANGER.jwk(&issuer());
    let mut bad = vec![
        Bad::shown("no kid", ours("kid", Value::Null), NAME),
        Bad::shown("kid is a number", ours("kid", json!(7)), NAME),
        Bad::shown("kid is empty", ours("kid", json!("")), NAME),
        Bad::shown("kid is a page long", ours("kid", json!("x".repeat(4000))), NAME),
        Bad::shown("a typ of ours", ours("typ", json!("effect-permit+jwt")), TYPE),
        Bad::shown("typ is a list", ours("typ", json!(["JWT"])), TYPE),
        Bad::shown("a key of its own in jwk", theirs("jwk", own.clone()), FORM),
        Bad::shown("our own key in jwk", ours("jwk", OURS.jwk(&issuer())), FORM),
        Bad::shown("a key of its own at jku", theirs("jku", json!("https://evil.example/k")), FORM),
        Bad::shown(
            "jku that begins like Entra's",
            theirs("jku", json!("https://login.microsoftonline.com@evil.example/keys")),
            FORM,
        ),
        Bad::shown("certificate at x5u", theirs("x5u", json!("https://evil.example/c")), FORM),
        Bad::shown("certificate in x5c", theirs("x5c", json!(["MIIB"])), FORM),
        Bad::shown("an extension in crit", ours("crit", json!(["exp"])), FORM),
        Bad::shown("crit is empty", ours("crit", json!([])), FORM),
        Bad::shown("unencoded payload", ours("b64", json!(false)), FORM),
        Bad::shown("compressed", ours("zip", json!("DEF")), FORM),
        Bad::shown("a token inside", ours("cty", json!("JWT")), FORM),
    ];
    for kid in ["OURS", "ours ", " ours", "ours\u{0}", "../../dev/null", "' or 1=1 --", "*"] {
        let header = json!({ "typ": "JWT", "alg": "RS256", "kid": kid }).to_string();
        bad.push(Bad::shown(format!("kid {kid:?}"), OURS.sign(&header, &claims), UNKNOWN));
    }
    bad
}

fn keys() -> Vec<Bad> {
    let claims = person().to_string();
    let named = |kid: &str| format!(r#"{{"typ":"JWT","alg":"RS256","kid":"{kid}"}}"#);
    let good = good();
    let (input, signature) = good.rsplit_once('.').unwrap();
    let other = with(person(), "roles", json!(["PlatformAdmin"]));
    let (changed, _) =
        signed(&other).rsplit_once('.').map(|(a, b)| (a.to_owned(), b.to_owned())).unwrap();
    let bytes = base64url::decode(signature).unwrap();
    let with_bytes = |bytes: &[u8]| format!("{input}.{}", base64url::encode(bytes));
    let mut flipped = bytes.clone();
    flipped[100] ^= 1;
    let longer = [&[0], bytes.as_slice()].concat();
    vec![
        Bad::shown("a stranger's key", STRANGER.sign(&named("stranger"), &claims), UNKNOWN),
        Bad::shown("a stranger's key, named ours", STRANGER.sign(HEADER, &claims), SIGNATURE),
        Bad::shown("the other tenant's key", FOREIGN.sign(&named("foreign"), &claims), UNKNOWN),
        Bad::shown("the other tenant's key, named ours", FOREIGN.sign(HEADER, &claims), SIGNATURE),
        Bad::shown("claims changed after signing", format!("{changed}.{signature}"), SIGNATURE),
        Bad::shown("a bit of the signature changed", with_bytes(&flipped), SIGNATURE),
        Bad::shown("signature cut off", with_bytes(&bytes[..255]), SIGNATURE),
        Bad::shown("signature with a zero before", with_bytes(&longer), SIGNATURE),
        Bad::shown("signature of zeros", with_bytes(&[0; 256]), SIGNATURE),
        Bad::shown("signature of ones", with_bytes(&[0xff; 256]), SIGNATURE),
        Bad::shown("signature is one", with_bytes(&[&[0; 255][..], &[1]].concat()), SIGNATURE),
    ]
}

fn claims() -> Vec<Bad> {
    const ISSUER: &str = "claim iss not accepted";
    const TENANT_ID: &str = "claim tid not accepted";
    const FOR: &str = "claim aud not accepted";
    const VERSION: &str = "claim ver not accepted";
    const OBJECT_ID: &str = "claim oid not accepted";
    let spoil = |name: &str, value: Value, why| {
        let what = if value.is_null() { "missing".to_owned() } else { value.to_string() };
        let token = signed(&with(person(), name, value));
        Bad::shown(format!("{name} {what}"), token, why)
    };
    let other = format!("{AUTHORITY}/{OTHER_TENANT}/v2.0");
    let theirs = with(with(person(), "tid", json!(OTHER_TENANT)), "iss", json!(other));
    let mut bad = vec![
        Bad::claims("wholly another tenant's claims", &theirs, ISSUER),
        spoil("iss", json!(other), ISSUER),
        spoil("iss", json!(format!("https://sts.windows.net/{TENANT}/")), ISSUER),
        spoil("iss", json!(format!("{AUTHORITY}/{TENANT}/v2.0/")), ISSUER),
        spoil("iss", json!(format!("{AUTHORITY}/{}/v2.0", TENANT.to_uppercase())), ISSUER),
        spoil("iss", json!(format!("{AUTHORITY}/common/v2.0")), ISSUER),
        spoil("iss", json!(format!("{AUTHORITY}/{{tenantid}}/v2.0")), ISSUER),
        spoil("iss", json!(format!("https://evil.example/{TENANT}/v2.0")), ISSUER),
        spoil("iss", json!([issuer()]), ISSUER),
        spoil("iss", Value::Null, ISSUER),
        spoil("tid", json!(OTHER_TENANT), TENANT_ID),
        spoil("tid", json!(TENANT.to_uppercase()), TENANT_ID),
        spoil("tid", json!(format!("{{{TENANT}}}")), TENANT_ID),
        spoil("tid", json!([TENANT]), TENANT_ID),
        spoil("tid", Value::Null, TENANT_ID),
        spoil("aud", json!(OBJECT), FOR),
        spoil("aud", json!(format!("api://{AUDIENCE}")), FOR),
        spoil("aud", json!(AUDIENCE.replace('-', "")), FOR),
        spoil("aud", json!("https://graph.microsoft.com"), FOR),
        spoil("aud", json!([AUDIENCE]), FOR),
        spoil("aud", json!([AUDIENCE, "https://graph.microsoft.com"]), FOR),
        spoil("aud", json!(""), FOR),
        spoil("aud", Value::Null, FOR),
        spoil("ver", json!("1.0"), VERSION),
        spoil("ver", json!(2.0), VERSION),
        spoil("ver", json!("2"), VERSION),
        spoil("ver", Value::Null, VERSION),
        spoil("oid", json!("someone"), OBJECT_ID),
        spoil("oid", json!(OBJECT.replace('9', "a").to_uppercase()), OBJECT_ID),
        spoil("oid", json!(format!("urn:uuid:{OBJECT}")), OBJECT_ID),
        spoil("oid", json!([OBJECT]), OBJECT_ID),
        spoil("oid", Value::Null, OBJECT_ID),
    ];
    for (name, why) in [
        ("nbf", "claim nbf not accepted"),
        ("iat", "claim iat not accepted"),
        ("exp", "claim exp not accepted"),
    ] {
        bad.push(spoil(name, Value::Null, why));
        bad.push(spoil(name, json!(NOON.to_string()), why));
        bad.push(spoil(name, json!(1e300), why));
        bad.push(spoil(name, json!(u64::MAX), why));
    }
    bad.push(spoil("nbf", json!(NOON + SKEW_S + 1), "claim nbf not accepted"));
    bad.push(spoil("iat", json!(NOON + SKEW_S + 1), "claim iat not accepted"));
    bad.push(spoil("exp", json!(NOON - SKEW_S), "claim exp not accepted"));
    bad.push(spoil("exp", json!(0), "claim exp not accepted"));
    bad.push(spoil("exp", json!(i64::MIN), "claim exp not accepted"));
    bad.push(spoil("exp", json!(NOON), "claim exp not accepted"));
    bad
}

fn kinds() -> Vec<Bad> {
    const TYPE_OF: &str = "claim idtyp not accepted";
    const SCOPE: &str = "claim scp not accepted";
    const ACTOR: &str = "claim xms_act_fct not accepted";
    const SUBJECT: &str = "claim xms_sub_fct not accepted";
    const NOT_PERSONS: &str = "a person's access token is not taken here";
    const NOT_APPS: &str = "an application's own access token is not taken here";
    const NOT_AGENTS: &str = "an agent's token is not taken here";
    use Path::{Agent, Application, Person, SignIn};
    let on_behalf = with(with(person(), "xms_act_fct", json!("11")), "xms_sub_fct", json!("7"));
    let as_user = with(on_behalf.clone(), "xms_sub_fct", json!("13"));
    let mut bad = vec![
        Bad::claims("no idtyp", &with(person(), "idtyp", Value::Null), TYPE_OF),
        Bad::claims("idtyp in capitals", &with(person(), "idtyp", json!("User")), TYPE_OF),
        Bad::claims("idtyp is a list", &with(person(), "idtyp", json!(["user"])), TYPE_OF),
        Bad::claims("idtyp device", &with(person(), "idtyp", json!("device")), TYPE_OF),
        Bad::claims("a person without scp", &with(person(), "scp", Value::Null), SCOPE),
        Bad::claims("a person with an empty scp", &with(person(), "scp", json!("")), SCOPE),
        Bad::claims("no azp", &with(person(), "azp", Value::Null), "claim azp not accepted"),
        Bad::claims("azp is no id", &with(person(), "azp", json!("x")), "claim azp not accepted"),
        Bad::claims("an app's on a user path", &application(), NOT_APPS),
        Bad::claims("an app's with scp", &with(application(), "scp", json!("a")), SCOPE),
        Bad::claims(
            "an app's called a user's",
            &with(application(), "idtyp", json!("user")),
            SCOPE,
        ),
        Bad::claims("a user's called an app's", &with(person(), "idtyp", json!("app")), SCOPE),
        Bad::claims("an ID token as access token", &id(), TYPE_OF),
        Bad::claims("an agent's on a human path", &agent(), NOT_AGENTS),
        Bad::claims("an agent's for a human", &on_behalf, NOT_AGENTS),
        Bad::claims("an agent's user account", &as_user, NOT_AGENTS),
        Bad::claims(
            "only the blueprint tells",
            &with(person(), "xms_par_app_azp", json!(BLUEPRINT)),
            ACTOR,
        ),
        Bad::claims("only the subject tells", &with(person(), "xms_sub_fct", json!("13")), ACTOR),
        Bad::claims(
            "the blueprint is empty",
            &with(person(), "xms_par_app_azp", json!("")),
            "claim xms_par_app_azp not accepted",
        ),
        Bad::claims("facets with commas", &with(person(), "xms_act_fct", json!("3,11")), ACTOR),
        Bad::claims("facets with a tab", &with(person(), "xms_act_fct", json!("3\t11")), ACTOR),
        Bad::claims("facets are a list", &with(person(), "xms_act_fct", json!([11])), ACTOR),
        Bad::claims("a facet is a number", &with(person(), "xms_sub_fct", json!(13)), SUBJECT),
        Bad::new("a person's on an app's path", Application, good(), NOT_PERSONS),
        Bad::new("an agent's on an app's path", Application, signed(&agent()), NOT_AGENTS),
        Bad::new("a person's on an agent's path", Agent, good(), NOT_PERSONS),
        Bad::new("an app's on an agent's path", Agent, signed(&application()), NOT_APPS),
        Bad::new("an access token as ID token", SignIn, good(), NOT_PERSONS),
        Bad::new("an app's as ID token", SignIn, signed(&application()), NOT_APPS),
        Bad::new("an agent's as ID token", SignIn, signed(&agent()), NOT_AGENTS),
    ];
    let half = [
        ("an agent alone, without facets of its own", "xms_sub_fct", json!(null), SUBJECT),
        ("an agent alone, as a user account", "xms_sub_fct", json!("11 13"), SUBJECT),
        ("an agent alone, acting as nobody", "xms_act_fct", json!("3"), ACTOR),
    ];
    for (name, claim, value, why) in half {
        bad.push(Bad::new(name, Agent, signed(&with(agent(), claim, value)), why));
    }
    for (name, claim, value, why) in [
        ("ID token of an agent's user", "xms_sub_fct", json!("13"), NOT_AGENTS),
        ("ID token by an agent", "xms_act_fct", json!("9 11"), NOT_AGENTS),
        ("ID token of a blueprint", "xms_par_app_azp", json!(BLUEPRINT), NOT_AGENTS),
        ("ID token of an app", "idtyp", json!("app"), NOT_APPS),
        ("ID token with scopes", "scp", json!("openid"), NOT_PERSONS),
        ("ID token with a client", "azp", json!(CLIENT), NOT_PERSONS),
    ] {
        bad.push(Bad::new(name, SignIn, signed(&with(id(), claim, value)), why));
    }
    for path in [Person, SignIn] {
        let stolen = FOREIGN.sign(HEADER, &agent().to_string());
        bad.push(Bad::new("an agent's by another tenant", path, stolen, SIGNATURE));
    }
    bad
}

#[tokio::test]
async fn each_of_these_tokens_is_refused_for_its_own_reason() {
    let world = World::new();
    let groups = [forms(), duplicates(), algorithms(), headers(), keys(), claims(), kinds()];
    let table: Vec<Bad> = groups.into_iter().flatten().collect();
    let mut wrong = Vec::new();

    for Bad { name, path, token, why } in &table {
        // As often as somebody tries: a refusal is not remembered as anything else.
        let mut refused = String::new();
        for _ in 0..2 {
            refused = match show(&world, *path, token).await {
                Ok(()) => "ACCEPTED".to_owned(),
                Err(error) => error.to_string(),
            };
        }
        println!("{name:48.48} {:12} {refused}", format!("{path:?}"));
        if refused != *why {
            wrong.push(format!("{name}: {refused}, and not: {why}"));
        }
    }

    println!("{} bad tokens", table.len());
    assert!(wrong.is_empty(), "{wrong:#?}");
    assert!(table.len() >= 60);
    // And the tokens that they were made of are good.
    for (path, claims) in [
        (Path::Person, person()),
        (Path::Application, application()),
        (Path::Agent, agent()),
        (Path::SignIn, id()),
    ] {
        show(&world, path, &signed(&claims)).await.unwrap();
    }
}

#[tokio::test]
async fn only_what_was_verified_is_kept() {
    let world = World::new();
    let wrong_kind = [application(), agent()].map(|claims| signed(&claims));
    let bad = [forms(), duplicates(), algorithms(), headers(), keys(), claims()];

    for Bad { path, token, .. } in bad.iter().flatten() {
        show(&world, *path, token).await.unwrap_err();
    }

    assert_eq!(world.verifier.kept.count(), 0);
    // Genuine and of another kind than is taken: kept as what it is.
    for token in &wrong_kind {
        for _ in 0..2 {
            let refused = show(&world, Path::Person, token).await.unwrap_err();
            assert!(matches!(refused, NotAccepted::Kind(_)), "{refused}");
        }
    }
    assert_eq!(world.verifier.kept.count(), wrong_kind.len());
}
