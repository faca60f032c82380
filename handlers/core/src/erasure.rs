//! Erasing what names a person, so that the ledger stays verifiable.
//!
//! The admin root signs an order. `intake` carries it out: each request that names the person and
//! has ended gives way to the order, by a leaf of its own. The leaves from before stay as they
//! are: they hold commitments, whose salts were encrypted beside what they commit to and are gone
//! with it. So the tree still verifies, and says nothing about anybody.
//!
//! The order itself names nobody either: it commits to the person, and who that is stands beside
//! it until the order's time is over. A document that is gone without an order is an integrity
//! violation.
//!
//! # That an order is about what it erased
//!
//! The root signs orders and decrypts nothing, so it cannot say which requests an order is about;
//! only `intake` can, and a taken-over `intake` would put any order in the place of anything. So
//! the word of somebody else is asked for. The worker's [claim](crate::claim::Claim), which stands
//! in a blob that `intake` can neither write nor read, commits to every person in the evidence
//! that it has judged, and says when the request was asked. Beside what it erases, `intake` leaves
//! a [`Proof`] that one of them is the person of the order (`commitment`). It is checked against
//! the claim ([`is_proven`]) by a worker that comes upon an erased request, and can be by anyone
//! who reads order, proof and claim; the person is not needed for it, and cannot be found by it.
//! The worker also asks for the outcome: what was erased before it ended is a violation.
//!
//! It cannot be so in two cases:
//!
//! - A request that was never permitted never reached a worker: nobody but `intake` has seen what
//!   it says, so nobody else can say whom it names. Nothing was done for it either. Its leaves
//!   show that it was turned down or withdrawn, or that its time was over ([`may_follow`]).
//! - Who reviews an emergency does so after the claim. That such a request names the person of
//!   an order as its reviewer is `intake`'s word; the claim says that it was an emergency, so a
//!   taken-over `intake` can use any order against emergencies, and against nothing else.
//!
//! Price: claim and outcome, which nobody can delete, keep digests of the request, when it was
//! asked, how many people it names and how it ended; all that one order erased is seen to be about
//! one person. The person's requests that have not ended keep their contents until they have, and
//! the words of other people's requests are not searched for the person's name.

mod commitment;
mod proof;

use serde::{Deserialize, Serialize};
use uuid::Uuid;

use crate::{
    ask::MAX_LIFETIME_S,
    base64url,
    identity::{App, PersonId, TenantId},
    jws::{Artefact, NotVerified, Signed, Typ, Verified},
    keyset::Trust,
    ledger::{Happened, NotGenuine, Statement},
    ports::Partition,
    record::Record,
    request::{Blinding, NotAuthenticated},
    time::{LEEWAY_S, Timestamp},
};

pub use commitment::{Blind, Commitment, Difference};
use proof::Names;
pub use proof::{Concerned, Proof, is_proven, proof_id};

/// `kind` of a stored order, in the tenant's bindings.
pub const KIND: &str = "erasure";

/// `kind` of what was erased: no longer found among requests.
pub const ERASED: &str = "erased";

/// For how long an order is carried out, in seconds: long enough for what has not ended to end.
pub const ORDERED_S: i64 = 30 * 24 * 3600;

/// An order to erase what names a person in a tenant.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Erasure {
    /// Names the order.
    pub jti: Uuid,
    /// The tenant.
    pub tnt: TenantId,
    /// Commitment to the person.
    pub subject: Commitment,
    /// When it was signed.
    pub iat: Timestamp,
    /// Until when it is carried out.
    pub exp: Timestamp,
}

/// An order as it is stored.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct StoredOrder {
    /// `erasure-<jti>`.
    pub id: String,
    /// Partition key.
    pub tenant: String,
    /// Always [`KIND`].
    pub kind: String,
    /// When it was stored.
    pub at: i64,
    /// Seconds after which the store forgets it, and with it whom it is about.
    pub ttl: i64,
    /// The order.
    pub order: Signed<Erasure>,
    /// Whom it is about.
    pub person: PersonId,
    /// Salt of the commitment, 16 bytes; base64url.
    pub salt: String,
}

/// A genuine order that is to be carried out.
#[derive(Clone, Debug)]
pub struct Order {
    signed: Signed<Erasure>,
    says: Verified<Erasure>,
    person: PersonId,
    blind: Blind,
}

/// How a request stands to an order.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Concern {
    /// It is about others, or was asked after the order.
    None,
    /// The person asked it, decided it, or was changed by it.
    Party,
    /// The person did no more than review it.
    Reviewer,
}

impl Artefact for Erasure {
    const TYP: Typ = Typ::Erasure;

    fn not_before(&self) -> Option<Timestamp> {
        Some(self.iat)
    }

    fn expires(&self) -> Option<Timestamp> {
        Some(self.exp)
    }
}

/// What an order says of whom it is about.
#[must_use]
pub fn subject(salt: &[u8; 16], person: PersonId) -> Commitment {
    Commitment::to(person, blind(salt))
}

fn blind(salt: &[u8; 16]) -> Blind {
    Blind::of(&[b"airlock person in an order\0", salt])
}

/// Id of a stored order.
#[must_use]
pub fn document_id(jti: Uuid) -> String {
    format!("erasure-{jti}")
}

/// Id of the marker that says that an order is carried out.
#[must_use]
pub fn marker_id(jti: Uuid) -> String {
    format!("erased-{jti}")
}

impl StoredOrder {
    /// The order, if the admin root signed it about this person in this tenant.
    ///
    /// # Errors
    ///
    /// [`NotVerified`]. One whose time is over is not carried out.
    pub fn open(
        self,
        partition: &Partition,
        trust: &Trust,
        now: Timestamp,
    ) -> Result<Order, NotVerified> {
        let says = trust.open_root(&self.order, now)?;
        if says.tnt.to_string() != partition.key() {
            return Err(NotVerified::Other("tenant"));
        }
        let in_its_place = self.id == document_id(says.jti)
            && self.tenant == partition.key()
            && self.kind == KIND
            && self.at == says.iat.as_unix_s();
        if !in_its_place {
            return Err(NotVerified::Other("place"));
        }
        let salt = base64url::decode_array(&self.salt)
            .filter(|salt| subject(salt, self.person) == says.subject)
            .ok_or(NotVerified::Other("person"))?;
        Ok(Order { signed: self.order, says, person: self.person, blind: blind(&salt) })
    }
}

impl Order {
    /// Its name.
    #[must_use]
    pub fn jti(&self) -> Uuid {
        self.says.jti
    }

    /// What the root signed.
    #[must_use]
    pub const fn says(&self) -> &Erasure {
        self.says.value()
    }

    /// What stands in the place of what was erased.
    #[must_use]
    pub const fn signed(&self) -> &Signed<Erasure> {
        &self.signed
    }

    /// Whether a request was asked before the order and names the person, and as what.
    ///
    /// What is asked later is not concerned: an order that has to wait must not become a way for
    /// others to have what they do forgotten.
    ///
    /// # Errors
    ///
    /// [`NotVerified`] if somebody in it cannot be read.
    pub fn concerns(&self, record: &Record) -> Result<Concern, NotVerified> {
        let names = Names::of(&record.evidence, &record.decisions)?;
        if names.asked_at > self.says.iat {
            return Ok(Concern::None);
        }
        if names.people.contains(&self.person) {
            return Ok(Concern::Party);
        }
        let reviewer = record.review.as_ref().map(|review| review.person.session.peek());
        let is_reviewer = reviewer.transpose()?.is_some_and(|by| by.person() == self.person);
        Ok(if is_reviewer { Concern::Reviewer } else { Concern::None })
    }

    /// What shows that a request of which the person is a party is one of theirs.
    ///
    /// # Errors
    ///
    /// [`NotAuthenticated`] if the request has no signature.
    pub fn proof(&self, record: &Record) -> Result<Proof, NotAuthenticated> {
        let blind = Blinding::of(&record.evidence)?.of_person(self.person);
        Ok(Proof::Party(blind.minus(self.blind)))
    }
}

/// Whether the last statement that changed a request lets it be erased at `at`: one of those after
/// which nothing more happens to it, by the app that may say so; or the last about one that waits
/// for approvals, when it can wait no longer.
///
/// For whoever reads the ledger: such a leaf stands before that of the erasure, with no other
/// about the same document in between.
#[must_use]
pub fn may_follow(last: &Statement, at: Timestamp) -> bool {
    let is_change = last.data.document.is_some();
    let is_workers = matches!(last.iss, App::Execute | App::Rotate);
    let is_intakes = last.iss == App::Intake;
    is_change
        && match last.r#type {
            Happened::Ended | Happened::Violation => is_workers,
            Happened::TurnedDown
            | Happened::Withdrawn
            | Happened::Revealed
            | Happened::Reviewed => is_intakes,
            Happened::Received | Happened::Decided => {
                is_intakes && at.since_s(last.iat) > MAX_LIFETIME_S + LEEWAY_S
            }
            _ => false,
        }
}

/// Whether a document gave way to a genuine order: signed by the root for this tenant, and named
/// by `intake`'s statement about that document.
pub(crate) fn is_ordered(
    order: &Signed<Erasure>,
    statement: &Verified<Statement>,
    tenant: &str,
    trust: &Trust,
) -> Result<(), NotGenuine> {
    // Its time is judged when it was carried out, not when somebody looks.
    let opened = trust.open_root(order, statement.iat).map_err(NotGenuine::Statement)?;
    let fits = statement.r#type == Happened::Erased
        && statement.iss == App::Intake
        && statement.data.document == Some(order.digest())
        && opened.tnt.to_string() == tenant;
    if fits { Ok(()) } else { Err(NotGenuine::Contents("order")) }
}
