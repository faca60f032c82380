//! Microsoft Graph: target checks, the one request that a permit is for, and what `drift` compares.
//!
//! Each application is used for what it alone may do, with a token of its own for the
//! tenant that is changed. An effect is sent once: who holds the lease decides about a second
//! time, and never this client.

mod answer;
mod applications;
mod batch;
mod facts;
mod observing;
mod pages;
mod policies;
mod remediating;
mod sending;
#[cfg(test)]
mod tests;

use std::{
    collections::{BTreeMap, HashMap},
    sync::{Arc, Mutex},
};

use airlock_core::{
    catalog::Effect,
    identity::{ObjectId, TenantId},
    manifest::Manifest,
    policy::TargetFacts,
    ports::{Answer, Directory, NotApplied, PortError},
    request::{Permitted, Request as Asked, correlation},
    tenancy::TenantScope,
};
use async_trait::async_trait;
use azure_core::{
    credentials::TokenCredential,
    http::{Pipeline, Url},
};
use serde_json::{Value, json};
use uuid::Uuid;

pub(crate) use self::{
    applications::{Applications, Checks},
    remediating::Registrations,
};
use self::{
    facts::{Gathered, LookUp},
    observing::Resources,
    pages::Pages,
};
use crate::{failure::in_time, transport::Wire};

/// The worker application that only reads.
const LOOK_UP: &str = "airlock-worker-lookup";

/// The application that only observes.
const OBSERVER: &str = "airlock-observer";

/// Microsoft Graph.
pub(crate) struct Graph {
    origin: Url,
    root: String,
    workers: BTreeMap<String, ObjectId>,
    portal: ObjectId,
    identity: Arc<dyn TokenCredential>,
    wire: Wire,
    pipelines: Mutex<HashMap<(String, TenantId), Pipeline>>,
    resources: Resources,
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
            resources: Resources::default(),
        })
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
        // The same for every attempt: however often it was tried, the tenant's own log names the
        // one request that it was for.
        let id = correlation(request.digest());
        let call = self.request(effect.method(), effect.path(), effect.body(), id)?;
        let response =
            in_time(self.send(effect.application(), request.scope().tenant(), call)).await?;
        answer::to_effect(&response)
    }
}
