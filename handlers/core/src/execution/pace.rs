//! A pace that all instances keep together, for what the directory takes only so often.
//!
//! Microsoft Graph bears one dismissal of a risk a second in a tenant, and when that is too much
//! it does not say when to come again. So time is cut into turns, and whoever creates the blob
//! of a turn has it: creating is atomic, whatever the number of processes.
//!
//! What that guarantees: for one tenant and operation, no two calls in the same turn, as the
//! clocks of our processes count turns. What it does not: a call can come late in its turn and
//! the next one early, so two may be closer than a turn, and so may those of processes whose
//! clocks differ; over longer times there are never more calls than turns. The pace is also of
//! all applications in the tenant, and others know nothing of ours. Then the directory answers
//! 429, and the request waits by its own schedule, as with all transient trouble.
//!
//! Turns that passed are not taken away: nothing of ours is ever deleted there. Each is as long
//! as the digest in it, beside two larger blobs that every request leaves.

use super::{NotHandled, Worker};
use crate::{
    claim::CONTAINER,
    ports::Created,
    request::{Permitted, Request},
};

/// The longest that a request waits before it tries for a turn again, in turns.
const MOST_TURNS: u32 = 30;

impl Worker {
    /// Takes the turn that it is now, if the operation has a pace; or says how many seconds to
    /// wait before trying again, because somebody else has it.
    ///
    /// Asked for after the claim, so that a permit does not run out in the queue, and before
    /// the attempt is committed, so that waiting fills no ledger.
    pub(super) async fn waits_for_its_turn(
        &self,
        request: &Request<Permitted>,
        attempt: u32,
    ) -> Result<Option<i64>, NotHandled> {
        let entry = request.change().entry();
        let Some(pace_s) = entry.pace_s else { return Ok(None) };
        let turn = self.ports.clock.now().as_unix_s() / i64::from(pace_s);
        let name = format!("pace/{}/{}/{turn}", request.tenant(), entry.name);
        let ours = request.digest().to_string();
        match self.ports.blobs.create(CONTAINER, &name, ours.as_bytes()).await? {
            Created::New => Ok(None),
            // Perhaps by ourselves, the answer lost: one turn is the price.
            Created::Existed => self.pause(pace_s, attempt).map(Some),
        }
    }

    /// Longer with each attempt and never the same for two, or all would come again at once.
    fn pause(&self, pace_s: u32, attempt: u32) -> Result<i64, NotHandled> {
        let mut byte = [0_u8];
        self.ports.entropy.fill(&mut byte)?;
        let among = attempt.saturating_add(1).saturating_mul(2).min(MOST_TURNS);
        Ok(i64::from((1 + u32::from(byte[0]) % among) * pace_s))
    }
}
