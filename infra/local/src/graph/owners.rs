//! Who owns applications and service principals, and what service principals own.

use std::collections::BTreeSet;

use serde_json::{Value, json};
use uuid::Uuid;

use super::{
    applications,
    call::{Call, Outcome},
    memberships,
    page::{Cast, cut, with_selection},
    permissions,
    problem::Refusal,
    service_principals, users,
};
use crate::directory::Tenant;

const OPTIONS: &[&str] = &["$select", "$top", "$skiptoken"];

/// What can be selected of objects of several kinds.
const COMMON: &[&str] = &["id", "appId", "displayName", "userPrincipalName"];

/// `GET /applications/{id}/owners`
pub fn of_application(call: &Call<'_>) -> Outcome {
    owners(call, |tenant| Ok(applications::named(call, tenant)?.owners.clone()))
}

/// `GET /servicePrincipals/{id}/owners`
pub fn of_principal(call: &Call<'_>) -> Outcome {
    owners(call, |tenant| Ok(service_principals::named(call, tenant)?.owners.clone()))
}

fn owners(call: &Call<'_>, of: impl FnOnce(&Tenant) -> Result<BTreeSet<Uuid>, Refusal>) -> Outcome {
    call.needs(permissions::READ_APPLICATIONS)?;
    call.only(OPTIONS)?;
    let selected = call.selected("directoryObject", COMMON)?;
    // Whoever may not read people sees no more of them than that they are there.
    let reads_people = permissions::READ_USERS.iter().any(|one| call.may(one));
    let owners = call.look(|tenant| {
        let owners = of(tenant)?;
        let shown = owners.iter().map(|owner| {
            let (kind, object) = match (tenant.principals.get(owner), tenant.people.get(owner)) {
                (Some(principal), _) => ("servicePrincipal", service_principals::shown(principal)),
                (None, Some(person)) if reads_people => {
                    ("user", cut(&users::user(person), users::DEFAULT))
                }
                _ => ("user", json!({ "id": owner })),
            };
            (owner.to_string(), typed(kind, &object, selected.as_deref()))
        });
        Ok(shown.collect())
    })?;
    call.page(&with_selection("directoryObjects", selected.as_deref()), owners)
}

/// `GET /servicePrincipals/{id}/ownedObjects`, narrowed or not
pub fn owned(call: &Call<'_>) -> Outcome {
    call.needs(permissions::READ_APPLICATIONS)?;
    call.only(OPTIONS)?;
    let selected = call.selected("directoryObject", COMMON)?;
    let cast = call.lower.get(3).and_then(|segment| Cast::of(segment));
    let objects = call.look(|tenant| {
        let owner = service_principals::named(call, tenant)?.id;
        let mut objects: Vec<(&str, Value)> = Vec::new();
        for one in tenant.registrations.values().filter(|one| one.owners.contains(&owner)) {
            objects.push(("application", applications::shown(tenant, one)));
        }
        for one in tenant.principals.values().filter(|one| one.owners.contains(&owner)) {
            objects.push(("servicePrincipal", service_principals::shown(one)));
        }
        objects.extend(tenant.owned_by(owner).map(|group| ("group", memberships::group(group))));
        let kept = objects.into_iter().filter(|(kind, _)| cast.is_none_or(|cast| cast.is(kind)));
        let shown = kept.map(|(kind, object)| {
            let id = object["id"].to_string();
            let mut object = typed(kind, &object, selected.as_deref());
            if cast.is_some() {
                // Only a mixed collection says of each object what it is.
                if let Some(object) = object.as_object_mut() {
                    object.remove("@odata.type");
                }
            }
            (id, object)
        });
        Ok(shown.collect())
    })?;
    let what = cast.map_or("directoryObjects", Cast::collection);
    call.page(&with_selection(what, selected.as_deref()), objects)
}

fn typed(kind: &str, object: &Value, selected: Option<&[&str]>) -> Value {
    let mut shown = selected.map_or_else(|| object.clone(), |selected| cut(object, selected));
    shown["@odata.type"] = json!(format!("#microsoft.graph.{kind}"));
    shown
}
