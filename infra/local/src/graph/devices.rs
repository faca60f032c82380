//! Devices: who is registered for them, and the secrets that they backed up.

use base64::{Engine as _, prelude::BASE64_STANDARD};
use serde_json::{Value, json};
use uuid::Uuid;

use super::{
    call::{Call, Outcome, Reply},
    context,
    page::{cut, with_selection},
    permissions,
    problem::Refusal,
    users,
};
use crate::directory::{Device, RecoveryKey, Tenant, written};

/// The key in a segment such as `devices(deviceid='…')`.
pub fn key(segment: &str) -> Option<Uuid> {
    let key = segment.strip_prefix("devices(deviceid='")?.strip_suffix("')")?;
    Uuid::try_parse(key).ok()
}

/// `GET /devices(deviceId='{id}')/registeredOwners` and `…/registeredUsers`
pub fn people(call: &Call<'_>) -> Outcome {
    call.needs(permissions::READ_DEVICES)?;
    call.only(&["$select", "$top", "$skiptoken"])?;
    let selected = call.selected("user", users::PROPERTIES)?;
    let segment = |index: usize| call.lower.get(index).map_or("", String::as_str);
    let id = key(segment(0)).ok_or_else(|| Refusal::no_such_segment(segment(0)))?;
    let people = call.look(|tenant| {
        let device = tenant.devices.get(&id).ok_or_else(|| Refusal::not_found(&id.to_string()))?;
        let registered =
            if segment(1) == "registeredowners" { &device.owners } else { &device.users };
        let people = registered.iter().filter_map(|person| tenant.people.get(person));
        let people = people.map(|person| {
            let mut shown =
                cut(&users::user(person), selected.as_deref().unwrap_or(users::DEFAULT));
            shown["@odata.type"] = json!("#microsoft.graph.user");
            (person.id.to_string(), shown)
        });
        Ok(people.collect())
    })?;
    call.page(&with_selection("directoryObjects", selected.as_deref()), people)
}

/// `GET /directory/deviceLocalCredentials/{deviceId}` with `credentials` selected
pub fn credentials(call: &Call<'_>) -> Outcome {
    call.needs(permissions::READ_CREDENTIALS)?;
    call.needs_user_agent()?;
    call.only(&["$select"])?;
    // Without the selection it tells when passwords were backed up, which nobody here asks for.
    if call.selected("deviceLocalCredentialInfo", &["credentials"])?.is_none() {
        return Err(Refusal::bad_query("Only credentials can be selected here."));
    }
    let name = call.segments.get(2).map_or("", String::as_str);
    let credentials: Vec<Value> = call.look(|tenant| {
        let device = Uuid::try_parse(name).ok().and_then(|id| tenant.devices.get(&id));
        let device = device.filter(|device| !device.credentials.is_empty());
        let device = device.ok_or_else(|| Refusal::not_found(name))?;
        Ok(device
            .credentials
            .iter()
            .map(|credential| {
                json!({
                    "accountName": credential.account,
                    "accountSid": "S-1-5-21-2854033185-1187323429-3541178281-500",
                    "backupDateTime": written(credential.backed_up),
                    "passwordBase64": BASE64_STANDARD.encode(&credential.password),
                })
            })
            .collect())
    })?;
    // Nothing changes, and still it stands in the audit log.
    if let Ok(device) = Uuid::try_parse(name) {
        let effect = call.effect(device, json!({ "deviceLocalCredential": device }));
        call.graph.directory.told(&effect);
    }
    let what = "directory/deviceLocalCredentials(credentials)/$entity";
    Ok(Reply::ok(json!({ "@odata.context": context(call, what), "credentials": credentials })))
}

/// `GET /informationProtection/bitlocker/recoveryKeys/{id}`, with `key` selected or not
pub fn recovery_key(call: &Call<'_>) -> Outcome {
    call.needs(permissions::READ_KEYS_BASIC)?;
    call.needs_user_agent()?;
    call.only(&["$select"])?;
    let selected = call.selected("bitlockerRecoveryKey", &["key"])?;
    let name = call.segments.get(3).map_or("", String::as_str);
    let id = Uuid::try_parse(name).map_err(|_| Refusal::not_found(name))?;
    let what = "informationProtection/bitlocker/recoveryKeys";
    if selected.is_none() {
        let mut body = call.look(|tenant| {
            let (device, key) = of_tenant(tenant, id).ok_or_else(|| Refusal::not_found(name))?;
            Ok(json!({
                "id": key.id,
                "createdDateTime": written(key.backed_up),
                "volumeType": "operatingSystemVolume",
                "deviceId": device.own_id,
            }))
        })?;
        body["@odata.context"] = context(call, &format!("{what}/$entity"));
        return Ok(Reply::ok(body));
    }
    call.needs(permissions::READ_KEYS)?;
    // Telling the key is what the audit log keeps, although nothing changes.
    let told = call.graph.directory.note(call.caller.tenant, |tenant| {
        tenant.devices.values_mut().find_map(|device| {
            let own_id = device.own_id;
            let key = device.recovery_keys.iter_mut().find(|key| key.id == id)?;
            key.told += 1;
            Some((own_id, key.key.clone()))
        })
    });
    let told = told.ok_or_else(Refusal::unknown_tenant)?;
    let (device, told) = told.ok_or_else(|| Refusal::not_found(name))?;
    call.graph.directory.told(&call.effect(device, json!({ "recoveryKey": id })));
    let context = context(call, &format!("{what}(key)/$entity"));
    Ok(Reply::ok(json!({ "@odata.context": context, "id": id, "key": told })))
}

fn of_tenant(tenant: &Tenant, id: Uuid) -> Option<(&Device, &RecoveryKey)> {
    tenant
        .devices
        .values()
        .find_map(|device| Some((device, device.recovery_keys.iter().find(|key| key.id == id)?)))
}
