//! That an order is about what it erased: whom a claim says a request names, and what `intake`
//! leaves beside what it erases.

use std::{collections::BTreeSet, fmt};

use serde::{Deserialize, Serialize};

use super::{Commitment, Difference, Erasure};
use crate::{
    ask::RequestEvidence,
    decision::DecisionEvidence,
    digest::Digest,
    identity::PersonId,
    jws::NotVerified,
    record::Record,
    request::{Blinding, NotAuthenticated},
    time::Timestamp,
};

/// Whom a request names, so that it says so to nobody: a member of the worker's claim.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Concerned {
    /// When it was asked.
    pub asked_at: Timestamp,
    /// Whether it is an emergency, which somebody reviews afterwards.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub emergency: bool,
    /// Who asked, who is changed and who decided, each once; in an order that does not tell who
    /// is who.
    pub people: Vec<Commitment>,
}

/// Why an order is said to be about a request.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Proof {
    /// One of the people in its claim is the person of the order.
    Party(Difference),
    /// The person reviewed it: `intake`'s word, and only of emergencies.
    Reviewer,
}

/// Whom a request names, and when it was asked.
pub(super) struct Names {
    pub asked_at: Timestamp,
    pub people: BTreeSet<PersonId>,
    emergency: bool,
}

impl Names {
    /// Reads what evidence says. Nothing is verified by that.
    pub(super) fn of(
        evidence: &RequestEvidence,
        decisions: &[DecisionEvidence],
    ) -> Result<Self, NotVerified> {
        let (tid, target, by, asked_at, emergency) = match evidence {
            RequestEvidence::Proven { request, .. } => {
                let ask = request.peek()?;
                (ask.tnt, ask.op.target, Some(ask.by), ask.iat, ask.break_glass)
            }
            RequestEvidence::Attested { attestation } => {
                let said = attestation.peek()?;
                (said.tnt, said.op.target, None, said.iat, false)
            }
            RequestEvidence::Produced { event } => {
                let event = event.peek()?;
                (event.tenant(), event.data().op.target.clone(), None, event.time(), false)
            }
        };
        let mut people: BTreeSet<PersonId> = by.into_iter().collect();
        people.extend(target.user().map(|oid| PersonId { tid, oid }));
        for decision in decisions {
            people.insert(decision.person.session.peek()?.person());
        }
        Ok(Self { asked_at, people, emergency })
    }
}

impl Concerned {
    /// What the worker says of a request, out of the evidence for it.
    ///
    /// # Errors
    ///
    /// [`NotAuthenticated`] if the evidence is of no request, or of nobody who decides.
    pub fn of(record: &Record) -> Result<Self, NotAuthenticated> {
        let Names { asked_at, people, emergency } = Names::of(&record.evidence, &record.decisions)?;
        let blinding = Blinding::of(&record.evidence)?;
        let commit = |person| Commitment::to(person, blinding.of_person(person));
        let mut people: Vec<Commitment> = people.into_iter().map(commit).collect();
        people.sort_unstable_by_key(|commitment| commitment.to_bytes());
        Ok(Self { asked_at, emergency, people })
    }
}

/// Whether an order may have erased a request of which a claim says this.
#[must_use]
pub fn is_proven(order: &Erasure, proof: Proof, concerned: &Concerned) -> bool {
    let is_about = match proof {
        Proof::Party(difference) => {
            concerned.people.iter().any(|one| one.is_to_the_same(&order.subject, difference))
        }
        Proof::Reviewer => concerned.emergency,
    };
    concerned.asked_at <= order.iat && is_about
}

/// Id of the document that holds the proof of a request's erasure. It needs no signature: it
/// proves itself, and one that proves nothing is as good as none.
#[must_use]
pub fn proof_id(request: Digest, order: &Erasure) -> String {
    format!("erasure-proof-{request}-{}", order.jti)
}

impl Proof {
    /// Reads the written form.
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        match text.split_once('.') {
            Some(("party", difference)) => Difference::parse(difference).map(Self::Party),
            None if text == "reviewer" => Some(Self::Reviewer),
            _ => None,
        }
    }
}

impl fmt::Display for Proof {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Party(difference) => write!(formatter, "party.{difference}"),
            Self::Reviewer => formatter.write_str("reviewer"),
        }
    }
}
