//! One round: every source is read once, every check judges, findings are settled.

use std::error::Error;

use super::{
    Drift, Round,
    check::{CHECKS, Judge, Judged, Judgement},
    findings::{Book, NotSettled, Settled},
    mending,
    seen::{AtHome, Sources},
};
use crate::{
    binding::Terms, identity::TenantId, keyset::Trust, ports::Partition, tenancy::TenantScope,
    time::Timestamp, trust::NotTrusted,
};

/// How long a round goes on to look at more, in seconds.
///
/// The Functions host ends a call after five minutes (`functionTimeout` in `host.json`), and
/// what was begun must come to its end.
const RUN_S: i64 = 180;

/// How long one tenant's scan and log are gone on with in one round, in seconds: what is left is
/// the next round's.
pub(super) const TENANT_S: i64 = 45;

impl Drift {
    /// Looks at the deployment and at every tenant once, as far as there is time. One tenant's
    /// trouble keeps none of the others from being looked at: those that are not come to are the
    /// next round's first ones, and told of after an hour.
    ///
    /// One round goes on at a time. A second one, that began before the first has come to its end,
    /// looks at nothing and returns at once: it would take for settled what the first one has read.
    ///
    /// # Errors
    ///
    /// [`NotTrusted`] if the tenants could not be told at all.
    pub async fn round(&self) -> Result<Round, NotTrusted> {
        let Ok(_alone) = self.alone.try_lock() else {
            tracing::warn!("another round goes on");
            return Ok(Round::default());
        };
        let now = self.ports.clock.now();
        let until = now.plus_s(RUN_S);
        let trust = self.trust.trust().await?;
        let tenants = self.trust.tenants().await?;
        let mut round = Round::default();
        let home = self.home(&trust).await?;
        let terms = home.as_ref().map(|scope| scope.terms().clone()).unwrap_or_default();
        let tenants = self.in_turn(&trust, tenants).await;
        let seen = Box::pin(self.deployment(&trust, &tenants, now)).await;
        let at_home = seen.at_home();
        let judged = judged(seen.sources(), |judge| match judge {
            Judge::Deployment(judge) | Judge::Both(judge, _) => Some(judge(&seen)),
            Judge::Tenant(_) => None,
        });
        let place = (Partition::platform(), self.desired.home);
        round.add(place.0.key(), &judged, self.settled(&trust, &place, &terms, &judged, now).await);
        for (looked_at, tenant) in tenants.iter().copied().enumerate() {
            if self.ports.clock.now() >= until {
                round.left = tenants.len() - looked_at;
                tracing::warn!(left = round.left, "no time to look at every tenant");
                break;
            }
            // One that cannot be entered is told of as a binding that is not what was published.
            let Ok(scope) = self.trust.scope_as_signed(&trust, tenant).await else { continue };
            self.look_at(&trust, &scope, &at_home, &mut round).await;
        }
        Ok(round)
    }

    async fn look_at(
        &self,
        trust: &Trust,
        scope: &TenantScope,
        at_home: &AtHome,
        round: &mut Round,
    ) {
        let now = self.ports.clock.now();
        self.begins(scope.tenant(), now).await;
        let seen = Box::pin(self.tenant(trust, scope, at_home, now)).await;
        match self.comparer.compare(trust, scope, &seen.policies).await {
            Ok(written) => round.backing += written,
            Err(error) => {
                round.failed += 1;
                let error = &error as &(dyn Error + 'static);
                tracing::error!(tenant = %scope.tenant(), error, "step-ups not compared");
            }
        }
        let judged = judged(seen.sources(), |judge| match judge {
            Judge::Tenant(judge) | Judge::Both(_, judge) => Some(judge(&seen)),
            Judge::Deployment(_) => None,
        });
        let place = (Partition::tenant(scope), scope.tenant());
        let settled = self.settled(trust, &place, scope.terms(), &judged, now).await;
        // Of more than a round tells the rest is shown again, as is what could not be settled.
        if settled.as_ref().is_ok_and(|settled| !settled.must_see_again) {
            let looked = self.looked(trust, scope.tenant(), &place.0).await;
            if let Err(error) = looked {
                round.failed += 1;
                let error = &error as &(dyn Error + 'static);
                tracing::error!(place = place.0.key(), error, "how far it was looked at not kept");
            }
        }
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

    async fn settled(
        &self,
        trust: &Trust,
        (partition, tenant): &(Partition, TenantId),
        terms: &Terms,
        judged: &Judgement,
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
fn judged(sources: Sources, judge: impl Fn(Judge) -> Option<Judged>) -> Judgement {
    let all = CHECKS.into_iter();
    let checks = all.filter_map(|check| judge(check.judge).map(|judged| (check, judged)));
    Judgement { checks: checks.collect(), sources }
}

impl Round {
    fn add(&mut self, place: &str, judged: &Judgement, settled: Result<Settled, NotSettled>) {
        self.judged += judged.checks.iter().filter(|(_, judged)| judged.is_ok()).count();
        self.unreadable += judged.sources.unread.len();
        match settled {
            Ok(settled) => {
                self.detected += settled.detected;
                self.resolved += settled.resolved;
                self.failed += usize::from(settled.untold > 0);
            }
            Err(error) => {
                self.failed += 1;
                let error = &error as &(dyn Error + 'static);
                tracing::error!(place, error, "findings not settled");
            }
        }
    }
}
