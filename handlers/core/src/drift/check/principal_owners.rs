//! Nobody owns a service principal of Airlock's.

use super::{Check, Deviation, Judge, Judged, Severity, Tenant};

pub(super) const CHECK: Check = Check {
    name: "principal-owner",
    severity: Severity::High,
    explanation: "Whoever owns a service principal decides who may use it, and could add a \
                  credential if it were not locked. Airlock's have no owners.",
    remediation: "Remove the owner from the service principal.",
    judge: Judge::Tenant(judge),
    lasting: false,
};

fn judge(seen: &Tenant) -> Judged {
    let principals = seen.principals.as_ref().map_err(|unread| *unread)?;
    let owners = seen.owners.as_ref().map_err(|unread| *unread)?;
    let mut all = Vec::new();
    for principal in principals {
        let Some((name, _)) = seen.desired.named(principal.client) else { continue };
        for owner in owners.get(&principal.object).into_iter().flatten() {
            let deviation = Deviation::of(format!("principal/{name}/owner/{owner}"));
            all.push(deviation.declared("none").found(owner.to_string()));
        }
    }
    Ok(all)
}
