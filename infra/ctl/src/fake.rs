//! What tests have in place of an API and of a person at a terminal.

mod desk;
mod request;
mod terminal;

use axum::Router;

use crate::person::api::Api;

pub use desk::{desk, signed_in};
pub use request::{NOW, Requested, person};
pub use terminal::Typist;

/// Serves the routes for as long as the test runs.
pub async fn api(routes: Router) -> Api {
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let origin = format!("http://{}", listener.local_addr().unwrap());
    tokio::spawn(async { axum::serve(listener, routes).await.unwrap() });
    Api::new(origin.parse().unwrap()).unwrap()
}
