//! What Key Vault says when it says no.

use bytes::Bytes;
use http::{HeaderMap, HeaderValue, StatusCode, header};
use serde_json::{Value, json};
use uuid::Uuid;

use super::keys::NotDone;
use crate::cloud::{Answer, Caller, Names, NotAuthenticated, audience};

/// An answer that is an error.
#[derive(Debug)]
pub(super) struct Refused {
    pub(super) status: StatusCode,
    code: &'static str,
    message: String,
    inner_code: Option<&'static str>,
}

/// What is asked about.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Kind {
    /// A key.
    Key,
    /// A secret.
    Secret,
}

pub(super) fn bad(status: StatusCode, message: String) -> Refused {
    Refused { status, code: "BadParameter", message, inner_code: None }
}

pub(super) fn internal(message: String) -> Refused {
    Refused {
        status: StatusCode::INTERNAL_SERVER_ERROR,
        code: "InternalServerError",
        message,
        inner_code: None,
    }
}

pub(super) fn not_done(why: NotDone) -> Refused {
    match why {
        NotDone::OtherKind => {
            bad(StatusCode::BAD_REQUEST, "The key's type does not allow this operation.".to_owned())
        }
        NotDone::BadValue => bad(StatusCode::BAD_REQUEST, "The parameter is incorrect.".to_owned()),
        NotDone::NoKey => internal("the key could not be made".to_owned()),
    }
}

/// There is no such key or secret, or not in this version.
pub(super) fn not_found(kind: Kind, name: &str, version: Option<&str>) -> Refused {
    let version = version.map(|version| format!("/{version}")).unwrap_or_default();
    let (code, word) = match kind {
        Kind::Key => ("KeyNotFound", "key"),
        Kind::Secret => ("SecretNotFound", "secret"),
    };
    Refused {
        status: StatusCode::NOT_FOUND,
        code,
        message: format!(
            "A {word} with (name/id) {name}{version} was not found in this key vault."
        ),
        inner_code: None,
    }
}

/// Somebody disabled the version.
pub(super) fn disabled(kind: Kind, operation: &str) -> Refused {
    let (word, inner_code) = match kind {
        Kind::Key => ("key", "KeyDisabled"),
        Kind::Secret => ("secret", "SecretDisabled"),
    };
    let message = format!("Operation {operation} is not allowed on a disabled {word}.");
    let (status, code) = (StatusCode::FORBIDDEN, "Forbidden");
    Refused { status, code, message, inner_code: Some(inner_code) }
}

/// The key is not yet, or no more, valid. What Azure says to that is not documented: the sentence
/// and the inner code are ours.
pub(super) fn out_of_time(operation: &str) -> Refused {
    let message = format!("Operation {operation} is not allowed outside of the time of this key.");
    let (status, code) = (StatusCode::FORBIDDEN, "Forbidden");
    Refused { status, code, message, inner_code: Some("KeyNotYetValidOrExpired") }
}

/// The caller lacks the data action on `keys/{name}` or `secrets/{name}`.
pub(super) fn forbidden(
    names: &Names,
    caller: &Caller,
    action: &'static str,
    resource: &str,
) -> Refused {
    let Names { vault, entra, .. } = names;
    let Caller { object, tenant, .. } = caller;
    let vault = vault.split('.').next().unwrap_or_default();
    Refused {
        status: StatusCode::FORBIDDEN,
        code: "Forbidden",
        message: format!(
            "Caller is not authorized to perform action on resource.\r\n\
             If role assignments, deny assignments or role definitions were changed recently, \
             please observe propagation time.\r\n\
             Caller: oid={object};iss=https://{entra}/{tenant}/v2.0\r\n\
             Action: '{action}'\r\nResource: '{vault}/{resource}'\r\nAssignment: (not found)\r\n\
             DecisionReason: 'DeniedWithNoValidRBAC'\r\nVault: {vault}\r\n",
        ),
        inner_code: Some("ForbiddenByRbac"),
    }
}

/// The answer to a request without a token that is accepted.
pub(super) fn challenge(
    names: &Names,
    headers: &HeaderMap,
    NotAuthenticated(why): &NotAuthenticated,
) -> Answer {
    let message = if headers.contains_key(header::AUTHORIZATION) {
        why.clone()
    } else {
        "AKV10000: Request is missing a Bearer or PoP token.".to_owned()
    };
    let status = StatusCode::UNAUTHORIZED;
    let mut answer = Refused { status, code: "Unauthorized", message, inner_code: None }.answer();
    let challenge = format!(
        "Bearer authorization=\"https://{}/{}\", resource=\"{}\"",
        names.entra,
        names.tenant,
        audience::VAULT,
    );
    // INVARIANT: names, a UUID and a constant, so it is a header's value.
    if let Ok(challenge) = HeaderValue::from_str(&challenge) {
        answer.headers_mut().insert(header::WWW_AUTHENTICATE, challenge);
    }
    answer
}

impl Refused {
    pub(super) fn answer(self) -> Answer {
        let mut error = json!({ "code": self.code, "message": self.message });
        if let Some(code) = self.inner_code {
            error["innererror"] = json!({ "code": code });
        }
        json_answer(self.status, &json!({ "error": error }))
    }
}

/// An answer in JSON, error or not.
pub(super) fn json_answer(status: StatusCode, body: &Value) -> Answer {
    let mut answer = Answer::new(Bytes::from(body.to_string()));
    *answer.status_mut() = status;
    let headers = answer.headers_mut();
    headers
        .insert(header::CONTENT_TYPE, HeaderValue::from_static("application/json; charset=utf-8"));
    headers.insert(header::CACHE_CONTROL, HeaderValue::from_static("no-cache"));
    if let Ok(id) = HeaderValue::from_str(&Uuid::new_v4().to_string()) {
        headers.insert("x-ms-request-id", id);
    }
    answer
}
