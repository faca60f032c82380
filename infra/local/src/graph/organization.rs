//! The tenant itself.

use serde_json::json;

use super::{
    call::{Call, Outcome},
    page::{cut, with_selection},
    permissions,
};
use crate::directory::written;

const PROPERTIES: &[&str] = &[
    "id",
    "deletedDateTime",
    "createdDateTime",
    "displayName",
    "onPremisesSyncEnabled",
    "tenantType",
    "verifiedDomains",
];

/// `GET /organization`
pub fn list(call: &Call<'_>) -> Outcome {
    call.needs(permissions::READ_ORGANIZATION)?;
    call.only(&["$select"])?;
    let selected = call.selected("organization", PROPERTIES)?;
    let organization = call.look(|tenant| {
        Ok(json!({
            "id": tenant.id,
            "deletedDateTime": null,
            "createdDateTime": written(tenant.created),
            "displayName": tenant.name,
            "onPremisesSyncEnabled": tenant.people.values().any(|person| person.synced).then_some(true),
            "tenantType": "AAD",
            "verifiedDomains": [{
                "capabilities": "Email, OfficeCommunicationsOnline",
                "isDefault": true,
                "isInitial": false,
                "name": tenant.domain,
                "type": "Managed",
            }],
        }))
    })?;
    let shown = cut(&organization, selected.as_deref().unwrap_or(PROPERTIES));
    call.page(
        &with_selection("organization", selected.as_deref()),
        vec![(organization["id"].to_string(), shown)],
    )
}
