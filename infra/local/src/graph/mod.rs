//! Microsoft Graph over [`crate::directory`]: the calls that Airlock makes.
//!
//! The token's tenant decides the directory. Each route wants one of the application permissions
//! that the real one wants, in the token's `roles` *and* granted in the directory, so that a token
//! issued before a permission was withdrawn loses it at once.
//! Whatever is not understood (a route, a query option, a property) is refused, never ignored.

mod access_policies;
mod applications;
mod audits;
mod batch;
mod call;
mod credentials;
mod delta;
mod devices;
mod filter;
mod grants;
mod groups;
mod licences;
mod memberships;
mod methods;
mod organization;
mod owners;
mod page;
mod passes;
mod permissions;
mod problem;
mod risk;
mod roles;
mod service_principals;
#[cfg(test)]
mod tests;
mod update;
mod users;

use bytes::Bytes;
use http::{HeaderMap, HeaderValue, Method, StatusCode, header};
use serde_json::Value;
use uuid::Uuid;

use crate::{
    cloud::{Answer, Asked, Caller, Shared, audience},
    directory::{self, Directory},
};

use self::{
    call::{Call, Outcome, Reply},
    page::Cast,
    problem::Refusal,
};

/// Serves the requests of one route and method.
type Handler = fn(&Call<'_>) -> Outcome;

/// What Graph answers from.
#[derive(Clone, Copy)]
struct Graph<'a> {
    directory: &'a Directory,
}

/// Answers one request to `graph.microsoft.com`.
#[expect(clippy::unused_async, reason = "the door awaits every service in the same way")]
pub async fn answer(cloud: &Shared, asked: Asked) -> Answer {
    let graph = Graph { directory: &cloud.directory };
    let outcome = match cloud.entra.verify(cloud, asked.headers(), audience::GRAPH) {
        Ok(caller) => serve(graph, &caller, &asked),
        Err(_) if !asked.headers().contains_key(header::AUTHORIZATION) => {
            Err(Refusal::unauthenticated("Access token is empty."))
        }
        Err(reason) => {
            Err(Refusal::unauthenticated(format!("Access token validation failure. {}", reason.0)))
        }
    };
    if let Ok(reply) = &outcome {
        for effect in &reply.effects {
            cloud.record.effect("graph", directory::effect(effect));
        }
    }
    written(outcome, asked.headers())
}

/// Serves one request of an authenticated caller.
fn serve(graph: Graph<'_>, caller: &Caller, asked: &Asked) -> Outcome {
    let call = Call::of(graph, caller, asked)?;
    let mut reply = if call.lower == ["$batch"] {
        if call.method != Method::POST {
            return Err(Refusal::method_not_allowed());
        }
        batch::run(&call)?
    } else {
        route(&call)?
    };
    if call.shuffled {
        reply.body = reply.body.map(|body| page::restyled("", body));
    }
    Ok(reply)
}

/// Serves one request that is not a `$batch`.
fn route(call: &Call<'_>) -> Outcome {
    let segments: Vec<&str> = call.lower.iter().map(String::as_str).collect();
    let handlers: &[(Method, Handler)] = match segments.as_slice() {
        ["users"] => &[(Method::GET, users::list)],
        ["users", _] => &[(Method::GET, users::one), (Method::PATCH, update::user)],
        ["users", _, "transitivememberof"] => &[(Method::GET, memberships::transitive)],
        ["users", _, "transitivememberof", cast] if Cast::of(cast).is_some() => {
            &[(Method::GET, memberships::transitive)]
        }
        ["users", _, "memberof"] => &[(Method::GET, memberships::direct)],
        ["users", _, "ownedobjects"] => &[(Method::GET, memberships::owned)],
        ["users", _, "ownedobjects", cast] if Cast::of(cast).is_some() => {
            &[(Method::GET, memberships::owned)]
        }
        ["users", _, "approleassignments"] => &[(Method::GET, memberships::app_roles)],
        ["users", _, "revokesigninsessions" | "microsoft.graph.revokesigninsessions"] => {
            &[(Method::POST, update::revoke)]
        }
        ["users", _, "assignlicense" | "microsoft.graph.assignlicense"] => {
            &[(Method::POST, licences::assign)]
        }
        ["users", _, "authentication", "temporaryaccesspassmethods"] => {
            &[(Method::GET, passes::list), (Method::POST, passes::create)]
        }
        ["users", _, "authentication", "methods"] => &[(Method::GET, methods::list)],
        ["users", _, "authentication", collection, _] if methods::is_collection(collection) => {
            &[(Method::DELETE, methods::delete)]
        }
        ["groups", _] => &[(Method::GET, groups::one)],
        ["groups", _, "transitivememberof"] => &[(Method::GET, groups::above)],
        // Only with `$ref`: without it, the path names the member and not the membership.
        ["groups", _, "members", "$ref"] => &[(Method::POST, groups::add)],
        ["groups", _, "members", _, "$ref"] => &[(Method::DELETE, groups::remove)],
        ["subscribedskus"] => &[(Method::GET, licences::bought)],
        [device, "registeredowners" | "registeredusers"] if devices::key(device).is_some() => {
            &[(Method::GET, devices::people)]
        }
        ["directory", "devicelocalcredentials", _] => &[(Method::GET, devices::credentials)],
        ["informationprotection", "bitlocker", "recoverykeys", _] => {
            &[(Method::GET, devices::recovery_key)]
        }
        ["identityprotection", "riskyusers", "dismiss" | "microsoft.graph.dismiss"] => {
            &[(Method::POST, risk::dismiss)]
        }
        ["identity", "conditionalaccess", "policies"] => &[(Method::GET, access_policies::list)],
        ["identity", "conditionalaccess", "policies", _] => {
            &[(Method::PATCH, access_policies::update)]
        }
        ["rolemanagement", "directory", "roleassignments"] => &[(Method::GET, roles::assignments)],
        // Not in v1.0, whatever the permissions reference suggests.
        ["rolemanagement", "directory", "transitiveroleassignments"] if call.is_beta() => {
            &[(Method::GET, roles::transitive_assignments)]
        }
        ["rolemanagement", "directory", "roleeligibilityscheduleinstances"] => {
            &[(Method::GET, roles::eligible)]
        }
        ["organization"] => &[(Method::GET, organization::list)],
        ["rolemanagement", "directory", "roledefinitions"] => &[(Method::GET, roles::definitions)],
        ["auditlogs", "directoryaudits"] => &[(Method::GET, audits::list)],
        ["applications", rest @ ..] => of_applications(rest),
        ["serviceprincipals", rest @ ..] => of_principals(rest),
        ["oauth2permissiongrants"] => &[(Method::GET, grants::delegated)],
        ["oauth2permissiongrants", "delta" | "microsoft.graph.delta()"] => {
            &[(Method::GET, delta::grants)]
        }
        _ => &[],
    };
    if handlers.is_empty() {
        let last = call.segments.last().map_or("", String::as_str);
        return Err(Refusal::no_such_segment(last));
    }
    match handlers.iter().find(|(method, _)| *method == call.method) {
        Some((_, handler)) => handler(call),
        None => Err(Refusal::method_not_allowed()),
    }
}

/// What can be asked of app registrations, below `/applications`.
fn of_applications(rest: &[&str]) -> &'static [(Method, Handler)] {
    match rest {
        [] => &[(Method::GET, applications::list)],
        ["delta" | "microsoft.graph.delta()"] => &[(Method::GET, delta::applications)],
        [_] => &[(Method::GET, applications::one)],
        [_, "owners"] => &[(Method::GET, owners::of_application)],
        [_, "addpassword" | "microsoft.graph.addpassword"] => {
            &[(Method::POST, credentials::add_password)]
        }
        [_, "removepassword" | "microsoft.graph.removepassword"] => {
            &[(Method::POST, credentials::remove_password)]
        }
        [_, "federatedidentitycredentials"] => &[(Method::GET, credentials::federated)],
        [_, "federatedidentitycredentials", _] => &[
            (Method::GET, credentials::one_federated),
            (Method::DELETE, credentials::remove_federated),
        ],
        _ => &[],
    }
}

/// What can be asked of service principals, below `/servicePrincipals`.
fn of_principals(rest: &[&str]) -> &'static [(Method, Handler)] {
    match rest {
        [] => &[(Method::GET, service_principals::list)],
        ["delta" | "microsoft.graph.delta()"] => &[(Method::GET, delta::service_principals)],
        [_] => &[(Method::GET, service_principals::one)],
        [_, "owners"] => &[(Method::GET, owners::of_principal)],
        [_, "ownedobjects"] => &[(Method::GET, owners::owned)],
        [_, "ownedobjects", cast] if Cast::of(cast).is_some() => &[(Method::GET, owners::owned)],
        [_, "transitivememberof"] => &[(Method::GET, memberships::of_principal)],
        [_, "transitivememberof", cast] if Cast::of(cast).is_some() => {
            &[(Method::GET, memberships::of_principal)]
        }
        [_, "approleassignments"] => &[(Method::GET, grants::held)],
        [_, "approleassignedto"] => &[(Method::GET, grants::holders)],
        [_, "oauth2permissiongrants"] => &[(Method::GET, grants::delegated_of_principal)],
        _ => &[],
    }
}

/// An outcome as an HTTP answer.
fn written(outcome: Outcome, asked: &HeaderMap) -> Answer {
    let request_id = Uuid::new_v4();
    let client_id = asked
        .get("client-request-id")
        .and_then(|id| id.to_str().ok())
        .map_or_else(|| request_id.to_string(), str::to_owned);
    let authenticated =
        !matches!(&outcome, Err(refusal) if refusal.status == StatusCode::UNAUTHORIZED);
    let Reply { status, body, .. } =
        outcome.unwrap_or_else(|refusal| refusal.reply(request_id, &client_id));
    let mut answer =
        Answer::new(body.as_ref().map_or_else(Bytes::new, |body| Bytes::from(body.to_string())));
    *answer.status_mut() = status;
    let headers = answer.headers_mut();
    if body.is_some() {
        headers.insert(header::CONTENT_TYPE, HeaderValue::from_static(CONTENT_TYPE));
    }
    headers.insert(header::CACHE_CONTROL, HeaderValue::from_static("no-cache"));
    headers.insert("odata-version", HeaderValue::from_static("4.0"));
    for (name, id) in [("request-id", request_id.to_string()), ("client-request-id", client_id)] {
        if let Ok(id) = HeaderValue::try_from(id) {
            headers.insert(name, id);
        }
    }
    if !authenticated {
        headers.insert(header::WWW_AUTHENTICATE, HeaderValue::from_static(CHALLENGE));
    }
    answer
}

/// Content type of every body.
const CONTENT_TYPE: &str = "application/json;odata.metadata=minimal;odata.streaming=true;IEEE754Compatible=false;charset=utf-8";

/// What a 401 asks for. The client id is Graph's own.
const CHALLENGE: &str = "Bearer realm=\"\", authorization_uri=\"https://login.microsoftonline.com/common/oauth2/authorize\", \
                         client_id=\"00000003-0000-0000-c000-000000000000\"";

/// `https://graph.microsoft.com/v1.0/$metadata#` and this.
fn context(call: &Call<'_>, what: &str) -> Value {
    Value::String(format!("{}/$metadata#{what}", call.base()))
}
