//! `execute`: the inner app that carries out what a permit allows. It has no HTTP trigger but for
//! health, and never sees an operator's token.
//!
//! A change's way through it: [`execute`](routes) (queue `permits-execute`), then
//! `airlock_core::execution`.

mod routes;
mod state;

use airlock_azure::hosting;
use airlock_core::identity::App;

#[tokio::main]
async fn main() -> anyhow::Result<()> {
    #[expect(clippy::disallowed_methods, reason = "the one place where settings are read")]
    let handler = hosting::start(App::Execute, |name| std::env::var(name).ok())?;
    let bench = state::Bench::new(&handler);
    tokio::select! {
        served = hosting::serve(&handler, routes::routes(bench.clone())) => served?,
        not_valid = bench.cannot_judge() => return Err(not_valid.into()),
    }
    // Only a signal ends the server; the host would take exit code 0 for "do not restart".
    anyhow::bail!("the server stopped")
}
