//! Whatever Airlock's service principals change, a claim accounts for.

use super::{Check, Deviation, Judge, Judged, Severity, Tenant, listed};

pub(super) const CHECK: Check = Check {
    name: "change-without-receipt",
    severity: Severity::Critical,
    explanation: "The tenant's audit log tells of a change by an application of Airlock's that no \
                  permit was claimed for: somebody else acted as the application.",
    remediation: "Disable the application's service principal, find out what else it did, and \
                  take its worker for taken over.",
    judge: Judge::Tenant(judge),
    lasting: true,
};

fn judge(seen: &Tenant) -> Judged {
    let unaccounted = seen.unaccounted.as_ref().map_err(|unread| *unread)?;
    let deviations = unaccounted.iter().map(|change| {
        let deviation = Deviation::of(format!("change/{}", change.id.to_lowercase()));
        let what = format!("{} of {} at {}", change.activity, listed(&change.targets), change.at);
        deviation.declared("a claim").found(what)
    });
    Ok(deviations.collect())
}
