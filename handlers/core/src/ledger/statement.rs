//! What happened, as a `CloudEvents` 1.0 event that the app signs which saw it happen.
//!
//! A statement names nobody: it holds salted commitments to the document that changed and to
//! whoever changed it. The salts stand in the document; with it gone, the leaf says nothing
//! about a person and the tree still verifies.

use serde::{Deserialize, Serialize};
use uuid::Uuid;

use crate::{
    digest::Digest,
    identity::App,
    jws::{Artefact, Typ},
    keyset::Issued,
    time::Timestamp,
};

/// A signed leaf of the ledger.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Statement {
    /// Always `1.0`.
    pub specversion: String,
    /// Names the statement. Fixed before the first attempt to commit it.
    pub id: Uuid,
    /// `/airlock/<app>`.
    pub source: String,
    /// What happened.
    pub r#type: Happened,
    /// Id of the document that it is about.
    pub subject: String,
    /// When, RFC 3339.
    pub time: String,
    /// W3C trace context in which it happened.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub traceparent: Option<String>,
    /// The tenant whose tree it belongs to, or `platform`.
    pub tenantid: String,
    /// Commitment to whoever caused it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub principal: Option<Digest>,
    /// The app.
    pub iss: App,
    /// When it was signed.
    pub iat: Timestamp,
    /// Further facts.
    pub data: Data,
}

/// The facts of a statement: digests, and words of ours.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Data {
    /// Commitment to the document as it is after this.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub document: Option<Digest>,
    /// The request that it is about.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub request: Option<Digest>,
    /// Why, in constant words of ours.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reason: Option<String>,
    /// Digests of the messages that go out because of it.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub outgoing: Vec<Digest>,
}

/// Everything that can happen.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub enum Happened {
    /// A request was taken and waits for approval.
    #[serde(rename = "airlock.request.received")]
    Received,
    /// A request was permitted and sent to its worker.
    #[serde(rename = "airlock.request.permitted")]
    Permitted,
    /// Somebody decided about a request, which still waits.
    #[serde(rename = "airlock.request.decided")]
    Decided,
    /// An approver turned a request down.
    #[serde(rename = "airlock.request.turned-down")]
    TurnedDown,
    /// Whoever asked took a request back.
    #[serde(rename = "airlock.request.withdrawn")]
    Withdrawn,
    /// A tenant administrator called a request an emergency: it was permitted without approvals.
    #[serde(rename = "airlock.request.break-glass")]
    BrokeGlass,
    /// Somebody else looked at an emergency afterwards.
    #[serde(rename = "airlock.request.reviewed")]
    Reviewed,
    /// A worker claimed a permitted request.
    #[serde(rename = "airlock.request.claimed")]
    Claimed,
    /// A worker tries a claimed request again.
    #[serde(rename = "airlock.request.resumed")]
    Resumed,
    /// A worker says how a request ended.
    #[serde(rename = "airlock.request.ended")]
    Ended,
    /// A secret result was handed to its requester.
    #[serde(rename = "airlock.request.revealed")]
    Revealed,
    /// `signin` keeps what a sign-in needs besides its session: a sealing key, a used mark, a
    /// one-time code.
    #[serde(rename = "airlock.sign-in.progressed")]
    SignInProgressed,
    /// A person signed in.
    #[serde(rename = "airlock.session.started")]
    SessionStarted,
    /// A session was used, and lasts longer.
    #[serde(rename = "airlock.session.continued")]
    SessionContinued,
    /// A session was ended.
    #[serde(rename = "airlock.session.ended")]
    SessionEnded,
    /// A data key was made, under which documents are encrypted.
    #[serde(rename = "airlock.data-key.made")]
    DataKeyMade,
    /// What a document held was erased, by order of the admin plane.
    #[serde(rename = "airlock.document.erased")]
    Erased,
    /// All that an order of the admin plane concerned is erased.
    #[serde(rename = "airlock.erasure.done")]
    ErasureDone,
    /// Something was compared with what was declared.
    #[serde(rename = "airlock.finding.made")]
    Compared,
    /// A worker was told to act on evidence that does not hold, and did not.
    #[serde(rename = "airlock.integrity.violation")]
    Violation,
    /// A message could not be processed in all its deliveries and goes to the dead letters.
    #[serde(rename = "airlock.message.undeliverable")]
    Undeliverable,
}

impl Artefact for Statement {
    const TYP: Typ = Typ::Statement;

    fn not_before(&self) -> Option<Timestamp> {
        Some(self.iat)
    }

    fn expires(&self) -> Option<Timestamp> {
        None
    }
}

impl Issued for Statement {
    fn issuer(&self) -> App {
        self.iss
    }
}

/// A commitment that says nothing without its salt.
///
/// The salt is of fixed size, so it cannot run into the contents.
#[must_use]
pub fn commitment(salt: &[u8; 16], contents: &[u8]) -> Digest {
    Digest::of(&[b"airlock commitment\0", salt, contents])
}
