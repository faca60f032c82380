//! Receipts: the proof, for whoever asked, that how it ended is in a sealed tree; and the trees
//! themselves, for auditors.

use std::{sync::Arc, time::Duration};

use serde::Serialize;

use super::{Caller, Looking, NotReceived, Reception, RequestName};
use crate::{
    claim::Outcome,
    identity::{Role, TenantId},
    jws::{Signed, Verified},
    keyset::Trust,
    ledger::{
        Checkpoint, Happened, NotGenuine, NotProven, Statement,
        anchor::Anchor,
        commit::{LEAF, StoredLeaf},
        note::Note,
        proof::{self, NotMade},
        published::{NoTile, Published},
        receipt::Receipt,
        tile::Resource,
    },
    ports::{PLATFORM, Partition, Query},
    record::{Record, document_id},
    tenancy::TenantScope,
    time::Timestamp,
};

/// For how long a receipt is waited for, in looks.
///
/// `drift` seals every few seconds; whoever was not sealed by then asks again.
const LOOKS: u32 = 8;

/// Leaves about one request that are looked through, newest first: few come after its end.
const LEAVES: u32 = 20;

/// Pause between two looks.
const PAUSE: Duration = Duration::from_secs(1);

/// The proof of how a request ended.
#[derive(Debug, Serialize)]
pub struct Proof {
    /// C2SP tlog-proof: the entry is the text of `statement`.
    pub receipt: String,
    /// The worker's statement that it ended: the ledger's entry.
    pub statement: Signed<Statement>,
    /// The worker's word on how.
    pub outcome: Signed<Outcome>,
}

/// Whose tree.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Tree {
    /// A tenant's.
    Tenant(TenantId),
    /// That of a deployment, which is at home in this tenant.
    Platform(TenantId),
}

impl Tree {
    /// Reads a partition's key, in a deployment that is at home in this tenant.
    #[must_use]
    pub fn parse(text: &str, home: TenantId) -> Option<Self> {
        if text == PLATFORM {
            return Some(Self::Platform(home));
        }
        // One spelling for each.
        let tenant: TenantId = text.parse().ok()?;
        (tenant.to_string() == text).then_some(Self::Tenant(tenant))
    }

    fn key(self) -> String {
        match self {
            Self::Tenant(tenant) => tenant.to_string(),
            Self::Platform(_) => PLATFORM.to_owned(),
        }
    }
}

impl Reception {
    /// The receipt of a request that has ended. Waits until its leaf is sealed, a few seconds.
    ///
    /// # Errors
    ///
    /// [`NotReceived::State`] if it has not ended; [`NotReceived::NotProven`] if it was not
    /// sealed in time.
    pub async fn receipt(&self, caller: &Caller, name: RequestName) -> Result<Proof, NotReceived> {
        let made = self.try_receipt(caller, name).await;
        self.noticed(Some(name.tenant), Some(name.digest), made).await
    }

    /// The newest checkpoint under which all of a tree is published.
    ///
    /// # Errors
    ///
    /// [`NotReceived::NotThere`] too if the caller may not read that tree.
    pub async fn checkpoint(
        &self,
        caller: &Caller,
        tree: Tree,
        epoch: u32,
    ) -> Result<Note, NotReceived> {
        let published = self.published(caller, tree, epoch).await?;
        published.checkpoint().await?.ok_or(NotReceived::NotThere)
    }

    /// A tile or bundle of a tree.
    ///
    /// # Errors
    ///
    /// [`NotReceived::NotThere`] too if the caller may not read that tree.
    pub async fn resource(
        &self,
        caller: &Caller,
        tree: Tree,
        epoch: u32,
        resource: Resource,
    ) -> Result<Vec<u8>, NotReceived> {
        let published = self.published(caller, tree, epoch).await?;
        published.resource(resource).await?.ok_or(NotReceived::NotThere)
    }

    /// A tree that the caller may read: its leaves name nobody, but tell how much is done and
    /// when.
    async fn published(
        &self,
        caller: &Caller,
        tree: Tree,
        epoch: u32,
    ) -> Result<Published, NotReceived> {
        let now = self.ports.clock.now();
        let trust = self.trust.trust().await?;
        let may_read = match tree {
            Tree::Tenant(tenant) => {
                let scope = self.trust.scope(&trust, tenant).await?;
                let standing = scope.standing(&caller.person)?;
                self.policies.may_see_all(&scope, caller.person.id(), &standing)
            }
            // No binding confers a role over the deployment: its own tenant does.
            Tree::Platform(home) => {
                let session = caller.person.session();
                let overseer = |role: &Role| matches!(role, Role::PlatformAdmin | Role::Auditor);
                session.tid == home && session.roles.iter().any(overseer)
            }
        };
        self.not_revoked(&trust, &caller.person, now).await?;
        if !may_read {
            return Err(NotReceived::NotThere);
        }
        Ok(Published::new(Arc::clone(&self.ports.blobs), &tree.key(), epoch))
    }

    async fn try_receipt(&self, caller: &Caller, name: RequestName) -> Result<Proof, NotReceived> {
        let now = self.ports.clock.now();
        let trust = self.trust.trust().await?;
        let scope = self.trust.scope(&trust, name.tenant).await?;
        let standing = scope.standing(&caller.person)?;
        self.not_revoked(&trust, &caller.person, now).await?;
        let document = self.read(&scope, &trust, name.digest, now).await?;
        let looking = Looking::new(caller, &standing, (&scope, &trust), now);
        self.may_see(&document.body, &looking).await?;
        let outcome =
            self.outcome(&document, &scope, &trust, now).await?.ok_or(NotReceived::State)?;
        let leaf = self.ending(&scope, &trust, &document.body, &outcome, now).await?;
        let (checkpoint, note) = self.sealed(&scope, &trust, &leaf).await?;
        let key = scope.tenant().to_string();
        let tree = Published::new(Arc::clone(&self.ports.blobs), &key, leaf.epoch);
        let index = leaf.at.unsigned_abs();
        let proof = proof::inclusion(index, checkpoint.size, &tree).await.map_err(not_made)?;
        let receipt = Receipt { index, proof, checkpoint: note, extra: None };
        // What the database says of the leaf and the tiles say of the tree must agree.
        receipt
            .prove(leaf.statement.as_str().as_bytes(), &checkpoint)
            .map_err(|error| NotReceived::Violation(error.into()))?;
        let outcome = document.body.outcome.clone().ok_or(NotReceived::State)?;
        Ok(Proof { receipt: receipt.to_string(), statement: leaf.statement, outcome })
    }

    /// The leaf that says that a request ended.
    async fn ending(
        &self,
        scope: &TenantScope,
        trust: &Trust,
        record: &Record,
        outcome: &Verified<Outcome>,
        now: Timestamp,
    ) -> Result<StoredLeaf, NotReceived> {
        let query = Query {
            kind: LEAF,
            equals: Some(("subject", document_id(record.request))),
            not_after: None,
            limit: LEAVES,
        };
        for found in self.ports.documents.query(&Partition::tenant(scope), &query).await? {
            let leaf: StoredLeaf = serde_json::from_value(found.json).map_err(NotGenuine::Form)?;
            let statement = trust.open(&leaf.statement, now).map_err(NotGenuine::Statement)?;
            if statement.r#type == Happened::Ended
                && statement.iss == outcome.iss
                && statement.data.request == Some(record.request)
            {
                return Ok(leaf);
            }
        }
        Err(NotReceived::Violation("the ledger does not say how it ended".into()))
    }

    /// A checkpoint that covers a leaf.
    async fn sealed(
        &self,
        scope: &TenantScope,
        trust: &Trust,
        leaf: &StoredLeaf,
    ) -> Result<(Checkpoint, Note), NotReceived> {
        let (key, index) = (scope.tenant().to_string(), leaf.at.unsigned_abs());
        for look in 0..LOOKS {
            if look > 0 {
                tokio::time::sleep(PAUSE).await;
            }
            let now = self.ports.clock.now();
            let covering = match self.newest(&key, trust, now).await? {
                Some(Anchor::Sealed(sealed)) if sealed.checkpoint.origin.epoch() == leaf.epoch => {
                    Some((sealed.checkpoint, sealed.note))
                }
                // Its epoch is over, or the tenant stands still: the last that was published.
                Some(_) => self.last_of(&key, leaf.epoch, trust, now).await?,
                None => None,
            };
            if let Some(covering) = covering.filter(|(checkpoint, _)| index < checkpoint.size) {
                return Ok(covering);
            }
        }
        Err(NotReceived::NotProven(NotProven::Stale))
    }

    async fn newest(
        &self,
        key: &str,
        trust: &Trust,
        now: Timestamp,
    ) -> Result<Option<Anchor>, NotReceived> {
        let newest = self.trust.anchors().newest(key, trust, now).await;
        newest.map_err(|error| NotReceived::NotProven(error.into()))
    }

    async fn last_of(
        &self,
        key: &str,
        epoch: u32,
        trust: &Trust,
        now: Timestamp,
    ) -> Result<Option<(Checkpoint, Note)>, NotReceived> {
        let published = Published::new(Arc::clone(&self.ports.blobs), key, epoch);
        let Some(note) = published.checkpoint().await? else { return Ok(None) };
        let checkpoint = trust
            .open_anchored(&note, self.trust.anchors().ledger(), now)
            .map_err(|error| NotReceived::Violation(error.into()))?;
        let origin = &checkpoint.origin;
        if (origin.partition(), origin.epoch()) != (key, epoch) {
            return Err(NotReceived::Violation("checkpoint of another tree".into()));
        }
        Ok(Some((checkpoint.value().clone(), note)))
    }
}

fn not_made(error: NotMade<NoTile>) -> NotReceived {
    match error {
        NotMade::NotRead(NoTile::Port(error)) => error.into(),
        // A tile is published before the checkpoint that needs it is anchored.
        error => NotReceived::Violation(error.into()),
    }
}
