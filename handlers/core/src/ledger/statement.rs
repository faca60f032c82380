//! What happened, as a `CloudEvents` 1.0 event that the app signs which saw it happen.
//!
//! A statement names nobody: it holds salted commitments to the document that changed and to
//! whoever changed it. The salts stand in the document; with it gone, the leaf says nothing
//! about a person and the tree still verifies.

use serde::{Deserialize, Serialize};
use uuid::Uuid;

use super::recovery::Recovery;
use crate::{
    digest::Digest,
    identity::App,
    jws::{Artefact, Signed, Typ},
    keyset::Issued,
    revocation::Told,
    time::Timestamp,
};

/// A signed leaf of the ledger.
#[derive(Clone, Debug, Serialize, Deserialize)]
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
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Data {
    /// Commitment to the document as it is after this.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub document: Option<Digest>,
    /// By what the document is found.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub listed: Option<Listed>,
    /// Commitments to the markers that were created with it.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub markers: Vec<Digest>,
    /// The request that it is about.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub request: Option<Digest>,
    /// Why, in constant words of ours.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reason: Option<String>,
    /// Digests of the messages that go out because of it.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub outgoing: Vec<Digest>,
    /// Of the first leaf of an epoch after the first: what it goes on from.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub opened: Option<Opened>,
    /// The version of an artefact of the admin plane that was published.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub artefact: Option<ArtefactVersion>,
    /// Digest of the statement that must stand before this one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub after: Option<Digest>,
    /// The revocation that was stored with it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub revocation: Option<Told>,
    /// The statement that was written down, as the app signed it that made it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub event: Option<Signed<Statement>>,
}

/// By what a document is found, besides its id: words of ours and a time.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Listed {
    /// What kind of document.
    pub kind: String,
    /// When it was created, in seconds since 1970.
    pub at: i64,
    /// How far it has come.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub hint: Option<String>,
}

/// What a new epoch goes on from.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Opened {
    /// The last good checkpoint of the epoch before: the signed note.
    pub previous: String,
    /// By whose order, if leaves of the epoch before were left behind. Without one, the epoch
    /// before was sealed to its end.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub recovery: Option<Signed<Recovery>>,
}

/// A version of something that the admin plane signs.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ArtefactVersion {
    /// The version.
    pub ver: u64,
    /// Digest of what was signed.
    pub digest: Digest,
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
    /// All sessions of a person were revoked.
    #[serde(rename = "airlock.sessions.revoked")]
    SessionsRevoked,
    /// A sign-in was refused, because of evidence that contradicts itself.
    #[serde(rename = "airlock.sign-in.refused")]
    SignInRefused,
    /// A version of the key of sessions was used, for the first time on that day.
    #[serde(rename = "airlock.session-key.used")]
    SessionKeyUsed,
    /// What an app said that writes to no tree was written down: its statement stands within.
    #[serde(rename = "airlock.event.recorded")]
    Recorded,
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
    /// What has changed in a directory was looked at.
    #[serde(rename = "airlock.directory.scanned")]
    Scanned,
    /// Something deviates from what was declared, or cannot be looked at.
    #[serde(rename = "airlock.drift.detected")]
    DriftDetected,
    /// It was seen to be as declared again.
    #[serde(rename = "airlock.drift.resolved")]
    DriftResolved,
    /// A worker was told to act on evidence that does not hold, and did not.
    #[serde(rename = "airlock.integrity.violation")]
    Violation,
    /// A message could not be processed in all its deliveries and goes to the dead letters.
    #[serde(rename = "airlock.message.undeliverable")]
    Undeliverable,
    /// A new epoch of the tree begins: always its first leaf.
    #[serde(rename = "airlock.ledger.opened")]
    EpochOpened,
    /// What is stored is no proven extension of what was anchored: the tree is not sealed.
    #[serde(rename = "airlock.ledger.refused")]
    SealRefused,
    /// The admin plane published a version of the keyset.
    #[serde(rename = "airlock.keyset.published")]
    KeysetPublished,
    /// The admin plane published a version of the tenant's binding.
    #[serde(rename = "airlock.binding.published")]
    BindingPublished,
    /// The admin plane published what an app of the deployment trusts.
    #[serde(rename = "airlock.deployment.published")]
    DeploymentPublished,
    /// A secret that was there before is changed on schedule from now on.
    #[serde(rename = "airlock.secret.adopted")]
    SecretAdopted,
    /// A secret is about to be changed.
    #[serde(rename = "airlock.secret.planned")]
    SecretPlanned,
    /// A change of a secret that was left unfinished goes on.
    #[serde(rename = "airlock.secret.resumed")]
    SecretResumed,
    /// A new credential was added beside the one in use.
    #[serde(rename = "airlock.secret.added")]
    SecretAdded,
    /// A new credential is where its users find it.
    #[serde(rename = "airlock.secret.stored")]
    SecretStored,
    /// A new credential was proved by use.
    #[serde(rename = "airlock.secret.proved")]
    SecretProved,
    /// A new credential is the one in use.
    #[serde(rename = "airlock.secret.rotated")]
    SecretRotated,
    /// An old credential was removed.
    #[serde(rename = "airlock.secret.retired")]
    SecretRetired,
    /// A new credential did not prove good and was removed: the one before stays in use.
    #[serde(rename = "airlock.secret.proof-failed")]
    SecretProofFailed,
    /// A data key was wrapped again, by a newer version of its wrapping key.
    #[serde(rename = "airlock.data-key.rewrapped")]
    DataKeyRewrapped,
}

/// What a statement is to the tree that it is written to.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Standing {
    /// It says that somebody decided something, or is about to do it.
    Decides,
    /// An app that writes to no tree says so, and another writes it down.
    Reported,
    /// It has happened.
    Tells,
}

impl Happened {
    /// Whether it says that somebody decided something, or is about to do it: then it is written
    /// only to a tree that is proven, and sealed not long ago. What has happened all the same is
    /// written to any tree that is whole.
    #[must_use]
    pub fn decides(self) -> bool {
        self.standing() == Standing::Decides
    }

    /// Whether an app that writes to no tree says so, and another writes it down.
    #[must_use]
    pub fn is_reported(self) -> bool {
        self.standing() == Standing::Reported
    }

    // No `_` arm: a new kind does not compile until someone decides where it may be written.
    const fn standing(self) -> Standing {
        match self {
            Self::Received
            | Self::Permitted
            | Self::Decided
            | Self::TurnedDown
            | Self::Withdrawn
            | Self::BrokeGlass
            | Self::Reviewed
            | Self::Claimed
            | Self::Resumed
            | Self::Revealed
            | Self::Erased
            | Self::ErasureDone
            | Self::SecretAdopted
            | Self::SecretPlanned
            | Self::SecretResumed => Standing::Decides,
            Self::SessionStarted
            | Self::SessionEnded
            | Self::SessionsRevoked
            | Self::SignInRefused
            | Self::SessionKeyUsed => Standing::Reported,
            Self::Ended
            | Self::SignInProgressed
            | Self::SessionContinued
            | Self::Recorded
            | Self::DataKeyMade
            | Self::Compared
            | Self::Scanned
            | Self::DriftDetected
            | Self::DriftResolved
            | Self::Violation
            | Self::Undeliverable
            | Self::EpochOpened
            | Self::SealRefused
            | Self::KeysetPublished
            | Self::BindingPublished
            | Self::DeploymentPublished
            | Self::SecretAdded
            | Self::SecretStored
            | Self::SecretProved
            | Self::SecretRotated
            | Self::SecretRetired
            | Self::SecretProofFailed
            | Self::DataKeyRewrapped => Standing::Tells,
        }
    }
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
