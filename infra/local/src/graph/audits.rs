//! The directory's audit log, newest first.

use serde_json::{Map, Value, json};
use time::{OffsetDateTime, format_description::well_known::Rfc3339};

use super::{
    call::{Call, Outcome, Reply},
    context,
    filter::{Filter, Order},
    page::{DEFAULT_PAGE, SHUFFLED_PAGE},
    permissions,
    problem::Refusal,
};
use crate::directory::audit::{By, Entry, Target};

/// What can be filtered by. Not by the object id of a service principal: Graph documents the client
/// id alone, which its entries leave out.
const FILTERED: &[&str] = &[
    "activityDateTime",
    "activityDisplayName",
    "correlationId",
    "id",
    "initiatedBy/app/appId",
    "initiatedBy/app/displayName",
    "initiatedBy/user/displayName",
    "initiatedBy/user/id",
    "initiatedBy/user/userPrincipalName",
    "loggedByService",
];

/// What can be asked for by its beginning.
const STARTS: [&str; 2] = ["activityDisplayName", "initiatedBy/user/userPrincipalName"];

/// `GET /auditLogs/directoryAudits`
pub fn list(call: &Call<'_>) -> Outcome {
    call.needs(permissions::READ_AUDITS)?;
    call.only(&["$filter", "$top", "$skiptoken", "$orderby"])?;
    if call.option("$orderby").is_some_and(|by| by.trim() != "activityDateTime desc") {
        return Err(Refusal::bad_query("Only the newest first are told here."));
    }
    let filter = call.option("$filter").map(|text| Filter::parse(text, FILTERED)).transpose()?;
    if filter.as_ref().is_some_and(|filter| !is_documented(filter)) {
        return Err(Refusal::bad_query("Unsupported query filter clause."));
    }
    let from = filter.as_ref().and_then(|filter| filter.not_before("activityDateTime"));
    let size = call.page_size(DEFAULT_PAGE)?;
    let size = if call.shuffled { size.min(SHUFFLED_PAGE) } else { size };
    let after = call.option("$skiptoken");
    let (page, more) = call.look(|tenant| {
        let mut all = tenant.audits.since(from);
        if let Some(after) = after {
            // What is newer than the page before was not there when it was read.
            if !all.any(|entry| entry.id == after) {
                return Err(Refusal::expired_page());
            }
        }
        let mut admitted = all
            .map(|entry| (&entry.id, shown(entry)))
            .filter(|(_, entry)| filter.as_ref().is_none_or(|filter| filter.admits(entry)));
        let page: Vec<(String, Value)> =
            admitted.by_ref().take(size).map(|(id, entry)| (id.clone(), entry)).collect();
        Ok((page, admitted.next().is_some()))
    })?;
    let mut body = Map::new();
    body.insert("@odata.context".to_owned(), context(call, "auditLogs/directoryAudits"));
    if let Some((last, _)) = page.last().filter(|_| more) {
        body.insert("@odata.nextLink".to_owned(), Value::String(call.next_link_at(last)));
    }
    body.insert("value".to_owned(), page.into_iter().map(|(_, entry)| entry).collect());
    Ok(Reply::ok(Value::Object(body)))
}

/// Whether Graph says that it answers such a filter of this log.
fn is_documented(filter: &Filter) -> bool {
    match filter {
        Filter::Equals(..) | Filter::Compares(_, Order::NotBefore | Order::NotAfter, _) => true,
        Filter::StartsWith(property, _) => STARTS.contains(&property.as_str()),
        Filter::And(one, other) | Filter::Or(one, other) => {
            is_documented(one) && is_documented(other)
        }
        Filter::OneOf(..) | Filter::Compares(..) => false,
    }
}

fn shown(entry: &Entry) -> Value {
    let agent = entry.agent.iter().map(|agent| json!({ "key": "User-Agent", "value": agent }));
    let by = match &entry.by {
        By::Application(principal, name) => json!({
            "user": null,
            "app": {
                // Entra leaves it out, and names the service principal alone.
                "appId": null,
                "displayName": name,
                "servicePrincipalId": principal,
                "servicePrincipalName": null,
            },
        }),
        By::Person(id, name) => json!({
            "user": {
                "id": id,
                // Entra leaves out the name that they go by.
                "displayName": null,
                "userPrincipalName": name,
                "ipAddress": null,
            },
            "app": null,
        }),
    };
    json!({
        "id": entry.id,
        "activityDateTime": precisely(entry.at),
        "activityDisplayName": entry.activity.name,
        "additionalDetails": agent.collect::<Vec<_>>(),
        "category": entry.activity.category,
        "correlationId": entry.correlation,
        "initiatedBy": by,
        "loggedByService": entry.activity.service,
        "operationType": entry.activity.operation,
        "result": "success",
        "resultReason": entry.activity.reason,
        "targetResources": entry.targets.iter().map(target).collect::<Vec<_>>(),
    })
}

fn target(target: &Target) -> Value {
    let changed = target.changed.iter().map(|(name, value)| {
        json!({ "displayName": name, "oldValue": null, "newValue": value.to_string() })
    });
    json!({
        "id": target.id,
        "displayName": target.name,
        "type": target.kind,
        "userPrincipalName": target.user_principal_name,
        "groupType": (target.kind == "Group").then_some("azureAD"),
        "modifiedProperties": changed.collect::<Vec<_>>(),
    })
}

/// A time with its fractions of a second, as this log has them and no other part of Graph.
fn precisely(at: OffsetDateTime) -> String {
    at.format(&Rfc3339).unwrap_or_default()
}
