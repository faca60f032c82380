//! Each service principal holds the directory roles that were declared, and no other.

use std::collections::BTreeSet;

use super::{Check, Deviation, Judge, Judged, Severity, Tenant, listed};
use crate::drift::{
    actual::DirectoryRole,
    desired::{Application, CREDENTIAL_REMOVER},
    seen::Unread,
};

pub(super) const CHECK: Check = Check {
    name: "directory-role",
    severity: Severity::Critical,
    explanation: "A service principal of Airlock's holds a directory role that was not declared, \
                  or lacks one that was.",
    remediation: "Remove the role assignment, or assign the declared role again.",
    judge: Judge::Tenant(judge),
    lasting: false,
};

fn judge(seen: &Tenant) -> Judged {
    let principals = seen.principals.as_ref().map_err(|unread| *unread)?;
    let roles = seen.directory_roles.as_ref().map_err(|unread| *unread)?;
    let mut all = Vec::new();
    for principal in principals {
        let Some((name, declared)) = seen.desired.named(principal.client) else { continue };
        let none = Vec::new();
        let held = roles.get(&principal.object).unwrap_or(&none).iter().map(named);
        let held: BTreeSet<String> = held.collect();
        let declared = wanted(seen, declared)?;
        for extra in held.difference(&declared) {
            let deviation = Deviation::of(format!("principal/{name}/directory-role/{extra}"));
            all.push(deviation.declared(listed(&declared)).found(listed(&held)));
        }
        for missing in declared.difference(&held) {
            let deviation = Deviation::of(format!("principal/{name}/directory-role/{missing}"));
            let deviation = deviation.declared(listed(&declared)).found(listed(&held));
            all.push(deviation.as_bad_as(Severity::Medium));
        }
    }
    Ok(all)
}

/// What shall be held: over the whole directory, and, where registrations are at home, over each
/// that credentials may be removed from.
fn wanted(seen: &Tenant, declared: &Application) -> Result<BTreeSet<String>, Unread> {
    let mut all: BTreeSet<String> = declared.directory_roles.iter().cloned().collect();
    if seen.tenant != seen.desired.home || declared.removes_credentials_of.is_empty() {
        return Ok(all);
    }
    let registered = seen.registered.as_ref().map_err(|unread| *unread)?;
    let applications = seen.desired.applications.iter();
    let mended = applications.filter(|(name, _)| declared.removes_credentials_of.contains(*name));
    // One that is not registered is told of as such.
    let over = mended.filter_map(|(_, each)| registered.get(&each.client).copied());
    all.extend(over.map(|object| {
        named(&DirectoryRole { name: CREDENTIAL_REMOVER.to_owned(), over: Some(object) })
    }));
    Ok(all)
}

fn named(role: &DirectoryRole) -> String {
    let DirectoryRole { name, over } = role;
    over.map_or_else(|| name.clone(), |object| format!("{name} over {object}"))
}
