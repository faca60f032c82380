//! The directory's audit log: who did what to whom, as Entra keeps it.
//!
//! One change can leave several entries. What they share is `correlationId`, which is the
//! `client-request-id` of the request: who sent one finds again what it did. Services beside the
//! directory itself, such as that of authentication methods, are taken to keep it likewise.

use std::collections::VecDeque;

use serde_json::{Value, json};
use time::OffsetDateTime;
use uuid::Uuid;

use super::{Effect, Tenant};

/// Most entries that are kept of a tenant; the oldest go first.
const KEPT: usize = 100_000;

/// One entry.
#[derive(Clone, Debug, PartialEq)]
pub struct Entry {
    /// Its id.
    pub id: String,
    /// When it was done.
    pub at: OffsetDateTime,
    /// What the request was called by who sent it.
    pub correlation: Uuid,
    /// What was done.
    pub activity: Activity,
    /// Who did it.
    pub by: By,
    /// To what it was done.
    pub targets: Vec<Target>,
    /// What the application called itself in its request.
    pub agent: Option<String>,
}

/// Who did something.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum By {
    /// An application: object id of its service principal, and display name.
    Application(Uuid, String),
    /// A person: object id, and name of principal.
    Person(Uuid, String),
}

/// What was done, in Entra's words.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Activity {
    /// Its name.
    pub name: String,
    /// `UserManagement` and the like.
    pub category: &'static str,
    /// Who wrote the entry.
    pub service: &'static str,
    /// `Update` and the like.
    pub operation: &'static str,
    /// What more there is to say.
    pub reason: String,
}

/// To what something was done.
#[derive(Clone, Debug, PartialEq)]
pub struct Target {
    /// Object id.
    pub id: Uuid,
    /// `User` and the like.
    pub kind: &'static str,
    /// Display name.
    pub name: Option<String>,
    /// Name of a person.
    pub user_principal_name: Option<String>,
    /// What changed: name and new value.
    pub changed: Vec<(String, Value)>,
}

/// The entries of a tenant, oldest first.
#[derive(Clone, Debug, Default)]
pub struct Log {
    entries: VecDeque<Entry>,
    written: u64,
}

impl Log {
    /// Adds one entry, in the order of their times.
    pub fn add(&mut self, draft: Draft) {
        self.written += 1;
        let Draft { at, correlation, activity, by, targets, agent } = draft;
        let id = format!("Directory_{correlation}_{:08}", self.written);
        let entry = Entry { id, at, correlation, activity, by, targets, agent };
        let place = self.entries.partition_point(|known| known.at <= at);
        self.entries.insert(place, entry);
        if self.entries.len() > KEPT {
            self.entries.pop_front();
        }
    }

    /// The entries, newest first, from this time on.
    pub fn since(&self, from: Option<OffsetDateTime>) -> impl Iterator<Item = &Entry> {
        let first = from.map_or(0, |from| self.entries.partition_point(|entry| entry.at < from));
        self.entries.range(first..).rev()
    }
}

/// An entry before it is numbered.
#[derive(Clone, Debug)]
pub struct Draft {
    /// When it was done.
    pub at: OffsetDateTime,
    /// What the request was called.
    pub correlation: Uuid,
    /// What was done.
    pub activity: Activity,
    /// By whom.
    pub by: By,
    /// To what.
    pub targets: Vec<Target>,
    /// What the application called itself.
    pub agent: Option<String>,
}

/// What is written about a change, or about a secret that was told.
#[must_use]
pub fn drafts(tenant: &Tenant, effect: &Effect) -> Vec<Draft> {
    let targets = targets(tenant, effect);
    let draft = |activity| Draft {
        at: effect.at,
        correlation: effect.correlation,
        activity,
        by: By::Application(effect.principal, effect.application.clone()),
        targets: targets.clone(),
        agent: effect.agent.clone(),
    };
    let members = effect.change.as_object().into_iter().flatten();
    members.flat_map(|(name, value)| activities(&effect.method, name, value)).map(draft).collect()
}

/// The name under which Entra logs a change of an application's secrets. The dash is Entra's.
const SECRETS: &str = "Update application \u{2013} Certificates and secrets management";

fn activities(method: &str, name: &str, value: &Value) -> Vec<Activity> {
    let core = |category, name: &str, operation| Activity {
        name: name.to_owned(),
        category,
        service: "Core Directory",
        operation,
        reason: String::new(),
    };
    let of_user = |name| core("UserManagement", name, "Update");
    let of_group = |name, operation| core("GroupManagement", name, operation);
    let of_application = |name| core("ApplicationManagement", name, "Update");
    let of_methods = |name: &str, operation, reason| Activity {
        service: "Authentication Methods",
        reason,
        ..core("UserManagement", name, operation)
    };
    let of_devices = |name, category| Activity {
        service: "Device Registration Service",
        ..core(category, name, "Other")
    };
    match name {
        "accountEnabled" if *value == json!(false) => {
            vec![of_user("Disable account"), of_user("Update user")]
        }
        "accountEnabled" => vec![of_user("Enable account"), of_user("Update user")],
        "passwordProfile" => vec![of_user("Reset user password"), of_user("Update user")],
        "revokeSignInSessions" => {
            vec![of_user("Update StsRefreshTokenValidFrom Timestamp"), of_user("Update user")]
        }
        "assignLicense" => vec![of_user("Change user license"), of_user("Update user")],
        "temporaryAccessPass" => {
            let reason = "Admin registered temporary access pass method for user".to_owned();
            vec![of_methods("Admin registered security info", "Add", reason)]
        }
        "deleted" => {
            let kind = value.as_str().unwrap_or("authentication");
            let reason = format!("Admin deleted {kind} method for user");
            vec![of_methods("Admin deleted security info", "Delete", reason)]
        }
        "members" if method == "POST" => vec![of_group("Add member to group", "Assign")],
        "members" => vec![of_group("Remove member from group", "Unassign")],
        "userIds" => vec![Activity {
            service: "Identity Protection",
            ..core("Other", "DismissUser", "Other")
        }],
        "addPassword" | "removePassword" => {
            vec![of_application(SECRETS), of_application("Update application")]
        }
        "federatedIdentityCredentials" => vec![of_application("Update application")],
        "state" => vec![Activity {
            service: "Conditional Access",
            ..core("Policy", "Update conditional access policy", "Update")
        }],
        "recoveryKey" => vec![of_devices("Read BitLocker key", "KeyManagement")],
        "deviceLocalCredential" => {
            vec![of_devices("Recover device local administrator password", "Device")]
        }
        // Named by whoever did it, or not at all: an entry that says nothing is still an entry.
        _ => vec![core("Other", "Update", "Update")],
    }
}

fn targets(tenant: &Tenant, effect: &Effect) -> Vec<Target> {
    let changed: Vec<(String, Value)> = effect
        .change
        .as_object()
        .into_iter()
        .flatten()
        .map(|(name, value)| (name.clone(), value.clone()))
        .collect();
    let several = effect.change["userIds"].as_array().into_iter().flatten();
    let several: Vec<Uuid> = several.filter_map(|id| Uuid::try_parse(id.as_str()?).ok()).collect();
    let ids = if several.is_empty() { vec![effect.person] } else { several };
    let group = effect.change["members"]["group"].as_str();
    let group = group.and_then(|id| tenant.groups.get(&Uuid::try_parse(id).ok()?));
    let group = group.map(|group| Target {
        id: group.id,
        kind: "Group",
        name: Some(group.name.clone()),
        user_principal_name: None,
        changed: Vec::new(),
    });
    let about = |id: Uuid| Target { changed: changed.clone(), ..target(tenant, id) };
    ids.into_iter().map(about).chain(group).collect()
}

/// What an object id stands for.
#[must_use]
pub fn target(tenant: &Tenant, id: Uuid) -> Target {
    let named = |kind, name: &str| Target {
        id,
        kind,
        name: Some(name.to_owned()),
        user_principal_name: None,
        changed: Vec::new(),
    };
    if let Some(person) = tenant.people.get(&id) {
        let user_principal_name = Some(person.user_principal_name.clone());
        // Entra tells a person's name of principal, and leaves out the name that they go by.
        Target { name: None, user_principal_name, ..named("User", "") }
    } else if let Some(registration) = tenant.registrations.get(&id) {
        named("Application", &registration.name)
    } else if let Some(principal) = tenant.principals.get(&id) {
        named("ServicePrincipal", &principal.name)
    } else if let Some(policy) = tenant.access_policies.iter().find(|policy| policy.id == id) {
        named("Policy", &policy.name)
    } else if let Some(device) = tenant.devices.values().find(|device| device.own_id == id) {
        named("Device", &device.name)
    } else {
        Target { name: None, ..named("Other", "") }
    }
}
