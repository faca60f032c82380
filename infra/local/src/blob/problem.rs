//! What Blob storage says when it says no.

use bytes::Bytes;
use http::{HeaderValue, StatusCode, header};
use time::OffsetDateTime;
use uuid::Uuid;

use super::stamped;
use crate::cloud::Answer;

/// One of Azure's error codes with its status and sentence.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Problem {
    pub(super) status: StatusCode,
    pub(super) code: &'static str,
    message: &'static str,
}

macro_rules! problems {
    ($($name:ident = $status:ident $code:literal $message:literal;)*) => {
        impl Problem {
            $(pub(super) const $name: Self =
                Self { status: StatusCode::$status, code: $code, message: $message };)*
        }
    };
}

problems! {
    ALREADY_EXISTS = CONFLICT "BlobAlreadyExists" "The specified blob already exists.";
    BLOB_NOT_FOUND = NOT_FOUND "BlobNotFound" "The specified blob does not exist.";
    CONDITION_NOT_MET = PRECONDITION_FAILED "ConditionNotMet"
        "The condition specified using HTTP conditional header(s) is not met.";
    CONTAINER_NOT_FOUND = NOT_FOUND "ContainerNotFound" "The specified container does not exist.";
    IMMUTABLE = CONFLICT "BlobImmutableDueToPolicy"
        "This operation is not permitted as the blob is immutable due to a policy.";
    INVALID_HEADER = BAD_REQUEST "InvalidHeaderValue"
        "The value for one of the HTTP headers is not in the correct format.";
    INVALID_QUERY = BAD_REQUEST "InvalidQueryParameterValue"
        "Value for one of the query parameters specified in the request URI is invalid.";
    INVALID_RANGE = RANGE_NOT_SATISFIABLE "InvalidRange"
        "The range specified is invalid for the current size of the resource.";
    INVALID_TOKEN = UNAUTHORIZED "InvalidAuthenticationInfo"
        "Server failed to authenticate the request. Please refer to the information in the www-authenticate header.";
    INVALID_URI = BAD_REQUEST "InvalidUri" "The requested URI does not represent any resource on the server.";
    MISSING_HEADER = BAD_REQUEST "MissingRequiredHeader"
        "An HTTP header that's mandatory for this request is not specified.";
    NOT_GRANTED = FORBIDDEN "AuthorizationPermissionMismatch"
        "This request is not authorized to perform this operation using this permission.";
    NOT_MODIFIED = NOT_MODIFIED "ConditionNotMet"
        "The condition specified using HTTP conditional header(s) is not met.";
    NO_TOKEN = UNAUTHORIZED "NoAuthenticationInformation"
        "Server failed to authenticate the request. Please refer to the information in the www-authenticate header.";
    OUT_OF_RANGE = BAD_REQUEST "OutOfRangeQueryParameterValue"
        "One of the query parameters specified in the request URI is outside the permissible range.";
    UNSUPPORTED_QUERY = BAD_REQUEST "UnsupportedQueryParameter"
        "One of the query parameters specified in the request URI is not supported.";
    UNSUPPORTED_VERB = METHOD_NOT_ALLOWED "UnsupportedHttpVerb"
        "The resource doesn't support specified Http Verb.";
}

impl Problem {
    /// The answer. `detail` is for the one kind of problem that Azure explains: a token's.
    pub(super) fn answer(self, detail: Option<&str>) -> Answer {
        let now = OffsetDateTime::now_utc()
            .format(&time::format_description::well_known::Rfc3339)
            .unwrap_or_default();
        let Self { code, message, .. } = self;
        let detail = detail.map_or_else(String::new, |detail| {
            format!("<AuthenticationErrorDetail>{}</AuthenticationErrorDetail>", escaped(detail))
        });
        let body = format!(
            "\u{feff}<?xml version=\"1.0\" encoding=\"utf-8\"?><Error><Code>{code}</Code>\
             <Message>{message}\nRequestId:{}\nTime:{now}</Message>{detail}</Error>",
            Uuid::new_v4(),
        );
        let mut answer = stamped(self.status, Bytes::from(body));
        let headers = answer.headers_mut();
        headers.insert("x-ms-error-code", HeaderValue::from_static(code));
        headers.insert(header::CONTENT_TYPE, HeaderValue::from_static("application/xml"));
        if self.status == StatusCode::NOT_MODIFIED {
            answer.headers_mut().remove(header::CONTENT_TYPE);
            *answer.body_mut() = Bytes::new();
        }
        answer
    }
}

/// Text as XML carries it.
pub(super) fn escaped(text: &str) -> String {
    text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;").replace('"', "&quot;")
}
