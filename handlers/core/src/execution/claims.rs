//! Claims and outcomes as create-only blobs: what is remembered even if the database forgets.

use super::{End, NotHandled, Opened, Worker};
use crate::{
    claim::{CONTAINER, Claim, Ending, OutcomeBlob, RESUME_S, claim_blob, outcome_blob},
    digest::Digest,
    erasure::Concerned,
    identity::TenantId,
    jws::{Signed, Verified},
    keyset::Trust,
    ports::{Created, PortError},
    record::Record,
    request::{Authorized, NotPermitted, Principal, Request},
    time::Timestamp,
};

/// What a service is told that asked for more than a worker does for it in an hour.
const TOO_MANY_ATTESTED: &str =
    "as much as the tenant allows was done for the service in this hour";

/// What an attempt to claim a request came to.
pub(super) enum Claimed {
    /// Claimed now: nothing was done under it yet.
    New(Signed<Claim>),
    /// Claimed before: it may be done already.
    Before(Signed<Claim>),
    /// Somebody else's claim was found in the place of ours.
    Taken,
    /// Not claimed, and not to be, for this reason.
    Not(&'static str),
}

/// What stands for a request already.
pub(super) enum Standing {
    /// Its claim, or none.
    Claim(Option<Box<(Verified<Claim>, Signed<Claim>)>>),
    /// Its outcome.
    Ended(Box<OutcomeBlob>),
    /// A claim under which nothing more may be done.
    Never(End),
}

impl Worker {
    /// Looks for what stands for a request outside of the database.
    ///
    /// A first delivery of what was never claimed skips that: it finds a claim by creating one.
    pub(super) async fn standing(
        &self,
        opened: &Opened,
        again: bool,
        now: Timestamp,
    ) -> Result<Standing, NotHandled> {
        let (tenant, request) = (opened.scope.tenant(), opened.document.body.request);
        if opened.document.body.claim.is_none() && !again {
            return Ok(Standing::Claim(None));
        }
        if let Some(blob) = self.kept_outcome(&opened.trust, tenant, request).await? {
            return Ok(Standing::Ended(Box::new(blob)));
        }
        let Some(signed) = self.kept_claim(tenant, request).await? else {
            // The ledger knows a claim that was never kept: nobody of ours does that.
            return Ok(match opened.document.body.claim {
                None => Standing::Claim(None),
                Some(_) => Standing::Never(End::violation("its claim was never kept").after(true)),
            });
        };
        let fits = |claim: &Verified<Claim>| {
            claim.iss == self.app && claim.tnt == tenant && claim.req == request
        };
        Ok(match opened.trust.open(&signed, now) {
            Ok(claim) if fits(&claim) && claim.void => {
                Standing::Never(End::of(Ending::Refused, "it was refused before"))
            }
            Ok(claim) if fits(&claim) && claim.resume_until > now => {
                Standing::Claim(Some(Box::new((claim, signed))))
            }
            Ok(claim) if fits(&claim) => {
                Standing::Never(End::of(Ending::Refused, "its time is over").after(true))
            }
            Ok(_) | Err(_) => {
                Standing::Never(End::violation("the claim is for something else").after(true))
            }
        })
    }

    /// Claims a request: signs the claim, then keeps it create-only. One that only `intake` saw
    /// takes a slot before.
    pub(super) async fn claim(
        &self,
        request: &Request<Authorized>,
        opened: &Opened,
        now: Timestamp,
    ) -> Result<Claimed, NotHandled> {
        let Opened { permit, scope, .. } = opened;
        if let Err(not_permitted) = request.claimable(permit, now) {
            return Ok(Claimed::Not(words(not_permitted)));
        }
        if let Principal::Attested(service) = request.principal() {
            // Looked for first: a request that was claimed before must not use up a slot each
            // time that the database forgets it.
            if self.kept_claim(request.tenant(), request.digest()).await?.is_some() {
                return Ok(Claimed::Taken);
            }
            if !self.take_slot(scope, service, request.digest(), now).await? {
                return Ok(Claimed::Not(TOO_MANY_ATTESTED));
            }
        }
        let claim = Claim {
            iss: self.app,
            tnt: request.tenant(),
            req: request.digest(),
            jti: permit.jti,
            op_hash: request.op_hash(),
            iat: now,
            resume_until: now.plus_s(RESUME_S),
            void: false,
            concerned: concerned(&opened.document.body),
        };
        let claim = Signed::sign(&claim, &*self.ports.signer).await?;
        let name = claim_blob(request.tenant(), request.digest());
        let created = self.ports.blobs.create(CONTAINER, &name, claim.as_str().as_bytes()).await?;
        Ok(match created {
            Created::New => Claimed::New(claim),
            // An earlier attempt's, before its commit: or this request was carried out before
            // and the database has forgotten it.
            Created::Existed => Claimed::Taken,
        })
    }

    /// Bars a request that was never claimed: by the same create-only blob, so that of two
    /// processes one acts and the other learns of it, or neither acts. `Existed`: somebody has
    /// claimed it meanwhile, and may be acting.
    pub(super) async fn bar(&self, opened: &Opened, now: Timestamp) -> Result<Created, NotHandled> {
        let [detail] = &opened.permit.authorization_details;
        let (tenant, request) = (opened.scope.tenant(), opened.document.body.request);
        let claim = Claim {
            iss: self.app,
            tnt: tenant,
            req: request,
            jti: opened.permit.jti,
            op_hash: detail.op_hash,
            iat: now,
            resume_until: now,
            void: true,
            concerned: concerned(&opened.document.body),
        };
        let claim = Signed::sign(&claim, &*self.ports.signer).await?;
        let name = claim_blob(tenant, request);
        Ok(self.ports.blobs.create(CONTAINER, &name, claim.as_str().as_bytes()).await?)
    }

    pub(super) async fn kept_claim(
        &self,
        tenant: TenantId,
        request: Digest,
    ) -> Result<Option<Signed<Claim>>, PortError> {
        let name = claim_blob(tenant, request);
        let Some(bytes) = self.ports.blobs.read(CONTAINER, &name).await? else { return Ok(None) };
        let text = String::from_utf8(bytes).map_err(|error| PortError::Broken(error.into()))?;
        Signed::parse(text).map(Some).map_err(|error| PortError::Broken(error.into()))
    }

    pub(super) async fn kept_outcome(
        &self,
        trust: &Trust,
        tenant: TenantId,
        request: Digest,
    ) -> Result<Option<OutcomeBlob>, PortError> {
        let name = outcome_blob(tenant, request);
        let Some(bytes) = self.ports.blobs.read(CONTAINER, &name).await? else { return Ok(None) };
        let blob: OutcomeBlob =
            serde_json::from_slice(&bytes).map_err(|error| PortError::Broken(error.into()))?;
        let outcome = trust
            .open(&blob.outcome, self.ports.clock.now())
            .map_err(|error| PortError::Broken(error.into()))?;
        if outcome.req != request || outcome.tnt != tenant || outcome.iss != self.app {
            return Err(PortError::Broken("outcome blob is another request's".into()));
        }
        Ok(Some(blob))
    }
}

/// Whom a request names, as far as its evidence says.
fn concerned(record: &Record) -> Option<Concerned> {
    Concerned::of(record)
        .inspect_err(|error| tracing::error!(error = %error, "nobody in the request is readable"))
        .ok()
}

/// What a requester is told about a permit that does not permit.
fn words(not_permitted: NotPermitted) -> &'static str {
    match not_permitted {
        NotPermitted::Expired => "the permit expired before it was carried out",
        NotPermitted::ClaimOver => "the claim can no longer be resumed",
        NotPermitted::Other(_) | NotPermitted::Approvals | NotPermitted::OtherClaim(_) => {
            "the permit is for something else"
        }
    }
}
