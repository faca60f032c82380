//! What tenants have of an application cannot be given credentials there.

use super::{Check, Deployment, Deviation, Judge, Judged, Severity};

pub(super) const CHECK: Check = Check {
    name: "service-principal-lock",
    severity: Severity::High,
    explanation: "The registration does not lock its service principals: an administrator of any \
                  tenant could add a credential there and act as the application.",
    remediation: "Set servicePrincipalLockConfiguration to enabled for all properties.",
    judge: Judge::Deployment(judge),
    lasting: false,
};

fn judge(seen: &Deployment) -> Judged {
    let registrations = seen.registrations.as_ref().map_err(|unread| *unread)?;
    let mut all = Vec::new();
    for registration in registrations.iter().filter(|each| !each.locked) {
        let Some((name, _)) = seen.desired.named(registration.client) else { continue };
        let deviation = Deviation::of(format!("application/{name}/lock"));
        all.push(deviation.declared("all properties locked").found("not all locked"));
    }
    Ok(all)
}
