//! Nobody owns an app registration of Airlock's.

use super::{Check, Deployment, Deviation, Judge, Judged, Severity};

pub(super) const CHECK: Check = Check {
    name: "application-owner",
    severity: Severity::Critical,
    explanation: "Whoever owns an app registration can add credentials to it and act as it. \
                  Airlock's have no owners.",
    remediation: "Remove the owner from the app registration.",
    judge: Judge::Deployment(judge),
    lasting: false,
};

fn judge(seen: &Deployment) -> Judged {
    let registrations = seen.registrations.as_ref().map_err(|unread| *unread)?;
    let owners = seen.owners.as_ref().map_err(|unread| *unread)?;
    let mut all = Vec::new();
    for registration in registrations {
        let Some((name, _)) = seen.desired.named(registration.client) else { continue };
        for owner in owners.get(&registration.object).into_iter().flatten() {
            let deviation = Deviation::of(format!("application/{name}/owner/{owner}"));
            all.push(deviation.declared("none").found(owner.to_string()));
        }
    }
    Ok(all)
}
