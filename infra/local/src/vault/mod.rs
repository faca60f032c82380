//! Key Vault: signs, wraps and unwraps for those who may, and shows public halves.
//!
//! A vault answers a request without a token by a challenge; its SDK counts on that and sends
//! the first request without token and body.

mod keys;
mod refused;
mod rest;

use std::collections::BTreeMap;

use crate::{
    cloud::{Answer, Asked, Caller, Shared},
    identities::Identities,
};
use keys::Key;

/// The identity that may read every public key, to make the keyset of them.
const ADMIN: &str = "admin";

/// The vault with its keys. Each has one version: nobody here may rotate one.
#[derive(Debug)]
pub struct Vault {
    keys: BTreeMap<String, Key>,
}

/// What is asked of a key.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Operation {
    Get,
    Versions,
    Sign,
    Verify,
    Wrap,
    Unwrap,
    Rotate,
    Create,
}

impl Vault {
    /// Makes every key that is granted to anyone.
    ///
    /// # Errors
    ///
    /// If a key cannot be made.
    pub fn new(identities: &Identities) -> anyhow::Result<Self> {
        Ok(Self { keys: keys::make(identities)? })
    }

    /// Begins to make the keys that take long, so that nobody has to wait for them.
    ///
    /// # Errors
    ///
    /// If there is no thread for it.
    pub fn begin(&self) -> anyhow::Result<()> {
        self.keys.iter().try_for_each(|(name, key)| key.begin(name))
    }

    /// Answers one REST call.
    pub async fn answer(cloud: &Shared, asked: Asked) -> Answer {
        rest::answer(cloud, asked).await
    }
}

/// Whether `identities.json` grants this caller this operation on this key.
fn may(identities: &Identities, caller: &Caller, operation: Operation, key: &str) -> bool {
    let Some((name, identity)) =
        caller.identity.as_deref().and_then(|name| identities.identities.get_key_value(name))
    else {
        return false;
    };
    let signs = identity.keys.sign.iter().any(|own| own == key);
    let wraps = identity.keys.wrap.iter().any(|own| own == key);
    match operation {
        Operation::Get | Operation::Versions => signs || wraps || name == ADMIN,
        Operation::Sign | Operation::Verify => signs,
        Operation::Wrap | Operation::Unwrap => wraps,
        // The file has no word that would grant it.
        Operation::Rotate | Operation::Create => false,
    }
}

impl Operation {
    /// The data action that Azure's role definitions know it by.
    const fn action(self) -> &'static str {
        match self {
            Self::Get | Self::Versions => "Microsoft.KeyVault/vaults/keys/read",
            Self::Sign => "Microsoft.KeyVault/vaults/keys/sign/action",
            Self::Verify => "Microsoft.KeyVault/vaults/keys/verify/action",
            Self::Wrap => "Microsoft.KeyVault/vaults/keys/wrap/action",
            Self::Unwrap => "Microsoft.KeyVault/vaults/keys/unwrap/action",
            Self::Rotate => "Microsoft.KeyVault/vaults/keys/rotate/action",
            Self::Create => "Microsoft.KeyVault/vaults/keys/create/action",
        }
    }
}
