//! Commands of the admin plane.

mod bind;
mod keys;
mod recover;

use std::path::PathBuf;

use airlock_core::identity::App;
use clap::{Args, Subcommand};

pub use self::{
    bind::{Bind, BindOrder},
    keys::{Admit, KeyOrder, Keys, ReplaceRoot, Revoke},
    recover::{Recover, RecoverOrder, TreeName},
};
use super::words::{TenantName, UserName, app};

/// Commands of the admin plane.
///
/// Without --deployment they work on the local cloud that --stack names, as its managed identity
/// `admin`. With --deployment they use the managed identity `admin` where the platform offers one,
/// else whoever is signed in to the Azure CLI, who then needs the same rights.
#[derive(Debug, Subcommand)]
pub enum Admin {
    /// Sign keyset, bindings and manifests of a deployment; what has not changed is left alone
    Bootstrap(Deployed),
    /// Whose signatures count: list, publish, admit and revoke keys, or replace the root
    Keys(Keys),
    /// Sign and publish the bindings: the terms under which tenants are worked in
    ///
    /// An unknown operation, role or member is refused, and then nothing is signed. Without a
    /// step all are taken at once: plan, sign and apply.
    Bind(Bind),
    /// Sign the manifest of an app's package into it, and store it for the ledger
    DeployManifest(DeployManifest),
    /// Go on in a tree that drift refused to seal: it stands still until somebody has looked
    Recover(Recover),
    /// Order that what names a person is erased from a tenant; the ledger still verifies
    ///
    /// Every request that the person asked for, decided or was changed by gives way to the
    /// order. This cannot be taken back, so you are asked whether you mean it, unless you say --yes.
    Erase(Erase),
}

/// The variable that names a deployment in place of `--deployment`.
pub const DEPLOYMENT: &str = "AIRLOCK_DEPLOYMENT";

/// The deployment that is meant.
#[derive(Debug, Args)]
pub struct Deployed {
    /// The deployment: its hosts, identities, applications and packages; without it, the local
    /// cloud's that --stack names
    #[arg(long, value_name = "FILE", env = DEPLOYMENT, global = true)]
    pub deployment: Option<PathBuf>,
}

/// Options of `admin erase`.
#[derive(Debug, Args)]
pub struct Erase {
    /// The deployment that is meant.
    #[command(flatten)]
    pub deployed: Deployed,
    /// The tenant whose requests are looked through: its id or, in the local cloud, its domain
    #[arg(long, value_name = "TENANT")]
    pub tenant: TenantName,
    /// The person: an object id or, in the local cloud, a sign-in name
    #[arg(long, value_name = "USER")]
    pub user: UserName,
    /// The tenant that the person signs in to, if it is another one
    #[arg(long, value_name = "TENANT")]
    pub home: Option<TenantName>,
    /// Do not ask whether that is meant
    #[arg(long)]
    pub yes: bool,
}

/// Options of `admin deploy-manifest`.
#[derive(Debug, Args)]
pub struct DeployManifest {
    /// The deployment that is meant.
    #[command(flatten)]
    pub deployed: Deployed,
    /// The package's folder
    #[arg(long, value_name = "DIR")]
    pub package: PathBuf,
    /// The app that it is
    #[arg(long, value_parser = app)]
    pub app: App,
}

impl Admin {
    /// The deployment that is named, if one is.
    #[must_use]
    pub fn deployment(&self) -> Option<&PathBuf> {
        let deployed = match self {
            Self::Bootstrap(deployed) => deployed,
            Self::Keys(options) => &options.deployed,
            Self::Bind(options) => &options.deployed,
            Self::DeployManifest(options) => &options.deployed,
            Self::Recover(options) => &options.deployed,
            Self::Erase(options) => &options.deployed,
        };
        deployed.deployment.as_ref()
    }
}
