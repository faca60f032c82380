//! Opening an epoch: because the one before is full, or because the admin root ordered how a
//! refused tree goes on.

use super::{
    NotSealed, Place, Sealer, Violation,
    known::{Known, opening, saying},
    tiles::Entries,
};
use crate::{
    jws::Signed,
    keyset::Trust,
    ledger::{
        Checkpoint, Frontier, Happened, Note,
        anchor::{Anchor, Refused, Sealed},
        commit::{HEAD, StoredHead, StoredLeaf, leaf_id},
        merkle::leaf_hash,
        published::{CONTAINER, checkpoint_name},
        recovery::{Quarantined, RECOVERY_ID, Recovery},
        statement::{Data, Opened},
    },
    ports::{BatchError, Etag, PortError, Write},
    recovery::left_behind,
    time::Timestamp,
};

/// Anchors that are looked through for the last good one.
const MOST_ANCHORS: usize = 100;

/// Leaves of an old epoch that are removed in one round.
const MOST_REMOVED: u32 = 100;

/// For how long the leaves of an old epoch stay in the database, in seconds: claims are held
/// against them.
const KEPT_S: i64 = 86_400;

impl Sealer {
    /// Opens the next epoch once this one is full, and clears away what is left in the database of
    /// the one before. Remote calls: none otherwise.
    pub(super) async fn turn_epochs(
        &self,
        place: &Place,
        known: &mut Known,
        now: Timestamp,
    ) -> Result<(), NotSealed> {
        if known.edge.size() >= self.epoch_leaves
            && let Some(note) = known.note.as_ref().map(Note::to_string)
        {
            self.roll(place, known, note, now).await?;
        }
        if known.epoch > 0 && !known.cleared {
            known.cleared = self.clear(place, known.epoch, now).await?;
        }
        Ok(())
    }

    /// Opens the next epoch, if all of this one is anchored. If somebody writes meanwhile, the
    /// next round tries again.
    async fn roll(
        &self,
        place: &Place,
        known: &Known,
        previous: String,
        now: Timestamp,
    ) -> Result<(), NotSealed> {
        let Some(head) = self.head(place).await? else { return Ok(()) };
        if head.epoch != known.epoch || head.frontier != known.edge.frontier() {
            return Ok(());
        }
        let opened = Opened { previous, recovery: None };
        self.open(place, known.epoch + 1, opened, Some(head.etag), now).await
    }

    /// Writes the first leaf of an epoch and its head, together.
    async fn open(
        &self,
        place: &Place,
        epoch: u32,
        opened: Opened,
        replaces: Option<Etag>,
        now: Timestamp,
    ) -> Result<(), NotSealed> {
        let (partition, subject) = (&place.partition, place.partition.key());
        let mut id = [0; 16];
        self.ports.entropy.fill(&mut id)?;
        let data = Data { opened: Some(opened), ..Data::default() };
        let happened = Happened::EpochOpened;
        let first = saying(id, partition, happened, data, now);
        let signed = Signed::sign(&first, &*self.ports.signer).await?;
        let mut frontier = Frontier::empty();
        frontier.push(leaf_hash(signed.as_str().as_bytes()));
        let leaf = StoredLeaf::new(partition, epoch, 0, subject, &signed);
        let head = StoredHead::new(partition, epoch, frontier);
        let json = |error: serde_json::Error| PortError::Broken(error.into());
        let head = serde_json::to_value(head).map_err(json)?;
        let leaf = Write::Create(serde_json::to_value(leaf).map_err(json)?);
        let head = match replaces {
            Some(etag) => Write::Replace(head, etag),
            None => Write::Create(head),
        };
        match self.ports.documents.batch(partition, &[leaf, head]).await {
            // Or this very batch, whose answer was lost: the next round sees which.
            Ok(_) | Err(BatchError::Conflict(_)) => Ok(()),
            Err(BatchError::Port(error)) => Err(error.into()),
        }
    }

    /// What there is to go on from after a refusal: an epoch that the admin root ordered. If it is
    /// ordered and not opened yet, it is opened. Remote calls: one list, one or two reads of
    /// anchors, one of the head, one of the order, and one for each thousand
    /// leaves that stay behind.
    pub(super) async fn recovered(
        &self,
        place: &Place,
        refused: &Refused,
        now: Timestamp,
    ) -> Result<Option<Known>, NotSealed> {
        let last = self.last_good(place, refused.number, now).await?;
        let stands = self.ports.documents.read(&place.partition, HEAD).await?;
        let (head, etag) = match stands {
            None => (None, None),
            // Whatever it says: what counts is what the new epoch begins with.
            Some(found) => {
                (serde_json::from_value::<StoredHead>(found.json).ok(), Some(found.etag))
            }
        };
        let epoch = head.map_or(0, |head| head.epoch);
        if epoch > 0
            && let Some(known) = self.resumed(place, epoch, refused, last.as_ref(), now).await?
        {
            return Ok(Some(known));
        }
        let Some(order) = self.artefact::<Recovery>(&place.bindings, RECOVERY_ID).await? else {
            return Ok(None);
        };
        let recovery = match ordered(&order, place, &place.trust, refused, last.as_ref(), now) {
            Ok(recovery) => recovery,
            Err(why) => {
                tracing::warn!(partition = place.partition.key(), why, "no order to recover");
                return Ok(None);
            }
        };
        if !self.is_as_examined(place, &recovery, last.as_ref()).await? {
            tracing::warn!(partition = place.partition.key(), "not what the order leaves behind");
            return Ok(None);
        }
        let opened = Opened { previous: recovery.previous, recovery: Some(order) };
        self.open(place, recovery.epoch, opened, etag, now).await?;
        tracing::warn!(partition = place.partition.key(), recovery.epoch, "epoch opened by order");
        self.resumed(place, recovery.epoch, refused, last.as_ref(), now).await
    }

    /// Whether what would stay behind is what the order says.
    async fn is_as_examined(
        &self,
        place: &Place,
        recovery: &Recovery,
        last: Option<&Sealed>,
    ) -> Result<bool, NotSealed> {
        let from =
            last.map_or((0, 0), |last| (last.checkpoint.origin.epoch(), last.checkpoint.size));
        let documents = &*self.ports.documents;
        let stored = left_behind(documents, &place.partition, from, recovery.epoch).await?;
        let found = Quarantined::of(from.1, stored.iter().map(|found| &found.json));
        Ok(found == recovery.quarantined)
    }

    /// What an epoch goes on from that was opened by an order and is not anchored yet.
    async fn resumed(
        &self,
        place: &Place,
        epoch: u32,
        refused: &Refused,
        last: Option<&Sealed>,
        now: Timestamp,
    ) -> Result<Option<Known>, NotSealed> {
        let id = leaf_id(epoch, 0);
        let Some(found) = self.ports.documents.read(&place.partition, &id).await? else {
            return Ok(None);
        };
        let Ok(leaf) = serde_json::from_value::<StoredLeaf>(found.json) else { return Ok(None) };
        let Ok((first, opened)) = opening(&leaf.statement, place, &place.trust, now) else {
            return Ok(None);
        };
        let Some(order) = opened.recovery else { return Ok(None) };
        // It was carried out while it held.
        let recovery = ordered(&order, place, &place.trust, refused, last, first.iat);
        if !recovery.is_ok_and(|recovery| recovery.epoch == epoch) {
            return Ok(None);
        }
        let seal = last.map(|last| last.checkpoint.seal);
        Ok(Some(Known {
            first: Some(leaf.statement.digest()),
            floor: Some(first.iat),
            anchored: seal.map(|seal| seal.time).max(refused.at),
            claims: seal.map_or(Timestamp::from_unix_s(0), |seal| seal.claims),
            keyset: seal.map_or(0, |seal| seal.keyset),
            entries: Entries::from(0),
            ..Known::beginning(epoch, refused.number)
        }))
    }

    /// The newest anchor before a refusal that is none itself.
    async fn last_good(
        &self,
        place: &Place,
        refused: u64,
        now: Timestamp,
    ) -> Result<Option<Sealed>, NotSealed> {
        let key = place.partition.key();
        let listed = self.anchors.list(key, MOST_ANCHORS).await?;
        for (number, _) in listed.into_iter().filter(|(number, _)| *number < refused) {
            match self.anchors.read(key, number, &place.trust, now).await {
                Ok(Some(Anchor::Sealed(sealed))) => return Ok(Some(*sealed)),
                Ok(_) => {}
                // One that cannot be believed is no good one, like a refusal.
                Err(error) if error.is_violation() => {}
                Err(error) => return Err(error.into()),
            }
        }
        Ok(None)
    }

    /// Removes leaves of the epoch before, once it is exported and a day over. Says whether there
    /// is nothing left to remove. What an order left behind stays.
    async fn clear(&self, place: &Place, epoch: u32, now: Timestamp) -> Result<bool, NotSealed> {
        let (partition, documents) = (&place.partition, &*self.ports.documents);
        let Some(found) = documents.read(partition, &leaf_id(epoch, 0)).await? else {
            return Ok(false);
        };
        let leaf: StoredLeaf =
            serde_json::from_value(found.json).map_err(|_| Violation::Anchored)?;
        let (first, opened) = opening(&leaf.statement, place, &place.trust, now)?;
        if opened.previous.is_empty() {
            return Ok(true);
        }
        if now.since_s(first.iat) < KEPT_S {
            return Ok(false);
        }
        let previous = Note::parse(&opened.previous).ok();
        let previous = previous.and_then(|note| Checkpoint::parse(note.text()).ok());
        let Checkpoint { origin, size, .. } = previous.ok_or(Violation::Epoch)?;
        let exported = checkpoint_name(partition.key(), origin.epoch(), size);
        if self.ports.blobs.read(CONTAINER, &exported).await?.is_none() {
            return Ok(false);
        }
        let (start, end) = (leaf_id(origin.epoch(), 0), leaf_id(origin.epoch(), size));
        let found = documents.range(partition, start.as_str()..end.as_str(), MOST_REMOVED).await?;
        let removed: Vec<Write> = found
            .iter()
            .filter_map(|found| {
                Some(Write::Delete(found.json["id"].as_str()?.to_owned(), found.etag.clone()))
            })
            .collect();
        if removed.is_empty() {
            return Ok(true);
        }
        documents.batch(partition, &removed).await?;
        Ok(false)
    }
}

/// Whether an order is one to go on after exactly this refusal.
fn ordered(
    order: &Signed<Recovery>,
    place: &Place,
    trust: &Trust,
    refused: &Refused,
    last: Option<&Sealed>,
    at: Timestamp,
) -> Result<Recovery, &'static str> {
    let recovery = trust.open_root(order, at).map_err(|_| "not signed by the root, or over")?;
    let recovery = recovery.value().clone();
    let (number, previous, epoch) = last.map_or((0, String::new(), 0), |last| {
        let Checkpoint { origin, seal, .. } = &last.checkpoint;
        (seal.number, last.note.to_string(), origin.epoch())
    });
    if recovery.tnt != place.partition.key() {
        return Err("for another partition");
    }
    if recovery.after != number || recovery.previous != previous {
        return Err("after another anchor");
    }
    if recovery.epoch <= epoch {
        return Err("for an epoch that was");
    }
    if refused.at.is_some_and(|refused| recovery.iat < refused) {
        return Err("older than the refusal");
    }
    Ok(recovery)
}
