//! Anchors: what was sealed of a tree, kept where only `drift` creates and nobody deletes.
//!
//! An anchor is a create-only blob in an account of its own. Its name holds the partition and
//! the anchor's number, counted down from the largest, so that the first name of one list is the
//! newest. The number, and not the tree's size, is what two seals race for: whoever lost must
//! look again at what was sealed, and can never anchor another tree beside it. Numbers go on
//! through all epochs of a partition.
//!
//! The newest anchor is either a checkpoint with its frontier, or a refusal: then nobody writes
//! or decides in that partition until the admin root orders how to go on.

use std::sync::Arc;

use serde::{Deserialize, Serialize};

use super::{
    checkpoint::Checkpoint,
    merkle::Frontier,
    note::Note,
    statement::{Happened, Statement},
};
use crate::{
    jws::{NotVerified, Signed},
    keyset::Trust,
    ports::{Blob, Blobs, Created, PortError},
    time::Timestamp,
};

/// Blob container of anchors, in the account of anchors.
pub const CONTAINER: &str = "anchors";

/// A verified anchor.
#[derive(Clone, Debug)]
pub enum Anchor {
    /// The tree is proven up to here.
    Sealed(Box<Sealed>),
    /// `drift` would not seal the tree. It stops.
    Refused(Box<Refused>),
}

/// A checkpoint that was anchored, with what it takes to go on from it.
#[derive(Clone, Debug)]
pub struct Sealed {
    /// The checkpoint, verified.
    pub checkpoint: Checkpoint,
    /// As it was signed.
    pub note: Note,
    /// The right edge of the tree under its root.
    pub frontier: Frontier,
}

/// A refusal that was anchored.
#[derive(Clone, Debug)]
pub struct Refused {
    /// Its number.
    pub number: u64,
    /// Why, in constant words of ours; nothing if the statement's key no longer counts.
    pub reason: Option<String>,
    /// When it was made, by its own word.
    pub at: Option<Timestamp>,
}

impl Anchor {
    /// Its number.
    #[must_use]
    pub const fn number(&self) -> u64 {
        match self {
            Self::Sealed(sealed) => sealed.checkpoint.seal.number,
            Self::Refused(refused) => refused.number,
        }
    }
}

/// The body of an anchor: either of the two forms.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Body {
    #[serde(default, skip_serializing_if = "Option::is_none")]
    checkpoint: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    frontier: Option<Frontier>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    refused: Option<Signed<Statement>>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    number: Option<u64>,
}

impl Body {
    pub(crate) fn sealed(note: &Note, frontier: Frontier) -> Self {
        Self { checkpoint: Some(note.to_string()), frontier: Some(frontier), ..Self::default() }
    }

    pub(crate) fn refused(refused: Signed<Statement>, number: u64) -> Self {
        Self { refused: Some(refused), number: Some(number), ..Self::default() }
    }
}

/// What was anchored cannot be told.
#[derive(Debug, thiserror::Error)]
pub enum NotAnchored {
    /// It is not of the form that `drift` writes.
    #[error("anchor not understood")]
    Form(#[source] serde_json::Error),
    /// `drift` did not sign it.
    #[error("anchor not verified")]
    NotVerified(#[source] NotVerified),
    /// It contradicts itself or its place.
    #[error("anchor is not what its name says: {0}")]
    Misplaced(&'static str),
    /// The store did not answer.
    #[error("anchor not read")]
    Port(#[from] PortError),
}

impl NotAnchored {
    /// Whether what is stored is not what `drift` anchors.
    #[must_use]
    pub const fn is_violation(&self) -> bool {
        !matches!(self, Self::Port(_))
    }
}

/// The name of a partition's anchor: the newest comes first.
#[must_use]
pub fn anchor_name(partition: &str, number: u64) -> String {
    format!("{partition}/{:020}", u64::MAX - number)
}

/// The number that a name stands for; `None` if it is not one of the partition's.
#[must_use]
pub fn anchor_number(partition: &str, name: &str) -> Option<u64> {
    let digits = name.strip_prefix(partition)?.strip_prefix('/')?;
    let inverted: u64 = digits.parse().ok()?;
    let number = u64::MAX - inverted;
    (anchor_name(partition, number) == name).then_some(number)
}

/// The anchors of a deployment.
#[derive(Clone)]
pub struct Anchors {
    blobs: Arc<dyn Blobs>,
    ledger: Arc<str>,
}

impl Anchors {
    /// The anchors of the ledger of this name, as the manifest gives it.
    #[must_use]
    pub fn new(blobs: Arc<dyn Blobs>, ledger: &str) -> Self {
        Self { blobs, ledger: ledger.into() }
    }

    /// Name of the ledger.
    #[must_use]
    pub fn ledger(&self) -> &str {
        &self.ledger
    }

    /// The newest anchor of a partition. Remote calls: one list, one read.
    ///
    /// # Errors
    ///
    /// [`NotAnchored`]. A newest anchor that cannot be believed is an error, never "none".
    pub async fn newest(
        &self,
        partition: &str,
        trust: &Trust,
        now: Timestamp,
    ) -> Result<Option<Anchor>, NotAnchored> {
        match self.list(partition, 1).await?.first() {
            None => Ok(None),
            Some((number, _)) => self.read(partition, *number, trust, now).await,
        }
    }

    /// Numbers of a partition's anchors, newest first, with the store's word of their time.
    ///
    /// # Errors
    ///
    /// [`NotAnchored`].
    pub async fn list(
        &self,
        partition: &str,
        limit: usize,
    ) -> Result<Vec<(u64, Timestamp)>, NotAnchored> {
        let listed = self.blobs.list(CONTAINER, &format!("{partition}/"), limit).await?;
        let numbered = listed.into_iter().map(|Blob { name, at }| {
            let number = anchor_number(partition, &name).ok_or(NotAnchored::Misplaced("name"))?;
            Ok((number, at))
        });
        numbered.collect()
    }

    /// One anchor. Remote calls: one read.
    ///
    /// # Errors
    ///
    /// [`NotAnchored`].
    pub async fn read(
        &self,
        partition: &str,
        number: u64,
        trust: &Trust,
        now: Timestamp,
    ) -> Result<Option<Anchor>, NotAnchored> {
        let name = anchor_name(partition, number);
        let Some(bytes) = self.blobs.read(CONTAINER, &name).await? else { return Ok(None) };
        self.open(&bytes, partition, number, trust, now).map(Some)
    }

    /// Creates the anchor of that number, or finds that there is one. Remote calls: one creation;
    /// one read if it existed, because it can be this very one, whose answer was lost.
    ///
    /// # Errors
    ///
    /// [`PortError`]; then it may have been created.
    pub(crate) async fn create(
        &self,
        partition: &str,
        number: u64,
        body: &Body,
    ) -> Result<Created, PortError> {
        let name = anchor_name(partition, number);
        let bytes = serde_json::to_vec(body).map_err(|error| PortError::Broken(error.into()))?;
        let created = self.blobs.create(CONTAINER, &name, &bytes).await?;
        if created == Created::Existed
            && self.blobs.read(CONTAINER, &name).await?.is_some_and(|stands| stands == bytes)
        {
            return Ok(Created::New);
        }
        Ok(created)
    }

    fn open(
        &self,
        bytes: &[u8],
        partition: &str,
        number: u64,
        trust: &Trust,
        now: Timestamp,
    ) -> Result<Anchor, NotAnchored> {
        let body: Body = serde_json::from_slice(bytes).map_err(NotAnchored::Form)?;
        match body {
            Body {
                checkpoint: Some(note),
                frontier: Some(frontier),
                refused: None,
                number: None,
            } => {
                let sealed = self.open_sealed(&note, frontier, partition, trust, now)?;
                if sealed.checkpoint.seal.number != number {
                    return Err(NotAnchored::Misplaced("number"));
                }
                Ok(Anchor::Sealed(Box::new(sealed)))
            }
            Body {
                checkpoint: None,
                frontier: None,
                refused: Some(signed),
                number: Some(said),
            } => {
                if said != number {
                    return Err(NotAnchored::Misplaced("number"));
                }
                Ok(Anchor::Refused(Box::new(open_refused(&signed, partition, number, trust)?)))
            }
            _ => Err(NotAnchored::Misplaced("form")),
        }
    }

    fn open_sealed(
        &self,
        note: &str,
        frontier: Frontier,
        partition: &str,
        trust: &Trust,
        now: Timestamp,
    ) -> Result<Sealed, NotAnchored> {
        let note = Note::parse(note).map_err(|_| NotAnchored::Misplaced("note"))?;
        let checkpoint = trust
            .open_anchored(&note, &self.ledger, now)
            .map_err(NotAnchored::NotVerified)?
            .value()
            .clone();
        if checkpoint.origin.partition() != partition {
            return Err(NotAnchored::Misplaced("partition"));
        }
        if frontier.size() != checkpoint.size || frontier.root() != checkpoint.root {
            return Err(NotAnchored::Misplaced("frontier"));
        }
        Ok(Sealed { checkpoint, note, frontier })
    }
}

/// A refusal stops the partition whether or not its key still counts: only what it says is not
/// repeated then.
fn open_refused(
    signed: &Signed<Statement>,
    partition: &str,
    number: u64,
    trust: &Trust,
) -> Result<Refused, NotAnchored> {
    let statement = match trust.open_undated(signed) {
        Ok(statement) => statement,
        Err(NotVerified::UnknownKey(_)) => return Ok(Refused { number, reason: None, at: None }),
        Err(error) => return Err(NotAnchored::NotVerified(error)),
    };
    if statement.r#type != Happened::SealRefused {
        return Err(NotAnchored::Misplaced("statement"));
    }
    if statement.subject != partition || statement.tenantid != partition {
        return Err(NotAnchored::Misplaced("partition"));
    }
    Ok(Refused { number, reason: statement.data.reason, at: Some(statement.iat) })
}
