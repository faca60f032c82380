//! `signin`: signs people in, and keeps and ends their sessions.
//!
//! It holds no directory permission. What it says of a person counts only together with the
//! confirmation of `intake`, which looks at the ID token itself.
//!
//! A sign-in passes these modules in this order: [`challenge`] (who starts it holds a key),
//! [`start`] (the browser is sent to Entra), [`confirm`] (by its person, if a program started
//! it), [`callback`] (Entra's answer), [`admission`] (what the ID token must say), [`redeem`]
//! (for a client that is no browser), [`issue`] (the session, signed, confirmed and stored). [`session`], [`sign_out`], [`revocations`] and
//! [`call_the_api`] are what can be done with it; [`reports`] tells the ledger. [`wrapping`] is the
//! key under which all of it is kept.

mod admission;
mod call_the_api;
mod callback;
mod challenge;
mod confirm;
mod cookies;
mod credential;
mod desk;
mod entra_client;
mod exposed;
mod homes;
mod intake_client;
mod issue;
mod live;
mod opaque;
mod origin;
mod outside;
mod proof;
mod redeem;
mod refused;
mod renewal;
mod reports;
mod return_to;
mod revocations;
mod routes;
mod sealing;
mod session;
mod sign_out;
mod start;
mod store;
#[cfg(test)]
mod tests;
mod tried;
mod wire;
#[cfg(test)]
mod world;
mod wrapping;

use std::sync::Arc;

use airlock_azure::hosting;
use airlock_core::identity::App;

use crate::{desk::Signin, entra_client::EntraClient, intake_client::IntakeClient};

#[tokio::main]
async fn main() -> anyhow::Result<()> {
    // Lossy on purpose: a setting that is not UTF-8 is set all the same, and must be seen.
    let read =
        |name: &str| std::env::var_os(name).map(|value| value.to_string_lossy().into_owned());
    let handler = hosting::start(App::Signin, read)?;
    let manifest = handler.manifest.clone();
    let azure = Arc::clone(&handler.azure);
    let entra = EntraClient::new(Arc::clone(&azure), manifest.value());
    let intake = IntakeClient::new(Arc::clone(&azure), manifest.value());
    let signin = Signin::new(manifest, azure, Arc::new(entra), Arc::new(intake));
    hosting::serve(&handler, routes::all(signin)?).await?;
    // The Functions host does not restart a process that ends with 0.
    anyhow::bail!("stopped serving")
}
