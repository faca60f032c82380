//! A person who signed in: the session, its confirmation, and the two together.
//!
//! `signin` says who signed in and which client key is theirs; `intake` looked at the ID token
//! itself and says so. Neither alone can invent a person: [`Person`] is made only from both.

use serde::{Deserialize, Serialize};

use crate::{
    digest::Digest,
    identity::{App, ObjectId, PersonId, Role, TenantId},
    jwk::{PublicKey, Thumbprint},
    jws::{Artefact, NotVerified, Signed, Typ, Verified},
    keyset::{Issued, Trust},
    session_record::ABSOLUTE_S,
    time::Timestamp,
};

/// A person signed in, and holds this client key. Signed by `signin`.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Session {
    /// Always `signin`.
    pub iss: App,
    /// Id of the session, 128 random bits in base64url. New at sign-in and at step-up.
    pub sid: String,
    /// Tenant that the person signed in to.
    pub tid: TenantId,
    /// The person's object there.
    pub oid: ObjectId,
    /// App roles that Entra conferred. What they mean for a tenant, its binding decides.
    pub roles: Vec<Role>,
    /// Authentication contexts that were satisfied.
    pub acrs: Vec<String>,
    /// When the person last proved who they are.
    pub auth_time: Timestamp,
    /// When it was signed.
    pub iat: Timestamp,
    /// The absolute end of the session.
    pub exp: Timestamp,
    /// The person's client key (RFC 7800).
    pub cnf: Confirms,
    /// SHA-256 of the cookie that names the session to `signin` and `intake`.
    pub cookie: Digest,
}

/// The key that a session is bound to (RFC 7800, `cnf`).
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Confirms {
    /// The client key itself: a worker that never met the client must verify with it.
    pub jwk: PublicKey,
}

/// `intake` verified the ID token of this very sign-in. Signed by `intake`.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Confirmation {
    /// Always `intake`.
    pub iss: App,
    /// Digest of the session's signing input.
    pub session: Digest,
    /// Tenant in the ID token.
    pub tid: TenantId,
    /// Object id in the ID token.
    pub oid: ObjectId,
    /// Thumbprint of the client key that the ID token's nonce commits to.
    pub jkt: Thumbprint,
    /// When it was signed.
    pub iat: Timestamp,
    /// Not later than the session's.
    pub exp: Timestamp,
}

impl Artefact for Session {
    const TYP: Typ = Typ::Session;

    fn not_before(&self) -> Option<Timestamp> {
        Some(self.iat)
    }

    fn expires(&self) -> Option<Timestamp> {
        Some(self.exp)
    }
}

impl Issued for Session {
    fn issuer(&self) -> App {
        self.iss
    }
}

impl Artefact for Confirmation {
    const TYP: Typ = Typ::Confirmation;

    fn not_before(&self) -> Option<Timestamp> {
        Some(self.iat)
    }

    fn expires(&self) -> Option<Timestamp> {
        Some(self.exp)
    }
}

impl Issued for Confirmation {
    fn issuer(&self) -> App {
        self.iss
    }
}

/// The evidence for a person, as it travels with what they signed.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct PersonEvidence {
    /// By `signin`.
    pub session: Signed<Session>,
    /// By `intake`.
    pub confirmation: Signed<Confirmation>,
}

/// A person whom two of our apps saw sign in.
#[derive(Clone, Debug)]
pub struct Person {
    session: Verified<Session>,
}

/// Something that a person signs with their client key at a time that it names.
pub trait Act: Artefact {
    /// When they signed it: the session must have been valid then.
    fn acted_at(&self) -> Timestamp;

    /// SHA-256 of the id of the session under which they signed it.
    fn session(&self) -> Digest;
}

impl PersonEvidence {
    /// Opens what a person signed, and verifies that they were signed in when they did.
    ///
    /// The session may have ended since: an approval is not undone by a sign-out. Whether the
    /// session was revoked is another question, asked of the store.
    ///
    /// # Errors
    ///
    /// [`NotVerified`] if the signature is not by the client key that the session names, the
    /// session did not hold at that time, or another session is named.
    pub fn open<T: Act>(
        &self,
        act: &Signed<T>,
        trust: &Trust,
        now: Timestamp,
    ) -> Result<(Person, Verified<T>), NotVerified> {
        let key = trust.open_undated(&self.session)?.cnf.jwk;
        let act = act.verify(&key, now)?;
        let person = self.verify(trust, act.acted_at())?;
        if act.session() != person.session.sid_hash() {
            return Err(NotVerified::Other("session"));
        }
        Ok((person, act))
    }

    /// Verifies both halves and that they are about the same person, key and session.
    ///
    /// `at` is when the person acted: what they signed counts if the session was valid then,
    /// even if it has ended since.
    ///
    /// # Errors
    ///
    /// [`NotVerified`] of whichever half does not hold, or [`NotVerified::Other`] if the
    /// confirmation is about another session, person or key.
    pub fn verify(&self, trust: &Trust, at: Timestamp) -> Result<Person, NotVerified> {
        let session = trust.open(&self.session, at)?;
        let confirmation = trust.open(&self.confirmation, at)?;
        if session.iss != App::Signin || confirmation.iss != App::Intake {
            return Err(NotVerified::Other("issuer"));
        }
        if confirmation.session != session.digest() {
            return Err(NotVerified::Other("session"));
        }
        if (confirmation.tid, confirmation.oid) != (session.tid, session.oid) {
            return Err(NotVerified::Other("person"));
        }
        if session.exp.since_s(session.iat) > ABSOLUTE_S {
            return Err(NotVerified::Other("span of time"));
        }
        if confirmation.jkt != session.cnf.jwk.thumbprint() {
            return Err(NotVerified::Other("client key"));
        }
        Ok(Person { session })
    }
}

impl Person {
    /// Who it is.
    #[must_use]
    pub fn id(&self) -> PersonId {
        self.session.person()
    }

    /// The verified session.
    #[must_use]
    pub const fn session(&self) -> &Verified<Session> {
        &self.session
    }

    /// A person who is signed in now: the session alone, for what they only look at.
    #[must_use]
    pub const fn session_value(&self) -> &Session {
        self.session.value()
    }
}

impl Session {
    /// Who signed in.
    #[must_use]
    pub const fn person(&self) -> PersonId {
        PersonId { tid: self.tid, oid: self.oid }
    }

    /// How requests and decisions name the session: SHA-256 of its `sid`.
    #[must_use]
    pub fn sid_hash(&self) -> Digest {
        Digest::of(&[self.sid.as_bytes()])
    }
}
