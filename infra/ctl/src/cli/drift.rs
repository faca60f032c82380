//! The command about what deviates from what was declared.

use clap::Args;

use super::TenantName;

/// Options of `drift`.
#[expect(clippy::struct_excessive_bools, reason = "each is a switch that people type")]
#[derive(Debug, Args)]
pub struct Drift {
    /// Tenant to look at, its id or, in the local cloud, its domain; without it, the one that you
    /// signed in to
    #[arg(long, value_name = "TENANT", conflicts_with = "platform")]
    pub tenant: Option<TenantName>,
    /// What is about the deployment itself instead
    #[arg(long)]
    pub platform: bool,
    /// Those that were seen to be gone instead
    #[arg(long, conflicts_with_all = ["plan", "alarm"])]
    pub resolved: bool,
    /// Show what would be changed, and by whom, instead of what was found
    #[arg(long)]
    pub plan: bool,
    /// Exit code 1 if any is not accepted, not genuine, or left out of the list
    #[arg(long)]
    pub alarm: bool,
}
