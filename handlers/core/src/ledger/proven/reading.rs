//! Reading a tree: from what is known or anchored, leaf by leaf, to the stored head.

use std::time::Duration;

use super::{
    Known, Leaf, NotProven, Seen, Tree, Trees,
    leaf::{Leaves, Unread},
};
use crate::{
    keyset::Trust,
    ledger::{
        anchor::Sealed,
        commit::{HEAD, StoredHead},
        merkle::Frontier,
        note::Note,
    },
    ports::{Etag, PortError},
    time::Timestamp,
};

/// Pauses before what seems to be missing is looked for again, in milliseconds.
///
/// The store may show a reader a state that is a moment old; whoever put back an earlier one
/// shows that each time.
const PAUSES_MS: [u64; 3] = [50, 150, 400];

/// Leaves that are read to reach a head. A tree that is further ahead of its anchor was not
/// sealed for far too long.
const MOST_READ: u64 = 100_000;

/// A stored head that was proven.
pub(crate) struct Read {
    pub epoch: u32,
    pub frontier: Frontier,
    pub etag: Option<Etag>,
}

/// From where to where leaves are read.
struct Start {
    /// What the leaves are read on top of.
    from: Frontier,
    /// Whether that is what is known, and not what is anchored.
    is_known: bool,
}

impl From<Unread> for NotProven {
    fn from(error: Unread) -> Self {
        match error {
            Unread::Missing => Self::Violation("a leaf is missing"),
            Unread::Ahead => Self::Stale,
            Unread::Violation(what) => Self::Violation(what),
            Unread::Port(error) => Self::Port(error),
        }
    }
}

/// A head that is behind.
enum NotRead {
    /// It, or a leaf, is older than what is known or anchored. It may only not be seen yet.
    Behind(&'static str),
    /// It is of an epoch that nothing leads to which is known: only a newer anchor can.
    Unled,
    NotProven(NotProven),
}

impl From<Unread> for NotRead {
    fn from(error: Unread) -> Self {
        match error {
            Unread::Missing => Self::Behind("a leaf is missing"),
            error => Self::NotProven(error.into()),
        }
    }
}

impl From<PortError> for NotRead {
    fn from(error: PortError) -> Self {
        Self::NotProven(error.into())
    }
}

const fn violation(what: &'static str) -> NotRead {
    NotRead::NotProven(NotProven::Violation(what))
}

impl Trees {
    /// Reads the head and takes it, if it extends what is known and what was anchored.
    pub(super) async fn read(
        &self,
        tree: &Tree,
        trust: &Trust,
        now: Timestamp,
    ) -> Result<Read, NotProven> {
        let mut pauses = PAUSES_MS.into_iter();
        let mut has_looked = false;
        loop {
            let behind = match self.try_read(tree, trust, now).await {
                Ok(read) => return Ok(read),
                Err(NotRead::NotProven(error)) => return Err(error),
                Err(NotRead::Behind(what)) => what,
                Err(NotRead::Unled) if has_looked => {
                    return Err(NotProven::Violation("an epoch that nothing leads to"));
                }
                Err(NotRead::Unled) => {
                    self.look(tree, trust, now).await?;
                    if tree.is_stopped() {
                        return Err(NotProven::Refused);
                    }
                    has_looked = true;
                    continue;
                }
            };
            let Some(pause_ms) = pauses.next() else { return Err(NotProven::Violation(behind)) };
            tokio::time::sleep(Duration::from_millis(pause_ms)).await;
        }
    }

    async fn try_read(&self, tree: &Tree, trust: &Trust, now: Timestamp) -> Result<Read, NotRead> {
        let Seen { known, sealed, .. } = tree.seen().clone();
        let (stored, etag) = self.stored_head(tree).await?;
        let (epoch, frontier) = (stored.epoch, stored.frontier);
        let sealed = sealed.as_deref();
        let leaves = Leaves {
            documents: &*self.documents,
            partition: &tree.partition,
            epoch,
            trust,
            anchored: sealed.map(|sealed| {
                let checkpoint = &sealed.checkpoint;
                let is_here = checkpoint.origin.epoch() == epoch;
                (if is_here { checkpoint.size } else { 0 }, checkpoint.seal.time)
            }),
            now,
        };
        if sealed.is_some_and(|sealed| is_before(epoch, frontier.size(), sealed)) {
            return Err(NotRead::Behind("the head is behind the newest anchor"));
        }
        let start = start(known.as_ref(), sealed, epoch)?;
        if frontier.size() < start.from.size() {
            return Err(NotRead::Behind("the head went back"));
        }
        if frontier.size() - start.from.size() > MOST_READ {
            return Err(NotRead::NotProven(NotProven::Stale));
        }
        if !start.is_known {
            self.opened_rightly(leaves, known.as_ref(), sealed).await?;
        }
        let new = leaves.read(start.from.size()..frontier.size()).await?;
        let mut reached = start.from.clone();
        for leaf in &new {
            reached.push(leaf.hash);
        }
        if reached != frontier {
            return Err(violation("the head is not that of its leaves"));
        }
        let before = known.as_ref().map(|known| (known.epoch(), known.head().size()));
        let after = after(known.filter(|_| start.is_known), epoch, start.from, new)?;
        tree.seen().settle(before, after, sealed, now).map_err(violation)?;
        Ok(Read { epoch, frontier, etag })
    }

    async fn stored_head(&self, tree: &Tree) -> Result<(StoredHead, Option<Etag>), NotRead> {
        let Some(found) = self.documents.read(&tree.partition, HEAD).await? else {
            return Ok((StoredHead::new(&tree.partition, 0, Frontier::empty()), None));
        };
        let stored: StoredHead = serde_json::from_value(found.json)
            .map_err(|_| violation("the head is not of our form"))?;
        if stored.tenant != tree.partition.key() || stored.root != stored.frontier.root() {
            return Err(violation("the head contradicts itself"));
        }
        Ok((stored, Some(found.etag)))
    }

    /// An epoch that this process has not seen before: what it goes on from must be what was
    /// sealed, and what this process has seen of the epoch before must be in that.
    async fn opened_rightly(
        &self,
        leaves: Leaves<'_>,
        known: Option<&Known>,
        sealed: Option<&Sealed>,
    ) -> Result<(), NotRead> {
        let epoch = leaves.epoch;
        let is_sealed = sealed.is_some_and(|sealed| sealed.checkpoint.origin.epoch() == epoch);
        // What an anchor covers wholly, or nobody has seen, cannot have lost anything.
        let known = known.filter(|known| !known.covers_all());
        if epoch == 0 || (is_sealed && known.is_none()) {
            return Ok(());
        }
        let opened = leaves.first().await?.data.opened;
        let opened = opened.ok_or(violation("an epoch is opened without a word"))?;
        if !is_sealed {
            // By order of the root, `drift` opens an epoch and seals it before anyone goes on.
            let note = sealed.map(|sealed| sealed.note.to_string());
            if opened.recovery.is_some() || Some(&opened.previous) != note.as_ref() {
                // Or from what was sealed since: a newer anchor says.
                return Err(NotRead::Unled);
            }
        }
        let Some(known) = known.filter(|_| opened.recovery.is_none()) else { return Ok(()) };
        if known.epoch().checked_add(1) != Some(epoch) {
            tracing::warn!(epoch, "more than one epoch went by unseen");
            return Ok(());
        }
        let note = Note::parse(&opened.previous).map_err(|_| violation("previous checkpoint"))?;
        let last = leaves.trust.open_anchored(&note, self.anchors.ledger(), leaves.now);
        let last = last.map_err(|_| violation("previous checkpoint"))?;
        if last.origin.epoch() != known.epoch() || last.size < known.head().size() {
            return Err(violation("an epoch ends before what was seen of it"));
        }
        let rest = Leaves { epoch: known.epoch(), anchored: None, ..leaves };
        let mut reached = known.head().clone();
        for leaf in rest.read(known.head().size()..last.size).await? {
            reached.push(leaf.hash);
        }
        if reached.root() == last.root {
            Ok(())
        } else {
            Err(violation("an epoch ends as another tree than was seen"))
        }
    }
}

impl Seen {
    /// Takes a tree that was read on top of what was `before`, unless this process has written
    /// more meanwhile.
    fn settle(
        &mut self,
        before: Option<(u32, u64)>,
        mut after: Known,
        sealed: Option<&Sealed>,
        now: Timestamp,
    ) -> Result<(), &'static str> {
        if let Some(sealed) = sealed {
            after.cover(sealed)?;
        }
        let present = self.known.as_ref().map(|known| (known.epoch(), known.head().size()));
        if present == before {
            if let Some(newest) = &self.sealed {
                after.cover(newest)?;
            }
            self.known = Some(after);
        }
        self.read = Some(now);
        Ok(())
    }
}

/// Whether a head has less than what is sealed.
fn is_before(epoch: u32, size: u64, sealed: &Sealed) -> bool {
    let (sealed_epoch, sealed_size) = (sealed.checkpoint.origin.epoch(), sealed.checkpoint.size);
    epoch < sealed_epoch || (epoch == sealed_epoch && size < sealed_size)
}

/// On top of what the leaves of an epoch are read.
fn start(known: Option<&Known>, sealed: Option<&Sealed>, epoch: u32) -> Result<Start, NotRead> {
    match known {
        Some(known) if known.epoch() > epoch => {
            return Err(NotRead::Behind("the epoch went back"));
        }
        Some(known) if known.epoch() == epoch => {
            return Ok(Start { from: known.head().clone(), is_known: true });
        }
        Some(_) | None => {}
    }
    let from = match sealed {
        Some(sealed) if sealed.checkpoint.origin.epoch() == epoch => sealed.frontier.clone(),
        Some(sealed) if sealed.checkpoint.origin.epoch().checked_add(1) == Some(epoch) => {
            Frontier::empty()
        }
        None if epoch == 0 => Frontier::empty(),
        Some(_) | None => return Err(NotRead::Unled),
    };
    Ok(Start { from, is_known: false })
}

fn after(
    known: Option<Known>,
    epoch: u32,
    from: Frontier,
    new: Vec<Leaf>,
) -> Result<Known, NotRead> {
    match known {
        Some(mut known) => {
            if new.iter().any(|leaf| known.position_of(leaf.hash).is_some()) {
                return Err(violation("a leaf stands twice"));
            }
            known.extend(new);
            Ok(known)
        }
        None => Ok(Known::new(epoch, from, new)),
    }
}
