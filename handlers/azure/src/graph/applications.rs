//! Client secrets of applications that the rotator's own application owns.

use std::{collections::BTreeSet, sync::Arc};

use airlock_core::{
    identity::{ObjectId, TenantId},
    ports::PortError,
    rotation::ports::{Acceptance, Consumers, Credential, Credentials, NewCredential},
    secret::Secret,
    secret_binding::CheckUrl,
    tenancy::TenantScope,
    time::Timestamp,
};
use async_trait::async_trait;
use serde_json::{Value, json};
use uuid::Uuid;

use super::{Graph, answer};
use crate::failure::{Meaning, in_time};

/// The application that owns what it may change.
const ROTATOR: &str = "airlock-rotator";

/// Entra does not know the secret: a wrong one, or one that was added a moment ago.
const UNKNOWN_SECRET: u64 = 7_000_215;

/// Entra will not take the secret, whatever is waited for: it has expired, the application is
/// disabled, or is not there.
const HOPELESS: [u64; 3] = [7_000_222, 7_000_112, 700_016];

/// Applications, and whether what was added to them is accepted.
pub(crate) struct Applications {
    graph: Arc<Graph>,
    http: reqwest::Client,
    authority: String,
    /// Client ids of Airlock's own, which are not changed.
    own: BTreeSet<ObjectId>,
}

/// Somebody answered, and not in a way that says whether a secret is accepted.
#[derive(Debug, thiserror::Error)]
#[error("a secret was answered with {status} {codes:?}")]
struct Undecided {
    status: u16,
    codes: Vec<u64>,
}

impl Applications {
    pub(crate) fn new(
        graph: Arc<Graph>,
        http: reqwest::Client,
        authority: &str,
        own: BTreeSet<ObjectId>,
    ) -> Self {
        Self { graph, http, authority: authority.trim_end_matches('/').to_owned(), own }
    }

    async fn ask(
        &self,
        tenant: TenantId,
        (method, path): (&str, String),
        body: Option<Value>,
    ) -> Result<azure_core::http::RawResponse, PortError> {
        let request = self.graph.request(method, &path, body.as_ref(), Uuid::new_v4())?;
        in_time(self.graph.send(ROTATOR, tenant, request)).await
    }

    /// An application's credentials. Whoever changes one has looked at them first, so that an
    /// application of Airlock's own is refused here though a binding names it by another id.
    async fn all(
        &self,
        tenant: TenantId,
        application: ObjectId,
    ) -> Result<Vec<Credential>, PortError> {
        let path = format!("/applications/{application}?$select=appId,passwordCredentials");
        let response = self.ask(tenant, ("GET", path), None).await?;
        let body = answer::read(&response)?;
        let client = body["appId"].as_str().and_then(|id| id.parse().ok());
        let client: ObjectId = client.ok_or_else(|| broken("application"))?;
        if self.own.contains(&client) {
            return Err(PortError::Denied("an application of Airlock's own".into()));
        }
        let found = body["passwordCredentials"].as_array().ok_or_else(|| broken("credentials"))?;
        found.iter().map(|one| credential(one).ok_or_else(|| broken("credential"))).collect()
    }
}

/// An answer is not of the form that Graph gives. Without a word of it: it may hold a secret.
fn broken(what: &'static str) -> PortError {
    PortError::Broken(format!("Graph's {what} not understood").into())
}

fn credential(found: &Value) -> Option<Credential> {
    Some(Credential {
        id: Uuid::try_parse(found["keyId"].as_str()?).ok()?,
        name: found["displayName"].as_str().map(str::to_owned),
        at: Timestamp::parse(found["startDateTime"].as_str()?)?,
    })
}

/// What Graph tells of a secret once: its value.
fn added(mut body: Value) -> Result<NewCredential, PortError> {
    let id = body["keyId"].as_str().and_then(|id| Uuid::try_parse(id).ok());
    let Some(Value::String(value)) = body.get_mut("secretText").map(Value::take) else {
        return Err(broken("new credential"));
    };
    Ok(NewCredential { id: id.ok_or_else(|| broken("new credential"))?, value: Secret::new(value) })
}

#[async_trait]
impl Credentials for Applications {
    async fn list(
        &self,
        scope: &TenantScope,
        application: ObjectId,
    ) -> Result<Vec<Credential>, PortError> {
        self.all(scope.tenant(), application).await
    }

    async fn add(
        &self,
        scope: &TenantScope,
        application: ObjectId,
        name: &str,
        until: Timestamp,
    ) -> Result<NewCredential, PortError> {
        let path = format!("/applications/{application}/addPassword");
        let wanted = json!({
            "passwordCredential": { "displayName": name, "endDateTime": until.to_string() },
        });
        let response = self.ask(scope.tenant(), ("POST", path), Some(wanted)).await?;
        added(answer::read(&response)?)
    }

    async fn remove(
        &self,
        scope: &TenantScope,
        application: ObjectId,
        id: Uuid,
    ) -> Result<(), PortError> {
        let path = format!("/applications/{application}/removePassword");
        let body = Some(json!({ "keyId": id }));
        let response = self.ask(scope.tenant(), ("POST", path), body).await?;
        match u16::from(response.status()) {
            200 | 204 => Ok(()),
            // Gone already, perhaps; Graph says so by words alone.
            400 | 404 => {
                let all = self.all(scope.tenant(), application).await?;
                if all.iter().any(|credential| credential.id == id) {
                    answer::read(&response).map(drop)
                } else {
                    Ok(())
                }
            }
            _ => answer::read(&response).map(drop),
        }
    }

    async fn try_out(
        &self,
        scope: &TenantScope,
        client: ObjectId,
        secret: &Secret,
    ) -> Result<Acceptance, PortError> {
        let url = format!("{}/{}/oauth2/v2.0/token", self.authority, scope.tenant());
        let resource = format!("{}/.default", self.graph.origin.as_str().trim_end_matches('/'));
        let client = client.to_string();
        let form = zeroize::Zeroizing::new(form_urlencoded(&[
            ("client_id", &client),
            ("client_secret", secret.expose()),
            ("grant_type", "client_credentials"),
            ("scope", &resource),
        ])?);
        let request = self.http.post(url);
        let request = request.header("content-type", "application/x-www-form-urlencoded");
        let response = request.body(form.to_string()).send().await;
        let response =
            response.map_err(|error| PortError::Unavailable(error.without_url().into()))?;
        let status = response.status().as_u16();
        if status == 200 {
            return Ok(Acceptance::Accepted);
        }
        let body = response.bytes().await;
        let body = body.map_err(|error| PortError::Unavailable(error.without_url().into()))?;
        judged(status, &serde_json::from_slice(&body).unwrap_or_default())
    }
}

/// What Entra's refusal of a token means for the secret.
fn judged(status: u16, body: &Value) -> Result<Acceptance, PortError> {
    let codes: Vec<u64> =
        body["error_codes"].as_array().into_iter().flatten().filter_map(Value::as_u64).collect();
    if codes.contains(&UNKNOWN_SECRET) {
        return Ok(Acceptance::NotYet);
    }
    if codes.iter().any(|code| HOPELESS.contains(code)) {
        return Ok(Acceptance::Refused);
    }
    Err(Meaning::of_status(status, None).because(Undecided { status, codes }))
}

/// `application/x-www-form-urlencoded`.
fn form_urlencoded(pairs: &[(&str, &str)]) -> Result<String, PortError> {
    let mut url = azure_core::http::Url::parse("https://form.invalid/")
        .map_err(|error| PortError::Broken(error.into()))?;
    url.query_pairs_mut().extend_pairs(pairs);
    Ok(url.query().unwrap_or_default().to_owned())
}

/// Third parties, asked at the address in the binding that the admin root signed.
pub(crate) struct Checks {
    http: reqwest::Client,
}

impl Checks {
    pub(crate) const fn new(http: reqwest::Client) -> Self {
        Self { http }
    }
}

#[async_trait]
impl Consumers for Checks {
    async fn try_out(&self, check: &CheckUrl, secret: &Secret) -> Result<Acceptance, PortError> {
        let sent = self.http.post(check.as_str()).bearer_auth(secret.expose()).send().await;
        let response = sent.map_err(|error| PortError::Unavailable(error.without_url().into()))?;
        match response.status().as_u16() {
            200..=299 => Ok(Acceptance::Accepted),
            // It reads the new value when it reads it.
            401 | 403 => Ok(Acceptance::NotYet),
            status => {
                Err(Meaning::of_status(status, None).because(Undecided { status, codes: vec![] }))
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_entra_says_about_a_secret_is_new_hopeless_or_nothing() {
        let says = |status, code: u64| judged(status, &json!({ "error_codes": [code] }));

        assert_eq!(says(401, 7_000_215).unwrap(), Acceptance::NotYet);
        assert_eq!(says(401, 7_000_222).unwrap(), Acceptance::Refused);
        assert_eq!(says(400, 700_016).unwrap(), Acceptance::Refused);
        assert!(says(503, 90_033).unwrap_err().is_transient());
        assert!(!says(400, 90_002).unwrap_err().is_transient());
        assert!(judged(400, &Value::Null).is_err());
    }

    #[test]
    fn a_form_keeps_what_is_in_a_secret() {
        let form = form_urlencoded(&[("client_secret", "a+b/c=d&e ~é")]).unwrap();

        assert_eq!(form, "client_secret=a%2Bb%2Fc%3Dd%26e+%7E%C3%A9");
    }

    #[test]
    fn a_credential_is_read_without_its_secret() {
        let found = json!({
            "keyId": "00000000-0000-0000-0000-000000000007", "displayName": "airlock/payroll/1/0",
            "startDateTime": "2026-01-01T00:00:00Z", "secretText": null,
        });

        let read = credential(&found).unwrap();

        assert_eq!(read.id, Uuid::from_u128(7));
        assert_eq!(credential(&json!({ "keyId": "x" })), None);
    }

    #[test]
    fn a_new_credential_has_an_id_and_a_value() {
        let good = json!({ "keyId": "00000000-0000-0000-0000-000000000007", "secretText": "x" });
        let read = added(good).unwrap();
        assert_eq!((read.id, read.value.expose()), (Uuid::from_u128(7), "x"));

        let id = "00000000-0000-0000-0000-000000000007";
        for bad in [
            json!({ "keyId": id, "secretText": null }),
            json!({ "keyId": id }),
            json!({ "secretText": "x" }),
            json!([{ "keyId": id, "secretText": "x" }]),
            json!("x"),
            Value::Null,
        ] {
            assert!(matches!(added(bad), Err(PortError::Broken(_))));
        }
    }
}
