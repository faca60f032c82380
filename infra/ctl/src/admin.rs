//! The admin plane: signs what a deployment trusts.
//!
//! Keyset, bindings and manifests are signed by one key in Key Vault, the admin root. Whoever
//! may use it decides whom every handler believes, so it is used here and nowhere else, and
//! what has not changed is not signed again.

mod authority;
mod bind;
mod binding;
mod deploying;
mod deployment;
mod erasing;
mod hosted;
mod keys;
mod keyset;
mod local;
mod manifest;
mod platform;
mod publish;
mod recovering;
mod store;
mod vault;

use std::{path::Path, sync::Arc};

use airlock_core::{
    identity::{PersonId, TenantId},
    package,
    ports::{Clock, Entropy},
};
use anyhow::bail;
use futures::future::try_join;

use self::{
    authority::Authority,
    deployment::Deployment,
    hosted::Hosted,
    publish::{Press, Shelf},
    recovering::Tree,
};
pub use self::{deployment::KeyName, vault::Version};
use crate::{
    Ending, Surroundings,
    cli::{Admin, BindOrder, Place, RecoverOrder, TreeName},
    named,
    screen::{self, Form},
    stack::Stack,
};

/// Carries out a command of the admin plane.
///
/// # Errors
///
/// If anything that was to be signed was not.
pub async fn carry_out(
    command: &Admin,
    place: &Place,
    surroundings: &Surroundings,
) -> anyhow::Result<Ending> {
    let named = command.deployment();
    // Nobody but its own platform gives a token for the local cloud.
    let is_local = !surroundings.managed_identity && local::stack(place, named).is_some();
    let Some(file) = named.filter(|_| !is_local) else { return Err(local::begin_again(place)?) };
    let deployment = Deployment::read(file)?;
    // Before anything is connected to: whoever says no has asked for nothing.
    let order = match command {
        Admin::Erase(options) => match erasing::meant(options, place, surroundings).await? {
            Some(meant) => Some(meant),
            None => return Ok(Ending::Refused),
        },
        _ => None,
    };
    let clock = Arc::clone(&surroundings.clock);
    let hosted = Hosted::connect(&deployment, surroundings.managed_identity)?;
    let entropy = Arc::clone(&surroundings.entropy);
    let stack = local::stack(place, Some(file));
    let form = if place.json { Form::Json } else { Form::Text };
    let office = Office { deployment, hosted, clock, entropy, stack, form };
    match (command, order) {
        (Admin::Bootstrap(_), _) => office.bootstrap().await?,
        (Admin::Keys(options), _) => office.keys(&options.order, form).await?,
        (Admin::Bind(options), _) => {
            office.bind_by(options.file.as_deref(), options.order.as_ref()).await?;
        }
        (Admin::DeployManifest(options), _) => {
            let digest = package::digest(&options.package)?;
            office.deploy_manifest(options.app, &options.package, digest).await?;
        }
        (Admin::Recover(options), _) => office.recover(&options.order).await?,
        (Admin::Erase(_), Some((tenant, person))) => office.erase(tenant, person).await?,
        (Admin::Erase(_), None) => bail!("nobody is named to be erased"),
    }
    Ok(Ending::Done)
}

/// Where the admin plane works: a deployment, and the way to its vault and store.
struct Office {
    deployment: Deployment,
    hosted: Hosted,
    clock: Arc<dyn Clock>,
    entropy: Arc<dyn Entropy>,
    /// The local cloud, if it is this deployment.
    stack: Option<Stack>,
    form: Form,
}

impl Office {
    /// Everything that a deployment needs before its handlers start.
    async fn bootstrap(&self) -> anyhow::Result<()> {
        // Packages are large: they are read while the vault is asked.
        let packages = self.read_packages();
        let bindings = self.reviewed(None)?;
        self.publish_keys(Some(&bindings.platform.secrets)).await?;
        self.bind_tenants(&bindings).await?;
        self.deploy(packages).await
    }

    async fn bind_by(&self, file: Option<&Path>, order: Option<&BindOrder>) -> anyhow::Result<()> {
        match order {
            None => self.bind(file).await,
            Some(BindOrder::Plan) => self.plan_bindings(file).await,
            Some(BindOrder::Sign(options)) => self.sign_bindings(file, &options.out).await,
            Some(BindOrder::Apply(options)) => self.apply_bindings(&options.signed).await,
            Some(BindOrder::History(options)) => {
                let tenant = named::tenant(self.stack.as_ref(), &options.tenant).await?;
                self.history(tenant, self.form).await
            }
            Some(BindOrder::RollForward(options)) => {
                let tenant = named::tenant(self.stack.as_ref(), &options.tenant).await?;
                self.roll_forward(tenant, options.to).await
            }
        }
    }

    async fn recover(&self, order: &RecoverOrder) -> anyhow::Result<()> {
        match order {
            RecoverOrder::Plan(options) => {
                self.plan_recovery(self.tree(&options.tenant).await?).await
            }
            RecoverOrder::Sign(options) => {
                let tree = self.tree(&options.tenant).await?;
                self.sign_recovery(tree, &options.reason, &options.out).await
            }
            RecoverOrder::Apply(options) => self.apply_recovery(&options.signed).await,
        }
    }

    async fn tree(&self, named: &TreeName) -> anyhow::Result<Tree> {
        Ok(match named {
            TreeName::Platform => Tree::Platform,
            TreeName::Tenant(tenant) => {
                Tree::Tenant(named::tenant(self.stack.as_ref(), tenant).await?)
            }
        })
    }

    /// Orders that a person is erased from a tenant.
    async fn erase(&self, tenant: TenantId, person: PersonId) -> anyhow::Result<()> {
        let (authority, store) = try_join(self.authority(), self.store()).await?;
        let tools = (&*self.clock, &*self.entropy);
        let order = erasing::order(tenant, person, &*store, &*authority.signer, tools).await?;
        screen::line(format_args!(
            "order {} stands until {}: intake erases what names the person, and what has not ended \
             once it has; the ledger says airlock.erasure.done when nothing is left",
            order.jti, order.exp
        ))?;
        // The admin plane has no key to what is stored, so it must not pretend to know.
        screen::note(
            "Whether any request names that person is not known here, because only intake and the \
             workers can decrypt requests: intake's log says how many it erased, and 0 if none did.",
        );
        Ok(())
    }

    async fn press(&self) -> anyhow::Result<Press<'_>> {
        self.press_of(self.authority().await?).await
    }

    async fn press_of(&self, authority: Arc<Authority>) -> anyhow::Result<Press<'_>> {
        Ok(Press::new(self.store().await?, authority, &*self.clock))
    }

    async fn authority(&self) -> anyhow::Result<Arc<Authority>> {
        self.hosted.authority(&self.deployment, self.clock.now()).await
    }

    async fn store(&self) -> anyhow::Result<Arc<dyn Shelf>> {
        self.hosted.store(&self.deployment).await
    }
}
