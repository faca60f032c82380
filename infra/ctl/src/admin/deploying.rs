//! Manifests: what each package is, and whom it trusts.

use std::path::Path;

use airlock_core::{digest::Digest, identity::App, manifest::Manifest, package, ports::Partition};
use anyhow::Context as _;
use futures::future::try_join_all;
use tokio::task::JoinSet;

use super::{Office, manifest};
use crate::screen;

/// A package that was read.
pub struct Packed {
    app: App,
    digest: Digest,
}

/// Reads all packages of a deployment. They are large: the vault is asked meanwhile.
pub type Reading = JoinSet<Result<Packed, package::NoDigest>>;

impl Office {
    /// Begins to read all packages.
    pub(super) fn read_packages(&self) -> Reading {
        let mut reading = JoinSet::new();
        for (app, folder) in self.deployment.packages.clone() {
            reading.spawn_blocking(move || {
                package::digest(&folder).map(|digest| Packed { app, digest })
            });
        }
        reading
    }

    /// Signs the manifests of all packages of the deployment.
    pub(super) async fn deploy_all(&self) -> anyhow::Result<()> {
        self.deploy(self.read_packages()).await
    }

    /// Signs the manifests of packages that are being read.
    pub(super) async fn deploy(&self, mut reading: Reading) -> anyhow::Result<()> {
        let mut packed = Vec::new();
        while let Some(read) = reading.join_next().await {
            packed.push(read.context("a package was not read to its end")??);
        }
        packed.sort_unstable_by_key(|packed| packed.app);
        try_join_all(packed.into_iter().map(async |Packed { app, digest }| {
            let folder = self.deployment.packages.get(&app).context("package without folder")?;
            self.deploy_manifest(app, folder, digest).await
        }))
        .await?;
        Ok(())
    }

    /// Signs an app's manifest into its package, and stores it where the ledger records it.
    pub(super) async fn deploy_manifest(
        &self,
        app: App,
        folder: &Path,
        digest: Digest,
    ) -> anyhow::Result<()> {
        let authority = self.authority().await?;
        let root = &*authority.signer;
        let now = self.clock.now();
        let manifest = manifest::describe(&self.deployment, app, root, digest, now)?;
        let (signed, outcome) = match manifest::stands(folder, &manifest, now)? {
            Some(signed) => (signed, "is unchanged"),
            None => (manifest::write(folder, &manifest, root, now).await?, "is signed"),
        };
        let press = self.press().await?;
        let (partition, id) = (Partition::deployment(), manifest::document_id(app));
        let standing = press.standing::<Manifest>(&partition, &id).await?;
        let is_stored =
            standing.as_ref().is_some_and(|standing| standing.artefact.as_str() == signed.as_str());
        if !is_stored {
            press.store(&partition, &id, &signed, standing.as_ref()).await?;
        }
        screen::line(format_args!("manifest of {app} {outcome}"))?;
        Ok(())
    }
}
