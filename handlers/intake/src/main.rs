//! `intake`: the outer app that takes requests, judges them and signs permits.
//!
//! It holds no directory permission. A request's way through it: [`routes`], then
//! `airlock_core::reception`.

mod bearer;
mod caller;
mod challenge;
mod claims;
mod confirmations;
mod erase;
mod events;
mod findings;
mod ledger;
mod openapi;
mod origin;
mod refusals;
mod requests;
mod resend;
mod routes;
mod secrets;
mod service;
mod state;

use airlock_azure::hosting;
use airlock_core::identity::App;

#[tokio::main]
async fn main() -> anyhow::Result<()> {
    #[expect(clippy::disallowed_methods, reason = "the one place where settings are read")]
    let handler = hosting::start(App::Intake, |name| std::env::var(name).ok())?;
    let desk = state::Desk::new(&handler);
    let routes = routes::routes(desk.clone())?;
    tokio::select! {
        served = hosting::serve(&handler, routes) => served?,
        not_valid = desk.cannot_judge() => return Err(not_valid.into()),
    }
    // Only a signal ends the server; the host would take exit code 0 for "do not restart".
    anyhow::bail!("the server stopped")
}
