//! A stored document that proves itself: its last statement commits to its contents.
//!
//! A reader verifies that statement by the keyset before it believes a byte of the body. A
//! document whose body, id or tenant was changed is not genuine, whoever may write to the
//! database. The same holds for what it is found by: or whoever owns the database could keep it
//! from being found. What may name people is encrypted, together with the salt of its commitments; what
//! was erased says by whose order, and nothing else.
//!
//! A statement by a key that was revoked since counts if it was anchored before that
//! ([`Ledger::trust_about`](super::Ledger)); where nothing is anchored, it does not.

use serde::{Deserialize, Serialize, de::DeserializeOwned};
use serde_json::Value;
use uuid::Uuid;

use super::{
    proven::NotProven,
    statement::{Data, Happened, Listed, Statement, commitment},
};
use crate::{
    base64url,
    data_keys::{NoKey, Sealed, SealedContents, TenantKeys},
    digest::Digest,
    erasure::{self, Erasure},
    identity::App,
    jws::{NotSigned, NotVerified, Signed, Verified},
    keyset::Trust,
    ports::{Etag, Found, Partition, PortError, Signer},
    time::Timestamp,
};

/// A document as it is stored.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Stored {
    /// Its id.
    pub id: String,
    /// Partition key.
    pub tenant: String,
    /// What kind of document. Only for finding it: the body says what it is.
    pub kind: String,
    /// When it was created, in seconds since 1970.
    pub at: i64,
    /// How far it has come. Only for finding it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub hint: Option<String>,
    /// The contents in clear: JSON text, kept as the bytes that were committed to.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub body: Option<String>,
    /// Salt of the commitments, 16 bytes; beside contents in clear.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub salt: Option<String>,
    /// Salt and contents, encrypted.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub sealed: Option<Sealed>,
    /// By whose order the contents are gone.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub erased: Option<Signed<Erasure>>,
    /// The statement of its last change.
    pub statement: Signed<Statement>,
}

/// What a document holds: JSON text, in clear or encrypted.
#[derive(Debug)]
pub enum Contents {
    /// It names nobody.
    Clear {
        /// Its salt, if it has one already.
        salt: Option<[u8; 16]>,
        /// The text.
        body: String,
    },
    /// It may name people and say what they wrote.
    Sealed(SealedContents),
    /// It was erased, by this order.
    Erased(Signed<Erasure>),
}

/// What a document has of its contents: members of one of the three forms.
#[derive(Default)]
pub(super) struct Form {
    pub body: Option<String>,
    pub salt: Option<String>,
    pub sealed: Option<Sealed>,
    pub erased: Option<Signed<Erasure>>,
}

/// What [`Stored::sign`] signs.
#[derive(Debug)]
pub struct Unsigned {
    /// Its id.
    pub id: String,
    /// Partition key.
    pub partition: String,
    /// What kind of document.
    pub kind: &'static str,
    /// When it was created.
    pub at: i64,
    /// Its salt: fresh for a new document, kept through all its changes.
    pub salt: [u8; 16],
    /// Its contents, as JSON text: in clear.
    pub body: String,
    /// What happened.
    pub happened: Happened,
    /// Names the statement.
    pub statement: Uuid,
}

/// A genuine document.
#[derive(Clone, Debug)]
pub struct Document<T> {
    /// Its id.
    pub id: String,
    /// When it was created.
    pub at: i64,
    /// Its contents.
    pub body: T,
    /// Its salt, kept through all its changes.
    pub salt: [u8; 16],
    /// Its version.
    pub etag: Etag,
    /// The app that changed it last.
    pub by: App,
    /// The statement of its last change.
    pub statement: Verified<Statement>,
}

/// A stored document is not what one of our apps wrote. Nobody may act on it.
#[derive(Debug, thiserror::Error)]
pub enum NotGenuine {
    /// It is not of the form that we write.
    #[error("stored document not understood")]
    Form(#[source] serde_json::Error),
    /// No app of ours signed its statement.
    #[error("statement of stored document not verified")]
    Statement(#[source] NotVerified),
    /// Its contents are not those that the statement commits to, or it is about another
    /// document or tenant.
    #[error("stored document is not what its statement commits to: {0}")]
    Contents(&'static str),
}

/// A stored document was not read.
#[derive(Debug, thiserror::Error)]
pub enum NotRead {
    /// It is not what one of our apps wrote: an integrity violation.
    #[error("stored document not genuine")]
    NotGenuine(#[from] NotGenuine),
    /// What it held was erased, by order of the admin plane.
    #[error("document was erased")]
    Erased,
    /// Store or vault did not help.
    #[error("document not decrypted")]
    Port(#[source] PortError),
}

/// What is not proven does not make a document genuine.
impl From<NotProven> for NotRead {
    fn from(error: NotProven) -> Self {
        match error {
            NotProven::Port(error) => Self::Port(error),
            NotProven::Stale | NotProven::Refused | NotProven::NoKeyset => {
                Self::Port(PortError::Unavailable(error.into()))
            }
            NotProven::Violation(_) | NotProven::Anchor(_) => {
                tracing::error!(error = %error, "document not proven to be older than a revocation");
                NotGenuine::Contents("ledger").into()
            }
        }
    }
}

impl From<NoKey> for NotRead {
    fn from(error: NoKey) -> Self {
        match error {
            NoKey::NotGenuine(error) => error.into(),
            NoKey::Port(error) => Self::Port(error),
            // Reading makes no key.
            NoKey::NotCommitted(error) => Self::Port(PortError::Broken(error)),
        }
    }
}

impl Contents {
    /// The salt that it has already.
    pub(super) const fn salt(&self) -> Option<[u8; 16]> {
        match self {
            Self::Clear { salt, .. } => *salt,
            Self::Sealed(SealedContents { salt, .. }) => Some(*salt),
            Self::Erased(_) => None,
        }
    }

    /// What the statement says of it.
    pub(super) fn commitment(&self, salt: &[u8; 16]) -> Digest {
        match self {
            Self::Clear { body, .. } => commitment(salt, body.as_bytes()),
            Self::Sealed(SealedContents { commitment, .. }) => *commitment,
            // An order is the admin root's word, and hides nothing.
            Self::Erased(order) => order.digest(),
        }
    }

    /// As a document has it.
    pub(super) fn form(self, salt: &[u8; 16]) -> Form {
        match self {
            Self::Clear { body, .. } => {
                let salt = Some(base64url::encode(salt));
                Form { body: Some(body), salt, ..Form::default() }
            }
            Self::Sealed(SealedContents { sealed, .. }) => {
                Form { sealed: Some(sealed), ..Form::default() }
            }
            Self::Erased(order) => Form { erased: Some(order), ..Form::default() },
        }
    }
}

/// What a stored document holds, of the three forms that there are.
enum Held<'a> {
    Clear { salt: &'a str, body: &'a str },
    Sealed(&'a Sealed),
    Erased(&'a Signed<Erasure>),
}

impl<T: DeserializeOwned> Document<T> {
    /// Verifies a document in clear that was found in `partition`.
    ///
    /// # Errors
    ///
    /// [`NotGenuine`]: an integrity violation.
    pub fn open(
        found: Found,
        partition: &Partition,
        trust: &Trust,
        now: Timestamp,
    ) -> Result<Self, NotGenuine> {
        let stored: Stored = serde_json::from_value(found.json).map_err(NotGenuine::Form)?;
        let statement = stored.verified(partition, trust, now)?;
        let Held::Clear { salt, body } = stored.held()? else {
            return Err(NotGenuine::Contents("form"));
        };
        let salt = base64url::decode_array(salt).ok_or(NotGenuine::Contents("salt"))?;
        let body = body.to_owned();
        Self::of(stored, statement, salt, &body, found.etag)
    }

    /// Verifies and decrypts a document that was found in the partition of these keys.
    ///
    /// One in clear is not taken: whatever is read here may name people.
    ///
    /// # Errors
    ///
    /// [`NotRead`].
    pub async fn open_sealed(
        found: Found,
        keys: TenantKeys<'_>,
        now: Timestamp,
    ) -> Result<Self, NotRead> {
        let stored: Stored = serde_json::from_value(found.json).map_err(NotGenuine::Form)?;
        let trust = keys.trust_about(&stored.statement, now).await?;
        let statement = stored.verified(keys.partition(), &trust, now)?;
        let opened = match stored.held()? {
            Held::Sealed(sealed) => keys.open(&stored.id, sealed).await?,
            Held::Erased(order) => {
                let tenant = keys.partition().key();
                return Err(match erasure::is_ordered(order, &statement, tenant, keys.trust()) {
                    Ok(()) => NotRead::Erased,
                    Err(not_genuine) => not_genuine.into(),
                });
            }
            Held::Clear { .. } => return Err(NotGenuine::Contents("form").into()),
        };
        Ok(Self::of(stored, statement, opened.salt, opened.text(), found.etag)?)
    }

    fn of(
        stored: Stored,
        statement: Verified<Statement>,
        salt: [u8; 16],
        body: &str,
        etag: Etag,
    ) -> Result<Self, NotGenuine> {
        if statement.data.document != Some(commitment(&salt, body.as_bytes())) {
            return Err(NotGenuine::Contents("body"));
        }
        let body = serde_json::from_str(body).map_err(NotGenuine::Form)?;
        let Stored { id, at, .. } = stored;
        Ok(Self { id, at, body, salt, etag, by: statement.iss, statement })
    }
}

impl Stored {
    /// Its last statement, if one of our apps made it about this document in this partition.
    fn verified(
        &self,
        partition: &Partition,
        trust: &Trust,
        now: Timestamp,
    ) -> Result<Verified<Statement>, NotGenuine> {
        let statement = trust.open(&self.statement, now).map_err(NotGenuine::Statement)?;
        if statement.subject != self.id {
            return Err(NotGenuine::Contents("id"));
        }
        if statement.tenantid != self.tenant || self.tenant != partition.key() {
            return Err(NotGenuine::Contents("tenant"));
        }
        if statement.data.listed.as_ref() != Some(&self.listed()) {
            return Err(NotGenuine::Contents("what it is found by"));
        }
        Ok(statement)
    }

    fn listed(&self) -> Listed {
        Listed { kind: self.kind.clone(), at: self.at, hint: self.hint.clone() }
    }

    /// The statement that a document was found with, unread.
    ///
    /// # Errors
    ///
    /// [`NotGenuine::Form`].
    pub(crate) fn statement_of(found: &Found) -> Result<Signed<Statement>, NotGenuine> {
        let stored: Self = serde_json::from_value(found.json.clone()).map_err(NotGenuine::Form)?;
        Ok(stored.statement)
    }

    fn held(&self) -> Result<Held<'_>, NotGenuine> {
        match (&self.body, &self.salt, &self.sealed, &self.erased) {
            (Some(body), Some(salt), None, None) => Ok(Held::Clear { salt, body }),
            (None, None, Some(sealed), None) => Ok(Held::Sealed(sealed)),
            (None, None, None, Some(order)) => Ok(Held::Erased(order)),
            _ => Err(NotGenuine::Contents("form")),
        }
    }
}

impl Stored {
    /// Signs a document for a container without a ledger, in the name of `app`.
    ///
    /// # Errors
    ///
    /// [`NotSigned`] if the key did not sign.
    pub async fn sign(
        unsigned: Unsigned,
        app: App,
        signer: &dyn Signer,
        now: Timestamp,
    ) -> Result<Self, NotSigned> {
        let Unsigned { id, partition, kind, at, salt, body, happened, statement } = unsigned;
        let contents = Contents::Clear { salt: Some(salt), body };
        let statement = Statement {
            specversion: "1.0".to_owned(),
            id: statement,
            source: format!("/airlock/{app}"),
            r#type: happened,
            subject: id.clone(),
            time: now.to_string(),
            traceparent: None,
            tenantid: partition.clone(),
            principal: None,
            iss: app,
            iat: now,
            data: Data {
                document: Some(contents.commitment(&salt)),
                listed: Some(Listed { kind: kind.to_owned(), at, hint: None }),
                ..Data::default()
            },
        };
        let statement = Signed::sign(&statement, signer).await?;
        let Form { body, salt, sealed, erased } = contents.form(&salt);
        let kind = kind.to_owned();
        Ok(Self {
            id,
            tenant: partition,
            kind,
            at,
            hint: None,
            body,
            salt,
            sealed,
            erased,
            statement,
        })
    }

    /// The JSON to write.
    ///
    /// # Errors
    ///
    /// Never: every member is text or a number.
    pub fn to_json(&self) -> Result<Value, serde_json::Error> {
        serde_json::to_value(self)
    }
}
