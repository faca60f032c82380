//! What of Airlock's, and of Azure's, stands in a tenant: registrations in the tenant of the
//! deployment, service principals in every tenant, all as `identities.json` says.

use std::{collections::BTreeMap, sync::LazyLock};

use serde::Deserialize;
use time::{Duration, OffsetDateTime};
use uuid::Uuid;

use super::{
    credentials::Certificate,
    federation::FederatedCredential,
    principal::{GRAPH, Kind, MICROSOFT, RoleGrant, ServicePrincipal},
    registration::{AppRole, Lock, Redirects, Registration, Scope},
    tenant::Tenant,
};
use crate::{
    cloud::{Names, audience},
    identities::{
        Application, Identities, application_id, client_id, principal_id, registration_id,
        service_principal_id, stable_id,
    },
};

/// The application that people sign in to.
const PORTAL: &str = "airlock-portal";

/// How long a certificate of a managed identity is valid, in days.
const CERTIFICATE_DAYS: i64 = 90;
/// How much of that is left at first, in days: more than this cloud will run.
const CERTIFICATE_LEFT_DAYS: i64 = 60;

/// Ids of Graph's permissions, which are its app roles and scopes.
const PERMISSIONS: &str = include_str!("graph_permissions.json");

#[expect(clippy::expect_used, reason = "the table is part of this binary, and a test reads it")]
static KNOWN: LazyLock<Permissions> = LazyLock::new(|| {
    serde_json::from_str(PERMISSIONS).expect("the table is what this module describes")
});

#[derive(Clone, Deserialize)]
#[serde(deny_unknown_fields)]
struct Permissions {
    application: BTreeMap<String, Uuid>,
    delegated: BTreeMap<String, Uuid>,
}

/// Puts all of it into a tenant, whose own registrations and directory roles are there already.
pub fn provide(tenant: &mut Tenant, identities: &Identities, names: &Names, now: OffsetDateTime) {
    let is_home = tenant.id == names.tenant;
    if is_home {
        tenant.define_roles(identities);
    }
    let graph = graph(tenant);
    let mut principals: Vec<ServicePrincipal> = Vec::new();
    for registration in tenant.registrations.values() {
        let mut principal = ServicePrincipal::of(registration, registration.principal, tenant.id);
        principal.held = held(&graph, &principal, &registration.required, tenant.created);
        principals.push(principal);
    }
    for (name, application) in &identities.applications {
        let registration = registration(name, application, names, tenant);
        let id = service_principal_id(name, tenant.id);
        let mut principal = ServicePrincipal::of(&registration, id, names.tenant);
        principal.created = tenant.created;
        principal.held = held(&graph, &principal, &registration.required, tenant.created);
        for role in &application.directory_roles {
            tenant.assign(id, role, None);
        }
        if is_home {
            for target in &application.removes_credentials_of {
                tenant.let_remove_credentials(id, registration_id(target));
            }
            tenant.registrations.insert(registration.id, registration);
        }
        principals.push(principal);
    }
    if is_home {
        principals.extend(managed_identities(tenant, identities, &principals, now));
    }
    principals.push(graph);
    tenant.principals = principals.into_iter().map(|principal| (principal.id, principal)).collect();
}

/// The id of an application permission of Microsoft Graph.
#[must_use]
pub fn permission(name: &str) -> Option<Uuid> {
    KNOWN.application.get(name).copied()
}

/// Microsoft Graph, as every tenant has it.
fn graph(tenant: &Tenant) -> ServicePrincipal {
    let known = KNOWN.clone();
    let id = stable_id("service-principal", &format!("{GRAPH}/{}", tenant.id));
    let name = "Microsoft Graph".to_owned();
    let registration = Registration::new(Uuid::nil(), GRAPH, id, name, tenant.created);
    let role = |(value, id)| AppRole { id, value, of_applications: true };
    let scope = |(value, id)| Scope { id, value };
    ServicePrincipal {
        app_roles: known.application.into_iter().map(role).collect(),
        scopes: known.delegated.into_iter().map(scope).collect(),
        audience: Some("AzureADMultipleOrgs".to_owned()),
        names: vec![GRAPH.to_string(), audience::GRAPH.to_owned()],
        ..ServicePrincipal::of(&registration, id, MICROSOFT)
    }
}

fn registration(
    name: &str,
    application: &Application,
    names: &Names,
    tenant: &Tenant,
) -> Registration {
    let principal = service_principal_id(name, tenant.id);
    let (id, client) = (registration_id(name), application_id(name));
    let mut made = Registration {
        ours: true,
        audience: "AzureADMultipleOrgs".to_owned(),
        lock: Lock::FULL,
        ..Registration::new(id, client, principal, name.to_owned(), tenant.created)
    };
    if name == PORTAL {
        made.redirects = Redirects {
            web: vec![format!("{}/auth/callback", names.api)],
            logout: Some(format!("{}/auth/front-channel-sign-out", names.api)),
            ..Redirects::default()
        };
    }
    made.federated.extend(application.trusts.as_ref().map(|identity| FederatedCredential {
        id: stable_id("federated-credential", &format!("{name}/{identity}")),
        name: format!("airlock-{identity}"),
        issuer: format!("https://login.microsoftonline.com/{}/v2.0", names.tenant),
        subject: principal_id(identity).to_string(),
        audience: audience::EXCHANGE.to_owned(),
        created: tenant.created,
    }));
    let scope = |value: &String| Scope { id: scope_id(name, value), value: value.clone() };
    made.scopes = application.scopes.iter().map(scope).collect();
    made.app_roles = application.app_roles.iter().map(|role| AppRole::named(role)).collect();
    made.required = application.permissions.iter().filter_map(|name| permission(name)).collect();
    made
}

/// The id of a delegated scope that an application exposes.
#[must_use]
pub fn scope_id(application: &str, value: &str) -> Uuid {
    stable_id("scope", &format!("{application}/{value}"))
}

/// Graph's app roles, assigned as they are asked for.
fn held(
    graph: &ServicePrincipal,
    principal: &ServicePrincipal,
    roles: &[Uuid],
    created: OffsetDateTime,
) -> Vec<RoleGrant> {
    let grant = |role: &Uuid| RoleGrant {
        id: grant_id(principal.id, *role),
        resource: graph.id,
        role: *role,
        created,
    };
    roles.iter().map(grant).collect()
}

/// The id of the assignment of an app role.
#[must_use]
pub fn grant_id(principal: Uuid, role: Uuid) -> Uuid {
    stable_id("app-role-assignment", &format!("{principal}/{role}"))
}

/// The certificate by which Azure proves a managed identity to Entra. Azure makes and renews it,
/// and nobody else has its key.
fn platforms_own(name: &str, client: Uuid, now: OffsetDateTime) -> Certificate {
    Certificate {
        key_id: stable_id("managed-identity-certificate", name),
        name: format!("CN={client}"),
        start: now - Duration::days(CERTIFICATE_DAYS - CERTIFICATE_LEFT_DAYS),
        end: now + Duration::days(CERTIFICATE_LEFT_DAYS),
    }
}

fn managed_identities(
    tenant: &Tenant,
    identities: &Identities,
    applications: &[ServicePrincipal],
    now: OffsetDateTime,
) -> Vec<ServicePrincipal> {
    let made = identities.identities.iter().map(|(name, identity)| {
        let (id, client) = (principal_id(name), client_id(name));
        let shown = format!("airlock-{name}");
        let registration = Registration::new(Uuid::nil(), client, id, shown, tenant.created);
        let mut principal = ServicePrincipal::of(&registration, id, tenant.id);
        principal.kind = Kind::ManagedIdentity(format!(
            "/subscriptions/{}/resourcegroups/airlock-local/providers/\
             Microsoft.ManagedIdentity/userAssignedIdentities/airlock-{name}",
            stable_id("subscription", "airlock-local")
        ));
        principal.audience = None;
        principal.credentials.certificates.push(platforms_own(name, client, now));
        for called in &identity.calls {
            let called = applications.iter().find(|one| one.name == *called);
            for (resource, role) in called
                .iter()
                .flat_map(|called| called.app_roles.iter().map(|role| (called.id, role.id)))
            {
                let id = grant_id(id, role);
                principal.held.push(RoleGrant { id, resource, role, created: tenant.created });
            }
        }
        principal
    });
    made.collect()
}
