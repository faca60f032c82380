//! The managed identity endpoint of App Service: where a process asks for its own token.
//!
//! Each identity has its own header value, and a process is started with its own alone: what the
//! sandbox of App Service enforces, a secret enforces here.

use std::collections::BTreeMap;

use anyhow::Context as _;
use aws_lc_rs::constant_time::verify_slices_are_equal;
use base64::{Engine as _, prelude::BASE64_URL_SAFE_NO_PAD as BASE64URL};
use bytes::Bytes;
use http::{HeaderMap, HeaderValue, Method, StatusCode, header};
use serde_json::{Value, json};
use uuid::Uuid;

use crate::{
    cloud::{Answer, Asked, Cloud},
    entra::{Form, IDENTITY_LIFETIME_S, Resource, now_s},
    identities::{Identities, client_id, principal_id},
};

/// Path of the endpoint, as `IDENTITY_ENDPOINT` names it.
pub const PATH: &str = "/msi/token";

/// The one version of the protocol.
const API_VERSION: &str = "2019-08-01";

/// Who may ask for whose token.
pub struct IdentityEndpoint {
    headers: BTreeMap<String, String>,
}

/// Why there is no token: a status and the platform's sentence.
#[derive(Debug, PartialEq, Eq)]
struct NoToken(StatusCode, String);

impl IdentityEndpoint {
    /// Draws a header value for each identity.
    ///
    /// # Errors
    ///
    /// If the system gives no randomness.
    pub fn new(identities: &Identities) -> anyhow::Result<Self> {
        let headers = identities.identities.keys().map(|name| {
            let mut bytes = [0; 32];
            getrandom::fill(&mut bytes).context("no randomness")?;
            Ok((name.clone(), BASE64URL.encode(bytes)))
        });
        Ok(Self { headers: headers.collect::<anyhow::Result<_>>()? })
    }

    /// What `IDENTITY_HEADER` must be for a process with each identity.
    #[must_use]
    pub const fn headers(&self) -> &BTreeMap<String, String> {
        &self.headers
    }

    /// Answers one request.
    #[must_use]
    pub fn answer(&self, cloud: &Cloud, asked: &Asked) -> Answer {
        let holder = self.holder(asked.headers());
        match token(cloud, holder, asked) {
            Ok(body) => respond(StatusCode::OK, &body),
            Err(NoToken(status, message)) => {
                cloud.record.refusal("identity", holder, &message);
                let correlation = Uuid::new_v4().to_string();
                let body = json!({
                    "statusCode": status.as_u16(),
                    "message": message,
                    "correlationId": correlation,
                });
                respond(status, &body)
            }
        }
    }

    /// The identity whose header value the request carries.
    #[must_use]
    pub fn holder(&self, headers: &HeaderMap) -> Option<&str> {
        let presented = headers.get("x-identity-header")?.as_bytes();
        self.headers
            .iter()
            .find(|(_, value)| verify_slices_are_equal(value.as_bytes(), presented).is_ok())
            .map(|(name, _)| name.as_str())
    }
}

/// The token that the holder of a header value asked for, as the platform writes it.
fn token(cloud: &Cloud, holder: Option<&str>, asked: &Asked) -> Result<Value, NoToken> {
    if asked.uri().path() != PATH || asked.method() != Method::GET {
        return Err(NoToken(StatusCode::NOT_FOUND, "No such endpoint.".to_owned()));
    }
    let holder = holder.ok_or_else(|| {
        let message = "The X-IDENTITY-HEADER is missing or not valid.";
        NoToken(StatusCode::UNAUTHORIZED, message.to_owned())
    })?;
    let query = asked.uri().query().unwrap_or_default();
    let form = Form::parse(query.as_bytes()).map_err(|refusal| bad(refusal.sentence()))?;
    if form.optional("api-version") != Some(API_VERSION) {
        return Err(bad("The api-version is not supported.".to_owned()));
    }
    let asked = form
        .optional("resource")
        .ok_or_else(|| bad("The parameter resource is missing.".to_owned()))?;
    if !names(&form, holder) {
        return Err(bad("No User Assigned or Delegated Managed Identity found for specified \
             ClientId/ResourceId/PrincipalId."
            .to_owned()));
    }
    let tenant = cloud.names.tenant;
    let now_s = now_s();
    let issued = Resource::named(asked, &cloud.identities).and_then(|resource| {
        let entra = &cloud.entra;
        let token = entra.identity_token(&cloud.identities, tenant, holder, resource, now_s)?;
        Ok((token, resource.audience()))
    });
    let (token, audience) = issued.map_err(|refusal| bad(refusal.description()))?;
    cloud.record.token(holder, &audience, tenant, "managed_identity");
    Ok(json!({
        "access_token": token,
        // A string: clients refuse a number here.
        "expires_on": (now_s + IDENTITY_LIFETIME_S).to_string(),
        "resource": asked,
        "token_type": "Bearer",
        "client_id": client_id(holder).to_string(),
    }))
}

/// Whether the request asks for this identity, and for no other. Without an id it would be the
/// system-assigned one, and there is none.
fn names(form: &Form, holder: &str) -> bool {
    let ids = [
        (form.optional("client_id"), client_id(holder)),
        (form.optional("principal_id"), principal_id(holder)),
        (form.optional("object_id"), principal_id(holder)),
    ];
    let mut named = ids.iter().filter_map(|(asked, id)| asked.map(|asked| (asked, id))).peekable();
    named.peek().is_some()
        && named.all(|(asked, id)| Uuid::parse_str(asked).is_ok_and(|asked| asked == *id))
}

fn bad(message: String) -> NoToken {
    NoToken(StatusCode::BAD_REQUEST, message)
}

fn respond(status: StatusCode, body: &Value) -> Answer {
    let mut answer = Answer::new(Bytes::from(body.to_string()));
    *answer.status_mut() = status;
    let headers = answer.headers_mut();
    headers.insert(header::CONTENT_TYPE, HeaderValue::from_static("application/json"));
    headers.insert(header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
    answer
}

#[cfg(test)]
mod tests {
    use http::Request;

    use super::*;
    use crate::{cloud::audience, entra::tests::cloud};

    fn ask(header: &str, query: &str) -> Asked {
        Request::get(format!("http://127.0.0.1{PATH}?{query}"))
            .header("x-identity-header", header)
            .body(Bytes::new())
            .unwrap()
    }

    fn good(identity: &str, resource: &str) -> String {
        format!("api-version=2019-08-01&resource={resource}&client_id={}", client_id(identity))
    }

    fn body(answer: &Answer) -> Value {
        serde_json::from_slice(answer.body()).unwrap()
    }

    #[tokio::test]
    async fn a_process_gets_the_token_of_its_own_identity() {
        let cloud = cloud();
        let endpoint = IdentityEndpoint::new(&cloud.identities).unwrap();
        let header = &endpoint.headers()["execute"];

        let answer = endpoint.answer(&cloud, &ask(header, &good("execute", audience::VAULT)));

        let body = body(&answer);
        assert_eq!(answer.status(), StatusCode::OK);
        assert!(body["expires_on"].as_str().unwrap().parse::<u64>().unwrap() > now_s() + 86_000);
        let mut headers = HeaderMap::new();
        let bearer = format!("Bearer {}", body["access_token"].as_str().unwrap());
        headers.insert(header::AUTHORIZATION, bearer.parse().unwrap());
        let caller = cloud.entra.verify(&cloud, &headers, audience::VAULT).unwrap();
        assert_eq!(caller.identity.as_deref(), Some("execute"));
        assert!(cloud.entra.verify(&cloud, &headers, audience::GRAPH).is_err());
    }

    #[tokio::test]
    async fn a_process_gets_no_token_of_another_identity() {
        let cloud = cloud();
        let endpoint = IdentityEndpoint::new(&cloud.identities).unwrap();
        let header = &endpoint.headers()["intake"];

        let other = endpoint.answer(&cloud, &ask(header, &good("execute", audience::VAULT)));
        let stranger = endpoint.answer(&cloud, &ask("guess", &good("intake", audience::VAULT)));
        let system = endpoint.answer(
            &cloud,
            &ask(header, "api-version=2019-08-01&resource=https://vault.azure.net"),
        );

        assert_eq!(other.status(), StatusCode::BAD_REQUEST);
        assert_eq!(stranger.status(), StatusCode::UNAUTHORIZED);
        assert_eq!(system.status(), StatusCode::BAD_REQUEST);
        assert_eq!(body(&stranger)["statusCode"], 401);
    }

    #[tokio::test]
    async fn only_who_calls_an_application_gets_its_roles() {
        let cloud = cloud();
        let endpoint = IdentityEndpoint::new(&cloud.identities).unwrap();
        let token = |identity: &str| {
            let header = &endpoint.headers()[identity];
            let query = good(identity, "api://airlock-intake/.default");
            endpoint.answer(&cloud, &ask(header, &query))
        };

        let signin = token("signin");
        assert_eq!(signin.status(), StatusCode::OK);
        let text = body(&signin)["access_token"].as_str().unwrap().to_owned();
        let claims: Value =
            serde_json::from_slice(&BASE64URL.decode(text.split('.').nth(1).unwrap()).unwrap())
                .unwrap();
        assert_eq!(claims["roles"], json!(["Confirmations.Ask"]));
        let intake = crate::identities::application_id("airlock-intake").to_string();
        assert_eq!(claims["aud"], intake);

        let execute = token("execute");
        assert_eq!(execute.status(), StatusCode::BAD_REQUEST);
        assert!(body(&execute)["message"].as_str().unwrap().starts_with("AADSTS501051"));
    }

    #[tokio::test]
    async fn an_unknown_resource_and_an_unknown_version_are_refused() {
        let cloud = cloud();
        let endpoint = IdentityEndpoint::new(&cloud.identities).unwrap();
        let header = &endpoint.headers()["drift"];

        let resource = endpoint.answer(&cloud, &ask(header, &good("drift", "https://example.com")));
        let version = good("drift", audience::VAULT).replace("2019-08-01", "2017-09-01");
        let version = endpoint.answer(&cloud, &ask(header, &version));

        assert!(body(&resource)["message"].as_str().unwrap().starts_with("AADSTS500011"));
        assert_eq!(version.status(), StatusCode::BAD_REQUEST);
    }
}
