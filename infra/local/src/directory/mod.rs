//! Entra's tenants: people, groups, applications, directory roles, and what was done to them.
//!
//! Microsoft Graph reads and writes this; the sign-in page picks people from it; tests look at
//! what Graph hides.

mod access;
pub mod alteration;
pub mod audit;
pub mod credentials;
pub mod custom_role;
mod device;
pub mod federation;
mod growth;
mod method;
pub mod own;
pub mod principal;
pub mod registration;
mod seed;
mod snapshot;
mod tenant;
#[cfg(test)]
mod tests;
mod tracked;
mod unaltered;

use std::{
    collections::BTreeMap,
    sync::{Mutex, MutexGuard, PoisonError},
};

use serde::Deserialize;
use serde_json::Value;
use time::{OffsetDateTime, format_description::well_known::Rfc3339};
use uuid::Uuid;

use crate::{cloud::Names, identities::Identities};

pub use self::{
    access::{AccessPolicy, PolicyState},
    device::{Device, RecoveryKey},
    growth::{Growth, Touch},
    method::{Method, MethodKind},
    registration::{Issued, Propagation, Registration},
    tenant::{Assignment, Group, Licence, Pass, Person, Risk, Role, Tenant},
    tracked::Tracked,
    unaltered::NoSuchSnapshot,
};
use self::{
    alteration::{Alteration, NotAltered},
    unaltered::Unaltered,
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
    /// Which delta tokens are good.
    deltas: Deltas,
    /// Whether Graph shows everything in another order and spelling.
    shuffled: bool,
    /// What can be restored.
    unaltered: Vec<Unaltered>,
}

/// Which delta tokens are good, and how others are refused.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Deltas {
    /// What a good token names. Random at the start, so that no token of another run is good.
    pub generation: Uuid,
    /// How one is refused that names another.
    pub refused: Resync,
}

/// How Graph says that somebody must read everything anew.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Resync {
    /// 410, as after its own maintenance.
    Gone,
    /// 400, as for a token that is older than a week.
    Aged,
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
    /// Object id of the service principal that did it.
    pub principal: Uuid,
    /// `client-request-id`, or what stands for it.
    pub correlation: Uuid,
    /// `User-Agent`
    pub agent: Option<String>,
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
    #[expect(clippy::expect_used, reason = "the file is part of this binary, and tests read it")]
    pub fn new(names: &Names) -> Self {
        let identities = Identities::parse(crate::IDENTITIES).expect("identities.json is right");
        let (tenants, issued) = seed::tenants(&identities, names, OffsetDateTime::now_utc());
        Self {
            state: Mutex::new(State {
                tenants,
                effects: Vec::new(),
                propagation: Propagation::default(),
                issued,
                deltas: Deltas { generation: Uuid::new_v4(), refused: Resync::Gone },
                shuffled: false,
                unaltered: Vec::new(),
            }),
        }
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

    /// Everybody in a tenant whom the seed lists, in its order.
    #[must_use]
    pub fn people(&self, tenant: Uuid) -> Vec<PersonCard> {
        let state = self.state();
        let Some(tenant) = state.tenants.get(&tenant) else {
            return Vec::new();
        };
        let seeded = tenant.people.values().filter(|person| person.order < growth::FIRST);
        let mut people: Vec<&Person> = seeded.collect();
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
            state.remember(effect);
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
            state.remember(effect);
        }
        Some(changed)
    }

    /// Keeps in the audit log that somebody was told a secret, which changes nothing.
    pub fn told(&self, effect: &Effect) {
        self.state().log(effect);
    }

    /// Changes the directory as its owner, or whoever took it over, can. Returns what only the
    /// change can tell: ids, and a secret.
    ///
    /// # Errors
    ///
    /// What is not there, or is there already.
    pub fn alter(&self, tenant: Uuid, alteration: Alteration) -> Result<Value, NotAltered> {
        let mut state = self.state();
        let propagation = state.propagation;
        alteration.apply(&mut state.tenants, tenant, propagation, OffsetDateTime::now_utc())
    }

    /// Fills a tenant with people and third parties' applications; `false` if there is no such
    /// tenant.
    pub fn grow(&self, tenant: Uuid, growth: Growth) -> bool {
        let mut state = self.state();
        state.tenants.get_mut(&tenant).map(|tenant| growth.apply(tenant)).is_some()
    }

    /// Changes some of those applications; `None` if there is no such tenant, else how many.
    pub fn touch(&self, tenant: Uuid, touch: Touch) -> Option<usize> {
        self.state().tenants.get_mut(&tenant).map(|tenant| touch.apply(tenant))
    }

    /// Remembers applications, service principals, grants, groups, directory roles, policies and
    /// audit logs of all tenants as they are; returns the number to restore them by.
    pub fn keep(&self) -> usize {
        let mut state = self.state();
        let kept = Unaltered::of(&state.tenants);
        state.unaltered.push(kept);
        state.unaltered.len()
    }

    /// Makes them what they were.
    ///
    /// # Errors
    ///
    /// If nothing was kept under this number.
    pub fn restore(&self, number: usize) -> Result<(), NoSuchSnapshot> {
        let mut state = self.state();
        let State { unaltered, tenants, .. } = &mut *state;
        let kept = number.checked_sub(1).and_then(|index| unaltered.get(index));
        kept.ok_or(NoSuchSnapshot)?.restore(tenants);
        Ok(())
    }

    /// Which delta tokens are good.
    #[must_use]
    pub fn deltas(&self) -> Deltas {
        self.state().deltas
    }

    /// Makes every delta token that was ever handed out useless.
    pub fn expire_deltas(&self, refused: Resync) {
        self.state().deltas = Deltas { generation: Uuid::new_v4(), refused };
    }

    /// Whether Graph shows everything in another order and spelling.
    #[must_use]
    pub fn is_shuffled(&self) -> bool {
        self.state().shuffled
    }

    /// Sets that.
    pub fn shuffle(&self, shuffled: bool) {
        self.state().shuffled = shuffled;
    }

    /// Registers one more redirect URI of an application, for its people's browsers; `false` if
    /// there is no such application.
    pub fn register_redirect(&self, client: Uuid, uri: &str) -> bool {
        let mut state = self.state();
        let mut all = state
            .tenants
            .values()
            .filter_map(|tenant| Some((tenant.id, tenant.registration_of(client)?.id)));
        let Some((home, id)) = all.next() else {
            return false;
        };
        alteration::registered(&mut state.tenants, home, id, |registration| {
            let web = &mut registration.redirects.web;
            if !web.iter().any(|known| known == uri) {
                web.push(uri.to_owned());
            }
        });
        true
    }

    /// Whether this is a redirect URI of an application.
    #[must_use]
    pub fn may_redirect(&self, client: Uuid, uri: &str) -> bool {
        let state = self.state();
        let mut all = state.tenants.values().filter_map(|tenant| tenant.registration_of(client));
        all.any(|registration| registration.redirects.all().any(|known| known == uri))
    }

    /// Whether this is a redirect URI of any application of Airlock's.
    #[must_use]
    pub fn is_redirect(&self, uri: &str) -> bool {
        let state = self.state();
        let mut all = state.tenants.values().flat_map(|tenant| tenant.registrations.values());
        all.any(|one| one.ours && one.redirects.all().any(|known| known == uri))
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

    /// The display name of the application with this client id.
    #[must_use]
    pub fn registered(&self, client: Uuid) -> Option<String> {
        let state = self.state();
        let mut all = state.tenants.values().filter_map(|tenant| tenant.registration_of(client));
        all.next().map(|one| one.name.clone())
    }

    /// Which secrets third parties' applications have and had, and how often each was presented.
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

impl State {
    fn remember(&mut self, effect: Effect) {
        self.log(&effect);
        self.effects.push(effect);
    }

    fn log(&mut self, effect: &Effect) {
        if let Some(tenant) = self.tenants.get_mut(&effect.tenant) {
            for draft in audit::drafts(tenant, effect) {
                tenant.audits.add(draft);
            }
        }
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
