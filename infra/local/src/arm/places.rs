//! Ids of the resources that others are said about.

use super::{
    kinds::{self, Kind},
    path::Group,
};
use crate::{cloud::Names, cosmos, identities::stable_id};

/// Name of the resource group, and of whatever there is one of.
pub const NAME: &str = "airlock-local";
/// The container with an account of its own.
pub const ANCHORS: &str = "anchors";

/// Where everything is.
#[derive(Clone, Debug)]
pub struct Places {
    /// The resource group.
    pub group: Group,
    vault: String,
    cosmos: String,
    bus: String,
    blobs: String,
    anchors: String,
}

impl Places {
    /// Those of the resources with these host names.
    #[must_use]
    pub fn of(names: &Names) -> Self {
        let group = Group::new(&stable_id("subscription", NAME).to_string(), NAME);
        let id = |kind: &Kind, host: &str| {
            let name = host.split('.').next().unwrap_or_default();
            format!("{}/providers/{kind}/{name}", group.id())
        };
        Self {
            vault: id(&kinds::VAULTS, &names.vault),
            cosmos: id(&kinds::ACCOUNTS, &names.cosmos),
            bus: id(&kinds::NAMESPACES, &names.bus),
            blobs: id(&kinds::STORAGE_ACCOUNTS, &names.blobs),
            anchors: id(&kinds::STORAGE_ACCOUNTS, &names.anchors),
            group,
        }
    }

    /// A resource in the group.
    #[must_use]
    pub fn id(&self, kind: &Kind, name: &str) -> String {
        format!("{}/providers/{kind}/{name}", self.group.id())
    }

    /// A managed identity. Its provider writes `resourcegroups` so.
    #[must_use]
    pub fn identity(&self, name: &str) -> String {
        let (subscription, group) = (self.group.subscription_id(), self.group.name());
        let kind = &kinds::IDENTITIES;
        format!("{subscription}/resourcegroups/{group}/providers/{kind}/airlock-{name}")
    }

    /// The definition of a role.
    #[must_use]
    pub fn role(&self, id: uuid::Uuid) -> String {
        format!("{}/providers/{}/{id}", self.group.subscription_id(), kinds::ROLE_DEFINITIONS)
    }

    /// The vault.
    #[must_use]
    pub fn vault(&self) -> String {
        self.vault.clone()
    }

    /// A key in it, with all its versions.
    #[must_use]
    pub fn key(&self, name: &str) -> String {
        format!("{}/keys/{name}", self.vault)
    }

    /// A secret in it, with all its versions.
    #[must_use]
    pub fn secret(&self, name: &str) -> String {
        format!("{}/secrets/{name}", self.vault)
    }

    /// The bus.
    #[must_use]
    pub fn bus(&self) -> String {
        self.bus.clone()
    }

    /// A queue of it.
    #[must_use]
    pub fn queue(&self, name: &str) -> String {
        format!("{}/queues/{name}", self.bus)
    }

    /// The database account.
    #[must_use]
    pub fn cosmos(&self) -> String {
        self.cosmos.clone()
    }

    /// A container of documents, as `infra/identities.json` names it.
    #[must_use]
    pub fn documents(&self, named: &str) -> String {
        let (database, name) = named.split_once('/').unwrap_or((cosmos::DATABASE, named));
        format!("{}/dbs/{database}/colls/{name}", self.cosmos)
    }

    /// Both storage accounts.
    #[must_use]
    pub fn accounts(&self) -> [&str; 2] {
        [&self.blobs, &self.anchors]
    }

    /// The storage account that a container of blobs is in.
    #[must_use]
    pub fn account_of(&self, container: &str) -> &str {
        if container == ANCHORS { &self.anchors } else { &self.blobs }
    }

    /// A container of blobs.
    #[must_use]
    pub fn container(&self, name: &str) -> String {
        format!("{}/blobServices/default/containers/{name}", self.account_of(name))
    }
}
