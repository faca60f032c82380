//! Large tenants: many people and third parties' applications at once.

use serde::Deserialize;
use uuid::Uuid;

use super::{
    principal::ServicePrincipal,
    registration::Registration,
    tenant::{Person, Risk, Tenant},
};
use crate::identities::stable_id;

/// Place of the first person who is not of the seed. Pages and lists for eyes show only those
/// before.
pub const FIRST: usize = 1_000;

/// How much there shall be.
#[derive(Clone, Copy, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Growth {
    /// People, besides those of the seed.
    #[serde(default)]
    pub people: usize,
    /// Applications, each with a service principal.
    #[serde(default)]
    pub applications: usize,
}

/// How much of it shall change.
#[derive(Clone, Copy, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Touch {
    /// Applications and their service principals.
    pub applications: usize,
}

impl Growth {
    /// Adds what is missing of it.
    pub fn apply(self, tenant: &mut Tenant) {
        // Somebody ordinary, in whom nobody sees anything.
        let model = tenant.people.values().find(|person| !person.guest && !person.synced).cloned();
        for number in 0..if model.is_some() { self.people } else { 0 } {
            let name = format!("person-{number:06}");
            let user_principal_name = format!("{name}@{}", tenant.domain);
            let id = stable_id("user", &user_principal_name);
            if let Some(model) = model.as_ref().filter(|_| !tenant.people.contains_key(&id)) {
                let person = Person {
                    id,
                    order: FIRST + number,
                    mail: user_principal_name.clone(),
                    mail_nickname: name.clone(),
                    user_principal_name,
                    given_name: "Person".to_owned(),
                    surname: format!("{number:06}"),
                    app_roles: Vec::new(),
                    enabled: true,
                    passes: Vec::new(),
                    methods: Vec::new(),
                    risk: Risk::None,
                    ..model.clone()
                };
                tenant.people.insert(id, person);
            }
        }
        for number in 0..self.applications {
            let id = registration(tenant, number);
            if tenant.registrations.get(&id).is_none() {
                let name = format!("application-{number:06}");
                let other = |kind: &str| stable_id(kind, &format!("{}/{name}", tenant.domain));
                let (client, principal) = (other("grown/client"), other("grown/principal"));
                let made = Registration::new(id, client, principal, name.clone(), tenant.created);
                let principal = ServicePrincipal::of(&made, principal, tenant.id);
                tenant.registrations.insert(id, made);
                tenant.principals.insert(principal.id, principal);
            }
        }
    }
}

impl Touch {
    /// Gives the first of them another name; says how many there were.
    pub fn apply(self, tenant: &mut Tenant) -> usize {
        let mut touched = 0;
        for number in 0..self.applications {
            let id = registration(tenant, number);
            let version = tenant.registrations.version();
            let Some(registration) = tenant.registrations.get_mut(&id) else { break };
            registration.name = format!("application-{number:06} ({version})");
            let (principal, name) = (registration.principal, registration.name.clone());
            if let Some(principal) = tenant.principals.get_mut(&principal) {
                principal.name = name;
            }
            touched += 1;
        }
        touched
    }
}

fn registration(tenant: &Tenant, number: usize) -> Uuid {
    stable_id("grown/registration", &format!("{}/{number}", tenant.domain))
}
