//! What a failure of Azure's means to whoever called: one of four things.

use std::{error::Error, future::Future};

use airlock_core::ports::PortError;
use azure_core::{
    error::ErrorKind,
    http::headers::{HeaderName, Headers},
};

use crate::transport::CALL;

/// What the service says with its status, or the lack of an answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Meaning {
    Unavailable,
    Throttled(Option<u64>),
    Denied,
    Broken,
}

impl Meaning {
    /// Of a status that is no success.
    pub(crate) const fn of_status(status: u16, after_s: Option<u64>) -> Self {
        match status {
            429 => Self::Throttled(after_s),
            // 449: Cosmos DB asks to try again.
            408 | 449 | 500..=599 => Self::Unavailable,
            401 | 403 => Self::Denied,
            _ => Self::Broken,
        }
    }

    /// The error that says so, with its reason.
    pub(crate) fn because(self, source: impl Into<Box<dyn Error + Send + Sync>>) -> PortError {
        match self {
            Self::Unavailable => PortError::Unavailable(source.into()),
            Self::Throttled(after_s) => PortError::Throttled { after_s },
            Self::Denied => PortError::Denied(source.into()),
            Self::Broken => PortError::Broken(source.into()),
        }
    }
}

/// Says what a failed call means.
pub(crate) fn port_error(error: azure_core::Error) -> PortError {
    meaning(&error).because(error)
}

/// Ends work that takes longer than any call may.
pub(crate) async fn in_time<T, E: From<PortError>>(
    work: impl Future<Output = Result<T, E>> + Send,
) -> Result<T, E> {
    match tokio::time::timeout(CALL, work).await {
        Ok(done) => done,
        Err(elapsed) => Err(PortError::Unavailable(elapsed.into()).into()),
    }
}

/// Seconds after which to ask again, if the service says so.
pub(crate) fn retry_after_s(headers: &Headers) -> Option<u64> {
    headers
        .get_optional_str(&HeaderName::from_static("retry-after"))
        .and_then(|text| text.trim().parse().ok())
}

fn meaning(error: &azure_core::Error) -> Meaning {
    match error.kind() {
        ErrorKind::HttpResponse { status, raw_response, .. } => {
            let after_s = raw_response.as_ref().and_then(|raw| retry_after_s(raw.headers()));
            Meaning::of_status(u16::from(*status), after_s)
        }
        ErrorKind::Connection | ErrorKind::Io => Meaning::Unavailable,
        ErrorKind::Credential => meaning_of_no_token(error),
        ErrorKind::DataConversion | ErrorKind::Other => Meaning::Broken,
    }
}

/// Codes of Entra (`AADSTS…`) with which it asks to try again: a federated credential that has
/// not reached every region, and a throttled tenant. Their status, 400 or 401, says the opposite.
const PASSING: [&str; 2] = ["70021", "90055"];

/// Why there is no token stands in a source of the error; the error itself says only that.
fn meaning_of_no_token(error: &azure_core::Error) -> Meaning {
    let sources = std::iter::successors(error.source(), |&error| error.source());
    for source in sources.filter_map(|source| source.downcast_ref::<azure_core::Error>()) {
        match source.kind() {
            ErrorKind::Credential => {}
            ErrorKind::HttpResponse { error_code: Some(codes), .. }
                if codes.split(',').any(|code| PASSING.contains(&code)) =>
            {
                return Meaning::Unavailable;
            }
            _ => {
                return match meaning(source) {
                    // Whatever the endpoint's reason is, it gives us no token.
                    Meaning::Broken if source.http_status().is_some() => Meaning::Denied,
                    other => other,
                };
            }
        }
    }
    Meaning::Broken
}

#[cfg(test)]
mod tests {
    use azure_core::http::{RawResponse, StatusCode};

    use super::*;

    fn http(status: u16, code: Option<&str>) -> azure_core::Error {
        let status = StatusCode::from(status);
        let mut headers = Headers::new();
        headers.insert("retry-after", "7");
        let raw = RawResponse::from_bytes(status, headers, "");
        let error_code = code.map(str::to_owned);
        let kind =
            ErrorKind::HttpResponse { status, error_code, raw_response: Some(Box::new(raw)) };
        azure_core::Error::with_message(kind, "said no")
    }

    fn no_token(inner: azure_core::Error) -> azure_core::Error {
        let once = azure_core::Error::with_error(ErrorKind::Credential, inner, "no token");
        azure_core::Error::with_error(ErrorKind::Credential, once, "no assertion")
    }

    #[test]
    fn a_status_means_what_it_says() {
        let of = |status| meaning(&http(status, None));

        assert_eq!(of(429), Meaning::Throttled(Some(7)));
        assert_eq!(of(503), Meaning::Unavailable);
        assert_eq!(of(408), Meaning::Unavailable);
        assert_eq!(of(401), Meaning::Denied);
        assert_eq!(of(403), Meaning::Denied);
        assert_eq!(of(400), Meaning::Broken);
        assert_eq!(of(302), Meaning::Broken);
    }

    #[test]
    fn no_answer_is_unavailable() {
        let of = |kind| meaning(&azure_core::Error::with_message(kind, ""));

        assert_eq!(of(ErrorKind::Io), Meaning::Unavailable);
        assert_eq!(of(ErrorKind::Connection), Meaning::Unavailable);
        assert_eq!(of(ErrorKind::DataConversion), Meaning::Broken);
    }

    #[test]
    fn without_a_token_the_reason_behind_it_counts() {
        let of = |inner| meaning(&no_token(inner));

        assert_eq!(of(http(400, Some("70021"))), Meaning::Unavailable);
        assert_eq!(of(http(400, Some("50000,90055"))), Meaning::Unavailable);
        assert_eq!(of(http(401, Some("700213"))), Meaning::Denied);
        assert_eq!(of(http(400, None)), Meaning::Denied);
        assert_eq!(of(http(500, None)), Meaning::Unavailable);
        assert_eq!(of(http(429, None)), Meaning::Throttled(Some(7)));
        assert_eq!(of(azure_core::Error::with_message(ErrorKind::Io, "")), Meaning::Unavailable);
        let unreadable = azure_core::Error::with_message(ErrorKind::DataConversion, "");
        assert_eq!(of(unreadable), Meaning::Broken);
    }

    #[tokio::test(start_paused = true)]
    async fn what_takes_too_long_is_unavailable() {
        let never = std::future::pending::<Result<(), PortError>>();

        assert!(matches!(in_time(never).await, Err(PortError::Unavailable(_))));
    }
}
