//! How much `intake` can attest: counted where neither it nor the database can take it back.
//!
//! A taken-over `intake` needs no token to say that a registered service asked for something. So
//! before the worker claims an attested request it takes a slot, a create-only blob
//! `<tenant>/attested/<service>/<hour>/<n>` with `n` below the quota in the binding.
//!
//! Guaranteed: in each hour of the clock at most that many attested requests of a service are
//! claimed, by all worker processes together, and so at most twice as many in any sixty minutes.
//! `intake` has no right to these blobs, and a database that is put back does not give a slot
//! back. Not guaranteed: that a slot stands for a claim. A crash between the two costs a slot,
//! and `intake` can use up a service's slots, so that its own requests have to wait. The quota is
//! that of the binding that is read: whoever can put back an earlier signed binding puts its
//! quota back, and none of the slots.

use super::{NotHandled, Worker};
use crate::{
    claim::{CONTAINER, slot_blob},
    digest::Digest,
    ports::Created,
    tenancy::TenantScope,
    time::Timestamp,
};

impl Worker {
    /// Takes a slot for an attested request; `false` if the service has had all of this hour's.
    ///
    /// A request that took the newest slot before, its answer lost, is given the same one.
    pub(super) async fn take_slot(
        &self,
        scope: &TenantScope,
        service: &str,
        request: Digest,
        now: Timestamp,
    ) -> Result<bool, NotHandled> {
        let (tenant, most) = (scope.tenant(), scope.terms().quotas.attested);
        let name = |n| slot_blob(tenant, service, now, n);
        let text = request.to_string();
        // INVARIANT: a slot is created only after the one before it was seen, so the taken ones
        // are the first ones, and halving finds the first that is free.
        let (mut first, mut end) = (0, most);
        while first < end {
            let middle = first + (end - first) / 2;
            match self.ports.blobs.read(CONTAINER, &name(middle)).await? {
                Some(holder) if holder == text.as_bytes() => return Ok(true),
                Some(_) => first = middle + 1,
                None => end = middle,
            }
        }
        for n in first..most {
            match self.ports.blobs.create(CONTAINER, &name(n), text.as_bytes()).await? {
                Created::New => return Ok(true),
                // Another's, who was faster; or ours, by a call whose answer was lost.
                Created::Existed => {
                    let holder = self.ports.blobs.read(CONTAINER, &name(n)).await?;
                    if holder.as_deref() == Some(text.as_bytes()) {
                        return Ok(true);
                    }
                }
            }
        }
        Ok(false)
    }
}
