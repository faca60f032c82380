//! Azure Resource Manager: how every resource of the deployment is set up, and who is assigned which
//! role over it.
//!
//! It answers from a state that can be changed through the control API, so that what drift looks
//! for can happen. It enforces nothing of that state: what an identity may do stands in
//! `infra/identities.json`, whatever is assigned here. No caller may write.

mod change;
mod kinds;
mod list;
mod path;
mod places;
mod problem;
mod roles;
mod seed;
#[cfg(test)]
mod tests;
mod wording;

use std::{
    collections::BTreeMap,
    sync::{Mutex, MutexGuard, PoisonError},
};

use bytes::Bytes;
use http::{HeaderValue, Method, StatusCode, header};
use serde_json::{Value, json};
use uuid::Uuid;

pub use self::{change::Change, seed::site};
use self::{
    kinds::{Kind, SITE_CONFIG, SITE_CONFIG_LIST},
    path::{Group, Target, key},
    places::Places,
    problem::Problem,
    wording::Wording,
};
use crate::{
    cloud::{Answer, Asked, Caller, Cloud, Names, Shared, audience},
    entra::Form,
    identities::{ArmRight, Identities, client_id, stable_id},
};

/// Its host name.
pub const HOST: &str = "management.azure.com";

/// Everything in the resource group.
#[derive(Debug)]
pub struct Resources {
    group: Group,
    state: Mutex<State>,
    kept: Mutex<Option<State>>,
}

#[derive(Clone, Debug)]
struct State {
    /// By their ids in small letters.
    resources: BTreeMap<String, Value>,
    wording: Wording,
}

/// What a request names.
struct Request<'a> {
    target: Target,
    form: Form,
    caller: &'a Caller,
}

/// The id that Front Door gives to what comes through it, in the header `x-azure-fdid`.
#[must_use]
pub fn front_door_id() -> Uuid {
    stable_id("front-door", "airlock-local")
}

/// Id of the resource group.
#[must_use]
pub fn group_id(names: &Names) -> String {
    Places::of(names).group.id()
}

impl Resources {
    /// What the pipeline would have made of `infra/identities.json`.
    ///
    /// # Errors
    ///
    /// If a package or a grant is not understood.
    pub fn new(identities: &Identities, names: &Names) -> anyhow::Result<Self> {
        let seeded = seed::resources(identities, names)?;
        let resources = seeded
            .into_iter()
            .map(|resource| (key(resource["id"].as_str().unwrap_or_default()), resource))
            .collect();
        let state = State { resources, wording: Wording::default() };
        let group = Places::of(names).group;
        Ok(Self { group, state: Mutex::new(state), kept: Mutex::default() })
    }

    fn state(&self) -> MutexGuard<'_, State> {
        // A change is made to a whole state, or has not happened.
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Answers one request.
    #[expect(clippy::unused_async, reason = "every service of the cloud answers like this")]
    pub async fn answer(cloud: &Shared, asked: Asked) -> Answer {
        let answered = cloud.resources.answered(cloud, &asked);
        match answered {
            Ok(body) => respond(StatusCode::OK, &body),
            Err(problem) => {
                let who = cloud.entra.bearer_name(cloud, asked.headers());
                cloud.record.refusal("arm", who.as_deref(), problem.message());
                let mut answer = respond(problem.status(), &problem.body());
                if problem.status() == StatusCode::UNAUTHORIZED {
                    let challenge = HeaderValue::from_static(
                        "Bearer authorization_uri=\"https://login.microsoftonline.com\", \
                         error=\"invalid_token\"",
                    );
                    answer.headers_mut().insert(header::WWW_AUTHENTICATE, challenge);
                }
                answer
            }
        }
    }

    fn answered(&self, cloud: &Cloud, asked: &Asked) -> Result<Value, Problem> {
        let caller = authenticated(cloud, asked)?;
        let target = self.group.target(asked.uri().path())?;
        let form = Form::parse(asked.uri().query().unwrap_or_default().as_bytes())
            .map_err(|_| Problem::version_missing())?;
        let version = form.optional("api-version").ok_or_else(Problem::version_missing)?;
        match &target {
            Target::Group | Target::Contents => kinds::answers(version)?,
            Target::Collection { kind, .. } | Target::Item { kind, .. } => kind.answers(version)?,
        }
        let request = Request { target, form, caller: &caller };
        match (asked.method(), &request.target) {
            (&Method::POST, Target::Collection { kind, scope }) if *kind == &SITE_CONFIG_LIST => {
                self.app_settings(cloud, &request, scope)
            }
            // Nobody is granted a key to anything.
            (&Method::POST, Target::Collection { kind, .. }) if kind.is_asked_for() => {
                Err(request.not_authorized(&self.group, "action"))
            }
            (&Method::GET, Target::Collection { kind, .. }) if kind.is_asked_for() => {
                Err(Problem::no_method("GET"))
            }
            (&Method::GET, _) => self.read(cloud, &request),
            (method, _) => {
                let action = if method == Method::DELETE { "delete" } else { "write" };
                Err(request.not_authorized(&self.group, action))
            }
        }
    }

    /// The settings of an app: asked for by POST, because they can hold secrets.
    fn app_settings(
        &self,
        cloud: &Cloud,
        request: &Request<'_>,
        id: &str,
    ) -> Result<Value, Problem> {
        request.allowed(cloud, ArmRight::AppSettings, &self.group, "action")?;
        let state = self.state();
        let found = state.resources.get(&key(id)).ok_or_else(|| self.absent(&SITE_CONFIG, id))?;
        Ok(state.wording.put(found))
    }

    fn read(&self, cloud: &Cloud, request: &Request<'_>) -> Result<Value, Problem> {
        request.allowed(cloud, ArmRight::Read, &self.group, "read")?;
        let state = self.state();
        match &request.target {
            Target::Group => Ok(json!({
                "id": self.group.id(),
                "name": self.group.name(),
                "type": "Microsoft.Resources/resourceGroups",
                "location": "westeurope",
                "properties": { "provisioningState": "Succeeded" },
            })),
            Target::Contents => list::contents(&state, &request.form, &self.group),
            Target::Collection { kind, scope } => {
                // An assignment can be over anything: Resource Manager does not know the keys of a
                // vault.
                let stands_alone = kind.is_top_level() || kind.is_about_others();
                if !stands_alone && !state.resources.contains_key(&key(scope)) {
                    return Err(self.absent(kind, scope));
                }
                list::below(&state, &request.form, kind, scope)
            }
            Target::Item { kind, id } => {
                let found = state.resources.get(&key(id)).filter(|_| !is_secret(kind, id));
                let found = found.ok_or_else(|| self.absent(kind, id))?;
                Ok(state.wording.put(found))
            }
        }
    }

    fn absent(&self, kind: &Kind, id: &str) -> Problem {
        let name = id.rsplit('/').next().unwrap_or_default();
        Problem::no_resource(&kind.to_string(), name, self.group.name())
    }
}

/// Settings are shown by `list` alone.
fn is_secret(kind: &Kind, id: &str) -> bool {
    kind == &SITE_CONFIG && key(id).ends_with("/appsettings")
}

impl Request<'_> {
    /// Asks whether the caller may do this: a managed identity, and to whom it is granted.
    fn allowed(
        &self,
        cloud: &Cloud,
        right: ArmRight,
        group: &Group,
        action: &str,
    ) -> Result<(), Problem> {
        let identity = self.caller.identity.as_deref();
        let granted = identity
            .and_then(|name| cloud.identities.identities.get(name))
            .is_some_and(|identity| identity.arm.contains(&right));
        if granted { Ok(()) } else { Err(self.not_authorized(group, action)) }
    }

    fn not_authorized(&self, group: &Group, action: &str) -> Problem {
        let (action, scope) = match &self.target {
            Target::Group => {
                (format!("Microsoft.Resources/subscriptions/resourceGroups/{action}"), group.id())
            }
            Target::Contents => {
                let resources = "Microsoft.Resources/subscriptions/resourceGroups/resources";
                (format!("{resources}/{action}"), group.id())
            }
            Target::Collection { kind, scope } => (format!("{kind}/{action}"), scope.clone()),
            Target::Item { kind, id } => (format!("{kind}/{action}"), id.clone()),
        };
        let client = self
            .caller
            .identity
            .as_deref()
            .map_or_else(|| self.caller.name(), |identity| client_id(identity).to_string());
        Problem::not_authorized(&client, self.caller.object, &action, &scope)
    }
}

/// Who calls. Azure accepts its own audience with and without the slash.
fn authenticated(cloud: &Cloud, asked: &Asked) -> Result<Caller, Problem> {
    let verified = |audience: &str| cloud.entra.verify(cloud, asked.headers(), audience);
    verified(audience::ARM)
        .or_else(|_| verified(&format!("{}/", audience::ARM)))
        .map_err(|refused| Problem::not_authenticated(&refused.0))
}

fn respond(status: StatusCode, body: &Value) -> Answer {
    let mut answer = Answer::new(Bytes::from(body.to_string()));
    *answer.status_mut() = status;
    let headers = answer.headers_mut();
    let media = HeaderValue::from_static("application/json; charset=utf-8");
    headers.insert(header::CONTENT_TYPE, media);
    headers.insert(header::CACHE_CONTROL, HeaderValue::from_static("no-cache"));
    if let Ok(id) = HeaderValue::from_str(&Uuid::new_v4().to_string()) {
        headers.insert("x-ms-request-id", id);
    }
    answer
}
