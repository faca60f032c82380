//! What stands in each kind of token.

use std::collections::BTreeSet;

use base64::{Engine as _, prelude::BASE64_URL_SAFE_NO_PAD as BASE64URL};
use serde_json::{Value, json};
use sha2::{Digest as _, Sha256};
use uuid::Uuid;

use super::{Entra, grants::SignIn, issuer, refusal::Refusal, token::Proof};
#[cfg(test)]
use crate::identities::service_principal_id;
use crate::{
    cloud::audience,
    directory::{SignedInPerson, principal::GRAPH},
    identities::{Application, Identities, application_id, client_id, principal_id, stable_id},
};

/// Validity of the tokens of applications and people, in seconds. Entra varies it from 60 to 90
/// minutes; the shortest is what clients must cope with.
pub const LIFETIME_S: u64 = 3_599;

/// Validity of a managed identity's token, in seconds.
pub const IDENTITY_LIFETIME_S: u64 = 86_400;

/// What an application was granted, and in which tenant.
#[derive(Clone, Debug)]
pub struct Granted {
    /// The tenant.
    pub tenant: Uuid,
    /// Its client id.
    pub client: Uuid,
    /// Object id of its service principal.
    pub principal: Uuid,
    /// App roles of the resource that it holds.
    pub roles: Vec<String>,
    /// How it proved itself.
    pub proof: Proof,
}

/// What a token is asked for.
#[derive(Clone, Copy, Debug)]
pub enum Resource<'a> {
    /// A service of Microsoft's; the audience is the text that was asked.
    Service(&'a str),
    /// An application of ours; the audience is its client id.
    Application {
        /// Its display name.
        name: &'a str,
        /// What it exposes.
        application: &'a Application,
    },
}

impl<'a> Resource<'a> {
    /// Reads a resource, or a scope that ends in `/.default`.
    ///
    /// # Errors
    ///
    /// If no such resource exists.
    pub fn named(asked: &'a str, identities: &'a Identities) -> Result<Self, Refusal> {
        let name = asked.strip_suffix("/.default").unwrap_or(asked);
        let services = [
            audience::VAULT,
            audience::COSMOS,
            audience::BUS,
            audience::STORAGE,
            audience::GRAPH,
            audience::EXCHANGE,
            audience::ARM,
        ];
        if services.contains(&name.strip_suffix('/').unwrap_or(name)) {
            return Ok(Self::Service(name));
        }
        application(name, identities)
            .map(|(name, application)| Self::Application { name, application })
            .ok_or_else(|| Refusal::UnknownResource(name.to_owned()))
    }

    /// The client id of the application that exposes its app roles, if it has any here.
    #[must_use]
    pub fn client(&self) -> Option<Uuid> {
        match self {
            Self::Service(audience::GRAPH) => Some(GRAPH),
            Self::Service(_) => None,
            Self::Application { name, .. } => Some(application_id(name)),
        }
    }

    /// The token's `aud`.
    #[must_use]
    pub fn audience(&self) -> String {
        match self {
            Self::Service(name) => (*name).to_owned(),
            Self::Application { name, .. } => application_id(name).to_string(),
        }
    }
}

/// The application with this App ID URI: `api://` and its name or its client id, or the bare id.
pub fn application<'a>(
    uri: &str,
    identities: &'a Identities,
) -> Option<(&'a str, &'a Application)> {
    let name = uri.strip_prefix("api://");
    identities
        .applications
        .iter()
        .find(|(known, _)| {
            let id = application_id(known).to_string();
            name.is_some_and(|name| name == known.as_str() || name == id) || uri == id
        })
        .map(|(known, application)| (known.as_str(), application))
}

impl Entra {
    /// A token of a managed identity.
    ///
    /// # Errors
    ///
    /// If the resource is an application that the identity may not call.
    pub fn identity_token(
        &self,
        identities: &Identities,
        tenant: Uuid,
        identity: &str,
        resource: Resource<'_>,
        now_s: u64,
    ) -> Result<String, Refusal> {
        let roles = match resource {
            Resource::Service(_) => Vec::new(),
            Resource::Application { name, application } => {
                let calls = identities.identities.get(identity).map(|identity| &identity.calls);
                if !calls.is_some_and(|calls| calls.iter().any(|called| called == name)) {
                    return Err(Refusal::NotAssigned {
                        caller: client_id(identity).to_string(),
                        resource: resource.audience(),
                    });
                }
                application.app_roles.clone()
            }
        };
        let mut claims = app_only(
            tenant,
            &resource.audience(),
            client_id(identity),
            principal_id(identity),
            now_s..now_s + IDENTITY_LIFETIME_S,
        );
        claims["xms_mirid"] = format!(
            "/subscriptions/{}/resourcegroups/airlock-local/providers/\
             Microsoft.ManagedIdentity/userAssignedIdentities/airlock-{identity}",
            stable_id("subscription", "airlock-local")
        )
        .into();
        add_roles(&mut claims, &roles);
        self.signed(&claims)
    }

    /// A token of an application, in its own name.
    ///
    /// # Errors
    ///
    /// If the resource is an application of Airlock's of which it holds no role.
    pub fn app_only_token(
        &self,
        granted: &Granted,
        resource: Resource<'_>,
        now_s: u64,
    ) -> Result<String, Refusal> {
        let Granted { tenant, client, principal, roles, proof } = granted;
        let audience = resource.audience();
        if matches!(resource, Resource::Application { .. }) && roles.is_empty() {
            return Err(Refusal::NotAssigned { caller: client.to_string(), resource: audience });
        }
        let valid_s = now_s..now_s + LIFETIME_S;
        let mut claims = app_only(*tenant, &audience, *client, *principal, valid_s);
        if *proof == Proof::Secret {
            claims["azpacr"] = "1".into();
        }
        add_roles(&mut claims, roles);
        self.signed(&claims)
    }

    /// The token of an application of Airlock's that holds what is declared, for tests that need
    /// not ask for it.
    ///
    /// # Errors
    ///
    /// As [`app_only_token`](Self::app_only_token).
    #[cfg(test)]
    pub fn application_token(
        &self,
        tenant: Uuid,
        name: &str,
        application: &Application,
        resource: Resource<'_>,
        now_s: u64,
    ) -> Result<String, Refusal> {
        let is_graph = resource.client() == Some(GRAPH);
        let granted = Granted {
            tenant,
            client: application_id(name),
            principal: service_principal_id(name, tenant),
            roles: if is_graph { application.permissions.clone() } else { Vec::new() },
            proof: Proof::Assertion,
        };
        self.app_only_token(&granted, resource, now_s)
    }

    /// The ID token of a person. A refreshed one has no nonce.
    ///
    /// # Errors
    ///
    /// If it cannot be signed.
    pub fn id_token(
        &self,
        sign_in: &SignIn,
        person: &SignedInPerson,
        nonce: Option<&str>,
        now_s: u64,
    ) -> Result<String, Refusal> {
        let client = application_id(&sign_in.application).to_string();
        let mut claims = of_person(sign_in, person, &client, now_s);
        claims["auth_time"] = sign_in.auth_time_s.into();
        claims["login_hint"] = login_hint(person.tenant, person.object).into();
        claims["name"] = person.name.as_str().into();
        claims["preferred_username"] = person.user_principal_name.as_str().into();
        if let Some(nonce) = nonce {
            claims["nonce"] = nonce.into();
        }
        if !sign_in.id_token_contexts.is_empty() {
            claims["acrs"] = json!(sign_in.id_token_contexts);
        }
        add_roles(&mut claims, &person.app_roles);
        self.signed(&claims)
    }

    /// The access token of a person: for the application's own scopes if any was asked, else for
    /// Graph, as Entra issues one to whoever asks for `openid` alone.
    ///
    /// # Errors
    ///
    /// If it cannot be signed.
    pub fn person_token(
        &self,
        sign_in: &SignIn,
        person: &SignedInPerson,
        now_s: u64,
    ) -> Result<Issued, Refusal> {
        let client = application_id(&sign_in.application).to_string();
        let own: BTreeSet<&str> = sign_in.scopes.iter().filter_map(|s| own_scope(s)).collect();
        let audience = if own.is_empty() { audience::GRAPH.to_owned() } else { client.clone() };
        let mut claims = of_person(sign_in, person, &audience, now_s);
        claims["azp"] = client.into();
        // The client is confidential and has no secret. What Entra writes for a federated
        // credential is not documented; 2, a certificate, is what its agent samples show.
        claims["azpacr"] = "2".into();
        claims["idtyp"] = "user".into();
        claims["scp"] = if own.is_empty() {
            let openid = sign_in.scopes.iter().filter(|scope| *scope != OFFLINE);
            openid.map(String::as_str).collect::<Vec<_>>().join(" ").into()
        } else {
            add_roles(&mut claims, &person.app_roles);
            own.into_iter().collect::<Vec<_>>().join(" ").into()
        };
        if !sign_in.access_token_contexts.is_empty() {
            claims["acrs"] = json!(sign_in.access_token_contexts);
        }
        Ok(Issued { token: self.signed(&claims)?, audience })
    }

    fn signed(&self, claims: &Value) -> Result<String, Refusal> {
        self.keys.issue(claims).map_err(|_| Refusal::Unavailable)
    }
}

/// A token, and for whom it is.
#[derive(Debug)]
pub struct Issued {
    /// The signed token.
    pub token: String,
    /// Its `aud`.
    pub audience: String,
}

/// The name of a scope that the application exposes itself, asked as `{App ID URI}/{name}`.
#[must_use]
pub fn own_scope(scope: &str) -> Option<&str> {
    scope.rsplit_once('/').map(|(_, name)| name)
}

/// The scope that asks for a refresh token.
pub const OFFLINE: &str = "offline_access";

/// What `login_hint` and `logout_hint` carry: opaque to everyone else.
#[must_use]
pub fn login_hint(tenant: Uuid, object: Uuid) -> String {
    let mut bytes = Vec::with_capacity(32);
    bytes.extend_from_slice(tenant.as_bytes());
    bytes.extend_from_slice(object.as_bytes());
    format!("O.{}", BASE64URL.encode(bytes))
}

/// `client_info`, which MSAL asks for.
#[must_use]
pub fn client_info(person: &SignedInPerson) -> String {
    let info = json!({ "uid": person.object.to_string(), "utid": person.tenant.to_string() });
    BASE64URL.encode(info.to_string())
}

fn app_only(
    tenant: Uuid,
    audience: &str,
    client: Uuid,
    object: Uuid,
    valid_s: std::ops::Range<u64>,
) -> Value {
    json!({
        "aud": audience,
        "iss": issuer(tenant),
        "iat": valid_s.start,
        "nbf": valid_s.start,
        "exp": valid_s.end,
        "azp": client.to_string(),
        "azpacr": "2",
        "idtyp": "app",
        "oid": object.to_string(),
        "rh": token_id(),
        "sub": object.to_string(),
        "tid": tenant.to_string(),
        "uti": token_id(),
        "ver": "2.0",
    })
}

fn of_person(sign_in: &SignIn, person: &SignedInPerson, audience: &str, now_s: u64) -> Value {
    json!({
        "aud": audience,
        "iss": issuer(person.tenant),
        "iat": now_s,
        "nbf": now_s,
        "exp": now_s + LIFETIME_S,
        "oid": person.object.to_string(),
        "rh": token_id(),
        "sid": sign_in.sid.to_string(),
        "sub": pairwise(&sign_in.application, person.object),
        "tid": person.tenant.to_string(),
        "uti": token_id(),
        "ver": "2.0",
    })
}

fn add_roles(claims: &mut Value, roles: &[String]) {
    // An empty list is not written: Entra leaves the claim out.
    if !roles.is_empty() {
        claims["roles"] = json!(roles);
    }
}

/// A subject that two applications cannot compare.
fn pairwise(application: &str, object: Uuid) -> String {
    BASE64URL.encode(Sha256::digest(format!("airlock-local/subject/{application}/{object}")))
}

fn token_id() -> String {
    BASE64URL.encode(Uuid::new_v4().as_bytes())
}
