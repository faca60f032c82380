//! One HTTP call over the process's client, with everything that can go wrong on the way.

use airlock_core::ports::PortError;
use axum::http::{HeaderMap, StatusCode, header};

/// The largest answer that is read, in bytes. Tokens of a person with many roles have 10 KiB.
const MOST_BYTES: usize = 256 * 1024;

/// An answer, read whole.
pub struct Answer {
    /// Below 500, and not 429.
    pub status: StatusCode,
    /// What it says.
    pub body: Vec<u8>,
}

/// Sends a request. Redirects are not followed, and the client limits the time.
///
/// # Errors
///
/// [`PortError::Unavailable`] without an answer or with one of 5xx, [`PortError::Throttled`]
/// with 429, [`PortError::Broken`] if the request cannot be sent or its answer is too large.
pub async fn exchange(
    http: &reqwest::Client,
    request: reqwest::Request,
) -> Result<Answer, PortError> {
    let mut response = airlock_azure::send(http, request).await.map_err(not_sent)?;
    let status = response.status();
    if status == StatusCode::TOO_MANY_REQUESTS {
        return Err(PortError::Throttled { after_s: retry_after_s(response.headers()) });
    }
    if status.is_server_error() {
        return Err(PortError::Unavailable(format!("answered {status}").into()));
    }
    let mut body = Vec::new();
    while let Some(chunk) = response.chunk().await.map_err(not_sent)? {
        if body.len() + chunk.len() > MOST_BYTES {
            return Err(PortError::Broken(format!("answer larger than {MOST_BYTES} bytes").into()));
        }
        body.extend_from_slice(&chunk);
    }
    Ok(Answer { status, body })
}

/// A request that could not be made, or was not answered.
pub fn not_sent(error: reqwest::Error) -> PortError {
    let is_ours = error.is_builder();
    // The address can hold what must not be logged.
    let error = error.without_url();
    if is_ours { PortError::Broken(error.into()) } else { PortError::Unavailable(error.into()) }
}

fn retry_after_s(headers: &HeaderMap) -> Option<u64> {
    headers.get(header::RETRY_AFTER)?.to_str().ok()?.parse().ok()
}
