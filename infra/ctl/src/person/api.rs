//! The API as a client that is no browser calls it: no cookie, no CSRF token, no origin.

use std::time::Duration;

use airlock_core::{secret::Secret, session_record::SCHEME};
use reqwest::{RequestBuilder, StatusCode, header};
use serde::{Deserialize, Serialize, de::DeserializeOwned};
use url::Url;

use crate::{again::Again, foreign::Plain, origin::Origin};

/// How long a connection may take.
const CONNECT: Duration = Duration::from_secs(5);

/// How long a call may take: longer than any that the API makes itself.
const CALL: Duration = Duration::from_secs(30);

/// An API, called as nobody or as the person of a session.
#[derive(Clone, Debug)]
pub struct Api {
    origin: Origin,
    http: reqwest::Client,
    session: Option<Secret>,
    /// What to type to sign in.
    sign_in: String,
}

/// What the API says when it does not do something (RFC 9457).
#[derive(Clone, Debug, Deserialize, PartialEq, Eq)]
pub struct Problem {
    /// An absolute URL; its last segment names the kind.
    pub r#type: String,
    /// What it says.
    pub title: String,
    /// HTTP status.
    pub status: u16,
    /// More.
    #[serde(default)]
    pub detail: Option<String>,
    /// Names the occurrence in the API's log.
    #[serde(default)]
    pub instance: Option<String>,
}

/// A call was not answered as hoped.
#[derive(Debug, thiserror::Error)]
pub enum NotDone {
    /// Nothing listens on this machine.
    #[error("nothing runs at {0}: start it with `cargo run`")]
    NotRunning(Origin),
    /// There was no answer, and perhaps it was done.
    #[error("{0} did not answer")]
    NoAnswer(Origin, #[source] reqwest::Error),
    /// There is no session, or it is over.
    #[error("your session at {0} is over: run `{1}`")]
    NotSignedIn(Origin, String),
    /// The API refused.
    #[error("{}", told(.0))]
    Refused(Box<Problem>),
    /// What answered does not speak as the API does.
    #[error("what answers at {0} is not Airlock, or not of this version (status {1})")]
    NotUnderstood(Origin, u16),
}

fn told(problem: &Problem) -> String {
    let Problem { title, status, detail, instance, .. } = problem;
    let more = |before: &str, text: &Option<String>| {
        text.as_ref().map_or_else(String::new, |text| format!("{before}{}", Plain(text)))
    };
    let (detail, instance) = (more(": ", detail), more(", ", instance));
    format!("{}{detail} ({status}{instance})", Plain(title))
}

impl NotDone {
    /// Whether the API refused with this status.
    #[must_use]
    pub fn is_refusal(&self, status: u16) -> bool {
        matches!(self, Self::Refused(problem) if problem.status == status)
    }

    /// Whether the same call may be answered later.
    #[must_use]
    pub fn is_transient(&self) -> bool {
        match self {
            Self::Refused(problem) => problem.status == 429 || problem.status == 503,
            Self::NoAnswer(..) => true,
            Self::NotRunning(_) | Self::NotSignedIn(..) | Self::NotUnderstood(..) => false,
        }
    }
}

impl Api {
    /// An API, called as nobody.
    ///
    /// # Errors
    ///
    /// If the system's certificates cannot be used.
    pub fn new(origin: Origin) -> Result<Self, reqwest::Error> {
        let mut http = reqwest::Client::builder()
            .connect_timeout(CONNECT)
            .timeout(CALL)
            // A session must not follow wherever an answer points.
            .redirect(reqwest::redirect::Policy::none());
        if origin.is_loopback() {
            // What is on this machine is not found through another.
            http = http.no_proxy();
        }
        let sign_in = "airlockctl sign-in".to_owned();
        Ok(Self { origin, http: http.build()?, session: None, sign_in })
    }

    /// The same API, called by somebody who types commands like this one.
    #[must_use]
    pub fn called_by(self, again: &Again) -> Self {
        Self { sign_in: again.with("sign-in"), ..self }
    }

    /// The same API, called with a session.
    #[must_use]
    pub fn with(&self, session: Secret) -> Self {
        Self { session: Some(session), ..self.clone() }
    }

    /// Where it is.
    #[must_use]
    pub const fn origin(&self) -> &Origin {
        &self.origin
    }

    /// Reads.
    ///
    /// # Errors
    ///
    /// [`NotDone`].
    pub async fn get<T: DeserializeOwned>(&self, path: &str) -> Result<T, NotDone> {
        self.call(self.http.get(self.origin.at(path))).await
    }

    /// Reads something that is not JSON.
    ///
    /// # Errors
    ///
    /// [`NotDone`].
    pub async fn read(&self, path: &str) -> Result<Vec<u8>, NotDone> {
        let (_, body) = self.answer(self.http.get(self.origin.at(path))).await?;
        Ok(body)
    }

    /// Reads, with a query.
    ///
    /// # Errors
    ///
    /// [`NotDone`].
    pub async fn find<T: DeserializeOwned>(
        &self,
        path: &str,
        query: &[(&str, String)],
    ) -> Result<T, NotDone> {
        let url = Url::parse_with_params(&self.origin.at(path), query)
            .map_err(|_| NotDone::NotUnderstood(self.origin.clone(), 0))?;
        self.call(self.http.get(url)).await
    }

    /// Does.
    ///
    /// # Errors
    ///
    /// [`NotDone`].
    pub async fn post<T: DeserializeOwned>(
        &self,
        path: &str,
        body: &impl Serialize,
    ) -> Result<T, NotDone> {
        self.call(self.http.post(self.origin.at(path)).json(body)).await
    }

    /// Does once, however often it is sent with this key.
    ///
    /// # Errors
    ///
    /// [`NotDone`].
    pub async fn post_once<T: DeserializeOwned>(
        &self,
        path: &str,
        key: &str,
        body: &impl Serialize,
    ) -> Result<T, NotDone> {
        let request = self.http.post(self.origin.at(path)).header("idempotency-key", key);
        self.call(request.json(body)).await
    }

    async fn call<T: DeserializeOwned>(&self, request: RequestBuilder) -> Result<T, NotDone> {
        let (status, body) = self.answer(request).await?;
        serde_json::from_slice(&body)
            .map_err(|_| NotDone::NotUnderstood(self.origin.clone(), status.as_u16()))
    }

    /// The body of what succeeded.
    async fn answer(&self, request: RequestBuilder) -> Result<(StatusCode, Vec<u8>), NotDone> {
        let request = match &self.session {
            Some(session) => {
                request.header(header::AUTHORIZATION, format!("{SCHEME} {}", session.expose()))
            }
            None => request,
        };
        let failed = |error: reqwest::Error| {
            if error.is_connect() && self.origin.is_loopback() {
                NotDone::NotRunning(self.origin.clone())
            } else {
                NotDone::NoAnswer(self.origin.clone(), error.without_url())
            }
        };
        let answer = request.send().await.map_err(failed)?;
        let status = answer.status();
        let body = answer.bytes().await.map_err(failed)?;
        let strange = || NotDone::NotUnderstood(self.origin.clone(), status.as_u16());
        if status.is_success() {
            return Ok((status, body.to_vec()));
        }
        let problem: Problem = serde_json::from_slice(&body).map_err(|_| strange())?;
        Err(if problem.r#type.ends_with("/not-signed-in") {
            NotDone::NotSignedIn(self.origin.clone(), self.sign_in.clone())
        } else {
            NotDone::Refused(Box::new(problem))
        })
    }
}

#[cfg(test)]
mod tests {
    use axum::{
        Json, Router,
        http::{HeaderMap, StatusCode, header},
        response::Redirect,
        routing::get,
    };
    use serde_json::{Value, json};

    use super::*;
    use crate::fake;

    #[test]
    fn a_refusal_is_one_sentence_with_the_name_of_the_occurrence() {
        let problem = Problem {
            r#type: "https://airlock.invalid/problems/not-allowed".to_owned(),
            title: "You are not allowed to do this".to_owned(),
            status: 403,
            detail: Some("nobody decides what they asked for themselves".to_owned()),
            instance: Some("urn:uuid:1".to_owned()),
        };

        assert_eq!(
            NotDone::Refused(Box::new(problem)).to_string(),
            "You are not allowed to do this: nobody decides what they asked for themselves \
             (403, urn:uuid:1)"
        );
    }

    #[tokio::test]
    async fn a_session_goes_in_its_own_header_and_never_to_where_an_answer_points() {
        let routes = Router::new()
            .route(
                "/mine",
                get(async |headers: HeaderMap| {
                    let sent = headers[header::AUTHORIZATION].to_str().unwrap().to_owned();
                    Json(json!({ "sent": sent, "cookie": headers.contains_key(header::COOKIE) }))
                }),
            )
            .route("/elsewhere", get(async || Redirect::temporary("/mine")));
        let api = fake::api(routes).await.with(Secret::new("abc".to_owned()));

        let mine: Value = api.get("/mine").await.unwrap();
        let elsewhere = api.get::<Value>("/elsewhere").await;

        assert_eq!(mine, json!({ "sent": "Session abc", "cookie": false }));
        assert!(matches!(elsewhere, Err(NotDone::NotUnderstood(_, 307))));
    }

    #[tokio::test]
    async fn a_session_that_is_over_is_told_as_such() {
        let over = async || {
            let body = json!({
                "type": "https://airlock.invalid/problems/not-signed-in",
                "title": "You are not signed in",
                "status": 401,
                "instance": "urn:uuid:1",
            });
            (StatusCode::UNAUTHORIZED, Json(body))
        };
        let api = fake::api(Router::new().route("/mine", get(over))).await;

        let error = api.get::<Value>("/mine").await.unwrap_err();

        let origin = api.origin();
        assert_eq!(
            error.to_string(),
            format!("your session at {origin} is over: run `airlockctl sign-in`")
        );
    }

    #[tokio::test]
    async fn without_a_cloud_the_error_says_how_to_start_one() {
        let free = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
        let origin = format!("http://{}", free.local_addr().unwrap());
        drop(free);
        let api = Api::new(origin.parse().unwrap()).unwrap();

        let error = api.get::<Value>("/api/operations").await.unwrap_err();

        assert_eq!(
            error.to_string(),
            format!("nothing runs at {origin}: start it with `cargo run`")
        );
    }
}
