//! Services: programs that ask with tokens of an issuer of their own.
//!
//! A service signs nothing; only `intake` sees its token. So it is *attested*: `intake` signs an
//! [`Attestation`](crate::ask::Attestation) in its place, which a taken-over `intake` can do
//! without any token. What bounds that stands in the binding and is enforced by the worker: the
//! few operations that the binding lists for the service, low risk and no secret result whatever
//! it lists, or rotations that a person approves, and how many of them the worker carries out in
//! an hour ([`Worker`](crate::execution::Worker)).

use serde::{Deserialize, Serialize};

use crate::{
    ask::MAX_LIFETIME_S,
    binding::{Service, Terms},
    catalog::Asked,
    digest::Digest,
    identity::TenantId,
};

/// How long a request of a service or producer counts that does not say so itself, in seconds.
pub const DEFAULT_LIFETIME_S: i64 = 3600;

/// The longest name of a service or producer, in bytes.
pub const MAX_NAME_BYTES: usize = 64;

/// What a service asks.
#[derive(Clone, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ServiceAsk {
    /// The tenant to change.
    pub tenant: TenantId,
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
}

impl ServiceAsk {
    /// For how long it may be carried out, in seconds; `None` if that is longer than anything
    /// may wait.
    #[must_use]
    pub fn lifetime_s(&self) -> Option<i64> {
        let lifetime_s = self.lifetime_s.map_or(DEFAULT_LIFETIME_S, i64::from);
        (1..=MAX_LIFETIME_S).contains(&lifetime_s).then_some(lifetime_s)
    }
}

/// Purpose and ticket are about people.
impl std::fmt::Debug for ServiceAsk {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter
            .debug_struct("ServiceAsk")
            .field("tenant", &self.tenant)
            .field("op", &self.op.name)
            .finish_non_exhaustive()
    }
}

/// A token of a service, after its verification: what it says, and how it was shown.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SeenToken {
    /// `iss`.
    pub issuer: String,
    /// `aud`, the only one.
    pub audience: String,
    /// `sub`.
    pub subject: String,
    /// `scope`.
    pub scopes: Vec<String>,
    /// Whose it may be, and is.
    pub holder: Holder,
    /// SHA-256 of its text.
    pub digest: Digest,
}

/// Whose a token may be (`cnf`), and whether whoever showed it is that.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Holder {
    /// Whoever has it: it is bound to nothing.
    Anyone,
    /// Who holds the key of a client certificate, and it was shown with it (RFC 8705).
    Certificate,
    /// Who holds the key of another certificate than the one that was shown, if any was.
    SomebodyElse,
}

impl SeenToken {
    /// Whether it has this scope.
    #[must_use]
    pub fn has_scope(&self, scope: &str) -> bool {
        self.scopes.iter().any(|has| has == scope)
    }
}

/// The service that a token is, under these terms.
///
/// `None` unless exactly one is registered: whose name counted would else be for the order of a
/// list to say.
#[must_use]
pub fn of_token<'t>(terms: &'t Terms, token: &SeenToken) -> Option<&'t Service> {
    one(terms.services.iter().filter(|service| {
        service.issuer == token.issuer
            && service.audience == token.audience
            && service.subject == token.subject
    }))
    .filter(|service| named(terms, &service.name).is_some())
}

/// The service of this name, under these terms.
///
/// `None` too if its name is none, or stands twice: two callers of one name would share their
/// quota, and one's owners could decide for the other.
#[must_use]
pub fn named<'t>(terms: &'t Terms, name: &str) -> Option<&'t Service> {
    let producers = terms.producers.iter().any(|producer| producer.name == name);
    let service = one(terms.services.iter().filter(|service| service.name == name))?;
    (!producers && is_name(name)).then_some(service)
}

/// Whether a service or producer can have this name: it becomes a part of ids and of the names
/// of blobs.
#[must_use]
pub fn is_name(name: &str) -> bool {
    let known = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'-';
    (1..=MAX_NAME_BYTES).contains(&name.len())
        && name.bytes().all(known)
        && name.starts_with(|first: char| first.is_ascii_lowercase())
}

/// The only one.
pub(crate) fn one<T>(mut all: impl Iterator<Item = T>) -> Option<T> {
    let first = all.next()?;
    all.next().is_none().then_some(first)
}

/// The scope that a token must have for an operation.
#[must_use]
pub fn scope_of(operation: &str) -> String {
    format!("runtime.{operation}")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn service(name: &str, subject: &str) -> Service {
        Service {
            name: name.to_owned(),
            issuer: "https://id.example/".to_owned(),
            audience: "airlock".to_owned(),
            subject: subject.to_owned(),
            operations: vec!["sessions.revoke".to_owned()],
            certificate_bound: false,
            owners: Vec::new(),
        }
    }

    fn terms(services: &[(&str, &str)]) -> Terms {
        let services = services.iter().map(|(name, subject)| service(name, subject)).collect();
        Terms { services, ..Terms::default() }
    }

    fn token(issuer: &str, audience: &str, subject: &str) -> SeenToken {
        SeenToken {
            issuer: issuer.to_owned(),
            audience: audience.to_owned(),
            subject: subject.to_owned(),
            scopes: vec!["runtime.sessions.revoke".to_owned()],
            holder: Holder::Anyone,
            digest: Digest::of(&[b"token"]),
        }
    }

    #[test]
    fn a_token_is_the_service_whose_issuer_audience_and_subject_it_has() {
        let terms = terms(&[("hr-system", "hr"), ("payroll", "pay")]);
        let of = |token: &SeenToken| of_token(&terms, token).map(|service| service.name.clone());

        assert_eq!(of(&token("https://id.example/", "airlock", "hr")).unwrap(), "hr-system");
        for other in [
            token("https://id.example", "airlock", "hr"),
            token("https://id.example/", "airlock2", "hr"),
            token("https://id.example/", "airlock", "HR"),
        ] {
            assert_eq!(of(&other), None, "{other:?}");
        }
    }

    #[test]
    fn who_is_registered_ambiguously_is_nobody() {
        let hr = token("https://id.example/", "airlock", "hr");

        for services in [[("a", "hr"), ("b", "hr")], [("a", "hr"), ("a", "pay")]] {
            assert!(of_token(&terms(&services), &hr).is_none());
        }
        assert!(of_token(&terms(&[("../a", "hr")]), &hr).is_none());
    }

    #[test]
    fn a_name_can_stand_in_the_name_of_a_blob() {
        for name in ["a", "hr-system", "siem2"] {
            assert!(is_name(name), "{name}");
        }
        for name in ["", "A", "2a", "-a", "a/b", "a.b", "a\0", "ä", &"a".repeat(65)] {
            assert!(!is_name(name), "{name}");
        }
    }
}
