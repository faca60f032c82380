//! Sign-in: a fresh client key, proved to the API twice, and a browser in between.

use airlock_core::{
    digest::Digest,
    identity::TenantId,
    jwe::NotSealed,
    jwk::NotAKey,
    jws::{NotSigned, Signed},
    ports::{Clock, Entropy},
    secret::Secret,
    sign_in::{self, SignIn},
    step_up::Context,
};
use serde::Deserialize;
use serde_json::json;
use url::Url;

use super::{
    api::{Api, NotDone},
    client_key::ClientKey,
    view::SessionView,
};

/// For how long a proof counts, in seconds: it is sent at once.
const PROOF_S: i64 = 120;

/// A sign-in that a browser has to go on with.
pub struct Started {
    /// Where the browser must go: a page of the API, on which the person says yes.
    pub page: Url,
    /// What that page must show.
    pub code: String,
    key: ClientKey,
    tenant: TenantId,
    return_to: String,
}

/// A session that is somebody's.
#[derive(Debug)]
pub struct SignedIn {
    /// The key that it is bound to.
    pub key: ClientKey,
    /// What names it to the API.
    pub cookie: Secret,
    /// Whose it is.
    pub session: SessionView,
}

/// Nobody was signed in.
#[derive(Debug, thiserror::Error)]
pub enum NotSignedIn {
    /// The API did not go along.
    #[error(transparent)]
    Api(#[from] NotDone),
    /// There is no key.
    #[error("no client key")]
    NoKey(#[from] NotSealed),
    /// The key has no public half.
    #[error("client key not usable")]
    Key(#[from] NotAKey),
    /// The key could not sign.
    #[error("proof not signed")]
    NotSigned(#[from] NotSigned),
    /// The API sends the browser somewhere else than to a page of its own.
    #[error("the API sends the browser to a place that is no page of its own")]
    Elsewhere,
}

#[derive(Deserialize)]
struct Challenge {
    challenge: String,
}

#[derive(Deserialize)]
struct Authorize {
    authorize: String,
}

#[derive(Deserialize)]
struct Redeemed {
    cookie: String,
    session: SessionView,
}

/// Where somebody signs in, and what for.
#[derive(Clone, Debug)]
pub struct Plan {
    /// Their tenant.
    pub tenant: TenantId,
    /// Loopback URL at which the sign-in ends.
    pub return_to: String,
    /// What has to be satisfied besides who they are.
    pub step_up: Option<Context>,
}

/// Starts a sign-in that ends at a loopback URL.
///
/// # Errors
///
/// [`NotSignedIn`].
pub async fn start(
    api: &Api,
    plan: Plan,
    clock: &dyn Clock,
    entropy: &dyn Entropy,
) -> Result<Started, NotSignedIn> {
    let key = ClientKey::draw(entropy)?;
    let Challenge { challenge } = api.post("/auth/challenge", &json!({})).await?;
    let Plan { tenant, return_to, step_up } = plan;
    let proof = proof(api, tenant, &return_to, &key, challenge, clock).await?;
    let body = json!({ "proof": proof, "step_up": step_up });
    let Authorize { authorize } = api.post("/auth/start", &body).await?;
    let page = Url::parse(&authorize).ok().filter(|page| api.origin().is_of(page));
    let page = page.ok_or(NotSignedIn::Elsewhere)?;
    let code = sign_in::user_code(key.public()?.thumbprint());
    Ok(Started { page, code, key, tenant, return_to })
}

impl Started {
    /// Redeems the one-time code that the browser came back with: worth nothing without the key
    /// that the sign-in was started with.
    ///
    /// # Errors
    ///
    /// [`NotSignedIn`].
    pub async fn redeem(
        self,
        api: &Api,
        code: String,
        clock: &dyn Clock,
    ) -> Result<SignedIn, NotSignedIn> {
        let proof = proof(api, self.tenant, &self.return_to, &self.key, code, clock).await?;
        let Redeemed { cookie, session } =
            api.post("/auth/redeem", &json!({ "proof": proof })).await?;
        Ok(SignedIn { key: self.key, cookie: Secret::new(cookie), session })
    }
}

async fn proof(
    api: &Api,
    tenant: TenantId,
    return_to: &str,
    key: &ClientKey,
    challenge: String,
    clock: &dyn Clock,
) -> Result<Signed<SignIn>, NotSignedIn> {
    let now = clock.now();
    let claims = SignIn {
        aud: api.origin().as_str().to_owned(),
        challenge,
        tenant,
        return_to: return_to.to_owned(),
        jwk: key.public()?,
        iat: now,
        exp: now.plus_s(PROOF_S),
    };
    Ok(Signed::sign(&claims, &key.signer()?).await?)
}

/// A path that nobody can guess: what comes to it comes from the sign-in that was started with
/// it.
///
/// # Errors
///
/// If there is no randomness.
pub fn secret_path(entropy: &dyn Entropy) -> Result<String, NotSealed> {
    let mut random = [0; 32];
    entropy.fill(&mut random)?;
    Ok(format!("/{}", Digest::of(&[b"airlockctl sign-in\0", &random])))
}

#[cfg(test)]
mod tests {
    use std::sync::{Arc, Mutex};

    use airlock_core::{
        base64url,
        memory::{Dice, SetClock},
        time::Timestamp,
    };
    use axum::{Json, Router, extract::State, routing::post};
    use serde_json::Value;

    use super::*;
    use crate::fake;

    const NOW: Timestamp = Timestamp::from_unix_s(1_700_000_000);
    const TENANT: &str = "605d9d43-3534-4810-8152-9d01a268ad22";
    const RETURN_TO: &str = "http://127.0.0.1:9/secret";

    /// Proofs that the API got.
    type Proofs = Arc<Mutex<Vec<Value>>>;

    /// An API that sends the browser to this place, or to a page of its own.
    async fn api(elsewhere: Option<&'static str>, proofs: &Proofs) -> Api {
        let start = async move |State(proofs): State<Proofs>, Json(body): Json<Value>| {
            assert_eq!(body["step_up"], "c1");
            let proof = body["proof"].clone();
            let opened: Signed<SignIn> = serde_json::from_value(proof.clone()).unwrap();
            let own = format!("{}/auth/confirm?offer=x", audience(&opened));
            proofs.lock().unwrap().push(proof);
            Json(json!({ "authorize": elsewhere.map_or(own, str::to_owned) }))
        };
        let redeem = async |State(proofs): State<Proofs>, Json(body): Json<Value>| {
            proofs.lock().unwrap().push(body["proof"].clone());
            Json(json!({ "cookie": "c", "session": {
                "sid": Digest::of(&[b"sid"]), "tid": TENANT, "oid": TENANT, "name": "Harriet",
                "roles": ["HelpdeskAgent"], "acrs": [], "auth_time": 1, "expires": 2,
                "idle_expires": 2, "csrf": "t",
            } }))
        };
        let routes = Router::new()
            .route("/auth/challenge", post(async || Json(json!({ "challenge": "sealed" }))))
            .route("/auth/start", post(start))
            .route("/auth/redeem", post(redeem))
            .with_state(Arc::clone(proofs));
        fake::api(routes).await
    }

    /// For which API a proof is.
    fn audience(proof: &Signed<SignIn>) -> String {
        let payload = proof.as_str().split('.').nth(1).unwrap();
        let claims: Value = serde_json::from_slice(&base64url::decode(payload).unwrap()).unwrap();
        claims["aud"].as_str().unwrap().to_owned()
    }

    async fn started(api: &Api) -> Result<Started, NotSignedIn> {
        let clock = SetClock::at(NOW);
        let plan = Plan {
            tenant: TENANT.parse().unwrap(),
            return_to: RETURN_TO.to_owned(),
            step_up: Some(Context::try_from("c1".to_owned()).unwrap()),
        };
        start(api, plan, &clock, &Dice).await
    }

    #[tokio::test]
    async fn both_proofs_are_by_one_key_for_this_api_and_this_way_back() {
        let proofs = Proofs::default();
        let api = api(None, &proofs).await;

        let clock = SetClock::at(NOW);
        let signed_in =
            started(&api).await.unwrap().redeem(&api, "once".to_owned(), &clock).await.unwrap();

        let opened: Vec<SignIn> = proofs
            .lock()
            .unwrap()
            .iter()
            .map(|proof| serde_json::from_value(proof.clone()).unwrap())
            .map(|proof| sign_in::open(&proof, api.origin().as_str(), NOW).unwrap().value().clone())
            .collect();
        let challenges: Vec<&str> = opened.iter().map(|proof| proof.challenge.as_str()).collect();
        assert_eq!(challenges, ["sealed", "once"]);
        for proof in &opened {
            assert_eq!(proof.return_to, RETURN_TO);
            assert_eq!(proof.jwk, signed_in.key.public().unwrap());
        }
    }

    #[tokio::test]
    async fn a_browser_is_sent_only_to_a_page_of_the_api() {
        for elsewhere in [
            "https://login.microsoftonline.com/x",
            "http://login.example/x",
            "file:///etc/passwd",
            "javascript:1",
            "",
        ] {
            let api = api(Some(elsewhere), &Proofs::default()).await;

            assert!(matches!(started(&api).await, Err(NotSignedIn::Elsewhere)), "{elsewhere}");
        }
    }

    #[test]
    fn no_two_ways_back_are_alike() {
        assert_ne!(secret_path(&Dice).unwrap(), secret_path(&Dice).unwrap());
    }
}
