//! App registrations, as they are shown.
//!
//! Those of third parties are the tenant's own. Those of Airlock stand in the tenant of the
//! deployment alone.

use serde_json::{Value, json};
use uuid::Uuid;

use super::{
    call::{Call, Outcome, Reply},
    context,
    filter::Filter,
    page::{self, DEFAULT_PAGE, cut, with_selection},
    permissions,
    problem::Refusal,
};
use crate::directory::{
    Registration, Tenant,
    credentials::Certificate,
    principal::GRAPH,
    registration::{AppRole, Password, Scope},
    written,
};

/// What can be selected, and is shown of one that is not selected from.
pub const PROPERTIES: &[&str] = &[
    "id",
    "deletedDateTime",
    "api",
    "appId",
    "appRoles",
    "createdDateTime",
    "displayName",
    "identifierUris",
    "isFallbackPublicClient",
    "keyCredentials",
    "passwordCredentials",
    "publicClient",
    "publisherDomain",
    "requiredResourceAccess",
    "servicePrincipalLockConfiguration",
    "signInAudience",
    "spa",
    "tags",
    "web",
];

/// What can be filtered by.
const FILTERED: &[&str] = &["id", "appId", "displayName"];

/// `GET /applications`
pub fn list(call: &Call<'_>) -> Outcome {
    call.needs(permissions::READ_APPLICATIONS)?;
    call.only(page::OPTIONS)?;
    let selected = call.selected("application", PROPERTIES)?;
    let filter = call.option("$filter").map(|text| Filter::parse(text, FILTERED)).transpose()?;
    let what = with_selection("applications", selected.as_deref());
    call.look(|tenant| {
        let all = tenant.registrations.values();
        let admitted = all.filter(|one| {
            filter.as_ref().is_none_or(|filter| {
                named_so(filter, one.client)
                    && filter.admits(&json!({
                        "id": one.id, "appId": one.client, "displayName": one.name,
                    }))
            })
        });
        let admitted = admitted.map(|one| (one.id.to_string(), one)).collect();
        call.page_shown(&what, admitted, DEFAULT_PAGE, |one| {
            cut(&shown(tenant, one), selected.as_deref().unwrap_or(PROPERTIES))
        })
    })
}

/// Whether a filter that names one client names this one: most objects need no closer look.
pub fn named_so(filter: &Filter, client: Uuid) -> bool {
    let wanted = filter.text_of("appId");
    wanted.is_none_or(|wanted| Uuid::try_parse(wanted).is_ok_and(|wanted| wanted == client))
}

/// `GET /applications/{id}` and `/applications(appId='{appId}')`
pub fn one(call: &Call<'_>) -> Outcome {
    call.needs(permissions::READ_APPLICATIONS)?;
    call.only(&["$select"])?;
    let selected = call.selected("application", PROPERTIES)?;
    let found = call.look(|tenant| Ok(shown(tenant, named(call, tenant)?)))?;
    let mut body = cut(&found, selected.as_deref().unwrap_or(PROPERTIES));
    let what = with_selection("applications", selected.as_deref());
    body["@odata.context"] = context(call, &format!("{what}/$entity"));
    Ok(Reply::ok(body))
}

/// The registration that the path names.
pub fn named<'t>(call: &Call<'_>, tenant: &'t Tenant) -> Result<&'t Registration, Refusal> {
    let found = match Key::of(call)? {
        Key::Object(id) => tenant.registrations.get(&id),
        Key::Client(client) => tenant.registration_of(client),
    };
    found.ok_or_else(|| Refusal::not_found(call.segments.get(1).map_or("", String::as_str)))
}

/// By what a path names an application or a service principal.
pub enum Key {
    /// Its object id.
    Object(Uuid),
    /// Its client id: `applications(appId='…')`.
    Client(Uuid),
}

impl Key {
    /// The key in the path's second segment.
    ///
    /// # Errors
    ///
    /// If it is none: then there is no such object.
    pub fn of(call: &Call<'_>) -> Result<Self, Refusal> {
        let segment = call.lower.get(1).map_or("", String::as_str);
        let client = segment.strip_prefix("appid='").and_then(|rest| rest.strip_suffix('\''));
        let id = Uuid::try_parse(client.unwrap_or(segment));
        let id = id.map_err(|_| Refusal::not_found(segment))?;
        Ok(if client.is_some() { Self::Client(id) } else { Self::Object(id) })
    }
}

/// All of a registration.
pub fn shown(tenant: &Tenant, one: &Registration) -> Value {
    let redirects = &one.redirects;
    let resource_access: Vec<Value> =
        one.required.iter().map(|id| json!({ "id": id, "type": "Role" })).collect();
    let required_access: Vec<Value> = (!resource_access.is_empty())
        .then(|| json!({ "resourceAppId": GRAPH, "resourceAccess": resource_access }))
        .into_iter()
        .collect();
    let pre_authorized = one
        .pre_authorized
        .iter()
        .map(|(client, scopes)| json!({ "appId": client, "delegatedPermissionIds": scopes }));
    json!({
        "id": one.id,
        "deletedDateTime": null,
        "api": {
            "acceptMappedClaims": null,
            "knownClientApplications": [],
            "oauth2PermissionScopes": one.scopes.iter().map(scope).collect::<Vec<_>>(),
            "preAuthorizedApplications": pre_authorized.collect::<Vec<_>>(),
            "requestedAccessTokenVersion": 2,
        },
        "appId": one.client,
        "appRoles": one.app_roles.iter().map(app_role).collect::<Vec<_>>(),
        "createdDateTime": written(one.created),
        "displayName": one.name,
        "identifierUris": one.uris(),
        "isFallbackPublicClient": redirects.fallback_public,
        "keyCredentials": one.credentials.certificates.iter().map(certificate).collect::<Vec<_>>(),
        "passwordCredentials": one.credentials.passwords().map(password).collect::<Vec<_>>(),
        "publicClient": { "redirectUris": redirects.public_client },
        "publisherDomain": tenant.domain,
        "requiredResourceAccess": required_access,
        "servicePrincipalLockConfiguration": {
            "isEnabled": one.lock.enabled,
            "allProperties": one.lock.all_properties,
            "credentialsWithUsageVerify": one.lock.verify,
            "credentialsWithUsageSign": one.lock.sign,
            "tokenEncryptionKeyId": one.lock.token_encryption,
        },
        "signInAudience": one.audience,
        "spa": { "redirectUris": redirects.spa },
        "tags": [],
        "web": {
            "homePageUrl": null,
            "logoutUrl": redirects.logout,
            "redirectUris": redirects.web,
            "implicitGrantSettings": {
                "enableAccessTokenIssuance": redirects.implicit_access_tokens,
                "enableIdTokenIssuance": redirects.implicit_id_tokens,
            },
        },
    })
}

/// A delegated scope, as applications and service principals show it.
pub fn scope(scope: &Scope) -> Value {
    json!({
        "adminConsentDescription": scope.value,
        "adminConsentDisplayName": scope.value,
        "id": scope.id,
        "isEnabled": true,
        "type": "Admin",
        "userConsentDescription": null,
        "userConsentDisplayName": null,
        "value": scope.value,
    })
}

/// An app role, as applications and service principals show it.
pub fn app_role(role: &AppRole) -> Value {
    json!({
        "allowedMemberTypes": [if role.of_applications { "Application" } else { "User" }],
        "description": role.value,
        "displayName": role.value,
        "id": role.id,
        "isEnabled": true,
        "origin": "Application",
        "value": role.value,
    })
}

/// A secret as it is shown ever after: without itself.
pub fn password(password: &Password) -> Value {
    json!({
        "customKeyIdentifier": null,
        "displayName": password.name,
        "endDateTime": written(password.end),
        "hint": password.hint,
        "keyId": password.key_id,
        "secretText": null,
        "startDateTime": written(password.start),
    })
}

/// A certificate. Lists leave out its key.
pub fn certificate(certificate: &Certificate) -> Value {
    json!({
        "customKeyIdentifier": null,
        "displayName": certificate.name,
        "endDateTime": written(certificate.end),
        "key": null,
        "keyId": certificate.key_id,
        "startDateTime": written(certificate.start),
        "type": "AsymmetricX509Cert",
        "usage": "Verify",
    })
}
