//! What stands before every service: faults, and the record of calls.

use std::{
    sync::{Arc, OnceLock},
    time::Duration,
};

use http::{StatusCode, header, uri::Authority};
use serde_json::json;
use tokio::time::sleep;

use super::{
    caller::Said,
    serve::{Lost, bare},
    site,
};
use crate::{
    arm::{self, Resources},
    blob::Blobs,
    bus::Bus,
    cloud::{Answer, Asked, Shared},
    control::Processes,
    cosmos::Cosmos,
    entra::Entra,
    faults::{Call, Effect, Service, When},
    graph,
    host::Host,
    identity_endpoint::IdentityEndpoint,
    record::Met,
    vault::Vault,
};

/// The services, as the door reaches them.
pub struct Gate {
    /// The cloud behind it.
    pub cloud: Shared,
    /// The managed identity endpoint.
    pub identity: Arc<IdentityEndpoint>,
    /// Handler processes, for faults that kill one.
    pub processes: Processes,
    /// The Functions host, for calls at the apps' own host names.
    pub host: Arc<OnceLock<Arc<Host>>>,
}

/// Where a call goes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Place {
    /// A service at its own host name.
    Host(Service),
    /// Entra's pages.
    Pages,
    /// The managed identity endpoint.
    Identity,
}

impl Gate {
    /// Answers a call that came by TLS, for whichever host it names.
    pub async fn host(self: Arc<Self>, asked: Asked) -> Result<Answer, Lost> {
        if let Some(service) = self.service(asked.uri().authority()) {
            return self.through(Place::Host(service), asked).await;
        }
        let host = asked.uri().host().unwrap_or_default();
        let status = StatusCode::NOT_FOUND;
        self.cloud.record.call("unknown", asked.method().as_str(), host, None, status.as_u16());
        Ok(bare(status))
    }

    /// Answers a call to Entra's pages.
    pub async fn pages(self: Arc<Self>, asked: Asked) -> Result<Answer, Lost> {
        // A page that another name can be made to lead to could be read by another site.
        if !is_at(&self.cloud.names.pages, &asked) {
            return Ok(bare(StatusCode::MISDIRECTED_REQUEST));
        }
        self.through(Place::Pages, asked).await
    }

    /// Answers a call to the managed identity endpoint.
    pub async fn identity(self: Arc<Self>, asked: Asked) -> Result<Answer, Lost> {
        self.through(Place::Identity, asked).await
    }

    fn service(&self, authority: Option<&Authority>) -> Option<Service> {
        let host = authority?.host();
        let names = &self.cloud.names;
        let services = [
            (&names.entra, Service::Entra),
            (&names.graph, Service::Graph),
            (&names.vault, Service::Vault),
            (&names.cosmos, Service::Cosmos),
            (&names.bus, Service::Bus),
            (&names.blobs, Service::Blob),
            (&names.anchors, Service::Blob),
            (&names.issuer, Service::Issuer),
        ];
        if host.eq_ignore_ascii_case(arm::HOST) {
            return Some(Service::Arm);
        }
        if site::app(host).is_some() {
            return Some(Service::Site);
        }
        services
            .into_iter()
            .find(|(name, _)| name.eq_ignore_ascii_case(host))
            .map(|(_, service)| service)
    }

    async fn through(&self, place: Place, asked: Asked) -> Result<Answer, Lost> {
        let service = match place {
            Place::Host(service) => service,
            Place::Pages => Service::Entra,
            Place::Identity => Service::Identity,
        };
        let (method, path) = (asked.method().to_string(), asked.uri().path().to_owned());
        let said = Said::by(&self.cloud, &self.identity, service, &asked);
        let traceparent = asked.headers().get("traceparent").cloned();
        let fault = self.cloud.faults.take(&Call {
            service,
            method: &method,
            path: &path,
            caller: said.caller.as_deref(),
            app: said.app.as_deref(),
            operation: said.operation.as_deref(),
            trace: said.trace.as_deref(),
        });
        let kind = fault.as_ref().map(Effect::as_str);
        let late = fault.as_ref().and_then(late_answer);

        let outcome = self.met(place, asked, fault).await;

        let status = outcome.as_ref().ok().map(|answer| answer.status().as_u16());
        self.cloud.record.met(Met {
            service: service.as_str(),
            method: &method,
            path: &path,
            caller: said.caller,
            app: said.app,
            operation: said.operation,
            status,
            fault: kind,
            traceparent: traceparent.as_ref().and_then(|value| value.to_str().ok()),
        });
        // After the record: whoever waits for the answer may hang up before it comes, and what was
        // carried out was carried out.
        if let Some(pause) = late {
            sleep(pause).await;
        }
        outcome
    }

    async fn met(&self, place: Place, asked: Asked, fault: Option<Effect>) -> Result<Answer, Lost> {
        match fault {
            None | Some(Effect::DelayAnswer { .. }) => Ok(self.carried_out(place, asked).await),
            Some(Effect::Delay { ms }) => {
                sleep(Duration::from_millis(ms)).await;
                Ok(self.carried_out(place, asked).await)
            }
            Some(Effect::Fail { status }) => Ok(failed(status)),
            Some(Effect::Throttle { retry_after_s }) => Ok(throttled(retry_after_s)),
            Some(Effect::Drop) => Err(Lost),
            Some(Effect::LoseAnswer) => {
                self.carried_out(place, asked).await;
                Err(Lost)
            }
            Some(Effect::Kill { process, when }) => {
                if when == When::After {
                    self.carried_out(place, asked).await;
                }
                // The process must be dead before its connection closes, or it could still act on
                // the loss.
                if let Err(why) = self.processes.killed(&process).await {
                    self.cloud.record.refusal("faults", Some(&process), &why);
                }
                Err(Lost)
            }
        }
    }

    async fn carried_out(&self, place: Place, asked: Asked) -> Answer {
        let cloud = &self.cloud;
        match place {
            Place::Pages => Entra::answer_page(cloud, asked).await,
            Place::Identity | Place::Host(Service::Identity) => self.identity.answer(cloud, &asked),
            Place::Host(Service::Entra) => Entra::answer(cloud, asked).await,
            Place::Host(Service::Graph) => graph::answer(cloud, asked).await,
            Place::Host(Service::Vault) => Vault::answer(cloud, asked).await,
            Place::Host(Service::Cosmos) => Cosmos::answer(cloud, asked).await,
            Place::Host(Service::Bus) => Bus::answer(cloud, asked).await,
            Place::Host(Service::Blob) => Blobs::answer(cloud, asked).await,
            Place::Host(Service::Issuer) => cloud.issuer.answer(&asked),
            Place::Host(Service::Arm) => Resources::answer(cloud, asked).await,
            Place::Host(Service::Site) => site::answer(self.host.get().cloned(), asked).await,
            // Behind the front, at no host of the cloud's.
            Place::Host(Service::Intake) => bare(StatusCode::NOT_FOUND),
        }
    }
}

/// Whether the request names this origin.
pub fn is_at(origin: &str, asked: &Asked) -> bool {
    let authority = asked.uri().authority().map(Authority::as_str);
    origin.strip_prefix("http://") == authority
}

/// How long an answer waits that is late on purpose.
pub const fn late_answer(effect: &Effect) -> Option<Duration> {
    match effect {
        Effect::DelayAnswer { ms } => Some(Duration::from_millis(*ms)),
        _ => None,
    }
}

/// An answer with a status that is not a success.
pub fn failed(status: u16) -> Answer {
    // Faults outside of 400 to 599 are refused when they are set.
    let status = StatusCode::from_u16(status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
    errored(status, "ServiceUnavailable", "The service is unavailable.")
}

/// An answer that asks for patience.
pub fn throttled(retry_after_s: Option<u64>) -> Answer {
    let mut answer =
        errored(StatusCode::TOO_MANY_REQUESTS, "TooManyRequests", "Too many requests.");
    if let Some(seconds) = retry_after_s {
        answer.headers_mut().insert(header::RETRY_AFTER, seconds.into());
    }
    answer
}

/// An error body that every service's clients can read.
fn errored(status: StatusCode, code: &str, message: &str) -> Answer {
    let body = json!({ "error": { "code": code, "message": message } });
    let mut answer = Answer::new(body.to_string().into());
    *answer.status_mut() = status;
    let json = header::HeaderValue::from_static("application/json");
    answer.headers_mut().insert(header::CONTENT_TYPE, json);
    answer
}
