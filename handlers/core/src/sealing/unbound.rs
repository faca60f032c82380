//! Tenants that have a ledger and no binding any more: whoever owns the database took it away.
//!
//! Nobody decides anything in such a tenant, and nobody would seal it: it would only be quiet.

use std::collections::{HashMap, HashSet};

use super::{CONFIRM_S, NotSealed, Sealer};
use crate::{
    identity::{App, TenantId},
    ledger::commit::HEAD,
    ports::{Container, Partition},
    time::Timestamp,
    violation,
};

/// How often it is looked for them, in seconds.
const LOOK_S: i64 = 30;

/// How long it is not said again, in seconds.
const AGAIN_S: i64 = 3600;

/// What is said in the platform's tree.
pub(super) const GONE: &str = "the binding of a tenant that has a ledger is gone";

/// What this process knows of them.
#[derive(Default)]
pub(super) struct Unbound {
    looked: Option<Timestamp>,
    /// Tenants that were bound at some time.
    bound: HashSet<TenantId>,
    /// Those without a binding: since when, and when that was said.
    gone: HashMap<TenantId, (Timestamp, Option<Timestamp>)>,
}

impl Unbound {
    /// Those of which it is time to say something: missing for so long that it is no late answer.
    fn due(
        &mut self,
        bound: &[TenantId],
        ledgers: impl Iterator<Item = TenantId>,
        now: Timestamp,
    ) -> Vec<TenantId> {
        self.bound.extend(bound);
        let all = ledgers.chain(self.bound.iter().copied());
        let gone: HashSet<TenantId> = all.filter(|tenant| !bound.contains(tenant)).collect();
        self.gone.retain(|tenant, _| gone.contains(tenant));
        for tenant in gone {
            self.gone.entry(tenant).or_insert((now, None));
        }
        let is_due = |(since, said): &(Timestamp, Option<Timestamp>)| {
            now.since_s(*since) >= CONFIRM_S && said.is_none_or(|said| now.since_s(said) >= AGAIN_S)
        };
        let due = self.gone.iter().filter(|(_, times)| is_due(times));
        due.map(|(tenant, _)| *tenant).collect()
    }
}

impl Sealer {
    /// Says of each tenant whose binding is gone that it is, and gives how many there are.
    /// Remote calls: a query every [`LOOK_S`] seconds, and in each round while one is gone.
    pub(super) async fn tell_unbound(
        &self,
        bound: &[TenantId],
        now: Timestamp,
    ) -> Result<usize, NotSealed> {
        let mut unbound = self.unbound.lock().await;
        if unbound.looked.is_some_and(|looked| now.since_s(looked) < LOOK_S)
            && unbound.gone.is_empty()
        {
            return Ok(0);
        }
        let ledgers = self.ports.documents.partitions(Container::Tenants, HEAD).await?;
        let ledgers = ledgers.iter().filter_map(|key| key.parse().ok());
        for tenant in unbound.due(bound, ledgers, now) {
            tracing::error!(%tenant, "{GONE}");
            let (platform, entropy) = (Partition::platform(), &*self.ports.entropy);
            let commit = violation::commit(App::Drift, &platform, None, GONE, None, entropy, now)?;
            let commit = crate::ledger::Commit { subject: Some(tenant.to_string()), ..commit };
            self.ledger.commit(&platform, commit, now).await?;
            if let Some((_, said)) = unbound.gone.get_mut(&tenant) {
                *said = Some(now);
            }
        }
        unbound.looked = Some(now);
        Ok(unbound.gone.len())
    }
}
