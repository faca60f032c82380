//! Credentials of app registrations: who adds and removes them.

use http::StatusCode;
use serde_json::{Map, Value, json};
use time::{Duration, OffsetDateTime, format_description::well_known::Rfc3339};
use uuid::Uuid;

use super::{
    applications::{named, password as shown_password},
    call::{Call, Outcome, Reply},
    context,
    page::{self, cut, with_selection},
    permissions,
    problem::Refusal,
};
use crate::directory::{
    Registration, Tenant,
    federation::FederatedCredential,
    registration::{Added, Wanted},
    written,
};

/// How long a secret is valid if nobody says, in days: two years.
const VALID_DAYS: i64 = 730;

const FEDERATED: &[&str] = &["id", "audiences", "description", "issuer", "name", "subject"];

/// `POST /applications/{id}/addPassword`
pub fn add_password(call: &Call<'_>) -> Outcome {
    let id = extensible(call)?;
    call.only(&[])?;
    let wanted = wanted(&call.json()?, call.now)?;
    let what = json!({ "addPassword": {
        "displayName": wanted.name,
        "startDateTime": written(wanted.start),
        "endDateTime": written(wanted.end),
    }});
    let propagation = call.graph.directory.propagation();
    let (Added { password, secret }, effect) = call.change_tenant((id, what), |tenant, now| {
        registration(tenant, id)?
            .add_password(wanted, propagation, now)
            .map_err(|_| Refusal::internal())
    })?;
    let mut body = shown_password(&password);
    body["secretText"] = json!(secret);
    body["@odata.context"] = context(call, "microsoft.graph.passwordCredential");
    Ok(Reply { status: StatusCode::OK, body: Some(body), effects: vec![effect] })
}

/// `POST /applications/{id}/removePassword`
pub fn remove_password(call: &Call<'_>) -> Outcome {
    let id = removable(call)?;
    call.only(&[])?;
    let body = call.json()?;
    let key_id = body.get("keyId").filter(|_| body.len() == 1).and_then(Value::as_str);
    let key_id = key_id
        .and_then(|key_id| Uuid::try_parse(key_id).ok())
        .ok_or_else(|| Refusal::bad_request("Invalid value specified for property 'keyId'."))?;
    let propagation = call.graph.directory.propagation();
    let what = json!({ "removePassword": { "keyId": key_id } });
    let ((), effect) = call.change_tenant((id, what), |tenant, now| {
        let held = &registration(tenant, id)?.credentials;
        if !held.passwords().any(|password| password.key_id == key_id) {
            return Err(Refusal::bad_request("No password credential found with keyId."));
        }
        registration(tenant, id)?.credentials.remove_password(key_id, propagation, now);
        Ok(())
    })?;
    Ok(Reply { status: StatusCode::NO_CONTENT, body: None, effects: vec![effect] })
}

/// `GET /applications/{id}/federatedIdentityCredentials`
pub fn federated(call: &Call<'_>) -> Outcome {
    call.needs(permissions::READ_FEDERATED)?;
    call.only(page::OPTIONS)?;
    let selected = call.selected("federatedIdentityCredential", FEDERATED)?;
    if call.option("$filter").is_some() {
        return Err(Refusal::bad_query("These are not filtered here."));
    }
    let (id, all) = call.look(|tenant| {
        let registration = named(call, tenant)?;
        let all = registration.federated.iter().map(|one| {
            let shown = trusted(call, one);
            (one.id.to_string(), cut(&shown, &of_federated(call, selected.as_deref())))
        });
        Ok((registration.id, all.collect()))
    })?;
    let what = format!("applications('{id}')/federatedIdentityCredentials");
    call.page(&with_selection(&what, selected.as_deref()), all)
}

/// `GET /applications/{id}/federatedIdentityCredentials/{id or name}`
pub fn one_federated(call: &Call<'_>) -> Outcome {
    call.needs(permissions::READ_FEDERATED)?;
    call.only(&[])?;
    let (id, mut body) = call.look(|tenant| {
        let registration = named(call, tenant)?;
        Ok((registration.id, trusted(call, of_path(call, registration)?)))
    })?;
    let what = format!("applications('{id}')/federatedIdentityCredentials/$entity");
    body["@odata.context"] = context(call, &what);
    Ok(Reply::ok(body))
}

/// `DELETE /applications/{id}/federatedIdentityCredentials/{id or name}`
pub fn remove_federated(call: &Call<'_>) -> Outcome {
    let id = removable(call)?;
    call.only(&[])?;
    let one = call.look(|tenant| Ok(of_path(call, named(call, tenant)?)?.clone()))?;
    let what = json!({ "federatedIdentityCredentials": { "removed": one.id, "name": one.name } });
    let ((), effect) = call.change_tenant((id, what), |tenant, _| {
        registration(tenant, id)?.federated.retain(|known| known.id != one.id);
        Ok(())
    })?;
    Ok(Reply { status: StatusCode::NO_CONTENT, body: None, effects: vec![effect] })
}

fn of_path<'r>(
    call: &Call<'_>,
    registration: &'r Registration,
) -> Result<&'r FederatedCredential, Refusal> {
    let name = call.segments.get(3).map_or("", String::as_str);
    registration.trusting(name).ok_or_else(|| Refusal::not_found(name))
}

fn trusted(call: &Call<'_>, one: &FederatedCredential) -> Value {
    let mut shown = json!({
        "id": one.id,
        "audiences": [one.audience],
        "description": null,
        "issuer": one.issuer,
        "name": one.name,
        "subject": one.subject,
    });
    if call.is_beta() {
        shown["claimsMatchingExpression"] = Value::Null;
    }
    shown
}

fn of_federated<'s>(call: &Call<'_>, selected: Option<&[&'s str]>) -> Vec<&'s str> {
    let all = || {
        let beta = call.is_beta().then_some("claimsMatchingExpression");
        FEDERATED.iter().copied().chain(beta).collect()
    };
    selected.map_or_else(all, <[&str]>::to_vec)
}

/// The object id of the application that the path names, if the caller may add a credential to it.
fn extensible(call: &Call<'_>) -> Result<Uuid, Refusal> {
    call.needs(permissions::WRITE_OWNED_APPLICATIONS)?;
    let (id, owned, ours) = of_caller(call)?;
    if !owned && !call.may(permissions::WRITE_ALL_APPLICATIONS) {
        return Err(Refusal::denied());
    }
    // None of Airlock's ever gets one, whoever asks: such is the tenant's app management policy.
    if ours { Err(Refusal::credential_not_allowed()) } else { Ok(id) }
}

/// The object id of the application that the path names, if the caller may remove its credentials.
fn removable(call: &Call<'_>) -> Result<Uuid, Refusal> {
    let (id, owned, _) = of_caller(call)?;
    let assigned = call.look(|tenant| {
        Ok(tenant.assignments.iter().any(|held| {
            held.principal == call.caller.object
                && tenant.removes_credentials(held.role)
                && held.scope.is_none_or(|scope| scope == id)
        }))
    })?;
    let may_write = permissions::WRITE_OWNED_APPLICATIONS.iter().any(|one| call.may(one));
    if assigned || (may_write && owned) || call.may(permissions::WRITE_ALL_APPLICATIONS) {
        Ok(id)
    } else {
        Err(Refusal::denied())
    }
}

/// The application that the path names: its object id, whether the caller owns it, and whether it
/// is one of Airlock's.
fn of_caller(call: &Call<'_>) -> Result<(Uuid, bool, bool), Refusal> {
    call.look(|tenant| {
        let registration = named(call, tenant)?;
        let owned = registration.owners.contains(&call.caller.object);
        Ok((registration.id, owned, registration.ours))
    })
}

fn registration(tenant: &mut Tenant, id: Uuid) -> Result<&mut Registration, Refusal> {
    tenant.registrations.get_mut(&id).ok_or_else(|| Refusal::not_found(&id.to_string()))
}

/// What a secret shall be.
fn wanted(body: &Map<String, Value>, now: OffsetDateTime) -> Result<Wanted, Refusal> {
    let none = Map::new();
    let invalid = |name: &str| {
        Refusal::bad_request(format!(
            "Invalid value specified for property '{name}' of resource 'PasswordCredential'."
        ))
    };
    let asked = match body.get("passwordCredential") {
        None | Some(Value::Null) => &none,
        Some(Value::Object(asked)) => asked,
        Some(_) => return Err(invalid("passwordCredential")),
    };
    if let Some(other) = body.keys().find(|name| *name != "passwordCredential") {
        return Err(Refusal::bad_request(format!("Invalid property '{other}'.")));
    }
    let (mut name, mut start, mut end) = (None, None, None);
    let time =
        |value: &Value| value.as_str().and_then(|text| OffsetDateTime::parse(text, &Rfc3339).ok());
    for (property, value) in asked {
        match (property.as_str(), value) {
            (_, Value::Null) => {}
            ("displayName", Value::String(text)) => name = Some(text.clone()),
            ("startDateTime", value) => start = Some(time(value).ok_or_else(|| invalid(property))?),
            ("endDateTime", value) => end = Some(time(value).ok_or_else(|| invalid(property))?),
            ("displayName", _) => return Err(invalid(property)),
            _ => return Err(Refusal::bad_request(format!("Invalid property '{property}'."))),
        }
    }
    let start = start.unwrap_or(now);
    let end = end.unwrap_or(start + Duration::days(VALID_DAYS));
    if end <= start || end <= now {
        return Err(invalid("endDateTime"));
    }
    Ok(Wanted { name, start, end })
}
