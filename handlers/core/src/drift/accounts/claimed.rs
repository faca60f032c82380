//! Whether a claim accounts for a change that a worker's service principal made.
//!
//! It does if three apps say so, each with its own key: `intake` permitted the request, by a leaf
//! of the tenant's tree; the worker that the service principal's application trusts claimed it, by
//! another; and the claim itself stands in a blob that nobody can change, is about this request and
//! tenant, and was in force when the log says that the change was made. No claim is in force for
//! longer than a worker may resume it, and none is told of at another time. A revoked key's word
//! counts where it was anchored before, and nowhere else.
//!
//! What was changed cannot be told from any of them: claim and permit hold a hash of the operation
//! and commitments to people, which only the request opens, and that is personal data. So a worker
//! that was taken over can do one other thing under each request that was permitted meanwhile; what
//! the request asked for is then the second thing, and found.

use std::borrow::Cow;

use super::{Place, log::SKEW_S};
use crate::{
    base64url,
    claim::{CONTAINER, Claim, RESUME_S, claim_blob},
    digest::Digest,
    drift::{
        Drift,
        actual::DirectoryChange,
        seen::{Source, Unread, Why},
        stored::told,
    },
    identity::{App, TenantId},
    jws::Signed,
    keyset::Trust,
    ledger::{
        Happened, NotProven,
        commit::{LEAF, StoredLeaf},
    },
    ports::Query,
    record,
    request::correlation,
    time::Timestamp,
};

/// Bytes of a digest that its [`correlation`] leaves as they are, and characters of base64url for
/// them.
const WHOLE_BYTES: usize = 6;
const WHOLE_CHARACTERS: usize = 8;

/// Claims that begin alike: more than that is no accident.
const MOST_ALIKE: usize = 64;

/// Leaves about one request that are looked through, newest first.
const MOST_LEAVES: u32 = 200;

/// What a tenant's tree tells of a request.
#[derive(Default)]
struct Leaves<'t> {
    /// Whether `intake` permitted it.
    permitted: bool,
    /// By whose word the worker claimed it, for the first time: the keys that count for it, and
    /// when that was.
    claimed: Option<(Cow<'t, Trust>, Timestamp)>,
}

impl Drift {
    /// Why no claim of a worker's accounts for a change; `None` if one does.
    pub(super) async fn why_not_claimed(
        &self,
        place: &Place<'_>,
        change: &DirectoryChange,
        worker: App,
        now: Timestamp,
    ) -> Result<Option<Why>, Unread> {
        let Some(named) = change.correlation else { return Ok(Some(Why::Unnamed)) };
        let tenant = place.scope.tenant();
        let start = format!("{tenant}/");
        let first = base64url::encode(&named.as_bytes()[..WHOLE_BYTES]);
        debug_assert_eq!(first.len(), WHOLE_CHARACTERS);
        let listed = self.ports.blobs.list(CONTAINER, &format!("{start}{first}"), MOST_ALIKE).await;
        let listed = listed.map_err(|error| told(Source::Claims, &error))?;
        let mut why = Why::Unclaimed;
        let requests =
            listed.iter().filter_map(|blob| Digest::parse(blob.name.strip_prefix(&start)?));
        for request in requests.filter(|request| correlation(*request) == named) {
            match self.why_not_by(place, request, (change, worker), now).await? {
                None => return Ok(None),
                Some(because) => why = because,
            }
        }
        Ok(Some(why))
    }

    async fn why_not_by(
        &self,
        place: &Place<'_>,
        request: Digest,
        (change, worker): (&DirectoryChange, App),
        now: Timestamp,
    ) -> Result<Option<Why>, Unread> {
        let tenant = place.scope.tenant();
        let Some(signed) = self.claim(tenant, request).await? else {
            return Ok(Some(Why::NotGenuine));
        };
        let Leaves { permitted, claimed } = self.leaves(place, request, worker, now).await?;
        if !permitted {
            return Ok(Some(Why::Unpermitted));
        }
        let trust = claimed.as_ref().map_or(place.trust, |(trust, _)| trust);
        let Ok(claim) = trust.open(&signed, now) else { return Ok(Some(Why::NotGenuine)) };
        let over = claim.iat.plus_s(RESUME_S);
        if claim.tnt != tenant || claim.req != request || claim.void || claim.resume_until > over {
            return Ok(Some(Why::NotGenuine));
        }
        if claim.iss != worker {
            return Ok(Some(Why::OtherWorker));
        }
        let Some((_, told)) = claimed else { return Ok(Some(Why::Untold)) };
        // An attempt that dies between the two is followed by others, which tell of it later.
        if told < claim.iat.plus_s(-SKEW_S) || told > over.plus_s(SKEW_S) {
            return Ok(Some(Why::NotGenuine));
        }
        let was_in_force = claim.iat.plus_s(-SKEW_S) <= change.at
            && change.at <= claim.resume_until.plus_s(SKEW_S);
        Ok((!was_in_force).then_some(Why::OtherTime))
    }

    /// A claim as it stands; `None` if what stands there is none.
    async fn claim(
        &self,
        tenant: TenantId,
        request: Digest,
    ) -> Result<Option<Signed<Claim>>, Unread> {
        let read = self.ports.blobs.read(CONTAINER, &claim_blob(tenant, request)).await;
        let bytes = read.map_err(|error| told(Source::Claims, &error))?;
        let text = bytes.and_then(|bytes| String::from_utf8(bytes).ok());
        Ok(text.and_then(|text| Signed::parse(text).ok()))
    }

    async fn leaves<'t>(
        &self,
        place: &Place<'t>,
        request: Digest,
        worker: App,
        now: Timestamp,
    ) -> Result<Leaves<'t>, Unread> {
        let equals = Some(("subject", record::document_id(request)));
        let query = Query { kind: LEAF, equals, not_after: None, limit: MOST_LEAVES };
        let found = self.ports.documents.query(place.partition, &query).await;
        let found = found.map_err(|error| told(Source::Claims, &error))?;
        let mut leaves = Leaves::default();
        for found in found {
            // What is no leaf of ours is the sealer's to tell of; here it counts for nothing.
            let Ok(leaf) = serde_json::from_value::<StoredLeaf>(found.json) else { continue };
            let (digest, key) = (leaf.statement.digest(), leaf.statement.key());
            let about = self.ledger.trust_about(place.partition, digest, key, place.trust, now);
            let about = match about.await {
                Ok(about) => about,
                // Later it may be known.
                Err(error @ (NotProven::Port(_) | NotProven::Stale)) => {
                    return Err(told(Source::Claims, &error));
                }
                Err(_) => continue,
            };
            let Ok(statement) = about.open(&leaf.statement, now) else { continue };
            if statement.tenantid != place.partition.key()
                || statement.data.request != Some(request)
            {
                continue;
            }
            match statement.r#type {
                Happened::Permitted | Happened::BrokeGlass if statement.iss == App::Intake => {
                    leaves.permitted = true;
                }
                Happened::Claimed | Happened::Resumed if statement.iss == worker => {
                    // Newest first: the last one that is met is the first that was told.
                    leaves.claimed = Some((about, statement.iat));
                }
                _ => {}
            }
        }
        Ok(leaves)
    }
}
