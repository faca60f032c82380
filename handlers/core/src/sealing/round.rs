//! One partition in one round: what is new is verified, and sealed or refused.

use super::{
    Did, NotSealed, Place, Sealer, Violation,
    known::{Known, opening},
    leaves,
    recent::Recent,
};
use crate::{
    digest::Digest,
    ledger::{
        Checkpoint, Frontier, Note, Origin, Seal,
        anchor::Body,
        commit::{HEAD, StoredHead, StoredLeaf, leaf_id},
        tile::{Edge, Tile},
    },
    ports::{Created, Etag},
    time::Timestamp,
};

/// A head as it was found: what somebody claims the tree to be.
pub(super) struct Claimed {
    pub epoch: u32,
    pub frontier: Frontier,
    pub etag: Etag,
}

/// Leaves that are proven to follow what was anchored.
struct Extension {
    edge: Edge,
    full: Vec<(Tile, Vec<Digest>)>,
    recent: Recent,
    entries: Vec<String>,
}

impl Sealer {
    /// Seals what is new. Remote calls of a tree that has not moved: one read. Of one that has:
    /// one read more for each thousand leaves, one creation for each tile that changed (two for
    /// up to 256 leaves), one signature, and one creation for the anchor.
    pub(super) async fn seal(
        &self,
        place: &Place,
        known: &mut Known,
        now: Timestamp,
    ) -> Result<Did, NotSealed> {
        let Some(head) = self.head(place).await? else {
            let is_empty = known.number == 0;
            return if is_empty { Ok(Did::Nothing) } else { Err(Violation::HeadGone.into()) };
        };
        if head.epoch == known.epoch + 1 && known.note.is_some() {
            let first = self.follow(place, known, now).await?;
            known.open_next(first);
        }
        if head.epoch != known.epoch {
            return Err(Violation::Epoch.into());
        }
        let (size, anchored) = (head.frontier.size(), known.edge.size());
        if size < anchored {
            return Err(Violation::Smaller.into());
        }
        if size == anchored {
            if head.frontier != known.edge.frontier() {
                return Err(Violation::Fork.into());
            }
            return Ok(Did::Nothing);
        }
        let extension = self.extension(place, known, &head, now).await?;
        self.anchor(place, known, extension, now).await
    }

    /// The head, if there is one.
    pub(super) async fn head(&self, place: &Place) -> Result<Option<Claimed>, NotSealed> {
        let Some(found) = self.ports.documents.read(&place.partition, HEAD).await? else {
            return Ok(None);
        };
        let head: StoredHead = serde_json::from_value(found.json).map_err(|_| Violation::Head)?;
        if head.tenant != place.partition.key()
            || head.kind != HEAD
            || head.root != head.frontier.root()
        {
            return Err(Violation::Head.into());
        }
        Ok(Some(Claimed { epoch: head.epoch, frontier: head.frontier, etag: found.etag }))
    }

    /// The statement by which the next epoch goes on from exactly what was anchored.
    async fn follow(
        &self,
        place: &Place,
        known: &Known,
        now: Timestamp,
    ) -> Result<Digest, NotSealed> {
        let id = leaf_id(known.epoch + 1, 0);
        let found = self.ports.documents.read(&place.partition, &id).await?;
        let leaf: StoredLeaf = found
            .and_then(|found| serde_json::from_value(found.json).ok())
            .ok_or(Violation::Epoch)?;
        let (_, opened) = opening(&leaf.statement, place, &place.trust, now)?;
        let previous = known.note.as_ref().map(Note::to_string);
        if opened.recovery.is_some() || Some(opened.previous) != previous {
            return Err(Violation::Epoch.into());
        }
        Ok(leaf.statement.digest())
    }

    /// Reads and verifies what is new.
    async fn extension(
        &self,
        place: &Place,
        known: &Known,
        head: &Claimed,
        now: Timestamp,
    ) -> Result<Extension, NotSealed> {
        let against = known.against(place, now);
        let mut edge = known.edge.clone();
        let mut full = Vec::new();
        let mut recent = Recent::default();
        let mut entries = Vec::new();
        let size = head.frontier.size();
        while edge.size() < size {
            let first = edge.size();
            let range = first..size.min(first + leaves::PAGE);
            let documents = &*self.ports.documents;
            let stored = leaves::read(documents, &place.partition, known.epoch, range).await?;
            for leaf in leaves::verified(stored, first, &against).await? {
                let is_new = recent.add(leaf.digest, leaf.statement.iat);
                if !is_new || known.recent.has(leaf.digest) {
                    return Err(Violation::Replayed.into());
                }
                if edge.size() == 0 && known.first.is_some_and(|first| first != leaf.digest) {
                    return Err(Violation::Epoch.into());
                }
                full.extend(edge.push(leaf.hash));
                entries.push(leaf.entry);
            }
        }
        if edge.frontier() != head.frontier {
            return Err(Violation::Root.into());
        }
        Ok(Extension { edge, full, recent, entries })
    }

    /// Writes the tiles, signs the checkpoint, and anchors it.
    async fn anchor(
        &self,
        place: &Place,
        known: &mut Known,
        extension: Extension,
        now: Timestamp,
    ) -> Result<Did, NotSealed> {
        let Extension { edge, full, recent, entries } = extension;
        self.write_tiles(place, known, &edge, full).await?;
        let key = place.partition.key();
        // Time does not go back in a tree, whatever a clock does.
        let time = known.anchored.map_or(now, |anchored| anchored.max(now));
        let seal = Seal {
            number: known.number + 1,
            time,
            binding: known.binding,
            keyset: known.keyset.max(place.trust.version()),
            claims: known.claims,
        };
        let origin = Origin::new(self.anchors.ledger(), key, known.epoch)?;
        let name = origin.to_string();
        let frontier = edge.frontier();
        let checkpoint = Checkpoint { origin, size: edge.size(), root: frontier.root(), seal };
        let note = Note::sign(checkpoint.text(), &name, &*self.checkpoints).await?;
        // An anchor that nobody believes would stop the partition for good.
        place.trust.open_anchored(&note, self.anchors.ledger(), time).map_err(NotSealed::Key)?;
        let body = Body::sealed(&note, frontier);
        if self.anchors.create(key, seal.number, &body).await? == Created::Existed {
            return Err(NotSealed::Raced);
        }
        known.number = seal.number;
        known.keyset = seal.keyset;
        known.anchored = Some(time);
        known.edge = edge;
        known.note = Some(note);
        known.first = None;
        known.recent.extend(recent);
        known.recent.forget_before(time);
        known.entries.add(entries);
        Ok(Did::Sealed)
    }
}
