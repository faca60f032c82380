//! One round: every source is read once, every check judges, findings are settled.

use std::{
    collections::{BTreeMap, BTreeSet},
    error::Error,
};

use super::{
    Drift, Round,
    check::{CHECKS, Check, Judge, Judged},
    findings::{Book, NotSettled, Settled},
    mending,
    seen::{Reading, Source},
};
use crate::{
    binding::Terms,
    identity::{ObjectId, TenantId},
    keyset::Trust,
    ports::{Partition, PortError},
    tenancy::TenantScope,
    time::Timestamp,
    trust::NotTrusted,
};

/// How long a round goes on to look at more, in seconds.
///
/// The Functions host ends a call after five minutes (`functionTimeout` in `host.json`), and
/// what was begun must come to its end.
const RUN_S: i64 = 180;

impl Drift {
    /// Looks at the deployment and at every tenant once, as far as there is time. One tenant's
    /// trouble keeps none of the others from being looked at.
    ///
    /// # Errors
    ///
    /// [`NotTrusted`] if the tenants could not be told at all.
    pub async fn round(&self) -> Result<Round, NotTrusted> {
        let now = self.ports.clock.now();
        let until = now.plus_s(RUN_S);
        let trust = self.trust.trust().await?;
        let tenants = self.trust.tenants().await?;
        let mut round = Round::default();
        let home = self.home(&trust).await?;
        let terms = home.as_ref().map(|scope| scope.terms().clone()).unwrap_or_default();
        let seen = self.deployment(&trust, &tenants, now).await;
        let registered = seen.registrations.as_ref().map_err(|unread| *unread);
        let registered = registered.map(|all| {
            all.iter().map(|each| (each.client, each.object)).collect::<BTreeMap<_, _>>()
        });
        let judged = judged(|judge| match judge {
            Judge::Deployment(judge) | Judge::Both(judge, _) => Some(judge(&seen)),
            Judge::Tenant(_) => None,
        });
        let place = (Partition::platform(), self.desired.home);
        round.add(place.0.key(), &judged, self.settled(&trust, &place, &terms, &judged, now).await);
        for (looked_at, tenant) in self.in_any_order(tenants.clone())?.into_iter().enumerate() {
            if self.ports.clock.now() >= until {
                let left = tenants.len() - looked_at;
                tracing::warn!(left, "no time to look at every tenant");
                break;
            }
            // One that cannot be entered is told of as a binding that is not what was published.
            let Ok(scope) = self.trust.scope_as_signed(&trust, tenant).await else { continue };
            self.look_at(&trust, &scope, &registered, &mut round).await;
        }
        Ok(round)
    }

    async fn look_at(
        &self,
        trust: &Trust,
        scope: &TenantScope,
        registered: &Reading<BTreeMap<ObjectId, ObjectId>>,
        round: &mut Round,
    ) {
        let now = self.ports.clock.now();
        let seen = self.tenant(trust, scope, registered, now).await;
        let judged = judged(|judge| match judge {
            Judge::Tenant(judge) | Judge::Both(_, judge) => Some(judge(&seen)),
            Judge::Deployment(_) => None,
        });
        let place = (Partition::tenant(scope), scope.tenant());
        let settled = self.settled(trust, &place, scope.terms(), &judged, now).await;
        round.add(place.0.key(), &judged, settled);
    }

    /// The terms of the deployment's own tenant: there stands what is accepted of the deployment,
    /// and whether `drift` may ask for what mends.
    async fn home(&self, trust: &Trust) -> Result<Option<TenantScope>, NotTrusted> {
        match self.trust.scope_as_signed(trust, self.desired.home).await {
            Ok(scope) => Ok(Some(scope)),
            Err(NotTrusted::Port(error)) => Err(error.into()),
            Err(_) => Ok(None),
        }
    }

    /// Begins anywhere: those whom one run does not come to are not the same each time.
    fn in_any_order(&self, mut tenants: Vec<TenantId>) -> Result<Vec<TenantId>, PortError> {
        let mut random = [0; 4];
        self.ports.entropy.fill(&mut random)?;
        let first = usize::try_from(u32::from_le_bytes(random)).unwrap_or_default();
        if let Some(first) = first.checked_rem(tenants.len()) {
            tenants.rotate_left(first);
        }
        Ok(tenants)
    }

    async fn settled(
        &self,
        trust: &Trust,
        (partition, tenant): &(Partition, TenantId),
        terms: &Terms,
        judged: &[(&'static Check, Judged)],
        now: Timestamp,
    ) -> Result<Settled, NotSettled> {
        let producer = mending::producer(terms);
        let book = Book {
            ports: &self.ports,
            ledger: &self.ledger,
            trust,
            partition,
            tenant: *tenant,
            accepted: &terms.accepted,
            may_mend: producer.is_some(),
            now,
        };
        let settled = book.settle(judged).await?;
        self.ask_to_mend(producer, &settled.to_mend).await?;
        Ok(settled)
    }
}

/// What the checks of one kind of place say.
fn judged(judge: impl Fn(Judge) -> Option<Judged>) -> Vec<(&'static Check, Judged)> {
    let all = CHECKS.into_iter();
    all.filter_map(|check| judge(check.judge).map(|judged| (check, judged))).collect()
}

impl Round {
    fn add(
        &mut self,
        place: &str,
        judged: &[(&'static Check, Judged)],
        settled: Result<Settled, NotSettled>,
    ) {
        self.judged += judged.iter().filter(|(_, judged)| judged.is_ok()).count();
        let unread: BTreeSet<Source> =
            judged.iter().filter_map(|(_, judged)| Some(judged.as_ref().err()?.0)).collect();
        self.unreadable += unread.len();
        match settled {
            Ok(settled) => {
                self.detected += settled.detected;
                self.resolved += settled.resolved;
            }
            Err(error) => {
                self.failed += 1;
                let error = &error as &(dyn Error + 'static);
                tracing::error!(place, error, "findings not settled");
            }
        }
    }
}
