//! Auditing: that nothing behind the newest anchor was touched.
//!
//! Sealing looks at what is new. An audit reads all of a tree again, and every document: a leaf
//! must be where it was anchored, a document must be what the last statement about it says, and
//! whatever has such a statement must be there. It goes a page at a time, one tree after the
//! other, and begins anew ten minutes after it began.
//!
//! Counters have no statements: those of the present hour are held against the requests of the
//! hour. What waits to be sent is removed without a leaf, so that it is gone says nothing.
//!
//! Revocations are `signin`'s, in a container of their own. The ledger was told of each by its
//! name: whichever somebody may still rely on must be there, and go as far as it said. Those of people
//! whose own tenant has no binding are told to the platform's tree, and not looked for.
//!
//! What it cannot tell: of a document whose last statement is in an epoch that is no longer in the
//! database, whether it is the last one of that epoch.

use std::collections::{HashMap, HashSet};

use uuid::Uuid;

use super::{CONFIRM_S, NotSealed, Place, Sealer, Violation, known::Known, leaves};
use crate::{
    digest::Digest,
    identity::App,
    jws::NotVerified,
    ledger::{
        Document, Frontier, NotRead, Statement, Stored,
        commit::{
            HEAD, LEAF, StoredCounter, StoredLeaf, StoredMarker, StoredMessage, hour, leaf_id,
        },
    },
    ports::{Found, Partition, Query},
    reception::counted_as,
    record::{self, Record},
    revocation::{self, StoredRevocation, Told},
    time::Timestamp,
};

/// How often an audit of a tree begins, in seconds.
const EVERY_S: i64 = 600;

/// Documents that one round looks at.
const PAGE: u32 = 500;

/// Hours by which a counter may be ahead of the one in which an audit began: a clock that is a
/// little ahead, and the time that the audit takes.
const HOURS_AHEAD: i64 = 2;

/// Missing documents that one round looks for.
const MOST_MISSING: usize = 50;

/// Where the ids of documents are: before those of leaves and after them.
const BEFORE_LEAVES: &str = "leaf-";
const AFTER_LEAVES: &str = "leaf.";
const END: &str = "\u{10ffff}";

/// An audit that goes on, when it began, and what the one before found.
#[derive(Default)]
pub(super) struct Audit {
    began: Option<Timestamp>,
    pass: Option<Pass>,
    doubt: Option<(Violation, Timestamp)>,
}

/// One pass through a tree and its documents.
struct Pass {
    epoch: u32,
    size: u64,
    root: Digest,
    tree: Frontier,
    /// The last statement about each subject, and whether it says that there is a document.
    last: HashMap<String, Last>,
    /// Commitments to markers that were not met yet.
    markers: HashSet<Digest>,
    /// The hour in which it began.
    hour: i64,
    /// How many requests of that hour were met, and what the counters said before.
    met: HashMap<String, u32>,
    counters: HashMap<String, (i64, u32)>,
    /// What the ledger was told of revocations, by their names, and when.
    revoked: HashMap<Uuid, (Told, Timestamp)>,
    stage: Stage,
}

#[derive(Clone, Copy)]
struct Last {
    statement: Digest,
    has_document: bool,
}

enum Stage {
    Leaves,
    /// Documents after this id.
    Documents(String),
    Missing,
    /// Revocations after this id.
    Revocations(String),
}

impl Sealer {
    /// Goes on with a partition's audit, if it is its turn. Remote calls: one query; a query more
    /// for each document that changed since the audit began, a read for each that is missing.
    pub(super) async fn audit(
        &self,
        place: &Place,
        known: &Known,
        audit: &mut Audit,
        now: Timestamp,
    ) -> Result<(), NotSealed> {
        let Ok(_turn) = self.audits.try_acquire() else { return Ok(()) };
        if audit.pass.is_none() {
            let is_due = audit.began.is_none_or(|began| now.since_s(began) >= EVERY_S);
            if !is_due || known.edge.size() == 0 {
                return Ok(());
            }
            audit.began = Some(now);
            audit.pass = Some(Pass::through(known, now));
        }
        let Some(pass) = &mut audit.pass else { return Ok(()) };
        // What was read of another epoch says nothing of this one.
        if pass.epoch != known.epoch {
            audit.pass = None;
            return Ok(());
        }
        let is_over = match pass.stage {
            Stage::Leaves => self.audit_leaves(place, pass).await.map(|()| false),
            Stage::Documents(_) => self.audit_documents(place, pass, now).await.map(|()| false),
            Stage::Missing => self.audit_missing(place, pass, now).await.map(|()| false),
            Stage::Revocations(_) => self.audit_revocations(place, pass, now).await,
        };
        match is_over {
            Ok(false) => {}
            Ok(true) => {
                audit.pass = None;
                audit.doubt = None;
            }
            Err(NotSealed::Violation(violation)) => {
                let doubt = audit.doubt.filter(|(before, _)| *before == violation);
                let since = doubt.map_or(now, |(_, since)| since);
                // The next look begins at the beginning.
                *audit = Audit { doubt: Some((violation, since)), ..Audit::default() };
                let is_sure = !violation.may_be_lag() || now.since_s(since) >= CONFIRM_S;
                let partition = place.partition.key();
                tracing::error!(partition, %violation, is_sure, "audit found a violation");
                if is_sure {
                    return Err(NotSealed::Found(violation));
                }
            }
            Err(error) => return Err(error),
        }
        Ok(())
    }

    async fn audit_leaves(&self, place: &Place, pass: &mut Pass) -> Result<(), NotSealed> {
        let first = pass.tree.size();
        let range = first..pass.size.min(first + leaves::PAGE);
        let documents = &*self.ports.documents;
        let stored = leaves::read(documents, &place.partition, pass.epoch, range).await?;
        for (json, index) in stored.into_iter().zip(first..) {
            let (leaf, hash, _) = leaves::recall(json)?;
            let statement = leaf.statement.peek().map_err(|_| Violation::Anchored)?;
            let is_in_place = leaf.id == leaf_id(pass.epoch, index)
                && leaf.tenant == place.partition.key()
                && leaf.kind == LEAF
                && (leaf.epoch, leaf.at) == (pass.epoch, index.cast_signed())
                && leaf.subject == statement.subject
                && leaf.digest == leaf.statement.digest();
            if !is_in_place {
                return Err(Violation::Anchored.into());
            }
            pass.tree.push(hash);
            // What `signin` reports is about documents of its own containers.
            let has_document = statement.data.document.is_some() && statement.iss != App::Signin;
            let last = Last { statement: leaf.digest, has_document };
            pass.last.insert(statement.subject, last);
            pass.markers.extend(statement.data.markers);
            if let Some(event) = statement.data.event {
                let event = event.peek().map_err(|_| Violation::Anchored)?;
                pass.told(&event, place.partition.key());
            }
        }
        if pass.tree.size() == pass.size {
            if pass.tree.root() != pass.root {
                return Err(Violation::Anchored.into());
            }
            pass.stage = Stage::Documents(String::new());
        }
        Ok(())
    }

    async fn audit_documents(
        &self,
        place: &Place,
        pass: &mut Pass,
        now: Timestamp,
    ) -> Result<(), NotSealed> {
        let Stage::Documents(after) = &pass.stage else { return Ok(()) };
        let end = if after.as_str() < BEFORE_LEAVES { BEFORE_LEAVES } else { END };
        let start = format!("{after}\0");
        let documents = &*self.ports.documents;
        let found = documents.range(&place.partition, start.as_str()..end, PAGE).await?;
        let count = found.len();
        let mut last = None;
        for found in found {
            last = found.json["id"].as_str().map(ToOwned::to_owned);
            self.audit_one(place, pass, found, now).await?;
        }
        pass.stage = match last {
            Some(last) if count == PAGE as usize => Stage::Documents(last),
            _ if end == BEFORE_LEAVES => Stage::Documents(AFTER_LEAVES.to_owned()),
            _ => Stage::Missing,
        };
        Ok(())
    }

    /// Whatever is stored is of one of the forms that we write.
    async fn audit_one(
        &self,
        place: &Place,
        pass: &mut Pass,
        found: Found,
        now: Timestamp,
    ) -> Result<(), NotSealed> {
        let has = |member| found.json.get(member).is_some();
        if !has("statement") {
            // What sealing looks at in each round.
            if found.json["id"] == HEAD {
                return Ok(());
            }
            let counter = StoredCounter::of(found.json, &place.partition);
            let counter = counter.ok_or(Violation::DocumentForged)?;
            let (of, hour, count) = counter.counted();
            pass.counters.insert(of.to_owned(), (hour, count));
            return Ok(());
        }
        if has("points_to") {
            return self.audit_marker(place, pass, found, now).await;
        }
        if has("queue") {
            let stored: StoredMessage =
                serde_json::from_value(found.json).map_err(|_| Violation::DocumentForged)?;
            let keys = self.keys.of(&place.trust, &place.partition);
            let trust = keys.trust_about(&stored.statement, now).await;
            let trust = trust.map_err(|error| not_opened(error.into()))?;
            stored.open(&place.partition, &trust, now).map_err(|error| not_opened(error.into()))?;
            return Ok(());
        }
        self.audit_document(place, pass, found, now).await
    }

    async fn audit_marker(
        &self,
        place: &Place,
        pass: &mut Pass,
        found: Found,
        now: Timestamp,
    ) -> Result<(), NotSealed> {
        let stored: StoredMarker =
            serde_json::from_value(found.json).map_err(|_| Violation::DocumentForged)?;
        let keys = self.keys.of(&place.trust, &place.partition);
        let trust = keys.trust_about(&stored.statement, now).await;
        let trust = trust.map_err(|error| not_opened(error.into()))?;
        let committed =
            stored.open(&place.partition, &trust, now).map_err(|error| not_opened(error.into()))?;
        if !pass.markers.remove(&committed) {
            self.audit_other(place, pass, stored.statement.digest(), false).await?;
        }
        Ok(())
    }

    async fn audit_document(
        &self,
        place: &Place,
        pass: &mut Pass,
        found: Found,
        now: Timestamp,
    ) -> Result<(), NotSealed> {
        let stored: Stored =
            serde_json::from_value(found.json.clone()).map_err(|_| Violation::DocumentForged)?;
        let keys = self.keys.of(&place.trust, &place.partition);
        let opened = if stored.body.is_some() {
            let opened =
                Document::<serde_json::Value>::open(found, &place.partition, &place.trust, now);
            opened.map_err(NotRead::from).map(drop)
        } else if stored.kind == record::KIND {
            let opened = Document::<Record>::open_sealed(found, keys, now).await;
            opened.map(|document| pass.meet(&document))
        } else {
            Document::<serde_json::Value>::open_sealed(found, keys, now).await.map(drop)
        };
        match opened {
            Ok(()) | Err(NotRead::Erased) => {}
            Err(error) => return Err(not_opened(error)),
        }
        let digest = stored.statement.digest();
        let is_last = pass.last.get(&stored.id).map(|last| last.statement == digest);
        if is_last != Some(true) {
            self.audit_other(place, pass, digest, is_last.is_some()).await?;
        }
        pass.last.remove(&stored.id);
        Ok(())
    }

    /// A document whose statement is not the last that the audit saw about it: it changed since,
    /// or it was last changed in an epoch before, or it was put back.
    async fn audit_other(
        &self,
        place: &Place,
        pass: &Pass,
        statement: Digest,
        has_later: bool,
    ) -> Result<(), NotSealed> {
        let equals = Some(("digest", statement.to_string()));
        let query = Query { kind: LEAF, equals, not_after: None, limit: 1 };
        let found = self.ports.documents.query(&place.partition, &query).await?;
        let leaf = found.into_iter().next();
        let leaf = leaf.and_then(|found| serde_json::from_value::<StoredLeaf>(found.json).ok());
        let leaf = leaf.filter(|leaf| leaf.statement.digest() == statement);
        let at = leaf.map(|leaf| (leaf.epoch, leaf.at.unsigned_abs()));
        match at {
            Some(at) if at >= (pass.epoch, pass.size) => Ok(()),
            Some((epoch, _)) if epoch < pass.epoch && !has_later => Ok(()),
            None if pass.epoch > 0 && !has_later => Ok(()),
            Some(_) => Err(Violation::DocumentOld.into()),
            None => Err(Violation::DocumentUnknown.into()),
        }
    }

    /// Looks again for what has a statement and was not met.
    async fn audit_missing(
        &self,
        place: &Place,
        pass: &mut Pass,
        now: Timestamp,
    ) -> Result<(), NotSealed> {
        if !pass.markers.is_empty() {
            return Err(Violation::DocumentGone.into());
        }
        if pass.counted_less() {
            return Err(Violation::CountedLess.into());
        }
        pass.last.retain(|_, last| last.has_document);
        let some: Vec<String> = pass.last.keys().take(MOST_MISSING).cloned().collect();
        for id in some {
            let Some(found) = self.ports.documents.read(&place.partition, &id).await? else {
                return Err(Violation::DocumentGone.into());
            };
            self.audit_document(place, pass, found, now).await?;
            pass.last.remove(&id);
        }
        if pass.last.is_empty() {
            pass.stage = Stage::Revocations(String::new());
        }
        Ok(())
    }

    /// Holds a page of the tenant's revocations against what the ledger was told of them. Says
    /// whether it was the last.
    async fn audit_revocations(
        &self,
        place: &Place,
        pass: &mut Pass,
        now: Timestamp,
    ) -> Result<bool, NotSealed> {
        let Stage::Revocations(after) = &pass.stage else { return Ok(true) };
        let Some(scope) = &place.scope else { return Ok(true) };
        let partition = Partition::revocations(scope.tenant());
        let start = format!("{after}\0");
        let found = self.ports.documents.range(&partition, start.as_str()..END, PAGE).await?;
        let count = found.len();
        let mut last = None;
        for found in found {
            last = found.json["id"].as_str().map(ToOwned::to_owned);
            if found.json["kind"] != revocation::KIND {
                continue;
            }
            // One whose key was revoked since stands in its person's way: nobody takes what
            // cannot be believed any more for "not revoked".
            let opened = StoredRevocation::read(found)
                .and_then(|stored| stored.open_once_valid(&place.trust, now));
            let revocation = opened.map_err(|error| match error {
                NotVerified::UnknownKey(_) => Violation::UnknownKey,
                _ => Violation::DocumentForged,
            })?;
            if revocation.tid != scope.tenant() {
                return Err(Violation::DocumentForged.into());
            }
            match pass.revoked.remove(&revocation.name) {
                Some((told, _)) if revocation.nbf < told.nbf => {
                    return Err(Violation::DocumentOld.into());
                }
                _ => {}
            }
        }
        if let Some(last) = last.filter(|_| count == PAGE as usize) {
            pass.stage = Stage::Revocations(last);
            return Ok(false);
        }
        pass.revoked.retain(|_, (_, at)| now.since_s(*at) < revocation::COUNTS_S);
        if pass.revoked.is_empty() { Ok(true) } else { Err(Violation::DocumentGone.into()) }
    }
}

impl Pass {
    fn through(known: &Known, now: Timestamp) -> Self {
        Self {
            epoch: known.epoch,
            size: known.edge.size(),
            root: known.edge.root(),
            tree: Frontier::empty(),
            last: HashMap::new(),
            markers: HashSet::new(),
            hour: hour(now),
            met: HashMap::new(),
            counters: HashMap::new(),
            revoked: HashMap::new(),
            stage: Stage::Leaves,
        }
    }

    /// Remembers what an event says of a revocation: the one that goes furthest, of each name.
    fn told(&mut self, event: &Statement, tenant: &str) {
        let Some(told) = event.data.revocation.filter(|_| event.tenantid == tenant) else { return };
        let known = self.revoked.entry(told.name).or_insert((told, event.iat));
        if told.nbf > known.0.nbf {
            *known = (told, event.iat);
        }
    }

    /// Counts a request again that was asked in the hour in which the audit began, and before
    /// that: counters are read later, so they say at least as much.
    fn meet(&mut self, document: &Document<Record>) {
        if !self.last.contains_key(&document.id)
            || hour(Timestamp::from_unix_s(document.at)) != self.hour
        {
            return;
        }
        for of in counted_as(&document.body.summary.requester) {
            *self.met.entry(of).or_default() += 1;
        }
    }

    /// Whether a counter says less than was met. In a later hour it began anew; of what is far
    /// ahead of the hour nobody of ours counts.
    fn counted_less(&self) -> bool {
        let is_less = |(of, met): (&String, &u32)| match self.counters.get(of) {
            None => true,
            Some((hour, count)) => *hour < self.hour || (*hour == self.hour && count < met),
        };
        self.met.iter().any(is_less)
            || self.counters.values().any(|(hour, _)| *hour > self.hour + HOURS_AHEAD)
    }
}

/// What it means that something stored was not opened.
fn not_opened(error: NotRead) -> NotSealed {
    match error {
        NotRead::Port(error) => error.into(),
        NotRead::NotGenuine(_) | NotRead::Erased => Violation::DocumentForged.into(),
    }
}
