//! Every claim has its leaf: what a worker kept outside of the database, the ledger must tell.
//!
//! A claim is kept before it is committed, and a worker that was killed in between has until the
//! claim's end to go on. So a claim is looked for in the ledger once it is older than that, once.
//! One that has no leaf then is a violation, but not of the tree: an outage looks alike.

use std::collections::BTreeSet;

use super::{NotSealed, Place, Sealer, known::Known};
use crate::{
    claim::{CONTAINER, RESUME_S},
    digest::Digest,
    identity::App,
    ledger::{
        Happened,
        commit::{LEAF, StoredLeaf},
    },
    ports::{Blob, Query},
    record,
    time::Timestamp,
};

/// How often claims are looked through, in seconds.
const EVERY_S: i64 = 60;

/// How old a claim is before its leaf is looked for, in seconds: it can be resumed for as long,
/// and ended a while later.
const SETTLED_S: i64 = RESUME_S + 900;

/// Names that one look lists at the most; a part with more is looked through in smaller parts.
const MOST_NAMES: usize = 20_000;

/// Leaves about one request that are looked through, newest first.
const MOST_LEAVES: u32 = 200;

/// What an integrity violation is called here.
const NO_LEAF: &str = "a claim was kept that the ledger does not tell of";

/// What names begin with: digests are base64url.
const LETTERS: &str = "-0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZ_abcdefghijklmnopqrstuvwxyz";

/// How far claims were looked through.
#[derive(Default)]
pub(super) struct Sweep {
    looked: Option<Timestamp>,
    /// Up to which time everything is known to be settled.
    done: Option<Timestamp>,
    pass: Option<Pass>,
}

/// One pass through all names.
struct Pass {
    after: Timestamp,
    up_to: Timestamp,
    /// What the names begin with that are still to be listed.
    parts: Vec<String>,
}

impl Sealer {
    /// Looks through the claims that have settled since the last time. Remote calls: one list in
    /// a minute; for each claim, once, one query.
    pub(super) async fn sweep(
        &self,
        place: &Place,
        known: &mut Known,
        sweep: &mut Sweep,
        now: Timestamp,
    ) -> Result<(), NotSealed> {
        let Some(scope) = &place.scope else {
            known.claims = now;
            return Ok(());
        };
        if sweep.looked.is_some_and(|looked| now.since_s(looked) < EVERY_S) {
            return Ok(());
        }
        sweep.looked = Some(now);
        let done = sweep.done.map_or(known.claims, |done| done.max(known.claims));
        let pass = sweep.pass.get_or_insert_with(|| Pass {
            after: done,
            up_to: now.plus_s(-SETTLED_S),
            parts: vec![format!("{}/", scope.tenant())],
        });
        if let Some(part) = pass.parts.last().cloned() {
            let listed = self.ports.blobs.list(CONTAINER, &part, MOST_NAMES).await?;
            if listed.len() == MOST_NAMES {
                pass.parts.pop();
                pass.parts.extend(LETTERS.chars().map(|letter| format!("{part}{letter}")));
                return Ok(());
            }
            let settled = |blob: &Blob| pass.after < blob.at && blob.at <= pass.up_to;
            let prefix = format!("{}/", scope.tenant());
            let requests: BTreeSet<Digest> = listed
                .iter()
                .filter(|blob| settled(blob))
                .filter_map(|blob| Digest::parse(blob.name.strip_prefix(&prefix)?))
                .collect();
            for request in requests {
                self.look_for_leaf(place, request, now).await?;
            }
            pass.parts.pop();
        }
        if pass.parts.is_empty() {
            sweep.done = Some(pass.up_to);
            known.claims = known.claims.max(pass.up_to);
            sweep.pass = None;
        }
        Ok(())
    }

    async fn look_for_leaf(
        &self,
        place: &Place,
        request: Digest,
        now: Timestamp,
    ) -> Result<(), NotSealed> {
        let equals = Some(("subject", record::document_id(request)));
        let query = Query { kind: LEAF, equals, not_after: None, limit: MOST_LEAVES };
        let found = self.ports.documents.query(&place.partition, &query).await?;
        let is_told = found.into_iter().any(|found| {
            let Ok(leaf) = serde_json::from_value::<StoredLeaf>(found.json) else { return false };
            let Ok(statement) = place.trust.open_once_valid(&leaf.statement, now) else {
                return false;
            };
            let tells =
                matches!(statement.r#type, Happened::Claimed | Happened::Resumed | Happened::Ended);
            tells
                && statement.tenantid == place.partition.key()
                && statement.data.request == Some(request)
        });
        if is_told {
            return Ok(());
        }
        tracing::error!(partition = place.partition.key(), %request, "{NO_LEAF}");
        let (ledger, entropy) = ((&*self.ledger, App::Drift), &*self.ports.entropy);
        let (partition, request) = (&place.partition, Some(request));
        self.violations.record(ledger, partition, request, NO_LEAF, entropy, now).await?;
        Ok(())
    }
}
