//! What Key Vault says when it says no.

use bytes::Bytes;
use http::{HeaderMap, HeaderValue, StatusCode, header};
use serde_json::{Value, json};
use uuid::Uuid;

use super::{Operation, keys::NotDone};
use crate::cloud::{Answer, Caller, Names, NotAuthenticated, audience};

/// An answer that is an error.
#[derive(Debug)]
pub(super) struct Refused {
    pub(super) status: StatusCode,
    code: &'static str,
    message: String,
    inner_code: Option<&'static str>,
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

pub(super) fn not_found(name: &str, version: Option<&str>) -> Refused {
    let version = version.map(|version| format!("/{version}")).unwrap_or_default();
    Refused {
        status: StatusCode::NOT_FOUND,
        code: "KeyNotFound",
        message: format!("A key with (name/id) {name}{version} was not found in this key vault."),
        inner_code: None,
    }
}

pub(super) fn forbidden(
    names: &Names,
    caller: &Caller,
    operation: Operation,
    key: &str,
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
             Action: '{}'\r\nResource: '{vault}/keys/{key}'\r\nAssignment: (not found)\r\n\
             DecisionReason: 'DeniedWithNoValidRBAC'\r\nVault: {vault}\r\n",
            operation.action(),
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
