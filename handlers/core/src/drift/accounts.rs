//! What a tenant's audit log tells that Airlock does not account for: what its service principals
//! changed without a claim, and what anybody else did to them.
//!
//! A worker gives each of its calls the name of the request that it is for
//! ([`correlation`](crate::request::correlation)), and the log tells it. So a change is accounted
//! for by the [claim](claimed) of that request. One request changes one thing: a second thing under
//! the same name is accounted for by nothing. The rotator's scheduled work is no request's: it
//! touches what is bound, or nothing; what it does to that is not told apart, so a rotator that was
//! taken over can give what is bound another credential unseen here. No other service principal of
//! Airlock's changes anything.
//!
//! Who else changes a registration, service principal or managed identity of Airlock's is told of
//! even if all is as declared again. The admin plane's identity is not; whoever deploys by hand is,
//! and so is Azure when it renews an identity's certificate: the log names those who did by a name
//! that anybody can take. What was done before the tenant's terms in force were signed and before
//! the log was read for the first time was declared with them.
//!
//! Guarantee: how far the log was read moves on once the findings of that round were settled, and
//! is [kept](super::looks). Whatever dies in between is read again; nothing is left out.

mod claimed;
mod hands;
mod log;
mod telling;

use std::collections::{BTreeMap, BTreeSet};

use super::{
    Drift,
    actual::{DirectoryChange, ServicePrincipal},
    looks::Known,
    seen::{Reading, Source, Unaccounted, Unread, Why},
    stored::told,
};
use crate::{
    identity::ObjectId, keyset::Trust, ports::Partition, tenancy::TenantScope, time::Timestamp,
};
use hands::{Hand, hands, ours};
use log::CLAIM_S;
pub(super) use log::{Log, Read};
use telling::Telling;

/// Where a log is read, and whose changes are looked for.
pub(super) struct Place<'a> {
    pub trust: &'a Trust,
    pub scope: &'a TenantScope,
    pub partition: &'a Partition,
    /// Airlock's service principals there.
    pub principals: &'a [ServicePrincipal],
    /// Object ids of Airlock's registrations, by client id.
    pub registered: &'a Reading<BTreeMap<ObjectId, ObjectId>>,
    /// Applications whose secrets the rotator is bound to change.
    pub bound: &'a BTreeSet<ObjectId>,
}

impl Drift {
    /// Changes of a tenant that nothing accounts for and no finding tells of yet. Reads on until
    /// the deadline, and the call then begun: at the least one call, and of what it gives the
    /// changes of one second. Where that ends is remembered, and told of as
    /// [not looked at](super::looks) when it is more than an hour ago.
    ///
    /// Remote calls: those of the log; for each change of a worker's that was not seen before, a
    /// list, and for each claim that begins alike a read and a query.
    pub(super) async fn unaccounted(
        &self,
        place: &Place<'_>,
        deadline: Timestamp,
    ) -> Reading<Vec<Unaccounted>> {
        let now = self.ports.clock.now();
        let mut looks = self.looks.lock().await;
        let known = self.known(&mut looks, place.trust, place.scope, now).await;
        let known = known.map_err(|error| told(Source::DirectoryAudits, &error))?;
        known.next = None;
        let mut log = known.log.clone();
        if let Some(start) = log.begin(now) {
            known.forget(start);
        }
        let ours = ours(place, self.desired.home)?;
        let named = log.named().chain(ours.iter().map(|(object, client)| (*object, *client)));
        let hands = hands(&self.desired, place.scope.tenant(), named);
        let mut telling = Telling::default();
        let read = self.read_on(place, &hands, known, (&mut log, &mut telling), deadline).await;
        // Else each round would find out anew how little can be read at once.
        known.log.reads_as_much_as(&log);
        read?;
        log.saw(ours, now);
        known.next = Some(log);
        Ok(telling.told(&hands))
    }

    async fn read_on(
        &self,
        place: &Place<'_>,
        hands: &BTreeMap<ObjectId, Hand>,
        known: &mut Known,
        (log, telling): (&mut Log, &mut Telling),
        deadline: Timestamp,
    ) -> Reading<()> {
        let (tenant, now) = (place.scope.tenant(), self.ports.clock.now());
        let asked: BTreeSet<ObjectId> = hands.keys().copied().collect();
        let (mut has_asked, mut has_read) = (false, false);
        while let Some(span) = log.next().filter(|_| !has_asked || self.has_time(deadline)) {
            has_asked = true;
            let changes = match self.directories.changes(tenant, &asked, span).await {
                Ok(Some(changes)) => changes,
                Ok(None) if log.shorten() => continue,
                // What was read is told of; who cannot read on says so when nothing was.
                Ok(None) | Err(_) if has_read => return Ok(()),
                Ok(None) => return Err(Unread(Source::DirectoryAudits)),
                Err(error) => return Err(told(Source::DirectoryAudits, &error)),
            };
            let mut second = span.from;
            for change in changes {
                // Both ends of a span are within: what is there is read twice.
                if telling.has(&change) {
                    continue;
                }
                // Within a second there is no place to go on from.
                let may_end = has_read && change.at > second;
                if telling.is_full() || (may_end && !self.has_time(deadline)) {
                    log.read_in_part(change.at);
                    return Ok(());
                }
                second = change.at;
                if let Some(why) = self.why(place, hands, known, (&change, log), now).await? {
                    telling.add(change, why);
                }
                has_read = true;
            }
            log.read_until(span.until);
            has_read = true;
        }
        Ok(())
    }

    fn has_time(&self, deadline: Timestamp) -> bool {
        self.ports.clock.now() < deadline
    }

    /// Why a change must be told of; `None` if it is accounted for, or was told of.
    async fn why(
        &self,
        place: &Place<'_>,
        hands: &BTreeMap<ObjectId, Hand>,
        known: &mut Known,
        (change, log): (&DirectoryChange, &Log),
        now: Timestamp,
    ) -> Result<Option<Why>, Unread> {
        if let Some(read) = known.judged.get(&change.id) {
            return Ok(read.why.filter(|_| !read.is_settled));
        }
        let why = match change.by.and_then(|by| hands.get(&by)) {
            Some(Hand::Admin) => None,
            Some(Hand::None) => Some(Why::Forbidden),
            Some(Hand::Rotator) => (!is_bound(change, place.bound)).then_some(Why::Unbound),
            Some(Hand::Worker(app)) => {
                let why = self.why_not_claimed(place, change, *app, now).await?;
                why.or_else(|| (!known.is_the_same_thing(change)).then_some(Why::AnotherThing))
            }
            None => (change.at >= log.since).then_some(Why::Stranger),
        };
        let read = Read { at: change.at, why, is_settled: false };
        known.judged.insert(change.id.clone(), read);
        Ok(why)
    }
}

impl Known {
    /// Whether a request has changed nothing else before.
    fn is_the_same_thing(&mut self, change: &DirectoryChange) -> bool {
        let Some(named) = change.correlation else { return false };
        let (targets, _) =
            self.targets.entry(named).or_insert_with(|| (change.targets.clone(), change.at));
        *targets == change.targets
    }

    /// Forgets what the log is not read for again. What a request has changed is remembered for as
    /// long as its claim may account for another change.
    fn forget(&mut self, start: Timestamp) {
        self.judged.retain(|_, read| read.at >= start);
        self.targets.retain(|_, (_, at)| *at >= start.plus_s(-CLAIM_S));
    }
}

fn is_bound(change: &DirectoryChange, bound: &BTreeSet<ObjectId>) -> bool {
    let is_its = |target: &String| target.parse().is_ok_and(|target| bound.contains(&target));
    !change.targets.is_empty() && change.targets.iter().all(is_its)
}
