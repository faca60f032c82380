//! What a caller is asked for who is not known (RFC 9110, section 11.6.1).
//!
//! Each answer of 401 names the schemes of `Authorization` that its route takes: a person's
//! session, an access token, or either. A code (RFC 6750, section 3.1) stands beside a token that
//! was shown and did not hold, and nowhere else; it is the same for every reason, which only the
//! log is told.

use airlock_core::problem::Problem;
use axum::{
    extract::{MatchedPath, Request},
    http::{HeaderValue, Method, StatusCode, header},
    middleware::Next,
    response::Response,
};

use crate::bearer;

const TOKEN: &str = "Bearer realm=\"airlock\"";
const INVALID_TOKEN: &str = "Bearer realm=\"airlock\", error=\"invalid_token\"";
const SESSION: &str = "Session realm=\"airlock\"";

/// Says with each answer of 401 what is asked for.
pub async fn ask(request: Request, next: Next) -> Response {
    let path = request.extensions().get::<MatchedPath>().map_or("", MatchedPath::as_str);
    let takes = Takes::of(request.method(), path);
    let shows_token = bearer::token(request.headers()).is_ok();
    let mut response = next.run(request).await;
    if response.status() == StatusCode::UNAUTHORIZED {
        let problem = response.extensions().get::<Problem>().copied();
        for challenge in takes.challenges(shows_token, problem) {
            let challenge = HeaderValue::from_static(challenge);
            response.headers_mut().append(header::WWW_AUTHENTICATE, challenge);
        }
    }
    response
}

/// By what a route knows who calls.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Takes {
    /// A person's session.
    Session,
    /// An access token.
    Token,
    /// A person's session, or a service's token.
    Either,
    /// The token of `signin`. It gets no code: what it passes on may be what did not hold.
    TokenOfSignin,
}

impl Takes {
    fn of(method: &Method, path: &str) -> Self {
        match (method.as_str(), path) {
            ("GET" | "HEAD", "/api/claims") => Self::Token,
            ("POST", "/api/requests") => Self::Either,
            ("POST", "/internal/confirmations") => Self::TokenOfSignin,
            _ => Self::Session,
        }
    }

    fn challenges(self, shows_token: bool, problem: Option<Problem>) -> Vec<&'static str> {
        let did_not_hold = shows_token && problem == Some(Problem::NOT_VERIFIED);
        let token = if did_not_hold { INVALID_TOKEN } else { TOKEN };
        match self {
            Self::Session => vec![SESSION],
            Self::Token => vec![token],
            Self::Either => vec![token, SESSION],
            Self::TokenOfSignin => vec![TOKEN],
        }
    }
}

#[cfg(test)]
mod tests {
    use airlock_azure::hosting::Refusal;
    use airlock_core::session_record::SCHEME;
    use axum::{
        Router,
        body::Body,
        middleware::from_fn,
        routing::{get, post},
    };
    use tower::ServiceExt as _;

    use super::*;
    use crate::routes::guarded;

    #[test]
    fn each_route_asks_for_what_its_description_takes() {
        let document = serde_json::to_value(guarded().to_openapi()).unwrap();
        let mut asked = 0;

        for (path, operations) in document["paths"].as_object().unwrap() {
            for (method, operation) in operations.as_object().unwrap() {
                let Some(needs) = operation["security"].as_array() else { continue };
                let needs = |name: &str| needs.iter().any(|one| one.get(name).is_some());
                let takes = match (needs("session"), needs("token") || needs("service")) {
                    (true, false) => Takes::Session,
                    (false, true) => Takes::Token,
                    (true, true) => Takes::Either,
                    (false, false) => panic!("{method} {path} takes nothing that we ask for"),
                };
                let method = method.to_uppercase().parse().unwrap();
                assert_eq!(Takes::of(&method, path), takes, "{method} {path}");
                asked += 1;
            }
        }
        assert!(asked >= 8, "{asked}");
    }

    async fn challenged(method: &str, path: &str, authorization: Option<&str>) -> Vec<String> {
        let refused = |problem| async move || Refusal::new(problem);
        let routes = Router::new()
            .route("/api/claims", get(refused(Problem::NOT_VERIFIED)))
            .route("/api/requests", post(refused(Problem::NOT_VERIFIED)))
            .route("/api/requests/{id}", get(refused(Problem::NOT_SIGNED_IN)))
            .route("/api/tenants", get(refused(Problem::NOT_ALLOWED)))
            .layer(from_fn(ask));
        let mut request = Request::builder().method(method).uri(path);
        if let Some(value) = authorization {
            request = request.header(header::AUTHORIZATION, value);
        }
        let answer = routes.oneshot(request.body(Body::empty()).unwrap()).await.unwrap();
        let challenges = answer.headers().get_all(header::WWW_AUTHENTICATE).iter();
        challenges.map(|value| value.to_str().unwrap().to_owned()).collect()
    }

    #[tokio::test]
    async fn whoever_is_not_known_is_told_how_to_be_and_nobody_else_is() {
        let token = Some("Bearer a.b.c");

        assert_eq!(challenged("GET", "/api/claims", None).await, [TOKEN]);
        assert_eq!(challenged("GET", "/api/claims", token).await, [INVALID_TOKEN]);
        assert_eq!(challenged("HEAD", "/api/claims", token).await, [INVALID_TOKEN]);
        assert_eq!(challenged("POST", "/api/requests", token).await, [INVALID_TOKEN, SESSION]);
        let session = Some("Session abc");
        assert_eq!(challenged("POST", "/api/requests", session).await, [TOKEN, SESSION]);
        assert_eq!(challenged("GET", "/api/requests/7", token).await, [SESSION]);
        assert!(
            challenged("GET", "/api/tenants", token).await.is_empty(),
            "known, and not allowed"
        );
    }

    #[test]
    fn a_code_stands_only_where_a_token_was_shown_and_did_not_hold() {
        let not_verified = Some(Problem::NOT_VERIFIED);

        assert_eq!(Takes::Token.challenges(true, not_verified), [INVALID_TOKEN]);
        assert_eq!(Takes::Token.challenges(false, not_verified), [TOKEN]);
        assert_eq!(Takes::Either.challenges(true, not_verified), [INVALID_TOKEN, SESSION]);
        assert_eq!(Takes::Either.challenges(false, not_verified), [TOKEN, SESSION]);
        // The token was not looked at: a person signed what came with it.
        let no_session = Some(Problem::NOT_SIGNED_IN);
        assert_eq!(Takes::Either.challenges(true, no_session), [TOKEN, SESSION]);
        assert_eq!(Takes::Session.challenges(true, no_session), [SESSION]);
        assert_eq!(Takes::TokenOfSignin.challenges(true, not_verified), [TOKEN]);
        assert_eq!(SESSION.split(' ').next(), Some(SCHEME));
    }
}
