//! The ports of [`airlock_core`] over Microsoft Entra ID, Graph, Key Vault, Cosmos DB, Service
//! Bus and Blob storage, and what every handler process does alike ([`hosting`]).
//!
//! Which hosts are called stands in the signed manifest; settings only name things there.
//! Every call has a time-out, and every failure is one of four: [`PortError`](airlock_core::ports::PortError).

mod arm;
mod azure;
mod blobs;
mod bus;
mod clock;
mod cosmos;
pub mod entra;
mod failure;
mod graph;
pub mod hosting;
mod identity;
mod jose;
pub mod oidc;
mod pipeline;
pub mod reading;
mod secrets;
mod transport;
mod vault;

pub use azure::Azure;
pub use transport::send;
