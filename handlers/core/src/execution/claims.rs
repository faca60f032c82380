//! Claims and outcomes as create-only blobs: what is remembered even if the database forgets.

use super::{NotHandled, Worker, broken};
use crate::{
    claim::{CONTAINER, Claim, OutcomeBlob, RESUME_S, claim_blob, outcome_blob},
    digest::Digest,
    identity::TenantId,
    jws::{Signed, Verified},
    keyset::Trust,
    permit::Permit,
    ports::{Created, PortError},
    request::{Authorized, NotPermitted, Request},
    time::Timestamp,
};

/// Whose claim a request is under.
pub(super) enum Claimed {
    /// Just claimed: nothing was done under it yet.
    New(Signed<Claim>),
    /// Claimed before: it may be done already.
    Before(Signed<Claim>),
    /// Not claimed, and not to be.
    Not(NotPermitted),
}

impl Worker {
    /// The claim that stands, or a new one: signed, then kept create-only.
    pub(super) async fn standing_or_new(
        &self,
        standing: Option<Signed<Claim>>,
        request: &Request<Authorized>,
        permit: &Verified<Permit>,
        now: Timestamp,
    ) -> Result<Claimed, NotHandled> {
        if let Some(claim) = standing {
            return Ok(Claimed::Before(claim));
        }
        if let Err(not_permitted) = request.claimable(permit, now) {
            return Ok(Claimed::Not(not_permitted));
        }
        let claim = Claim {
            iss: self.app,
            tnt: request.tenant(),
            req: request.digest(),
            jti: permit.jti,
            op_hash: request.change().digest(),
            iat: now,
            resume_until: now.plus_s(RESUME_S),
        };
        let claim = Signed::sign(&claim, &*self.ports.signer).await?;
        let name = claim_blob(request.tenant(), request.digest());
        let bytes = claim.as_str().as_bytes();
        match self.ports.blobs.create(CONTAINER, &name, bytes).await? {
            Created::New => Ok(Claimed::New(claim)),
            // An earlier attempt's, before its commit: or this request was carried out before
            // and the database has forgotten it.
            Created::Existed => {
                let kept = self.kept_claim(request.tenant(), request.digest()).await?;
                kept.map(Claimed::Before).ok_or_else(|| broken("claim neither created nor found"))
            }
        }
    }

    pub(super) async fn kept_claim(
        &self,
        tenant: TenantId,
        request: Digest,
    ) -> Result<Option<Signed<Claim>>, NotHandled> {
        let name = claim_blob(tenant, request);
        let Some(bytes) = self.ports.blobs.read(CONTAINER, &name).await? else { return Ok(None) };
        let text = String::from_utf8(bytes).map_err(|_| broken("claim blob is not text"))?;
        Signed::parse(text).map(Some).map_err(|error| PortError::Broken(error.into()).into())
    }

    pub(super) async fn kept_outcome(
        &self,
        trust: &Trust,
        request: &Request<Authorized>,
    ) -> Result<Option<OutcomeBlob>, NotHandled> {
        let name = outcome_blob(request.tenant(), request.digest());
        let Some(bytes) = self.ports.blobs.read(CONTAINER, &name).await? else { return Ok(None) };
        let blob: OutcomeBlob = serde_json::from_slice(&bytes)?;
        let outcome = trust
            .open(&blob.outcome, self.ports.clock.now())
            .map_err(|error| PortError::Broken(error.into()))?;
        if outcome.req != request.digest() || outcome.tnt != request.tenant() {
            return Err(broken("outcome blob is another request's"));
        }
        Ok(Some(blob))
    }
}
