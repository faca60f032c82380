//! Who asks, and what they say: evidence, opened. A part of the trusted base.

use std::fmt;

use uuid::Uuid;

use super::{NotAuthenticated, founded::Founded};
use crate::{
    ask::{self, RequestEvidence},
    catalog::Asked,
    identity::{App, TenantId},
    jwk::PublicKey,
    jws::NotVerified,
    keyset::Trust,
    producer,
    session::Person,
    tenancy::TenantScope,
    time::Timestamp,
};

/// Whoever asks.
#[derive(Clone, Debug)]
pub enum Principal {
    /// A person whose own signature travels along.
    Proven(Box<Person>),
    /// A service whose token only `intake` saw, by its name in the tenant's binding.
    Attested(String),
    /// An event producer whose own signature travels along, by its name in the tenant's binding.
    Produced(String),
}

/// The form in statements and policies. None of the three can look like another.
impl fmt::Display for Principal {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Proven(person) => fmt::Display::fmt(&person.id(), formatter),
            Self::Attested(name) => write!(formatter, "service:{name}"),
            Self::Produced(name) => write!(formatter, "producer:{name}"),
        }
    }
}

/// Who asked, and what they said about it besides the change.
pub(super) struct AskedBy {
    pub(super) principal: Principal,
    pub(super) id: Uuid,
    /// The worker that the caller names; producers name none.
    pub(super) worker: Option<App>,
    pub(super) at: Timestamp,
    pub(super) expires: Timestamp,
    pub(super) purpose: String,
    pub(super) ticket: Option<String>,
    pub(super) break_glass: bool,
    pub(super) reveal_to: Option<PublicKey>,
    /// What `drift` found, which is why it asks.
    pub(super) founded: Option<Founded>,
}

/// Evidence whose signatures hold.
pub(super) struct Opened {
    pub(super) by: AskedBy,
    pub(super) tenant: TenantId,
    pub(super) op: Asked,
}

impl Opened {
    /// Verifies evidence. A producer stands in its tenant's binding, so an event is opened only by
    /// whoever has entered that tenant.
    pub(super) fn verify(
        evidence: &RequestEvidence,
        trust: &Trust,
        scope: Option<&TenantScope>,
        now: Timestamp,
    ) -> Result<Self, NotAuthenticated> {
        let opened = match evidence {
            RequestEvidence::Proven { request, person } => {
                let (person, ask) = person.open(request, trust, now)?;
                if ask.by != person.id() {
                    return Err(NotVerified::Other("person").into());
                }
                let ask = ask.value().clone();
                let by = AskedBy {
                    principal: Principal::Proven(Box::new(person)),
                    id: ask.jti,
                    worker: Some(ask.aud),
                    at: ask.iat,
                    expires: ask.exp,
                    purpose: ask.purpose,
                    ticket: ask.ticket,
                    break_glass: ask.break_glass,
                    reveal_to: ask.reveal_to,
                    founded: None,
                };
                Self { by, tenant: ask.tnt, op: ask.op }
            }
            RequestEvidence::Attested { attestation } => {
                let said = trust.open(attestation, now)?.value().clone();
                let by = AskedBy {
                    principal: Principal::Attested(said.sub),
                    id: said.jti,
                    worker: Some(said.aud),
                    at: said.iat,
                    expires: said.exp,
                    purpose: said.purpose,
                    ticket: said.ticket,
                    break_glass: false,
                    reveal_to: None,
                    founded: None,
                };
                Self { by, tenant: said.tnt, op: said.op }
            }
            RequestEvidence::Produced { event } => {
                let scope = scope.ok_or(NotVerified::UnknownKey(event.key()))?;
                let (producer, event) = producer::open(event, scope.terms(), trust, now)?;
                if event.tenant() != scope.tenant() {
                    return Err(NotVerified::Other("tenant").into());
                }
                let founded = Founded::by(producer, &event, trust, now)?;
                let by = AskedBy {
                    principal: Principal::Produced(producer.name.clone()),
                    id: event.request_id(),
                    worker: None,
                    at: event.time(),
                    expires: event.until(),
                    purpose: event.data().purpose.clone(),
                    ticket: event.data().ticket.clone(),
                    break_glass: false,
                    reveal_to: None,
                    founded,
                };
                Self { by, tenant: event.tenant(), op: event.data().op.clone() }
            }
        };
        opened.by.within_bounds()?;
        Ok(opened)
    }
}

impl AskedBy {
    fn within_bounds(&self) -> Result<(), NotAuthenticated> {
        if self.expires.since_s(self.at) > ask::MAX_LIFETIME_S {
            return Err(NotAuthenticated::Lifetime);
        }
        if !(1..=ask::MAX_PURPOSE_BYTES).contains(&self.purpose.len()) {
            return Err(NotAuthenticated::Purpose);
        }
        // A ticket that is named is one: not empty, not endless.
        match self.ticket.as_ref().map(|ticket| ticket.trim().len()) {
            None | Some(1..=ask::MAX_TICKET_BYTES) => Ok(()),
            Some(_) => Err(NotAuthenticated::Ticket),
        }
    }
}

/// Purpose and ticket are about people.
impl fmt::Debug for AskedBy {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter
            .debug_struct("AskedBy")
            .field("principal", &self.principal)
            .field("id", &self.id)
            .finish_non_exhaustive()
    }
}
