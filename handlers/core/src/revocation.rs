//! From when on a person's sessions count. Signed by `signin`, read by everyone who relies on
//! a session.

use serde::{Deserialize, Serialize};

use crate::{
    identity::{App, ObjectId, PersonId, TenantId},
    jws::{Artefact, NotVerified, Signed, Typ},
    keyset::{Issued, Trust},
    ports::{Documents, Partition, PortError},
    session::Session,
    time::Timestamp,
};

/// Sessions of this person that were signed before `nbf`, or the one session named, no longer
/// count.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Revocation {
    /// Always `signin`.
    pub iss: App,
    /// The person's tenant.
    pub tid: TenantId,
    /// The person.
    pub oid: ObjectId,
    /// Only this session, if named; else all of the person's.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub sid: Option<String>,
    /// Sessions count from here on.
    pub nbf: Timestamp,
    /// When it was signed.
    pub iat: Timestamp,
}

impl Artefact for Revocation {
    const TYP: Typ = Typ::Revocation;

    fn not_before(&self) -> Option<Timestamp> {
        None
    }

    fn expires(&self) -> Option<Timestamp> {
        None
    }
}

impl Issued for Revocation {
    fn issuer(&self) -> App {
        self.iss
    }
}

/// `kind` of a stored revocation.
pub const KIND: &str = "revocation";

/// A stored revocation.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct StoredRevocation {
    /// `<oid>` for a person, `<oid>.<sid>` for one session.
    pub id: String,
    /// Home tenant: the partition key.
    pub tenant: String,
    /// Always [`KIND`].
    pub kind: String,
    /// The object id, to find all of a person's.
    pub person: String,
    /// When it was stored.
    pub at: i64,
    /// What counts.
    pub revocation: Signed<Revocation>,
}

/// Whether a session may be relied upon could not be told, or it may not.
#[derive(Debug, thiserror::Error)]
pub enum Revoked {
    /// A revocation covers the session.
    #[error("session revoked")]
    Yes,
    /// A stored revocation is not what `signin` signed.
    #[error("revocation not verified")]
    NotVerified(#[source] NotVerified),
    /// The store did not answer.
    #[error("revocations not read")]
    Port(#[from] PortError),
}

/// Id of the revocation of all of a person's sessions.
#[must_use]
pub fn person_id(person: PersonId) -> String {
    person.oid.to_string()
}

/// Id of the revocation of one session.
#[must_use]
pub fn session_id(person: PersonId, sid: &str) -> String {
    format!("{}.{sid}", person.oid)
}

/// Checks that no revocation covers a session. Two reads, side by side.
///
/// # Errors
///
/// [`Revoked`]. What cannot be read or verified is never taken for "not revoked".
pub async fn check(
    documents: &dyn Documents,
    trust: &Trust,
    session: &Session,
    now: Timestamp,
) -> Result<(), Revoked> {
    let person = session.person();
    let partition = Partition::revocations(person.tid);
    let (of_person, of_session) = (person_id(person), session_id(person, &session.sid));
    // By id, not by a search: whatever else is stored there can hide neither of the two.
    let (all, one) = tokio::try_join!(
        documents.read(&partition, &of_person),
        documents.read(&partition, &of_session),
    )?;
    for (id, found) in [(of_person, all), (of_session, one)] {
        let Some(found) = found else { continue };
        if covers(found.json, &id, trust, session, now)? {
            return Err(Revoked::Yes);
        }
    }
    Ok(())
}

fn covers(
    json: serde_json::Value,
    id: &str,
    trust: &Trust,
    session: &Session,
    now: Timestamp,
) -> Result<bool, Revoked> {
    let other = |what| Revoked::NotVerified(NotVerified::Other(what));
    let stored: StoredRevocation = serde_json::from_value(json).map_err(|_| other("form"))?;
    let revocation = trust.open(&stored.revocation, now).map_err(Revoked::NotVerified)?;
    let person = PersonId { tid: revocation.tid, oid: revocation.oid };
    let signed_id = match &revocation.sid {
        None => person_id(person),
        Some(sid) => session_id(person, sid),
    };
    if person != session.person() || signed_id != id || revocation.iss != App::Signin {
        return Err(other("person"));
    }
    Ok(revocation.sid.is_some() || session.iat < revocation.nbf)
}
