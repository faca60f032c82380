//! Blob storage, create-only.
//!
//! With the SDK: it puts a small blob in one request with `If-None-Match: *`, which makes the
//! creation atomic, and authenticates with a `TokenCredential`; REST by hand would say no more.

use std::sync::Arc;

use airlock_core::{
    ports::{Blob, Blobs, Created, PortError},
    time::Timestamp,
};
use async_trait::async_trait;
use azure_core::{credentials::TokenCredential, error::ErrorKind, http::Url};
use azure_storage_blob::{
    BlobServiceClient, BlobServiceClientOptions,
    models::{BlobContainerClientListBlobsOptions, BlobItem, BlockBlobClientUploadOptions},
};
use bytes::Bytes;
use futures::TryStreamExt as _;

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

    async fn list(
        &self,
        container: &str,
        prefix: &str,
        limit: usize,
    ) -> Result<Vec<Blob>, PortError> {
        let client = self.client.blob_container_client(container);
        // The service gives 5,000 at once at the most, and more by continuing.
        let page = i32::try_from(limit.min(MOST_LISTED)).unwrap_or(i32::MAX);
        let options = BlobContainerClientListBlobsOptions {
            prefix: Some(prefix.to_owned()),
            maxresults: Some(page),
            ..BlobContainerClientListBlobsOptions::default()
        };
        let mut pages = client.list_blobs(Some(options)).map_err(port_error)?.into_pages();
        let mut listed = Vec::new();
        while listed.len() < limit {
            let page = in_time(async { pages.try_next().await.map_err(port_error) }).await?;
            let Some(page) = page else { break };
            let page = page.into_model().map_err(port_error)?;
            for item in page.blob_items {
                listed.push(blob(item)?);
            }
        }
        listed.truncate(limit);
        Ok(listed)
    }
}

/// Blobs that one call lists at the most.
const MOST_LISTED: usize = 5_000;

/// A blob as the service lists it. Ours are never replaced, so the last change is the creation.
fn blob(item: BlobItem) -> Result<Blob, PortError> {
    let at = item.properties.and_then(|properties| properties.last_modified);
    match (item.name, at) {
        (Some(name), Some(at)) => {
            Ok(Blob { name, at: Timestamp::from_unix_s(at.unix_timestamp()) })
        }
        _ => Err(PortError::Broken("blob listed without name or time".into())),
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
