//! What `drift` published of the trees, for whoever audits them: tiles, entry bundles and
//! checkpoints as blobs, beside which the hot partition is not asked.
//!
//! Below `<partition>/<epoch>/`: tiles and bundles by their paths (C2SP tlog-tiles), and each
//! checkpoint whose tiles and entries are all there, under its size counted down from the
//! largest, so that the first name of one list is the newest.

use std::sync::Arc;

use async_trait::async_trait;

use super::{
    note::Note,
    proof::Hashes,
    tile::{Resource, Tile, decode_hashes},
};
use crate::{
    digest::Digest,
    ports::{Blobs, PortError},
};

/// Blob container of what is published.
pub const CONTAINER: &str = "tiles";

/// Name of a checkpoint of that size.
#[must_use]
pub fn checkpoint_name(partition: &str, epoch: u32, size: u64) -> String {
    format!("{}{:020}", checkpoints(partition, epoch), u64::MAX - size)
}

/// Name of a tile or bundle.
#[must_use]
pub fn resource_name(partition: &str, epoch: u32, resource: Resource) -> String {
    format!("{partition}/{epoch}/{}", resource.path())
}

fn checkpoints(partition: &str, epoch: u32) -> String {
    format!("{partition}/{epoch}/checkpoint/")
}

/// One tree, as it was published.
#[derive(Clone)]
pub struct Published {
    blobs: Arc<dyn Blobs>,
    partition: String,
    epoch: u32,
}

impl Published {
    /// The tree of a partition's epoch.
    #[must_use]
    pub fn new(blobs: Arc<dyn Blobs>, partition: &str, epoch: u32) -> Self {
        Self { blobs, partition: partition.to_owned(), epoch }
    }

    /// The newest checkpoint under which every tile and every entry is published. Remote calls:
    /// one list, one read. Unverified: whoever reads on verifies it.
    ///
    /// # Errors
    ///
    /// [`PortError`]; [`PortError::Broken`] if what stands there is no note.
    pub async fn checkpoint(&self) -> Result<Option<Note>, PortError> {
        let prefix = checkpoints(&self.partition, self.epoch);
        let listed = self.blobs.list(CONTAINER, &prefix, 1).await?;
        let Some(newest) = listed.first() else { return Ok(None) };
        let Some(bytes) = self.blobs.read(CONTAINER, &newest.name).await? else { return Ok(None) };
        let text = String::from_utf8(bytes).map_err(|error| PortError::Broken(error.into()))?;
        Note::parse(&text).map(Some).map_err(|error| PortError::Broken(error.into()))
    }

    /// A tile or bundle, as it is. Remote calls: one read.
    ///
    /// # Errors
    ///
    /// [`PortError`].
    pub async fn resource(&self, resource: Resource) -> Result<Option<Vec<u8>>, PortError> {
        self.blobs.read(CONTAINER, &resource_name(&self.partition, self.epoch, resource)).await
    }
}

/// A tile was not read.
#[derive(Debug, thiserror::Error)]
pub enum NoTile {
    /// It is not published, or not yet.
    #[error("tile not published")]
    NotThere,
    /// It has another number of hashes than its name says.
    #[error("tile not understood")]
    Form,
    /// The store did not answer.
    #[error("tile not read")]
    Port(#[from] PortError),
}

#[async_trait]
impl Hashes for Published {
    type Error = NoTile;

    async fn tile(&self, tile: Tile) -> Result<Vec<Digest>, NoTile> {
        let file = self.resource(Resource::Hashes(tile)).await?.ok_or(NoTile::NotThere)?;
        decode_hashes(&file, tile.width()).ok_or(NoTile::Form)
    }
}
