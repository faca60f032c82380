//! Each service principal holds the directory roles that were declared, and no other; managed
//! identities hold none.
//!
//! A role is what its definition's id says, and an assignment is over what it says: the role's name
//! is told, and nothing more.

use std::collections::{BTreeMap, BTreeSet};

use uuid::Uuid;

use super::{Check, Deployment, Deviation, Judge, Judged, Severity, Tenant, listed};
use crate::drift::{
    actual::{CustomRole, DirectoryRole, Over},
    desired::{Application, Role},
    seen::Unread,
};

pub(super) const CHECK: Check = Check {
    name: "directory-role",
    severity: Severity::Critical,
    explanation: "A service principal of Airlock's holds a directory role that was not declared, \
                  or lacks one that was.",
    remediation: "Remove the role assignment, or assign the declared role again.",
    judge: Judge::Both(of_identities, judge),
    lasting: false,
};

/// A role that shall be held, and over what.
#[derive(PartialEq, Eq, PartialOrd, Ord)]
struct Wanted<'a> {
    role: &'a Role,
    over: Over,
}

fn judge(seen: &Tenant) -> Judged {
    let principals = seen.principals.as_ref().map_err(|unread| *unread)?;
    let roles = seen.directory_roles.as_ref().map_err(|unread| *unread)?;
    let mut all = Vec::new();
    for principal in principals {
        let Some((name, declared)) = seen.desired.named(principal.client) else { continue };
        let held = roles.get(&principal.object).map_or(&[][..], Vec::as_slice);
        let wanted = wanted(seen, declared)?;
        // Where nobody shall hold a role of the deployment's own, none needs to be known.
        let needed = wanted.iter().any(|each| each.role.actions.is_some());
        let custom = match &seen.custom_roles {
            Ok(custom) => custom.as_slice(),
            Err(unread) if needed => return Err(*unread),
            Err(_) => &[],
        };
        all.extend(compared(&format!("principal/{name}"), &wanted, held, custom));
    }
    Ok(all)
}

fn of_identities(seen: &Deployment) -> Judged {
    let principals = seen.identities.principals.as_ref().map_err(|unread| *unread)?;
    let roles = seen.identities.directory_roles.as_ref().map_err(|unread| *unread)?;
    let mut all = Vec::new();
    for principal in principals {
        let Some(app) = seen.desired.identity(principal.object) else { continue };
        let held = roles.get(&principal.object).map_or(&[][..], Vec::as_slice);
        all.extend(compared(&format!("identity/{app}"), &BTreeSet::new(), held, &[]));
    }
    Ok(all)
}

/// What shall be held: over the whole directory, and, where registrations are at home, over each
/// that credentials may be removed from.
fn wanted<'a>(seen: &'a Tenant, declared: &'a Application) -> Result<BTreeSet<Wanted<'a>>, Unread> {
    let whole = |role| Wanted { role, over: Over::Directory };
    let mut all: BTreeSet<Wanted<'_>> = declared.directory_roles.iter().map(whole).collect();
    if seen.tenant != seen.desired.home || declared.removes_credentials_of.is_empty() {
        return Ok(all);
    }
    let registered = seen.registered.as_ref().map_err(|unread| *unread)?;
    let applications = seen.desired.applications.iter();
    let mended = applications.filter(|(name, _)| declared.removes_credentials_of.contains(*name));
    // One that is not registered is told of as such.
    let over = mended.filter_map(|(_, each)| registered.get(&each.client).copied());
    let role = &seen.desired.credential_remover;
    all.extend(over.map(|object| Wanted { role, over: Over::Object(object) }));
    Ok(all)
}

fn compared(
    whose: &str,
    wanted: &BTreeSet<Wanted<'_>>,
    held: &[DirectoryRole],
    custom: &[CustomRole],
) -> Vec<Deviation> {
    let is = |wanted: &Wanted<'_>, held: &DirectoryRole| {
        wanted.over == held.over && stands_for(wanted.role, held.definition, custom)
    };
    let held: BTreeMap<(Uuid, &Over), &DirectoryRole> =
        held.iter().map(|one| ((one.definition, &one.over), one)).collect();
    let declared = listed(wanted.iter().map(|one| told(&one.role.name, &one.over)));
    let found = listed(held.values().map(|one| {
        let id = || one.definition.to_string();
        told(&one.name.clone().unwrap_or_else(id), &one.over)
    }));
    let deviation = |role: Uuid, over: &Over| {
        let thing = format!("{whose}/directory-role/{}", told(&role.to_string(), over));
        Deviation::of(thing).declared(&declared).found(&found)
    };
    let extra = held.iter().filter(|(_, held)| !wanted.iter().any(|wanted| is(wanted, held)));
    let extra = extra.map(|((role, over), _)| deviation(*role, over));
    let missing = wanted.iter().filter(|wanted| !held.values().any(|held| is(wanted, held)));
    let missing = missing
        .map(|Wanted { role, over }| deviation(role.template, over).as_bad_as(Severity::Medium));
    extra.chain(missing).collect()
}

/// Whether a definition is that of a declared role. One of Entra's own has its template's id, which
/// nobody can give to another; one of the deployment's own is found by its template, and what it
/// allows is another check's.
fn stands_for(role: &Role, definition: Uuid, custom: &[CustomRole]) -> bool {
    match role.actions {
        None => definition == role.template,
        Some(_) => {
            custom.iter().any(|each| each.id == definition && each.template == role.template)
        }
    }
}

fn told(role: &str, over: &Over) -> String {
    match over {
        Over::Directory => role.to_owned(),
        Over::Object(object) => format!("{role} over {object}"),
        Over::Part(part) => format!("{role} over {part}"),
    }
}
