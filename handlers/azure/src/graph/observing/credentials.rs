//! Passwords and keys of applications and service principals. Their values Graph tells nobody.

use airlock_core::{
    drift::actual::{Credential, CredentialKind},
    time::Timestamp,
};
use serde::{Deserialize, Deserializer, de::Error as _};
use uuid::Uuid;

use super::there;

/// A `passwordCredential` or `keyCredential`. Whatever a key is said to be for, it counts: that
/// is changed as easily as the key.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Found {
    key_id: Uuid,
    #[serde(deserialize_with = "ends")]
    end_date_time: Option<Timestamp>,
}

/// When a credential ends: null, if never. Not read is not "never".
fn ends<'de, D: Deserializer<'de>>(from: D) -> Result<Option<Timestamp>, D::Error> {
    let Some(text) = there::<_, String>(from)? else { return Ok(None) };
    Timestamp::parse(&text).map(Some).ok_or_else(|| D::Error::custom("not a time"))
}

/// Both kinds, in an order of our own. Graph lists a key pair twice, with one id.
pub(super) fn credentials(passwords: Vec<Found>, keys: Vec<Found>) -> Vec<Credential> {
    let of =
        |kind| move |found: Found| Credential { id: found.key_id, kind, ends: found.end_date_time };
    let passwords = passwords.into_iter().map(of(CredentialKind::Password));
    let mut all: Vec<Credential> =
        passwords.chain(keys.into_iter().map(of(CredentialKind::Key))).collect();
    all.sort();
    all.dedup();
    all
}
