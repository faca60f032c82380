//! Whether a tree is what was sealed: what every writer knows before it decides or writes.
//!
//! The database's head is nobody's word. It counts as far as it extends, leaf by verified leaf,
//! the newest anchor, which only `drift` can make; and, in a process that has seen more, as far
//! as it extends what that process has seen. What extends the anchor and was not sealed for
//! [`STALE_S`] seconds does not count any more: then `drift` is down, or somebody keeps it from
//! seeing what is written.
//!
//! A process keeps what it has verified, for each tree: its right edge, and the leaves that no
//! anchor covers yet. So a decision in a tree that is in use costs no call; the anchors and the
//! head are looked at again beside the work, every `LOOK_S` seconds of use. A process that did
//! not look for [`STALE_S`] seconds looks before it goes on, or whoever owns the database could
//! show it an old state for ever.
//!
//! A tree that was found to be another than it was stays so for this process: what it has seen
//! is not forgotten because it is contradicted.

mod known;
mod leaf;
mod moment;
mod reading;

use std::{
    collections::HashMap,
    error::Error,
    sync::{
        Arc, Mutex, MutexGuard, PoisonError,
        atomic::{AtomicBool, Ordering},
    },
};

use tracing::Instrument as _;

use super::{
    anchor::{Anchor, Anchors, NotAnchored, Sealed},
    checkpoint::{Origin, Seal},
    merkle::Frontier,
};
use crate::{
    digest::Digest,
    keyset::Trust,
    ports::{Clock, Documents, Partition, PortError},
    time::Timestamp,
};
pub(crate) use known::{Known, Leaf};
use moment::Moments;
pub(crate) use reading::Read;

/// How old a leaf may be that no anchor covers, and how old what a process knows of a tree, in
/// seconds.
pub const STALE_S: i64 = 60;

/// After how many seconds of use a tree is looked at again, beside the work.
const LOOK_S: i64 = 10;

/// How much older than the newest anchor a leaf may be that it does not cover, in seconds: as
/// `drift` judges it.
pub const LATE_S: i64 = 900;

/// A tree that is what was sealed, and no older than it may be.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Proven {
    /// The tree of the newest anchor.
    pub origin: Origin,
    /// Leaves that it covers.
    pub size: u64,
    /// The root over them.
    pub root: Digest,
    /// The newest version of the tenant's binding that it names; 0 before the first anchor.
    pub binding: u64,
    /// The newest version of the keyset that it names; 0 before the first anchor.
    pub keyset: u64,
}

/// A tree is not proven: nothing is decided or written there.
#[derive(Debug, thiserror::Error)]
pub enum NotProven {
    /// It was not sealed for too long. Later it may have been.
    #[error("tree not sealed for more than {STALE_S} s")]
    Stale,
    /// `drift` would not seal it: it stops until the admin root orders how to go on.
    #[error("tree stopped: it was refused a seal")]
    Refused,
    /// What is stored does not extend what was anchored, or what this process has seen.
    #[error("stored tree is not what was sealed: {0}")]
    Violation(&'static str),
    /// What is anchored is not what `drift` anchors.
    #[error("newest anchor not believed")]
    Anchor(#[source] NotAnchored),
    /// There is no genuine keyset by which anything could be proven.
    #[error("no keyset to prove a tree by")]
    NoKeyset,
    /// The store did not answer.
    #[error("tree not read")]
    Port(#[from] PortError),
}

impl NotProven {
    /// Whether somebody tampered with what is stored.
    #[must_use]
    pub const fn is_violation(&self) -> bool {
        match self {
            Self::Violation(_) | Self::Anchor(_) => true,
            Self::Stale | Self::Refused | Self::NoKeyset | Self::Port(_) => false,
        }
    }

    /// The same, for somebody else who waits for it. Causes are told once.
    pub(crate) const fn again(&self) -> Self {
        match self {
            // Of what was not answered as little is known as of what was not sealed: later.
            Self::Stale | Self::Port(_) => Self::Stale,
            Self::Refused => Self::Refused,
            Self::Violation(what) => Self::Violation(what),
            Self::Anchor(_) => Self::Violation("anchor"),
            Self::NoKeyset => Self::NoKeyset,
        }
    }
}

impl From<NotAnchored> for NotProven {
    fn from(error: NotAnchored) -> Self {
        match error {
            NotAnchored::Port(error) => Self::Port(error),
            violation => Self::Anchor(violation),
        }
    }
}

/// All trees, as far as one process has verified them.
pub struct Trees {
    documents: Arc<dyn Documents>,
    anchors: Anchors,
    clock: Arc<dyn Clock>,
    all: Mutex<HashMap<Partition, Arc<Tree>>>,
    trusted: Mutex<Option<Trust>>,
}

/// One tree.
pub(crate) struct Tree {
    partition: Partition,
    seen: Mutex<Seen>,
    /// One reads for all who wait.
    turn: tokio::sync::Mutex<()>,
    tended: AtomicBool,
    moments: Mutex<Moments>,
}

/// What was seen of a tree.
#[derive(Clone, Default)]
struct Seen {
    /// The tree itself, verified.
    known: Option<Known>,
    /// The newest anchor that seals something.
    sealed: Option<Arc<Sealed>>,
    /// Number of the newest anchor, if it is a refusal.
    refused: Option<u64>,
    /// When the anchors were last looked at.
    looked: Option<Timestamp>,
    /// When the head was last looked at, or written.
    read: Option<Timestamp>,
}

/// What is to be looked at.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Look {
    /// The anchors alone.
    Anchors,
    /// The anchors, and then the tree.
    Tree,
}

impl Trees {
    /// Nothing is seen yet.
    #[must_use]
    pub fn new(documents: Arc<dyn Documents>, anchors: Anchors, clock: Arc<dyn Clock>) -> Self {
        Self { documents, anchors, clock, all: Mutex::default(), trusted: Mutex::default() }
    }

    /// Proves a tree.
    ///
    /// Remote calls: none while the tree is in use. The first time, one list and one read of
    /// anchors, one read of the head, and one query for each 500 leaves that are not covered;
    /// after [`STALE_S`] seconds without use, one list and one read of the head, and what is new.
    ///
    /// # Errors
    ///
    /// [`NotProven`].
    pub async fn proven(
        self: &Arc<Self>,
        partition: &Partition,
        trust: &Trust,
        now: Timestamp,
    ) -> Result<Proven, NotProven> {
        self.remember(trust);
        let tree = self.tree(partition);
        if let Ok(proven) = self.judged(&tree, now) {
            self.tend(&tree, Look::Tree, now);
            return Ok(proven);
        }
        self.look_again(&tree, trust, now).await?;
        self.judged(&tree, now)
    }

    /// Where what was sealed is anchored.
    #[must_use]
    pub const fn anchors(&self) -> &Anchors {
        &self.anchors
    }

    /// What the newest anchor of a partition says besides its tree; `None` before the first.
    ///
    /// Remote calls: one list, and one read for a new anchor, if nobody looked for [`STALE_S`]
    /// seconds.
    ///
    /// # Errors
    ///
    /// [`NotProven`]. A refusal is none: what was sealed before it counts.
    pub async fn newest_seal(
        self: &Arc<Self>,
        partition: &Partition,
        trust: &Trust,
        now: Timestamp,
    ) -> Result<Option<Seal>, NotProven> {
        self.remember(trust);
        let tree = self.tree(partition);
        if tree.seen().has_looked(now) {
            self.tend(&tree, Look::Anchors, now);
        } else {
            let _turn = tree.turn.lock().await;
            if !tree.seen().has_looked(now) {
                self.look(&tree, trust, now).await?;
            }
        }
        Ok(tree.seen().sealed.as_ref().map(|sealed| sealed.checkpoint.seal))
    }

    /// What the newest anchor says that this process has seen of a partition. No remote call.
    #[must_use]
    pub fn known_seal(&self, partition: &Partition) -> Option<Seal> {
        self.tree(partition).seen().sealed.as_ref().map(|sealed| sealed.checkpoint.seal)
    }

    /// The newest version of the keyset that any anchor names which this process has seen. No
    /// remote call.
    #[must_use]
    pub fn known_keyset(&self) -> u64 {
        let trees = lock(&self.all);
        let named = |tree: &Arc<Tree>| Some(tree.seen().sealed.as_ref()?.checkpoint.seal.keyset);
        trees.values().filter_map(named).max().unwrap_or_default()
    }

    /// Whoever was trusted last, if anyone was.
    pub(crate) fn trusted(&self) -> Option<Trust> {
        lock(&self.trusted).clone()
    }

    /// Whether a tree is proven by what is known of it.
    pub(crate) fn judged(&self, tree: &Tree, now: Timestamp) -> Result<Proven, NotProven> {
        tree.seen().judged(self.anchors.ledger(), tree.partition.key(), now)
    }

    /// Looks at the anchors and the tree now. Whoever waited while somebody else looked is
    /// content with what they saw.
    pub(crate) async fn look_again(
        &self,
        tree: &Tree,
        trust: &Trust,
        now: Timestamp,
    ) -> Result<(), NotProven> {
        let _turn = tree.turn.lock().await;
        if self.judged(tree, now).is_ok() {
            return Ok(());
        }
        self.look(tree, trust, now).await?;
        if tree.seen().refused.is_some() {
            return Err(NotProven::Refused);
        }
        self.read(tree, trust, now).await.map(|_| ())
    }

    /// The head as it is stored, proven to extend what was anchored and what is known.
    pub(crate) async fn read_head(
        &self,
        tree: &Tree,
        trust: &Trust,
        now: Timestamp,
    ) -> Result<Read, NotProven> {
        let _turn = tree.turn.lock().await;
        let must_look = {
            let seen = tree.seen();
            seen.refused.is_some() || !seen.has_looked(now)
        };
        if must_look {
            self.look(tree, trust, now).await?;
        }
        if tree.seen().refused.is_some() {
            return Err(NotProven::Refused);
        }
        self.read(tree, trust, now).await
    }

    /// Looks beside the work, if it is time to.
    pub(crate) fn tend_tree(self: &Arc<Self>, tree: &Arc<Tree>, now: Timestamp) {
        self.tend(tree, Look::Tree, now);
    }

    fn tend(self: &Arc<Self>, tree: &Arc<Tree>, what: Look, now: Timestamp) {
        let is_due = tree.seen().looked.is_none_or(|looked| now.since_s(looked) >= LOOK_S);
        let Some(trust) = self.trusted().filter(|_| is_due) else { return };
        if tree.tended.swap(true, Ordering::AcqRel) {
            return;
        }
        let (trees, tree) = (Arc::clone(self), Arc::clone(tree));
        let look = async move {
            let turn = tree.turn.lock().await;
            let now = trees.clock.now();
            let mut looked = trees.look(&tree, &trust, now).await;
            if looked.is_ok() && what == Look::Tree && tree.seen().refused.is_none() {
                looked = trees.read(&tree, &trust, now).await.map(|_| ());
            }
            drop(turn);
            tree.tended.store(false, Ordering::Release);
            match looked {
                Ok(()) => {}
                Err(error) if error.is_violation() => {
                    let (partition, error) =
                        (tree.partition.key(), &error as &(dyn Error + 'static));
                    tracing::error!(partition, error, "tree not proven");
                }
                Err(error) => {
                    let error = &error as &(dyn Error + 'static);
                    tracing::warn!(partition = tree.partition.key(), error, "tree not looked at");
                }
            }
        };
        tokio::spawn(look.in_current_span());
    }

    /// Looks for a newer anchor, and takes it: what is known must agree with it.
    async fn look(&self, tree: &Tree, trust: &Trust, now: Timestamp) -> Result<(), NotProven> {
        let key = tree.partition.key();
        let newest = self.anchors.list(key, 1).await?.first().map(|(number, _)| *number);
        let before = tree.seen().newest();
        let number = newest.unwrap_or_default();
        if number < before {
            // Nobody can take an anchor away; so this is another account, or not ours at all.
            return Err(NotProven::Violation("anchors went back"));
        }
        if number > before {
            self.take(tree, number, trust, now).await?;
        }
        tree.seen().looked = Some(now);
        Ok(())
    }

    async fn take(
        &self,
        tree: &Tree,
        number: u64,
        trust: &Trust,
        now: Timestamp,
    ) -> Result<(), NotProven> {
        let read = async |number| {
            let anchor = self.anchors.read(tree.partition.key(), number, trust, now).await?;
            anchor.ok_or(NotProven::Violation("anchor was there and is not"))
        };
        let (sealed, refused) = match read(number).await? {
            Anchor::Sealed(sealed) => (Some(sealed), None),
            Anchor::Refused(_) if number == 1 => (None, Some(number)),
            // What was sealed before it still says which versions there are.
            Anchor::Refused(_) => match read(number - 1).await? {
                Anchor::Sealed(sealed) => (Some(sealed), Some(number)),
                Anchor::Refused(_) => return Err(NotProven::Violation("refused twice")),
            },
        };
        tree.seen().take(sealed.map(Arc::from), refused).map_err(NotProven::Violation)
    }

    pub(crate) fn tree(&self, partition: &Partition) -> Arc<Tree> {
        let mut trees = lock(&self.all);
        let new = || Arc::new(Tree::new(partition.clone()));
        Arc::clone(trees.entry(partition.clone()).or_insert_with(new))
    }

    fn remember(&self, trust: &Trust) {
        let mut trusted = lock(&self.trusted);
        if trusted.as_ref().is_none_or(|before| before.version() <= trust.version()) {
            *trusted = Some(trust.clone());
        }
    }
}

impl Tree {
    fn new(partition: Partition) -> Self {
        Self {
            partition,
            seen: Mutex::default(),
            turn: tokio::sync::Mutex::default(),
            tended: AtomicBool::default(),
            moments: Mutex::default(),
        }
    }

    /// Adds leaves that this process has just written on top of a tree of `size` leaves.
    pub(crate) fn extend(&self, epoch: u32, size: u64, leaves: Vec<Leaf>, now: Timestamp) {
        let mut seen = self.seen();
        // Unless somebody has read the head meanwhile, with these leaves in it.
        if let Some(known) = seen.known.as_mut().filter(|known| known.is(epoch, size)) {
            known.extend(leaves);
            seen.read = Some(now);
        }
    }

    /// Whether one of the leaves that no anchor covers yet is this one, and where.
    pub(crate) fn position_of(&self, hash: Digest) -> Option<(u32, u64)> {
        self.seen().known.as_ref().and_then(|known| known.position_of(hash))
    }

    /// Which of the partition's trees it is, if that is known.
    pub(crate) fn epoch(&self) -> Option<u32> {
        self.seen().known.as_ref().map(Known::epoch)
    }

    /// Whether its newest anchor is known to be a refusal.
    pub(crate) fn is_stopped(&self) -> bool {
        self.seen().refused.is_some()
    }

    fn seen(&self) -> MutexGuard<'_, Seen> {
        lock(&self.seen)
    }
}

impl Seen {
    /// Number of the newest anchor; 0 before the first.
    fn newest(&self) -> u64 {
        let sealed = self.sealed.as_ref().map(|sealed| sealed.checkpoint.seal.number);
        self.refused.or(sealed).unwrap_or_default()
    }

    fn has_looked(&self, now: Timestamp) -> bool {
        self.looked.is_some_and(|looked| now.since_s(looked) < STALE_S)
    }

    fn take(
        &mut self,
        sealed: Option<Arc<Sealed>>,
        refused: Option<u64>,
    ) -> Result<(), &'static str> {
        if let (Some(known), Some(sealed)) = (&mut self.known, &sealed) {
            known.cover(sealed)?;
        }
        if let Some(sealed) = sealed {
            self.sealed = Some(sealed);
        }
        self.refused = refused;
        Ok(())
    }

    fn judged(&self, ledger: &str, partition: &str, now: Timestamp) -> Result<Proven, NotProven> {
        if self.refused.is_some() {
            return Err(NotProven::Refused);
        }
        let has_read = self.read.is_some_and(|read| now.since_s(read) < STALE_S);
        let Some(known) = self.known.as_ref().filter(|_| has_read && self.has_looked(now)) else {
            return Err(NotProven::Stale);
        };
        let is_young = known.oldest_uncovered().is_none_or(|at| now.since_s(at) < STALE_S);
        let is_behind = self.sealed.as_ref().is_some_and(|sealed| known.is_behind(sealed));
        if !is_young || is_behind {
            return Err(NotProven::Stale);
        }
        Ok(match &self.sealed {
            Some(sealed) => {
                let checkpoint = &sealed.checkpoint;
                Proven {
                    origin: checkpoint.origin.clone(),
                    size: checkpoint.size,
                    root: checkpoint.root,
                    binding: checkpoint.seal.binding,
                    keyset: checkpoint.seal.keyset,
                }
            }
            None => Proven {
                origin: Origin::new(ledger, partition, known.epoch())
                    .map_err(|_| NotProven::Violation("name"))?,
                size: 0,
                root: Frontier::empty().root(),
                binding: 0,
                keyset: 0,
            },
        })
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
