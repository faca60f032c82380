//! The rules of Entra, tried at its endpoints.

mod clients;
mod pages;
mod people;
mod planted;
mod secrets;
mod tokens;

use std::sync::Arc;

use base64::{Engine as _, prelude::BASE64_URL_SAFE_NO_PAD as BASE64URL};
use bytes::Bytes;
use http::{HeaderMap, Request, StatusCode, header};
use serde_json::{Map, Value, json};
use url::Url;
use uuid::Uuid;

use super::{Entra, Minting, Resource, issuer, now_s, tokens::login_hint};
use crate::{
    arm::Resources,
    blob::Blobs,
    bus::Bus,
    cloud::{Answer, Asked, Cloud, Names, Shared, audience},
    cosmos::Cosmos,
    directory::{Directory, PersonCard},
    faults::Faults,
    identities::{Identities, application_id, client_id, principal_id, stable_id},
    record::Record,
    vault::Vault,
};

// RFC 7636, appendix B.
const VERIFIER: &str = "dBjftJeZ4CVP-mB92K27uhbUJU1p1r_wW1gFWFOEjXk";
const CHALLENGE: &str = "E9Melhoa2OwvFrEMTJguCHaoeK1t8URWbuGJSstw-cM";
const BEARER: &str = "urn:ietf:params:oauth:client-assertion-type:jwt-bearer";

/// Names as the local cloud gives them.
pub fn names() -> Names {
    Names {
        tenant: stable_id("tenant", "contoso.example"),
        entra: "login.microsoftonline.com".to_owned(),
        issuer: "id.hr.contoso.example".to_owned(),
        graph: "graph.microsoft.com".to_owned(),
        vault: "airlock-local.vault.azure.net".to_owned(),
        cosmos: "airlock-local.documents.azure.com".to_owned(),
        bus: "airlock-local.servicebus.windows.net".to_owned(),
        blobs: "airlocklocal.blob.core.windows.net".to_owned(),
        anchors: "airlockanchors.blob.core.windows.net".to_owned(),
        portal: "http://localhost:7000".to_owned(),
        api: "http://localhost:7001".to_owned(),
        pages: "http://127.0.0.1:7002".to_owned(),
    }
}

/// A whole cloud, without its door.
pub fn cloud() -> Shared {
    let identities = Identities::parse(include_str!("../../../identities.json")).unwrap();
    let names = names();
    Arc::new(Cloud {
        directory: Directory::new(&names),
        entra: Entra::new(&names).unwrap(),
        issuer: crate::issuer::Issuer::new(&names).unwrap(),
        vault: Vault::new(&identities).unwrap(),
        bus: Bus::new(&identities),
        cosmos: Cosmos::new(&names, &identities).unwrap(),
        blobs: Blobs::new(&identities),
        resources: Resources::new(&identities, &names).unwrap(),
        faults: Faults::new(),
        record: Record::new(),
        identities,
        names,
    })
}

fn fabrikam() -> Uuid {
    stable_id("tenant", "fabrikam.example")
}

/// What the managed identity endpoint would give.
fn assertion(cloud: &Cloud, identity: &str) -> String {
    let (identities, tenant) = (&cloud.identities, cloud.names.tenant);
    let resource = Resource::Service(audience::EXCHANGE);
    cloud.entra.identity_token(identities, tenant, identity, resource, now_s()).unwrap()
}

fn claims_of(token: &str) -> Value {
    let payload = token.split('.').nth(1).unwrap();
    serde_json::from_slice(&BASE64URL.decode(payload).unwrap()).unwrap()
}

type Parameters = Vec<(&'static str, String)>;

fn with(mut parameters: Parameters, name: &'static str, value: &str) -> Parameters {
    parameters.retain(|(known, _)| *known != name);
    if !value.is_empty() {
        parameters.push((name, value.to_owned()));
    }
    parameters
}

fn encoded(parameters: &Parameters) -> String {
    url::form_urlencoded::Serializer::new(String::new()).extend_pairs(parameters).finish()
}

async fn post(cloud: &Shared, tenant: &str, parameters: &Parameters) -> (StatusCode, Value) {
    let asked =
        Request::post(format!("https://login.microsoftonline.com/{tenant}/oauth2/v2.0/token"))
            .body(Bytes::from(encoded(parameters)))
            .unwrap();
    let answer = Entra::answer(cloud, asked).await;
    (answer.status(), serde_json::from_slice(answer.body()).unwrap())
}

async fn code_of(cloud: &Shared, tenant: Uuid, parameters: &Parameters) -> (u16, Value, String) {
    let (status, body) = post(cloud, &tenant.to_string(), parameters).await;
    assert!(body["access_token"].is_null(), "{body}");
    let error = body["error"].as_str().unwrap().to_owned();
    let codes = body["error_codes"].clone();
    assert!(
        body["error_description"].as_str().unwrap().starts_with(&format!("AADSTS{}: ", codes[0])),
        "{body}"
    );
    (status.as_u16(), codes[0].clone(), error)
}
