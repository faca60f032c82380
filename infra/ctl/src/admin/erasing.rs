//! Ordering that a person is erased from a tenant.

use airlock_core::{
    base64url,
    erasure::{self, Erasure, ORDERED_S, StoredOrder},
    identity::{PersonId, TenantId},
    jws::{NotSigned, Signed},
    ports::{BatchError, Clock, Entropy, Partition, PortError, Signer, Write},
};

use super::publish::Shelf;

/// Nothing was ordered.
#[derive(Debug, thiserror::Error)]
pub enum NotOrdered {
    /// There was no randomness.
    #[error("no randomness")]
    NoEntropy(#[source] PortError),
    /// The root did not sign.
    #[error("root did not sign")]
    NotSigned(#[from] NotSigned),
    /// It has no JSON form.
    #[error("order not written as JSON")]
    Form(#[from] serde_json::Error),
    /// The store did not take it, or its answer was lost. Ordering again is safe.
    #[error("order not stored")]
    Store(#[source] BatchError),
}

/// Signs an order and stores it where `intake` looks for orders.
///
/// # Errors
///
/// [`NotOrdered`].
pub async fn order(
    tenant: TenantId,
    person: PersonId,
    shelf: &dyn Shelf,
    root: &dyn Signer,
    (clock, entropy): (&dyn Clock, &dyn Entropy),
) -> Result<Erasure, NotOrdered> {
    let (mut salt, mut name) = ([0; 16], [0; 16]);
    for bytes in [&mut salt, &mut name] {
        entropy.fill(bytes).map_err(NotOrdered::NoEntropy)?;
    }
    let now = clock.now();
    let erasure = Erasure {
        jti: uuid::Builder::from_random_bytes(name).into_uuid(),
        tnt: tenant,
        subject: erasure::subject(&salt, person),
        iat: now,
        exp: now.plus_s(ORDERED_S),
    };
    let id = erasure::document_id(erasure.jti);
    let stored = StoredOrder {
        id: id.clone(),
        tenant: tenant.to_string(),
        kind: erasure::KIND.to_owned(),
        at: now.as_unix_s(),
        ttl: ORDERED_S,
        order: Signed::sign(&erasure, root).await?,
        person,
        salt: base64url::encode(salt),
    };
    let write = Write::Create(serde_json::to_value(&stored)?);
    let written = shelf.write(&Partition::bindings(tenant), &id, write).await;
    written.map_err(NotOrdered::Store)?;
    Ok(erasure)
}
