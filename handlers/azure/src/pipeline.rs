//! Calls that have no client in Azure's crates, over the pipeline that all of those have.

use airlock_core::ports::PortError;
use azure_core::http::{
    AsyncRawResponse, PipelineOptions, RawResponse, StatusCode, policies::RetryHeaders,
};
use bytes::BytesMut;
use futures::StreamExt as _;

use crate::failure::port_error;

/// Statuses after which it is asked again at once. Not 429 and 503: who is told to come back later
/// says so to its caller, who has other things to do meanwhile.
const PASSING: [StatusCode; 4] = [
    StatusCode::RequestTimeout,
    StatusCode::InternalServerError,
    StatusCode::BadGateway,
    StatusCode::GatewayTimeout,
];

/// Asks again after what passes, and does not insist.
pub(crate) fn patient() -> PipelineOptions {
    PipelineOptions { retry_headers: RetryHeaders::default(), retry_status_codes: PASSING.to_vec() }
}

/// An answer with its body, unless that has more than so many bytes.
///
/// # Errors
///
/// [`PortError`].
pub(crate) async fn whole(
    response: AsyncRawResponse,
    most_bytes: usize,
) -> Result<RawResponse, PortError> {
    let (status, headers, mut body) = response.deconstruct();
    let mut bytes = BytesMut::new();
    while let Some(part) = body.next().await {
        let part = part.map_err(port_error)?;
        if bytes.len() + part.len() > most_bytes {
            return Err(PortError::Broken("answer is too long".into()));
        }
        bytes.extend_from_slice(&part);
    }
    Ok(RawResponse::from_bytes(status, headers, bytes.freeze()))
}

#[cfg(test)]
mod tests {
    use azure_core::http::headers::Headers;

    use super::*;

    #[tokio::test]
    async fn an_answer_without_end_is_not_read_to_its_end() {
        let answer = |bytes: usize| {
            AsyncRawResponse::from_bytes(StatusCode::Ok, Headers::new(), vec![b' '; bytes])
        };

        assert_eq!(whole(answer(1000), 1000).await.unwrap().body().len(), 1000);
        assert!(matches!(whole(answer(1001), 1000).await, Err(PortError::Broken(_))));
    }
}
