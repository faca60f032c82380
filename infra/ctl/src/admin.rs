//! The admin plane: signs what a deployment trusts.
//!
//! Keyset, bindings and manifests are signed by one key in Key Vault, the admin root. Whoever
//! may use it decides whom every handler believes, so it is used here and nowhere else, and
//! what has not changed is not signed again.

mod binding;
mod deployment;
mod erasing;
mod hosted;
mod keyset;
mod manifest;
mod package;
mod publish;
mod store;
mod vault;

use std::{path::Path, sync::Arc};

use airlock_core::{
    digest::Digest,
    identity::{App, PersonId, TenantId},
    jwk::Thumbprint,
    ports::{Clock, Entropy, Partition},
    trust::{BINDING_ID, KEYSET_ID},
};
use anyhow::Context as _;
use futures::future::{try_join, try_join_all};
use tokio::task::JoinSet;

use self::{
    binding::Bindings,
    deployment::Deployment,
    hosted::Hosted,
    keyset::{Listed, Plan},
    publish::{Press, Published},
};
use crate::{Ending, Surroundings, cli::Admin, screen};

/// Carries out a command of the admin plane.
///
/// # Errors
///
/// If anything that was to be signed was not.
pub async fn carry_out(command: &Admin, surroundings: &Surroundings) -> anyhow::Result<Ending> {
    let named = match command {
        Admin::Bootstrap(deployed) => deployed,
        Admin::Keyset(options) => &options.deployed,
        Admin::Bind(options) => &options.deployed,
        Admin::Manifest(options) => &options.deployed,
        Admin::Erase(options) => &options.deployed,
    };
    let deployment = Deployment::read(&named.deployment)?;
    let clock = Arc::clone(&surroundings.clock);
    let hosted = Hosted::connect(&deployment, surroundings.managed_identity)?;
    let entropy = Arc::clone(&surroundings.entropy);
    let office = Office { deployment, hosted, clock, entropy };
    match command {
        Admin::Bootstrap(_) => office.bootstrap().await?,
        Admin::Keyset(options) => office.keyset(&options.revoke).await?,
        Admin::Bind(options) => office.bind(options.file.as_deref()).await?,
        Admin::Manifest(options) => {
            let digest = package::digest(&options.package)?;
            office.manifest(options.app, &options.package, digest).await?;
        }
        Admin::Erase(options) => {
            let tid = options.home.unwrap_or(options.tenant);
            office.erase(options.tenant, PersonId { tid, oid: options.user }).await?;
        }
    }
    Ok(Ending::Done)
}

/// Where the admin plane works: a deployment, and the way to its vault and store.
struct Office {
    deployment: Deployment,
    hosted: Hosted,
    clock: Arc<dyn Clock>,
    entropy: Arc<dyn Entropy>,
}

impl Office {
    /// Everything that a deployment needs before its handlers start.
    async fn bootstrap(&self) -> anyhow::Result<()> {
        // Packages are large: they are read while the vault is asked.
        let mut packages = JoinSet::new();
        for (app, folder) in self.deployment.packages.clone() {
            packages.spawn_blocking(move || package::digest(&folder).map(|digest| (app, digest)));
        }
        self.keyset(&[]).await?;
        self.bind(None).await?;
        let mut digests = Vec::new();
        while let Some(read) = packages.join_next().await {
            digests.push(read.context("a package was not read to its end")??);
        }
        digests.sort_unstable_by_key(|(app, _)| *app);
        try_join_all(digests.into_iter().map(async |(app, digest)| {
            let folder = self.deployment.packages.get(&app).context("package without folder")?;
            self.manifest(app, folder, digest).await
        }))
        .await?;
        Ok(())
    }

    /// Signs and publishes the keyset.
    async fn keyset(&self, revoke: &[Thumbprint]) -> anyhow::Result<()> {
        let Plan { wanted, notes } = keyset::plan(&self.deployment.identities)?;
        for note in notes {
            screen::note(note);
        }
        let read = wanted.into_iter().map(async |wanted| {
            let key = self.hosted.vault().key(&wanted.key).await?;
            anyhow::Ok(Listed { app: wanted.app, jwk: key.public, signs: wanted.signs })
        });
        let (listed, press) = try_join(try_join_all(read), self.press()).await?;
        let now = self.clock.now();
        let partition = Partition::deployment();
        let published = press
            .publish(&partition, KEYSET_ID, |previous| {
                Ok(keyset::next(previous, &listed, revoke, now)?)
            })
            .await
            .context("keyset not published")?;
        match published {
            Published::New(keyset) => screen::line(format_args!(
                "keyset {} of {} keys, until {}",
                keyset.ver,
                keyset.keys.len(),
                keyset.exp
            ))?,
            Published::Unchanged(keyset) => {
                screen::line(format_args!("keyset {} is unchanged", keyset.ver))?;
            }
        }
        Ok(())
    }

    /// Signs and publishes every binding of a file.
    async fn bind(&self, file: Option<&Path>) -> anyhow::Result<()> {
        let file = file.unwrap_or(&self.deployment.bindings);
        let bindings = Bindings::read(file, self.deployment.tenant)?;
        let press = self.press().await?;
        let now = self.clock.now();
        let published = try_join_all(bindings.tenants.iter().map(async |wanted| {
            let partition = Partition::bindings(wanted.tenant);
            press
                .publish(&partition, BINDING_ID, |previous| {
                    Ok(binding::next(previous, wanted, now)?)
                })
                .await
                .with_context(|| format!("binding of {} not published", wanted.terms.name))
        }))
        .await?;
        for published in published {
            match published {
                Published::New(binding) => screen::line(format_args!(
                    "binding {} of {} ({}), until {}",
                    binding.ver, binding.terms.name, binding.tnt, binding.exp
                ))?,
                Published::Unchanged(binding) => screen::line(format_args!(
                    "binding {} of {} ({}) is unchanged",
                    binding.ver, binding.terms.name, binding.tnt
                ))?,
            }
        }
        Ok(())
    }

    /// Signs an app's manifest into its package.
    async fn manifest(&self, app: App, folder: &Path, digest: Digest) -> anyhow::Result<()> {
        let root = self.hosted.root(&self.deployment).await?;
        let now = self.clock.now();
        let manifest = manifest::describe(&self.deployment, app, &*root, digest, now)?;
        let outcome = if manifest::stands(folder, &manifest, now)? {
            "is unchanged"
        } else {
            manifest::write(folder, &manifest, &*root, now).await?;
            "is signed"
        };
        screen::line(format_args!("manifest of {app} {outcome}"))?;
        Ok(())
    }

    /// Orders that a person is erased from a tenant.
    async fn erase(&self, tenant: TenantId, person: PersonId) -> anyhow::Result<()> {
        let root = self.hosted.root(&self.deployment);
        let store = self.hosted.store(&self.deployment);
        let (root, store) = try_join(root, store).await?;
        let tools = (&*self.clock, &*self.entropy);
        let order = erasing::order(tenant, person, &*store, &*root, tools).await?;
        screen::line(format_args!(
            "order {} stands until {}: intake erases what names the person, and what has not ended \
             once it has; the ledger says airlock.erasure.done when nothing is left",
            order.jti, order.exp
        ))?;
        Ok(())
    }

    async fn press(&self) -> anyhow::Result<Press<'_>> {
        let root = self.hosted.root(&self.deployment);
        let store = self.hosted.store(&self.deployment);
        let (root, store) = try_join(root, store).await?;
        Ok(Press::new(store, root, &*self.clock))
    }
}
