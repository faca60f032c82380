//! One request to Microsoft Graph, and whether it is one that an operation declared.

use std::fmt;

use serde_json::Value;

use super::Reach;
use crate::ports::PortError;

/// One Microsoft Graph request of a permitted change.
///
/// There is no other way to one than [`Hands`](super::Hands) and a
/// [`Removal`](super::Removal)'s own, and none for what the operation has not declared in its
/// [`Reach`](super::Reach).
pub struct Effect {
    application: &'static str,
    method: &'static str,
    path: String,
    body: Option<Value>,
}

/// What calls to the directory are declared, and what is digested fills their places.
pub(super) trait Declares {
    /// How far it reaches.
    fn reach(&self) -> &'static Reach;

    /// What a name in a template stands for, if the digest says so.
    fn place(&self, name: &str) -> Option<String>;
}

/// A call that the operation has not declared: a defect, or a directory that would have us call
/// something else. It is never sent.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("not a call of this operation")]
pub(crate) struct NotDeclared;

impl From<NotDeclared> for PortError {
    fn from(error: NotDeclared) -> Self {
        Self::Broken(error.into())
    }
}

impl Effect {
    pub(super) fn of(
        on: &dyn Declares,
        method: &'static str,
        path: String,
        body: Option<Value>,
    ) -> Result<Self, NotDeclared> {
        let reach = on.reach();
        declared(on, reach.calls, method, &path)?;
        Ok(Self { application: reach.application, method, path, body })
    }

    /// The application that may make it.
    #[must_use]
    pub const fn application(&self) -> &'static str {
        self.application
    }

    /// HTTP method.
    #[must_use]
    pub const fn method(&self) -> &'static str {
        self.method
    }

    /// Path below the version, with leading slash.
    #[must_use]
    pub fn path(&self) -> &str {
        &self.path
    }

    /// JSON body, if any. May hold a secret.
    #[must_use]
    pub const fn body(&self) -> Option<&Value> {
        self.body.as_ref()
    }

    /// Whether it changes anything.
    #[must_use]
    pub fn writes(&self) -> bool {
        self.method != "GET"
    }
}

/// The body may hold a secret.
impl fmt::Debug for Effect {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "Effect({})", self.method)
    }
}

/// Makes sure that a call is one of these.
pub(super) fn declared(
    on: &dyn Declares,
    calls: &[&str],
    method: &str,
    path: &str,
) -> Result<(), NotDeclared> {
    let fits_one = calls.iter().any(|call| {
        call.split_once(' ').is_some_and(|(of, template)| {
            of == method && fits(template, path, &|name| on.place(name))
        })
    });
    if fits_one { Ok(()) } else { Err(NotDeclared) }
}

/// Whether a path is the template with its places filled: with what `value` says of a name, or
/// else with what cannot lead out of one place.
fn fits(template: &str, path: &str, value: &dyn Fn(&str) -> Option<String>) -> bool {
    let Some((literal, rest)) = template.split_once('{') else { return template == path };
    let Some((name, template)) = rest.split_once('}') else { return false };
    let Some(path) = path.strip_prefix(literal) else { return false };
    let is_plain = |c: char| c.is_ascii_alphanumeric() || c == '-' || c == '_';
    let (filled, path) = path.split_at(path.find(|c| !is_plain(c)).unwrap_or(path.len()));
    let right = match value(name) {
        Some(value) => filled == value,
        None => !filled.is_empty(),
    };
    right && fits(template, path, value)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of_nina(name: &str) -> Option<String> {
        (name == "user").then(|| "nina".to_owned())
    }

    #[test]
    fn a_place_is_filled_by_what_was_digested() {
        let template = "/users/{user}/revokeSignInSessions";

        assert!(fits(template, "/users/nina/revokeSignInSessions", &of_nina));
        for other in [
            "/users/olga/revokeSignInSessions",
            "/users/nina2/revokeSignInSessions",
            "/users//revokeSignInSessions",
            "/users/nina/revokeSignInSessions/x",
            "/users/nina/revokeSignInSessions?$x=1",
            "/users/nina",
            "",
        ] {
            assert!(!fits(template, other, &of_nina), "{other}");
        }
    }

    #[test]
    fn what_the_directory_says_leads_out_of_no_place() {
        let template = "/users/{user}/phoneMethods/{id}";

        assert!(fits(template, "/users/nina/phoneMethods/-2_Gr", &of_nina));
        for steered in ["..", "../../olga", "1/$ref", "1?$x", "1#", "%2e%2e", "", "1 2", "é"] {
            let path = format!("/users/nina/phoneMethods/{steered}");
            assert!(!fits(template, &path, &of_nina), "{path}");
        }
    }

    #[test]
    fn a_place_can_stand_within_a_segment_and_before_a_query() {
        let template = "/devices(deviceId='{device}')/owners?$select=id";

        assert!(fits(template, "/devices(deviceId='d-1')/owners?$select=id", &of_nina));
        assert!(!fits(template, "/devices(deviceId='d-1')/owners?$select=id,x", &of_nina));
        assert!(!fits(template, "/devices(deviceId='d'1')/owners?$select=id", &of_nina));
        assert!(!fits("/unclosed/{user", "/unclosed/nina", &of_nina));
    }
}
