//! The admin root, as this deployment has it today: a version of a key in Key Vault.
//!
//! Which one, the published keyset says: Key Vault's newest version is not the root because
//! somebody made it, but because the one before it handed over.

use std::sync::Arc;

use airlock_core::{
    jwk::{PublicKey, Thumbprint},
    jws::{NotVerified, Signed},
    keyset::Keyset,
    ports::{Partition, PortError, Signer},
    root::Roots,
    time::Timestamp,
    trust::{KEYSET_ID, StoredArtefact},
};

use super::{
    deployment::KeyName,
    publish::Shelf,
    vault::{NoKey, Vault, VaultKey},
};

/// The root, and the roots before it.
pub struct Authority {
    /// Signs as the root of today.
    pub signer: Arc<dyn Signer>,
    /// All roots that the deployment has had.
    pub roots: Roots,
}

/// It cannot be told who the root is.
#[derive(Debug, thiserror::Error)]
pub enum NoAuthority {
    /// The vault did not show its key.
    #[error(transparent)]
    Key(#[from] NoKey),
    /// The store did not answer.
    #[error("keyset not read")]
    Store(#[from] PortError),
    /// What is stored is no keyset. It is left as it is: evidence.
    #[error("stored keyset not understood")]
    Form(#[source] serde_json::Error),
    /// Its replacements do not lead to whoever signed it. It is left as it is: evidence.
    #[error("stored keyset does not say who the root is")]
    NotVerified(#[source] NotVerified),
    /// The root is a key that this deployment does not name, or that somebody else has.
    #[error(
        "the published keyset is signed by {published}, which is no version of key {} in the vault: name the root's key in the deployment",
        name.as_str()
    )]
    OtherRoot {
        /// Whoever signed the keyset.
        published: Thumbprint,
        /// The key that the deployment names.
        name: KeyName,
    },
}

impl Authority {
    /// Finds the version of a key that is the root today: whoever signed the published keyset, or
    /// the newest if nothing was published yet.
    ///
    /// # Errors
    ///
    /// [`NoAuthority`].
    pub async fn find(
        vault: &Vault,
        shelf: &dyn Shelf,
        name: &KeyName,
        now: Timestamp,
    ) -> Result<Self, NoAuthority> {
        let Some(found) = shelf.read(&Partition::deployment(), KEYSET_ID).await? else {
            let key = vault.key(name).await?;
            let roots = Roots::from(&key.public);
            return Ok(Self { signer: Arc::new(vault.signer(name.clone(), key)), roots });
        };
        let stored: StoredArtefact<Keyset> =
            serde_json::from_value(found.json).map_err(NoAuthority::Form)?;
        let key = version_of(vault, name, stored.artefact.key()).await?;
        let roots = roots(&key.public, &stored.artefact, now).map_err(NoAuthority::NotVerified)?;
        Ok(Self { signer: Arc::new(vault.signer(name.clone(), key)), roots })
    }
}

/// The version of a key with this thumbprint. Usually it is the newest: only then one call.
async fn version_of(
    vault: &Vault,
    name: &KeyName,
    published: Thumbprint,
) -> Result<VaultKey, NoAuthority> {
    let is_it = |key: &VaultKey| key.public.thumbprint() == published;
    let newest = vault.key(name).await?;
    if is_it(&newest) {
        return Ok(newest);
    }
    let versions = vault.versions(name).await?;
    versions
        .into_iter()
        .find(is_it)
        .ok_or_else(|| NoAuthority::OtherRoot { published, name: name.clone() })
}

/// The roots up to the one that signed this keyset.
fn roots(
    signer: &PublicKey,
    keyset: &Signed<Keyset>,
    now: Timestamp,
) -> Result<Roots, NotVerified> {
    let roots = Roots::of_keyset(signer, keyset, now)?;
    // Whoever was replaced may still sign for a while, but no keyset that says so.
    if roots.present() == signer { Ok(roots) } else { Err(NotVerified::Other("root")) }
}

#[cfg(test)]
mod tests {
    use std::slice;

    use airlock_core::{
        jwe,
        memory::{Dice, LocalKey},
        root::{Countersigned, Replacement},
    };

    use super::*;

    const NOW: Timestamp = Timestamp::from_unix_s(1_700_000_000);

    fn key() -> LocalKey {
        LocalKey::new(&jwe::private_key(&Dice).unwrap()).unwrap()
    }

    async fn keyset(by: &LocalKey, replacements: Vec<Countersigned>) -> Signed<Keyset> {
        let keyset = Keyset {
            ver: 1,
            iat: NOW,
            exp: NOW.plus_s(60),
            keys: Vec::new(),
            replacements,
            secrets: None,
        };
        Signed::sign(&keyset, by).await.unwrap()
    }

    #[tokio::test]
    async fn whoever_signed_the_keyset_is_the_root_unless_the_keyset_says_otherwise() {
        let (old, new) = (key(), key());
        let says = Replacement {
            ver: 1,
            old: old.key().clone(),
            new: new.key().clone(),
            iat: NOW,
            from: NOW.plus_s(600),
        };
        let link = Countersigned {
            by_old: Signed::sign(&says, &old).await.unwrap(),
            by_new: Signed::sign(&says, &new).await.unwrap(),
        };
        let found = async |by: &LocalKey, links: &[Countersigned]| {
            let keyset = keyset(by, links.to_vec()).await;
            roots(by.key(), &keyset, NOW).map(|roots| roots.present().clone()).ok()
        };

        assert_eq!(found(&old, &[]).await, Some(old.key().clone()));
        assert_eq!(found(&new, slice::from_ref(&link)).await, Some(new.key().clone()));
        // It still counts for a while, and is the root no more.
        assert_eq!(found(&old, slice::from_ref(&link)).await, None);
        assert_eq!(found(&key(), &[link]).await, None);
    }
}
