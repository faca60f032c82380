//! Stories of `signin`: a sign-in by a program, calling the API in a person's name, signing out.

use std::time::Instant;

use airlock_tests::{
    Answer, Browser, RETURN_TO, SOON, Who, callback_of, client_key, form, leads_to, proof,
};
use http::Method;
use p256::SecretKey;
use reqwest::RequestBuilder;
use serde_json::{Value, json};
use url::Url;

use super::stage::{Broken, PATIENCE, PAUSE, Scene};

/// How a sign-in went that did not break a promise.
enum Tried {
    /// The session's cookie.
    In(String),
    /// Sent back with an error, or told that the one-time code is used up.
    SentBack,
}

/// Signs somebody in; a sign-in that is said to have failed is begun anew.
pub async fn sign_in(scene: &Scene<'_>, who: &Who) -> Result<String, Broken> {
    let begun = Instant::now();
    while begun.elapsed() < PATIENCE {
        if let Tried::In(cookie) = try_to_sign_in(scene, who).await? {
            let seen =
                scene.insist("session", || session(scene, Method::GET, "/auth/session", &cookie));
            let seen = seen.await?;
            if seen.status != 200 || seen.json["oid"] != who.object.to_string() {
                return Err(Broken(format!("the new session is not theirs: {}", seen.text)));
            }
            return Ok(cookie);
        }
        scene.begins_anew();
        tokio::time::sleep(PAUSE).await;
    }
    Err(Broken(format!("sign-ins failed for {PATIENCE:?}")))
}

async fn try_to_sign_in(scene: &Scene<'_>, who: &Who) -> Result<Tried, Broken> {
    let (key, _) = client_key();
    let page = start(scene, who, &key).await?;
    let (authorize, cookie) = say_yes(scene, &page).await?;
    // Between the browser and Entra alone.
    let browser = Browser::new(scene.stage.world.http().clone());
    let callback = browser.choose(&authorize, who).await;
    let visit = scene.stage.world.http().get(callback).header("cookie", cookie);
    let back = scene.once(visit).await?;
    if back.status != 302 {
        scene.refused("callback", &back)?;
        return Ok(Tried::SentBack);
    }
    let back = leads_to(&back);
    match (callback_of(&back, "code"), callback_of(&back, "error").as_deref()) {
        (Some(code), None) => redeem(scene, who, &key, &code).await,
        (None, Some("sign-in-failed")) => Ok(Tried::SentBack),
        _ => Err(Broken(format!("the callback led to {back}"))),
    }
}

/// Starts a sign-in: where the person's browser is to go.
async fn start(scene: &Scene<'_>, who: &Who, key: &SecretKey) -> Result<String, Broken> {
    let challenge = scene.insist("challenge", || anyone(scene, "/auth/challenge", &json!({})));
    let challenge = text(&challenge.await?, "challenge")?;
    let api = scene.stage.world.api();
    let proof = json!({ "proof": proof(api, who.tenant, key, challenge, RETURN_TO).await });
    let started = scene.insist("start", || anyone(scene, "/auth/start", &proof)).await?;
    text(&started, "authorize")
}

/// Looks at the page and says yes: where that leads, and the cookie that binds the browser.
async fn say_yes(scene: &Scene<'_>, page: &str) -> Result<(String, String), Broken> {
    let http = scene.stage.world.http();
    let shown = scene.insist("page", || http.get(page)).await?;
    let offer = shown.text.split_once("name=\"offer\" value=\"").and_then(|(_, rest)| {
        let (offer, _) = rest.split_once('"')?;
        Some(form(&[("offer", offer)]))
    });
    let offer = offer.ok_or_else(|| Broken(format!("no page: {}", shown.status)))?;
    let page = Url::parse(page).unwrap();
    let action = page.join("/auth/confirm").unwrap();
    let said = scene.insist("yes", || {
        http.post(action.clone())
            .header("origin", page.origin().ascii_serialization())
            .header("sec-fetch-site", "same-origin")
            .header("content-type", "application/x-www-form-urlencoded")
            .body(offer.clone())
    });
    let said = said.await?;
    let cookie = said.header("set-cookie").and_then(|cookie| cookie.split(';').next());
    let cookie = cookie.ok_or_else(|| Broken(format!("not bound: {}", said.status)))?.to_owned();
    Ok((leads_to(&said).to_string(), cookie))
}

async fn redeem(
    scene: &Scene<'_>,
    who: &Who,
    key: &SecretKey,
    code: &str,
) -> Result<Tried, Broken> {
    let api = scene.stage.world.api();
    let proof = json!({ "proof": proof(api, who.tenant, key, code.to_owned(), RETURN_TO).await });
    let refusals = scene.refusals();
    let redeemed = scene.insist("redeem", || anyone(scene, "/auth/redeem", &proof)).await?;
    match (redeemed.status, redeemed.as_problem()) {
        (200, _) => text(&redeemed, "cookie").map(Tried::In),
        // Only if a first try was refused: then the code may be used up.
        (_, Ok("gone")) if scene.refusals() > refusals => Ok(Tried::SentBack),
        _ => Err(Broken(format!("redeem: {}", redeemed.text))),
    }
}

/// Calls the API in a person's name, as the portal would.
pub async fn call_the_api(scene: &Scene<'_>, who: &Who) -> Result<(), Broken> {
    let cookie = sign_in(&scene.stage.scene(), who).await?;
    let path = "/auth/call-the-api";
    let told = scene.insist("claims", || session(scene, Method::GET, path, &cookie)).await?;
    if told.json["claims"]["oid"] != who.object.to_string() {
        return Err(Broken(format!("claims: {}", told.text)));
    }
    let seen = scene.once(session(scene, Method::GET, "/auth/session", &cookie)).await?;
    still(seen.status == 200, "the session lasts")
}

/// Signs out, and makes sure that nobody takes the session any more.
pub async fn sign_out(scene: &Scene<'_>, who: &Who) -> Result<(), Broken> {
    let cookie = sign_in(&scene.stage.scene(), who).await?;
    let path = "/auth/sign-out";
    let out = scene.insist("sign-out", || session(scene, Method::POST, path, &cookie)).await?;
    // Who was told "not now" may have been signed out all the same.
    let gone = scene.refusals() > 0 && out.as_problem() == Ok("not-signed-in");
    still(out.status == 200 || gone, &format!("signed out: {}", out.text))?;
    for path in ["/auth/session", "/api/tenants"] {
        let seen = scene.once(session(scene, Method::GET, path, &cookie)).await?;
        still(seen.as_problem() == Ok("not-signed-in"), "nobody takes the session")?;
    }
    Ok(())
}

/// Signs out at Entra, which tells us through a frame, once. The other session ends then too.
pub async fn sign_out_at_entra(scene: &Scene<'_>, who: &Who) -> Result<(), Broken> {
    let quiet = scene.stage.scene();
    let (one, other) = (sign_in(&quiet, who).await?, sign_in(&quiet, who).await?);
    let out = quiet.once(session(&quiet, Method::POST, "/auth/sign-out", &one)).await?;
    let page = text(&out, "sign_out")?;
    let page = Answer::to(scene.stage.world.http().get(page)).await;
    let frames: Vec<String> =
        page.text.split("<iframe src=\"").skip(1).filter_map(address).collect();
    still(!frames.is_empty(), "Entra tells us")?;
    for frame in frames {
        let told = scene.once(scene.stage.world.http().get(frame)).await?;
        still(told.status == 200, "strangers and Entra are answered alike")?;
    }
    let begun = Instant::now();
    while begun.elapsed() < SOON {
        let seen = quiet.once(session(&quiet, Method::GET, "/auth/session", &other)).await?;
        if seen.as_problem() == Ok("not-signed-in") {
            return Ok(());
        }
        tokio::time::sleep(PAUSE).await;
    }
    Err(Broken("the session lasts although its person signed out at Entra".to_owned()))
}

/// The address of a frame, up to its closing quote.
fn address(text: &str) -> Option<String> {
    text.split_once('"').map(|(address, _)| address.replace("&amp;", "&"))
}

fn still(holds: bool, promise: &str) -> Result<(), Broken> {
    if holds { Ok(()) } else { Err(Broken(format!("not so: {promise}"))) }
}

fn anyone(scene: &Scene<'_>, path: &str, body: &Value) -> RequestBuilder {
    scene.stage.world.call(Method::POST, path).json(body)
}

fn session(scene: &Scene<'_>, method: Method, path: &str, cookie: &str) -> RequestBuilder {
    let call = scene.stage.world.call(method, path);
    call.header("authorization", format!("Session {cookie}")).json(&json!({}))
}

fn text(answer: &Answer, member: &str) -> Result<String, Broken> {
    let text = answer.json[member].as_str().map(str::to_owned);
    text.ok_or_else(|| Broken(format!("no {member}: {} {}", answer.status, answer.text)))
}
