//! Erasing what names a person, so that the ledger stays verifiable.
//!
//! The admin root signs an order. `intake` carries it out: each request that names the person and
//! has ended gives way to the order, by a leaf of its own. The leaves from before stay as they
//! are: they hold commitments, whose salts were encrypted beside what they commit to and are gone
//! with it. So the tree still verifies, and says nothing about anybody.
//!
//! The order itself names nobody either: whom it is about stands beside it, salted, until the
//! order's time is over. A document that is gone without an order is an integrity violation.
//!
//! Price: the claim and the outcome, which nobody can delete, keep digests of the request and of
//! what it did; the person's requests that have not ended keep their contents until they have, and the
//! words of other people's requests are not searched for the person's name.

use serde::{Deserialize, Serialize};
use uuid::Uuid;

use crate::{
    base64url,
    digest::Digest,
    identity::{App, PersonId, TenantId},
    jws::{Artefact, NotVerified, Signed, Typ, Verified},
    keyset::Trust,
    ledger::{Happened, NotGenuine, Statement, statement::commitment},
    ports::Partition,
    record::Record,
    time::Timestamp,
};

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
    pub subject: Digest,
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
pub fn subject(salt: &[u8; 16], person: PersonId) -> Digest {
    commitment(salt, person.to_string().as_bytes())
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
        let salt = base64url::decode_array(&self.salt);
        if salt.is_none_or(|salt| subject(&salt, self.person) != says.subject) {
            return Err(NotVerified::Other("person"));
        }
        Ok(Order { signed: self.order, says, person: self.person })
    }
}

impl Order {
    /// Its name.
    #[must_use]
    pub fn jti(&self) -> Uuid {
        self.says.jti
    }

    /// What stands in the place of what was erased.
    #[must_use]
    pub const fn signed(&self) -> &Signed<Erasure> {
        &self.signed
    }

    /// Whether a request was asked before the order, and names the person: as who asked, who was
    /// changed, or who decided.
    ///
    /// What is asked later is not concerned: an order that has to wait must not become a way for
    /// others to have what they do forgotten.
    ///
    /// # Errors
    ///
    /// [`NotVerified`] if a session in it cannot be read.
    pub fn concerns(&self, record: &Record) -> Result<bool, NotVerified> {
        let summary = &record.summary;
        if summary.asked_at > self.says.iat {
            return Ok(false);
        }
        let is_target = self.person.tid == self.says.tnt && summary.target == self.person.oid;
        if is_target || summary.requester == self.person.to_string() {
            return Ok(true);
        }
        for decision in record.decisions.iter().chain(&record.review) {
            if decision.person.session.peek()?.person() == self.person {
                return Ok(true);
            }
        }
        Ok(false)
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
