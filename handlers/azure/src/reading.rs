//! Store and anchors for whoever is no handler and looks at a ledger: the admin plane, with a
//! credential of its own.

use std::sync::Arc;

use airlock_core::ports::{Blobs, Documents, PortError};
use azure_core::credentials::TokenCredential;

use crate::{
    blobs::BlobStore,
    cosmos::Cosmos,
    failure::port_error,
    transport::{self, Wire},
};

/// The documents of an account, whose own database has this name.
///
/// # Errors
///
/// [`PortError`] if the account does not answer.
pub async fn documents(
    account: &str,
    database: &str,
    credential: Arc<dyn TokenCredential>,
) -> Result<Arc<dyn Documents>, PortError> {
    Ok(Arc::new(Cosmos::connect(account, database, credential).await?))
}

/// The blobs of an account. Calls nothing yet.
///
/// # Errors
///
/// [`PortError`] if there is no HTTP client, or the address is not one.
pub fn blobs(
    account: &str,
    authority: &str,
    credential: Arc<dyn TokenCredential>,
) -> Result<Arc<dyn Blobs>, PortError> {
    let wire = Wire::new(transport::client().map_err(port_error)?, authority);
    Ok(Arc::new(BlobStore::new(account, credential, &wire).map_err(port_error)?))
}
