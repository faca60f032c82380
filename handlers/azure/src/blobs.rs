//! Blob storage, create-only.
//!
//! With the SDK: it puts a small blob in one request with `If-None-Match: *`, which makes the
//! creation atomic, and authenticates with a `TokenCredential`; REST by hand would say no more.

use std::sync::Arc;

use airlock_core::ports::{Blobs, Created, PortError};
use async_trait::async_trait;
use azure_core::{credentials::TokenCredential, error::ErrorKind, http::Url};
use azure_storage_blob::{
    BlobServiceClient, BlobServiceClientOptions, models::BlockBlobClientUploadOptions,
};
use bytes::Bytes;

use crate::{
    failure::{in_time, port_error},
    transport::Wire,
};

/// One storage account.
pub(crate) struct BlobStore {
    client: BlobServiceClient,
}

impl BlobStore {
    pub(crate) fn new(
        account: &str,
        identity: Arc<dyn TokenCredential>,
        wire: &Wire,
    ) -> azure_core::Result<Self> {
        let options = BlobServiceClientOptions {
            client_options: wire.repeating(),
            ..BlobServiceClientOptions::default()
        };
        let client = BlobServiceClient::new(Url::parse(account)?, Some(identity), Some(options))?;
        Ok(Self { client })
    }
}

#[async_trait]
impl Blobs for BlobStore {
    async fn create(
        &self,
        container: &str,
        name: &str,
        bytes: &[u8],
    ) -> Result<Created, PortError> {
        let client = self.client.blob_client(container, name).block_blob_client();
        let content = Bytes::copy_from_slice(bytes).into();
        let options = BlockBlobClientUploadOptions::default().if_not_exists();
        in_time(async {
            match client.upload(content, Some(options)).await {
                Ok(_) => Ok(Created::New),
                Err(error) if exists_already(&error) => Ok(Created::Existed),
                Err(error) => Err(port_error(error)),
            }
        })
        .await
    }

    async fn read(&self, container: &str, name: &str) -> Result<Option<Vec<u8>>, PortError> {
        let client = self.client.blob_client(container, name);
        in_time(async {
            match client.download(None).await {
                Ok(found) => {
                    let bytes = found.body.collect().await.map_err(port_error)?;
                    Ok(Some(bytes.to_vec()))
                }
                Err(error) if is_not_there(&error) => Ok(None),
                Err(error) => Err(port_error(error)),
            }
        })
        .await
    }
}

/// Whether the condition `If-None-Match: *` was what failed.
fn exists_already(error: &azure_core::Error) -> bool {
    matches!(
        code(error),
        Some((409, "BlobAlreadyExists" | "BlobImmutableDueToPolicy") | (412, "ConditionNotMet"))
    )
}

/// Whether the blob is not there. A container that is not there is a fault in the deployment.
fn is_not_there(error: &azure_core::Error) -> bool {
    matches!(code(error), Some((404, "BlobNotFound")))
}

fn code(error: &azure_core::Error) -> Option<(u16, &str)> {
    match error.kind() {
        ErrorKind::HttpResponse { status, error_code: Some(code), .. } => {
            Some((u16::from(*status), code))
        }
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use azure_core::http::StatusCode;

    use super::*;

    fn said(status: u16, code: &str) -> azure_core::Error {
        let kind = ErrorKind::HttpResponse {
            status: StatusCode::from(status),
            error_code: Some(code.to_owned()),
            raw_response: None,
        };
        azure_core::Error::with_message(kind, "said no")
    }

    #[test]
    fn only_an_existing_blob_counts_as_created_before() {
        assert!(exists_already(&said(409, "BlobAlreadyExists")));
        assert!(exists_already(&said(412, "ConditionNotMet")));
        assert!(!exists_already(&said(409, "ContainerBeingDeleted")));
        assert!(!exists_already(&said(412, "LeaseIdMissing")));
        assert!(!exists_already(&said(403, "AuthorizationPermissionMismatch")));
    }

    #[test]
    fn a_container_that_is_not_there_is_no_missing_blob() {
        assert!(is_not_there(&said(404, "BlobNotFound")));
        assert!(!is_not_there(&said(404, "ContainerNotFound")));
    }
}
