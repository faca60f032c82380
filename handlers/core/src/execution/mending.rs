//! Taking a credential away for a permitted request.

use std::error::Error;

use super::{
    End, NotHandled, Opened, Step, Worker,
    carrying_out::{LONGEST_CALL_S, refusal_words},
    retry::pause_s,
};
use crate::{
    catalog::Removal,
    claim::Ending,
    ports::NotApplied,
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
            Err(NotRemoved::NotApplied(NotApplied::Refused { status, code })) => {
                tracing::warn!(status, code, "directory refused");
                End::of(Ending::Failed, refusal_words(status)).after(begun)
            }
            Err(NotRemoved::NotApplied(NotApplied::Port(error))) if error.is_transient() => {
                tracing::warn!(error = %error, attempt = number, "directory not reached");
                return Ok(Step::Later(pause_s(&error, number)));
            }
            Err(NotRemoved::NotApplied(NotApplied::Port(error))) => {
                let error = &error as &(dyn Error + 'static);
                tracing::error!(error, "directory's answer not understood");
                let reason = "the directory answered in a way that is not understood";
                End::of(Ending::Unknown, reason)
            }
        };
        self.finish(opened, end, traceparent).await?;
        Ok(Step::Over)
    }
}
