//! Two Entra tenants: people, groups, directory roles, and what was done to them.
//!
//! Microsoft Graph reads and writes this; the sign-in page picks people from it; tests look at
//! what Graph hides.

mod access;
mod device;
mod method;
pub mod registration;
mod seed;
mod snapshot;
mod tenant;
#[cfg(test)]
mod tests;

use std::{
    collections::BTreeMap,
    sync::{Mutex, MutexGuard, PoisonError},
};

use serde_json::Value;
use time::{OffsetDateTime, format_description::well_known::Rfc3339};
use uuid::Uuid;

use crate::cloud::Names;

pub use self::{
    access::{AccessPolicy, PolicyState},
    device::{Device, RecoveryKey},
    method::{Method, MethodKind},
    registration::{Issued, Propagation, Registration},
    tenant::{Assignment, Group, Licence, Pass, Person, Risk, Role, Tenant},
};

/// All tenants.
pub struct Directory {
    state: Mutex<State>,
}

struct State {
    tenants: BTreeMap<Uuid, Tenant>,
    /// Every write, in order.
    effects: Vec<Effect>,
    /// How long the token endpoint takes to learn of secrets.
    propagation: Propagation,
    /// Secrets of applications from before, until they are in the vault.
    issued: Vec<Issued>,
}

/// A person as tokens describe them.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SignedInPerson {
    /// Home tenant.
    pub tenant: Uuid,
    /// Object id.
    pub object: Uuid,
    /// Display name.
    pub name: String,
    /// User principal name.
    pub user_principal_name: String,
    /// App roles of `airlock-portal`.
    pub app_roles: Vec<String>,
    /// Whether the account is enabled.
    pub enabled: bool,
}

/// A person as the sign-in page and the curious see them.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PersonCard {
    /// Object id.
    pub object: Uuid,
    /// Display name.
    pub name: String,
    /// User principal name.
    pub user_principal_name: String,
    /// App roles of `airlock-portal`.
    pub app_roles: Vec<String>,
    /// What is special about them, for example "holds a directory role".
    pub what: String,
}

/// A tenant as the sign-in page and the curious see it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TenantCard {
    /// Tenant id.
    pub id: Uuid,
    /// Display name.
    pub name: String,
    /// Verified domain.
    pub domain: String,
}

/// One write that took effect.
#[derive(Clone, Debug)]
pub struct Effect {
    /// When.
    pub at: OffsetDateTime,
    /// Where.
    pub tenant: Uuid,
    /// Who: application of ours, or an object id.
    pub application: String,
    /// HTTP method.
    pub method: String,
    /// Path of the request, as asked.
    pub path: String,
    /// The person whom it was about, or the policy, or the application.
    pub person: Uuid,
    /// What changed, without secrets.
    pub change: Value,
}

impl Directory {
    /// The tenants as they are before anybody changed anything.
    #[must_use]
    pub fn new(names: &Names) -> Self {
        let (tenants, issued) = seed::tenants(names.tenant, OffsetDateTime::now_utc());
        let (effects, propagation) = (Vec::new(), Propagation::default());
        Self { state: Mutex::new(State { tenants, effects, propagation, issued }) }
    }

    /// The secrets that applications have from before, for the vault. They are told once: nothing
    /// but their digests is kept.
    #[must_use]
    pub fn take_issued(&self) -> Vec<Issued> {
        std::mem::take(&mut self.state().issued)
    }

    /// The enabled person of this name, whatever the case.
    #[must_use]
    pub fn sign_in(&self, tenant: Uuid, user_principal_name: &str) -> Option<SignedInPerson> {
        self.find(tenant, |person| person.is_called(user_principal_name) && person.enabled)
    }

    /// The person with this object id, enabled or not.
    #[must_use]
    pub fn by_object(&self, tenant: Uuid, object: Uuid) -> Option<SignedInPerson> {
        self.find(tenant, |person| person.id == object)
    }

    fn find(&self, tenant: Uuid, wanted: impl Fn(&Person) -> bool) -> Option<SignedInPerson> {
        let state = self.state();
        let person = state.tenants.get(&tenant)?.people.values().find(|person| wanted(person))?;
        Some(SignedInPerson {
            tenant,
            object: person.id,
            name: person.name(),
            user_principal_name: person.user_principal_name.clone(),
            app_roles: person.app_roles.clone(),
            enabled: person.enabled,
        })
    }

    /// Everybody in a tenant, as the seed lists them.
    #[must_use]
    pub fn people(&self, tenant: Uuid) -> Vec<PersonCard> {
        let state = self.state();
        let Some(tenant) = state.tenants.get(&tenant) else {
            return Vec::new();
        };
        let mut people: Vec<&Person> = tenant.people.values().collect();
        people.sort_by_key(|person| person.order);
        people
            .into_iter()
            .map(|person| PersonCard {
                object: person.id,
                name: person.name(),
                user_principal_name: person.user_principal_name.clone(),
                app_roles: person.app_roles.clone(),
                what: tenant.describe(person),
            })
            .collect()
    }

    /// All tenants, that of the deployment first.
    #[must_use]
    pub fn tenants(&self) -> Vec<TenantCard> {
        let state = self.state();
        let mut tenants: Vec<&Tenant> = state.tenants.values().collect();
        tenants.sort_by_key(|tenant| tenant.order);
        tenants
            .into_iter()
            .map(|tenant| TenantCard {
                id: tenant.id,
                name: tenant.name.clone(),
                domain: tenant.domain.clone(),
            })
            .collect()
    }

    /// Everything, including what Graph never tells: passwords and passes in clear.
    #[must_use]
    pub fn snapshot(&self) -> Value {
        let state = self.state();
        snapshot::of(&state.tenants, &state.effects)
    }

    /// Looks at a tenant; `None` if there is no such tenant.
    pub fn look<R>(&self, tenant: Uuid, at: impl FnOnce(&Tenant) -> R) -> Option<R> {
        self.state().tenants.get(&tenant).map(at)
    }

    /// Changes one person and remembers it, or changes nothing if `change` refuses.
    ///
    /// `None` if there is no such tenant or person. A `change` that refuses must not have touched
    /// the person.
    pub fn change<R, E>(
        &self,
        effect: Effect,
        change: impl FnOnce(&mut Person, OffsetDateTime) -> Result<R, E>,
    ) -> Option<Result<R, E>> {
        let mut state = self.state();
        let person = state.tenants.get_mut(&effect.tenant)?.people.get_mut(&effect.person)?;
        let changed = change(person, effect.at);
        if changed.is_ok() {
            state.effects.push(effect);
        }
        Some(changed)
    }

    /// As [`change`](Self::change), where more than a person changes.
    pub fn change_tenant<R, E>(
        &self,
        effect: Effect,
        change: impl FnOnce(&mut Tenant, OffsetDateTime) -> Result<R, E>,
    ) -> Option<Result<R, E>> {
        let mut state = self.state();
        let tenant = state.tenants.get_mut(&effect.tenant)?;
        let changed = change(tenant, effect.at);
        if changed.is_ok() {
            state.effects.push(effect);
        }
        Some(changed)
    }

    /// How long the token endpoint takes to learn of secrets that are added or removed from now on.
    #[must_use]
    pub fn propagation(&self) -> Propagation {
        self.state().propagation
    }

    /// Sets that.
    pub fn set_propagation(&self, propagation: Propagation) {
        self.state().propagation = propagation;
    }

    /// The display name of the tenants' own application with this client id.
    #[must_use]
    pub fn registered(&self, client: Uuid) -> Option<String> {
        let state = self.state();
        let mut all = state.tenants.values().flat_map(|tenant| tenant.registrations.values());
        all.find(|one| one.client == client).map(|one| one.name.clone())
    }

    /// Which secrets the tenants' own applications have and had, and how often each was presented.
    /// No secret.
    #[must_use]
    pub fn credentials(&self) -> Value {
        snapshot::credentials(&self.state().tenants)
    }

    /// Notes in a tenant what is no change of anybody's; `None` if there is no such tenant.
    pub fn note<R>(&self, tenant: Uuid, note: impl FnOnce(&mut Tenant) -> R) -> Option<R> {
        self.state().tenants.get_mut(&tenant).map(note)
    }

    fn state(&self) -> MutexGuard<'_, State> {
        // A panic elsewhere leaves no half-made change behind: each is a few plain assignments.
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// A write as the record shows it.
#[must_use]
pub fn effect(effect: &Effect) -> Value {
    snapshot::of_effect(effect)
}

/// A time as Graph writes it.
#[must_use]
pub fn written(at: OffsetDateTime) -> String {
    // RFC 3339 has no year above 9999, which no clock here shows.
    at.replace_nanosecond(0).unwrap_or(at).format(&Rfc3339).unwrap_or_default()
}
