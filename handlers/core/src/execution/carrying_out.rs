//! Making a permitted change: first the lease is committed, then the directory is called, the
//! secret rotated or the credential removed, then how it ended is concluded.

use super::{End, NotHandled, Opened, Step, Tools, Worker, broken, retry::SOON_S};
use crate::{
    catalog::{Hands, NotDone, OnUser, Work},
    claim::{Claim, Ending},
    jwe,
    jws::Signed,
    ledger::{Happened, NotCommitted},
    ports::{Directory, Partition},
    record::{LEASE_S, Lease, State},
    request::{Permitted, Request},
    rotation,
    secret::Secret,
};

/// The longest call to the directory, in seconds: a lease must outlast it.
pub(super) const LONGEST_CALL_S: i64 = 12;

impl Worker {
    /// Commits the attempt, makes the change, commits the outcome.
    pub(super) async fn carry_out(
        &self,
        request: Request<Permitted>,
        opened: Opened,
        claim: Signed<Claim>,
        traceparent: Option<String>,
    ) -> Result<Step, NotHandled> {
        let Some((opened, number)) =
            self.lease(&request, opened, claim, traceparent.clone()).await?
        else {
            return Ok(Step::Later(SOON_S));
        };
        match (request.change().work(), &self.tools) {
            (Work::Directory(on), Tools::Directory(directory)) => {
                self.call((&request, on), &**directory, (&opened, number), traceparent).await
            }
            (Work::Rotation(renewal), Tools::Credentials { rotator, .. }) => {
                self.rotate((&request, renewal), rotator, (&opened, number), traceparent).await
            }
            (Work::Remediation(removal), Tools::Credentials { remediator, .. }) => {
                self.mend((&request, removal), remediator, (&opened, number), traceparent).await
            }
            (Work::Directory(_), Tools::Credentials { .. })
            | (Work::Rotation(_) | Work::Remediation(_), Tools::Directory(_)) => {
                Err(broken("a change that was judged is another worker's"))
            }
        }
    }

    /// Calls the directory.
    async fn call(
        &self,
        (request, on): (&Request<Permitted>, &OnUser),
        directory: &dyn Directory,
        (opened, number): (&Opened, u32),
        traceparent: Option<String>,
    ) -> Result<Step, NotHandled> {
        // What is sent is computed from the parsed change whose digest the permit names, just
        // checked, and each call is one that its operation declares.
        let lease_ends = opened.document.body.lease.map_or(request.resume_until(), |it| it.until);
        let tools = (&*self.ports.entropy, &*self.ports.clock);
        let until = lease_ends.plus_s(-LONGEST_CALL_S);
        let mut hands = Hands::new((request, on), directory, tools, until);
        let done = on.carry_out(&mut hands).await;
        // This attempt may have been carried out in part; an earlier one wholly, its answer lost.
        let begun = number > 1 || hands.has_written();
        let end = match done {
            Ok(secret) => End {
                result: self.result(request, secret)?,
                call_id: hands.into_call_id(),
                ..End::of(Ending::Succeeded, "the directory confirmed it")
            },
            Err(NotDone::Cannot(reason)) => End::of(Ending::Failed, reason).after(begun),
            Err(NotDone::NotApplied(error)) => match End::not_applied(&error, begun, number) {
                Ok(end) => end,
                Err(pause_s) => return Ok(Step::Later(pause_s)),
            },
        };
        self.finish(opened, end, traceparent).await?;
        Ok(Step::Over)
    }

    /// Commits that this process works on the request now, and which attempt that is; `None`
    /// if somebody else does, or the lease was nearly over by the time that it was had.
    async fn lease(
        &self,
        request: &Request<Permitted>,
        mut opened: Opened,
        claim: Signed<Claim>,
        traceparent: Option<String>,
    ) -> Result<Option<(Opened, u32)>, NotHandled> {
        let now = self.ports.clock.now();
        let record = &mut opened.document.body;
        let number = record.lease.map_or(1, |lease| lease.attempt + 1);
        let first = record.claim.is_none();
        let until = now.plus_s(lease_s(request.change().work()));
        record.claim = Some(claim);
        record.state = State::Executing;
        record.lease = Some(Lease { attempt: number, holder: self.holder, until });
        tracing::info!(attempt = number, permit = %opened.permit.jti, "claimed");
        let happened = if first { Happened::Claimed } else { Happened::Resumed };
        let partition = Partition::tenant(request.scope());
        let keys = self.keys.of(&opened.trust, &partition);
        let commit = self.about(&opened.document, keys, happened, traceparent).await?;
        match self.ledger.commit(&partition, commit, now).await {
            Ok(committed) => {
                if let Some(etag) = committed.etag {
                    opened.document.etag = etag;
                }
                let left_s = until.since_s(self.ports.clock.now());
                Ok((left_s >= LONGEST_CALL_S).then_some((opened, number)))
            }
            Err(NotCommitted::Conflict) => Ok(None),
            Err(error) => Err(error.into()),
        }
    }

    /// The secret result of an operation, encrypted to whoever asked for it.
    fn result(
        &self,
        request: &Request<Permitted>,
        secret: Option<Secret>,
    ) -> Result<Option<String>, NotHandled> {
        let Some(secret) = secret else { return Ok(None) };
        let recipient =
            request.reveal_to().ok_or_else(|| broken("request with a secret names no key"))?;
        Ok(Some(jwe::seal(&secret, recipient, &*self.ports.entropy)?))
    }
}

/// For how long one attempt has the request to itself, in seconds.
const fn lease_s(work: &Work) -> i64 {
    match work {
        Work::Directory(_) | Work::Remediation(_) => LEASE_S,
        // As long as the attempt has the secret to itself: nobody could go on before.
        Work::Rotation(_) => rotation::LEASE_S,
    }
}
