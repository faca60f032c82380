//! Taking a credential away for a permitted request.

use super::{End, NotHandled, Opened, Step, Worker, carrying_out::LONGEST_CALL_S};
use crate::{
    catalog::Removal,
    claim::Ending,
    remediation::{Gone, NotRemoved, Remediator},
    request::{Permitted, Request},
};

impl Worker {
    /// Has the credential removed, if it still stands.
    pub(super) async fn mend(
        &self,
        (request, removal): (&Request<Permitted>, &Removal),
        remediator: &Remediator,
        (opened, number): (&Opened, u32),
        traceparent: Option<String>,
    ) -> Result<Step, NotHandled> {
        let lease = opened.document.body.lease;
        let until = lease.map_or(request.resume_until(), |lease| lease.until);
        let until = until.plus_s(-LONGEST_CALL_S);
        let removed = remediator.remove(request, removal, (&*self.ports.clock, until)).await;
        // An attempt before this one may have removed it, its answer lost.
        let begun = number > 1;
        let end = match removed {
            Ok(Gone::Now { call_id }) => {
                End { call_id, ..End::of(Ending::Succeeded, "the credential was removed") }
            }
            Ok(Gone::Before) => End::of(Ending::Succeeded, "the credential was gone already"),
            Err(NotRemoved::Unfit(reason)) => End::of(Ending::Refused, reason).after(begun),
            Err(NotRemoved::NotApplied(error)) => match End::not_applied(&error, begun, number) {
                Ok(end) => end,
                Err(pause_s) => return Ok(Step::Later(pause_s)),
            },
        };
        self.finish(opened, end, traceparent).await?;
        Ok(Step::Over)
    }
}
