//! Refusals, in Graph's words.

use http::StatusCode;
use serde_json::json;
use time::OffsetDateTime;
use uuid::Uuid;

use super::call::Reply;
use crate::directory::{self, Resync};

/// Why a request was not carried out.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Refusal {
    /// HTTP status.
    pub status: StatusCode,
    /// Graph's word for the reason.
    pub code: &'static str,
    /// The reason in a sentence.
    pub message: String,
}

impl Refusal {
    fn new(status: StatusCode, code: &'static str, message: impl Into<String>) -> Self {
        Self { status, code, message: message.into() }
    }

    /// There is no token, or it is not good.
    pub fn unauthenticated(message: impl Into<String>) -> Self {
        Self::new(StatusCode::UNAUTHORIZED, "InvalidAuthenticationToken", message)
    }

    /// The token is good, but its tenant is not one of this cloud.
    pub fn unknown_tenant() -> Self {
        Self::new(
            StatusCode::UNAUTHORIZED,
            "Authorization_IdentityNotFound",
            "The identity of the calling application could not be established.",
        )
    }

    /// No permission or role covers this.
    pub fn denied() -> Self {
        Self::new(
            StatusCode::FORBIDDEN,
            "Authorization_RequestDenied",
            "Insufficient privileges to complete the operation.",
        )
    }

    /// There is no such object.
    pub fn not_found(what: &str) -> Self {
        Self::new(
            StatusCode::NOT_FOUND,
            "Request_ResourceNotFound",
            format!(
                "Resource '{what}' does not exist or one of its queried reference-property objects are not present."
            ),
        )
    }

    /// The directory does not take this.
    pub fn bad_request(message: impl Into<String>) -> Self {
        Self::new(StatusCode::BAD_REQUEST, "Request_BadRequest", message)
    }

    /// The query does not parse, or asks for what this service does not offer.
    pub fn bad_query(message: impl Into<String>) -> Self {
        Self::new(StatusCode::BAD_REQUEST, "BadRequest", message)
    }

    /// The path leads nowhere.
    pub fn no_such_segment(segment: &str) -> Self {
        Self::bad_query(format!("Resource not found for the segment '{segment}'."))
    }

    /// The path exists, but not for this method.
    pub fn method_not_allowed() -> Self {
        Self::new(
            StatusCode::METHOD_NOT_ALLOWED,
            "Request_BadRequest",
            "Specified HTTP method is not allowed for the request target.",
        )
    }

    /// This service failed, not the request.
    pub fn internal() -> Self {
        Self::new(
            StatusCode::INTERNAL_SERVER_ERROR,
            "InternalServerError",
            "An internal server error occurred. The operation was not carried out.",
        )
    }

    /// Too many in too short a time. Some services do not say when to come again.
    pub fn throttled() -> Self {
        Self::new(
            StatusCode::TOO_MANY_REQUESTS,
            "TooManyRequests",
            "Too many requests. Please try again later.",
        )
    }

    /// The page token is not one of ours.
    pub fn expired_page() -> Self {
        Self::new(
            StatusCode::BAD_REQUEST,
            "Directory_ExpiredPageToken",
            "The specified page token value has expired and can no longer be included in your request.",
        )
    }

    /// The tenant's app management policy lets nobody add such a credential here.
    pub fn credential_not_allowed() -> Self {
        Self::new(
            StatusCode::BAD_REQUEST,
            "CredentialTypeNotAllowedAsPerAppPolicy",
            "Credential type not allowed as per assigned policy.",
        )
    }

    /// Changes since then are not known any more: everything must be read anew.
    pub fn resync(how: Resync) -> Self {
        let status = match how {
            Resync::Gone => StatusCode::GONE,
            Resync::Aged => StatusCode::BAD_REQUEST,
        };
        Self::new(
            status,
            "syncStateNotFound",
            "The sync state generation is not found. The delta token is expired and data must be \
             synchronized again.",
        )
    }

    /// A request of the same batch, on which this one depends, failed.
    pub fn failed_dependency() -> Self {
        Self::new(
            StatusCode::FAILED_DEPENDENCY,
            "FailedDependency",
            "A request that this one depends on was not successful.",
        )
    }

    /// The answer to the request with these ids.
    pub fn reply(self, request_id: Uuid, client_id: &str) -> Reply {
        let date = directory::written(OffsetDateTime::now_utc());
        let body = json!({
            "error": {
                "code": self.code,
                "message": self.message,
                "innerError": {
                    // Without a zone, as Graph writes it.
                    "date": date.trim_end_matches('Z'),
                    "request-id": request_id,
                    "client-request-id": client_id,
                },
            },
        });
        Reply { status: self.status, body: Some(body), effects: Vec::new() }
    }
}
