//! What a process knows of a tree, all of it verified: where it was anchored, and what it takes
//! to go on from there.

use std::error::Error;

use super::{NotSealed, Place, Sealer, Violation, leaves, recent::Recent, tiles::Entries};
use crate::{
    digest::Digest,
    identity::App,
    jws::Signed,
    keyset::Trust,
    ledger::{
        Checkpoint, Happened, Note, Statement,
        anchor::{Anchor, Refused, Sealed},
        commit::{StoredLeaf, leaf_id},
        proof::NotMade,
        published::{NoTile, Published},
        statement::{Data, Opened},
        tile::Edge,
    },
    ports::{Partition, PortError},
    time::Timestamp,
};

/// A tree as it was anchored.
pub(super) struct Known {
    /// Number of the newest anchor; 0 before the first.
    pub number: u64,
    /// The epoch.
    pub epoch: u32,
    /// The right edge of the anchored tree.
    pub edge: Edge,
    /// The newest checkpoint of this epoch, as it was signed.
    pub note: Option<Note>,
    /// When the partition was anchored last.
    pub anchored: Option<Timestamp>,
    /// Nothing older may stand in this epoch.
    pub floor: Option<Timestamp>,
    /// Digest of the statement that must open this epoch, as long as it is not anchored.
    pub first: Option<Digest>,
    /// Up to which time claims were held against their leaves, by the newest anchor.
    pub claims: Timestamp,
    /// Newest version of the binding that has its leaf.
    pub binding: u64,
    /// Newest version of the keyset that a checkpoint named.
    pub keyset: u64,
    /// Statements that stand in the tree already.
    pub recent: Recent,
    /// How much of the tree is exported; `None` if it was not looked yet.
    pub exported: Option<u64>,
    /// When it was exported last, by this process.
    pub exported_at: Timestamp,
    /// The newest entries.
    pub entries: Entries,
    /// Whether nothing is left in the database of the epoch before.
    pub cleared: bool,
}

/// What was anchored last.
pub(super) enum Last {
    /// A tree, or nothing yet.
    Known(Box<Known>),
    /// A refusal.
    Refused(Box<Refused>),
}

impl Known {
    /// Nothing was anchored of this epoch yet.
    pub(super) fn beginning(epoch: u32, number: u64) -> Self {
        Self {
            number,
            epoch,
            edge: Edge::empty(),
            note: None,
            anchored: None,
            floor: None,
            first: None,
            claims: Timestamp::from_unix_s(0),
            binding: 0,
            keyset: 0,
            recent: Recent::default(),
            exported: Some(0),
            exported_at: Timestamp::from_unix_s(0),
            entries: Entries::from(0),
            cleared: false,
        }
    }

    /// Goes on in the epoch that this statement opened after all of the anchored tree.
    pub(super) fn open_next(&mut self, first: Digest) {
        *self = Self {
            first: Some(first),
            anchored: self.anchored,
            claims: self.claims,
            keyset: self.keyset,
            recent: std::mem::take(&mut self.recent),
            ..Self::beginning(self.epoch + 1, self.number)
        };
    }

    /// What leaves that come now are held against.
    pub(super) fn against(&self, place: &Place, now: Timestamp) -> leaves::Against {
        leaves::Against {
            key: place.partition.key().to_owned(),
            epoch: self.epoch,
            trust: place.trust.clone(),
            anchored: self.anchored,
            floor: self.floor,
            now,
        }
    }
}

impl Sealer {
    /// Reads what was anchored last. Remote calls: one list and one read; if there was an anchor,
    /// one read for each partial tile, one more in an epoch after the first, and those of
    /// [`recall`](Self::recall).
    pub(super) async fn last(&self, place: &Place, now: Timestamp) -> Result<Last, NotSealed> {
        let key = place.partition.key();
        let listed = self.anchors.list(key, 1).await?;
        let Some((number, _)) = listed.first().copied() else {
            return Ok(Last::Known(Box::new(Known::beginning(0, 0))));
        };
        match self.anchors.read(key, number, &place.trust, now).await {
            Ok(Some(Anchor::Sealed(sealed))) => {
                Ok(Last::Known(Box::new(self.known(place, *sealed, now).await?)))
            }
            Ok(Some(Anchor::Refused(refused))) => Ok(Last::Refused(refused)),
            Ok(None) => Err(PortError::Unavailable("anchor was there and is not".into()).into()),
            // Nobody goes on from what cannot be believed: only an order of the root helps.
            Err(error) if error.is_violation() => {
                tracing::error!(partition = key, number, error = &error as &dyn Error, "no anchor");
                Ok(Last::Refused(Box::new(Refused { number, reason: None, at: None })))
            }
            Err(error) => Err(error.into()),
        }
    }

    async fn known(
        &self,
        place: &Place,
        sealed: Sealed,
        now: Timestamp,
    ) -> Result<Known, NotSealed> {
        let checkpoint = &sealed.checkpoint;
        let epoch = checkpoint.origin.epoch();
        let edge = match Edge::read(checkpoint.size, &self.tree(place, epoch)).await {
            Ok(edge) if edge.frontier() == sealed.frontier => edge,
            Err(NotMade::NotRead(NoTile::Port(error))) => return Err(error.into()),
            Ok(_) | Err(_) => return Err(Violation::Tile.into()),
        };
        let floor = if epoch == 0 { None } else { self.floor(place, epoch, now).await? };
        let recent = self.recall(place, &sealed, &place.trust, now).await?;
        let Checkpoint { size, seal, .. } = sealed.checkpoint;
        Ok(Known {
            edge,
            note: Some(sealed.note),
            anchored: Some(seal.time),
            floor,
            claims: seal.claims,
            binding: seal.binding,
            keyset: seal.keyset,
            recent,
            exported: None,
            entries: Entries::from(size),
            ..Known::beginning(epoch, seal.number)
        })
    }

    /// From when on statements may stand in an epoch: if it goes on from less than all of the
    /// one before, from its own beginning.
    async fn floor(
        &self,
        place: &Place,
        epoch: u32,
        now: Timestamp,
    ) -> Result<Option<Timestamp>, NotSealed> {
        let id = leaf_id(epoch, 0);
        let found = self.ports.documents.read(&place.partition, &id).await?;
        let leaf: StoredLeaf = found
            .and_then(|found| serde_json::from_value(found.json).ok())
            .ok_or(Violation::Anchored)?;
        let (statement, opened) = opening(&leaf.statement, place, &place.trust, now)?;
        Ok(opened.recovery.is_some().then_some(statement.iat))
    }

    /// A partition's exported tree.
    pub(super) fn tree(&self, place: &Place, epoch: u32) -> Published {
        Published::new(self.ports.blobs.clone(), place.partition.key(), epoch)
    }
}

/// A statement that opens an epoch of this partition, by `drift`'s own word.
pub(super) fn opening(
    signed: &Signed<Statement>,
    place: &Place,
    trust: &Trust,
    now: Timestamp,
) -> Result<(Statement, Opened), Violation> {
    let statement = trust.open_once_valid(signed, now).map_err(|_| Violation::Epoch)?;
    let statement = statement.value().clone();
    let is_ours = statement.iss == App::Drift
        && statement.r#type == Happened::EpochOpened
        && statement.tenantid == place.partition.key();
    match statement.data.opened.clone() {
        Some(opened) if is_ours => Ok((statement, opened)),
        _ => Err(Violation::Epoch),
    }
}

/// What `drift` says of a partition's tree.
pub(super) fn saying(
    id: [u8; 16],
    partition: &Partition,
    happened: Happened,
    data: Data,
    now: Timestamp,
) -> Statement {
    Statement {
        specversion: "1.0".to_owned(),
        id: uuid::Builder::from_random_bytes(id).into_uuid(),
        source: format!("/airlock/{}", App::Drift),
        r#type: happened,
        subject: partition.key().to_owned(),
        time: now.to_string(),
        traceparent: None,
        tenantid: partition.key().to_owned(),
        principal: None,
        iss: App::Drift,
        iat: now,
        data,
    }
}
