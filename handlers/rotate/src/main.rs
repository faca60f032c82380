//! `rotate`: the inner app that changes secrets and keys, on schedule and when a permit says so,
//! with an application that may change only what it owns, and takes away what nobody declared, with
//! another that can do that alone. It has no HTTP trigger but for health.
//!
//! What it does: [`rotate`](routes) (a timer), then `airlock_core::rotation`; and
//! [`credential_change`](routes) (queue `permits-rotate`), then `airlock_core::execution`.

mod routes;
mod state;

use airlock_azure::hosting;
use airlock_core::identity::App;

#[tokio::main]
async fn main() -> anyhow::Result<()> {
    #[expect(clippy::disallowed_methods, reason = "the one place where settings are read")]
    let handler = hosting::start(App::Rotate, |name| std::env::var(name).ok())?;
    let bench = state::Bench::new(&handler);
    tokio::select! {
        served = hosting::serve(&handler, routes::routes(bench.clone())) => served?,
        not_valid = bench.cannot_judge() => return Err(not_valid.into()),
    }
    // Only a signal ends the server; the host would take exit code 0 for "do not restart".
    anyhow::bail!("the server stopped")
}
