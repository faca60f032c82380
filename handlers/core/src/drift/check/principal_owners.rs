//! Nobody owns a service principal of Airlock's: of an application, or of a managed identity.

use super::{Check, Deployment, Deviation, Judge, Judged, Severity, Tenant};
use crate::identity::ObjectId;

pub(super) const CHECK: Check = Check {
    name: "principal-owner",
    severity: Severity::High,
    explanation: "Whoever owns a service principal decides who may use it, and could add a \
                  credential if it were not locked. Airlock's have no owners.",
    remediation: "Remove the owner from the service principal.",
    judge: Judge::Both(of_identities, judge),
    lasting: false,
};

fn judge(seen: &Tenant) -> Judged {
    let principals = seen.principals.as_ref().map_err(|unread| *unread)?;
    let owners = seen.owners.as_ref().map_err(|unread| *unread)?;
    let mut all = Vec::new();
    for principal in principals {
        let Some((name, _)) = seen.desired.named(principal.client) else { continue };
        let owners = owners.get(&principal.object).into_iter().flatten();
        all.extend(owners.map(|owner| owned(&format!("principal/{name}"), *owner)));
    }
    Ok(all)
}

fn of_identities(seen: &Deployment) -> Judged {
    let principals = seen.identities.principals.as_ref().map_err(|unread| *unread)?;
    let owners = seen.identities.owners.as_ref().map_err(|unread| *unread)?;
    let mut all = Vec::new();
    for principal in principals {
        let Some(app) = seen.desired.identity(principal.object) else { continue };
        let owners = owners.get(&principal.object).into_iter().flatten();
        all.extend(owners.map(|owner| owned(&format!("identity/{app}"), *owner)));
    }
    Ok(all)
}

fn owned(what: &str, owner: ObjectId) -> Deviation {
    let deviation = Deviation::of(format!("{what}/owner/{owner}"));
    deviation.declared("none").found(owner.to_string())
}
