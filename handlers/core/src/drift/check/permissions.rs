//! Each application holds the application permissions that were declared, and no other.

use std::collections::BTreeSet;

use super::{Check, Deviation, Judge, Judged, Severity, Tenant, listed};
use crate::{drift::actual::AppRole, identity::ObjectId};

pub(super) const CHECK: Check = Check {
    name: "application-permission",
    severity: Severity::Critical,
    explanation: "An application of Airlock's holds a permission that was not declared, or lacks \
                  one that was.",
    remediation: "Remove the app role assignment, or grant the declared one again.",
    judge: Judge::Tenant(judge),
    lasting: false,
};

/// Client id of Microsoft Graph, in every tenant.
const GRAPH: ObjectId = ObjectId::new(uuid::uuid!("00000003-0000-0000-c000-000000000000"));

fn judge(seen: &Tenant) -> Judged {
    let principals = seen.principals.as_ref().map_err(|unread| *unread)?;
    let app_roles = seen.app_roles.as_ref().map_err(|unread| *unread)?;
    let mut all = Vec::new();
    for principal in principals {
        let Some((name, declared)) = seen.desired.named(principal.client) else { continue };
        let none = Vec::new();
        let held = app_roles.get(&principal.object).unwrap_or(&none);
        let of_graph: BTreeSet<&String> =
            held.iter().filter(|each| each.resource == GRAPH).map(|each| &each.role).collect();
        for AppRole { resource, role } in held {
            if *resource == GRAPH && declared.permissions.contains(role) {
                continue;
            }
            let deviation = Deviation::of(format!("principal/{name}/permission/{resource}/{role}"));
            all.push(deviation.declared(listed(&declared.permissions)).found(role));
        }
        for missing in declared.permissions.iter().filter(|each| !of_graph.contains(each)) {
            let thing = format!("principal/{name}/permission/{GRAPH}/{missing}");
            let deviation = Deviation::of(thing).declared(missing).found("not granted");
            all.push(deviation.as_bad_as(Severity::Medium));
        }
    }
    Ok(all)
}
