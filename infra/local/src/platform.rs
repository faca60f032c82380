//! What the platform gives to a process: who it is, and how it finds and trusts the loopback.

use std::{
    collections::BTreeMap,
    fs,
    path::{Path, PathBuf},
};

use anyhow::Context as _;

use crate::door::Opened;

/// What the platform gives to a process besides its settings.
pub struct Platform {
    /// `IDENTITY_ENDPOINT`.
    pub identity_endpoint: String,
    identity_headers: BTreeMap<String, String>,
    /// `HTTPS_PROXY`.
    pub proxy: String,
    /// `SSL_CERT_FILE`.
    pub ca: PathBuf,
}

impl Platform {
    /// Of an open cloud, whose certificate authority is put into a file.
    ///
    /// # Errors
    ///
    /// If that cannot be written.
    pub fn of(opened: &Opened, state: &Path) -> anyhow::Result<Self> {
        let ca = state.join("ca.pem");
        fs::write(&ca, &opened.ca_pem).with_context(|| ca.display().to_string())?;
        Ok(Self {
            identity_endpoint: opened.identity_url.clone(),
            identity_headers: opened.identity_headers.clone(),
            proxy: format!("http://{}", opened.proxy),
            ca,
        })
    }

    /// The two that Azure gives, and the three by which the loopback is found and trusted.
    ///
    /// # Errors
    ///
    /// If there is no such identity.
    pub fn environment(&self, identity: &str) -> anyhow::Result<BTreeMap<String, String>> {
        let header = self
            .identity_headers
            .get(identity)
            .with_context(|| format!("the identity endpoint does not know {identity}"))?;
        let given = [
            ("IDENTITY_ENDPOINT", self.identity_endpoint.clone()),
            ("IDENTITY_HEADER", header.clone()),
            ("SSL_CERT_FILE", self.ca.display().to_string()),
            ("HTTPS_PROXY", self.proxy.clone()),
            // Without it Cosmos' client would not look at the proxy.
            ("AZURE_COSMOS_CONNECTION_POOL_IS_PROXY_ALLOWED", "true".to_owned()),
        ];
        Ok(given.map(|(name, value)| (name.to_owned(), value)).into())
    }
}
