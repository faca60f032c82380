//! From when on a person's sessions count. Signed by `signin`, read by everyone who relies on
//! a session.
//!
//! The ledger tells of each, by a name that says nothing of the person: so `drift` sees if whoever
//! owns the database deletes one, or puts an earlier one back.

use serde::{Deserialize, Serialize};

use uuid::Uuid;

use crate::{
    ask,
    identity::{App, ObjectId, PersonId, TenantId},
    jws::{Artefact, NotVerified, Signed, Typ},
    keyset::{Issued, Trust},
    ports::{Documents, Found, Partition, PortError},
    session::Session,
    session_record::{ABSOLUTE_S, without_ttl},
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
    /// Random. It stays when a revocation is replaced by one that goes further.
    pub name: Uuid,
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

/// For how long somebody may rely on a session that it ends, in seconds: for as long as the session
/// lasts, and then for as long as something waits that was asked in it.
pub const COUNTS_S: i64 = ABSOLUTE_S + ask::MAX_LIFETIME_S;

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

/// What the ledger is told of a revocation.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Told {
    /// Its name.
    pub name: Uuid,
    /// Sessions count from here on, or later.
    pub nbf: Timestamp,
}

impl StoredRevocation {
    /// Stored, in the partition where it is looked for.
    #[must_use]
    pub fn new(revocation: &Revocation, signed: Signed<Revocation>) -> Self {
        Self {
            id: revocation.document_id(),
            tenant: revocation.tid.to_string(),
            kind: KIND.to_owned(),
            person: revocation.oid.to_string(),
            at: revocation.iat.as_unix_s(),
            revocation: signed,
        }
    }

    /// Reads what is stored.
    ///
    /// # Errors
    ///
    /// If it is not of that form.
    pub fn read(found: Found) -> Result<Self, NotVerified> {
        serde_json::from_value(without_ttl(found).json).map_err(|_| NotVerified::Other("form"))
    }

    /// The revocation, if `signin` signed it and it is stored as what it is.
    ///
    /// # Errors
    ///
    /// [`NotVerified`].
    pub fn open(&self, trust: &Trust, now: Timestamp) -> Result<Revocation, NotVerified> {
        self.in_its_place(trust.open(&self.revocation, now)?.value())
    }

    /// The same, even if the key that signed it was revoked since.
    ///
    /// # Errors
    ///
    /// [`NotVerified`].
    pub fn open_once_valid(
        &self,
        trust: &Trust,
        now: Timestamp,
    ) -> Result<Revocation, NotVerified> {
        self.in_its_place(trust.open_once_valid(&self.revocation, now)?.value())
    }

    fn in_its_place(&self, says: &Revocation) -> Result<Revocation, NotVerified> {
        let is_it = says.iss == App::Signin
            && self.kind == KIND
            && self.id == says.document_id()
            && self.tenant == says.tid.to_string()
            && self.person == says.oid.to_string()
            && self.at == says.iat.as_unix_s();
        if is_it { Ok(says.clone()) } else { Err(NotVerified::Other("place")) }
    }
}

impl Revocation {
    /// Whose sessions it is about.
    #[must_use]
    pub const fn person(&self) -> PersonId {
        PersonId { tid: self.tid, oid: self.oid }
    }

    /// What the ledger is told of it.
    #[must_use]
    pub const fn told(&self) -> Told {
        Told { name: self.name, nbf: self.nbf }
    }

    fn document_id(&self) -> String {
        match &self.sid {
            None => person_id(self.person()),
            Some(sid) => session_id(self.person(), sid),
        }
    }
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
        if covers(found, &id, trust, session, now)? {
            return Err(Revoked::Yes);
        }
    }
    Ok(())
}

fn covers(
    found: Found,
    id: &str,
    trust: &Trust,
    session: &Session,
    now: Timestamp,
) -> Result<bool, Revoked> {
    let stored = StoredRevocation::read(found).map_err(Revoked::NotVerified)?;
    let revocation = stored.open(trust, now).map_err(Revoked::NotVerified)?;
    if revocation.person() != session.person() || stored.id != id {
        return Err(Revoked::NotVerified(NotVerified::Other("person")));
    }
    Ok(revocation.sid.is_some() || session.iat < revocation.nbf)
}
