//! Compares the directory, the deployment and the ledger with what was declared.
//!
//! It starts, which proves that its package and its settings are in order, and tells that it lives.
//! Nothing is scheduled yet, and it says so.

use airlock_azure::hosting;
use airlock_core::identity::App;
use axum::Router;

#[tokio::main]
async fn main() -> anyhow::Result<()> {
    #[expect(clippy::disallowed_methods, reason = "main is where the environment is read")]
    let handler = hosting::start(App::Drift, |name| std::env::var(name).ok())?;
    tracing::info!("no comparison is scheduled yet");
    hosting::serve(&handler, Router::new()).await?;
    // The Functions host does not restart a process that ends with 0.
    anyhow::bail!("the server ended")
}
