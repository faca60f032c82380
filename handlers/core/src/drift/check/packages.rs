//! What runs is what the admin plane signed.

use super::{Check, Deployment, Deviation, Judge, Judged, Severity};

pub(super) const CHECK: Check = Check {
    name: "package",
    severity: Severity::Critical,
    explanation: "An app runs files that the admin plane did not sign as its package.",
    remediation: "Stop the app, deploy the signed package again, and keep what ran as evidence.",
    judge: Judge::Deployment(judge),
    lasting: false,
};

fn judge(seen: &Deployment) -> Judged {
    let running = seen.running.as_ref().map_err(|unread| *unread)?;
    let packages = seen.packages.as_ref().map_err(|unread| *unread)?;
    let mut all = Vec::new();
    for each in running {
        let signed = packages.get(&each.app);
        if signed != Some(&each.package) {
            let deviation = Deviation::of(format!("package/{}", each.app));
            let signed = signed.map_or_else(|| "none".to_owned(), ToString::to_string);
            all.push(deviation.declared(signed).found(each.package.to_string()));
        }
    }
    Ok(all)
}
