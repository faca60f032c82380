//! No application of Airlock's holds a right in the name of people, and no managed identity.

use super::{Check, Deployment, Deviation, Judge, Judged, Severity, Tenant, listed};
use crate::drift::actual::Delegated;

pub(super) const CHECK: Check = Check {
    name: "delegated-grant",
    severity: Severity::High,
    explanation: "An application or managed identity of Airlock's may act in the name of people. \
                  None was declared: sign-in needs no more than who somebody is.",
    remediation: "Remove the delegated permission grant.",
    judge: Judge::Both(of_identities, judge),
    lasting: false,
};

/// Scopes that say who signs in, and open nothing.
const SIGN_IN: [&str; 4] = ["openid", "profile", "email", "offline_access"];

fn judge(seen: &Tenant) -> Judged {
    let principals = seen.principals.as_ref().map_err(|unread| *unread)?;
    let delegated = seen.delegated.as_ref().map_err(|unread| *unread)?;
    let mut all = Vec::new();
    for principal in principals {
        let Some((name, _)) = seen.desired.named(principal.client) else { continue };
        let held = delegated.get(&principal.object).into_iter().flatten();
        let whose = format!("principal/{name}");
        all.extend(held.filter_map(|grant| beyond(&whose, &SIGN_IN, grant)));
    }
    Ok(all)
}

fn of_identities(seen: &Deployment) -> Judged {
    let principals = seen.identities.principals.as_ref().map_err(|unread| *unread)?;
    let delegated = seen.identities.delegated.as_ref().map_err(|unread| *unread)?;
    let mut all = Vec::new();
    for principal in principals {
        let Some(app) = seen.desired.identity(principal.object) else { continue };
        let held = delegated.get(&principal.object).into_iter().flatten();
        let whose = format!("identity/{app}");
        // Nobody signs in to an identity.
        all.extend(held.filter_map(|grant| beyond(&whose, &[], grant)));
    }
    Ok(all)
}

/// What a grant gives beyond what may be had.
fn beyond(whose: &str, allowed: &[&str], grant: &Delegated) -> Option<Deviation> {
    let opening = grant.scopes.iter().filter(|scope| !allowed.contains(&scope.as_str()));
    let opening: Vec<&String> = opening.collect();
    if opening.is_empty() {
        return None;
    }
    let deviation = Deviation::of(format!("{whose}/grant/{}", grant.id));
    let deviation = deviation.declared(listed(allowed)).found(listed(opening));
    let severity = grant.person.is_none().then_some(Severity::Critical);
    Some(Deviation { severity, ..deviation })
}
