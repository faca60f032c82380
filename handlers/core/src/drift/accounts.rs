//! What a tenant's audit log tells that Airlock does not account for: what its service principals
//! changed without a claim, and what anybody else did to them.
//!
//! A worker gives each of its calls the name of the request that it is for
//! ([`correlation`](crate::request::correlation)), and the log tells it. So a change is accounted
//! for by the [claim](claimed) of that request. One request changes one thing: a second thing under
//! the same name is accounted for by nothing. The rotator's scheduled work is no request's: it
//! touches what is bound, or nothing. No other service principal of Airlock's changes anything.
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
mod log;

use std::collections::{BTreeMap, BTreeSet};

use super::{
    Drift,
    actual::{DirectoryChange, ServicePrincipal},
    desired::{Desired, ROTATOR},
    looks::Known,
    seen::{Reading, Source, Unaccounted, Unread, Why},
    stored::told,
};
use crate::{
    identity::{App, ObjectId, TenantId},
    keyset::Trust,
    ports::Partition,
    tenancy::TenantScope,
    time::Timestamp,
};
pub(super) use log::{Log, Read};

/// Changes that are told of in one round, of one tenant. The next round goes on from there, so
/// that a flood of them becomes findings one after the other and none is left out.
const MOST_TOLD: usize = 50;

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

/// What one of Airlock's identities may change.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Hand {
    /// What this app claims.
    Worker(App),
    /// What is bound.
    Rotator,
    /// What it likes: it declares.
    Admin,
    /// Nothing.
    None,
}

impl Drift {
    /// Changes of a tenant that nothing accounts for and no finding tells of yet. Reads on until
    /// the deadline, and the call then begun.
    ///
    /// Remote calls: those of the log; for each change of a worker's that was not seen before, a
    /// list, and for each claim that begins alike a read and a query.
    pub(super) async fn unaccounted(
        &self,
        place: &Place<'_>,
        deadline: Timestamp,
    ) -> Reading<Vec<Unaccounted>> {
        let now = self.ports.clock.now();
        let tenant = place.scope.tenant();
        let mut looks = self.looks.lock().await;
        let known = self.known(&mut looks, place.trust, place.scope, now).await;
        let known = known.map_err(|error| told(Source::DirectoryAudits, &error))?;
        known.next = None;
        let mut log = known.log.clone();
        if let Some(start) = log.begin(now) {
            known.forget(start);
        }
        let ours = ours(place, self.desired.home)?;
        let hands = hands(&self.desired, tenant, log.ours.iter().chain(&ours));
        let asked: BTreeSet<ObjectId> = hands.keys().copied().collect();
        let mut found = Vec::new();
        let mut has_read = false;
        'reading: while let Some(span) = log.next().filter(|_| !has_read || self.has_time(deadline))
        {
            let read = self.directories.changes(tenant, &asked, span).await;
            let changes = match read.map(|changes| changes.ok_or_else(|| log.shorten())) {
                Ok(Ok(changes)) => changes,
                Ok(Err(true)) => continue,
                // What was read is told of; who cannot read on says so when nothing was.
                Ok(Err(false)) | Err(_) if has_read => break,
                Ok(Err(false)) => return Err(Unread(Source::DirectoryAudits)),
                Err(error) => return Err(told(Source::DirectoryAudits, &error)),
            };
            for change in changes {
                // Both ends of a span are within: what is there is read twice.
                if found.iter().any(|each: &Unaccounted| each.change.id == change.id) {
                    continue;
                }
                if found.len() >= MOST_TOLD || (has_read && !self.has_time(deadline)) {
                    log.read_until(change.at);
                    break 'reading;
                }
                if let Some(why) = self.why(place, &hands, known, (&change, &log), now).await? {
                    found.push(Unaccounted { change, why });
                }
                has_read = true;
            }
            log.read_until(span.until);
            has_read = true;
        }
        log.ours = ours;
        known.next = Some(log);
        Ok(found)
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

    /// Forgets what the log is not read for again.
    fn forget(&mut self, start: Timestamp) {
        self.judged.retain(|_, read| read.at >= start);
        self.targets.retain(|_, (_, at)| *at >= start);
    }
}

fn is_bound(change: &DirectoryChange, bound: &BTreeSet<ObjectId>) -> bool {
    let is_its = |target: &String| target.parse().is_ok_and(|target| bound.contains(&target));
    !change.targets.is_empty() && change.targets.iter().all(is_its)
}

/// Airlock's objects that a tenant's log may name, with their client ids.
fn ours(place: &Place<'_>, home: TenantId) -> Reading<BTreeMap<ObjectId, ObjectId>> {
    let mut ours: BTreeMap<ObjectId, ObjectId> =
        place.principals.iter().map(|each| (each.object, each.client)).collect();
    // Registrations are known to the log of the tenant that they are in.
    if place.scope.tenant() == home {
        let registered = place.registered.as_ref().map_err(|unread| *unread)?;
        ours.extend(registered.iter().map(|(client, object)| (*object, *client)));
    }
    Ok(ours)
}

/// What each of these objects may change. One that is no more is asked about as well: who removes
/// one and makes another gives that another id.
fn hands<'o>(
    desired: &Desired,
    tenant: TenantId,
    ours: impl Iterator<Item = (&'o ObjectId, &'o ObjectId)>,
) -> BTreeMap<ObjectId, Hand> {
    let of_client = |client: ObjectId| match desired.named(client) {
        Some((ROTATOR, _)) => Hand::Rotator,
        Some((_, application)) => [App::Execute, App::Rotate]
            .into_iter()
            .find(|app| {
                let worker = desired.principals.get(app);
                worker.is_some() && worker == application.trusts.as_ref()
            })
            .map_or(Hand::None, Hand::Worker),
        None => Hand::None,
    };
    let mut hands: BTreeMap<ObjectId, Hand> =
        ours.map(|(object, client)| (*object, of_client(*client))).collect();
    // A managed identity has its service principal in the deployment's own tenant.
    if tenant == desired.home {
        hands.extend(desired.principals.iter().map(|(app, principal)| {
            (*principal, if *app == App::Admin { Hand::Admin } else { Hand::None })
        }));
    }
    hands
}
