//! Tokens with one thing wrong.

use airlock_core::base64url;
use airlock_tests::{Answer, Mill, World, changed, input, now, with_before, with_hmac};
use serde_json::{Value, json};
use uuid::Uuid;

/// To somebody who has shown nothing that counts.
pub const UNKNOWN: &str = "not-verified";

/// To somebody whose token is genuine, and of another kind.
pub const KNOWN: &str = "not-allowed";

/// A token that must be refused, and with which problem.
pub struct Bad {
    pub name: String,
    pub token: String,
    pub problem: &'static str,
}

impl Bad {
    pub fn unknown(name: impl Into<String>, token: String) -> Self {
        Self { name: name.into(), token, problem: UNKNOWN }
    }

    pub fn known(name: impl Into<String>, token: String) -> Self {
        Self { name: name.into(), token, problem: KNOWN }
    }
}

/// What is wrong with any token, whatever it is for: its form, its signature, its header.
pub async fn of_any_token(mill: &Mill<'_>, world: &World) -> Vec<Bad> {
    let key = published_key(world, &mill.header()["kid"]).await;
    let mut bad = of_wrong_form(mill).await;
    bad.extend(of_wrong_signature(mill, key["n"].as_str().unwrap()).await);
    bad.extend(of_wrong_header(mill, &key).await);
    bad
}

async fn of_wrong_form(mill: &Mill<'_>) -> Vec<Bad> {
    let good = mill.good().await;
    let mut parts = good.split('.');
    let [header, claims, signature] = [(); 3].map(|()| parts.next().unwrap());
    let large = mill.with_claims(&[("groups", json!("x".repeat(16 * 1024)))]).await;
    let listed = mill.signed(&mill.header().to_string(), "[]", "current").await;
    let empty = mill.signed(&mill.header().to_string(), "{}", "current").await;
    let mut bad = vec![
        Bad::unknown("a word", "x".to_owned()),
        Bad::unknown("two parts", format!("{header}.{claims}")),
        Bad::unknown("four parts", format!("{good}.x")),
        Bad::unknown("five parts", format!("{good}.x.y")),
        Bad::unknown("no header", format!(".{claims}.{signature}")),
        Bad::unknown("no claims", format!("{header}..{signature}")),
        Bad::unknown("no signature", format!("{header}.{claims}.")),
        Bad::unknown("padded", format!("{good}=")),
        Bad::unknown("two tokens", format!("{good} {good}")),
        Bad::unknown("oversized", large),
        Bad::unknown("claims are a list", listed),
        Bad::unknown("claims are empty", empty),
    ];
    for member in [r#""aud":"x""#, r#""oid":"x""#, r#""\u0074id":"x""#, r#""cnf":{"a":1,"a":2}"#] {
        let claims = with_before(mill.claims(), member);
        let token = mill.signed(&mill.header().to_string(), &claims, "current").await;
        bad.push(Bad::unknown(format!("twice: {member}"), token));
    }
    for member in [r#""alg":"none""#, r#""alg":"RS256""#, r#""kid":"x""#] {
        let header = with_before(mill.header(), member);
        let token = mill.signed(&header, &mill.claims().to_string(), "current").await;
        bad.push(Bad::unknown(format!("twice: {member}"), token));
    }
    bad
}

async fn of_wrong_signature(mill: &Mill<'_>, modulus: &str) -> Vec<Bad> {
    let good = mill.good().await;
    let (signed, signature) = good.rsplit_once('.').unwrap();
    let more = changed(mill.claims(), &[("roles", json!(["PlatformAdmin"]))]).to_string();
    let changed_after = format!("{}.{signature}", input(&mill.header().to_string(), &more));
    let mut flipped = base64url::decode(signature).unwrap();
    flipped[0] ^= 1;
    let with = |bytes: &[u8]| format!("{signed}.{}", base64url::encode(bytes));
    let mut bad = vec![
        Bad::unknown("claims changed after signing", changed_after),
        Bad::unknown("a bit of the signature changed", with(&flipped)),
        Bad::unknown("signature cut off", with(&flipped[..255])),
        Bad::unknown("signature of zeros", with(&[0; 256])),
        Bad::unknown("HMAC with the public key", with_hmac(modulus.as_bytes(), signed)),
    ];
    let claims = mill.claims().to_string();
    for alg in ["none", "None", "NONE", "HS256", "RS384", "RS512", "PS256", "ES256", "rs256", ""] {
        let header = changed(mill.header(), &[("alg", json!(alg))]).to_string();
        let token = mill.signed(&header, &claims, "current").await;
        bad.push(Bad::unknown(format!("alg {alg:?}, signed"), token));
        let token = format!("{}.", input(&header, &claims));
        bad.push(Bad::unknown(format!("alg {alg:?}, unsigned"), token));
    }
    let confused = changed(mill.header(), &[("alg", json!("HS256"))]).to_string();
    let confused = with_hmac(modulus.as_bytes(), &input(&confused, &claims));
    bad.push(Bad::unknown("HS256 with the public key", confused));
    for key in ["stranger", "other-tenant", "none"] {
        let token = mill.minted(key).await;
        bad.push(Bad::unknown(format!("by {key}"), token));
        let token = mill.signed(&mill.header().to_string(), &claims, key).await;
        bad.push(Bad::unknown(format!("by {key}, under the name of Entra's"), token));
    }
    bad
}

async fn of_wrong_header(mill: &Mill<'_>, own_key: &Value) -> Vec<Bad> {
    let mut bad = Vec::new();
    let kids = ["", "x", "../../dev/null", "' or 1=1 --", "https://evil.example/keys", "\u{0}"];
    let kids = kids.into_iter().map(|kid| json!(kid));
    for kid in kids.chain([Value::Null, json!(7), json!([]), json!("x".repeat(1000))]) {
        let name: String = format!("kid {kid}").chars().take(40).collect();
        bad.push(Bad::unknown(name, mill.with_header("kid", kid, "current").await));
    }
    for (name, value) in [
        ("jwk", own_key.clone()),
        ("jku", json!("https://evil.example/keys")),
        ("x5u", json!("https://evil.example/certificate")),
        ("x5c", json!(["MIIB"])),
        ("crit", json!(["exp"])),
        ("b64", json!(false)),
        ("typ", json!("session+jwt")),
        ("alg", Value::Null),
    ] {
        // By the key that the header brings, and by Entra's own.
        for key in ["stranger", "current"] {
            let token = mill.with_header(name, value.clone(), key).await;
            bad.push(Bad::unknown(format!("{name} in the header, by {key}"), token));
        }
    }
    bad
}

/// Claims of an access token that are not what `intake` must see.
pub async fn of_wrong_claims(mill: &Mill<'_>, world: &World) -> Vec<Bad> {
    let (own, other) = (world.contoso(), world.fabrikam());
    let issuer = |of: &str| json!(format!("https://login.microsoftonline.com/{of}/v2.0"));
    let audience = mill.claims()["aud"].as_str().unwrap();
    let stranger = Uuid::new_v4().to_string();
    let mut bad = Vec::new();
    for (name, value) in [
        ("iss", issuer(&other.to_string())),
        ("iss", issuer("common")),
        ("iss", json!(format!("https://sts.windows.net/{own}/"))),
        ("iss", json!(format!("https://evil.example/{own}/v2.0"))),
        ("iss", Value::Null),
        // Of a tenant that is bound too, and of one that nobody knows.
        ("tid", json!(other)),
        ("tid", json!(stranger)),
        ("tid", json!(own.to_string().to_uppercase())),
        ("tid", json!("common")),
        ("tid", Value::Null),
        ("aud", json!(stranger)),
        ("aud", json!(format!("api://{audience}"))),
        ("aud", json!([audience])),
        ("aud", json!("https://graph.microsoft.com")),
        ("aud", Value::Null),
        ("ver", json!("1.0")),
        ("ver", Value::Null),
        ("oid", json!("harriet")),
        ("oid", Value::Null),
        ("azp", Value::Null),
        ("idtyp", Value::Null),
        ("idtyp", json!("USER")),
        // A person's token that calls itself an application's, and one without its scopes.
        ("idtyp", json!("app")),
        ("scp", Value::Null),
        ("nbf", json!(now().plus_s(120))),
        ("nbf", Value::Null),
        ("iat", json!(now().plus_s(120))),
        ("iat", Value::Null),
        ("exp", json!(now().plus_s(-120))),
        ("exp", json!("9999999999")),
        ("exp", json!(1e300)),
        ("exp", Value::Null),
        ("xms_act_fct", json!([11])),
        ("xms_sub_fct", json!("13")),
        ("xms_par_app_azp", json!(stranger)),
    ] {
        let name_and_value = format!("{name} {value}");
        bad.push(Bad::unknown(name_and_value, mill.with_claims(&[(name, value)]).await));
    }
    let wholly = [("tid", json!(stranger)), ("iss", issuer(&stranger))];
    bad.push(Bad::unknown("of a tenant that is none", mill.with_claims(&wholly).await));
    let id = [("idtyp", Value::Null), ("scp", Value::Null), ("azp", Value::Null)];
    bad.push(Bad::unknown("an ID token", mill.with_claims(&id).await));
    bad
}

/// Genuine access tokens that are no person's for our scope.
pub async fn of_another_kind(mill: &Mill<'_>) -> Vec<Bad> {
    let app = [("idtyp", json!("app")), ("scp", Value::Null)];
    let acting = ("xms_act_fct", json!("3 11"));
    let alone = [&app[..], &[acting.clone(), ("xms_sub_fct", json!("11"))]].concat();
    let kinds = [
        ("an application's own", app.to_vec()),
        ("an agent's for a person", vec![acting.clone()]),
        ("an agent's user account's", vec![acting, ("xms_sub_fct", json!("13"))]),
        ("an agent's own", alone),
        ("another scope", vec![("scp", json!("openid access_as_users"))]),
    ];
    let mut bad = Vec::new();
    for (name, changes) in kinds {
        bad.push(Bad::known(name, mill.with_claims(&changes).await));
    }
    bad
}

/// The key that Entra signs with, as it publishes it.
async fn published_key(world: &World, kid: &Value) -> Value {
    let host = world.control().names().await["entra"].as_str().unwrap().to_owned();
    let url = format!("https://{host}/{}/discovery/v2.0/keys", world.contoso());
    let keys = Answer::to(world.azure().get(url)).await.ok();
    let keys = keys["keys"].as_array().unwrap();
    keys.iter().find(|key| &key["kid"] == kid).unwrap().clone()
}
