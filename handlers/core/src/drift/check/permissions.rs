//! Each application holds the application permissions that were declared, and no other; and each
//! managed identity the app roles of what it calls.

use std::collections::BTreeSet;

use super::{Check, Deployment, Deviation, Judge, Judged, Severity, Tenant, listed};
use crate::{drift::actual::AppRole, identity::ObjectId};

pub(super) const CHECK: Check = Check {
    name: "application-permission",
    severity: Severity::Critical,
    explanation: "An application or managed identity of Airlock's holds a permission that was not \
                  declared, or lacks one that was.",
    remediation: "Remove the app role assignment, or grant the declared one again.",
    judge: Judge::Both(of_identities, judge),
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
        let role = |role: &String| AppRole { resource: GRAPH, role: role.clone() };
        let declared = declared.permissions.iter().map(role).collect();
        let held = app_roles.get(&principal.object).map_or(&[][..], Vec::as_slice);
        all.extend(compared(&format!("principal/{name}"), &declared, held));
    }
    Ok(all)
}

fn of_identities(seen: &Deployment) -> Judged {
    let principals = seen.identities.principals.as_ref().map_err(|unread| *unread)?;
    let app_roles = seen.identities.app_roles.as_ref().map_err(|unread| *unread)?;
    let (mut all, none) = (Vec::new(), BTreeSet::new());
    for principal in principals {
        let Some(app) = seen.desired.identity(principal.object) else { continue };
        let declared = seen.desired.calls.get(&app).unwrap_or(&none);
        let held = app_roles.get(&principal.object).map_or(&[][..], Vec::as_slice);
        all.extend(compared(&format!("identity/{app}"), declared, held));
    }
    Ok(all)
}

fn compared(whose: &str, declared: &BTreeSet<AppRole>, held: &[AppRole]) -> Vec<Deviation> {
    let held: BTreeSet<AppRole> = held.iter().cloned().collect();
    let of = |AppRole { resource, role }: &AppRole| {
        Deviation::of(format!("{whose}/permission/{resource}/{role}"))
    };
    let roles = || listed(declared.iter().map(|each| &each.role));
    let extra = held.difference(declared);
    let extra = extra.map(|each| of(each).declared(roles()).found(&each.role));
    let missing = declared
        .difference(&held)
        .map(|each| of(each).declared(&each.role).found("not granted").as_bad_as(Severity::Medium));
    extra.chain(missing).collect()
}
