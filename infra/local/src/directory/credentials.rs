//! Secrets and certificates by which an application, or its service principal in one tenant, proves
//! itself.
//!
//! Entra is many machines. A secret that was just added is not known to all of them, and one that
//! was just removed not forgotten by all; how long that takes can be set.

use std::{fmt, time::Duration};

use aws_lc_rs::constant_time::verify_slices_are_equal;
use sha2::{Digest as _, Sha256};
use time::OffsetDateTime;
use uuid::Uuid;

/// Characters of a secret.
const SECRET_CHARACTERS: usize = 40;
/// How long a secret is valid that somebody added by hand, in days.
const FIRST_DAYS: i64 = 730;
/// What a secret is made of. 64 characters, so that six random bits choose one without bias.
const ALPHABET: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789~_";

/// What somebody has added to an application, or to a service principal, to sign in by.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Credentials {
    /// Certificates that stand. They are shown, and open nothing here: nothing of the cloud signs
    /// in by one.
    pub certificates: Vec<Certificate>,
    /// Every secret that there ever was, oldest first.
    passwords: Vec<Password>,
    /// Requests with a secret that it never had.
    strangers: u64,
}

/// A certificate, without its key.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Certificate {
    /// Its id.
    pub key_id: Uuid,
    /// What it was called by who added it.
    pub name: String,
    /// From when it is valid.
    pub start: OffsetDateTime,
    /// Until when.
    pub end: OffsetDateTime,
}

/// A secret of an application. It is itself not kept: only its digest is.
#[derive(Clone, PartialEq)]
pub struct Password {
    /// Its id.
    pub key_id: Uuid,
    /// What it was called by who added it.
    pub name: Option<String>,
    /// Its first three characters.
    pub hint: String,
    /// From when it is valid.
    pub start: OffsetDateTime,
    /// Until when.
    pub end: OffsetDateTime,
    /// When it was removed.
    pub removed: Option<OffsetDateTime>,
    /// Token requests that it opened.
    pub accepted: u64,
    /// Token requests in which it was presented and was not accepted.
    pub refused: u64,
    /// SHA-256. The secret is 240 random bits, which nobody can try out: it needs no salt and no
    /// slow hash.
    digest: [u8; 32],
    /// When the token endpoint knows it.
    known_from: OffsetDateTime,
    /// When the token endpoint has forgotten it.
    known_until: Option<OffsetDateTime>,
}

/// How long the token endpoint takes to learn of a change.
#[derive(Clone, Copy, Debug)]
pub struct Propagation {
    /// Until an added secret is accepted.
    pub added: Duration,
    /// Until a removed secret is refused.
    pub removed: Duration,
}

impl Default for Propagation {
    fn default() -> Self {
        Self { added: Duration::from_millis(300), removed: Duration::from_millis(300) }
    }
}

/// A secret that was just made: the only time that it is told.
pub struct Added {
    /// What is kept of it.
    pub password: Password,
    /// The secret.
    pub secret: String,
}

/// A secret from before the cloud was there, and where whoever added it by hand has put it.
pub struct Issued {
    /// The vault's secret.
    pub vault: String,
    /// The secret.
    pub secret: String,
    /// When it was added.
    pub at: OffsetDateTime,
}

/// What a secret is to be.
#[derive(Clone, Debug)]
pub struct Wanted {
    /// What it shall be called.
    pub name: Option<String>,
    /// From when it shall be valid.
    pub start: OffsetDateTime,
    /// Until when.
    pub end: OffsetDateTime,
}

/// Why a secret was not accepted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum NotAccepted {
    /// It is none of this application, or not known here, or not yet valid.
    Unknown,
    /// It was one of its secrets, and has ended.
    Expired,
}

impl fmt::Debug for Password {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { key_id, start, end, removed, .. } = self;
        formatter
            .debug_struct("Password")
            .field("key_id", key_id)
            .field("start", start)
            .field("end", end)
            .field("removed", removed)
            .finish_non_exhaustive()
    }
}

impl Credentials {
    /// The secrets that stand, oldest first.
    pub fn passwords(&self) -> impl Iterator<Item = &Password> {
        self.passwords.iter().filter(|password| password.removed.is_none())
    }

    /// All secrets that there ever were.
    #[must_use]
    pub fn history(&self) -> &[Password] {
        &self.passwords
    }

    /// Requests with a secret that it never had.
    #[must_use]
    pub const fn strangers(&self) -> u64 {
        self.strangers
    }

    /// Makes a secret.
    ///
    /// # Errors
    ///
    /// If the system has no randomness; then nothing has changed.
    pub fn add_password(
        &mut self,
        wanted: Wanted,
        propagation: Propagation,
        now: OffsetDateTime,
    ) -> Result<Added, getrandom::Error> {
        self.make(Uuid::new_v4(), wanted, now + propagation.added)
    }

    /// Makes the secret that it has from before the cloud was there, known everywhere and valid for
    /// two years.
    ///
    /// # Errors
    ///
    /// If the system has no randomness.
    pub fn issue(&mut self, key_id: Uuid, at: OffsetDateTime) -> Result<String, getrandom::Error> {
        let end = at + time::Duration::days(FIRST_DAYS);
        let wanted = Wanted { name: Some("by hand".to_owned()), start: at, end };
        Ok(self.make(key_id, wanted, at)?.secret)
    }

    fn make(
        &mut self,
        key_id: Uuid,
        wanted: Wanted,
        known_from: OffsetDateTime,
    ) -> Result<Added, getrandom::Error> {
        let secret = random()?;
        let Wanted { name, start, end } = wanted;
        let password = Password {
            key_id,
            name,
            hint: secret.chars().take(3).collect(),
            start,
            end,
            removed: None,
            accepted: 0,
            refused: 0,
            digest: Sha256::digest(&secret).into(),
            known_from,
            known_until: None,
        };
        self.passwords.push(password.clone());
        Ok(Added { password, secret })
    }

    /// Removes one secret; says whether it stood.
    pub fn remove_password(
        &mut self,
        key_id: Uuid,
        propagation: Propagation,
        now: OffsetDateTime,
    ) -> bool {
        let standing =
            |password: &&mut Password| password.key_id == key_id && password.removed.is_none();
        let Some(password) = self.passwords.iter_mut().find(standing) else {
            return false;
        };
        password.removed = Some(now);
        password.known_until = Some(now + propagation.removed);
        true
    }

    /// Judges a secret that was presented at the token endpoint, and counts it.
    ///
    /// # Errors
    ///
    /// If it opens nothing now.
    pub fn presented(&mut self, secret: &str, now: OffsetDateTime) -> Result<Uuid, NotAccepted> {
        let digest: [u8; 32] = Sha256::digest(secret).into();
        // All of them, whichever it is, so that time tells nothing about which are alike.
        let mut found = None;
        for (index, password) in self.passwords.iter().enumerate() {
            if verify_slices_are_equal(&password.digest, &digest).is_ok() {
                found = Some(index);
            }
        }
        let Some(password) = found.and_then(|index| self.passwords.get_mut(index)) else {
            self.strangers += 1;
            return Err(NotAccepted::Unknown);
        };
        let judged = password.judged(now);
        match judged {
            Ok(()) => password.accepted += 1,
            Err(_) => password.refused += 1,
        }
        judged.map(|()| password.key_id)
    }
}

impl Password {
    fn judged(&self, now: OffsetDateTime) -> Result<(), NotAccepted> {
        let forgotten = self.known_until.is_some_and(|until| until <= now);
        if forgotten || now < self.known_from || now < self.start {
            Err(NotAccepted::Unknown)
        } else if self.end <= now {
            Err(NotAccepted::Expired)
        } else {
            Ok(())
        }
    }
}

fn random() -> Result<String, getrandom::Error> {
    let mut bytes = [0_u8; SECRET_CHARACTERS];
    getrandom::fill(&mut bytes)?;
    Ok(bytes.iter().map(|byte| char::from(ALPHABET[usize::from(byte & 63)])).collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    const AT_ONCE: Propagation = Propagation { added: Duration::ZERO, removed: Duration::ZERO };
    const SLOWLY: Propagation =
        Propagation { added: Duration::from_secs(2), removed: Duration::from_secs(3) };
    const NOON: OffsetDateTime = time::macros::datetime!(2031-02-03 12:00 UTC);

    fn wanted(hours: i64) -> Wanted {
        Wanted { name: None, start: NOON, end: NOON + time::Duration::hours(hours) }
    }

    fn after(seconds: i64) -> OffsetDateTime {
        NOON + time::Duration::seconds(seconds)
    }

    #[test]
    fn a_secret_is_forty_random_characters_that_are_kept_nowhere() {
        let mut credentials = Credentials::default();
        let [one, two] =
            [1, 2].map(|_| credentials.add_password(wanted(1), AT_ONCE, NOON).unwrap());

        assert_eq!(one.secret.len(), 40);
        assert_ne!(one.secret, two.secret);
        assert_eq!(one.password.hint, one.secret[..3]);
        let kept = format!("{credentials:?}");
        assert!(!kept.contains(&one.secret) && !kept.contains(&two.secret));
        assert!(!kept.contains("digest"), "{kept}");
    }

    #[test]
    fn a_secret_from_before_is_known_at_once() {
        let mut credentials = Credentials::default();

        let secret = credentials.issue(Uuid::from_u128(7), NOON).unwrap();

        assert_eq!(credentials.presented(&secret, NOON), Ok(Uuid::from_u128(7)));
        assert_eq!(credentials.passwords().count(), 1);
    }

    #[test]
    fn each_secret_opens_for_itself_and_is_counted_for_itself() {
        let mut credentials = Credentials::default();
        let one = credentials.add_password(wanted(1), AT_ONCE, NOON).unwrap();
        let two = credentials.add_password(wanted(1), AT_ONCE, NOON).unwrap();

        for (secret, key_id) in
            [(&one.secret, one.password.key_id), (&two.secret, two.password.key_id)]
        {
            assert_eq!(credentials.presented(secret, NOON), Ok(key_id));
        }
        assert_eq!(credentials.presented(&two.secret, NOON), Ok(two.password.key_id));
        assert_eq!(credentials.presented("guess", NOON), Err(NotAccepted::Unknown));

        let counted: Vec<_> = credentials.history().iter().map(|one| one.accepted).collect();
        assert_eq!((counted, credentials.strangers()), (vec![1, 2], 1));
    }

    #[test]
    fn an_added_secret_is_not_known_at_once_and_a_removed_one_not_forgotten_at_once() {
        let mut credentials = Credentials::default();
        let Added { password, secret } = credentials.add_password(wanted(1), SLOWLY, NOON).unwrap();

        assert_eq!(credentials.presented(&secret, after(1)), Err(NotAccepted::Unknown));
        assert_eq!(credentials.presented(&secret, after(2)), Ok(password.key_id));
        assert!(credentials.remove_password(password.key_id, SLOWLY, after(10)));
        assert_eq!(credentials.passwords().count(), 0);
        assert_eq!(credentials.presented(&secret, after(12)), Ok(password.key_id));
        assert_eq!(credentials.presented(&secret, after(13)), Err(NotAccepted::Unknown));
        assert_eq!(credentials.history()[0].refused, 2);
    }

    #[test]
    fn a_secret_ends_when_it_says() {
        let mut credentials = Credentials::default();
        let Added { secret, .. } = credentials.add_password(wanted(1), AT_ONCE, NOON).unwrap();

        assert!(credentials.presented(&secret, after(3_599)).is_ok());
        assert_eq!(credentials.presented(&secret, after(3_600)), Err(NotAccepted::Expired));
    }

    #[test]
    fn a_secret_is_removed_by_its_id_alone_and_once() {
        let mut credentials = Credentials::default();
        let one = credentials.add_password(wanted(1), AT_ONCE, NOON).unwrap();
        let two = credentials.add_password(wanted(1), AT_ONCE, NOON).unwrap();

        assert!(!credentials.remove_password(Uuid::nil(), AT_ONCE, NOON));
        assert!(credentials.remove_password(one.password.key_id, AT_ONCE, NOON));
        assert!(!credentials.remove_password(one.password.key_id, AT_ONCE, NOON));

        assert_eq!(credentials.presented(&one.secret, NOON), Err(NotAccepted::Unknown));
        assert_eq!(credentials.presented(&two.secret, NOON), Ok(two.password.key_id));
    }
}
