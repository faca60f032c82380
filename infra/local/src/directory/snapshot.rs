//! The whole directory as JSON, for tests and the curious.

use std::collections::BTreeMap;

use serde_json::{Map, Value, json};
use uuid::Uuid;

use super::{Device, Effect, Pass, Person, Registration, Tenant, registration::Password, written};

/// Tenants by id, and the effects in order.
pub fn of(tenants: &BTreeMap<Uuid, Tenant>, effects: &[Effect]) -> Value {
    json!({
        "tenants": object(tenants.values().map(|tenant| (tenant.id.to_string(), of_tenant(tenant)))),
        "effects": effects.iter().map(of_effect).collect::<Vec<_>>(),
    })
}

fn of_tenant(tenant: &Tenant) -> Value {
    let groups = tenant.groups.values().map(|group| {
        let what = json!({
            "id": group.id,
            "isAssignableToRole": group.role_assignable,
            "dynamic": group.dynamic,
            "members": group.members,
            "owners": group.owners,
        });
        (group.name.clone(), what)
    });
    json!({
        "id": tenant.id,
        "name": tenant.name,
        "domain": tenant.domain,
        "people": object(tenant.people.values().map(|person| {
            (person.user_principal_name.clone(), of_person(tenant, person))
        })),
        "groups": object(groups),
        "devices": object(tenant.devices.values().map(|device| {
            (device.name.clone(), of_device(device))
        })),
        "licences": object(tenant.licences.values().map(|licence| {
            let holders = tenant.holders(licence.sku);
            let what = json!({ "skuId": licence.sku, "units": licence.units, "holders": holders });
            (licence.name.clone(), what)
        })),
        "applications": object(third_parties(tenant).map(|registration| {
            (registration.name.clone(), of_registration(registration))
        })),
        "accessPolicies": object(tenant.access_policies.iter().map(|policy| {
            let what = json!({
                "id": policy.id, "state": policy.state.as_str(), "contexts": policy.contexts,
            });
            (policy.name.clone(), what)
        })),
    })
}

/// By tenant and display name: the ids of applications, and what became of each of their secrets.
pub fn credentials(tenants: &BTreeMap<Uuid, Tenant>) -> Value {
    object(tenants.values().map(|tenant| {
        let applications = third_parties(tenant)
            .map(|registration| (registration.name.clone(), of_registration(registration)));
        (tenant.id.to_string(), object(applications))
    }))
}

/// The registrations whose secrets are rotated. Airlock's own have none.
fn third_parties(tenant: &Tenant) -> impl Iterator<Item = &Registration> {
    tenant.registrations.values().filter(|registration| !registration.ours)
}

fn of_registration(registration: &Registration) -> Value {
    json!({
        "id": registration.id,
        "appId": registration.client,
        "servicePrincipal": registration.principal,
        "owners": registration.owners,
        "credentials": registration.credentials.history().iter().map(of_password).collect::<Vec<_>>(),
        "strangers": registration.credentials.strangers(),
    })
}

fn of_password(password: &Password) -> Value {
    json!({
        "keyId": password.key_id,
        "displayName": password.name,
        "startDateTime": written(password.start),
        "endDateTime": written(password.end),
        "removedDateTime": password.removed.map(written),
        "accepted": password.accepted,
        "refused": password.refused,
    })
}

fn of_person(tenant: &Tenant, person: &Person) -> Value {
    json!({
        "id": person.id,
        "displayName": person.name(),
        "userPrincipalName": person.user_principal_name,
        "accountEnabled": person.enabled,
        "onPremisesSyncEnabled": person.synced,
        "userType": if person.guest { "Guest" } else { "Member" },
        "appRoles": person.app_roles,
        "directoryRoles": tenant.roles_of(person.id).iter().map(|role| role.name.clone()).collect::<Vec<_>>(),
        "what": tenant.describe(person),
        "signInSessionsValidFromDateTime": written(person.sessions_valid_from),
        "revocations": person.revocations,
        "password": person.password.value,
        "passwordChanges": person.password.changes,
        "lastPasswordChangeDateTime": written(person.password.changed),
        "forceChangePasswordNextSignIn": person.password.must_change,
        "forceChangePasswordNextSignInWithMfa": person.password.must_change_with_mfa,
        "temporaryAccessPasses": person.passes.iter().enumerate().map(|(index, pass)| {
            of_pass(pass, index + 1 < person.passes.len())
        }).collect::<Vec<_>>(),
        "methods": person.methods.iter().map(|method| {
            let default = person.default_method() == Some(method);
            json!({ "id": method.id, "kind": method.kind.in_types(), "default": default })
        }).collect::<Vec<_>>(),
        "usageLocation": person.usage_location,
        "licences": person.licences,
        "risk": person.risk.state(),
    })
}

fn of_device(device: &Device) -> Value {
    json!({
        "id": device.id,
        "deviceId": device.own_id,
        "owners": device.owners,
        "users": device.users,
        "credentials": device.credentials.iter().map(|credential| json!({
            "account": credential.account,
            "backupDateTime": written(credential.backed_up),
            "password": credential.password,
        })).collect::<Vec<_>>(),
        "recoveryKeys": device.recovery_keys.iter().map(|key| json!({
            "id": key.id,
            "key": key.key,
            "told": key.told,
        })).collect::<Vec<_>>(),
    })
}

fn of_pass(pass: &Pass, replaced: bool) -> Value {
    json!({
        "id": pass.id,
        "temporaryAccessPass": pass.value,
        "createdDateTime": written(pass.created),
        "startDateTime": written(pass.start),
        "lifetimeInMinutes": pass.lifetime_min,
        "isUsableOnce": pass.once,
        "replaced": replaced,
    })
}

/// One write as the record and the snapshot show it.
pub fn of_effect(effect: &Effect) -> Value {
    json!({
        "time": written(effect.at),
        "tenant": effect.tenant,
        "application": effect.application,
        "method": effect.method,
        "path": effect.path,
        "user": effect.person,
        "change": effect.change,
    })
}

fn object(entries: impl Iterator<Item = (String, Value)>) -> Value {
    Value::Object(entries.collect::<Map<_, _>>())
}
