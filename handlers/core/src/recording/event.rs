//! What `signin` says of sessions and of the key that it keeps them under, on its way to the ledger.
//!
//! `signin` writes to no tree. It signs what happened as a [`Statement`] and stores it in one
//! batch with the document that changed; then it sends it, and `drift` writes it down.
//!
//! Such a statement names nobody: the session by the hash by which requests name it too, the
//! person by a commitment. Its salt is made of the session's own random id, which stands in the
//! session and so in the evidence of whatever was asked with it. Whoever may read that evidence
//! finds the leaf, and can tell that it is about this session and this person; where the evidence
//! was erased, nobody can.

use serde::{Deserialize, Serialize};
use uuid::Uuid;

use crate::{
    digest::Digest,
    identity::{App, PersonId, TenantId},
    jws::{Signed, Verified},
    ledger::{
        Happened, Statement,
        statement::{Data, commitment},
    },
    ports::{Message, PLATFORM, PortError},
    session::Session,
    time::Timestamp,
};

/// The queue of what is to be written down.
pub const QUEUE: &str = "audit-events";

/// A message of that queue.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Report {
    /// How often `drift` has put it off. Not signed: it says how long to wait, and nothing else.
    #[serde(default)]
    pub attempt: u32,
    /// What counts.
    pub event: Signed<Statement>,
}

impl Report {
    /// A report that nobody has put off yet.
    #[must_use]
    pub const fn new(event: Signed<Statement>) -> Self {
        Self { attempt: 0, event }
    }

    /// The message to send. It is named after what was signed, so that a second one is swallowed;
    /// one that was put off has a name of its own, or it would be.
    ///
    /// # Errors
    ///
    /// Never: every member is text or a number.
    pub fn message(
        &self,
        not_before: Option<Timestamp>,
        traceparent: Option<String>,
    ) -> Result<Message, PortError> {
        let name = self.event.digest();
        let id = match self.attempt {
            0 => name.to_string(),
            attempt => format!("{name}-{attempt}"),
        };
        let body = serde_json::to_vec(self).map_err(|error| PortError::Broken(error.into()))?;
        Ok(Message { id, body, not_before, traceparent })
    }
}

/// A session was started.
#[must_use]
pub fn started(session: &Session, signed: &Signed<Session>, id: Uuid, now: Timestamp) -> Statement {
    of_session(Happened::SessionStarted, session, signed.digest(), Data::default(), id, now)
}

/// A session was ended, for this reason. `after` is what was said when it started.
#[must_use]
pub fn ended(
    session: &Verified<Session>,
    reason: &'static str,
    after: Option<Digest>,
    id: Uuid,
    now: Timestamp,
) -> Statement {
    let data = Data { reason: Some(reason.to_owned()), after, ..Data::default() };
    let (happened, digest) = (Happened::SessionEnded, session.digest());
    of_session(happened, session.value(), digest, data, id, now)
}

/// All sessions of a person were revoked, by whoever acts in this session: the person themself if
/// both commitments are the same.
#[must_use]
pub fn revoked(by: &Session, person: PersonId, id: Uuid, now: Timestamp) -> Statement {
    let subject = format!("person-{}", to_person(by, person));
    let principal = Some(to_person(by, by.person()));
    let happened = Happened::SessionsRevoked;
    let (tenant, data) = (person.tid, Data::default());
    Statement { principal, ..statement(happened, tenant, subject, data, id, now) }
}

/// A sign-in was refused, for this reason. `attempt` names it, and nobody.
#[must_use]
pub fn refused(
    tenant: TenantId,
    attempt: Digest,
    reason: &'static str,
    id: Uuid,
    now: Timestamp,
) -> Statement {
    let data = Data { reason: Some(reason.to_owned()), ..Data::default() };
    let subject = format!("sign-in-{attempt}");
    statement(Happened::SignInRefused, tenant, subject, data, id, now)
}

/// A version of the key was used under which `signin` keeps what it holds of sessions; `version`
/// is the digest of how the vault names it. It is the platform's to tell.
#[must_use]
pub fn session_key_used(version: Digest, id: Uuid, now: Timestamp) -> Statement {
    let (happened, data) = (Happened::SessionKeyUsed, Data::default());
    said(happened, PLATFORM.to_owned(), session_key(version), data, id, now)
}

/// What such a statement is about.
#[must_use]
pub fn session_key(version: Digest) -> String {
    format!("session-key-{version}")
}

/// What such a statement says of a person, if this session is what it is about or was done with.
#[must_use]
pub fn to_person(session: &Session, person: PersonId) -> Digest {
    commitment(&salt(session), person.to_string().as_bytes())
}

/// What such a statement says of the signed session: its roles, its step-up, its client key.
#[must_use]
pub fn to_session(session: &Session, signed: Digest) -> Digest {
    commitment(&salt(session), signed.as_bytes())
}

fn of_session(
    happened: Happened,
    session: &Session,
    signed: Digest,
    data: Data,
    id: Uuid,
    now: Timestamp,
) -> Statement {
    let subject = format!("session-{}", session.sid_hash());
    let data = Data { document: Some(to_session(session, signed)), ..data };
    let principal = Some(to_person(session, session.person()));
    Statement { principal, ..statement(happened, session.tid, subject, data, id, now) }
}

fn statement(
    happened: Happened,
    tenant: TenantId,
    subject: String,
    data: Data,
    id: Uuid,
    now: Timestamp,
) -> Statement {
    said(happened, tenant.to_string(), subject, data, id, now)
}

fn said(
    happened: Happened,
    tenantid: String,
    subject: String,
    data: Data,
    id: Uuid,
    now: Timestamp,
) -> Statement {
    Statement {
        specversion: "1.0".to_owned(),
        id,
        source: format!("/airlock/{}", App::Signin),
        r#type: happened,
        subject,
        time: now.to_string(),
        traceparent: None,
        tenantid,
        principal: None,
        iss: App::Signin,
        iat: now,
        data,
    }
}

/// The session's id has 128 random bits, so this says nothing without it.
fn salt(session: &Session) -> [u8; 16] {
    let digest = Digest::of(&[b"airlock salt of a session\0", session.sid.as_bytes()]);
    let mut salt = [0; 16];
    salt.copy_from_slice(&digest.as_bytes()[..16]);
    salt
}
