//! `drift`: the inner app that compares what is with what was declared, and seals the ledgers. It
//! has no HTTP trigger but for health, and changes nothing but its own findings.
//!
//! What it does: [`drift`](routes) (a timer), then `airlock_core::drift`;
//! [`seal`](routes) (a timer), then `airlock_core::sealing`; and [`record`](routes) (queue
//! `audit-events`), then `airlock_core::recording`.

mod routes;
mod state;

use airlock_azure::hosting;
use airlock_core::identity::App;

#[tokio::main]
async fn main() -> anyhow::Result<()> {
    #[expect(clippy::disallowed_methods, reason = "the one place where settings are read")]
    let handler = hosting::start(App::Drift, |name| std::env::var(name).ok())?;
    let bench = state::Bench::new(&handler);
    hosting::serve(&handler, routes::routes(bench)).await?;
    // Only a signal ends the server; the host would take exit code 0 for "do not restart".
    anyhow::bail!("the server stopped")
}
