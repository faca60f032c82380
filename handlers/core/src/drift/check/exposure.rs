//! App registrations expose the scopes and roles that were declared, to no one in advance.

use std::collections::BTreeSet;

use super::{Check, Deployment, Deviation, Judge, Judged, Severity, listed};
use crate::drift::actual::Registration;

pub(super) const CHECK: Check = Check {
    name: "exposed-interface",
    severity: Severity::High,
    explanation: "A registration exposes a scope or role that was not declared, gives one away \
                  without consent, or admits accounts that it was not made for.",
    remediation: "Deploy the registration again from infra/identities.json.",
    judge: Judge::Deployment(judge),
    lasting: false,
};

/// Accounts of organizations, each of which must consent: its binding is signed by hand.
const AUDIENCES: [&str; 2] = ["azureadmyorg", "azureadmultipleorgs"];

fn judge(seen: &Deployment) -> Judged {
    let registrations = seen.registrations.as_ref().map_err(|unread| *unread)?;
    let mut all = Vec::new();
    for registration in registrations {
        let Some((name, declared)) = seen.desired.named(registration.client) else { continue };
        all.extend(compared(name, "scope", &declared.scopes, &registration.scopes));
        all.extend(compared(name, "app-role", &declared.app_roles, &registration.app_roles));
        all.extend(preauthorized(name, registration));
        if !AUDIENCES.contains(&registration.audience.as_str()) {
            let deviation = Deviation::of(format!("application/{name}/audience"));
            all.push(deviation.declared("organizations").found(registration.audience.as_str()));
        }
    }
    Ok(all)
}

fn compared(
    name: &str,
    kind: &str,
    declared: &BTreeSet<String>,
    found: &BTreeSet<String>,
) -> Vec<Deviation> {
    let deviation = |each: &String| {
        Deviation::of(format!("application/{name}/{kind}/{each}"))
            .declared(listed(declared))
            .found(listed(found))
    };
    let extra = found.difference(declared).map(deviation);
    let missing = declared.difference(found).map(deviation);
    extra.chain(missing.map(|each| each.as_bad_as(Severity::Medium))).collect()
}

fn preauthorized(name: &str, registration: &Registration) -> Vec<Deviation> {
    let each = |client: &crate::identity::ObjectId| {
        Deviation::of(format!("application/{name}/preauthorized/{client}"))
            .declared("none")
            .found(client.to_string())
    };
    registration.preauthorized.iter().map(each).collect()
}
