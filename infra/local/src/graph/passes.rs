//! Temporary access passes.

use http::StatusCode;
use serde_json::{Map, Value, json};
use time::{OffsetDateTime, format_description::well_known::Rfc3339};
use uuid::Uuid;

use super::{
    call::{Call, Outcome, Reply},
    context, page, permissions,
    problem::Refusal,
};
use crate::directory::{Pass, written};

/// Lifetimes that Graph accepts, in minutes.
const LIFETIME_MIN: std::ops::RangeInclusive<u32> = 10..=43_200;
/// Lifetime of a pass that asks for none, by Entra's default policy.
const DEFAULT_LIFETIME_MIN: u32 = 60;
/// Characters of a pass.
const LENGTH: usize = 12;
/// What a pass is made of. 64 characters, so that six random bits choose one without bias.
const ALPHABET: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+*";

/// `POST /users/{id}/authentication/temporaryAccessPassMethods`
pub fn create(call: &Call<'_>) -> Outcome {
    call.needs(permissions::WRITE_PASSES)?;
    call.only(&[])?;
    let asked = read(&call.json()?, call.now)?;
    let pass = Pass { id: Uuid::new_v4(), value: random()?, ..asked };
    let what = json!({ "temporaryAccessPass": { "lifetimeInMinutes": pass.lifetime_min, "isUsableOnce": pass.once } });
    let (owner, effect) = call.change_person(
        what,
        |_, _| Ok(()),
        |person, _| {
            person.passes.push(pass.clone());
            person.id
        },
    )?;
    let mut body = method(&pass, Some(&pass.value), call.now);
    body["@odata.context"] = context(
        call,
        &format!("users('{owner}')/authentication/temporaryAccessPassMethods/$entity"),
    );
    Ok(Reply { status: StatusCode::CREATED, body: Some(body), effects: vec![effect] })
}

/// `GET /users/{id}/authentication/temporaryAccessPassMethods`
pub fn list(call: &Call<'_>) -> Outcome {
    call.needs(permissions::READ_PASSES)?;
    call.only(&["$select", "$top"])?;
    let known = [
        "id",
        "createdDateTime",
        "isUsable",
        "isUsableOnce",
        "lifetimeInMinutes",
        "methodUsabilityReason",
        "startDateTime",
        "temporaryAccessPass",
    ];
    let selected = call.selected("temporaryAccessPassAuthenticationMethod", &known)?;
    let (owner, pass) = call.look_at_person(|_, person| Ok((person.id, person.pass().cloned())))?;
    let methods = pass
        .iter()
        // The value is shown once, when it is made.
        .map(|pass| method(pass, None, call.now))
        .map(|method| {
            (method["id"].to_string(), page::cut(&method, selected.as_deref().unwrap_or(&known)))
        })
        .collect();
    call.page(&format!("users('{owner}')/authentication/temporaryAccessPassMethods"), methods)
}

fn method(pass: &Pass, value: Option<&str>, now: OffsetDateTime) -> Value {
    let (usable, why) = pass.usability(now);
    json!({
        "id": pass.id,
        "temporaryAccessPass": value,
        "createdDateTime": written(pass.created),
        "startDateTime": written(pass.start),
        "lifetimeInMinutes": pass.lifetime_min,
        "isUsableOnce": pass.once,
        "isUsable": usable,
        "methodUsabilityReason": why,
    })
}

/// What was asked for; id and value are still to be made.
fn read(body: &Map<String, Value>, now: OffsetDateTime) -> Result<Pass, Refusal> {
    let mut pass = Pass {
        id: Uuid::nil(),
        value: String::new(),
        created: now,
        start: now,
        lifetime_min: DEFAULT_LIFETIME_MIN,
        once: false,
    };
    for (name, value) in body {
        let understood = match name.as_str() {
            "lifetimeInMinutes" => value
                .as_u64()
                .and_then(|minutes| u32::try_from(minutes).ok())
                .filter(|minutes| LIFETIME_MIN.contains(minutes))
                .map(|minutes| pass.lifetime_min = minutes),
            "isUsableOnce" => value.as_bool().map(|once| pass.once = once),
            "startDateTime" => value
                .as_str()
                .and_then(|start| OffsetDateTime::parse(start, &Rfc3339).ok())
                .map(|start| pass.start = start),
            "@odata.type" => value
                .as_str()
                .filter(|kind| *kind == "#microsoft.graph.temporaryAccessPassAuthenticationMethod")
                .map(|_| ()),
            _ => return Err(Refusal::bad_request(format!("Invalid property '{name}'."))),
        };
        if understood.is_none() {
            return Err(Refusal::bad_request(format!(
                "Invalid value specified for property '{name}'."
            )));
        }
    }
    Ok(pass)
}

fn random() -> Result<String, Refusal> {
    let mut bytes = [0_u8; LENGTH];
    getrandom::fill(&mut bytes).map_err(|_| Refusal::internal())?;
    Ok(bytes.iter().map(|byte| char::from(ALPHABET[usize::from(byte & 63)])).collect())
}
