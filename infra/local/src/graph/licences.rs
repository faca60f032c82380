//! Licences: what was bought, and who holds it.

use http::StatusCode;
use serde_json::{Value, json};
use uuid::Uuid;

use super::{
    call::{Call, Outcome, Reply},
    context, permissions,
    problem::Refusal,
    users,
};
use crate::{
    directory::{Licence, Tenant},
    identities::stable_id,
};

/// `GET /subscribedSkus`
pub fn bought(call: &Call<'_>) -> Outcome {
    call.needs(permissions::READ_LICENCES)?;
    call.only(&[])?;
    let all = call.look(|tenant| {
        let all = tenant.licences.values().map(|licence| {
            let sku = sku(tenant, licence);
            (sku["id"].to_string(), sku)
        });
        Ok(all.collect())
    })?;
    call.page("subscribedSkus", all)
}

/// `POST /users/{id}/assignLicense`
pub fn assign(call: &Call<'_>) -> Outcome {
    call.needs(permissions::ASSIGN_LICENCES)?;
    call.only(&[])?;
    let body = call.json()?;
    let (added, removed) = read(&Value::Object(body))
        .ok_or_else(|| Refusal::bad_request("One or more properties contains invalid values."))?;
    let person = call.look_at_person(|_, person| Ok(person.id))?;
    let what = json!({ "assignLicense": { "addLicenses": added, "removeLicenses": removed } });
    let (user, effect) = call.change_tenant((person, what), |tenant, _| {
        for sku in &added {
            may_be_assigned(tenant, person, *sku)?;
        }
        let missing = || Refusal::not_found(&person.to_string());
        let person = tenant.people.get_mut(&person).ok_or_else(missing)?;
        person.licences.extend(&added);
        person.licences.retain(|sku| !removed.contains(sku));
        Ok(users::user(person))
    })?;
    let mut user = super::page::cut(&user, users::DEFAULT);
    user["@odata.context"] = context(call, "users/$entity");
    Ok(Reply { status: StatusCode::OK, body: Some(user), effects: vec![effect] })
}

fn may_be_assigned(tenant: &Tenant, person: Uuid, sku: Uuid) -> Result<(), Refusal> {
    let Some(licence) = tenant.licences.get(&sku) else {
        return Err(Refusal::bad_request(format!(
            "License {sku} does not correspond to a valid company License."
        )));
    };
    let holds = tenant.people.get(&person).is_some_and(|person| person.licences.contains(&sku));
    if !holds && tenant.holders(sku) >= licence.units as usize {
        return Err(Refusal::bad_request(format!(
            "Subscription with SKU {sku} does not have any available licenses."
        )));
    }
    if tenant.people.get(&person).is_some_and(|person| person.usage_location.is_none()) {
        return Err(Refusal::bad_request(
            "License assignment cannot be done for user with invalid usage location.",
        ));
    }
    Ok(())
}

/// The licences to add and to remove.
fn read(body: &Value) -> Option<(Vec<Uuid>, Vec<Uuid>)> {
    let id = |value: &Value| Uuid::try_parse(value.as_str()?).ok();
    let added = body["addLicenses"].as_array()?.iter().map(|licence| {
        let plans = licence["disabledPlans"].as_array()?;
        // Plans are not modelled: disabling one would be ignored.
        (plans.is_empty() && licence.as_object()?.len() == 2).then(|| id(&licence["skuId"]))?
    });
    let removed = body["removeLicenses"].as_array()?.iter().map(id);
    (body.as_object()?.len() == 2).then_some(())?;
    Some((added.collect::<Option<_>>()?, removed.collect::<Option<_>>()?))
}

fn sku(tenant: &Tenant, licence: &Licence) -> Value {
    json!({
        "id": format!("{}_{}", tenant.id, licence.sku),
        "accountId": tenant.id,
        "accountName": tenant.name,
        "appliesTo": "User",
        "capabilityStatus": "Enabled",
        "consumedUnits": tenant.holders(licence.sku),
        "prepaidUnits": { "enabled": licence.units, "lockedOut": 0, "suspended": 0, "warning": 0 },
        "servicePlans": [{
            "appliesTo": "User",
            "provisioningStatus": "Success",
            "servicePlanId": stable_id("service-plan", &licence.name),
            "servicePlanName": licence.name,
        }],
        "skuId": licence.sku,
        "skuPartNumber": licence.name,
        "subscriptionIds": [],
    })
}
