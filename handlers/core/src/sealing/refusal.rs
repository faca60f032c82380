//! Refusing: saying once and for good that a tree is no proven extension of what was anchored.

use super::{NotSealed, Place, Sealer, known::saying};
use crate::{
    event,
    identity::App,
    jws::Signed,
    ledger::{Commit, Happened, anchor::Body, statement::Data},
    ports::{Created, Partition},
    time::Timestamp,
    violation,
};

/// What is wrong with a tree, in constant words.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Violation {
    /// There is no head any more.
    #[error("the tree's head is gone")]
    HeadGone,
    /// The head is not of the form that we write, or contradicts itself.
    #[error("the tree's head contradicts itself")]
    Head,
    /// Leaves that were anchored are gone.
    #[error("the tree is smaller than what was anchored")]
    Smaller,
    /// The tree is another one than what was anchored.
    #[error("the tree is not the one that was anchored")]
    Fork,
    /// The head is of an epoch that nobody opened.
    #[error("the tree is of an epoch that nobody opened")]
    Epoch,
    /// A leaf is not there.
    #[error("a leaf is missing")]
    Gap,
    /// A leaf is not of the form that we write.
    #[error("a leaf is not understood")]
    Form,
    /// A leaf stands in another place than it says.
    #[error("a leaf is not in its place")]
    Misplaced,
    /// A leaf belongs to another partition.
    #[error("a leaf is of another tenant")]
    Foreign,
    /// No key that may sign a statement signed a leaf.
    #[error("a leaf is not signed")]
    Forged,
    /// The key that a leaf names may sign no statement.
    #[error("a leaf is signed by a key that may not")]
    UnknownKey,
    /// The key of a leaf no longer counted.
    #[error("a leaf is signed by a revoked key")]
    Revoked,
    /// A leaf says that it is older than it can be where it stands.
    #[error("a leaf is backdated")]
    Backdated,
    /// A leaf says that it comes from the future.
    #[error("a leaf is postdated")]
    Postdated,
    /// A leaf stands in the tree already.
    #[error("a leaf stands in the tree twice")]
    Replayed,
    /// The leaves do not give the head's root.
    #[error("the leaves do not give the tree's head")]
    Root,
    /// Leaves that were anchored are no longer what they were.
    #[error("anchored leaves are not what they were")]
    Anchored,
    /// An exported tile is not what the tree gives.
    #[error("an exported tile is not the tree's")]
    Tile,
    /// A document is not there, whose last statement says what it holds.
    #[error("a document is missing")]
    DocumentGone,
    /// A document's statement is not the last one about it.
    #[error("a document was put back to an earlier state")]
    DocumentOld,
    /// A document is not what its statement says.
    #[error("a document is not genuine")]
    DocumentForged,
    /// A counter says that there was less than the ledger tells.
    #[error("a counter says less than the ledger")]
    CountedLess,
    /// A document's statement is in no tree.
    #[error("a document is in no ledger")]
    DocumentUnknown,
}

impl Violation {
    /// Whether a read that lags behind would look the same. Such a thing is believed only when
    /// it is still so a while later.
    pub(super) const fn may_be_lag(self) -> bool {
        matches!(
            self,
            Self::HeadGone
                | Self::Smaller
                | Self::Epoch
                | Self::Gap
                | Self::UnknownKey
                | Self::DocumentGone
                | Self::DocumentOld
                | Self::CountedLess
                | Self::DocumentUnknown
        )
    }
}

impl Sealer {
    /// Refuses a tree: the refusal becomes the next anchor. Says whether it did; if not, somebody
    /// has anchored something else meanwhile, and everything is to be looked at again.
    pub(super) async fn refuse(
        &self,
        place: &Place,
        newest: u64,
        violation: Violation,
        now: Timestamp,
    ) -> Result<bool, NotSealed> {
        let key = place.partition.key();
        let mut id = [0; 16];
        self.ports.entropy.fill(&mut id)?;
        let data = Data { reason: Some(violation.to_string()), ..Data::default() };
        let statement = saying(id, &place.partition, Happened::SealRefused, data, now);
        let signed = Signed::sign(&statement, &*self.ports.signer).await?;
        let number = newest + 1;
        let created = self.anchors.create(key, number, &Body::refused(signed, number)).await?;
        let refused = created == Created::New;
        if refused {
            tracing::error!(partition = key, %violation, "tree refused: it stops");
        }
        Ok(refused)
    }

    /// Tells whoever watches that a tree was refused: a leaf in the platform's tree, and an event.
    /// Once for each process that learns of it: nothing in the database could say reliably that
    /// somebody was told before.
    pub(super) async fn tell(&self, place: &Place, now: Timestamp) -> Result<(), NotSealed> {
        // Of its own refusal no tree can tell; the log has.
        if place.scope.is_none() {
            return Ok(());
        }
        let (happened, what) = (Happened::SealRefused, "the tenant's ledger is refused: it stops");
        let entropy = &*self.ports.entropy;
        let (app, tenant, platform) = (App::Drift, &place.partition, Partition::platform());
        let commit = violation::commit(app, &platform, None, what, None, entropy, now)?;
        let event = event::outgoing(app, happened, tenant, None, what, entropy, now)?;
        let subject = Some(tenant.key().to_owned());
        let commit = Commit { subject, outgoing: vec![event], ..commit };
        self.ledger.commit(&platform, commit, now).await?;
        Ok(())
    }
}
