//! Entra tokens that are not what they should be, at the doors of the running handlers.
//!
//! Most are signed by Entra's own key, so that nothing but the one spoiled thing is wrong with
//! them. Whoever shows one is told nothing, nothing is stored, and neither a signature nor Entra's
//! keys are asked for because of it.

use airlock_core::{
    base64url,
    identity::{App, Role},
    jws::Signed,
    ports::Signer as _,
    session::{Confirms, Session},
    session_record::document_id,
    sign_in,
};
use airlock_tests::{
    Answer, Mill, Person, World, changed, claims_of, client_key, input, now, with_before, with_hmac,
};
use http::Method;
use serde_json::{Value, json};
use uuid::Uuid;

/// To somebody who has shown nothing that counts.
const UNKNOWN: &str = "not-verified";

/// To somebody whose token is genuine, and of another kind.
const KNOWN: &str = "not-allowed";

/// A token that must be refused, and with which problem.
struct Bad {
    name: String,
    token: String,
    problem: &'static str,
}

impl Bad {
    fn unknown(name: impl Into<String>, token: String) -> Self {
        Self { name: name.into(), token, problem: UNKNOWN }
    }
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

async fn of_wrong_claims(mill: &Mill<'_>, world: &World) -> Vec<Bad> {
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

async fn of_another_kind(mill: &Mill<'_>) -> Vec<Bad> {
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
        bad.push(Bad {
            name: name.to_owned(),
            token: mill.with_claims(&changes).await,
            problem: KNOWN,
        });
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

async fn show(world: &World, path: &str, token: &str) -> Answer {
    let call = world.call(Method::GET, path);
    Answer::to(call.header("authorization", format!("Bearer {token}"))).await
}

/// What the handlers asked of the cloud since, that a stranger must not be able to make them ask:
/// signatures, Entra's keys, and whatever writes.
async fn caused(world: &World, before: usize) -> Vec<String> {
    let calls = world.control().calls().await.into_iter().skip(before);
    calls
        .filter(|call| {
            match (call["service"].as_str().unwrap(), call["method"].as_str().unwrap()) {
                ("vault" | "entra" | "graph", _) => true,
                ("blob", method) => method != "GET",
                _ => false,
            }
        })
        .map(|call| format!("{} {} {}", call["service"], call["method"], call["path"]))
        .collect()
}

#[tokio::test]
async fn a_token_with_one_thing_wrong_opens_neither_claims_nor_sessions() {
    let world = World::start().await;
    let harriet = world.person("harriet").await;
    let claims = harriet.get("/auth/call-the-api").await.ok()["claims"].clone();
    let mill = Mill::new(world.control(), claims).await;
    let key = published_key(&world, &mill.header()["kid"]).await;
    let groups = [
        of_wrong_form(&mill).await,
        of_wrong_signature(&mill, key["n"].as_str().unwrap()).await,
        of_wrong_header(&mill, &key).await,
        of_wrong_claims(&mill, &world).await,
        of_another_kind(&mill).await,
    ];
    let table: Vec<Bad> = groups.into_iter().flatten().collect();
    let good = mill.good().await;
    show(&world, "/api/claims", &good).await.assert_ok();
    // So that no key is asked for because nobody of that tenant has come yet.
    let foreign = mill.with_claims(&[("tid", json!(world.fabrikam()))]).await;
    show(&world, "/api/claims", &foreign).await.assert_problem(UNKNOWN);
    // Somebody who signs in does make us ask.
    assert!(!caused(&world, 0).await.is_empty());
    let (before, calls) = (world.stored().await, world.control().calls().await.len());

    let mut wrong = Vec::new();
    for Bad { name, token, problem } in &table {
        let answer = show(&world, "/api/claims", token).await;
        println!("{name:48.48} {} {}", answer.status, answer.json["type"]);
        if answer.as_problem() != Ok(problem) {
            wrong.push(format!("{name}: {:?}", answer.as_problem()));
        }
        for path in ["/api/requests", "/auth/session"] {
            let answer = show(&world, path, token).await;
            if answer.as_problem() != Ok("not-signed-in") {
                wrong.push(format!("{name} at {path}: {:?}", answer.as_problem()));
            }
        }
    }

    println!("{} bad tokens", table.len());
    assert!(wrong.is_empty(), "{wrong:#?}");
    assert!(table.len() >= 60);
    assert_eq!(caused(&world, calls).await, Vec::<String>::new());
    world.nothing_stored_since(&before).await;
    // And nothing of that made the good one bad.
    show(&world, "/api/claims", &good).await.assert_ok();
    let twice = world.call(Method::GET, "/api/claims").bearer_auth(&good).bearer_auth(&good);
    Answer::to(twice).await.assert_problem(UNKNOWN);
}

/// A session as a taken-over `signin` would sign one, and the ID token that fits it.
async fn session(world: &World, nonce_random: &[u8; 32]) -> (Signed<Session>, Value) {
    let signin = world.impostor("signin").await;
    let tara = world.who("tara");
    let jwk = client_key().1.key().clone();
    let at = now();
    let session = Session {
        iss: App::Signin,
        sid: Uuid::new_v4().to_string(),
        tid: tara.tenant,
        oid: tara.object,
        roles: vec![Role::TenantAdmin],
        acrs: vec!["c1".to_owned()],
        auth_time: at,
        iat: at,
        exp: at.plus_s(3600),
        cnf: Confirms { jwk: jwk.clone() },
        cookie: document_id(&Person::guessed_cookie()),
    };
    let claims = json!({
        "iss": format!("https://login.microsoftonline.com/{}/v2.0", tara.tenant),
        "aud": signin.application("airlock-portal"),
        "tid": tara.tenant, "oid": tara.object, "sub": "tara", "ver": "2.0",
        "iat": at, "nbf": at, "exp": at.plus_s(600), "auth_time": at,
        "roles": ["TenantAdmin"], "acrs": ["c1"],
        "nonce": sign_in::nonce(jwk.thumbprint(), nonce_random),
    });
    (Signed::sign(&session, &signin.key().await).await.unwrap(), claims)
}

#[tokio::test]
async fn an_id_token_with_one_thing_wrong_confirms_no_session() {
    let world = World::start().await;
    let signin = world.impostor("signin").await;
    let intake = world.impostor("intake").await;
    let own = signin.token(&format!("api://{}", intake.application("airlock-intake"))).await;
    let random = [7; 32];
    let (session, claims) = session(&world, &random).await;
    let url = world.stack()["confirmations"].as_str().unwrap();
    let confirm = async |id_token: &str| {
        let body = json!({
            "session": session, "id_token": id_token, "nonce_random": base64url::encode(random),
        });
        Answer::to(world.http().post(url).bearer_auth(&own).json(&body)).await
    };
    let mill = Mill::new(world.control(), claims).await;
    // That much a taken-over signin can, with a genuine token for its own key.
    assert!(confirm(&mill.good().await).await.ok()["confirmation"].is_string());
    let key = published_key(&world, &mill.header()["kid"]).await;
    let mut table = of_wrong_form(&mill).await;
    table.extend(of_wrong_signature(&mill, key["n"].as_str().unwrap()).await);
    table.extend(of_wrong_header(&mill, &key).await);
    let stranger = Uuid::new_v4().to_string();
    for (name, value) in [
        ("iss", json!(format!("https://sts.windows.net/{}/", world.contoso()))),
        ("tid", json!(world.fabrikam())),
        ("aud", json!(intake.application("airlock-intake"))),
        ("oid", json!(world.who("harriet").object)),
        ("ver", json!("1.0")),
        ("nonce", Value::Null),
        ("nonce", json!("x")),
        ("nonce", json!([mill.claims()["nonce"].clone()])),
        ("roles", json!(["HelpdeskAgent"])),
        ("roles", Value::Null),
        ("acrs", json!(["c2"])),
        ("acrs", Value::Null),
        ("auth_time", json!(now().plus_s(-3600))),
        ("auth_time", Value::Null),
        ("exp", json!(now().plus_s(-120))),
        ("nbf", json!(now().plus_s(120))),
        ("idtyp", json!("app")),
        ("scp", json!("access_as_user")),
        ("azp", json!(stranger)),
        ("xms_act_fct", json!("11")),
        ("xms_sub_fct", json!("13")),
        ("xms_par_app_azp", json!(stranger)),
    ] {
        let what = format!("{name} {value}");
        table.push(Bad::unknown(what, mill.with_claims(&[(name, value)]).await));
    }
    let (before, calls) = (world.stored().await, world.control().calls().await.len());

    let mut wrong = Vec::new();
    for Bad { name, token, problem } in &table {
        let answer = confirm(token).await;
        if answer.as_problem() != Ok(problem) {
            wrong.push(format!("{name}: {:?}", answer.as_problem()));
        }
    }

    println!("{} bad ID tokens", table.len());
    assert!(wrong.is_empty(), "{wrong:#?}");
    assert_eq!(caused(&world, calls).await, Vec::<String>::new());
    world.nothing_stored_since(&before).await;
}

#[tokio::test]
async fn what_is_no_managed_identitys_token_does_not_open_the_confirmations() {
    let world = World::start().await;
    let signin = world.impostor("signin").await;
    let intake = world.impostor("intake").await;
    let own = signin.token(&format!("api://{}", intake.application("airlock-intake"))).await;
    let url = world.stack()["confirmations"].as_str().unwrap();
    let (session, _) = session(&world, &[7; 32]).await;
    let body = json!({
        "session": session, "id_token": "x", "nonce_random": base64url::encode([7; 32]),
    });
    let mill = Mill::new(world.control(), claims_of(&own)).await;
    let key = published_key(&world, &mill.header()["kid"]).await;
    let mut table = of_wrong_form(&mill).await;
    table.extend(of_wrong_signature(&mill, key["n"].as_str().unwrap()).await);
    table.extend(of_wrong_header(&mill, &key).await);
    let person = [("idtyp", json!("user")), ("scp", json!("access_as_user"))];
    let agent = [("xms_act_fct", json!("11")), ("xms_sub_fct", json!("11"))];
    let other = [("oid", json!(Uuid::new_v4()))];
    for (name, changes) in [
        ("a person's", &person[..]),
        ("an agent's", &agent[..]),
        ("another identity's", &other[..]),
    ] {
        let token = mill.with_claims(changes).await;
        table.push(Bad { name: name.to_owned(), token, problem: KNOWN });
    }
    let before = world.stored().await;

    let mut wrong = Vec::new();
    for Bad { name, token, problem } in &table {
        let call = world.http().post(url).header("authorization", format!("Bearer {token}"));
        let answer = Answer::to(call.json(&body)).await;
        if answer.as_problem() != Ok(problem) {
            wrong.push(format!("{name}: {:?}", answer.as_problem()));
        }
    }

    assert!(wrong.is_empty(), "{wrong:#?}");
    world.nothing_stored_since(&before).await;
}
