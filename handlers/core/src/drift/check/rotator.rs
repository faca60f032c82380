//! The rotator owns none of Airlock's own registrations.

use super::{Check, Deviation, Judge, Judged, Severity, Tenant};

pub(super) const CHECK: Check = Check {
    name: "rotator-ownership",
    severity: Severity::Critical,
    explanation: "The rotator owns an app registration of Airlock's own: it could add a \
                  credential to it, and act as it.",
    remediation: "Remove the rotator from the application's owners.",
    judge: Judge::Tenant(judge),
    lasting: false,
};

fn judge(seen: &Tenant) -> Judged {
    let owned = seen.owned.as_ref().map_err(|unread| *unread)?;
    let registered = seen.registered.as_ref().map_err(|unread| *unread)?;
    let mut all = Vec::new();
    for (name, declared) in &seen.desired.applications {
        let own = registered.get(&declared.client).filter(|object| owned.contains(object));
        let deviation = Deviation::of(format!("rotator/owns/{name}"));
        all.extend(own.map(|object| deviation.declared("none").found(object.to_string())));
    }
    Ok(all)
}
