//! Rotating a secret for a permitted request.
//!
//! The secret's own document knows which request asked, so an attempt that was killed anywhere is
//! gone on with by the next, or by the timer's round; no attempt adds a second credential.

use std::error::Error;

use super::{
    End, NotHandled, Opened, Step, Worker,
    judge::NOT_BOUND,
    retry::{SOON_S, back_off_s, pause_s},
};
use crate::{
    catalog::Renewal,
    claim::Ending,
    ports::PortError,
    request::{Permitted, Request},
    rotation::{Demand, Ended, NotRotated, Rotator},
    trust::NotTrusted,
};

/// What an attempt came to.
enum Ran {
    /// The request ends so.
    To(End),
    /// It has not ended.
    On(Step),
}

impl Worker {
    /// Has the secret rotated, as far as that goes now.
    pub(super) async fn rotate(
        &self,
        (request, renewal): (&Request<Permitted>, &Renewal),
        rotator: &Rotator,
        (opened, number): (&Opened, u32),
        traceparent: Option<String>,
    ) -> Result<Step, NotHandled> {
        let emergency = renewal.is_emergency();
        let (digest, claimed_at) = (request.digest(), request.claimed_at());
        let demand = Demand { request: digest, claimed_at, emergency };
        let rotated = rotator.rotate(request.scope(), renewal.secret().as_str(), demand).await;
        let ran = match rotated {
            Ok(Ended::Rotated | Ended::Done) if emergency => Ran::To(End::of(
                Ending::Succeeded,
                "the new one is in use, and the old one is gone",
            )),
            Ok(Ended::Rotated | Ended::Done) => {
                Ran::To(End::of(Ending::Succeeded, "the new one is in use"))
            }
            Ok(Ended::Waiting | Ended::Busy) => Ran::On(Step::Later(back_off_s(number))),
            // Taken back as well, by its id: nothing is left to be unsure of.
            Ok(Ended::Refused) => Ran::To(End::of(Ending::Failed, REFUSED)),
            Err(error) => self.not_rotated(error, number).await?,
        };
        match ran {
            Ran::On(step) => Ok(step),
            Ran::To(end) => {
                self.finish(opened, end, traceparent).await?;
                Ok(Step::Over)
            }
        }
    }

    /// What becomes of a request whose secret was not rotated, or not to the end.
    async fn not_rotated(&self, error: NotRotated, number: u32) -> Result<Ran, NotHandled> {
        {
            let error = &error as &(dyn Error + 'static);
            tracing::warn!(error, attempt = number, "secret not rotated");
        }
        let before = number > 1;
        Ok(match error {
            NotRotated::Taken | NotRotated::NotTrusted(NotTrusted::Older) => {
                Ran::On(Step::Later(SOON_S))
            }
            NotRotated::NotCommitted(error) => return Err(error.into()),
            NotRotated::NotProven(error) | NotRotated::NotTrusted(NotTrusted::NotProven(error)) => {
                Ran::On(self.unproven(&error, None, number).await?)
            }
            NotRotated::Port(error) | NotRotated::NotTrusted(NotTrusted::Port(error)) => {
                of_port(&error, number)
            }
            NotRotated::Unknown => Ran::To(End::of(Ending::Refused, NOT_BOUND).after(before)),
            NotRotated::Own => Ran::To(End::of(Ending::Refused, OWN).after(before)),
            NotRotated::NotItsKey => Ran::To(End::of(Ending::Refused, NOT_ITS_KEY).after(before)),
            NotRotated::OtherThing => Ran::To(End::of(Ending::Refused, OTHER).after(before)),
            NotRotated::NotTrusted(
                NotTrusted::NoBinding
                | NotTrusted::NoKeyset
                | NotTrusted::Form(_)
                | NotTrusted::NotVerified(_),
            ) => Ran::To(End::violation("the secret bindings are not genuine").after(before)),
            NotRotated::NotGenuine(_) => {
                Ran::To(End::violation("what is stored of the secret is not genuine").after(before))
            }
            NotRotated::Other(_) => Ran::To(End::of(Ending::Unknown, OTHER)),
        })
    }
}

/// Some steps may be done: the secret's document tells which, and the timer's round goes on.
fn of_port(error: &PortError, number: u32) -> Ran {
    if error.is_transient() {
        Ran::On(Step::Later(pause_s(error, number)))
    } else {
        Ran::To(End::of(Ending::Unknown, "a step was refused, or answered in a way not understood"))
    }
}

/// What a requester is told whose new credential was no good.
const REFUSED: &str = "the new one did not prove good and was removed; the one before stays in use";

/// What a requester is told who asks for what nobody may change this way.
const OWN: &str = "an application of Airlock's own is not changed this way";

/// What a requester is told whose tenant bound a key that is for something else.
const NOT_ITS_KEY: &str = "the key that is bound does not wrap the tenant's data keys";

/// What a requester is told when somebody bound the name to another kind of secret meanwhile.
const OTHER: &str = "how far it had come does not fit how it is bound now";
