//! A stored document that proves itself: its last statement commits to its contents.
//!
//! A reader verifies that statement by the keyset before it believes a byte of the body. A
//! document whose body, id or tenant was changed is not genuine, whoever may write to the
//! database.

use serde::{Deserialize, Serialize, de::DeserializeOwned};
use serde_json::Value;
use uuid::Uuid;

use super::statement::{Data, Happened, Statement, commitment};
use crate::{
    base64url,
    identity::App,
    jws::{NotSigned, NotVerified, Signed, Verified},
    keyset::Trust,
    ports::{Etag, Found, Partition, Signer},
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
    /// When it was created, in seconds since 1970. Only for ordering.
    pub at: i64,
    /// How far it has come. Only for finding it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub hint: Option<String>,
    /// The contents: JSON text, kept as the bytes that were committed to.
    pub body: String,
    /// Salt of the commitments, 16 bytes.
    pub salt: String,
    /// The statement of its last change.
    pub statement: Signed<Statement>,
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
    /// Its contents, as JSON text.
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

impl<T: DeserializeOwned> Document<T> {
    /// Verifies a document that was found in `partition`.
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
        let statement = trust.open(&stored.statement, now).map_err(NotGenuine::Statement)?;
        if statement.subject != stored.id {
            return Err(NotGenuine::Contents("id"));
        }
        if statement.tenantid != stored.tenant || stored.tenant != partition.key() {
            return Err(NotGenuine::Contents("tenant"));
        }
        let salt: [u8; 16] =
            base64url::decode_array(&stored.salt).ok_or(NotGenuine::Contents("salt"))?;
        if statement.data.document != Some(commitment(&salt, stored.body.as_bytes())) {
            return Err(NotGenuine::Contents("body"));
        }
        let body = serde_json::from_str(&stored.body).map_err(NotGenuine::Form)?;
        Ok(Self {
            id: stored.id,
            at: stored.at,
            body,
            salt,
            etag: found.etag,
            by: statement.iss,
            statement,
        })
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
            data: Data { document: Some(commitment(&salt, body.as_bytes())), ..Data::default() },
        };
        let statement = Signed::sign(&statement, signer).await?;
        let (kind, salt) = (kind.to_owned(), base64url::encode(salt));
        Ok(Self { id, tenant: partition, kind, at, hint: None, body, salt, statement })
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
