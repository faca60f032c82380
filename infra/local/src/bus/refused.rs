//! What Service Bus says when it says no.

use bytes::Bytes;
use http::{HeaderMap, HeaderValue, StatusCode, header};
use time::{OffsetDateTime, macros::format_description};
use uuid::Uuid;

use crate::cloud::{Answer, NotAuthenticated};

/// An answer that is an error.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Refused {
    pub(super) status: StatusCode,
    pub(super) detail: String,
}

pub(super) fn refused(status: StatusCode, detail: String) -> Refused {
    Refused { status, detail }
}

/// Service Bus puts a code before the reason; Entra's reason is told by its words.
pub(super) fn not_authenticated(
    headers: &HeaderMap,
    NotAuthenticated(why): &NotAuthenticated,
) -> Refused {
    let detail = if headers.contains_key(header::AUTHORIZATION) {
        let reason = why.to_ascii_lowercase();
        let code = ["expired", "audience", "issuer", "signature"]
            .into_iter()
            .zip(["ExpiredToken", "InvalidAudience", "InvalidIssuer", "InvalidSignature"])
            .find_map(|(word, code)| reason.contains(word).then_some(code))
            .unwrap_or("InvalidToken");
        format!("{code}: {why}")
    } else {
        "MissingToken: The authorization header was not found.".to_owned()
    };
    refused(StatusCode::UNAUTHORIZED, detail)
}

impl Refused {
    pub(super) fn into_answer(self, host: &str, path: &str) -> Answer {
        let now = OffsetDateTime::now_utc()
            .format(format_description!("[year]-[month]-[day]T[hour]:[minute]:[second]"))
            .unwrap_or_default();
        let detail = format!(
            "{} TrackingId:{}_G1, SystemTracker:{host}:{}, Timestamp:{now}",
            self.detail,
            Uuid::new_v4(),
            path.trim_matches('/'),
        );
        let detail = detail.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;");
        let code = self.status.as_u16();
        let body = format!("<Error><Code>{code}</Code><Detail>{detail}</Detail></Error>");
        let mut answer = Answer::new(Bytes::from(body));
        *answer.status_mut() = self.status;
        let xml = HeaderValue::from_static("application/xml; charset=utf-8");
        answer.headers_mut().insert(header::CONTENT_TYPE, xml);
        answer
    }
}
