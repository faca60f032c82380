//! What a worker asks of a request that was erased: that it ended before, and that the order was
//! about it. Both stand where neither the database nor `intake` can put them.

use serde_json::Value;

use super::Worker;
use crate::{
    digest::Digest,
    erasure::{Erasure, Proof, is_proven, proof_id},
    jws::Signed,
    keyset::Trust,
    ports::{Partition, PortError},
    tenancy::TenantScope,
};

impl Worker {
    /// What is wrong with it that a permitted request was erased by the order that stands in its
    /// place, if anything is.
    pub(super) async fn erased(
        &self,
        trust: &Trust,
        scope: &TenantScope,
        request: Digest,
        order: Option<Value>,
    ) -> Result<Option<&'static str>, PortError> {
        let tenant = scope.tenant();
        if self.kept_outcome(trust, tenant, request).await?.is_none() {
            return Ok(Some("the request was erased before it ended"));
        }
        let is_about = self.is_about(trust, scope, request, order).await?;
        Ok((!is_about).then_some("the request was erased by an order about others"))
    }

    async fn is_about(
        &self,
        trust: &Trust,
        scope: &TenantScope,
        request: Digest,
        order: Option<Value>,
    ) -> Result<bool, PortError> {
        let tenant = scope.tenant();
        // The root's signature and the tenant were verified when the document was read.
        let order = order.and_then(|order| serde_json::from_value::<Signed<Erasure>>(order).ok());
        let Some(order) = order.and_then(|order| order.peek().ok()) else { return Ok(false) };
        let partition = Partition::tenant(scope);
        let stored = self.ports.documents.read(&partition, &proof_id(request, &order)).await?;
        let proof =
            stored.and_then(|found| found.json["points_to"].as_str().and_then(Proof::parse));
        let claim = self.kept_claim(tenant, request).await?;
        let (Some(proof), Some(claim)) = (proof, claim) else { return Ok(false) };
        let claim = trust
            .open(&claim, self.ports.clock.now())
            .map_err(|error| PortError::Broken(error.into()))?;
        let is_ours = claim.iss == self.app && claim.tnt == tenant && claim.req == request;
        let concerned = claim.concerned.as_ref().filter(|_| is_ours);
        Ok(concerned.is_some_and(|concerned| is_proven(&order, proof, concerned)))
    }
}
