//! Commands that bring a stopped tree back.

use std::{fmt, path::PathBuf, str::FromStr};

use airlock_core::ports::PLATFORM;
use clap::{Args, Subcommand};

use super::super::words::TenantName;
use super::Deployed;

/// Options of `admin recover`.
#[derive(Debug, Args)]
pub struct Recover {
    /// The deployment that is meant.
    #[command(flatten)]
    pub deployed: Deployed,
    /// What to do.
    #[command(subcommand)]
    pub order: RecoverOrder,
}

/// Steps of a recovery.
#[derive(Debug, Subcommand)]
pub enum RecoverOrder {
    /// Show what was sealed last, what stands after it, and what would stay behind
    Plan(RecoverPlan),
    /// Sign an order to go on after what was sealed last, into a file
    Sign(RecoverSign),
    /// Store a signed order; drift carries it out
    Apply(RecoverApply),
}

/// Options of `admin recover plan`.
#[derive(Debug, Args)]
pub struct RecoverPlan {
    /// The tree: a tenant's id or, in the local cloud, its domain; or `platform`
    #[arg(long, value_name = "TENANT")]
    pub tenant: TreeName,
}

/// Options of `admin recover sign`.
#[derive(Debug, Args)]
pub struct RecoverSign {
    /// The tree: a tenant's id or, in the local cloud, its domain; or `platform`
    #[arg(long, value_name = "TENANT")]
    pub tenant: TreeName,
    /// Why; it enters the ledger, so it names nobody
    #[arg(long, value_name = "TEXT")]
    pub reason: String,
    /// Where to write the order
    #[arg(long, value_name = "FILE")]
    pub out: PathBuf,
}

/// Options of `admin recover apply`.
#[derive(Debug, Args)]
pub struct RecoverApply {
    /// What `sign` wrote
    #[arg(value_name = "FILE")]
    pub signed: PathBuf,
}

/// A tree of the ledger, as people name one.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum TreeName {
    /// A tenant's.
    Tenant(TenantName),
    /// The deployment's own.
    Platform,
}

impl FromStr for TreeName {
    type Err = &'static str;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        if text == PLATFORM { Ok(Self::Platform) } else { text.parse().map(Self::Tenant) }
    }
}

impl fmt::Display for TreeName {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Tenant(tenant) => tenant.fmt(formatter),
            Self::Platform => formatter.write_str(PLATFORM),
        }
    }
}
