//! No application of Airlock's holds a right in the name of people.

use super::{Check, Deviation, Judge, Judged, Severity, Tenant, listed};

pub(super) const CHECK: Check = Check {
    name: "delegated-grant",
    severity: Severity::High,
    explanation: "An application of Airlock's may act in the name of people. None was declared: \
                  sign-in needs no more than who somebody is.",
    remediation: "Remove the delegated permission grant.",
    judge: Judge::Tenant(judge),
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
        for grant in delegated.get(&principal.object).into_iter().flatten() {
            let opening = || grant.scopes.iter().filter(|scope| !SIGN_IN.contains(&scope.as_str()));
            if opening().next().is_none() {
                continue;
            }
            let for_all = grant.person.is_none();
            let deviation = Deviation::of(format!("principal/{name}/grant/{}", grant.id));
            let deviation = deviation.declared(listed(SIGN_IN)).found(listed(opening()));
            let severity = for_all.then_some(Severity::Critical);
            all.push(Deviation { severity, ..deviation });
        }
    }
    Ok(all)
}
