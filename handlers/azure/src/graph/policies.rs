//! Conditional-access policies, as far as a step-up rests on them.
//!
//! Read as `airlock-observer`, which may only read. Entra issues an authentication context to
//! whomever no policy asks for more. So what counts is whom a policy leaves out: a condition that
//! is not known here may leave somebody out, and a control that is not known here may be no
//! proof. Both are taken for the worse.

use airlock_core::{comparing::AccessPolicy, identity::TenantId, ports::PortError};
use serde::Deserialize;
use serde_json::{Map, Value};
use uuid::Uuid;

use super::{
    Graph, OBSERVER, answer,
    pages::{NotUnderstood, Pages},
};

/// Not narrowed by `$select`: what it would do to the parts of a control is not documented.
const PATH: &str = "/identity/conditionalAccess/policies";

/// What is read, for errors.
const WHAT: &str = "conditional-access policies";

impl Graph {
    /// All policies of a tenant: one call, and one more for each further page.
    pub(super) async fn all_access_policies(
        &self,
        tenant: TenantId,
    ) -> Result<Vec<AccessPolicy>, PortError> {
        let id = Uuid::new_v4();
        let request = self.request("GET", PATH, None, id)?;
        let response = self.send(OBSERVER, tenant, request).await?;
        let mut pages = Pages::of(WHAT);
        pages.add(&answer::read(&response)?)?;
        self.turn_pages(OBSERVER, tenant, &mut pages, id).await?;
        let policies = pages.into_objects()?;
        Ok(policies.into_iter().map(understood).collect::<Result<_, _>>()?)
    }
}

/// A `conditionalAccessPolicy`.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Policy {
    state: String,
    conditions: Conditions,
    grant_controls: Option<GrantControls>,
}

/// When a policy applies. What is not named stands in `others`.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Conditions {
    applications: Option<Applications>,
    users: Option<Users>,
    client_app_types: Vec<String>,
    locations: Option<Map<String, Value>>,
    platforms: Option<Map<String, Value>>,
    #[serde(flatten)]
    others: Map<String, Value>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Applications {
    #[serde(default)]
    include_authentication_context_class_references: Vec<String>,
    #[serde(flatten)]
    others: Map<String, Value>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Users {
    include_users: Vec<String>,
    #[serde(flatten)]
    others: Map<String, Value>,
}

/// What a policy asks for.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct GrantControls {
    operator: Option<String>,
    built_in_controls: Vec<String>,
    authentication_strength: Option<Strength>,
    #[serde(flatten)]
    others: Map<String, Value>,
}

/// An `authenticationStrengthPolicy`. Not each is more than a password: `requirementsSatisfied`
/// says whether it is as good as multifactor authentication.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Strength {
    requirements_satisfied: String,
}

/// Reads one policy.
fn understood(policy: Value) -> Result<AccessPolicy, NotUnderstood> {
    let Policy { state, conditions, grant_controls } =
        serde_json::from_value(policy).map_err(|_| NotUnderstood(WHAT))?;
    Ok(AccessPolicy {
        // Neither `disabled` nor `enabledForReportingButNotEnforced`.
        enabled: state == "enabled",
        everybody: conditions.leave_nobody_out(),
        demands_proof: grant_controls.is_some_and(|controls| controls.demand_proof()),
        contexts: conditions
            .applications
            .map(|applications| applications.include_authentication_context_class_references)
            .unwrap_or_default(),
    })
}

impl Conditions {
    fn leave_nobody_out(&self) -> bool {
        let everybody = self
            .users
            .as_ref()
            .is_some_and(|users| holds(&users.include_users, "All") && !leaves_out(&users.others));
        let every_client = holds(&self.client_app_types, "all");
        let applications = self.applications.as_ref();
        everybody
            && every_client
            && is_any(self.locations.as_ref(), "includeLocations", "All")
            && is_any(self.platforms.as_ref(), "includePlatforms", "all")
            && applications.is_none_or(|applications| !leaves_out(&applications.others))
            && !leaves_out(&self.others)
    }
}

impl GrantControls {
    /// Whether whoever satisfies them has proved more about themself. Of controls that are
    /// alternatives each must be a proof; else one is enough.
    fn demand_proof(&self) -> bool {
        let strength = self.authentication_strength.as_ref();
        let strength = strength.map(|strength| strength.requirements_satisfied == "mfa");
        // A device, an application or terms of use say nothing new about the person.
        let built_in = self.built_in_controls.iter().map(|control| control == "mfa");
        let others = self.others.iter().filter(|&(name, value)| is_said(name, value));
        let mut proofs = strength.into_iter().chain(built_in).chain(others.map(|_| false));
        match self.operator.as_deref() {
            Some("AND") => proofs.any(|proof| proof),
            Some("OR") => proofs.next().is_some_and(|first| first && proofs.all(|proof| proof)),
            _ => false,
        }
    }
}

/// Whether a part of the conditions may leave somebody out. What it includes besides does not.
fn leaves_out(conditions: &Map<String, Value>) -> bool {
    conditions.iter().any(|(name, value)| !name.starts_with("include") && is_said(name, value))
}

/// Whether a condition with an `include` and an `exclude` is not set, or lets everything in.
fn is_any(condition: Option<&Map<String, Value>>, include: &str, all: &str) -> bool {
    condition.is_none_or(|condition| {
        let included = condition.get(include).and_then(Value::as_array);
        let all_included = included.is_some_and(|each| each.iter().any(|one| one == all));
        all_included && !leaves_out(condition)
    })
}

/// Whether a property says anything. Those that are not set are null or empty; annotations have
/// an `@` in their names.
fn is_said(name: &str, value: &Value) -> bool {
    let nothing = match value {
        Value::Null => true,
        Value::Array(list) => list.is_empty(),
        _ => false,
    };
    !nothing && !name.contains('@')
}

fn holds(list: &[String], wanted: &str) -> bool {
    list.iter().any(|each| each == wanted)
}

#[cfg(test)]
mod tests;
