//! Checkpoints (C2SP tlog-checkpoint v1.0.0): how large a tree is, and its root, as a note that
//! `drift` signs.
//!
//! Below the three lines of the format stand five of ours: what the tree's readers must know to
//! be as recent as it. The format allows such lines and advises against them, because no monitor
//! of a tree can audit them. The alternative, a second signed document beside the checkpoint,
//! would need a signature of its own, and could be put together with the checkpoint of another
//! time.

use std::{fmt, str::FromStr};

use super::note;
use crate::{
    digest::Digest,
    identity::TenantId,
    jws::{Malformed, Typ},
    ports::PLATFORM,
    time::Timestamp,
};

/// Length of the longest ledger name.
const MAX_NAME: usize = 200;

/// The name of a tree: `<ledger>/t/<partition>/<epoch>`. A name, never an address.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Origin {
    ledger: String,
    partition: String,
    epoch: u32,
}

/// Not the name of a tree.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("not the name of a tree")]
pub struct NotAnOrigin;

/// What a tree was when `drift` sealed it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Checkpoint {
    /// Which tree.
    pub origin: Origin,
    /// Number of leaves.
    pub size: u64,
    /// Root over them.
    pub root: Digest,
    /// What else was so then.
    pub seal: Seal,
}

/// What else is true of a partition when its tree is sealed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Seal {
    /// Number of the anchor: counts from 1, over all epochs of a partition.
    pub number: u64,
    /// When it was sealed.
    pub time: Timestamp,
    /// The newest version of the tenant's binding; 0 for the platform, which has none.
    pub binding: u64,
    /// The newest version of the keyset.
    pub keyset: u64,
    /// Every claim that was made before this time has its leaf, or its violation.
    pub claims: Timestamp,
}

impl Origin {
    /// The tree of a partition in an epoch.
    ///
    /// # Errors
    ///
    /// [`NotAnOrigin`] if the ledger's name has other letters than `a-z`, `0-9`, `.`, `-` and `/`
    /// between them, or the partition is neither a tenant's id nor `platform`.
    pub fn new(ledger: &str, partition: &str, epoch: u32) -> Result<Self, NotAnOrigin> {
        let is_tenant =
            || partition.parse().is_ok_and(|tenant: TenantId| tenant.to_string() == partition);
        if !is_ledger_name(ledger) || !(partition == PLATFORM || is_tenant()) {
            return Err(NotAnOrigin);
        }
        Ok(Self { ledger: ledger.to_owned(), partition: partition.to_owned(), epoch })
    }

    /// Reads the written form.
    ///
    /// # Errors
    ///
    /// [`NotAnOrigin`].
    pub fn parse(text: &str) -> Result<Self, NotAnOrigin> {
        let (rest, epoch) = text.rsplit_once('/').ok_or(NotAnOrigin)?;
        let (rest, partition) = rest.rsplit_once('/').ok_or(NotAnOrigin)?;
        let ledger = rest.strip_suffix("/t").ok_or(NotAnOrigin)?;
        Self::new(ledger, partition, decimal(epoch).ok_or(NotAnOrigin)?)
    }

    /// The ledger's name, as the deployment's manifests say it.
    #[must_use]
    pub fn ledger(&self) -> &str {
        &self.ledger
    }

    /// Key of the partition: the tenant's id, or `platform`.
    #[must_use]
    pub fn partition(&self) -> &str {
        &self.partition
    }

    /// Which of the partition's trees, from 0.
    #[must_use]
    pub const fn epoch(&self) -> u32 {
        self.epoch
    }
}

/// Whether this can be the name of a ledger: written so that it has one spelling, and cannot run
/// into what follows it in an [`Origin`].
#[must_use]
pub fn is_ledger_name(name: &str) -> bool {
    let is_part = |part: &str| {
        let is_letter =
            |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || b".-".contains(&byte);
        !part.is_empty() && part.bytes().all(is_letter)
    };
    name.len() <= MAX_NAME && name.split('/').all(is_part)
}

impl fmt::Display for Origin {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "{}/t/{}/{}", self.ledger, self.partition, self.epoch)
    }
}

impl Checkpoint {
    /// The text that is signed, its last newline included.
    #[must_use]
    pub fn text(&self) -> String {
        let Self { origin, size, root, seal } = self;
        let Seal { number, time, binding, keyset, claims } = seal;
        format!(
            "{origin}\n{size}\n{}\nanchor {number}\ntime {}\nbinding {binding}\n\
             keyset {keyset}\nclaims {}\n",
            note::encode(root.as_bytes()),
            time.as_unix_s(),
            claims.as_unix_s(),
        )
    }

    /// Reads a note's text. Exactly our lines in exactly their order: what another reader could
    /// take for something else is not read.
    ///
    /// # Errors
    ///
    /// [`Malformed`].
    pub fn parse(text: &str) -> Result<Self, Malformed> {
        Self::read(text).ok_or_else(|| Malformed::not_a(Typ::Checkpoint))
    }

    fn read(text: &str) -> Option<Self> {
        let mut lines = text.strip_suffix('\n')?.split('\n');
        let origin = Origin::parse(lines.next()?).ok()?;
        let size = decimal(lines.next()?)?;
        let root = hash(lines.next()?)?;
        let mut named = |name: &str| lines.next()?.strip_prefix(name)?.strip_prefix(' ');
        let seal = Seal {
            number: decimal(named("anchor")?)?,
            time: time(named("time")?)?,
            binding: decimal(named("binding")?)?,
            keyset: decimal(named("keyset")?)?,
            claims: time(named("claims")?)?,
        };
        lines.next().is_none().then_some(Self { origin, size, root, seal })
    }
}

/// Decimal digits without a sign and without leading zeros.
pub(super) fn decimal<N: FromStr>(text: &str) -> Option<N> {
    let is_canonical =
        text.bytes().all(|byte| byte.is_ascii_digit()) && (text == "0" || !text.starts_with('0'));
    if is_canonical { text.parse().ok() } else { None }
}

fn time(text: &str) -> Option<Timestamp> {
    decimal(text).map(Timestamp::from_unix_s)
}

/// A hash as notes and proofs write it.
pub(super) fn hash(text: &str) -> Option<Digest> {
    note::decode(text)?.try_into().ok().map(Digest::from_bytes)
}

#[cfg(test)]
mod tests;
