//! What is asked about a target, and what the answers mean.
//!
//! Whoever holds a directory role, may activate one, belongs to or owns a group that grants
//! roles or that the binding protects, or has a role in Airlock, is protected. All of it comes
//! from one `$batch`, without the eventually consistent index: a role that was given a minute
//! ago must count. What cannot be read is never "none".
//!
//! A user who may *activate* the membership of a role-granting group (privileged access for
//! groups) and has not is not found: Graph shows that only to a permission of its own.

use airlock_core::{identity::ObjectId, policy::TargetFacts, ports::PortError};
use serde_json::{Value, json};
use uuid::Uuid;

use super::{
    batch::Item,
    pages::{NotUnderstood, Pages},
};

/// One target to look up.
pub(super) struct LookUp {
    pub(super) target: ObjectId,
    /// Client id of `airlock-portal`, whose app roles are Airlock's.
    pub(super) portal: ObjectId,
}

const USER: &str = "user";

/// The collections that are asked for, by what they are.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Kind {
    MemberOf,
    Owns,
    Holds,
    MayActivate,
    AppRoles,
    Portal,
}

impl Kind {
    const ALL: [Self; 6] =
        [Self::MemberOf, Self::Owns, Self::Holds, Self::MayActivate, Self::AppRoles, Self::Portal];

    /// Names the question in the batch.
    const fn id(self) -> &'static str {
        match self {
            Self::MemberOf => "member-of",
            Self::Owns => "owns",
            Self::Holds => "holds",
            Self::MayActivate => "may-activate",
            Self::AppRoles => "app-roles",
            Self::Portal => "portal",
        }
    }

    fn url(self, LookUp { target, portal }: &LookUp) -> String {
        match self {
            // Not narrowed to one type: that needs the index that lags behind.
            Self::MemberOf => {
                format!("/users/{target}/transitiveMemberOf?$select=id,isAssignableToRole&$top=999")
            }
            Self::Owns => {
                format!("/users/{target}/ownedObjects?$select=id,isAssignableToRole&$top=999")
            }
            Self::Holds => format!(
                "/roleManagement/directory/roleAssignments?$filter=principalId%20eq%20'{target}'"
            ),
            Self::MayActivate => format!(
                "/roleManagement/directory/roleEligibilityScheduleInstances\
                 ?$filter=principalId%20eq%20'{target}'"
            ),
            Self::AppRoles => {
                format!("/users/{target}/appRoleAssignments?$select=resourceId&$top=999")
            }
            Self::Portal => {
                format!("/servicePrincipals?$filter=appId%20eq%20'{portal}'&$select=id")
            }
        }
    }
}

impl LookUp {
    /// The body of the batch.
    pub(super) fn batch(&self) -> Value {
        let target = self.target;
        let user =
            format!("/users/{target}?$select=id,userType,accountEnabled,onPremisesSyncEnabled");
        let get = |id: &str, url: String| json!({ "id": id, "method": "GET", "url": url });
        let mut requests = vec![get(USER, user)];
        requests.extend(Kind::ALL.into_iter().map(|kind| get(kind.id(), kind.url(self))));
        json!({ "requests": requests })
    }
}

/// The objects of one collection, as far as they were read.
pub(super) struct Collection {
    kind: Kind,
    pub(super) pages: Pages,
}

/// What Graph says about a target: first the answers to a batch, then with all pages.
pub(super) struct Gathered {
    user: Value,
    pub(super) collections: [Collection; 6],
}

impl Gathered {
    /// Reads the answers to a batch; `None` if there is no such user.
    ///
    /// # Errors
    ///
    /// If any question was not answered.
    pub(super) fn read(batch: &Value) -> Result<Option<Self>, PortError> {
        let user = Item::named(batch, USER, USER)?;
        if user.is_no_object() {
            return Ok(None);
        }
        let user = user.read()?.clone();
        let first = |kind: Kind| -> Result<Collection, PortError> {
            let mut pages = Pages::of(kind.id());
            pages.add(Item::named(batch, kind.id(), kind.id())?.read()?)?;
            Ok(Collection { kind, pages })
        };
        let [member_of, owns, holds, may_activate, app_roles, portal] = Kind::ALL;
        let collections = [
            first(member_of)?,
            first(owns)?,
            first(holds)?,
            first(may_activate)?,
            first(app_roles)?,
            first(portal)?,
        ];
        Ok(Some(Self { user, collections }))
    }
}

impl Gathered {
    /// What follows from it.
    ///
    /// # Errors
    ///
    /// If anything is not of the form that Graph gives, or a page was not read.
    pub(super) fn judge(
        &self,
        target: ObjectId,
        protected_groups: &[ObjectId],
    ) -> Result<TargetFacts, NotUnderstood> {
        if id(&self.user, "id", USER)? != target {
            return Err(NotUnderstood(USER));
        }
        let synced = flag(&self.user, "onPremisesSyncEnabled", USER)?;
        let portal = self.portal()?;
        // All of it is read before any of it counts: an answer that is not understood is an
        // error whatever the others say.
        let mut protected = false;
        for collection in &self.collections {
            for object in collection.pages.objects()? {
                protected |= match collection.kind {
                    Kind::Holds | Kind::MayActivate => true,
                    Kind::MemberOf | Kind::Owns => {
                        grants(object, protected_groups, collection.kind.id())?
                    }
                    Kind::AppRoles => {
                        Some(id(object, "resourceId", collection.kind.id())?) == portal
                    }
                    Kind::Portal => false,
                };
            }
        }
        Ok(TargetFacts { protected, synced })
    }

    /// The portal's service principal in the target's tenant. A tenant without it has given
    /// nobody a role in Airlock.
    fn portal(&self) -> Result<Option<ObjectId>, NotUnderstood> {
        let portals = self.collections.iter().find(|collection| collection.kind == Kind::Portal);
        match portals.map(|portals| portals.pages.objects()).transpose()? {
            Some([]) => Ok(None),
            Some([only]) => id(only, "id", Kind::Portal.id()).map(Some),
            _ => Err(NotUnderstood(Kind::Portal.id())),
        }
    }
}

/// Whether belonging to or owning this makes someone protected.
fn grants(
    object: &Value,
    protected_groups: &[ObjectId],
    what: &'static str,
) -> Result<bool, NotUnderstood> {
    match object["@odata.type"].as_str() {
        Some("#microsoft.graph.directoryRole") => Ok(true),
        Some("#microsoft.graph.group") => {
            let listed = protected_groups.contains(&id(object, "id", what)?);
            Ok(flag(object, "isAssignableToRole", what)? || listed)
        }
        // Administrative units, devices, applications.
        Some(_) => Ok(false),
        None => Err(NotUnderstood(what)),
    }
}

fn id(object: &Value, name: &str, what: &'static str) -> Result<ObjectId, NotUnderstood> {
    let text = object[name].as_str().ok_or(NotUnderstood(what))?;
    Uuid::try_parse(text).map(ObjectId::new).map_err(|_| NotUnderstood(what))
}

/// A property that is true, false or null, and there.
fn flag(object: &Value, name: &str, what: &'static str) -> Result<bool, NotUnderstood> {
    match object.get(name) {
        Some(Value::Bool(flag)) => Ok(*flag),
        Some(Value::Null) => Ok(false),
        _ => Err(NotUnderstood(what)),
    }
}

#[cfg(test)]
mod tests;
