//! The token endpoint.

use http::StatusCode;
use serde_json::{Map, Value, json};
use uuid::Uuid;

use super::{
    assertion::{self, Client},
    form::Form,
    grants::{Presented, SignIn},
    refusal::Refusal,
    secret,
    tokens::{Granted, LIFETIME_S, OFFLINE, Resource, client_info, own_scope},
};
use crate::{
    cloud::{Answer, Asked, Cloud},
    directory::SignedInPerson,
    identities::{application_id, service_principal_id},
};

/// How an application proved itself: its tokens say so.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Proof {
    /// By a secret.
    Secret,
    /// By an assertion.
    Assertion,
}

/// Answers `POST /{tenant}/oauth2/v2.0/token`.
pub fn answer(cloud: &Cloud, tenant: Uuid, asked: &Asked, now_s: u64) -> Answer {
    let (caller, outcome) = match Form::parse(asked.body()) {
        Ok(form) => {
            let name = form
                .optional("client_id")
                .and_then(|id| Uuid::parse_str(id).ok())
                .and_then(|client| super::application_name(cloud, client));
            (name, granted(cloud, tenant, &form, now_s))
        }
        Err(refusal) => (None, Err(refusal)),
    };
    match outcome {
        Ok(body) => super::json(StatusCode::OK, &body),
        Err(refusal) => {
            let why = format!("AADSTS{}", refusal.code());
            cloud.record.refusal("entra", caller.as_deref(), &why);
            refusal.answer(asked.headers())
        }
    }
}

/// The tokens that a request is granted.
///
/// # Errors
///
/// The refusal that Entra would answer with.
pub fn granted(cloud: &Cloud, tenant: Uuid, form: &Form, now_s: u64) -> Result<Value, Refusal> {
    let grant = form.required("grant_type")?;
    if !["authorization_code", "refresh_token", "client_credentials"].contains(&grant) {
        return Err(Refusal::UnsupportedGrant(grant.to_owned()));
    }
    if let Some(registration) = secret::registered(cloud, tenant, form)? {
        return secret::granted(cloud, tenant, &registration, form, now_s);
    }
    let client = assertion::authenticated(cloud, tenant, form, now_s)?;
    match grant {
        "authorization_code" => code(cloud, tenant, client, form, now_s),
        "refresh_token" => refresh(cloud, tenant, client, form, now_s),
        _ => client_credentials(cloud, tenant, client, form, now_s),
    }
}

fn client_credentials(
    cloud: &Cloud,
    tenant: Uuid,
    client: Client<'_>,
    form: &Form,
    now_s: u64,
) -> Result<Value, Refusal> {
    let resource = resource(cloud, form)?;
    let Client { name, proof, .. } = client;
    let granted = Granted {
        tenant,
        client: application_id(name),
        principal: service_principal_id(name, tenant),
        roles: roles(cloud, tenant, service_principal_id(name, tenant), resource),
        proof,
    };
    let token = cloud.entra.app_only_token(&granted, resource, now_s)?;
    cloud.record.token(name, &resource.audience(), tenant, "client_credentials");
    Ok(answered(&token))
}

/// Refuses a client whose service principal in this tenant is disabled.
///
/// # Errors
///
/// If it is.
pub fn enabled(cloud: &Cloud, tenant: Uuid, client: Uuid) -> Result<(), Refusal> {
    let disabled = cloud.directory.look(tenant, |tenant| {
        tenant.principal_of(client).is_some_and(|principal| !principal.enabled)
    });
    if disabled == Some(true) { Err(Refusal::ApplicationDisabled(client)) } else { Ok(()) }
}

/// The app roles of a resource that a service principal holds.
#[must_use]
pub fn roles(cloud: &Cloud, tenant: Uuid, principal: Uuid, resource: Resource<'_>) -> Vec<String> {
    let held = cloud.directory.look(tenant, |tenant| {
        resource.client().map(|client| tenant.roles_held(principal, client))
    });
    held.flatten().unwrap_or_default()
}

/// The one resource that an application asks for in its own name.
///
/// # Errors
///
/// If the scope is not of that form, or there is no such resource.
pub fn resource<'a>(cloud: &'a Cloud, form: &'a Form) -> Result<Resource<'a>, Refusal> {
    let scope = form.required("scope")?;
    if !scope.ends_with("/.default") || scope.contains(' ') {
        return Err(Refusal::ScopeNotDefault(scope.to_owned()));
    }
    Resource::named(scope, &cloud.identities)
}

/// The answer that carries the token of an application.
#[must_use]
pub fn answered(token: &str) -> Value {
    json!({
        "token_type": "Bearer",
        "expires_in": LIFETIME_S,
        "ext_expires_in": LIFETIME_S,
        "access_token": token,
    })
}

fn code(
    cloud: &Cloud,
    tenant: Uuid,
    client: Client<'_>,
    form: &Form,
    now_s: u64,
) -> Result<Value, Refusal> {
    let presented = Presented {
        code: form.required("code")?,
        tenant,
        application: client.name,
        redirect_uri: form.required("redirect_uri")?,
        verifier: form.optional("code_verifier"),
    };
    let code = cloud.entra.grants.redeem(presented, now_s)?;
    let person = person(cloud, &code.sign_in)?;
    let nonce = code.nonce.as_deref();
    tokens(
        cloud,
        &Issuing { sign_in: code.sign_in, person, form, how: "authorization_code" },
        nonce,
        now_s,
    )
}

fn refresh(
    cloud: &Cloud,
    tenant: Uuid,
    client: Client<'_>,
    form: &Form,
    now_s: u64,
) -> Result<Value, Refusal> {
    let token = form.required("refresh_token")?;
    let mut sign_in = cloud.entra.grants.refreshed(token, tenant, client.name, now_s)?;
    if let Some(asked) = form.optional("scope") {
        let asked = scopes(asked, client)?;
        // RFC 6749, section 6: never more than was granted, in whichever of its spellings.
        let name = |scope: &str| own_scope(scope).unwrap_or(scope).to_owned();
        let granted: Vec<String> = sign_in.scopes.iter().map(|scope| name(scope)).collect();
        if let Some(more) = asked.iter().find(|scope| !granted.contains(&name(scope))) {
            return Err(Refusal::Scope(more.clone()));
        }
        sign_in.scopes = asked;
    }
    let person = person(cloud, &sign_in)?;
    tokens(cloud, &Issuing { sign_in, person, form, how: "refresh_token" }, None, now_s)
}

struct Issuing<'a> {
    sign_in: SignIn,
    person: SignedInPerson,
    form: &'a Form,
    how: &'static str,
}

fn tokens(
    cloud: &Cloud,
    issuing: &Issuing<'_>,
    nonce: Option<&str>,
    now_s: u64,
) -> Result<Value, Refusal> {
    let Issuing { sign_in, person, form, how } = issuing;
    let entra = &cloud.entra;
    let access = entra.person_token(sign_in, person, now_s)?;
    let holder = format!("{} for {}", sign_in.application, person.object);
    cloud.record.token(&holder, &access.audience, sign_in.tenant, how);

    let asked = |scope: &str| sign_in.scopes.iter().any(|known| known == scope);
    let mut body = Map::new();
    body.insert("token_type".to_owned(), "Bearer".into());
    body.insert("scope".to_owned(), spelled(sign_in).into());
    body.insert("expires_in".to_owned(), LIFETIME_S.into());
    body.insert("ext_expires_in".to_owned(), LIFETIME_S.into());
    body.insert("access_token".to_owned(), access.token.into());
    if asked("openid") {
        let token = entra.id_token(sign_in, person, nonce, now_s)?;
        body.insert("id_token".to_owned(), token.into());
    }
    if asked(OFFLINE) {
        let token = entra.grants.refresh_token(sign_in.clone(), now_s)?;
        body.insert("refresh_token".to_owned(), token.into());
    }
    if form.optional("client_info") == Some("1") {
        body.insert("client_info".to_owned(), client_info(person).into());
    }
    Ok(Value::Object(body))
}

/// The person as the directory knows them now: a code and a refresh token carry no roles.
fn person(cloud: &Cloud, sign_in: &SignIn) -> Result<SignedInPerson, Refusal> {
    let person =
        cloud.directory.by_object(sign_in.tenant, sign_in.object).ok_or(Refusal::UnknownPerson)?;
    if !person.enabled {
        return Err(Refusal::AccountDisabled);
    }
    Ok(person)
}

/// Reads scopes. They are kept as they were asked, because clients look tokens up by what comes
/// back; only `/.default` is spelled out.
///
/// # Errors
///
/// If one is neither `OpenID` Connect's nor exposed by the application.
pub fn scopes(asked: &str, client: Client<'_>) -> Result<Vec<String>, Refusal> {
    let mut scopes = Vec::new();
    for scope in asked.split(' ').filter(|scope| !scope.is_empty()) {
        for scope in read(scope, client)? {
            if !scopes.contains(&scope) {
                scopes.push(scope);
            }
        }
    }
    Ok(scopes)
}

fn read(scope: &str, client: Client<'_>) -> Result<Vec<String>, Refusal> {
    if ["openid", "profile", "email", OFFLINE].contains(&scope) {
        return Ok(vec![scope.to_owned()]);
    }
    let id = application_id(client.name).to_string();
    let uris = [format!("api://{}", client.name), format!("api://{id}"), id];
    let exposed = &client.application.scopes;
    match scope.rsplit_once('/') {
        Some((uri, ".default")) if uris.iter().any(|known| known == uri) => {
            Ok(exposed.iter().map(|name| format!("{uri}/{name}")).collect())
        }
        Some((uri, name))
            if uris.iter().any(|known| known == uri)
                && exposed.iter().any(|known| known == name) =>
        {
            Ok(vec![scope.to_owned()])
        }
        _ => Err(Refusal::Scope(scope.to_owned())),
    }
}

/// The scopes as the answer lists them.
fn spelled(sign_in: &SignIn) -> String {
    let scopes = sign_in.scopes.iter().filter(|scope| *scope != OFFLINE);
    scopes.map(String::as_str).collect::<Vec<_>>().join(" ")
}
