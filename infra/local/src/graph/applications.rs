//! App registrations and their secrets.
//!
//! Those of third parties are the tenant's own. Those of Airlock stand in the tenant of the
//! deployment alone, and nobody owns one.

use http::StatusCode;
use serde_json::{Map, Value, json};
use time::{Duration, OffsetDateTime, format_description::well_known::Rfc3339};
use uuid::Uuid;

use super::{
    call::{Call, Outcome, Reply},
    context,
    filter::Filter,
    page::{self, cut, with_selection},
    permissions,
    problem::Refusal,
    service_principals,
};
use crate::{
    directory::{
        Registration, Tenant,
        registration::{Added, Password, Wanted},
        written,
    },
    identities::{application_id, registration_id},
};

const PROPERTIES: &[&str] = &[
    "id",
    "deletedDateTime",
    "appId",
    "createdDateTime",
    "displayName",
    "identifierUris",
    "keyCredentials",
    "passwordCredentials",
    "publisherDomain",
    "signInAudience",
    "tags",
];

/// How long a secret is valid if nobody says, in days: two years.
const VALID_DAYS: i64 = 730;

/// The client id in a segment such as `applications(appid='…')`.
pub fn key(segment: &str) -> Option<Uuid> {
    let key = segment.strip_prefix("applications(appid='")?.strip_suffix("')")?;
    Uuid::try_parse(key).ok()
}

/// `GET /applications`
pub fn list(call: &Call<'_>) -> Outcome {
    call.needs(permissions::READ_APPLICATIONS)?;
    call.only(page::OPTIONS)?;
    let selected = call.selected("application", PROPERTIES)?;
    let filter = call
        .option("$filter")
        .map(|text| Filter::parse(text, &["id", "appId", "displayName"]))
        .transpose()?;
    let objects = all(call)?
        .iter()
        .filter(|object| filter.as_ref().is_none_or(|filter| filter.admits(object)))
        .map(|object| {
            (object["id"].to_string(), cut(object, selected.as_deref().unwrap_or(PROPERTIES)))
        })
        .collect();
    call.page(&with_selection("applications", selected.as_deref()), objects)
}

/// `GET /applications/{id}` and `/applications(appId='{appId}')`
pub fn one(call: &Call<'_>) -> Outcome {
    call.needs(permissions::READ_APPLICATIONS)?;
    call.only(&["$select"])?;
    let selected = call.selected("application", PROPERTIES)?;
    let mut body = cut(&named(call)?, selected.as_deref().unwrap_or(PROPERTIES));
    let what = with_selection("applications", selected.as_deref());
    body["@odata.context"] = context(call, &format!("{what}/$entity"));
    Ok(Reply::ok(body))
}

/// `GET /applications/{id}/owners`
pub fn owners(call: &Call<'_>) -> Outcome {
    call.needs(permissions::READ_APPLICATIONS)?;
    call.only(&["$top", "$skiptoken"])?;
    let id = named(call)?["id"].clone();
    let principals = service_principals::all(call)?;
    let owners = call.look(|tenant| {
        let found = tenant.registrations.values().find(|found| json!(found.id) == id);
        let owners = found.iter().flat_map(|found| found.owners.iter());
        // Whoever may not read people sees no more of them than that they are there.
        let shown = owners.map(|owner| {
            let principal = principals.iter().find(|principal| principal["id"] == json!(owner));
            let mut shown = principal.cloned().unwrap_or_else(|| json!({ "id": owner }));
            let kind = if principal.is_some() { "servicePrincipal" } else { "user" };
            shown["@odata.type"] = json!(format!("#microsoft.graph.{kind}"));
            (owner.to_string(), shown)
        });
        Ok(shown.collect())
    })?;
    call.page("directoryObjects", owners)
}

/// `POST /applications/{id}/addPassword`
pub fn add_password(call: &Call<'_>) -> Outcome {
    let id = changeable(call)?;
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
    let id = changeable(call)?;
    call.only(&[])?;
    let body = call.json()?;
    let key_id = body.get("keyId").filter(|_| body.len() == 1).and_then(Value::as_str);
    let key_id = key_id
        .and_then(|key_id| Uuid::try_parse(key_id).ok())
        .ok_or_else(|| Refusal::bad_request("Invalid value specified for property 'keyId'."))?;
    let propagation = call.graph.directory.propagation();
    let what = json!({ "removePassword": { "keyId": key_id } });
    let ((), effect) = call.change_tenant((id, what), |tenant, now| {
        if registration(tenant, id)?.remove_password(key_id, propagation, now) {
            Ok(())
        } else {
            Err(Refusal::bad_request("No password credential found with keyId."))
        }
    })?;
    Ok(Reply { status: StatusCode::NO_CONTENT, body: None, effects: vec![effect] })
}

/// The object id of the application that the path names, if the caller may change it.
fn changeable(call: &Call<'_>) -> Result<Uuid, Refusal> {
    call.needs(permissions::WRITE_OWNED_APPLICATIONS)?;
    let named = named(call)?;
    let owned = call.look(|tenant| {
        let mut all = tenant.registrations.values();
        Ok(all.find(|found| json!(found.id) == named["id"]).map(|found| {
            let is_owner = found.owners.contains(&call.caller.object);
            (found.id, is_owner)
        }))
    })?;
    match owned {
        Some((id, is_owner)) if is_owner || call.may(permissions::WRITE_ALL_APPLICATIONS) => Ok(id),
        // Airlock's own among them, whoever asks: none of them ever gets a secret.
        _ => Err(Refusal::denied()),
    }
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

/// The application that the path names.
fn named(call: &Call<'_>) -> Result<Value, Refusal> {
    let segment = |segments: &[String], index: usize| segments.get(index).cloned();
    let first = segment(&call.lower, 0).unwrap_or_default();
    let (property, name) = match key(&first) {
        Some(client) => ("appId", client.to_string()),
        None => ("id", segment(&call.segments, 1).unwrap_or_default()),
    };
    let wanted = Uuid::try_parse(&name).map_err(|_| Refusal::not_found(&name))?;
    let mut all = all(call)?.into_iter();
    all.find(|object| object[property] == json!(wanted)).ok_or_else(|| Refusal::not_found(&name))
}

/// Every registration in the tenant of the token.
fn all(call: &Call<'_>) -> Result<Vec<Value>, Refusal> {
    let home = call.graph.directory.tenants().first().map(|home| home.id);
    call.look(|tenant| {
        let mut all: Vec<Value> = tenant
            .registrations
            .values()
            .map(|one| {
                let passwords: Vec<Value> = one.passwords().map(shown_password).collect();
                let ids = (one.id, one.client);
                application(tenant, ids, &one.name, one.created, &passwords)
            })
            .collect();
        if home == Some(tenant.id) {
            all.extend(call.graph.identities.applications.keys().map(|name| {
                let ids = (registration_id(name), application_id(name));
                let mut ours = application(tenant, ids, name, tenant.created, &[]);
                ours["signInAudience"] = json!("AzureADMultipleOrgs");
                ours
            }));
        }
        Ok(all)
    })
}

fn application(
    tenant: &Tenant,
    (id, client): (Uuid, Uuid),
    name: &str,
    created: OffsetDateTime,
    passwords: &[Value],
) -> Value {
    json!({
        "id": id,
        "deletedDateTime": null,
        "appId": client,
        "createdDateTime": written(created),
        "displayName": name,
        "identifierUris": [],
        "keyCredentials": [],
        "passwordCredentials": passwords,
        "publisherDomain": tenant.domain,
        "signInAudience": "AzureADMyOrg",
        "tags": [],
    })
}

/// A secret as it is shown ever after: without itself.
fn shown_password(password: &Password) -> Value {
    json!({
        "customKeyIdentifier": null,
        "displayName": password.name,
        "endDateTime": written(password.end),
        "hint": password.hint,
        "keyId": password.key_id,
        "secretText": null,
        "startDateTime": written(password.start),
    })
}
