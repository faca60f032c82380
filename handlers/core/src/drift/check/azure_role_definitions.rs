//! A role of the deployment's own in Azure allows what was declared, and nothing else. Azure's and
//! Cosmos DB's built-in ones nobody can change.

use std::collections::BTreeSet;

use super::{Check, Deployment, Deviation, Judge, Judged, Severity, listed};
use crate::drift::{
    actual::{AzureRole, Name},
    desired::CustomAzureRole,
};

pub(super) const CHECK: Check = Check {
    name: "azure-role-definition",
    severity: Severity::Critical,
    explanation: "A role of Airlock's own in Azure allows other things than were declared: whoever \
                  it is assigned to can do more than they may, or less than they must.",
    remediation: "Deploy the role definition again from infra/identities.json; find out in the \
                  activity log who changed it.",
    judge: Judge::Deployment(judge),
    lasting: false,
};

fn judge(seen: &Deployment) -> Judged {
    let found = seen.azure_roles.as_ref().map_err(|unread| *unread)?;
    let mut all = Vec::new();
    for declared in &seen.desired.azure_roles {
        match found.iter().find(|each| each.id == declared.id) {
            None => {
                let deviation = of(declared, "").declared(&declared.name).found("none");
                all.push(deviation.as_bad_as(Severity::Medium));
            }
            Some(found) => {
                all.extend(allowing(declared, found));
                all.extend(assignable(declared, found));
            }
        }
    }
    Ok(all)
}

fn of(declared: &CustomAzureRole, what: &str) -> Deviation {
    Deviation::of(format!("azure-role/{}{what}", declared.id))
}

fn allowing(declared: &CustomAzureRole, found: &AzureRole) -> Option<Deviation> {
    let AzureRole { actions, data_actions, excluded, .. } = found;
    let is_within =
        actions.is_subset(&declared.actions) && data_actions.is_subset(&declared.data_actions);
    let is_declared = *actions == declared.actions
        && *data_actions == declared.data_actions
        && excluded.is_empty();
    if is_declared {
        return None;
    }
    let allowed = actions.union(data_actions).map(ToString::to_string);
    let found = allowed.chain(excluded.iter().map(|one| format!("not {one}")));
    let deviation = of(declared, "")
        .declared(listed(declared.actions.union(&declared.data_actions)))
        .found(listed(found));
    Some(if is_within { deviation.as_bad_as(Severity::Medium) } else { deviation })
}

/// Whether it can be given to somebody over more than Airlock has.
fn assignable(declared: &CustomAzureRole, found: &AzureRole) -> Option<Deviation> {
    let group = BTreeSet::from([Name::new("")]);
    (!found.assignable.is_subset(&group)).then(|| {
        let wider = listed(found.assignable.difference(&group));
        let deviation = of(declared, "/assignable").declared("over the group alone").found(wider);
        deviation.as_bad_as(Severity::Medium)
    })
}
