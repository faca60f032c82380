//! A directory role of the deployment's own allows what was declared, and nothing else.

use std::collections::BTreeSet;

use super::{Check, Deployment, Deviation, Judge, Judged, Severity, listed};

pub(super) const CHECK: Check = Check {
    name: "directory-role-definition",
    severity: Severity::Critical,
    explanation: "A directory role of Airlock's own allows other things than were declared: \
                  whoever holds it can do more than its name says, or less than they must.",
    remediation: "Put the role's permissions back to those of infra/identities.json; find out in \
                  the audit log who changed them.",
    judge: Judge::Deployment(judge),
    lasting: false,
};

fn judge(seen: &Deployment) -> Judged {
    let found = seen.custom_roles.as_ref().map_err(|unread| *unread)?;
    let (mut all, nothing) = (Vec::new(), BTreeSet::new());
    for role in seen.desired.custom_roles() {
        let declared = role.actions.as_ref().unwrap_or(&nothing);
        let of = || Deviation::of(format!("directory-role/{}", role.template));
        let mut standing = found.iter().filter(|each| each.template == role.template).peekable();
        if standing.peek().is_none() {
            let deviation = of().declared(&role.name).found("none");
            all.push(deviation.as_bad_as(Severity::Medium));
        }
        for each in standing {
            let thing = format!("directory-role/{}/{}", role.template, each.id);
            let deviation = Deviation::of(thing).declared(listed(declared));
            if !each.actions.is_subset(declared) {
                all.push(deviation.found(listed(&each.actions)));
            } else if each.actions != *declared {
                let deviation = deviation.found(listed(&each.actions));
                all.push(deviation.as_bad_as(Severity::Medium));
            } else if !each.enabled {
                all.push(deviation.found("disabled").as_bad_as(Severity::Medium));
            }
        }
    }
    Ok(all)
}
