//! A signing key, as its app uses it: in all its versions.

use std::sync::{
    Arc, Mutex,
    atomic::{AtomicBool, Ordering},
};

use async_trait::async_trait;

use super::{Rented, absent, lock};
use crate::{
    digest::Digest,
    jwk::PublicKey,
    memory::lost,
    ports::{PortError, Signer as _, SigningVersions},
    signing::SigningVersion,
};

/// A signing key in [`Rented`], for the app whose it is.
pub struct Signing {
    rented: Arc<Rented>,
    name: String,
    calls: Mutex<Vec<&'static str>>,
    is_out: AtomicBool,
}

impl Signing {
    pub(super) fn new(rented: Arc<Rented>, name: &str) -> Self {
        let (calls, is_out) = (Mutex::default(), AtomicBool::default());
        Self { rented, name: name.to_owned(), calls, is_out }
    }

    /// What was called, in order.
    #[must_use]
    pub fn calls(&self) -> Vec<&'static str> {
        lock(&self.calls).clone()
    }

    /// From now on the vault does not answer, or does again.
    pub fn lose(&self, is_out: bool) {
        self.is_out.store(is_out, Ordering::SeqCst);
    }

    /// Lets others have their turn, as a call over a network does.
    async fn called(&self, what: &'static str) -> Result<(), PortError> {
        lock(&self.calls).push(what);
        tokio::task::yield_now().await;
        if self.is_out.load(Ordering::SeqCst) { Err(lost()) } else { Ok(()) }
    }
}

#[async_trait]
impl SigningVersions for Signing {
    async fn newest(&self) -> Result<SigningVersion, PortError> {
        self.called("newest").await?;
        let held = lock(&self.rented.held);
        let kept = held.keys.get(&self.name).and_then(|kept| kept.last()).ok_or_else(absent)?;
        let kept = held.kept(&self.name, &kept.version.id)?;
        let key = kept.signs.as_ref().ok_or_else(absent)?.key().clone();
        Ok(SigningVersion { id: kept.version.id.clone(), key })
    }

    async fn usable(&self) -> Result<Vec<String>, PortError> {
        self.called("usable").await?;
        let held = lock(&self.rented.held);
        let kept = held.keys.get(&self.name).into_iter().flatten().rev();
        Ok(kept.filter(|kept| kept.version.enabled).map(|kept| kept.version.id.clone()).collect())
    }

    async fn public(&self, version: &str) -> Result<PublicKey, PortError> {
        self.called("public").await?;
        let held = lock(&self.rented.held);
        let signs = held.kept(&self.name, version)?.signs.as_ref().ok_or_else(absent)?;
        Ok(signs.key().clone())
    }

    async fn sign(&self, version: &str, digest: &Digest) -> Result<[u8; 64], PortError> {
        self.called("sign").await?;
        let signs = lock(&self.rented.held).kept(&self.name, version)?.signs.clone();
        let signs = signs.ok_or_else(absent)?;
        signs.sign(signs.key(), digest).await
    }
}
