//! Microsoft Entra ID: who anyone is.
//!
//! Issues tokens to managed identities, applications and people, and verifies them for every
//! other service of the cloud. Two faces: `login.microsoftonline.com` for programs, and the
//! pages' own origin for browsers, as another site than the API.

mod assertion;
mod authorize;
mod discovery;
mod form;
mod grants;
mod keys;
mod page;
mod refusal;
mod secret;
mod sign_out;
#[cfg(test)]
pub mod tests;
mod token;
mod tokens;

use http::{HeaderMap, Method, StatusCode, header};
use serde_json::{Map, Value};
use time::OffsetDateTime;
use url::Url;
use uuid::Uuid;

pub use self::{
    form::Form,
    keys::Minting,
    refusal::Refusal,
    tokens::{IDENTITY_LIFETIME_S, Resource},
};
use self::{
    grants::Grants,
    keys::{Claims, Keys},
};
use crate::{
    cloud::{Answer, Asked, Caller, Cloud, Names, NotAuthenticated, Shared},
    directory::TenantCard,
    identities::{application_id, service_principal_id},
};

/// Microsoft Entra ID, for every tenant of the directory.
#[derive(Debug)]
pub struct Entra {
    keys: Keys,
    grants: Grants,
    portal: String,
    front_channel: String,
}

/// The issuer of a tenant's tokens, in the form of v2.0.
#[must_use]
pub fn issuer(tenant: Uuid) -> String {
    format!("https://login.microsoftonline.com/{tenant}/v2.0")
}

/// The display name of the application with this client id: one of Airlock's, or a tenant's own.
#[must_use]
pub fn application_name(cloud: &Cloud, client: Uuid) -> Option<String> {
    let ours = cloud.identities.by_client(client).map(|(name, _)| name.to_owned());
    ours.or_else(|| cloud.directory.registered(client))
}

/// Seconds since 1970.
#[must_use]
pub fn now_s() -> u64 {
    u64::try_from(OffsetDateTime::now_utc().unix_timestamp()).unwrap_or_default()
}

impl Entra {
    /// Makes the signing keys.
    ///
    /// # Errors
    ///
    /// If the system gives no randomness.
    pub fn new(names: &Names) -> anyhow::Result<Self> {
        Ok(Self {
            keys: Keys::generate()?,
            grants: Grants::default(),
            portal: names.portal.clone(),
            front_channel: format!("{}/auth/front-channel-sign-out", names.api),
        })
    }

    /// Verifies `Authorization: Bearer`: signature, issuer, exactly this audience, time, `oid`.
    ///
    /// # Errors
    ///
    /// If there is no such token, or anything about it is not so.
    pub fn verify(
        &self,
        cloud: &Cloud,
        headers: &HeaderMap,
        audience: &str,
    ) -> Result<Caller, NotAuthenticated> {
        let refused = |why: &str| NotAuthenticated(why.to_owned());
        let token = bearer(headers).ok_or_else(|| refused("no bearer token"))?;
        let claims =
            self.keys.verified(token).ok_or_else(|| refused("the signature is not valid"))?;
        let caller = caller(cloud, &claims).ok_or_else(|| refused("the issuer is not valid"))?;
        if claims.aud != audience {
            return Err(refused("the audience is not valid"));
        }
        if !claims.is_valid_at(now_s()) {
            return Err(refused("the token is expired or not yet valid"));
        }
        Ok(caller)
    }

    /// Who a bearer token names, whatever it is for: only for the record.
    #[must_use]
    pub fn bearer_name(&self, cloud: &Cloud, headers: &HeaderMap) -> Option<String> {
        let claims = self.keys.verified(bearer(headers)?)?;
        caller(cloud, &claims).map(|caller| caller.name())
    }

    /// Signs any token at all: tests need some that must be refused.
    ///
    /// # Errors
    ///
    /// If the signature cannot be made.
    pub fn mint(
        &self,
        with: Minting,
        header: &Map<String, Value>,
        claims: &Value,
    ) -> anyhow::Result<String> {
        self.keys.mint(with, header, claims)
    }

    /// Signs any text as the input of a token.
    ///
    /// # Errors
    ///
    /// If the signature cannot be made.
    pub fn sign(&self, with: Minting, input: &str) -> anyhow::Result<String> {
        self.keys.sign(with, input)
    }

    /// Whether sign-out may lead there: to the portal, or to a registered redirect URI.
    fn may_return(&self, cloud: &Cloud, uri: &str) -> bool {
        let of_portal = match (Url::parse(uri), Url::parse(&self.portal)) {
            (Ok(uri), Ok(portal)) => uri.origin() == portal.origin(),
            _ => false,
        };
        of_portal || cloud.directory.is_redirect(uri)
    }

    /// Answers `login.microsoftonline.com`.
    #[expect(clippy::unused_async, reason = "every service of the cloud answers like this")]
    pub async fn answer(cloud: &Shared, asked: Asked) -> Answer {
        let path: Vec<&str> = asked.uri().path().split('/').skip(1).collect();
        let get = asked.method() == Method::GET;
        match path.as_slice() {
            ["common", "discovery", "instance"] if get => instance(cloud, &asked),
            [tenant, "v2.0", ".well-known", "openid-configuration"] if get => {
                published(cloud, tenant, &asked, |issuer| {
                    discovery::openid_configuration(&cloud.names, tenant, issuer)
                })
            }
            [tenant, "discovery", "v2.0", "keys"] if get => {
                published(cloud, tenant, &asked, |issuer| cloud.entra.keys.jwks(issuer))
            }
            [tenant, "oauth2", "v2.0", "token"] => match found(cloud, tenant) {
                None => Refusal::UnknownTenant((*tenant).to_owned()).answer(asked.headers()),
                Some(_) if asked.method() != Method::POST => {
                    Refusal::OnlyPost.answer(asked.headers())
                }
                Some(tenant) => token::answer(cloud, tenant.id, &asked, now_s()),
            },
            _ => nothing(),
        }
    }

    /// Answers the pages' origin.
    #[expect(clippy::unused_async, reason = "every service of the cloud answers like this")]
    pub async fn answer_page(cloud: &Shared, asked: Asked) -> Answer {
        let path: Vec<&str> = asked.uri().path().split('/').skip(1).collect();
        let [named, rest @ ..] = path.as_slice() else {
            return nothing();
        };
        let Some(tenant) = found(cloud, named) else {
            return page::refusal(&Refusal::UnknownTenant((*named).to_owned()));
        };
        match (asked.method(), rest) {
            (&Method::GET, ["oauth2", "v2.0", "authorize"]) => {
                authorize::ask(cloud, &tenant, &asked, now_s())
            }
            (&Method::POST, ["login"]) => authorize::choose(cloud, &tenant, &asked, now_s()),
            (&Method::GET, ["oauth2", "v2.0", "logout"]) => {
                sign_out::answer(cloud, &tenant, &asked)
            }
            _ => nothing(),
        }
    }
}

/// The tenant with this id or domain.
fn found(cloud: &Cloud, named: &str) -> Option<TenantCard> {
    let id = Uuid::parse_str(named).ok();
    let tenants = cloud.directory.tenants();
    tenants.into_iter().find(|tenant| Some(tenant.id) == id || tenant.domain == named)
}

/// A document that every tenant publishes, and that `common` publishes with a placeholder.
fn published(
    cloud: &Cloud,
    named: &str,
    asked: &Asked,
    document: impl FnOnce(&str) -> Value,
) -> Answer {
    if matches!(named, "common" | "organizations") {
        let issuer = "https://login.microsoftonline.com/{tenantid}/v2.0";
        return json(StatusCode::OK, &document(issuer));
    }
    match found(cloud, named) {
        Some(tenant) => json(StatusCode::OK, &document(&issuer(tenant.id))),
        None => Refusal::UnknownTenant(named.to_owned()).answer(asked.headers()),
    }
}

fn instance(cloud: &Cloud, asked: &Asked) -> Answer {
    let query = asked.uri().query().unwrap_or_default();
    let endpoint = Form::parse(query.as_bytes()).and_then(|form| {
        let endpoint = form.required("authorization_endpoint")?;
        Url::parse(endpoint).map_err(|_| Refusal::Malformed)
    });
    let tenant = endpoint.ok().and_then(|endpoint| {
        let ours = endpoint.host_str() == Some(&cloud.names.entra);
        let tenant = endpoint.path_segments()?.next()?.to_owned();
        ours.then_some(tenant)
    });
    match tenant {
        Some(tenant) => json(StatusCode::OK, &discovery::instance(&cloud.names, &tenant)),
        None => Refusal::Malformed.answer(asked.headers()),
    }
}

/// The one bearer token of a request.
fn bearer(headers: &HeaderMap) -> Option<&str> {
    let mut values = headers.get_all(header::AUTHORIZATION).iter();
    let (Some(value), None) = (values.next(), values.next()) else {
        return None;
    };
    let (scheme, token) = value.to_str().ok()?.split_once(' ')?;
    scheme.eq_ignore_ascii_case("bearer").then_some(token.trim())
}

/// Who verified claims speak for, if a tenant of ours says so.
fn caller(cloud: &Cloud, claims: &Claims) -> Option<Caller> {
    let tenant = Uuid::parse_str(claims.tid.as_deref()?).ok()?;
    let object = Uuid::parse_str(claims.oid.as_deref()?).ok()?;
    let known = cloud.directory.tenants().iter().any(|card| card.id == tenant);
    if !known || claims.iss != issuer(tenant) || claims.ver.as_deref() != Some("2.0") {
        return None;
    }
    let identity = (tenant == cloud.names.tenant)
        .then(|| cloud.identities.by_principal(object))
        .flatten()
        .map(|(name, _)| name.to_owned());
    let application = cloud
        .identities
        .applications
        .keys()
        .find(|name| {
            service_principal_id(name, tenant) == object
                && claims.azp.as_deref() == Some(application_id(name).to_string().as_str())
        })
        .cloned();
    Some(Caller { tenant, object, identity, application, roles: claims.roles.clone() })
}

fn json(status: StatusCode, body: &Value) -> Answer {
    refusal::typed(status, "application/json; charset=utf-8", body.to_string())
}

fn nothing() -> Answer {
    refusal::typed(StatusCode::NOT_FOUND, "text/plain; charset=utf-8", "")
}
