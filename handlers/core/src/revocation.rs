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

/// The most revocations of one person that are read.
const MOST: u32 = 100;

/// Checks that no revocation covers a session.
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
    let query = crate::ports::Query {
        kind: KIND,
        equals: Some(("person", person.oid.to_string())),
        limit: MOST,
    };
    for found in documents.query(&partition, &query).await? {
        let stored: StoredRevocation = serde_json::from_value(found.json)
            .map_err(|_| Revoked::NotVerified(NotVerified::Other("form")))?;
        let revocation = trust.open(&stored.revocation, now).map_err(Revoked::NotVerified)?;
        let whose = PersonId { tid: revocation.tid, oid: revocation.oid };
        if whose != person || revocation.iss != App::Signin {
            return Err(Revoked::NotVerified(NotVerified::Other("person")));
        }
        let covers = match &revocation.sid {
            Some(sid) => *sid == session.sid,
            None => session.iat < revocation.nbf,
        };
        if covers {
            return Err(Revoked::Yes);
        }
    }
    Ok(())
}
