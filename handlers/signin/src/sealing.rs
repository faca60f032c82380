//! Sealing: texts that we hand out and recognise again without storing them.
//!
//! Challenges and transactions are encrypted under a data key of the day, so a stranger who
//! starts a thousand sign-ins writes nothing. The key stands in the store, wrapped by Key Vault
//! and signed by us: all instances share it, and who owns the database can neither read it nor
//! put their own in its place (anybody can wrap a key of their own).

use std::collections::BTreeMap;

use airlock_azure::hosting::Refusal;
use airlock_core::{
    base64url,
    data_keys::KEPT_S,
    envelope::{DataKey, NotOpened, Place},
    ledger::Happened,
    ports::{Created, PLATFORM, PortError, Ports, WrappedKey},
    problem::Problem,
    time::{LEEWAY_S, Timestamp},
};
use serde::{Deserialize, Serialize, de::DeserializeOwned};
use tokio::sync::Mutex;

use crate::{
    refused::passing,
    store::{At, Kept, NotKept, Store},
};

/// The longest time for which anything sealed counts, in seconds. Yesterday's key is taken for
/// so long after midnight.
pub const LONGEST_S: i64 = 600;

/// The longest sealed text that is looked at, in bytes. A transaction with the longest return
/// URL has about 1,500.
const MOST_BYTES: usize = 4096;

/// Seconds of a day.
const DAY_S: i64 = 24 * 3600;

/// Bytes of a nonce of AES-GCM.
///
/// Random nonces of 96 bits are safe for 2^32 messages under one key: 50,000 a second through
/// the day that a key lives.
const NONCE_BYTES: usize = 12;

/// What can be sealed.
pub trait Sealable: Serialize + DeserializeOwned {
    /// Names it in the associated data: what was sealed as one thing does not open as another.
    const FIELD: &'static str;
}

/// A day's data key, wrapped.
#[derive(Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct SealingKey {
    kid: String,
    wrapped: String,
}

impl Kept for SealingKey {
    const KIND: &'static str = "sealing-key";
    const COUNTS_S: i64 = DAY_S + LONGEST_S;
}

/// Seals and opens, with the keys of the days that count.
#[derive(Default)]
pub struct Sealing {
    keys: Mutex<BTreeMap<i64, Had>>,
}

/// A key, and until when it may stay in memory without being unwrapped again.
struct Had {
    key: DataKey,
    until: Timestamp,
}

/// Nothing was sealed.
#[derive(Debug, thiserror::Error)]
pub enum NotSealed {
    /// There is no key.
    #[error("sealing key not had")]
    Key(#[from] NotKept),
    /// The vault did not wrap it, or there is no randomness.
    #[error("sealing key not wrapped or unwrapped")]
    Port(#[from] PortError),
    /// Encryption failed.
    #[error("not encrypted")]
    Encryption(#[source] NotOpened),
    /// It has no JSON form.
    #[error("not written as JSON")]
    Json(#[source] serde_json::Error),
}

/// Nothing was opened.
#[derive(Debug, thiserror::Error)]
pub enum NotUnsealed {
    /// We did not seal it, or not as this, or too long ago.
    #[error("not sealed by us")]
    Foreign,
    /// The key could not be read.
    #[error("sealing key not had")]
    Key(#[source] NotSealed),
}

impl Sealing {
    /// Seals under today's key, which is made if there is none yet.
    ///
    /// # Errors
    ///
    /// [`NotSealed`].
    pub async fn seal<T: Sealable>(
        &self,
        what: &T,
        ports: &Ports,
        store: &Store,
    ) -> Result<String, NotSealed> {
        let day = day(ports.clock.now());
        let key = self.key_to_seal(day, ports, store).await?;
        let text = serde_json::to_vec(what).map_err(NotSealed::Json)?;
        let at = At::sealing(day);
        let (nonce, data) =
            key.seal(place::<T>(&at), &text, &*ports.entropy).map_err(NotSealed::Encryption)?;
        Ok(format!("{day}.{}", base64url::encode([&nonce[..], &data].concat())))
    }

    /// Opens what was sealed today, or yesterday if that can still count.
    ///
    /// # Errors
    ///
    /// [`NotUnsealed`].
    pub async fn open<T: Sealable>(
        &self,
        text: &str,
        ports: &Ports,
        store: &Store,
    ) -> Result<T, NotUnsealed> {
        let (day, bytes) = parts(text).ok_or(NotUnsealed::Foreign)?;
        if !days_that_count(ports.clock.now()).contains(&day) {
            return Err(NotUnsealed::Foreign);
        }
        let key = self.key_to_open(day, ports, store).await.map_err(NotUnsealed::Key)?;
        let key = key.ok_or(NotUnsealed::Foreign)?;
        let (nonce, data) = bytes.split_first_chunk::<NONCE_BYTES>().ok_or(NotUnsealed::Foreign)?;
        let at = At::sealing(day);
        let text = key.open(place::<T>(&at), *nonce, data).map_err(|_| NotUnsealed::Foreign)?;
        serde_json::from_slice(&text).map_err(|_| NotUnsealed::Foreign)
    }

    // Both hold the lock while they read: one read for all who wait.

    async fn key_to_seal(
        &self,
        day: i64,
        ports: &Ports,
        store: &Store,
    ) -> Result<DataKey, NotSealed> {
        let mut keys = self.keys.lock().await;
        if let Some(key) = found(&mut keys, day, ports, store).await? {
            return Ok(key);
        }
        let key = made(day, ports, store).await?;
        keep(&mut keys, day, &key, ports);
        Ok(key)
    }

    async fn key_to_open(
        &self,
        day: i64,
        ports: &Ports,
        store: &Store,
    ) -> Result<Option<DataKey>, NotSealed> {
        found(&mut *self.keys.lock().await, day, ports, store).await
    }
}

/// A day's key, from memory if it was had before.
async fn found(
    keys: &mut BTreeMap<i64, Had>,
    day: i64,
    ports: &Ports,
    store: &Store,
) -> Result<Option<DataKey>, NotSealed> {
    let now = ports.clock.now();
    keys.retain(|_, had| now < had.until);
    if let Some(had) = keys.get(&day) {
        return Ok(Some(had.key.clone()));
    }
    let Some(key) = stored(day, ports, store).await? else { return Ok(None) };
    keep(keys, day, &key, ports);
    Ok(Some(key))
}

fn keep(keys: &mut BTreeMap<i64, Had>, day: i64, key: &DataKey, ports: &Ports) {
    let until = ports.clock.now().plus_s(KEPT_S);
    keys.insert(day, Had { key: key.clone(), until });
    while keys.len() > days_that_count(ports.clock.now()).len() {
        keys.pop_first();
    }
}

async fn stored(day: i64, ports: &Ports, store: &Store) -> Result<Option<DataKey>, NotSealed> {
    let Some(document) = store.read::<SealingKey>(&At::sealing(day)).await? else {
        return Ok(None);
    };
    let SealingKey { kid, wrapped } = document.body;
    let wrapped = base64url::decode(&wrapped)
        .ok_or_else(|| PortError::Broken("wrapped key is not base64url".into()))?;
    let key = ports.wrapper.unwrap(&WrappedKey { kid, wrapped }).await?;
    Ok(Some(DataKey::from_bytes(key)))
}

async fn made(day: i64, ports: &Ports, store: &Store) -> Result<DataKey, NotSealed> {
    let key = DataKey::generate(&*ports.entropy)?;
    let WrappedKey { kid, wrapped } = ports.wrapper.wrap(key.expose()).await?;
    let document = SealingKey { kid, wrapped: base64url::encode(wrapped) };
    // Core has no event of its own for a key; this one begins whatever the key is for.
    let created = store.create(&At::sealing(day), Happened::SignInProgressed, &document).await?;
    match created {
        Created::New => Ok(key),
        // Another instance was faster: its key is the day's.
        Created::Existed => stored(day, ports, store).await?.ok_or_else(|| {
            PortError::Unavailable("sealing key was there and is not".into()).into()
        }),
    }
}

fn place<T: Sealable>(at: &At) -> Place<'_> {
    Place { tenant: PLATFORM, document: at.id(), field: T::FIELD, version: 1 }
}

/// The day in front, as it is written, and the rest.
fn parts(text: &str) -> Option<(i64, Vec<u8>)> {
    if text.len() > MOST_BYTES {
        return None;
    }
    let (day, rest) = text.split_once('.')?;
    let number: i64 = day.parse().ok()?;
    // One text for one sealing: no sign, no leading zero.
    if number.to_string() != day {
        return None;
    }
    Some((number, base64url::decode(rest)?))
}

const fn day(now: Timestamp) -> i64 {
    now.as_unix_s().div_euclid(DAY_S)
}

/// Today; yesterday just after midnight; tomorrow just before it, for an instance whose clock
/// is ahead.
const fn days_that_count(now: Timestamp) -> [i64; 3] {
    [day(now), day(now.plus_s(-LONGEST_S)), day(now.plus_s(LEEWAY_S))]
}

impl From<NotSealed> for Refusal {
    fn from(error: NotSealed) -> Self {
        let problem = match &error {
            NotSealed::Key(error) => error.problem(),
            NotSealed::Port(error) => passing(error),
            NotSealed::Encryption(_) | NotSealed::Json(_) => Problem::INTERNAL,
        };
        Self::because(problem, error)
    }
}

impl From<NotUnsealed> for Refusal {
    fn from(error: NotUnsealed) -> Self {
        match error {
            NotUnsealed::Foreign => Self::because(Problem::NOT_VERIFIED, error),
            NotUnsealed::Key(error) => error.into(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::world::World;

    #[derive(Debug, PartialEq, Eq, Serialize, Deserialize)]
    struct Note(String);

    impl Sealable for Note {
        const FIELD: &'static str = "note";
    }

    #[derive(Debug, PartialEq, Eq, Serialize, Deserialize)]
    struct Other(String);

    impl Sealable for Other {
        const FIELD: &'static str = "other";
    }

    fn note() -> Note {
        Note("hello".to_owned())
    }

    fn foreign<T>(opened: &Result<T, NotUnsealed>) -> bool {
        matches!(opened, Err(NotUnsealed::Foreign))
    }

    #[tokio::test]
    async fn what_was_sealed_opens_in_every_instance() {
        let world = World::new().await;
        let (one, other) = (world.desk().await, world.desk().await);

        let text = one.seal(&note()).await.unwrap();

        let opened: Note = other.unseal(&text).await.unwrap();
        assert_eq!(opened, note());
        assert!(!text.contains("hello"));
    }

    #[tokio::test]
    async fn what_was_changed_or_sealed_as_something_else_does_not_open() {
        let world = World::new().await;
        let desk = world.desk().await;
        let text = desk.seal(&note()).await.unwrap();
        let open = async |text: String| desk.unseal::<Note>(&text).await;

        let (day, sealed) = text.split_once('.').unwrap();
        let bytes = base64url::decode(sealed).unwrap();
        for position in 0..bytes.len() {
            let mut spoiled = bytes.clone();
            spoiled[position] ^= 1;
            let spoiled = format!("{day}.{}", base64url::encode(spoiled));
            assert!(foreign(&open(spoiled).await), "byte {position}");
        }
        for spoiled in [
            String::new(),
            sealed.to_owned(),
            format!("0{text}"),
            format!("+{text}"),
            format!("{text}="),
            format!("{day}."),
            format!("{day}.AAAA"),
            "A".repeat(MOST_BYTES + 1),
        ] {
            assert!(foreign(&open(spoiled.clone()).await), "{spoiled}");
        }
        let as_other = desk.unseal::<Other>(&text).await;
        assert!(foreign(&as_other));
    }

    #[tokio::test]
    async fn a_key_lives_a_day_and_is_made_once() {
        let world = World::new().await;
        let desk = world.desk().await;
        let text = desk.seal(&note()).await.unwrap();
        let written = world.sealing_keys().await;

        // The world begins at noon.
        world.clock.advance_s(DAY_S / 2 + LONGEST_S - 1);
        let after_midnight = desk.seal(&note()).await.unwrap();

        assert_eq!((written, world.sealing_keys().await), (1, 2));
        assert_ne!(text.split_once('.').unwrap().0, after_midnight.split_once('.').unwrap().0);
        assert!(desk.unseal::<Note>(&text).await.is_ok());
        world.clock.advance_s(1);
        assert!(foreign(&desk.unseal::<Note>(&text).await));
    }

    #[tokio::test]
    async fn a_key_that_the_databases_owner_put_there_is_not_used() {
        let world = World::new().await;
        let day = day(world.now());
        world.put_foreign_sealing_key(day).await;
        let desk = world.desk().await;

        let sealed = desk.seal(&note()).await;

        assert!(matches!(sealed, Err(NotSealed::Key(NotKept::NotGenuine(_)))));
    }
}
