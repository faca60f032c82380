//! Who owns what: an owner can give it a credential.

use std::collections::{BTreeMap, BTreeSet};

use airlock_core::{
    identity::{ObjectId, TenantId},
    ports::PortError,
};
use serde::Deserialize;

use super::Gone;
use crate::graph::Graph;

/// What is read, for errors.
const OWNERS: &str = "owners";
const OWNED: &str = "owned objects";

/// Kinds of objects that can be owned and are no applications. Any other is taken for one: Graph
/// has new kinds of applications now and then.
const NO_APPLICATIONS: [&str; 5] = [
    "#microsoft.graph.servicePrincipal",
    "#microsoft.graph.group",
    "#microsoft.graph.user",
    "#microsoft.graph.device",
    "#microsoft.graph.endpoint",
];

impl Graph {
    pub(super) async fn read_owners(
        &self,
        tenant: TenantId,
        collection: &str,
        objects: &[ObjectId],
    ) -> Result<BTreeMap<ObjectId, Vec<ObjectId>>, PortError> {
        let path = |object| format!("/{collection}/{object}/owners?$select=id&$top=999");
        let found: BTreeMap<ObjectId, Vec<Owner>> =
            self.of_objects(tenant, OWNERS, (objects, path)).await?;
        let ids = |owners: Vec<Owner>| {
            let ids: BTreeSet<ObjectId> = owners.into_iter().map(|owner| owner.id).collect();
            ids.into_iter().collect()
        };
        Ok(found.into_iter().map(|(object, owners)| (object, ids(owners))).collect())
    }

    pub(super) async fn read_owned(
        &self,
        tenant: TenantId,
        principal: ObjectId,
    ) -> Result<Vec<ObjectId>, PortError> {
        // Not narrowed to applications: that needs the index that lags behind.
        let path =
            |principal| format!("/servicePrincipals/{principal}/ownedObjects?$select=id&$top=999");
        let mut found: BTreeMap<ObjectId, Vec<Owned>> =
            self.of_objects(tenant, OWNED, (&[principal], path)).await?;
        let owned = found.remove(&principal).ok_or(Gone(OWNED))?;
        let applications =
            owned.into_iter().filter(|owned| !NO_APPLICATIONS.contains(&owned.kind.as_str()));
        let ids: BTreeSet<ObjectId> = applications.map(|owned| owned.id).collect();
        Ok(ids.into_iter().collect())
    }
}

/// A `directoryObject`. Of one that the observer may not read Graph shows only this much.
#[derive(Deserialize)]
struct Owner {
    id: ObjectId,
}

#[derive(Deserialize)]
struct Owned {
    #[serde(rename = "@odata.type")]
    kind: String,
    id: ObjectId,
}
