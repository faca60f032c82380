//! Roles of Entra's and of Azure's: which were declared, and what those of the deployment's own
//! allow.
//!
//! Entra's and Azure's built-in roles are the same everywhere and nobody can change them: their ids
//! say all. A role of one's own is worth what it allows at the moment.

use std::collections::{BTreeMap, BTreeSet};

use serde::Deserialize;
use uuid::Uuid;

use super::NotDesired;
use crate::drift::actual::Name;

/// A directory role that was declared.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Role {
    /// Its name, for people.
    pub name: String,
    /// Its template. That of one of Entra's own is the id of its definition in every tenant.
    pub template: Uuid,
    /// What one of the deployment's own allows. None: it is one of Entra's.
    pub actions: Option<BTreeSet<Name>>,
}

/// A role of the deployment's own in Azure.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CustomAzureRole {
    /// Id of its definition.
    pub id: Name,
    /// Its name, for people.
    pub name: String,
    /// What it allows over resources.
    pub actions: BTreeSet<Name>,
    /// What it allows with what is in them.
    pub data_actions: BTreeSet<Name>,
}

/// A directory role, as `identities.json` has it.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct DeclaredRole {
    template: Uuid,
    #[serde(default)]
    actions: Option<Vec<String>>,
}

/// A role of Azure's, as `identities.json` has it.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct DeclaredAzureRole {
    pub(super) id: Uuid,
    #[serde(default)]
    custom: Option<Custom>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Custom {
    name: String,
    actions: Vec<String>,
    data_actions: Vec<String>,
}

/// The declared directory role of a name.
pub(super) fn role(
    declared: &BTreeMap<String, DeclaredRole>,
    name: &str,
) -> Result<Role, NotDesired> {
    let unknown = || NotDesired::Unknown(format!("the directory role {name}"));
    let DeclaredRole { template, actions } = declared.get(name).ok_or_else(unknown)?;
    let actions = actions.as_deref().map(names);
    Ok(Role { name: name.to_owned(), template: *template, actions })
}

/// The roles of the deployment's own.
pub(super) fn custom(declared: &BTreeMap<String, DeclaredAzureRole>) -> Vec<CustomAzureRole> {
    let custom = declared.values().filter_map(|role| {
        let Custom { name, actions, data_actions } = role.custom.as_ref()?;
        Some(CustomAzureRole {
            id: Name::new(&role.id.to_string()),
            name: name.clone(),
            actions: names(actions),
            data_actions: names(data_actions),
        })
    });
    custom.collect()
}

fn names(all: &[String]) -> BTreeSet<Name> {
    all.iter().map(|one| Name::new(one)).collect()
}
