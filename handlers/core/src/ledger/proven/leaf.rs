//! Leaves as they are stored: read in order, and each verified.

use std::ops::Range;

use super::{LATE_S, Leaf};
use crate::{
    digest::Digest,
    identity::App,
    jws::NotVerified,
    keyset::Trust,
    ledger::{
        commit::{LEAF, StoredLeaf, leaf_id},
        merkle::leaf_hash,
        statement::{Happened, Statement},
    },
    ports::{Documents, Partition, PortError},
    time::Timestamp,
};

/// Leaves that one query reads.
const PAGE: u32 = 500;

/// Leaves are not what was written there.
#[derive(Debug)]
pub(crate) enum Unread {
    /// One is not there. It may only not be seen yet.
    Missing,
    /// One was signed later than it is here by now: a matter of clocks.
    Ahead,
    /// One is not of ours.
    Violation(&'static str),
    /// The store did not answer.
    Port(PortError),
}

impl From<PortError> for Unread {
    fn from(error: PortError) -> Self {
        Self::Port(error)
    }
}

/// Whose leaves, and by whom and when they must be signed.
#[derive(Clone, Copy)]
pub(crate) struct Leaves<'a> {
    pub documents: &'a dyn Documents,
    pub partition: &'a Partition,
    pub epoch: u32,
    pub trust: &'a Trust,
    /// How far the newest anchor covers the epoch, and when it was made: what stands after it
    /// came after it.
    pub anchored: Option<(u64, Timestamp)>,
    pub now: Timestamp,
}

impl Leaves<'_> {
    /// Reads and verifies the leaves at these positions, in order.
    pub(crate) async fn read(self, positions: Range<u64>) -> Result<Vec<Leaf>, Unread> {
        let mut leaves = Vec::new();
        let mut next = positions.start;
        let end = leaf_id(self.epoch, positions.end);
        while next < positions.end {
            let start = leaf_id(self.epoch, next);
            let page = self.documents.range(self.partition, &start..&end, PAGE).await?;
            if page.is_empty() {
                return Err(Unread::Missing);
            }
            for found in page {
                let stored = serde_json::from_value(found.json)
                    .map_err(|_| Unread::Violation("a leaf is not of our form"))?;
                leaves.push(self.verify(next, &stored)?.1);
                next += 1;
            }
            // Verifying takes a while: others shall have their turn.
            tokio::task::yield_now().await;
        }
        Ok(leaves)
    }

    /// Reads the hashes of the leaves at these positions, in order, whoever signed them: for
    /// who compares what they lead to with what was anchored.
    pub(crate) async fn hashes(self, positions: Range<u64>) -> Result<Vec<Digest>, Unread> {
        let mut hashes = Vec::new();
        let mut next = positions.start;
        let end = leaf_id(self.epoch, positions.end);
        while next < positions.end {
            let start = leaf_id(self.epoch, next);
            let page = self.documents.range(self.partition, &start..&end, PAGE).await?;
            if page.is_empty() {
                return Err(Unread::Missing);
            }
            for found in page {
                let stored: StoredLeaf = serde_json::from_value(found.json)
                    .map_err(|_| Unread::Violation("a leaf is not of our form"))?;
                if stored.id != leaf_id(self.epoch, next) {
                    return Err(Unread::Missing);
                }
                hashes.push(leaf_hash(stored.statement.as_str().as_bytes()));
                next += 1;
            }
        }
        Ok(hashes)
    }

    /// The first leaf of the epoch, with what it says.
    pub(crate) async fn first(self) -> Result<Statement, Unread> {
        let found = self.documents.read(self.partition, &leaf_id(self.epoch, 0)).await?;
        let stored = serde_json::from_value(found.ok_or(Unread::Missing)?.json)
            .map_err(|_| Unread::Violation("a leaf is not of our form"))?;
        Ok(self.verify(0, &stored)?.0)
    }

    fn verify(self, index: u64, stored: &StoredLeaf) -> Result<(Statement, Leaf), Unread> {
        if stored.id != leaf_id(self.epoch, index) {
            // In the order of ids the next one is beyond: this one is not there.
            return Err(Unread::Missing);
        }
        let is_in_place = stored.epoch == self.epoch
            && stored.at == index.cast_signed()
            && stored.tenant == self.partition.key()
            && stored.kind == LEAF
            && stored.digest == stored.statement.digest();
        if !is_in_place {
            return Err(Unread::Violation("a leaf is in another's place"));
        }
        let signed = &stored.statement;
        let statement = self.trust.open_once_valid(signed, self.now).map_err(|error| {
            tracing::error!(error = %error, index, "leaf not verified");
            match error {
                NotVerified::NotYet(_) => Unread::Ahead,
                NotVerified::Malformed(_)
                | NotVerified::UnknownKey(_)
                | NotVerified::Signature
                | NotVerified::Expired(_)
                | NotVerified::Other(_) => {
                    Unread::Violation("a leaf is not signed by one of our apps")
                }
            }
        })?;
        // After the newest anchor, a key that was revoked by then backdates; what one says that was
        // revoked since is in the tree, and counts for nothing.
        let anchored = self.anchored.filter(|(size, _)| index >= *size).map(|(_, at)| at);
        let is_backdated = |revoked: Timestamp| {
            revoked <= statement.iat || anchored.is_some_and(|anchored| anchored >= revoked)
        };
        if self.trust.revoked(signed.key()).is_some_and(is_backdated) {
            return Err(Unread::Violation("a leaf is signed by a revoked key"));
        }
        if statement.tenantid != self.partition.key() || statement.subject != stored.subject {
            return Err(Unread::Violation("a leaf is another tree's"));
        }
        let opens = statement.r#type == Happened::EpochOpened;
        if opens != (index == 0 && self.epoch > 0) || (opens && statement.iss != App::Drift) {
            return Err(Unread::Violation("an epoch is opened in the wrong place"));
        }
        if anchored.is_some_and(|anchored| statement.iat < anchored.plus_s(-LATE_S)) {
            return Err(Unread::Violation("a leaf is older than it may be"));
        }
        let hash = leaf_hash(stored.statement.as_str().as_bytes());
        let leaf = Leaf { hash, iat: statement.iat };
        Ok((statement.value().clone(), leaf))
    }
}
