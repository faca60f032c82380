//! Who may do what: the token first, then the data-plane role assignments.

use http::{HeaderMap, HeaderValue, header::AUTHORIZATION};
use url::form_urlencoded;

use super::{
    batch,
    operation::{Act, Operation},
    wire::Refusal,
};
use crate::{
    cloud::Caller,
    identities::{Identities, Right},
};

/// Substatus: an Entra token is not good for control-plane work.
const NOT_BY_ENTRA: u32 = 5300;
/// Substatus: metadata may not be read.
const NO_METADATA: u32 = 5301;
/// Substatus: no role assignment covers this action on these documents.
const NO_DATA: u32 = 5302;
/// Substatus: there is no Authorization header.
const NO_HEADER: u32 = 5000;
/// Substatus: the Authorization header is not understood.
const BAD_HEADER: u32 = 5001;

/// The bearer token of Cosmos DB's own Authorization header, in the ordinary form.
///
/// The header is `type=aad&ver=1.0&sig=<token>`, percent-encoded as a whole.
pub fn bearer(headers: &HeaderMap) -> Result<HeaderMap, Refusal> {
    let Some(value) = headers.get(AUTHORIZATION) else {
        return Err(Refusal::unauthorized("Required Header authorization is missing.")
            .with_substatus(NO_HEADER));
    };
    token(value.as_bytes())
        .and_then(|token| HeaderValue::try_from(format!("Bearer {token}")).ok())
        .map(|bearer| HeaderMap::from_iter([(AUTHORIZATION, bearer)]))
        .ok_or_else(|| {
            Refusal::unauthorized(
                "The format of the authorization header is not type=aad&ver=1.0&sig=token.",
            )
            .with_substatus(BAD_HEADER)
        })
}

fn token(header: &[u8]) -> Option<String> {
    let (decoded, _) = form_urlencoded::parse(header).next()?;
    let mut fields = decoded.split('&');
    let (kind, version, signature) = (fields.next()?, fields.next()?, fields.next()?);
    if kind != "type=aad" || version != "ver=1.0" || fields.next().is_some() {
        return None;
    }
    signature.strip_prefix("sig=").filter(|token| !token.is_empty()).map(str::to_owned)
}

/// Whether this caller may do this.
///
/// # Errors
///
/// 403 if it may not; for a batch that is not one, the emulator's 400.
pub fn allow(
    identities: &Identities,
    caller: &Caller,
    operation: &Operation,
    body: &[u8],
) -> Result<(), Refusal> {
    let known = caller.identity.as_deref().and_then(|name| identities.identities.get(name));
    match operation {
        Operation::Control => Err(Refusal::forbidden(
            NOT_BY_ENTRA,
            "The given request cannot be authorized by AAD token in data plane.",
        )),
        Operation::Metadata if known.is_some() => Ok(()),
        Operation::Metadata => Err(blocked(caller, "readMetadata", "/", NO_METADATA)),
        Operation::Documents { container, act, .. } => {
            let held = known
                .and_then(|identity| identity.cosmos.get(container))
                .map_or(&[][..], Vec::as_slice);
            for action in actions(*act, held, body)? {
                if !action.covered_by(held) {
                    return Err(blocked(caller, action.name(), container, NO_DATA));
                }
            }
            Ok(())
        }
    }
}

/// One action that a role assignment covers or not.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Action {
    /// Reads documents.
    Read,
    /// Runs a query.
    Query,
    /// Creates a document that must not exist.
    Create,
    /// Changes or deletes a document.
    Change,
}

impl Action {
    fn covered_by(self, held: &[Right]) -> bool {
        match self {
            Self::Read | Self::Query => held.contains(&Right::Read),
            Self::Create => held.contains(&Right::Write) || held.contains(&Right::Create),
            Self::Change => held.contains(&Right::Write),
        }
    }

    fn name(self) -> &'static str {
        match self {
            Self::Read => "sqlDatabases/containers/items/read",
            Self::Query => "sqlDatabases/containers/executeQuery",
            Self::Create => "sqlDatabases/containers/items/create",
            Self::Change => "sqlDatabases/containers/items/replace",
        }
    }
}

fn actions(act: Act, held: &[Right], body: &[u8]) -> Result<Vec<Action>, Refusal> {
    Ok(match act {
        Act::Read => vec![Action::Read],
        Act::Query => vec![Action::Query],
        Act::Create => vec![Action::Create],
        Act::Write => vec![Action::Change],
        // A stranger is refused before the body is looked at.
        Act::Batch if held.is_empty() => vec![Action::Change],
        Act::Batch => batch::read(body)?.iter().map(batch::Operation::action).collect(),
    })
}

fn blocked(caller: &Caller, action: &str, resource: &str, substatus: u32) -> Refusal {
    Refusal::forbidden(
        substatus,
        &format!(
            "Request blocked by Auth: principal [{}] does not have required RBAC permissions to perform action \
             [Microsoft.DocumentDB/databaseAccounts/{action}] on resource [{resource}].",
            caller.object
        ),
    )
}
