//! What Entra answers when it refuses: the same JSON, the same `AADSTS` codes.

use bytes::Bytes;
use http::{HeaderMap, StatusCode, header};
use serde_json::json;
use time::{OffsetDateTime, format_description::BorrowedFormatItem, macros::format_description};
use uuid::Uuid;

use crate::cloud::Answer;

/// Entra writes whole seconds, and `Z` although the rest is not RFC 3339.
const TIMESTAMP: &[BorrowedFormatItem<'static>] =
    format_description!("[year]-[month]-[day] [hour]:[minute]:[second]Z");

/// Why Entra refuses. One variant for each code that a client can tell apart.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Refusal {
    /// No such tenant.
    UnknownTenant(String),
    /// No such application in that tenant.
    UnknownApplication {
        /// As it was presented.
        client: String,
        /// Tenant that was asked.
        tenant: Uuid,
    },
    /// A parameter that must be there is not.
    Missing(&'static str),
    /// A parameter stands twice, or a value cannot be read.
    Malformed,
    /// Not a POST.
    OnlyPost,
    /// A grant that is not offered.
    UnsupportedGrant(String),
    /// The client's service principal is disabled.
    ApplicationDisabled(Uuid),
    /// The client did not authenticate at all.
    NoCredential,
    /// The client presented a secret that is none of its own, or none that is known yet.
    WrongSecret(Uuid),
    /// The client presented a secret of its own that has ended.
    ExpiredSecret(Uuid),
    /// The assertion is no JWT.
    AssertionUnreadable,
    /// The application trusts nobody.
    NoFederatedCredential(String),
    /// The assertion's issuer is not the trusted one.
    AssertionIssuer(String),
    /// The assertion's subject is not the trusted one.
    AssertionSubject(String),
    /// The assertion's audience is not the trusted one.
    AssertionAudience(String),
    /// The assertion is a token of Entra, but not of a managed identity.
    AssertionNotOfManagedIdentity,
    /// The assertion's signature or key is wrong.
    AssertionSignature,
    /// The assertion is expired, or not yet valid.
    AssertionTime,
    /// Without user interaction a scope must end in `/.default`.
    ScopeNotDefault(String),
    /// A scope that the application may not ask for.
    Scope(String),
    /// No such resource.
    UnknownResource(String),
    /// The caller holds no app role of that application.
    NotAssigned {
        /// Who asks.
        caller: String,
        /// Whose role is missing.
        resource: String,
    },
    /// The code, or the refresh token, is none of ours or another client's.
    UnknownGrant,
    /// The code was redeemed before.
    CodeRedeemed,
    /// The code has expired.
    CodeExpired,
    /// The code was issued by another tenant.
    CodeOfOtherTenant,
    /// The code was issued for another redirect URI.
    ReplyAddress,
    /// The verifier does not fit the challenge.
    Verifier,
    /// The refresh token has expired.
    RefreshExpired,
    /// The person's account is disabled.
    AccountDisabled,
    /// The person does not exist.
    UnknownPerson,
    /// The redirect URI is not registered.
    RedirectNotRegistered {
        /// As it was asked.
        uri: String,
        /// For which application.
        client: Uuid,
    },
    /// Only `response_type=code` is offered.
    ResponseType(String),
    /// Only `response_mode=query` is offered.
    ResponseMode,
    /// There is no code challenge, or none of the right size.
    ChallengeSize,
    /// The code challenge method is not S256.
    ChallengeMethod,
    /// Nobody is signed in, and `prompt=none` forbids to ask.
    InteractionRequired,
    /// The person declined.
    Declined,
    /// Something of ours failed.
    Unavailable,
}

impl Refusal {
    /// The number after `AADSTS`.
    #[must_use]
    pub const fn code(&self) -> u32 {
        match self {
            Self::UnknownTenant(_) => 90_002,
            Self::UnknownApplication { .. } => 700_016,
            Self::Missing(_) => 900_144,
            Self::Malformed => 9_002_313,
            Self::OnlyPost => 900_561,
            Self::UnsupportedGrant(_) => 70_003,
            Self::ApplicationDisabled(_) => 7_000_112,
            Self::NoCredential => 7_000_218,
            Self::WrongSecret(_) => 7_000_215,
            Self::ExpiredSecret(_) => 7_000_222,
            Self::AssertionUnreadable => 50_027,
            Self::NoFederatedCredential(_) => 70_025,
            Self::AssertionIssuer(_) => 700_211,
            Self::AssertionSubject(_) => 700_213,
            // The trusted issuer is always Entra, and then the code has one digit more than the
            // 700212 of foreign issuers.
            Self::AssertionAudience(_) => 7_002_121,
            Self::AssertionNotOfManagedIdentity => 700_226,
            Self::AssertionSignature => 700_027,
            Self::AssertionTime => 700_024,
            Self::ScopeNotDefault(_) => 1_002_012,
            Self::Scope(_) => 70_011,
            Self::UnknownResource(_) => 500_011,
            Self::NotAssigned { .. } => 501_051,
            Self::UnknownGrant => 70_000,
            Self::CodeRedeemed => 54_005,
            Self::CodeExpired => 70_008,
            Self::CodeOfOtherTenant => 700_005,
            Self::ReplyAddress => 500_112,
            Self::Verifier => 501_481,
            Self::RefreshExpired => 700_082,
            Self::AccountDisabled => 50_057,
            Self::UnknownPerson => 50_034,
            Self::RedirectNotRegistered { .. } => 50_011,
            Self::ResponseType(_) => 700_054,
            Self::ResponseMode => 70_007,
            Self::ChallengeSize => 50_147,
            Self::ChallengeMethod => 501_491,
            Self::InteractionRequired => 50_058,
            Self::Declined => 65_004,
            Self::Unavailable => 90_033,
        }
    }

    /// The OAuth error, RFC 6749.
    #[must_use]
    pub const fn error(&self) -> &'static str {
        match self {
            Self::UnknownApplication { .. } | Self::ApplicationDisabled(_) => "unauthorized_client",
            Self::UnsupportedGrant(_) => "unsupported_grant_type",
            Self::NoCredential
            | Self::WrongSecret(_)
            | Self::ExpiredSecret(_)
            | Self::NoFederatedCredential(_)
            | Self::AssertionIssuer(_)
            | Self::AssertionSubject(_)
            | Self::AssertionAudience(_)
            | Self::AssertionNotOfManagedIdentity
            | Self::AssertionSignature
            | Self::AssertionTime
            | Self::ReplyAddress => "invalid_client",
            Self::ScopeNotDefault(_) | Self::Scope(_) => "invalid_scope",
            Self::UnknownResource(_) => "invalid_resource",
            Self::NotAssigned { .. }
            | Self::UnknownGrant
            | Self::CodeRedeemed
            | Self::CodeExpired
            | Self::CodeOfOtherTenant
            | Self::Verifier
            | Self::RefreshExpired
            | Self::AccountDisabled
            | Self::UnknownPerson => "invalid_grant",
            Self::ResponseType(_) => "unsupported_response_type",
            Self::InteractionRequired => "login_required",
            Self::Declined => "access_denied",
            Self::Unavailable => "temporarily_unavailable",
            Self::UnknownTenant(_)
            | Self::Missing(_)
            | Self::Malformed
            | Self::OnlyPost
            | Self::AssertionUnreadable
            | Self::RedirectNotRegistered { .. }
            | Self::ResponseMode
            | Self::ChallengeSize
            | Self::ChallengeMethod => "invalid_request",
        }
    }

    /// The status of the token endpoint's answer.
    #[must_use]
    pub fn status(&self) -> StatusCode {
        match self.error() {
            "invalid_client" => StatusCode::UNAUTHORIZED,
            "temporarily_unavailable" => StatusCode::SERVICE_UNAVAILABLE,
            _ => StatusCode::BAD_REQUEST,
        }
    }

    /// The sentence after the code.
    #[must_use]
    pub fn sentence(&self) -> String {
        match self {
            Self::UnknownTenant(tenant) => format!(
                "Tenant '{tenant}' not found. Check to make sure you have the correct tenant ID \
                 and are signing into the correct cloud."
            ),
            Self::UnknownApplication { client, tenant } => format!(
                "Application with identifier '{client}' was not found in the directory '{tenant}'."
            ),
            Self::Missing(name) => {
                format!("The request body must contain the following parameter: '{name}'.")
            }
            Self::Malformed => "Invalid request. Request is malformed or invalid.".to_owned(),
            Self::OnlyPost => "The endpoint only accepts POST requests.".to_owned(),
            Self::UnsupportedGrant(grant) => {
                format!("The app requested an unsupported grant type '{grant}'.")
            }
            Self::ApplicationDisabled(client) => format!("Application '{client}' is disabled."),
            Self::NoCredential => "The request body must contain the following parameter: \
                                   'client_assertion' or 'client_secret'."
                .to_owned(),
            Self::WrongSecret(client) => format!(
                "Invalid client secret provided. Ensure the secret being sent in the request is \
                 the client secret value, not the client secret ID, for a secret added to app \
                 '{client}'."
            ),
            Self::ExpiredSecret(client) => {
                format!("The provided client secret keys for app '{client}' are expired.")
            }
            Self::AssertionUnreadable => "JWT token is invalid or malformed.".to_owned(),
            Self::NoFederatedCredential(client) => {
                format!("The client '{client}' has no configured federated identity credentials.")
            }
            Self::AssertionIssuer(value) => unmatched("issuer", value),
            Self::AssertionSubject(value) => unmatched("subject", value),
            Self::AssertionAudience(value) => unmatched("audience", value),
            Self::AssertionNotOfManagedIdentity => "Only tokens of managed identities may be used \
                                                    as federated identity credentials of this \
                                                    issuer."
                .to_owned(),
            Self::AssertionSignature => "Client assertion contains an invalid signature. [Reason \
                                         - The key was not found or does not fit.]"
                .to_owned(),
            Self::AssertionTime => {
                "Client assertion is not within its valid time range.".to_owned()
            }
            Self::ScopeNotDefault(scope) => format!(
                "The provided value for scope {scope} is not valid. Client credential flows must \
                 have a scope value with /.default suffixed to the resource identifier."
            ),
            Self::Scope(scope) => {
                format!("The provided value for the input parameter 'scope' is not valid: {scope}.")
            }
            Self::UnknownResource(resource) => {
                format!("The resource principal named {resource} was not found in the tenant.")
            }
            Self::NotAssigned { caller, resource } => format!(
                "Application '{caller}' is not assigned to a role for the application '{resource}'."
            ),
            Self::UnknownGrant => "Provided grant is invalid or malformed.".to_owned(),
            Self::CodeRedeemed => "OAuth2 Authorization code was already redeemed, please retry \
                                   with a new valid code or use an existing refresh token."
                .to_owned(),
            Self::CodeExpired => {
                "The provided authorization code or refresh token has expired.".to_owned()
            }
            Self::CodeOfOtherTenant => "Provided Authorization Code is intended to use against \
                                        other tenant, thus rejected."
                .to_owned(),
            Self::ReplyAddress => "The reply address does not match the reply address provided \
                                   when requesting Authorization code."
                .to_owned(),
            Self::Verifier => "The Code_Verifier does not match the code_challenge supplied in \
                               the authorization request."
                .to_owned(),
            Self::RefreshExpired => "The refresh token has expired due to inactivity.".to_owned(),
            Self::AccountDisabled => "The user account is disabled.".to_owned(),
            Self::UnknownPerson => "The user account does not exist in this directory.".to_owned(),
            Self::RedirectNotRegistered { uri, client } => format!(
                "The redirect URI '{uri}' specified in the request does not match the redirect \
                 URIs configured for the application '{client}'."
            ),
            Self::ResponseType(kind) => {
                format!("response_type '{kind}' is not enabled for the application.")
            }
            Self::ResponseMode => {
                "'response_mode' is not a supported value when requesting a token.".to_owned()
            }
            Self::ChallengeSize => {
                "The size of the code challenge parameter isn't valid.".to_owned()
            }
            Self::ChallengeMethod => {
                "Invalid value of the code_challenge_method parameter.".to_owned()
            }
            Self::InteractionRequired => "A silent sign-in request was sent but no user is \
                                          signed in."
                .to_owned(),
            Self::Declined => "User declined to consent to access the app.".to_owned(),
            Self::Unavailable => "A transient error has occurred. Please try again.".to_owned(),
        }
    }

    /// Code and sentence, as they begin every `error_description`.
    #[must_use]
    pub fn description(&self) -> String {
        format!("AADSTS{}: {}", self.code(), self.sentence())
    }

    /// The token endpoint's whole answer.
    #[must_use]
    pub fn answer(&self, asked: &HeaderMap) -> Answer {
        let trace = Uuid::new_v4();
        let correlation = correlation(asked);
        let now = OffsetDateTime::now_utc();
        // A time of our own clock always fits the pattern.
        let timestamp = now.format(TIMESTAMP).unwrap_or_default();
        let body = json!({
            "error": self.error(),
            "error_description": format!(
                "{} Trace ID: {trace} Correlation ID: {correlation} Timestamp: {timestamp}",
                self.description()
            ),
            "error_codes": [self.code()],
            "timestamp": timestamp,
            "trace_id": trace.to_string(),
            "correlation_id": correlation.to_string(),
            "error_uri": format!("https://login.microsoftonline.com/error?code={}", self.code()),
        });
        super::json(self.status(), &body)
    }
}

fn unmatched(what: &str, value: &str) -> String {
    format!(
        "No matching federated identity record found for presented assertion {what} '{value}'. \
         Check your federated identity credential Subject, Audience and Issuer against the \
         presented assertion."
    )
}

/// The caller's `client-request-id`, or one of ours.
fn correlation(asked: &HeaderMap) -> Uuid {
    asked
        .get("client-request-id")
        .and_then(|value| value.to_str().ok())
        .and_then(|text| Uuid::parse_str(text).ok())
        .unwrap_or_else(Uuid::new_v4)
}

/// An answer that no cache may keep.
pub(super) fn no_store(mut answer: Answer) -> Answer {
    let headers = answer.headers_mut();
    headers.insert(header::CACHE_CONTROL, header::HeaderValue::from_static("no-store"));
    headers.insert(header::PRAGMA, header::HeaderValue::from_static("no-cache"));
    headers.insert(header::X_CONTENT_TYPE_OPTIONS, header::HeaderValue::from_static("nosniff"));
    answer
}

/// An answer with a body of this type.
pub(super) fn typed(status: StatusCode, kind: &'static str, body: impl Into<Bytes>) -> Answer {
    let mut answer = Answer::new(body.into());
    *answer.status_mut() = status;
    answer.headers_mut().insert(header::CONTENT_TYPE, header::HeaderValue::from_static(kind));
    no_store(answer)
}
