//! Interfaces that rights are held over: whose they are, and what the ids of their roles mean.

use std::{
    collections::{BTreeMap, BTreeSet, HashMap},
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};

use airlock_core::{
    identity::{ObjectId, TenantId},
    ports::PortError,
};
use serde::Deserialize;
use tokio::time::Instant;
use uuid::Uuid;

use super::{there, understood};
use crate::graph::{Graph, OBSERVER, batch::Questions, pages::NotUnderstood};

/// What is read, for errors.
const WHAT: &str = "interfaces";

/// How long what was read of an interface is used. Microsoft Graph's roles are a third of a
/// megabyte, and an id never comes to mean another role of the same interface.
const KEPT: Duration = Duration::from_hours(1);

/// What is known of interfaces, by the object ids of their service principals.
#[derive(Default)]
pub(in crate::graph) struct Resources(Mutex<HashMap<(TenantId, ObjectId), Known>>);

struct Known {
    at: Instant,
    resource: Arc<Resource>,
}

/// An interface.
pub(super) struct Resource {
    /// Client id of whose interface it is.
    pub(super) client: ObjectId,
    roles: HashMap<Uuid, String>,
}

impl Resource {
    /// The value of a role; its id, if it has none or is not known.
    pub(super) fn role(&self, id: Uuid) -> String {
        self.roles.get(&id).cloned().unwrap_or_else(|| id.to_string())
    }

    /// An interface whose service principal is gone. It goes by its object id: nothing declared
    /// is over that.
    fn gone(id: ObjectId) -> Self {
        Self { client: id, roles: HashMap::new() }
    }

    /// Whether it tells all these roles. The nil id is nobody's role: access without one.
    fn tells(&self, roles: &BTreeSet<Uuid>) -> bool {
        roles.iter().all(|role| role.is_nil() || self.roles.contains_key(role))
    }
}

impl Resources {
    /// Those that are known well enough.
    fn known(
        &self,
        tenant: TenantId,
        wanted: &BTreeMap<ObjectId, BTreeSet<Uuid>>,
    ) -> BTreeMap<ObjectId, Arc<Resource>> {
        // Nothing panics while it is held.
        let mut kept = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        kept.retain(|_, known| known.at.elapsed() < KEPT);
        let known = wanted.iter().filter_map(|(id, roles)| {
            let resource = &kept.get(&(tenant, *id))?.resource;
            // A role may have been added meanwhile.
            resource.tells(roles).then(|| (*id, Arc::clone(resource)))
        });
        known.collect()
    }

    fn keep(&self, tenant: TenantId, id: ObjectId, resource: &Arc<Resource>) {
        let known = Known { at: Instant::now(), resource: Arc::clone(resource) };
        let mut kept = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        kept.insert((tenant, id), known);
    }
}

impl Graph {
    /// Interfaces by the object ids of their service principals, with these roles if they have
    /// them: one call for 20 that are not known.
    pub(super) async fn resources_of(
        &self,
        tenant: TenantId,
        wanted: &BTreeMap<ObjectId, BTreeSet<Uuid>>,
    ) -> Result<BTreeMap<ObjectId, Arc<Resource>>, PortError> {
        let mut all = self.resources.known(tenant, wanted);
        let unknown: Vec<ObjectId> =
            wanted.keys().filter(|id| !all.contains_key(id)).copied().collect();
        let paths: Vec<String> = unknown
            .iter()
            .map(|id| format!("/servicePrincipals/{id}?$select=id,appId,appRoles"))
            .collect();
        let questions = Questions { application: OBSERVER, tenant, what: WHAT, paths: &paths };
        for (id, answer) in unknown.into_iter().zip(self.ask_for_each(questions).await?) {
            let mut found: Vec<Found> = understood(answer.into_iter().collect(), WHAT)?;
            let resource = match found.pop() {
                Some(found) if found.id == id => {
                    let resource = Arc::new(Resource::from(found));
                    self.resources.keep(tenant, id, &resource);
                    resource
                }
                Some(_) => return Err(NotUnderstood(WHAT).into()),
                None => Arc::new(Resource::gone(id)),
            };
            all.insert(id, resource);
        }
        Ok(all)
    }
}

/// A `servicePrincipal`.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Found {
    id: ObjectId,
    app_id: ObjectId,
    app_roles: Vec<Role>,
}

/// An `appRole`. Whether it is enabled does not matter: who holds it keeps it.
#[derive(Deserialize)]
struct Role {
    id: Uuid,
    #[serde(deserialize_with = "there")]
    value: Option<String>,
}

impl From<Found> for Resource {
    fn from(found: Found) -> Self {
        let id_or_value = |role: Role| (role.id, role.value.unwrap_or_else(|| role.id.to_string()));
        Self { client: found.app_id, roles: found.app_roles.into_iter().map(id_or_value).collect() }
    }
}
