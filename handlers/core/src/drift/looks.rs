//! When each tenant was last looked at to the end.
//!
//! It is kept beside the tenant's findings, together with how far its audit log was read, once
//! these were settled: after every round that told of something, else every `KEPT_S` seconds. So a
//! process that dies, or that the host ends, goes on from there. Whoever was begun with longest ago
//! comes first in a round, and a process that has begun with none begins anywhere: a tenant that
//! takes long, or fails, or gets the process killed, keeps no other from being looked at.
//!
//! A tenant is looked at to the end when its log was. Where that is behind, the tenant counts as
//! looked at up to where the log was read.

use std::collections::{BTreeMap, BTreeSet, btree_map::Entry};

use serde::{Deserialize, Serialize};
use tokio::sync::Mutex;
use uuid::Uuid;

use super::{
    Drift,
    accounts::{Log, Read},
    kept::NotKept,
};
use crate::{
    identity::TenantId, keyset::Trust, ports::Partition, tenancy::TenantScope, time::Timestamp,
};

/// `kind`, and id, of the document that says it.
pub const KIND: &str = "look";

/// How old what is kept may become while there is nothing to tell, in seconds.
const KEPT_S: i64 = 1800;

/// How long ago a tenant may have been looked at before that is told, in seconds.
pub const OVERLOOKED_S: i64 = 3600;

/// What is remembered of tenants.
#[derive(Default)]
pub(super) struct Looks {
    known: Mutex<BTreeMap<TenantId, Known>>,
    /// When this process began to look at each for the last time: also at those of which nothing
    /// else could be known.
    begun: Mutex<BTreeMap<TenantId, Timestamp>>,
}

/// What is remembered of one tenant.
pub(super) struct Known {
    /// When it was looked at to the end, at the latest; or its terms were signed, if never.
    done: Timestamp,
    /// As it is kept.
    kept: Option<Look>,
    /// When it was kept, at the latest.
    kept_at: Timestamp,
    /// How far its log was read, and is settled.
    pub log: Log,
    /// How far it will have been, once the findings of this round are settled.
    pub next: Option<Log>,
    /// What was made of each entry that the log may tell of again.
    pub judged: BTreeMap<String, Read>,
    /// What each request has changed, and when for the first time.
    pub targets: BTreeMap<Uuid, (BTreeSet<String>, Timestamp)>,
}

/// What is kept of a tenant.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Look {
    /// When it was looked at to the end.
    at: Timestamp,
    /// How far its audit log was read then.
    log: Log,
}

/// A tenant that was not looked at for long.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Overlooked {
    /// Which.
    pub tenant: TenantId,
    /// Since when.
    pub since: Timestamp,
}

impl Looks {
    pub(super) async fn lock(&self) -> tokio::sync::MutexGuard<'_, BTreeMap<TenantId, Known>> {
        self.known.lock().await
    }

    /// Tenants that were not looked at for [`OVERLOOKED_S`].
    pub(super) async fn overlooked(&self, tenants: &[TenantId], now: Timestamp) -> Vec<Overlooked> {
        let known = self.known.lock().await;
        let since = |tenant: &TenantId| {
            let since = known.get(tenant)?.done;
            Some(Overlooked { tenant: *tenant, since })
        };
        let late = tenants.iter().filter_map(since);
        late.filter(|late| now.since_s(late.since) >= OVERLOOKED_S).collect()
    }
}

impl Drift {
    /// Those first that this process has never begun with, from anywhere on; then those that it
    /// began with longest ago.
    ///
    /// Remote calls: a read for each tenant that nothing is remembered of.
    pub(super) async fn in_turn(&self, trust: &Trust, mut tenants: Vec<TenantId>) -> Vec<TenantId> {
        let now = self.ports.clock.now();
        let mut looks = self.looks.lock().await;
        for tenant in &tenants {
            // One that cannot be entered is told of as a binding that is not what was published.
            let Ok(scope) = self.trust.scope_as_signed(trust, *tenant).await else { continue };
            if let Err(error) = self.known(&mut looks, trust, &scope, now).await {
                let error = &error as &(dyn std::error::Error + 'static);
                tracing::warn!(%tenant, error, "when it was looked at is not known");
            }
        }
        let first = self.anywhere(tenants.len());
        tenants.rotate_left(first);
        let begun = self.looks.begun.lock().await;
        tenants.sort_by_key(|tenant| begun.get(tenant).copied());
        tenants
    }

    /// A place among so many, by chance: nobody can be the first one each time.
    fn anywhere(&self, many: usize) -> usize {
        let mut chance = [0; 2];
        if let Err(error) = self.ports.entropy.fill(&mut chance) {
            let error = &error as &(dyn std::error::Error + 'static);
            tracing::warn!(error, "no chance to choose by: tenants are looked at as listed");
        }
        usize::from(u16::from_le_bytes(chance)) % many.max(1)
    }

    /// Notes that a tenant is being looked at.
    pub(super) async fn begins(&self, tenant: TenantId, now: Timestamp) {
        self.looks.begun.lock().await.insert(tenant, now);
    }

    /// Notes that a tenant was looked at, and that what was found is settled.
    ///
    /// Remote calls: a read and a commit, if there was something to tell or it was long ago.
    pub(super) async fn looked(
        &self,
        trust: &Trust,
        tenant: TenantId,
        partition: &Partition,
    ) -> Result<(), NotKept> {
        let now = self.ports.clock.now();
        let mut looks = self.looks.lock().await;
        // Not remembered: its position could not be read, and is told of as unreadable.
        let Some(known) = looks.get_mut(&tenant) else { return Ok(()) };
        let read = known.next.take();
        // Where the log was not read, or not judged, nothing of it was told either.
        let is_told = read.is_some();
        let log = read.unwrap_or_else(|| known.log.clone());
        let must_tell = |read: &Read| read.why.is_some() && !read.is_settled;
        let has_told = is_told && known.judged.values().any(must_tell);
        // Where it could not be read that is told of; where it was, or was behind, this counts.
        let is_up_to = is_told || !log.is_at_end();
        let done = if is_up_to { known.done.max(log.at()) } else { now };
        let must_keep = |kept: &Look| {
            now.since_s(known.kept_at) >= KEPT_S
                || log.at().since_s(kept.log.at()) >= KEPT_S
                || !log.knows_the_same_as(&kept.log)
        };
        if has_told || known.kept.as_ref().is_none_or(must_keep) {
            let look = Look { at: done, log: log.clone() };
            let before = self.kept::<Look>(KIND, trust, partition, now).await?;
            self.keep(KIND, trust, partition, before.as_ref(), &look, now).await?;
            known.kept = Some(look);
            known.kept_at = now;
        }
        known.done = done;
        known.log = log;
        for read in known.judged.values_mut().filter(|_| is_told) {
            read.is_settled = true;
        }
        Ok(())
    }

    /// What is remembered of a tenant, or else was kept.
    pub(super) async fn known<'k>(
        &self,
        looks: &'k mut BTreeMap<TenantId, Known>,
        trust: &Trust,
        scope: &TenantScope,
        now: Timestamp,
    ) -> Result<&'k mut Known, NotKept> {
        match looks.entry(scope.tenant()) {
            Entry::Occupied(known) => Ok(known.into_mut()),
            Entry::Vacant(place) => {
                let partition = Partition::tenant(scope);
                let kept = self.kept::<Look>(KIND, trust, &partition, now).await?;
                let kept = kept.map(|document| document.body);
                Ok(place.insert(Known::of(kept, scope.binding().iat, now)))
            }
        }
    }
}

impl Known {
    fn of(kept: Option<Look>, signed: Timestamp, now: Timestamp) -> Self {
        let (done, log) = match &kept {
            Some(kept) => {
                // It may have been looked at since, without a word, unless its log was behind.
                let since_s = if kept.log.is_at_end() { KEPT_S } else { 0 };
                (kept.at.plus_s(since_s).min(now), kept.log.clone().again())
            }
            None => (signed, Log::unread(now, signed)),
        };
        let kept_at = kept.as_ref().map_or(now, |kept| kept.at);
        let (judged, targets) = (BTreeMap::new(), BTreeMap::new());
        Self { kept_at, done, kept, log, next: None, judged, targets }
    }
}
