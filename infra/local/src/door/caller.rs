//! Who calls, and what for: as far as a call says so before anybody has answered it.

use http::Method;
use uuid::Uuid;

use crate::{
    cloud::{Asked, Cloud},
    cosmos::Cosmos,
    entra::{self, Form},
    faults::Service,
    identity_endpoint::IdentityEndpoint,
};

/// What a call says about itself.
#[derive(Debug, Default)]
pub struct Said {
    /// The identity or application that it is made as.
    pub caller: Option<String>,
    /// The managed identity behind that, and so the app whose process calls.
    pub app: Option<String>,
    /// What is asked for, where method and path do not say it.
    pub operation: Option<String>,
    /// W3C trace id. Messages for Service Bus name it in a property of their own.
    pub trace: Option<String>,
}

impl Said {
    /// Reads it from a call. Nothing of it is believed by any service: rules and record use it.
    pub fn by(cloud: &Cloud, identity: &IdentityEndpoint, service: Service, asked: &Asked) -> Self {
        let headers = asked.headers();
        let named = |name: &str| headers.get(name)?.to_str().ok();
        let bearer = cloud.entra.bearer_name(cloud, headers);
        let (caller, operation) = match service {
            Service::Identity => {
                let caller = identity.holder(headers).map(str::to_owned);
                (caller, parameter(asked.uri().query().unwrap_or_default().as_bytes(), "resource"))
            }
            Service::Entra if bearer.is_none() && asked.method() == Method::POST => {
                (application(cloud, asked), parameter(asked.body(), "grant_type"))
            }
            Service::Cosmos => (bearer, Cosmos::operation(headers).map(str::to_owned)),
            _ => (bearer, None),
        };
        let app = match service {
            // Its token stands in a header of its own form.
            Service::Cosmos => {
                Cosmos::bearer(headers).and_then(|bearer| cloud.entra.bearer_name(cloud, &bearer))
            }
            _ => caller.clone(),
        };
        Self {
            app: app.and_then(|name| process_of(cloud, &name)),
            caller,
            operation,
            trace: named("traceparent").or_else(|| named("diagnostic-id")).and_then(trace_id),
        }
    }
}

/// The application that asks for a token.
fn application(cloud: &Cloud, asked: &Asked) -> Option<String> {
    let client = Uuid::parse_str(&parameter(asked.body(), "client_id")?).ok()?;
    entra::application_name(cloud, client)
}

fn parameter(form: &[u8], name: &str) -> Option<String> {
    Form::parse(form).ok()?.optional(name).map(str::to_owned)
}

/// The app whose process alone can call under this name. Of a tenant's own application that is
/// nobody: whoever has its secret can.
fn process_of(cloud: &Cloud, name: &str) -> Option<String> {
    let identities = &cloud.identities;
    match identities.applications.get(name) {
        Some(application) => application.trusts.clone(),
        None => identities.identities.contains_key(name).then(|| name.to_owned()),
    }
}

/// The trace id of `00-<trace id>-<span id>-<flags>`; a property of a message has that in quotes.
#[must_use]
pub fn trace_id(traceparent: &str) -> Option<String> {
    let id = traceparent.trim_matches('"').split('-').nth(1)?;
    (id.len() == 32).then(|| id.to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_trace_is_named_by_its_id_with_and_without_quotes() {
        let id = "0af7651916cd43dd8448eb211c80319c";
        let traceparent = format!("00-{id}-b7ad6b7169203331-01");

        assert_eq!(trace_id(&traceparent).as_deref(), Some(id));
        assert_eq!(trace_id(&format!("\"{traceparent}\"")).as_deref(), Some(id));
        for none in ["", "00", "00-0af7-b7ad6b7169203331-01"] {
            assert_eq!(trace_id(none), None, "{none}");
        }
    }
}
