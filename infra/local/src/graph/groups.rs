//! Groups: what they are, what they are in, and who comes and goes.

use http::StatusCode;
use serde_json::json;
use uuid::Uuid;

use super::{
    call::{Call, Outcome, Reply},
    context,
    memberships::{GROUP, directory_objects, directory_role, group},
    page::{cut, with_selection},
    permissions,
    problem::Refusal,
};
use crate::directory::{Group, Tenant};

/// `GET /groups/{id}`
pub fn one(call: &Call<'_>) -> Outcome {
    call.needs(permissions::READ_GROUP)?;
    call.only(&["$select"])?;
    let selected = call.selected("group", GROUP)?;
    let found = call.look(|tenant| Ok(group(named(call, tenant)?)))?;
    let mut body = cut(&found, selected.as_deref().unwrap_or(GROUP));
    let what = with_selection("groups", selected.as_deref());
    body["@odata.context"] = context(call, &format!("{what}/$entity"));
    Ok(Reply::ok(body))
}

/// `GET /groups/{id}/transitiveMemberOf`
pub fn above(call: &Call<'_>) -> Outcome {
    call.needs(permissions::READ_ABOVE_GROUP)?;
    let objects = call.look(|tenant| {
        let id = named(call, tenant)?.id;
        let groups = tenant.groups_of(id).into_iter().map(group);
        let roles = tenant.roles_of(id).into_iter().map(|held| directory_role(tenant, held));
        Ok(groups.chain(roles).collect::<Vec<_>>())
    })?;
    directory_objects(call, objects)
}

/// `POST /groups/{id}/members/$ref`
pub fn add(call: &Call<'_>) -> Outcome {
    let body = call.json()?;
    let prefix = format!("{}/directoryObjects/", call.base());
    let member = match body.get("@odata.id").and_then(|reference| reference.as_str()) {
        Some(reference) if body.len() == 1 => reference.strip_prefix(&prefix),
        _ => None,
    };
    let member = member.and_then(|id| Uuid::try_parse(id).ok());
    let member = member.ok_or_else(|| Refusal::bad_request("Invalid reference in the body."))?;
    change(call, member, |group| {
        if group.members.insert(member) {
            Ok(())
        } else {
            Err(Refusal::bad_request(
                "One or more added object references already exist for the following modified properties: 'members'.",
            ))
        }
    })
}

/// `DELETE /groups/{id}/members/{member}/$ref`
pub fn remove(call: &Call<'_>) -> Outcome {
    let name = call.segments.get(3).map_or("", String::as_str);
    let member = Uuid::try_parse(name).map_err(|_| Refusal::not_found(name))?;
    change(call, member, |group| {
        if group.members.remove(&member) { Ok(()) } else { Err(Refusal::not_found(name)) }
    })
}

fn change(
    call: &Call<'_>,
    member: Uuid,
    change: impl FnOnce(&mut Group) -> Result<(), Refusal>,
) -> Outcome {
    call.needs(permissions::WRITE_MEMBERS)?;
    call.only(&[])?;
    let id = call.look(|tenant| {
        let group = named(call, tenant)?;
        if group.role_assignable {
            call.needs(permissions::WRITE_PRIVILEGED_MEMBERS)?;
        }
        if group.dynamic {
            return Err(Refusal::bad_request(
                "Insufficient privileges: members of a dynamic group cannot be changed.",
            ));
        }
        if !tenant.people.contains_key(&member) {
            return Err(Refusal::not_found(&member.to_string()));
        }
        Ok(group.id)
    })?;
    let what = json!({ "members": { "group": id } });
    let ((), effect) = call.change_tenant((member, what), |tenant, _| {
        let group = tenant.groups.get_mut(&id);
        change(group.ok_or_else(|| Refusal::not_found(&id.to_string()))?)
    })?;
    Ok(Reply { status: StatusCode::NO_CONTENT, body: None, effects: vec![effect] })
}

fn named<'t>(call: &Call<'_>, tenant: &'t Tenant) -> Result<&'t Group, Refusal> {
    let name = call.segments.get(1).map_or("", String::as_str);
    let group = Uuid::try_parse(name).ok().and_then(|id| tenant.groups.get(&id));
    group.ok_or_else(|| Refusal::not_found(name))
}
