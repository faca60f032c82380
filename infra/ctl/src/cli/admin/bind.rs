//! Commands about bindings.

use std::path::PathBuf;

use clap::{Args, Subcommand};

use super::super::words::TenantName;
use super::Deployed;

/// Options of `admin bind`.
#[derive(Debug, Args)]
pub struct Bind {
    /// The deployment that is meant.
    #[command(flatten)]
    pub deployed: Deployed,
    /// The reviewed bindings; without it, those that the deployment names
    #[arg(long, value_name = "FILE", global = true)]
    pub file: Option<PathBuf>,
    /// One step instead of all.
    #[command(subcommand)]
    pub order: Option<BindOrder>,
}

/// Steps of binding, for whoever reviews, signs and stores at different desks.
#[derive(Debug, Subcommand)]
pub enum BindOrder {
    /// Show how the reviewed bindings differ from what stands; changes nothing
    Plan,
    /// Sign what differs into a file; changes nothing that stands
    Sign(SignBindings),
    /// Store what was signed, if it is the next version of what stands
    Apply(ApplyBindings),
    /// List the versions of a tenant's binding
    History(History),
    /// Sign the terms and secrets of an earlier version as a new one; an old version itself never
    /// comes back
    RollForward(RollForward),
}

/// Options of `admin bind sign`.
#[derive(Debug, Args)]
pub struct SignBindings {
    /// Where to write what was signed
    #[arg(long, value_name = "FILE")]
    pub out: PathBuf,
}

/// Options of `admin bind apply`.
#[derive(Debug, Args)]
pub struct ApplyBindings {
    /// What `sign` wrote
    #[arg(value_name = "FILE")]
    pub signed: PathBuf,
}

/// Options of `admin bind history`.
#[derive(Debug, Args)]
pub struct History {
    /// The tenant: its id or, in the local cloud, its domain
    #[arg(long, value_name = "TENANT")]
    pub tenant: TenantName,
}

/// Options of `admin bind roll-forward`.
#[derive(Debug, Args)]
pub struct RollForward {
    /// The tenant: its id or, in the local cloud, its domain
    #[arg(long, value_name = "TENANT")]
    pub tenant: TenantName,
    /// The version whose terms shall hold again
    #[arg(long, value_name = "VERSION")]
    pub to: u64,
}
