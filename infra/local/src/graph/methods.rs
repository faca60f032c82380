//! Authentication methods: listed all together, deleted each from its own collection.

use http::StatusCode;
use serde_json::{Value, json};

use super::{
    call::{Call, Outcome, Reply},
    permissions,
    problem::Refusal,
};
use crate::directory::{Method, MethodKind, Person, written};

/// The password's id as a method, the same for everybody.
const PASSWORD: &str = "28c10230-6103-485e-b985-444c60001490";

/// `GET /users/{id}/authentication/methods`
pub fn list(call: &Call<'_>) -> Outcome {
    call.needs(permissions::READ_METHODS)?;
    call.only(&[])?;
    let (owner, methods) = call.look_at_person(|_, person| {
        let methods = person.methods.iter().map(|method| shown(person, method));
        let methods = methods.chain([json!({
            "@odata.type": "#microsoft.graph.passwordAuthenticationMethod",
            "id": PASSWORD,
            "createdDateTime": written(person.password.changed),
            "password": null,
        })]);
        Ok((person.id, methods.map(|method| (method["id"].to_string(), method)).collect()))
    })?;
    call.page(&format!("users('{owner}')/authentication/methods"), methods)
}

/// `DELETE /users/{id}/authentication/…Methods/{id}`
pub fn delete(call: &Call<'_>) -> Outcome {
    let segment = |index: usize| call.segments.get(index).map_or("", String::as_str);
    let kind = of_collection(&segment(3).to_lowercase());
    let kind = kind.ok_or_else(|| Refusal::no_such_segment(segment(3)))?;
    call.needs(&["UserAuthenticationMethod.ReadWrite.All", writes(kind)])?;
    call.only(&[])?;
    let id = segment(4);
    let ((), effect) = call.change_person(
        json!({ "deleted": kind.in_types() }),
        |_, person| may_be_deleted(person, kind, id),
        |person, _| person.methods.retain(|method| method.id != id),
    )?;
    Ok(Reply { status: StatusCode::NO_CONTENT, body: None, effects: vec![effect] })
}

/// Whether methods of some kind are deleted from the collection of this name.
pub fn is_collection(segment: &str) -> bool {
    of_collection(segment).is_some()
}

fn of_collection(segment: &str) -> Option<MethodKind> {
    MethodKind::ALL
        .into_iter()
        .find(|kind| segment == format!("{}methods", kind.in_types().to_lowercase()))
}

fn may_be_deleted(person: &Person, kind: MethodKind, id: &str) -> Result<(), Refusal> {
    let found = person.methods.iter().find(|method| method.kind == kind && method.id == id);
    let method = found.ok_or_else(|| Refusal::not_found(id))?;
    let others = person.methods.iter().filter(|other| other.kind.signs_in()).count() > 1;
    if person.default_method() == Some(method) && others {
        return Err(Refusal::bad_query(
            "Cannot delete default method with other methods configured. Please change default method before deletion.",
        ));
    }
    Ok(())
}

/// The one permission, besides the one for all kinds, that deletes methods of this kind.
const fn writes(kind: MethodKind) -> &'static str {
    match kind {
        MethodKind::Phone => "UserAuthMethod-Phone.ReadWrite.All",
        MethodKind::Authenticator => "UserAuthMethod-MicrosoftAuthApp.ReadWrite.All",
        MethodKind::Passkey => "UserAuthMethod-Passkey.ReadWrite.All",
        MethodKind::SoftwareOath => "UserAuthMethod-SoftwareOATH.ReadWrite.All",
        MethodKind::WindowsHello => "UserAuthMethod-WindowsHello.ReadWrite.All",
        MethodKind::Email => "UserAuthMethod-Email.ReadWrite.All",
    }
}

fn shown(person: &Person, method: &Method) -> Value {
    let mut shown = match method.kind {
        MethodKind::Phone => {
            json!({ "phoneNumber": "+1 5550100", "phoneType": "mobile", "smsSignInState": "notEnabled" })
        }
        MethodKind::Authenticator => json!({
            "deviceTag": "SoftwareTokenActivated", "displayName": "Telephone",
            "phoneAppVersion": "6.2408.5807",
        }),
        MethodKind::Passkey => json!({
            "aaGuid": null, "attestationCertificates": [], "attestationLevel": "notAttested",
            "displayName": "Security key", "model": "Security key",
        }),
        MethodKind::SoftwareOath => json!({ "secretKey": null }),
        MethodKind::WindowsHello => json!({ "displayName": "Laptop", "keyStrength": "normal" }),
        MethodKind::Email => json!({ "emailAddress": format!("private.{}", person.mail) }),
    };
    let kind = method.kind.in_types();
    shown["@odata.type"] = json!(format!("#microsoft.graph.{kind}AuthenticationMethod"));
    shown["id"] = json!(method.id);
    shown["createdDateTime"] = json!(written(person.created));
    shown
}
