//! The command about secrets that are changed on schedule.

use clap::Args;

use super::TenantName;

/// Options of `secrets`.
#[derive(Debug, Args)]
pub struct Secrets {
    /// Tenant to look at, its id or, in the local cloud, its domain; without it, the one that you
    /// signed in to
    #[arg(long, value_name = "TENANT", conflicts_with = "platform")]
    pub tenant: Option<TenantName>,
    /// The keys of the deployment's own apps instead
    #[arg(long)]
    pub platform: bool,
    /// Only those that nothing young enough is in use of, or whose record is not verified; then
    /// the exit code is 1 if there are any
    #[arg(long)]
    pub overdue: bool,
}
