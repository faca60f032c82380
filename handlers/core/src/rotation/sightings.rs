//! Where an app was seen to use a key: the newest leaves of the trees, and for checkpoints the newest
//! anchor.
//!
//! What counts is in a sealed ledger: a statement that the app's key signed, that verifies, and
//! that an anchor covers. `signin` writes to no tree: its statements stand in leaves that `drift`
//! wrote. So nobody is asked to sign something for the purpose, and nothing is shown by a key that
//! only could sign.
//!
//! Of a key that wraps, nothing can be seen on what it wrapped: there it is `signin`'s signed word
//! that it used a version, in the platform's tree.
//!
//! Read are the newest [`NEWEST`] leaves of each tree, the platform's first, until there is one:
//! two calls for a tree, and for a leaf that is found what [`Trees::anchored_at`] says.
//!
//! [`Trees::anchored_at`]: crate::ledger::Trees::anchored_at

use std::error::Error;

use super::NotRotated;
use crate::{
    digest::Digest,
    identity::App,
    jws::{Signed, Typ},
    keyset::{KeysetKey, Trust},
    ledger::{
        Anchor, Happened, Statement,
        commit::{HEAD, StoredHead, StoredLeaf, leaf_id},
    },
    ports::{Clock, Documents, PLATFORM, Partition, PortError},
    recording::event::session_key,
    time::Timestamp,
    trust::TrustStore,
};

/// Leaves of a tree that are looked at, newest first.
const NEWEST: u32 = 200;

/// Where to look.
#[derive(Clone, Copy)]
pub(super) struct Sightings<'a> {
    pub trust_store: &'a TrustStore,
    pub trust: &'a Trust,
    pub documents: &'a dyn Documents,
    pub clock: &'a dyn Clock,
}

/// What an app was seen to sign with.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Seen {
    /// With this key, and it was sealed.
    It,
    /// With this key, and it is not sealed yet.
    Unsealed,
    /// With another of its keys, last at this time.
    Another(Timestamp),
    /// With none.
    Nothing,
}

/// A statement that an app made, in the leaf in which it stands.
struct Said {
    leaf: Signed<Statement>,
    by: Signed<Statement>,
}

impl Sightings<'_> {
    /// Whether an app was seen to sign with this key of its own.
    pub async fn of(&self, key: &KeysetKey) -> Result<Seen, NotRotated> {
        if key.signs.contains(&Typ::Checkpoint) {
            return self.on_anchors(key).await;
        }
        let (mut another, mut is_unsealed) = (None, false);
        let tenants = self.trust_store.tenants().await?;
        for tenant in std::iter::once(None).chain(tenants.into_iter().map(Some)) {
            let seen = async {
                let partition = match tenant {
                    None => Partition::platform(),
                    Some(tenant) => {
                        let scope = self.trust_store.scope_as_signed(self.trust, tenant).await?;
                        Partition::tenant(&scope)
                    }
                };
                self.in_tree(&partition, key).await
            };
            match seen.await {
                Ok(Seen::It) => return Ok(Seen::It),
                Ok(Seen::Unsealed) => is_unsealed = true,
                Ok(Seen::Another(at)) => another = another.max(Some(at)),
                Ok(Seen::Nothing) => {}
                Err(NotRotated::Port(error)) => return Err(error.into()),
                // A tree that is not to be believed shows nothing; another may.
                Err(error) => {
                    let error = &error as &(dyn Error + 'static);
                    tracing::warn!(error, app = %key.app, "a tree shows no use of the key");
                }
            }
        }
        if is_unsealed {
            return Ok(Seen::Unsealed);
        }
        Ok(another.map_or(Seen::Nothing, Seen::Another))
    }

    async fn in_tree(&self, partition: &Partition, key: &KeysetKey) -> Result<Seen, NotRotated> {
        let now = self.clock.now();
        let kid = key.jwk.thumbprint();
        let mut another = None;
        for Said { leaf, by } in self.newest(partition, key.app).await? {
            // A leaf that does not verify is for whoever seals; it says nothing here.
            if self.trust.open(&leaf, now).is_err() {
                continue;
            }
            let Ok(statement) = self.trust.open(&by, now) else { continue };
            if statement.iss != key.app {
                continue;
            }
            if statement.key() != kid {
                another = another.max(Some(statement.iat));
                continue;
            }
            let trees = self.trust_store.trees();
            let anchored = trees.anchored_at(partition, leaf.digest(), self.trust, now).await?;
            // If this one is not sealed, what comes after it is not either.
            return Ok(if anchored.is_some() { Seen::It } else { Seen::Unsealed });
        }
        Ok(another.map_or(Seen::Nothing, Seen::Another))
    }

    /// Whether `signin` was seen to use this version of the key of sessions.
    pub async fn of_session_key(&self, version: Digest) -> Result<Seen, NotRotated> {
        let (platform, now) = (Partition::platform(), self.clock.now());
        let mut another = None;
        for (leaf, used, at) in self.uses_of_session_key(&platform).await? {
            if used != session_key(version) {
                another = another.max(Some(at));
                continue;
            }
            let trees = self.trust_store.trees();
            let anchored = trees.anchored_at(&platform, leaf, self.trust, now).await?;
            return Ok(if anchored.is_some() { Seen::It } else { Seen::Unsealed });
        }
        Ok(another.map_or(Seen::Nothing, Seen::Another))
    }

    /// When `signin` last said that it used this version of the key of sessions, sealed or not.
    pub async fn last_of_session_key(
        &self,
        version: Digest,
    ) -> Result<Option<Timestamp>, NotRotated> {
        let uses = self.uses_of_session_key(&Partition::platform()).await?.into_iter();
        let its = uses.filter(|(_, used, _)| *used == session_key(version));
        Ok(its.map(|(_, _, at)| at).max())
    }

    /// What `signin` says of the key of sessions, oldest first: the leaf, the version, and when.
    async fn uses_of_session_key(
        &self,
        platform: &Partition,
    ) -> Result<Vec<(Digest, String, Timestamp)>, NotRotated> {
        let now = self.clock.now();
        let said = self.newest(platform, App::Signin).await?.into_iter();
        let uses = said.filter_map(|Said { leaf, by }| {
            self.trust.open(&leaf, now).ok()?;
            let statement = self.trust.open(&by, now).ok()?;
            let is_use =
                statement.iss == App::Signin && statement.r#type == Happened::SessionKeyUsed;
            is_use.then(|| (leaf.digest(), statement.subject.clone(), statement.iat))
        });
        Ok(uses.collect())
    }

    /// What an app says in the newest leaves of a tree, oldest first: unverified.
    async fn newest(&self, partition: &Partition, app: App) -> Result<Vec<Said>, NotRotated> {
        let Some(head) = self.documents.read(partition, HEAD).await? else { return Ok(Vec::new()) };
        let head: StoredHead =
            serde_json::from_value(head.json).map_err(|error| PortError::Broken(error.into()))?;
        let size = head.frontier.size();
        let first = size.saturating_sub(u64::from(NEWEST));
        let (start, end) = (leaf_id(head.epoch, first), leaf_id(head.epoch, size));
        let found = self.documents.range(partition, start.as_str()..end.as_str(), NEWEST).await?;
        let said = found.into_iter().filter_map(|found| {
            let leaf = serde_json::from_value::<StoredLeaf>(found.json).ok()?.statement;
            let writer = if app == App::Signin { App::Drift } else { app };
            let statement = leaf.peek().ok().filter(|statement| statement.iss == writer)?;
            let by = if app == App::Signin { statement.data.event? } else { leaf.clone() };
            Some(Said { leaf, by })
        });
        Ok(said.collect())
    }

    /// Whether the platform's newest checkpoint is signed by this key.
    async fn on_anchors(&self, key: &KeysetKey) -> Result<Seen, NotRotated> {
        let (anchors, now) = (self.trust_store.anchors(), self.clock.now());
        let newest = anchors.newest(PLATFORM, self.trust, now).await;
        Ok(match newest.map_err(crate::ledger::NotProven::from)? {
            Some(Anchor::Sealed(sealed)) => {
                let name = sealed.checkpoint.origin.to_string();
                let is_it = sealed.note.is_signed_by(&name, &key.jwk);
                if is_it { Seen::It } else { Seen::Another(sealed.checkpoint.seal.time) }
            }
            Some(Anchor::Refused(_)) | None => Seen::Nothing,
        })
    }
}
