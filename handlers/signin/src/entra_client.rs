//! Entra over OAuth 2.0: authorization code with PKCE, refresh, and the managed identity's token
//! as the client's assertion.
//!
//! The authority is always the tenant's own: with several tenants there are several issuers, and
//! a code of one must never be redeemed at another (RFC 9207 calls it a mix-up).

use std::{fmt, future::Future, pin::Pin, sync::Arc, time::Duration};

use airlock_azure::Azure;
use airlock_core::{
    identity::{ObjectId, TenantId},
    manifest::Manifest,
    ports::PortError,
    secret::Secret,
    step_up::Context,
};
use async_trait::async_trait;
use axum::http::Response;
use oauth2::{
    AsyncHttpClient, AuthUrl, AuthorizationCode, Client, ClientId, CsrfToken, EndpointNotSet,
    EndpointSet, ExtraTokenFields, HttpRequest, HttpResponse, PkceCodeChallenge, PkceCodeVerifier,
    RedirectUrl, RefreshToken, RequestTokenError, Scope, StandardRevocableToken,
    StandardTokenResponse, TokenResponse as _, TokenUrl,
    basic::{
        BasicClient, BasicErrorResponse, BasicErrorResponseType, BasicRevocationErrorResponse,
        BasicTokenIntrospectionResponse, BasicTokenType,
    },
};
use serde::{Deserialize, Serialize};
use url::Url;

use crate::{
    outside::{Entra, IdToken, NotGranted, Says, Tokens},
    wire,
};

/// The resource under which a managed identity's token is an assertion.
const EXCHANGE: &str = "api://AzureADTokenExchange";

/// RFC 7523, section 2.2.
const JWT_BEARER: &str = "urn:ietf:params:oauth:client-assertion-type:jwt-bearer";

/// Entra does not know the federated credential (yet): after a change it spreads for minutes,
/// and shows now and then.
const NOT_SPREAD: u32 = 70_021;

/// Pauses before asking again while a federated credential spreads.
const PAUSES: [Duration; 2] = [Duration::from_millis(300), Duration::from_millis(1200)];

/// Whom an authorization request is for.
pub struct Authorize<'a> {
    /// The tenant to sign in to.
    pub tenant: TenantId,
    /// The sealed transaction.
    pub state: String,
    /// What the ID token must carry.
    pub nonce: String,
    /// The secret half of PKCE.
    pub verifier: &'a Secret,
    /// The authentication context to satisfy.
    pub step_up: Option<&'a Context>,
    /// Whether to ask who signs in even if somebody is signed in there.
    pub asks_who: bool,
}

/// An address in the manifest is not one.
#[derive(Debug, thiserror::Error)]
#[error("address in manifest not understood")]
pub struct NotAddressed(#[from] url::ParseError);

/// The address of Entra's page for one sign-in.
///
/// # Errors
///
/// [`NotAddressed`].
pub fn authorize_url(manifest: &Manifest, ask: Authorize<'_>) -> Result<Url, NotAddressed> {
    let page = format!("{}/{}/oauth2/v2.0/authorize", manifest.sign_in_pages, ask.tenant);
    let client = BasicClient::new(ClientId::new(manifest.portal_client.to_string()))
        .set_auth_uri(AuthUrl::new(page)?)
        .set_redirect_uri(RedirectUrl::new(callback(manifest))?);
    let verifier = PkceCodeVerifier::new(ask.verifier.expose().to_owned());
    let mut request = client
        .authorize_url(|| CsrfToken::new(ask.state))
        .add_scopes(scopes(manifest.portal_client))
        .set_pkce_challenge(PkceCodeChallenge::from_code_verifier_sha256(&verifier))
        // A form post from Entra's site would not carry the cookie that binds the browser.
        .add_extra_param("response_mode", "query")
        .add_extra_param("nonce", ask.nonce);
    if ask.asks_who {
        request = request.add_extra_param("prompt", "select_account");
    }
    if let Some(context) = ask.step_up {
        let value = context.as_str();
        let claims = serde_json::json!({
            "id_token": { "acrs": { "essential": true, "value": value } }
        });
        request = request.add_extra_param("claims", claims.to_string());
    }
    Ok(request.url().0)
}

/// Where Entra sends its answer. Registered there.
fn callback(manifest: &Manifest) -> String {
    format!("{}/auth/callback", manifest.api)
}

/// Who it is, the right to ask again, and a token for our own API. Nothing of Graph.
fn scopes(portal: ObjectId) -> Vec<Scope> {
    ["openid", "profile", "offline_access"]
        .map(str::to_owned)
        .into_iter()
        .chain([format!("api://{portal}/access_as_user")])
        .map(Scope::new)
        .collect()
}

/// Entra, asked with this process's managed identity.
pub struct EntraClient {
    azure: Arc<Azure>,
    authority: String,
    redirect: String,
    portal: ObjectId,
}

type OidcClient = Client<
    BasicErrorResponse,
    StandardTokenResponse<WithIdToken, BasicTokenType>,
    BasicTokenIntrospectionResponse,
    StandardRevocableToken,
    BasicRevocationErrorResponse,
    EndpointNotSet,
    EndpointNotSet,
    EndpointNotSet,
    EndpointNotSet,
    EndpointSet,
>;

type Granted = StandardTokenResponse<WithIdToken, BasicTokenType>;
type Refused = RequestTokenError<PortError, BasicErrorResponse>;

/// What OpenID Connect adds to a token answer.
#[derive(Serialize, Deserialize)]
struct WithIdToken {
    id_token: Option<String>,
}

impl ExtraTokenFields for WithIdToken {}

/// The token is a secret.
impl fmt::Debug for WithIdToken {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("WithIdToken")
    }
}

impl EntraClient {
    /// Entra for the portal application. Calls nothing.
    #[must_use]
    pub fn new(azure: Arc<Azure>, manifest: &Manifest) -> Self {
        Self {
            azure,
            authority: manifest.authority.clone(),
            redirect: callback(manifest),
            portal: manifest.portal_client,
        }
    }

    fn client(&self, tenant: TenantId) -> Result<OidcClient, PortError> {
        let address = |error: url::ParseError| PortError::Broken(error.into());
        let token = format!("{}/{tenant}/oauth2/v2.0/token", self.authority);
        Ok(Client::new(ClientId::new(self.portal.to_string()))
            .set_token_uri(TokenUrl::new(token).map_err(address)?)
            .set_redirect_uri(RedirectUrl::new(self.redirect.clone()).map_err(address)?))
    }

    /// The managed identity's token *is* the assertion. There is no client secret.
    async fn assertion(&self) -> Result<[(&'static str, String); 2], PortError> {
        let token = self.azure.identity_token(EXCHANGE).await?;
        Ok([
            ("client_assertion_type", JWT_BEARER.to_owned()),
            ("client_assertion", token.expose().to_owned()),
        ])
    }

    async fn tokens(&self, tenant: TenantId, granted: Granted) -> Result<Tokens, NotGranted> {
        let text = granted
            .extra_fields()
            .id_token
            .clone()
            .ok_or_else(|| PortError::Broken("token answer without an ID token".into()))?;
        let verified = self.azure.tokens().id_token(&text, tenant, self.portal).await;
        let says = Says::from(&verified.map_err(NotGranted::NotAccepted)?);
        let secret = |text: &String| Secret::new(text.clone());
        Ok(Tokens {
            id: IdToken { text: Secret::new(text), says },
            access: secret(granted.access_token().secret()),
            refresh: granted.refresh_token().map(|token| secret(token.secret())),
        })
    }

    /// Asks again while a federated credential spreads, and for no other reason.
    async fn patiently<F>(&self, ask: impl Fn() -> F) -> Result<Granted, NotGranted>
    where
        F: Future<Output = Result<Granted, NotGranted>>,
    {
        for pause in PAUSES {
            match ask().await {
                Err(NotGranted::Refused { code: Some(NOT_SPREAD), .. }) => {
                    tracing::warn!("federated credential not known to Entra; asking again");
                    tokio::time::sleep(pause).await;
                }
                answer => return answer,
            }
        }
        ask().await
    }
}

#[async_trait]
impl Entra for EntraClient {
    async fn redeem(
        &self,
        tenant: TenantId,
        code: Secret,
        verifier: Secret,
    ) -> Result<Tokens, NotGranted> {
        let (client, assertion) = (self.client(tenant)?, self.assertion().await?);
        let wire = Wire(self.azure.http());
        let granted = self
            .patiently(async || {
                let code = AuthorizationCode::new(code.expose().to_owned());
                let verifier = PkceCodeVerifier::new(verifier.expose().to_owned());
                let mut request = client.exchange_code(code).set_pkce_verifier(verifier);
                for (name, value) in &assertion {
                    request = request.add_extra_param(*name, value);
                }
                request.request_async(&wire).await.map_err(refused)
            })
            .await?;
        self.tokens(tenant, granted).await
    }

    async fn refresh(&self, tenant: TenantId, token: Secret) -> Result<Tokens, NotGranted> {
        let (client, assertion) = (self.client(tenant)?, self.assertion().await?);
        let wire = Wire(self.azure.http());
        let token = RefreshToken::new(token.expose().to_owned());
        let granted = self
            .patiently(async || {
                let mut request =
                    client.exchange_refresh_token(&token).add_scopes(scopes(self.portal));
                for (name, value) in &assertion {
                    request = request.add_extra_param(*name, value);
                }
                request.request_async(&wire).await.map_err(refused)
            })
            .await?;
        self.tokens(tenant, granted).await
    }
}

/// Sends what oauth2 composes.
struct Wire<'a>(&'a reqwest::Client);

impl<'c> AsyncHttpClient<'c> for Wire<'_> {
    type Error = PortError;
    type Future = Pin<Box<dyn Future<Output = Result<HttpResponse, PortError>> + Send + 'c>>;

    fn call(&'c self, request: HttpRequest) -> Self::Future {
        Box::pin(async move {
            let request = request.try_into().map_err(wire::not_sent)?;
            let answer = wire::exchange(self.0, request).await?;
            let mut response = Response::new(answer.body);
            *response.status_mut() = answer.status;
            Ok(response)
        })
    }
}

/// What a refusal means. Its description is not kept: it names people.
fn refused(error: Refused) -> NotGranted {
    match error {
        RequestTokenError::ServerResponse(answer) => {
            let code = answer.error_description().and_then(|text| aadsts(text));
            match person_refused(answer.error()) {
                Some(error) => NotGranted::Refused { error, code },
                None if code == Some(NOT_SPREAD) => {
                    NotGranted::Refused { error: "invalid_client", code }
                }
                None => not_ours(answer.error(), code).into(),
            }
        }
        RequestTokenError::Request(error) => error.into(),
        // Neither its text nor its source: both can quote the answer, which holds tokens.
        RequestTokenError::Parse(..) => {
            PortError::Broken("token answer not understood".into()).into()
        }
        RequestTokenError::Other(what) => PortError::Broken(what.into()).into(),
    }
}

/// Whether it is this code, this token or this person that Entra refuses.
fn person_refused(error: &BasicErrorResponseType) -> Option<&'static str> {
    match error {
        BasicErrorResponseType::InvalidGrant => Some("invalid_grant"),
        BasicErrorResponseType::Extension(name) => {
            ["interaction_required", "login_required", "consent_required"]
                .into_iter()
                .find(|known| known == name)
        }
        BasicErrorResponseType::InvalidClient
        | BasicErrorResponseType::InvalidRequest
        | BasicErrorResponseType::InvalidScope
        | BasicErrorResponseType::UnauthorizedClient
        | BasicErrorResponseType::UnsupportedGrantType => None,
    }
}

/// Entra refuses us, not the person.
fn not_ours(error: &BasicErrorResponseType, code: Option<u32>) -> PortError {
    let what = format!("refused: {error} AADSTS{}", code.unwrap_or_default()).into();
    match error.as_ref() {
        "temporarily_unavailable" | "server_error" => PortError::Unavailable(what),
        _ => PortError::Broken(what),
    }
}

/// The code at the beginning of a description: `AADSTS70008: …`.
fn aadsts(description: &str) -> Option<u32> {
    let rest = description.strip_prefix("AADSTS")?;
    let end = rest.find(|character: char| !character.is_ascii_digit()).unwrap_or(rest.len());
    rest[..end].parse().ok()
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use super::*;
    use crate::world::World;

    fn answered(error: &str, description: &str) -> NotGranted {
        let answer = serde_json::json!({ "error": error, "error_description": description });
        refused(RequestTokenError::ServerResponse(serde_json::from_value(answer).unwrap()))
    }

    #[tokio::test]
    async fn the_authorization_request_is_code_with_pkce_at_the_tenants_own_page() {
        let world = World::new().await;
        let verifier = Secret::new("dBjftJeZ4CVP-mB92K27uhbUJU1p1r_wW1gFWFOEjXk".to_owned());
        let context = Context::try_from("c1".to_owned()).unwrap();

        let url = authorize_url(
            &world.manifest,
            Authorize {
                tenant: World::HOME.parse().unwrap(),
                state: "sealed".to_owned(),
                nonce: "n".to_owned(),
                verifier: &verifier,
                step_up: Some(&context),
                asks_who: false,
            },
        )
        .unwrap();

        let pages = &world.manifest.sign_in_pages;
        assert!(
            url.as_str().starts_with(&format!("{pages}/{}/oauth2/v2.0/authorize?", World::HOME))
        );
        let asked: BTreeMap<String, String> = url.query_pairs().into_owned().collect();
        let portal = world.manifest.portal_client;
        let expected = [
            ("claims", r#"{"id_token":{"acrs":{"essential":true,"value":"c1"}}}"#.to_owned()),
            ("client_id", portal.to_string()),
            // RFC 7636, appendix B.
            ("code_challenge", "E9Melhoa2OwvFrEMTJguCHaoeK1t8URWbuGJSstw-cM".to_owned()),
            ("code_challenge_method", "S256".to_owned()),
            ("nonce", "n".to_owned()),
            ("redirect_uri", format!("{}/auth/callback", world.manifest.api)),
            ("response_mode", "query".to_owned()),
            ("response_type", "code".to_owned()),
            ("scope", format!("openid profile offline_access api://{portal}/access_as_user")),
            ("state", "sealed".to_owned()),
        ];
        assert_eq!(asked, expected.map(|(name, value)| (name.to_owned(), value)).into());
    }

    #[test]
    fn only_a_refusal_of_the_person_ends_a_session() {
        for (error, description) in [
            ("invalid_grant", "AADSTS50057: The user account is disabled."),
            ("invalid_grant", "no code"),
            ("interaction_required", "AADSTS50076: x"),
        ] {
            assert!(matches!(answered(error, description), NotGranted::Refused { .. }), "{error}");
        }
        for error in ["invalid_client", "invalid_request", "unauthorized_client", "surprise"] {
            let answer = answered(error, "AADSTS7000218: x");
            assert!(matches!(answer, NotGranted::Port(PortError::Broken(_))), "{error}");
        }
        let answer = answered("temporarily_unavailable", "AADSTS90033: x");
        assert!(matches!(answer, NotGranted::Port(PortError::Unavailable(_))));
    }

    #[test]
    fn a_refusal_keeps_the_code_and_not_the_name_in_its_description() {
        let answer = answered("invalid_grant", "AADSTS50034: alice@contoso.example does not exist");

        assert_eq!(answer.to_string(), "refused: invalid_grant AADSTS50034");
    }
}
