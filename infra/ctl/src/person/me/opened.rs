//! A request that somebody is about to decide: what it says itself, and what they make of it.

mod text;

use airlock_core::{
    ask::RequestEvidence,
    catalog::Target,
    decision::{self, Decision, MAX_REASON_BYTES, Verdict},
    disclosure::{Disclosed, NotDisclosed},
    jwk::NotAKey,
    jws::{NotSigned, Signed},
    step_up::Context,
    time::Timestamp,
};
use serde::{Deserialize, Serialize};
use serde_json::json;
use uuid::Uuid;

use super::Me;
use crate::person::{
    api::NotDone,
    view::{RequestId, RequestView, Review},
};

/// A request that was opened: what its requester signed, and beside it what the API says of it.
#[derive(Debug)]
pub struct Opened {
    says: Disclosed,
    view: RequestView,
    decisions: Vec<DecisionView>,
    step_up: Option<Context>,
}

/// What somebody decided about a request, by the API's word.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct DecisionView {
    /// Who.
    pub by: String,
    /// What.
    pub verdict: Verdict,
    /// When.
    pub at: Timestamp,
    /// Why.
    pub reason: String,
}

/// A request that somebody recognised: they named what it does, and to whom. Nothing else is
/// approved, denied or reviewed, so that nobody signs what they have not read.
///
/// What they were told elsewhere, by a list of the API's or by whoever asked them, does not help
/// with a request that says something else.
#[derive(Debug)]
pub struct Recognised(Opened);

/// A request was not opened.
#[derive(Debug, thiserror::Error)]
pub enum NotOpened {
    /// The API did not show it.
    #[error(transparent)]
    Api(#[from] NotDone),
    /// What it shows is something else.
    #[error("{0}: do not decide it, and tell whoever runs this API")]
    Disclosed(#[from] NotDisclosed),
}

/// Somebody named something else than what the request says.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum NotRecognised {
    /// Another operation.
    #[error("nothing was signed: the signed request asks for {0}")]
    Operation(&'static str),
    /// Another user or secret.
    #[error("nothing was signed: the signed request is about {}", about(.0))]
    Target(Target),
}

/// A request waits for no such decision.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum NotWaiting {
    /// Nothing more will happen to it.
    #[error("the request is {0}: there is nothing to decide")]
    Closed(String),
    /// It is no emergency, has not ended, or was reviewed before.
    #[error("no review of it is due")]
    NoReview,
}

/// A decision was not made.
#[derive(Debug, thiserror::Error)]
pub enum NotDecided {
    /// Nobody waits for it.
    #[error(transparent)]
    NotWaiting(#[from] NotWaiting),
    /// Too little or too much was said about why.
    #[error("a reason has 1 to {MAX_REASON_BYTES} bytes")]
    Reason,
    /// The key could not sign.
    #[error("decision not signed")]
    NotSigned(#[from] NotSigned),
    /// The key has no public half.
    #[error("client key not usable")]
    Key(#[from] NotAKey),
    /// The API did not take it.
    #[error(transparent)]
    Api(#[from] NotDone),
}

#[derive(Deserialize)]
struct Shown {
    #[serde(flatten)]
    view: RequestView,
    evidence: RequestEvidence,
    #[serde(default)]
    decisions: Vec<DecisionView>,
    #[serde(default)]
    step_up: Option<Context>,
}

/// What a request is about, in words.
fn about(target: &Target) -> String {
    match target {
        Target::User(user) => format!("user {user}"),
        Target::Secret(name) => format!("secret {name}"),
        Target::Application(object) => format!("application {object}"),
    }
}

impl Opened {
    /// Its name.
    #[must_use]
    pub const fn id(&self) -> RequestId {
        RequestId { tenant: self.says.tenant(), digest: self.says.digest() }
    }

    /// The operation.
    #[must_use]
    pub const fn operation(&self) -> &'static str {
        self.says.entry().name
    }

    /// Who asked.
    #[must_use]
    pub fn requester(&self) -> &str {
        self.says.requester()
    }

    /// Whether somebody has approved it, and not taken that back.
    #[must_use]
    pub fn is_approved_by(&self, principal: &str) -> bool {
        let approves = |decision: &DecisionView| {
            decision.verdict == Verdict::Approve && decision.by == principal
        };
        self.decisions.iter().any(approves)
    }

    /// The authentication context that the tenant wants of whoever makes this decision.
    #[must_use]
    pub fn step_up_for(&self, verdict: Verdict) -> Option<&Context> {
        match verdict {
            Verdict::Approve | Verdict::Deny => self.step_up.as_ref(),
            Verdict::Withdraw | Verdict::Review => None,
        }
    }

    /// Goes on if this is the request that somebody has in mind. A user or an application is named
    /// by its whole id, or by its part before the first hyphen; a secret by its name.
    ///
    /// # Errors
    ///
    /// [`NotRecognised`].
    pub fn recognise(self, operation: &str, target: &str) -> Result<Recognised, NotRecognised> {
        if self.says.entry().name != operation {
            return Err(NotRecognised::Operation(self.says.entry().name));
        }
        let about = self.says.target();
        let is_meant = match about {
            Target::User(object) | Target::Application(object) => {
                let id = object.to_string();
                let begins = id.split('-').next().unwrap_or_default();
                [id.as_str(), begins].iter().any(|id| id.eq_ignore_ascii_case(target))
            }
            Target::Secret(name) => name.as_str() == target,
        };
        if !is_meant {
            return Err(NotRecognised::Target(about.clone()));
        }
        Ok(Recognised(self))
    }

    /// Whether there is anything to decide.
    ///
    /// # Errors
    ///
    /// [`NotWaiting`].
    pub fn waits_for(&self, verdict: Verdict, now: Timestamp) -> Result<(), NotWaiting> {
        self.until(verdict, now).map(drop)
    }

    /// Until when a decision that is made now counts.
    fn until(&self, verdict: Verdict, now: Timestamp) -> Result<Timestamp, NotWaiting> {
        let longest = now.plus_s(decision::MAX_LIFETIME_S);
        let expires = self.says.expires();
        if verdict == Verdict::Review {
            let is_due = self.says.breaks_glass() && self.view.review == Some(Review::Due);
            // The request's own time may be long over.
            return if is_due { Ok(longest) } else { Err(NotWaiting::NoReview) };
        }
        if self.view.state.is_final() {
            return Err(NotWaiting::Closed(self.view.progress()));
        }
        if expires <= now {
            return Err(NotWaiting::Closed(format!("over since {expires}")));
        }
        Ok(expires.min(longest))
    }
}

impl Me {
    /// Opens a request: what it says itself, whatever the API says of it.
    ///
    /// # Errors
    ///
    /// [`NotOpened`] if the API shows something else than what the id names.
    pub async fn open(&self, id: RequestId) -> Result<Opened, NotOpened> {
        let shown: Shown = self.api.get(&format!("/api/requests/{id}")).await?;
        let Shown { view, evidence, decisions, step_up } = shown;
        let says = evidence.disclose(id.tenant, id.digest)?;
        Ok(Opened { says, view, decisions, step_up })
    }

    /// Decides a request that was recognised: the signature is over the digest of what was shown.
    ///
    /// # Errors
    ///
    /// [`NotDecided`].
    pub async fn decide(
        &self,
        request: &Recognised,
        verdict: Verdict,
        reason: &str,
    ) -> Result<RequestView, NotDecided> {
        self.sign_and_send(&request.0, verdict, reason).await
    }

    /// Takes back one's own request, or one's own approval of another's. It needs no more reading
    /// than that: nothing is done by it.
    ///
    /// # Errors
    ///
    /// [`NotDecided`].
    pub async fn withdraw(
        &self,
        request: &Opened,
        reason: &str,
    ) -> Result<RequestView, NotDecided> {
        self.sign_and_send(request, Verdict::Withdraw, reason).await
    }

    async fn sign_and_send(
        &self,
        request: &Opened,
        verdict: Verdict,
        reason: &str,
    ) -> Result<RequestView, NotDecided> {
        let now = self.clock.now();
        let exp = request.until(verdict, now)?;
        if reason.trim().is_empty() || reason.len() > MAX_REASON_BYTES {
            return Err(NotDecided::Reason);
        }
        let id = request.id();
        let decision = Decision {
            jti: Uuid::new_v4(),
            iat: now,
            exp,
            tnt: id.tenant,
            req: id.digest,
            sid: self.sid,
            verdict,
            reason: reason.to_owned(),
        };
        let signed = Signed::sign(&decision, &self.key.signer()?).await?;
        let path = format!("/api/requests/{id}/decision");
        Ok(self.api.post(&path, &json!({ "decision": signed })).await?)
    }
}

#[cfg(test)]
mod tests;
