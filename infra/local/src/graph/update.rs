//! Changing users: enabled or not, password, sessions.

use http::StatusCode;
use serde_json::{Map, Value, json};

use super::{
    call::{Call, Outcome, Reply},
    context, permissions,
    problem::Refusal,
    users,
};
use crate::directory::{Person, Tenant};

/// Shortest and longest password.
const PASSWORD_CHARACTERS: std::ops::RangeInclusive<usize> = 8..=256;
/// How many kinds of characters a password must mix: lower case, upper case, digits, others.
const PASSWORD_KINDS: usize = 3;

/// What a `PATCH` changes.
#[derive(Default)]
struct Change {
    enabled: Option<bool>,
    password: Option<NewPassword>,
}

struct NewPassword {
    value: Option<String>,
    must_change: Option<bool>,
    must_change_with_mfa: Option<bool>,
}

/// `PATCH /users/{id}`
pub fn user(call: &Call<'_>) -> Outcome {
    call.only(&[])?;
    let body = call.json()?;
    let change = Change::read(&body)?;
    if change.enabled.is_some() {
        call.needs(permissions::ENABLE_AND_DISABLE)?;
        call.needs(permissions::READ_USERS)?;
    }
    if change.password.is_some() {
        call.needs(permissions::SET_PASSWORD)?;
        // Without a user there is nobody whose own rights would do: the application itself must
        // hold the role.
        if !call.holds_role(permissions::PASSWORD_ROLES) {
            return Err(Refusal::denied());
        }
    }
    let ((), effect) = call.change_person(
        change.described(),
        |tenant, person| change.allowed(call, tenant, person),
        |person, now| {
            if let Some(enabled) = change.enabled {
                person.enabled = enabled;
            }
            if let Some(new) = &change.password {
                let password = &mut person.password;
                if let Some(value) = &new.value {
                    password.value = Some(value.clone());
                    password.changes += 1;
                    password.changed = now;
                    // Unless it says otherwise, a reset password is a temporary one.
                    password.must_change = true;
                }
                password.must_change = new.must_change.unwrap_or(password.must_change);
                password.must_change_with_mfa =
                    new.must_change_with_mfa.unwrap_or(password.must_change_with_mfa);
            }
        },
    )?;
    Ok(Reply { status: StatusCode::NO_CONTENT, body: None, effects: vec![effect] })
}

/// `POST /users/{id}/revokeSignInSessions`
pub fn revoke(call: &Call<'_>) -> Outcome {
    call.needs(permissions::REVOKE_SESSIONS)?;
    call.only(&[])?;
    if !call.body.is_empty() {
        let body = call.json()?;
        if let Some(name) = body.keys().next() {
            return Err(Refusal::bad_request(format!("Invalid property '{name}'.")));
        }
    }
    let ((), effect) = call.change_person(
        json!({ "revokeSignInSessions": true }),
        |_, _| Ok(()),
        |person, now| {
            person.sessions_valid_from = now;
            person.revocations += 1;
        },
    )?;
    let body = json!({ "@odata.context": context(call, "Edm.Boolean"), "value": true });
    Ok(Reply { status: StatusCode::OK, body: Some(body), effects: vec![effect] })
}

impl Change {
    fn read(body: &Map<String, Value>) -> Result<Self, Refusal> {
        let mut change = Self::default();
        for (name, value) in body {
            match (name.as_str(), value) {
                ("accountEnabled", Value::Bool(enabled)) => change.enabled = Some(*enabled),
                ("passwordProfile", Value::Object(profile)) => {
                    change.password = Some(NewPassword::read(profile)?);
                }
                ("accountEnabled" | "passwordProfile", _) => return Err(invalid_value(name)),
                // Permissions to write these exist, but none that any application here could hold.
                (name, _) if users::PROPERTIES.contains(&name) => return Err(Refusal::denied()),
                _ => return Err(Refusal::bad_request(format!("Invalid property '{name}'."))),
            }
        }
        if body.is_empty() {
            return Err(Refusal::bad_request("The request body names no property to update."));
        }
        Ok(change)
    }

    fn allowed(&self, call: &Call<'_>, tenant: &Tenant, person: &Person) -> Result<(), Refusal> {
        if tenant.protects(person.id) && !call.holds_role(permissions::PROTECTED_ROLES) {
            return Err(Refusal::denied());
        }
        if person.synced {
            return Err(Refusal::bad_request(
                "Unable to update the specified properties for on-premises mastered Directory Sync objects or objects currently undergoing migration.",
            ));
        }
        if let Some(NewPassword { value: Some(value), .. }) = &self.password
            && !is_complex(value)
        {
            return Err(Refusal::bad_request(
                "The specified password does not comply with password complexity requirements. Please provide a different password.",
            ));
        }
        Ok(())
    }

    /// What changes, without the password.
    fn described(&self) -> Value {
        let mut what = Map::new();
        if let Some(enabled) = self.enabled {
            what.insert("accountEnabled".to_owned(), json!(enabled));
        }
        if let Some(password) = &self.password {
            what.insert(
                "passwordProfile".to_owned(),
                json!({
                    "password": password.value.is_some(),
                    "forceChangePasswordNextSignIn": password.must_change,
                    "forceChangePasswordNextSignInWithMfa": password.must_change_with_mfa,
                }),
            );
        }
        Value::Object(what)
    }
}

impl NewPassword {
    fn read(profile: &Map<String, Value>) -> Result<Self, Refusal> {
        let mut password = Self { value: None, must_change: None, must_change_with_mfa: None };
        for (name, value) in profile {
            match (name.as_str(), value) {
                ("password", Value::String(value)) => password.value = Some(value.clone()),
                ("forceChangePasswordNextSignIn", Value::Bool(must)) => {
                    password.must_change = Some(*must);
                }
                ("forceChangePasswordNextSignInWithMfa", Value::Bool(must)) => {
                    password.must_change_with_mfa = Some(*must);
                }
                (
                    "password"
                    | "forceChangePasswordNextSignIn"
                    | "forceChangePasswordNextSignInWithMfa",
                    _,
                ) => {
                    return Err(invalid_value(name));
                }
                _ => return Err(Refusal::bad_request(format!("Invalid property '{name}'."))),
            }
        }
        if profile.is_empty() {
            return Err(Refusal::bad_request("The password profile is empty."));
        }
        Ok(password)
    }
}

fn invalid_value(property: &str) -> Refusal {
    Refusal::bad_request(format!(
        "Invalid value specified for property '{property}' of resource 'User'."
    ))
}

fn is_complex(password: &str) -> bool {
    let kinds: [fn(char) -> bool; 4] = [
        |c| c.is_ascii_lowercase(),
        |c| c.is_ascii_uppercase(),
        |c| c.is_ascii_digit(),
        |c| !c.is_ascii_alphanumeric(),
    ];
    let mixed = kinds.iter().filter(|is_of_kind| password.chars().any(**is_of_kind)).count();
    PASSWORD_CHARACTERS.contains(&password.chars().count()) && mixed >= PASSWORD_KINDS
}
