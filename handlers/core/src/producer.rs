//! Event producers: systems that ask by signed events, with a key of their own.
//!
//! An event is a CloudEvent (1.0, JSON), signed as a compact JWS of the type `cloudevent+jwt`:
//! a CloudEvent in JSON is a claims set, so every JOSE library can make one. The tenant's binding
//! registers the key under the producer's name, which is the event's `source` too; so whoever
//! reads the event alone knows who it says to come from, and `id` needs to be unique only among
//! the events of that producer.
//!
//! A producer is *proven*: its own signature travels along, and `intake` and the worker both
//! verify it with the key in the binding. A taken-over `intake` can withhold its events, and can
//! make none up. The key belongs to one deployment: nothing in an event says for which of two it
//! was meant.
//!
//! One producer is Airlock's own: `drift`, whose key is the one that the keyset lists for it, so
//! that it is followed when it is rotated. It alone may say that it [found](crate::finding)
//! something, and it asks for nothing else.

use serde::{Deserialize, Serialize};
use uuid::Uuid;

use crate::{
    ask::MAX_LIFETIME_S,
    binding::{Producer, SignedBy, Terms},
    catalog::Asked,
    digest::Digest,
    finding::Finding,
    identity::{App, TenantId},
    jws::{Artefact, NotVerified, Signed, Typ, Verified},
    keyset::Trust,
    service::{self, DEFAULT_LIFETIME_S},
    time::Timestamp,
};

/// The longest `id` of an event, in bytes.
pub const MAX_ID_BYTES: usize = 256;

/// An event, as its producer signs it.
///
/// Strict beyond what CloudEvents asks of a reader: an extension attribute that is signed and
/// not understood could mean something to whoever reviews it.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Event {
    specversion: Version,
    /// Makes two events of a producer two.
    id: String,
    /// The producer's name, as the binding registers it.
    source: String,
    r#type: Kind,
    /// When it happened that this was asked.
    #[serde(with = "rfc3339")]
    time: Timestamp,
    /// The tenant to change.
    tenantid: TenantId,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    datacontenttype: Option<MediaType>,
    /// What is asked.
    data: EventData,
}

/// What an event asks.
#[derive(Clone, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct EventData {
    /// What to do.
    pub op: Asked,
    /// Why.
    pub purpose: String,
    /// The ticket that it belongs to.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub ticket: Option<String>,
    /// For how long it may be carried out, in seconds; [`DEFAULT_LIFETIME_S`] if it is absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub lifetime_s: Option<u32>,
    /// What was found, if that is why it is asked. By `drift`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub finding: Option<Signed<Finding>>,
}

#[derive(Clone, Copy, Debug, Serialize, Deserialize)]
enum Version {
    #[serde(rename = "1.0")]
    One,
}

#[derive(Clone, Copy, Debug, Serialize, Deserialize)]
enum Kind {
    #[serde(rename = "airlock.request.asked")]
    Asked,
}

#[derive(Clone, Copy, Debug, Serialize, Deserialize)]
enum MediaType {
    #[serde(rename = "application/json")]
    Json,
}

impl Event {
    /// An event that asks for something.
    #[must_use]
    pub const fn asking(
        producer: String,
        id: String,
        time: Timestamp,
        tenant: TenantId,
        data: EventData,
    ) -> Self {
        Self {
            specversion: Version::One,
            id,
            source: producer,
            r#type: Kind::Asked,
            time,
            tenantid: tenant,
            datacontenttype: None,
            data,
        }
    }

    /// What makes two events of a producer two.
    #[must_use]
    pub fn id(&self) -> &str {
        &self.id
    }

    /// The name of the producer that it says to come from.
    #[must_use]
    pub fn source(&self) -> &str {
        &self.source
    }

    /// When it was made.
    #[must_use]
    pub const fn time(&self) -> Timestamp {
        self.time
    }

    /// The tenant to change.
    #[must_use]
    pub const fn tenant(&self) -> TenantId {
        self.tenantid
    }

    /// What it asks.
    #[must_use]
    pub const fn data(&self) -> &EventData {
        &self.data
    }

    /// Until when it may be carried out.
    #[must_use]
    pub fn until(&self) -> Timestamp {
        self.time.plus_s(self.data.lifetime_s.map_or(DEFAULT_LIFETIME_S, i64::from))
    }

    /// The id of the request that it makes: the same for the same event, for ever.
    #[must_use]
    pub fn request_id(&self) -> Uuid {
        let digest = self.identity();
        let mut bytes = [0; 16];
        bytes.copy_from_slice(&digest.as_bytes()[..16]);
        uuid::Builder::from_custom_bytes(bytes).into_uuid()
    }

    /// What no two events of a tenant's producers share.
    #[must_use]
    pub fn identity(&self) -> Digest {
        // A name holds no NUL: it is one that the binding registers.
        Digest::of(&[self.source.as_bytes(), b"\0", self.id.as_bytes()])
    }
}

impl Artefact for Event {
    const TYP: Typ = Typ::Event;

    fn not_before(&self) -> Option<Timestamp> {
        Some(self.time)
    }

    fn expires(&self) -> Option<Timestamp> {
        Some(self.until())
    }
}

/// Purpose and ticket are about people.
impl std::fmt::Debug for EventData {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter.debug_struct("EventData").field("op", &self.op.name).finish_non_exhaustive()
    }
}

/// Opens a producer's event with the key that these terms register, or that the keyset lists for
/// `drift` if that is whom they register; and says who that is.
///
/// # Errors
///
/// [`NotVerified::UnknownKey`] unless exactly one producer has that key under the name that the
/// event gives; else as [`Signed::verify`].
pub fn open<'t>(
    event: &Signed<Event>,
    terms: &'t Terms,
    trust: &Trust,
    now: Timestamp,
) -> Result<(&'t Producer, Verified<Event>), NotVerified> {
    // Read unverified, only to choose which key must have signed that name.
    let source = event.peek()?.source;
    let producer = named(terms, &source).ok_or(NotVerified::UnknownKey(event.key()))?;
    let opened = match &producer.signed_by {
        SignedBy::Key(key) => event.verify(key, now)?,
        SignedBy::Drift => trust.open_by(App::Drift, event, now)?,
    };
    if !(1..=MAX_ID_BYTES).contains(&opened.id.len()) {
        return Err(NotVerified::Other("id"));
    }
    if opened.until().since_s(opened.time) > MAX_LIFETIME_S {
        return Err(NotVerified::Other("span of time"));
    }
    Ok((producer, opened))
}

/// The producer of this name, under these terms. `None` too if its name is none, or stands twice.
#[must_use]
pub fn named<'t>(terms: &'t Terms, name: &str) -> Option<&'t Producer> {
    let services = terms.services.iter().any(|service| service.name == name);
    let producer = service::one(terms.producers.iter().filter(|producer| producer.name == name))?;
    (!services && service::is_name(name)).then_some(producer)
}

/// The tenant that an event names, before anything of it is verified: to choose whose binding
/// must register its key.
///
/// # Errors
///
/// [`NotVerified`] if it is no event.
pub fn named_tenant(event: &Signed<Event>) -> Result<TenantId, NotVerified> {
    Ok(event.peek()?.tenantid)
}

/// Times as CloudEvents writes them.
mod rfc3339 {
    use serde::{Deserialize as _, Deserializer, Serializer, de::Error as _};

    use crate::time::Timestamp;

    #[expect(clippy::trivially_copy_pass_by_ref, reason = "serde passes the field itself")]
    pub(super) fn serialize<S: Serializer>(at: &Timestamp, to: S) -> Result<S::Ok, S::Error> {
        to.collect_str(at)
    }

    pub(super) fn deserialize<'de, D: Deserializer<'de>>(from: D) -> Result<Timestamp, D::Error> {
        let text = <std::borrow::Cow<'de, str>>::deserialize(from)?;
        Timestamp::parse(&text).ok_or_else(|| D::Error::custom("not a time of RFC 3339"))
    }
}

#[cfg(test)]
mod tests;
