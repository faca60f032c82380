//! Devices: whose they are, and the secrets that they back up to the directory.

use std::collections::BTreeSet;

use time::OffsetDateTime;
use uuid::Uuid;

/// A Windows device that is joined to the tenant.
#[derive(Clone, Debug)]
pub struct Device {
    /// Object id.
    pub id: Uuid,
    /// The id that the device knows itself by.
    pub own_id: Uuid,
    /// Display name.
    pub name: String,
    /// People who are registered as its owners.
    pub owners: BTreeSet<Uuid>,
    /// People who are registered to use it.
    pub users: BTreeSet<Uuid>,
    /// Passwords of its local administrator, as it backed them up.
    pub credentials: Vec<LocalCredential>,
    /// Recovery keys of its drives.
    pub recovery_keys: Vec<RecoveryKey>,
}

/// A password of a local administrator.
#[derive(Clone, Debug)]
pub struct LocalCredential {
    /// Name of the account.
    pub account: String,
    /// When the device backed it up.
    pub backed_up: OffsetDateTime,
    /// In clear.
    pub password: String,
}

/// The recovery key of an encrypted drive.
#[derive(Clone, Debug)]
pub struct RecoveryKey {
    /// Its id, which a locked device shows.
    pub id: Uuid,
    /// When the device backed it up.
    pub backed_up: OffsetDateTime,
    /// The key, in clear.
    pub key: String,
    /// How often Graph told it: each time stands in the audit log.
    pub told: u64,
}

/// Letters of a local administrator's password.
const LETTERS: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-!";

/// A password as Windows makes them.
///
/// # Errors
///
/// If the system has no randomness.
pub fn password() -> Result<String, getrandom::Error> {
    let mut bytes = [0_u8; 20];
    getrandom::fill(&mut bytes)?;
    Ok(bytes.iter().map(|byte| char::from(LETTERS[usize::from(byte & 63)])).collect())
}

/// A recovery key as Windows makes them: eight groups of 16 bits, each times eleven.
///
/// # Errors
///
/// If the system has no randomness.
pub fn recovery_key() -> Result<String, getrandom::Error> {
    let mut bytes = [0_u8; 16];
    getrandom::fill(&mut bytes)?;
    let groups: Vec<String> = bytes
        .chunks_exact(2)
        .map(|pair| format!("{:06}", u32::from(u16::from_le_bytes([pair[0], pair[1]])) * 11))
        .collect();
    Ok(groups.join("-"))
}
