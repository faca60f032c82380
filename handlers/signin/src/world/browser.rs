//! Browsers and programs before the app's routes: what they send and what they are answered.

use std::collections::HashMap;

use airlock_core::{jws::Signed, session_record::csrf_token, sign_in::SignIn};
use axum::{
    Router,
    body::{Body, to_bytes},
    http::{HeaderMap, Method, Request, StatusCode, header},
};
use serde_json::{Value, json};
use tower::ServiceExt as _;
use url::Url;

use super::{API, PORTAL, World, client_key};
use crate::opaque::Opaque;

/// What was answered.
#[derive(Debug)]
pub struct Answer {
    pub status: StatusCode,
    pub headers: HeaderMap,
    pub json: Value,
    pub text: String,
}

impl Answer {
    /// The value of a cookie that was set, if it was set to one.
    pub fn cookie(&self, name: &str) -> Option<Opaque> {
        self.headers.get_all(header::SET_COOKIE).iter().find_map(|set| {
            let (other, rest) = set.to_str().unwrap().split_once('=').unwrap();
            let value = rest.split(';').next().unwrap();
            (other == name).then(|| Opaque::parse(value)).flatten()
        })
    }

    pub fn location(&self) -> &str {
        self.headers[header::LOCATION].to_str().unwrap()
    }
}

impl World {
    pub async fn asked(
        &self,
        method: Method,
        path: &str,
        headers: &[(&str, &str)],
        body: Option<&Value>,
    ) -> Answer {
        let mut request = Request::builder().method(method).uri(path);
        for (name, value) in headers {
            request = request.header(*name, *value);
        }
        if body.is_some() {
            request = request.header("content-type", "application/json");
        }
        let body = body.map_or_else(Body::empty, |body| Body::from(body.to_string()));
        self.answered(request.body(body).unwrap()).await
    }

    async fn answered(&self, request: Request<Body>) -> Answer {
        Self::answered_by(self.router(), request).await
    }

    /// What this instance answers.
    pub async fn answered_by(router: Router, request: Request<Body>) -> Answer {
        let response = router.oneshot(request).await.unwrap();
        let (parts, body) = response.into_parts();
        let body = to_bytes(body, 1 << 20).await.unwrap();
        let text = String::from_utf8(body.to_vec()).unwrap();
        let json = serde_json::from_str(&text).unwrap_or(Value::Null);
        Answer { status: parts.status, headers: parts.headers, json, text }
    }

    /// A change asked by the portal's script.
    pub async fn asked_by_portal(&self, cookie: &Opaque, path: &str, body: &Value) -> Answer {
        let cookies = format!("__Host-airlock={}", cookie.expose());
        let csrf = csrf_token(cookie.expose());
        let headers = [
            ("cookie", cookies.as_str()),
            ("origin", PORTAL),
            ("sec-fetch-site", "same-site"),
            ("x-airlock-csrf", csrf.as_str()),
        ];
        self.asked(Method::POST, path, &headers, Some(body)).await
    }

    /// Something that the portal's script only looks at.
    pub async fn looked_at_by_portal(&self, cookie: &Opaque, path: &str) -> Answer {
        let cookies = format!("__Host-airlock={}", cookie.expose());
        let headers =
            [("cookie", cookies.as_str()), ("origin", PORTAL), ("sec-fetch-site", "same-site")];
        self.asked(Method::GET, path, &headers, None).await
    }

    pub async fn challenge(&self) -> String {
        let answer = self.asked(Method::POST, "/auth/challenge", &[], None).await;
        assert_eq!(answer.status, 200, "{answer:?}");
        answer.json["challenge"].as_str().unwrap().to_owned()
    }

    /// What a client with key `key` signs.
    pub fn claims(&self, key: u8, challenge: &str, return_to: &str) -> SignIn {
        SignIn {
            aud: API.to_owned(),
            challenge: challenge.to_owned(),
            tenant: Self::HOME.parse().unwrap(),
            return_to: return_to.to_owned(),
            jwk: client_key(key).1,
            iat: self.now(),
            exp: self.now().plus_s(60),
        }
    }

    pub async fn proof(&self, key: u8, claims: &SignIn) -> Value {
        let signed = Signed::sign(claims, &client_key(key).0).await.unwrap();
        json!({ "proof": signed.as_str() })
    }

    /// Starts a sign-in as the portal would: the answer, with the browser's new cookie.
    pub async fn started_by_portal(&self, step_up: Option<&str>) -> Answer {
        let claims = self.claims(1, &self.challenge().await, "/requests");
        let mut body = self.proof(1, &claims).await;
        if let Some(context) = step_up {
            body["step_up"] = context.into();
        }
        let headers = [("origin", PORTAL), ("sec-fetch-site", "same-site")];
        self.asked(Method::POST, "/auth/start", &headers, Some(&body)).await
    }

    /// Starts a sign-in as a program would: the answer.
    pub async fn started_by_program(&self, key: u8, return_to: &str) -> Answer {
        let claims = self.claims(key, &self.challenge().await, return_to);
        let body = self.proof(key, &claims).await;
        self.asked(Method::POST, "/auth/start", &[], Some(&body)).await
    }

    /// Goes to Entra's page and back: the path and query of the callback.
    pub fn at_entra(&self, started: &Answer) -> String {
        self.at_entras_page(started.json["authorize"].as_str().unwrap())
    }

    /// Goes to this page of Entra's and back.
    pub fn at_entras_page(&self, url: &str) -> String {
        let url = Url::parse(url).unwrap();
        self.back(&url.query_pairs().into_owned().collect())
    }

    /// Goes to Entra's page again with what was asked last, as a person who pressed "back".
    pub fn at_entra_again(&self) -> String {
        let asked = self.entra.asks.lock().unwrap().last().unwrap().clone();
        self.back(&asked)
    }

    fn back(&self, asked: &HashMap<String, String>) -> String {
        let code = self.entra.code(asked);
        format!("/auth/callback?code={code}&state={}", asked["state"])
    }

    /// Opens the page of a sign-in that a program started: the page, and the form in it.
    pub async fn offered(&self, started: &Answer) -> (Answer, String) {
        let url = started.json["authorize"].as_str().unwrap();
        let page = self.asked(Method::GET, url.strip_prefix(API).unwrap(), &[], None).await;
        assert_eq!(page.status, 200, "{page:?}");
        let (_, offer) = page.text.split_once("name=\"offer\" value=\"").unwrap();
        let form = format!("offer={}", offer.split_once('"').unwrap().0);
        (page, form)
    }

    /// Sends a form of that page's, with these headers.
    pub async fn confirmed(&self, form: &str, headers: &[(&str, &str)]) -> Answer {
        let mut request = Request::post("/auth/confirm");
        for (name, value) in headers {
            request = request.header(*name, *value);
        }
        self.answered(request.body(Body::from(form.to_owned())).unwrap()).await
    }

    /// Entra's answer, brought by a browser with these cookies.
    pub async fn called_back(&self, path: &str, cookies: &[(&str, &Opaque)]) -> Answer {
        let cookies: Vec<String> =
            cookies.iter().map(|(name, value)| format!("{name}={}", value.expose())).collect();
        self.asked(Method::GET, path, &[("cookie", &cookies.join("; "))], None).await
    }

    /// A whole sign-in in a browser: the session's cookie.
    pub async fn signed_in(&self) -> Opaque {
        let started = self.started_by_portal(None).await;
        assert_eq!(started.status, 200, "{started:?}");
        let browser = started.cookie("__Host-airlock-start").unwrap();
        let answer =
            self.called_back(&self.at_entra(&started), &[("__Host-airlock-start", &browser)]).await;
        assert_eq!(answer.location(), "https://portal.example/requests");
        answer.cookie("__Host-airlock").unwrap()
    }
}
