//! A session as it is remembered, found by the hash of its cookie.
//!
//! Written by `signin` alone, read by `intake`. Like every document of ours its last statement
//! commits to it, so whoever owns the database can write no session and move no idle limit. They can
//! put back an earlier version of the document; that undoes no sign-out, because of which there is a
//! [revocation](crate::revocation) as well, and who deletes that is found out by `drift`. A session
//! that ended because its person signed in anew has none: there an earlier version brings it back,
//! for as long as it lasts by its own `exp` ([`ABSOLUTE_S`]), and in vain without its cookie and its
//! client key.

use serde::{Deserialize, Serialize};

use crate::{
    base64url,
    digest::Digest,
    envelope::Envelope,
    identity::App,
    keyset::Trust,
    ledger::{Document, NotGenuine},
    ports::{Documents, Found, Partition, PortError},
    session::PersonEvidence,
    time::Timestamp,
};

/// `kind` of a stored session.
pub const KIND: &str = "session";

/// Name of the session cookie. `__Host-`: this host alone, over a secure channel, no `Domain`.
pub const COOKIE: &str = "__Host-airlock";

/// Scheme of the `Authorization` header with which a client that is no browser sends what a
/// browser sends as cookie. Nothing sends it by itself, so it needs no CSRF token.
pub const SCHEME: &str = "Session";

/// Header that carries the CSRF token.
pub const CSRF_HEADER: &str = "x-airlock-csrf";

/// Without a session call for so long a session is over, in seconds.
pub const IDLE_S: i64 = 30 * 60;

/// After so long it is over in any case, in seconds.
pub const ABSOLUTE_S: i64 = 8 * 3600;

/// The property of a stored document by which the store forgets it, so many seconds after it was
/// last written. The store's own affair: it is not signed, and nobody relies on it.
pub const TTL: &str = "ttl";

/// Takes [`TTL`] out of a document, which is then what was signed.
#[must_use]
pub fn without_ttl(mut found: Found) -> Found {
    if let Some(document) = found.json.as_object_mut() {
        document.remove(TTL);
    }
    found
}

/// The body of a stored session.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct SessionRecord {
    /// The session and its confirmation.
    pub person: PersonEvidence,
    /// Until when it lasts without a session call.
    pub idle_until: Timestamp,
    /// When it was ended, if it was.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub ended: Option<Timestamp>,
    /// The person's display name, encrypted.
    pub name: Envelope,
    /// The refresh token, encrypted.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub refresh: Option<Envelope>,
    /// When Entra last said that the person may still sign in.
    pub checked: Timestamp,
    /// Digest of what was said to the ledger when it started: what is said of its end comes after.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub said: Option<Digest>,
}

/// There is no session for a cookie.
#[derive(Debug, thiserror::Error)]
pub enum NoSession {
    /// No such cookie, or the session is over.
    #[error("no session, or it is over")]
    Over,
    /// What is stored is not what `signin` wrote.
    #[error("stored session not genuine")]
    NotGenuine(#[from] NotGenuine),
    /// The store did not answer.
    #[error("session not read")]
    Port(#[from] PortError),
}

/// Id of a session's document: SHA-256 of its cookie.
#[must_use]
pub fn document_id(cookie: &str) -> Digest {
    Digest::of(&[cookie.as_bytes()])
}

/// The CSRF token of a session: known to whoever knows the cookie, and to nobody else.
#[must_use]
pub fn csrf_token(cookie: &str) -> String {
    base64url::encode(Digest::of(&[b"airlock csrf\0", cookie.as_bytes()]).as_bytes())
}

/// Finds the session of a cookie, if it still lasts.
///
/// The evidence in it is not verified by this: that needs the time at which the person acted.
///
/// # Errors
///
/// [`NoSession`].
pub async fn find(
    documents: &dyn Documents,
    trust: &Trust,
    cookie: &str,
    now: Timestamp,
) -> Result<Document<SessionRecord>, NoSession> {
    let id = document_id(cookie);
    let partition = Partition::session(&id.to_string());
    let found = documents.read(&partition, &id.to_string()).await?.ok_or(NoSession::Over)?;
    let found = without_ttl(found);
    let document: Document<SessionRecord> = Document::open(found, &partition, trust, now)?;
    if document.by != App::Signin {
        return Err(NotGenuine::Contents("author").into());
    }
    if document.body.ended.is_some() || document.body.idle_until <= now {
        return Err(NoSession::Over);
    }
    Ok(document)
}
