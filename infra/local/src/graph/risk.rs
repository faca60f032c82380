//! Risks that Entra sees in users.

use http::StatusCode;
use serde_json::json;
use time::Duration;
use uuid::Uuid;

use super::{
    call::{Call, Outcome, Reply},
    permissions,
    problem::Refusal,
};
use crate::directory::Risk;

/// How often a risk can be dismissed in a tenant.
const PACE: Duration = Duration::SECOND;

/// Most users in one request.
const MOST_USERS: usize = 60;

/// `POST /identityProtection/riskyUsers/dismiss`
pub fn dismiss(call: &Call<'_>) -> Outcome {
    call.needs(permissions::WRITE_RISK)?;
    call.only(&[])?;
    let body = call.json()?;
    let users = body.get("userIds").and_then(|users| users.as_array()).filter(|_| body.len() == 1);
    let users: Option<Vec<Uuid>> = users
        .and_then(|users| users.iter().map(|user| Uuid::try_parse(user.as_str()?).ok()).collect());
    let users = users
        .filter(|users| (1..=MOST_USERS).contains(&users.len()))
        .ok_or_else(|| Refusal::bad_query("The userIds are not a list of ids."))?;
    let what = json!({ "userIds": users });
    let ((), effect) = call.change_tenant((users[0], what), |tenant, now| {
        if tenant.dismissed.is_some_and(|last| now - last < PACE) {
            return Err(Refusal::throttled());
        }
        if let Some(unknown) = users.iter().find(|user| !tenant.people.contains_key(user)) {
            return Err(Refusal::not_found(&unknown.to_string()));
        }
        tenant.dismissed = Some(now);
        for user in &users {
            if let Some(person) = tenant.people.get_mut(user)
                && person.risk == Risk::Suspected
            {
                person.risk = Risk::Dismissed;
            }
        }
        Ok(())
    })?;
    Ok(Reply { status: StatusCode::NO_CONTENT, body: None, effects: vec![effect] })
}
