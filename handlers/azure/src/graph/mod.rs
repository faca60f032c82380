//! Microsoft Graph: target checks, the one request that a permit is for, and what `drift` compares.
//!
//! Each application is used for what it alone may do, with a token of its own for the
//! tenant that is changed. An effect is sent once: who holds the lease decides about a second
//! time, and never this client.

mod answer;
mod applications;
mod facts;
mod pages;
mod policies;

use std::{
    collections::{BTreeMap, HashMap},
    sync::{Arc, Mutex, PoisonError},
};

use airlock_core::{
    catalog::Effect,
    identity::{ObjectId, TenantId},
    manifest::Manifest,
    policy::TargetFacts,
    ports::{Answer, Directory, NotApplied, PortError},
    request::{Permitted, Request as Asked},
    tenancy::TenantScope,
};
use async_trait::async_trait;
use azure_core::{
    credentials::TokenCredential,
    http::{
        Context, Method, Pipeline, PipelineSendOptions, RawResponse, Request, Url,
        policies::auth::BearerTokenAuthorizationPolicy,
    },
};
use serde_json::{Value, json};
use uuid::Uuid;

pub(crate) use self::applications::{Applications, Checks};
use self::{
    facts::{Gathered, LookUp},
    pages::Pages,
    policies::OBSERVER,
};
use crate::{
    failure::{in_time, port_error},
    identity,
    transport::Wire,
};

/// The worker application that only reads.
const LOOK_UP: &str = "airlock-worker-lookup";

/// Header that says which calls Graph shall refuse last when it has too many.
const PRIORITY: &str = "x-ms-throttle-priority";

/// Microsoft Graph.
pub(crate) struct Graph {
    origin: Url,
    root: String,
    workers: BTreeMap<String, ObjectId>,
    portal: ObjectId,
    identity: Arc<dyn TokenCredential>,
    wire: Wire,
    pipelines: Mutex<HashMap<(String, TenantId), Pipeline>>,
}

impl Graph {
    pub(crate) fn new(
        manifest: &Manifest,
        identity: Arc<dyn TokenCredential>,
        wire: Wire,
    ) -> azure_core::Result<Self> {
        let origin = Url::parse(&manifest.graph)?;
        Ok(Self {
            root: format!("{origin}v1.0"),
            origin,
            workers: manifest.workers.clone(),
            portal: manifest.portal_client,
            identity,
            wire,
            pipelines: Mutex::default(),
        })
    }

    /// The way to Graph as one application in one tenant. It keeps its token.
    fn pipeline(&self, application: &str, tenant: TenantId) -> Result<Pipeline, PortError> {
        let key = (application.to_owned(), tenant);
        // Nothing panics while it is held.
        let mut pipelines = self.pipelines.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(pipeline) = pipelines.get(&key) {
            return Ok(pipeline.clone());
        }
        let client_id = *self
            .workers
            .get(application)
            .ok_or_else(|| PortError::Broken("manifest names no such application".into()))?;
        let identity = Arc::clone(&self.identity);
        let credential =
            identity::application(client_id, tenant, identity, &self.wire).map_err(port_error)?;
        let scope = format!("{}/.default", self.origin.as_str().trim_end_matches('/'));
        let authorization = BearerTokenAuthorizationPolicy::new(credential, [scope]);
        let only_reads = [LOOK_UP, OBSERVER].contains(&application);
        let options = if only_reads { self.wire.repeating() } else { self.wire.once() };
        let pipeline = Pipeline::new(
            option_env!("CARGO_PKG_NAME"),
            option_env!("CARGO_PKG_VERSION"),
            options,
            Vec::new(),
            vec![Arc::new(authorization)],
            None,
        );
        pipelines.insert(key, pipeline.clone());
        Ok(pipeline)
    }

    /// A request below `/v1.0`.
    fn request(
        &self,
        method: &str,
        path: &str,
        body: Option<&Value>,
        id: Uuid,
    ) -> Result<Request, PortError> {
        let method = match method {
            "GET" => Method::Get,
            "POST" => Method::Post,
            "PATCH" => Method::Patch,
            "PUT" => Method::Put,
            "DELETE" => Method::Delete,
            _ => return Err(PortError::Broken("not a method".into())),
        };
        let url = self.below(&format!("{}{path}", self.root))?;
        let mut request = Request::new(url, method);
        // Entra's audit log keeps it: a change can be traced back to its request, and one of a
        // worker application without a request is drift.
        request.insert_header("client-request-id", id.to_string());
        request.insert_header(PRIORITY, HIGH);
        if let Some(body) = body {
            let body = serde_json::to_vec(body).map_err(|error| PortError::Broken(error.into()))?;
            request.insert_header("content-type", "application/json");
            request.set_body(body);
        }
        Ok(request)
    }

    /// An address that is Graph's, and below `/v1.0`: our token is sent nowhere else.
    fn below(&self, address: &str) -> Result<Url, PortError> {
        let url = Url::parse(address).map_err(|error| PortError::Broken(error.into()))?;
        let ours = url.origin() == self.origin.origin()
            && url.path().starts_with("/v1.0/")
            && url.username().is_empty()
            && url.password().is_none();
        if ours { Ok(url) } else { Err(PortError::Broken("address is not Graph's".into())) }
    }

    async fn send(
        &self,
        application: &str,
        tenant: TenantId,
        mut request: Request,
    ) -> Result<RawResponse, PortError> {
        let pipeline = self.pipeline(application, tenant)?;
        let options = PipelineSendOptions { skip_checks: true, ..PipelineSendOptions::default() };
        pipeline.send(&Context::default(), &mut request, Some(options)).await.map_err(port_error)
    }

    /// Asks everything about a target at once, and follows what does not fit on one page.
    async fn gather(
        &self,
        tenant: TenantId,
        look_up: &LookUp,
    ) -> Result<Option<Gathered>, PortError> {
        let id = Uuid::new_v4();
        let request = self.request("POST", "/$batch", Some(&look_up.batch()), id)?;
        let response = self.send(LOOK_UP, tenant, request).await?;
        let Some(mut gathered) = Gathered::read(&answer::read(&response)?)? else {
            return Ok(None);
        };
        for collection in &mut gathered.collections {
            self.turn_pages(LOOK_UP, tenant, &mut collection.pages, id).await?;
        }
        Ok(Some(gathered))
    }

    /// Reads the pages that are left of a collection.
    async fn turn_pages(
        &self,
        application: &str,
        tenant: TenantId,
        pages: &mut Pages,
        id: Uuid,
    ) -> Result<(), PortError> {
        while let Some(next) = pages.turn()? {
            let url = self.below(&next)?;
            let mut request = Request::new(url, Method::Get);
            request.insert_header("client-request-id", id.to_string());
            request.insert_header(PRIORITY, priority(application));
            let response = self.send(application, tenant, request).await?;
            pages.add(&answer::read(&response)?)?;
        }
        Ok(())
    }

    /// Reads one thing, or a collection to its end.
    async fn read_all(&self, tenant: TenantId, path: &str) -> Result<Option<Value>, PortError> {
        let id = Uuid::new_v4();
        let request = self.request("GET", path, None, id)?;
        let response = self.send(LOOK_UP, tenant, request).await?;
        let Some(body) = answer::read_if_there(&response)? else { return Ok(None) };
        if body.get("value").is_none() {
            return Ok(Some(body));
        }
        let mut pages = Pages::of("what was read");
        pages.add(&body)?;
        self.turn_pages(LOOK_UP, tenant, &mut pages, id).await?;
        Ok(Some(json!({ "value": pages.into_objects()? })))
    }
}

/// For what a person waits for.
const HIGH: &str = "high";

/// Nobody waits for what is observed.
fn priority(application: &str) -> &'static str {
    if application == OBSERVER { "low" } else { HIGH }
}

#[async_trait]
impl Directory for Graph {
    async fn look_up(
        &self,
        scope: &TenantScope,
        target: ObjectId,
    ) -> Result<Option<TargetFacts>, PortError> {
        let look_up = LookUp { target, portal: self.portal };
        let gathered = in_time(self.gather(scope.tenant(), &look_up)).await?;
        let protected_groups = &scope.terms().protected_groups;
        gathered
            .map(|gathered| gathered.judge(target, protected_groups))
            .transpose()
            .map_err(PortError::from)
    }

    async fn read(&self, scope: &TenantScope, path: &str) -> Result<Option<Value>, PortError> {
        in_time(self.read_all(scope.tenant(), path)).await
    }

    fn root(&self) -> &str {
        &self.root
    }

    async fn apply(
        &self,
        request: &Asked<Permitted>,
        effect: &Effect,
    ) -> Result<Answer, NotApplied> {
        let call = self.request(effect.method(), effect.path(), effect.body(), request.id())?;
        let response =
            in_time(self.send(effect.application(), request.scope().tenant(), call)).await?;
        answer::to_effect(&response)
    }
}

#[cfg(test)]
mod tests {
    use std::fmt;

    use azure_core::credentials::{AccessToken, TokenRequestOptions};
    use azure_core::http::headers::HeaderName;

    use super::*;

    struct Nobody;

    impl fmt::Debug for Nobody {
        fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
            formatter.write_str("Nobody")
        }
    }

    #[async_trait]
    impl TokenCredential for Nobody {
        async fn get_token(
            &self,
            _: &[&str],
            _: Option<TokenRequestOptions<'_>>,
        ) -> azure_core::Result<AccessToken> {
            Err(azure_core::Error::with_message(azure_core::error::ErrorKind::Credential, "nobody"))
        }
    }

    fn graph() -> Graph {
        let wire = Wire::new(crate::transport::client().unwrap(), "https://login.example");
        let worker = ObjectId::new(Uuid::from_u128(7));
        Graph {
            origin: Url::parse("https://graph.microsoft.com").unwrap(),
            root: "https://graph.microsoft.com/v1.0".to_owned(),
            workers: BTreeMap::from([(LOOK_UP.to_owned(), worker)]),
            portal: ObjectId::new(Uuid::from_u128(8)),
            identity: Arc::new(Nobody),
            wire,
            pipelines: Mutex::default(),
        }
    }

    #[test]
    fn a_request_names_what_it_is_for() {
        let body = json!({ "accountEnabled": false });

        let request =
            graph().request("PATCH", "/users/1", Some(&body), Uuid::from_u128(5)).unwrap();

        assert_eq!(request.url().as_str(), "https://graph.microsoft.com/v1.0/users/1");
        let header = |name| request.headers().get_optional_string(&HeaderName::from_static(name));
        assert_eq!(header("client-request-id").unwrap(), "00000000-0000-0000-0000-000000000005");
        assert_eq!(header("x-ms-throttle-priority").unwrap(), "high");
    }

    #[test]
    fn quotes_and_dollars_of_a_path_arrive_as_they_were_meant() {
        let path = "/devices(deviceId='9f1c2d3e-4b5a-4678-8c9d-0e1f2a3b4c5d')/registeredOwners";
        let member = "/groups/1/members/2/$ref";

        let url = |path| graph().request("GET", path, None, Uuid::nil()).unwrap().url().to_string();

        assert_eq!(url(path), format!("https://graph.microsoft.com/v1.0{path}"));
        assert_eq!(url(member), format!("https://graph.microsoft.com/v1.0{member}"));
    }

    #[test]
    fn a_token_goes_to_graph_and_nowhere_else() {
        let graph = graph();

        assert!(graph.below("https://graph.microsoft.com/v1.0/users?$skiptoken=x").is_ok());
        for bad in [
            "https://graph.microsoft.com.evil.example/v1.0/users",
            "https://evil.example/v1.0/users",
            "http://graph.microsoft.com/v1.0/users",
            "https://graph.microsoft.com:8443/v1.0/users",
            "https://x@graph.microsoft.com/v1.0/users",
            "https://graph.microsoft.com/beta/users",
            "https://graph.microsoft.com/v1.0/../beta/users",
            "/v1.0/users",
        ] {
            assert!(graph.below(bad).is_err(), "{bad}");
        }
        assert!(graph.request("GET", "/../beta/users", None, Uuid::nil()).is_err());
        assert!(graph.request("TRACE", "/users", None, Uuid::nil()).is_err());
    }

    #[test]
    fn what_a_person_waits_for_goes_before_what_is_observed() {
        assert_eq!(priority(LOOK_UP), "high");
        assert_eq!(priority(OBSERVER), "low");
    }

    #[tokio::test]
    async fn an_application_that_the_manifest_does_not_name_is_not_used() {
        let tenant = TenantId::new(Uuid::nil());

        for other in ["airlock-rotator", OBSERVER] {
            assert!(graph().pipeline(other, tenant).is_err(), "{other}");
        }
        assert!(graph().pipeline(LOOK_UP, tenant).is_ok());
    }
}
