//! Carries alterations out.

use std::collections::BTreeMap;

use serde_json::{Value, json};
use time::{Duration, OffsetDateTime};
use uuid::Uuid;

use super::{Alteration, NotAltered, Owner, credentials, grants};
use crate::{
    directory::{
        Propagation, Tenant,
        audit::{Activity, By, Draft, target},
        own::scope_id,
        principal::ServicePrincipal,
        registration::{AppRole, Registration, Scope},
    },
    identities::stable_id,
};

/// Whatever an alteration tells, or why nothing was changed.
pub(super) type Outcome = Result<Value, NotAltered>;

pub(super) fn absent(what: &str) -> NotAltered {
    NotAltered::Absent(what.to_owned())
}

pub(super) fn standing(what: &str) -> NotAltered {
    NotAltered::Standing(what.to_owned())
}

/// Where and when something is altered.
pub(super) struct Scene<'a> {
    pub(super) tenants: &'a mut BTreeMap<Uuid, Tenant>,
    pub(super) home: Uuid,
    pub(super) propagation: Propagation,
    pub(super) now: OffsetDateTime,
}

impl Alteration {
    /// Carries it out in one tenant, or changes nothing.
    ///
    /// # Errors
    ///
    /// What is not there, or is there already.
    pub fn apply(
        self,
        tenants: &mut BTreeMap<Uuid, Tenant>,
        home: Uuid,
        propagation: Propagation,
        now: OffsetDateTime,
    ) -> Outcome {
        if !tenants.contains_key(&home) {
            return Err(absent(&home.to_string()));
        }
        let scene = &mut Scene { tenants, home, propagation, now };
        match self {
            Self::AddPassword { on, name, days } => scene.add_password(&on, name, days),
            Self::AddCertificate { on, name, days } => scene.add_certificate(&on, name, days),
            Self::RemoveCredential { on, key_id } => scene.remove_credential(&on, key_id),
            Self::AddFederatedCredential { application, name, issuer, subject, audience } => {
                let values = credentials::Values { issuer, subject: Some(subject), audience };
                scene.trust(&application, name, values)
            }
            Self::ChangeFederatedCredential { application, name, issuer, subject, audience } => {
                let values = credentials::Values { issuer, subject, audience };
                scene.trust_otherwise(&application, name.as_deref(), values)
            }
            Self::RemoveFederatedCredential { application, name } => {
                scene.trust_no_more(&application, name.as_deref())
            }
            Self::AddOwner { of, owner } => scene.own(&of, &owner, true),
            Self::RemoveOwner { of, owner } => scene.own(&of, &owner, false),
            Self::GrantAppRole { to, role, resource } => {
                grants::assign(scene.tenant()?, (&to, &role, resource.as_deref()), now)
            }
            Self::RevokeAppRole { from, role, resource } => {
                grants::withdraw(scene.tenant()?, (&from, &role, resource.as_deref()))
            }
            Self::AddGrant { client, scope, resource, person } => {
                let who = (client.as_str(), resource.as_deref(), person.as_deref());
                grants::consent(scene.tenant()?, who, scope)
            }
            Self::RemoveGrants { client } => grants::consent_no_more(scene.tenant()?, &client),
            Self::AddDirectoryRole { to, role, application } => {
                grants::give_role(scene.tenant()?, &to, &role, application.as_deref())
            }
            Self::RemoveDirectoryRole { from, role } => {
                grants::take_role(scene.tenant()?, &from, &role)
            }
            Self::SetRoleActions { role, actions } => {
                grants::allow(scene.tenant()?, &role, actions)
            }
            Self::RemoveRole { role } => grants::define_no_more(scene.tenant()?, &role),
            Self::AddToGroup { service_principal, group } => {
                grants::join(scene.tenant()?, &service_principal, &group)
            }
            Self::SetEnabled { service_principal, enabled } => {
                let tenant = scene.tenant()?;
                let id = principal(tenant, &service_principal)?.id;
                if let Some(principal) = tenant.principals.get_mut(&id) {
                    principal.enabled = enabled;
                }
                Ok(json!({}))
            }
            Self::WriteAudit { by, activity, target, correlation, seconds_ago } => {
                let at = now - Duration::seconds(i64::from(seconds_ago.unwrap_or_default()));
                let correlation = correlation.unwrap_or_else(Uuid::new_v4);
                write_audit(scene.tenant()?, (&by, target.as_deref()), activity, (at, correlation))
            }
            Self::RemoveApplication { application } => scene.remove_application(&application),
            policy @ (Self::SetAccessPolicy { .. } | Self::RemoveAccessPolicy { .. }) => {
                policy.of_access(scene.tenant()?, now)
            }
            registration => registration.of_registration(scene),
        }
    }

    fn of_access(self, tenant: &mut Tenant, now: OffsetDateTime) -> Outcome {
        let group = |tenant: &Tenant, name: &String| {
            let found = tenant.groups.values().find(|group| group.name == *name);
            found.map(|group| group.id).ok_or_else(|| absent(name))
        };
        let groups = |tenant: &Tenant, names: Option<Vec<String>>| {
            names.map(|names| names.iter().map(|name| group(tenant, name)).collect()).transpose()
        };
        match self {
            Self::RemoveAccessPolicy { policy } => {
                let all = &mut tenant.access_policies;
                let index = all.iter().position(|one| one.name == policy);
                all.remove(index.ok_or_else(|| absent(&policy))?);
            }
            Self::SetAccessPolicy {
                policy,
                state,
                contexts,
                applications,
                groups: for_groups,
                excluded_groups,
                controls,
            } => {
                let for_groups: Option<Vec<Uuid>> = groups(tenant, for_groups)?;
                let excluded_groups: Option<Vec<Uuid>> = groups(tenant, excluded_groups)?;
                let all = &mut tenant.access_policies;
                let found = all.iter_mut().find(|one| one.name == policy);
                let found = found.ok_or_else(|| absent(&policy))?;
                set(&mut found.state, state);
                set(&mut found.contexts, contexts);
                set(&mut found.applications, applications);
                set(&mut found.groups, for_groups);
                set(&mut found.excluded_groups, excluded_groups);
                set(&mut found.controls, controls);
                found.modified = Some(now);
            }
            _ => {}
        }
        Ok(json!({}))
    }

    fn of_registration(self, scene: &mut Scene<'_>) -> Outcome {
        let mut told = json!({});
        match self {
            Self::SetRedirects {
                application,
                web,
                spa,
                public_client,
                fallback_public,
                implicit_access_tokens,
                implicit_id_tokens,
            } => scene.registration(&application, |registration| {
                let redirects = &mut registration.redirects;
                set(&mut redirects.web, web);
                set(&mut redirects.spa, spa);
                set(&mut redirects.public_client, public_client);
                set(&mut redirects.fallback_public, fallback_public);
                set(&mut redirects.implicit_access_tokens, implicit_access_tokens);
                set(&mut redirects.implicit_id_tokens, implicit_id_tokens);
            })?,
            Self::SetLock {
                application,
                enabled,
                all_properties,
                verify,
                sign,
                token_encryption,
            } => scene.registration(&application, |registration| {
                let lock = &mut registration.lock;
                set(&mut lock.enabled, enabled);
                set(&mut lock.all_properties, all_properties);
                set(&mut lock.verify, verify);
                set(&mut lock.sign, sign);
                set(&mut lock.token_encryption, token_encryption);
            })?,
            Self::SetAudience { application, audience } => {
                scene
                    .registration(&application, |registration| registration.audience = audience)?;
            }
            Self::ExposeScope { application, value } => {
                let id = scope_id(&application, &value);
                told = json!({ "id": id });
                scene.registration(&application, |registration| {
                    registration.scopes.push(Scope { id, value });
                })?;
            }
            Self::ExposeAppRole { application, value } => {
                let id = stable_id("app-role", &format!("{application}/{value}"));
                let role = AppRole { id, ..AppRole::named(&value) };
                told = json!({ "id": role.id });
                scene
                    .registration(&application, |registration| registration.app_roles.push(role))?;
            }
            Self::PreAuthorize { application, client } => {
                scene.registration(&application, |registration| {
                    let scopes = registration.scopes.iter().map(|scope| scope.id).collect();
                    registration.pre_authorized.push((client, scopes));
                })?;
            }
            _ => {}
        }
        Ok(told)
    }
}

impl Scene<'_> {
    pub(super) fn tenant(&mut self) -> Result<&mut Tenant, NotAltered> {
        let home = self.home;
        self.tenants.get_mut(&home).ok_or_else(|| absent(&home.to_string()))
    }

    /// Changes a registration, and with it what its service principals say everywhere.
    fn registration(
        &mut self,
        application: &str,
        change: impl FnOnce(&mut Registration),
    ) -> Result<(), NotAltered> {
        let id = registration(self.tenant()?, application)?.id;
        registered(self.tenants, self.home, id, change);
        Ok(())
    }

    fn remove_application(&mut self, application: &str) -> Outcome {
        let tenant = self.tenant()?;
        let found = registration(tenant, application)?;
        // Too much of the cloud goes by the names of Airlock's own.
        if found.ours {
            return Err(standing(application));
        }
        let (id, principal) = (found.id, found.principal);
        tenant.registrations.remove(&id);
        tenant.principals.remove(&principal);
        Ok(json!({ "id": id, "service_principal": principal }))
    }
}

/// Changes a registration of one tenant, and with it what its service principals say everywhere.
pub fn registered(
    tenants: &mut BTreeMap<Uuid, Tenant>,
    home: Uuid,
    id: Uuid,
    change: impl FnOnce(&mut Registration),
) {
    let found = tenants.get_mut(&home).and_then(|tenant| tenant.registrations.get_mut(&id));
    let Some(registration) = found else { return };
    change(registration);
    let registration = registration.clone();
    for tenant in tenants.values_mut() {
        let Some(id) = tenant.principal_of(registration.client).map(|one| one.id) else { continue };
        if let Some(principal) = tenant.principals.get_mut(&id) {
            principal.follow(&registration);
        }
    }
}

/// The registration of this name or id.
pub(super) fn registration<'t>(
    tenant: &'t Tenant,
    named: &str,
) -> Result<&'t Registration, NotAltered> {
    let id = Uuid::try_parse(named).ok();
    let mut all = tenant.registrations.values();
    all.find(|one| one.name == named || Some(one.id) == id || Some(one.client) == id)
        .ok_or_else(|| absent(named))
}

/// The service principal of this name or id.
pub(super) fn principal<'t>(
    tenant: &'t Tenant,
    named: &str,
) -> Result<&'t ServicePrincipal, NotAltered> {
    let id = Uuid::try_parse(named).ok();
    let mut all = tenant.principals.values();
    all.find(|one| one.name == named || Some(one.id) == id || Some(one.client) == id)
        .ok_or_else(|| absent(named))
}

/// The person, registration or service principal of this name or id.
fn object(tenant: &Tenant, named: &str) -> Result<Uuid, NotAltered> {
    let person = tenant.person(named).map(|person| person.id);
    person
        .or_else(|| registration(tenant, named).ok().map(|one| one.id))
        .map_or_else(|| principal(tenant, named).map(|one| one.id), Ok)
}

fn write_audit(
    tenant: &mut Tenant,
    (by, done_to): (&Owner, Option<&str>),
    activity: String,
    (at, correlation): (OffsetDateTime, Uuid),
) -> Outcome {
    let by = match by {
        Owner::ServicePrincipal(named) => {
            let by = principal(tenant, named)?;
            By::Application(by.id, by.name.clone())
        }
        Owner::Person(named) => {
            let by = tenant.person(named).ok_or_else(|| absent(named))?;
            By::Person(by.id, by.user_principal_name.clone())
        }
    };
    let done_to = done_to.map(|named| object(tenant, named)).transpose()?;
    tenant.audits.add(Draft {
        at,
        correlation,
        activity: Activity {
            name: activity,
            category: "UserManagement",
            service: "Core Directory",
            operation: "Update",
            reason: String::new(),
        },
        by,
        targets: done_to.into_iter().map(|id| target(tenant, id)).collect(),
        agent: None,
    });
    Ok(json!({ "correlation": correlation }))
}

fn set<T>(what: &mut T, to: Option<T>) {
    if let Some(to) = to {
        *what = to;
    }
}
