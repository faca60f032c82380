//! The checks: one rule each, with how bad it is, what it means, and what mends it.
//!
//! A check is pure: it compares what was read with what was declared and gives what deviates, or
//! says which source it lacks. It never takes what could not be read for a deviation.

mod admirers;
mod app_settings;
mod azure_role_definitions;
mod azure_roles;
mod backing;
mod bindings;
mod credentials;
mod custom_roles;
mod delegated;
mod directory_roles;
mod exposure;
mod federation;
mod front_door;
mod functions;
mod hosting;
mod identity_trust;
mod keyed_access;
mod lock;
mod network;
mod overlooked;
mod owners;
mod packages;
mod permissions;
mod principal_credentials;
mod principal_owners;
mod receipts;
mod redirects;
mod registered;
mod retention;
mod rotations;
mod rotator;
mod seals;
mod service_principals;
mod strangers;

use serde::{Deserialize, Serialize};
use uuid::Uuid;

use super::{
    seen::{Deployment, Sources, Tenant, Unread},
    severity::Severity,
};
use crate::identity::{ObjectId, TenantId};

/// One rule.
pub struct Check {
    /// Its name, which findings bear.
    pub name: &'static str,
    /// How bad it is that it does not hold.
    pub severity: Severity,
    /// What it means, for whoever reads a finding.
    pub explanation: &'static str,
    /// What mends it, in words.
    pub remediation: &'static str,
    /// How it is judged.
    pub judge: Judge,
    /// Whether what it finds has happened, and is not undone by being out of sight: such a finding
    /// stands until the tenant's terms accept it.
    pub lasting: bool,
}

/// What a check looks at.
#[derive(Clone, Copy)]
pub enum Judge {
    /// The deployment: what exists once.
    Deployment(fn(&Deployment) -> Judged),
    /// Each tenant.
    Tenant(fn(&Tenant) -> Judged),
    /// The deployment, and each tenant likewise.
    Both(fn(&Deployment) -> Judged, fn(&Tenant) -> Judged),
}

/// What deviates; or that it cannot be said, for want of a source.
///
/// Which one is the first that was lacking. All that could not be read are told of by
/// [`Judgement::sources`].
pub type Judged = Result<Vec<Deviation>, Unread>;

/// What the checks say of one place in one round.
pub struct Judgement {
    /// Each, with what it says.
    pub checks: Vec<(&'static Check, Judged)>,
    /// How the sources were read that they rest on.
    pub sources: Sources,
}

/// One thing that is not as it was declared.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Deviation {
    /// Which thing: stable for as long as it deviates, whatever the order and case of what was
    /// read. It names objects by their ids and never a person by name.
    pub thing: String,
    /// What was declared.
    pub declared: Option<String>,
    /// What is there. No value of a secret.
    pub found: Option<String>,
    /// Worse or less bad than the check in general.
    pub severity: Option<Severity>,
    /// What Airlock could do about it itself.
    pub mend: Option<Mend>,
}

/// A change that takes a deviation away: it only ever removes.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "snake_case", deny_unknown_fields)]
pub enum Mend {
    /// Remove a password from an app registration.
    RemovePassword {
        /// Where the registration is.
        tenant: TenantId,
        /// Its object id.
        application: ObjectId,
        /// The password's `keyId`.
        credential: Uuid,
    },
    /// Remove a federated credential from an app registration.
    RemoveFederated {
        /// Where the registration is.
        tenant: TenantId,
        /// Its object id.
        application: ObjectId,
        /// The credential's object id.
        credential: Uuid,
    },
}

/// Every check.
pub const CHECKS: [&Check; 34] = [
    &registered::CHECK,
    &credentials::CHECK,
    &federation::CHECK,
    &owners::CHECK,
    &redirects::CHECK,
    &exposure::CHECK,
    &lock::CHECK,
    &hosting::CHECK,
    &network::CHECK,
    &functions::CHECK,
    &app_settings::CHECK,
    &packages::CHECK,
    &keyed_access::CHECK,
    &retention::CHECK,
    &azure_roles::CHECK,
    &azure_role_definitions::CHECK,
    &identity_trust::CHECK,
    &custom_roles::CHECK,
    &front_door::CHECK,
    &bindings::CHECK,
    &service_principals::CHECK,
    &principal_credentials::CHECK,
    &principal_owners::CHECK,
    &permissions::CHECK,
    &delegated::CHECK,
    &directory_roles::CHECK,
    &rotator::CHECK,
    &admirers::CHECK,
    &backing::CHECK,
    &receipts::CHECK,
    &strangers::CHECK,
    &overlooked::CHECK,
    &rotations::CHECK,
    &seals::CHECK,
];

/// The check of this name.
#[must_use]
pub fn named(name: &str) -> Option<&'static Check> {
    CHECKS.into_iter().find(|check| check.name == name)
}

impl Deviation {
    /// A thing that is not as it was declared.
    #[must_use]
    pub fn of(thing: impl Into<String>) -> Self {
        Self { thing: thing.into(), declared: None, found: None, severity: None, mend: None }
    }

    /// With what was declared.
    #[must_use]
    pub fn declared(self, declared: impl Into<String>) -> Self {
        Self { declared: Some(declared.into()), ..self }
    }

    /// With what is there.
    #[must_use]
    pub fn found(self, found: impl Into<String>) -> Self {
        Self { found: Some(found.into()), ..self }
    }

    /// With a severity of its own.
    #[must_use]
    pub fn as_bad_as(self, severity: Severity) -> Self {
        Self { severity: Some(severity), ..self }
    }

    /// With what Airlock could do about it.
    #[must_use]
    pub fn mended_by(self, mend: Option<Mend>) -> Self {
        Self { mend, ..self }
    }
}

/// Words in an order of their own, for people.
fn listed<T: ToString>(all: impl IntoIterator<Item = T>) -> String {
    let mut all: Vec<String> = all.into_iter().map(|each| each.to_string()).collect();
    all.sort_unstable();
    if all.is_empty() { "none".to_owned() } else { all.join(", ") }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    #[test]
    fn no_two_checks_have_one_name_and_each_says_what_it_means() {
        let names: BTreeSet<&str> = CHECKS.iter().map(|check| check.name).collect();
        assert_eq!(names.len(), CHECKS.len());
        for check in CHECKS {
            let sentences = [check.explanation, check.remediation];
            assert!(sentences.iter().all(|text| text.len() > 20 && text.ends_with('.')));
            assert!(named(check.name).is_some());
        }
    }
}
