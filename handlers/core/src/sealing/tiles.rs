//! Writing a tree out: tiles before each anchor, bundles of entries and a checkpoint behind it.

use futures::{StreamExt as _, TryStreamExt as _, stream};

use super::{NotSealed, Place, Sealer, Violation, known::Known, leaves};
use crate::{
    digest::Digest,
    ledger::{
        proof::Hashes as _,
        published::{CONTAINER, NoTile, checkpoint_name, resource_name},
        tile::{Bundle, Edge, Resource, Tile, WIDTH, encode_entries, encode_hashes},
    },
    ports::{Created, PortError},
    time::Timestamp,
};

/// Blobs that are written at a time.
const AT_ONCE: usize = 8;

/// How often bundles that are not full are written, in seconds.
const EXPORT_S: i64 = 30;

/// Entries that are kept in memory until they are exported. Others are read again.
const MOST_KEPT: usize = 4096;

/// The newest entries of a tree.
pub(super) struct Entries {
    first: u64,
    entries: Vec<String>,
}

impl Entries {
    /// None yet, in a tree of that size.
    pub(super) const fn from(first: u64) -> Self {
        Self { first, entries: Vec::new() }
    }

    pub(super) fn add(&mut self, entries: Vec<String>) {
        self.entries.extend(entries);
        let end = self.first + self.entries.len() as u64;
        if self.entries.len() > MOST_KEPT {
            *self = Self::from(end);
        }
    }

    /// Those of a bundle, if all of them are kept.
    fn of(&self, bundle: Bundle) -> Option<&[String]> {
        let range = bundle.leaves();
        let start = usize::try_from(range.start.checked_sub(self.first)?).ok()?;
        let end = usize::try_from(range.end.checked_sub(self.first)?).ok()?;
        self.entries.get(start..end)
    }

    /// Forgets what no bundle will need again.
    fn forget_before(&mut self, index: u64) {
        let Some(count) = index.checked_sub(self.first) else { return };
        let count = usize::try_from(count).unwrap_or(usize::MAX).min(self.entries.len());
        self.entries.drain(..count);
        self.first += count as u64;
    }
}

impl Sealer {
    /// Writes what the tree has of tiles now and had not when it was anchored. Remote calls: one
    /// creation for each tile that changed.
    pub(super) async fn write_tiles(
        &self,
        place: &Place,
        known: &Known,
        edge: &Edge,
        full: Vec<(Tile, Vec<Digest>)>,
    ) -> Result<(), NotSealed> {
        let changed: Vec<Tile> =
            Tile::added(known.edge.size(), edge.size()).filter(|tile| !tile.is_full()).collect();
        let partial = edge.partial().filter(|(tile, _)| changed.contains(tile));
        let partial = partial.map(|(tile, hashes)| (tile, hashes.to_vec()));
        let tiles: Vec<_> = full.into_iter().chain(partial).collect();
        stream::iter(tiles)
            .map(|(tile, hashes)| async move {
                let file = encode_hashes(&hashes);
                self.write(place, known.epoch, Resource::Hashes(tile), &file).await
            })
            .buffer_unordered(AT_ONCE)
            .try_collect()
            .await
    }

    /// Exports what is anchored: whenever a bundle is full, and otherwise every half-minute.
    /// Remote calls: none if all is exported; else one creation for each bundle and one for the
    /// checkpoint. Of entries that this process did not seal itself, one read and one query more
    /// for each bundle; and one list when it has just started.
    pub(super) async fn export(
        &self,
        place: &Place,
        known: &mut Known,
        now: Timestamp,
    ) -> Result<(), NotSealed> {
        let Some(note) = known.note.as_ref().map(ToString::to_string) else { return Ok(()) };
        let exported = match known.exported {
            Some(exported) => exported,
            None => self.exported(place, known.epoch).await?,
        };
        known.exported = Some(exported);
        let size = known.edge.size();
        let is_full = size / u64::from(WIDTH) > exported / u64::from(WIDTH);
        if exported >= size || !(is_full || now.since_s(known.exported_at) >= EXPORT_S) {
            return Ok(());
        }
        let known_entries = &*known;
        stream::iter(Bundle::added(exported, size))
            .map(|bundle| self.write_bundle(place, known_entries, bundle))
            .buffer_unordered(AT_ONCE)
            .try_collect::<()>()
            .await?;
        // Of one size there can be two checkpoints, whose times differ. The first stays.
        let name = checkpoint_name(place.partition.key(), known.epoch, size);
        self.ports.blobs.create(CONTAINER, &name, note.as_bytes()).await?;
        known.exported = Some(size);
        known.exported_at = now;
        known.entries.forget_before(size - size % u64::from(WIDTH));
        Ok(())
    }

    /// Size of the tree that is exported already.
    async fn exported(&self, place: &Place, epoch: u32) -> Result<u64, NotSealed> {
        let newest = checkpoint_name(place.partition.key(), epoch, u64::MAX);
        let prefix = newest.trim_end_matches('0');
        let listed = self.ports.blobs.list(CONTAINER, prefix, 1).await?;
        let first = listed.first().and_then(|first| first.name.strip_prefix(prefix));
        let inverted = first.and_then(|digits| digits.parse::<u64>().ok());
        Ok(inverted.map_or(0, |inverted| u64::MAX - inverted))
    }

    async fn write_bundle(
        &self,
        place: &Place,
        known: &Known,
        bundle: Bundle,
    ) -> Result<(), NotSealed> {
        let file = match known.entries.of(bundle) {
            Some(entries) => encode_entries(entries),
            None => encode_entries(&self.read_entries(place, known, bundle).await?),
        };
        let file = file.map_err(|error| PortError::Broken(error.into()))?;
        self.write(place, known.epoch, Resource::Entries(bundle), &file).await
    }

    /// Reads entries again that were sealed before, and holds them against their tile.
    async fn read_entries(
        &self,
        place: &Place,
        known: &Known,
        bundle: Bundle,
    ) -> Result<Vec<String>, NotSealed> {
        let documents = &*self.ports.documents;
        let stored =
            leaves::read(documents, &place.partition, known.epoch, bundle.leaves()).await?;
        let edge = known.edge.partial().find(|(tile, _)| *tile == bundle.tile());
        let hashes = match edge {
            Some((_, hashes)) => hashes.to_vec(),
            None => match self.tree(place, known.epoch).tile(bundle.tile()).await {
                Ok(hashes) => hashes,
                Err(NoTile::Port(error)) => return Err(error.into()),
                Err(NoTile::NotThere | NoTile::Form) => return Err(Violation::Tile.into()),
            },
        };
        let mut entries = Vec::new();
        for (json, hash) in stored.into_iter().zip(hashes) {
            let (leaf, stands, _) = leaves::recall(json)?;
            if stands != hash {
                return Err(Violation::Anchored.into());
            }
            entries.push(leaf.statement.as_str().to_owned());
        }
        Ok(entries)
    }

    /// Writes a blob, unless it is there already and says the same.
    async fn write(
        &self,
        place: &Place,
        epoch: u32,
        resource: Resource,
        bytes: &[u8],
    ) -> Result<(), NotSealed> {
        let name = resource_name(place.partition.key(), epoch, resource);
        let blobs = &*self.ports.blobs;
        if blobs.create(CONTAINER, &name, bytes).await? == Created::New {
            return Ok(());
        }
        match blobs.read(CONTAINER, &name).await? {
            Some(stands) if stands == bytes => Ok(()),
            Some(_) => Err(Violation::Tile.into()),
            // It existed a moment ago: ask again in the next round.
            None => Err(PortError::Unavailable("blob was there and is not".into()).into()),
        }
    }
}
