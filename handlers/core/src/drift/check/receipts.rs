//! Whatever Airlock's service principals change, a claim accounts for.

use super::{Check, Deviation, Judge, Judged, Severity, Tenant, listed};
use crate::drift::{actual::DirectoryChange, seen::Unaccounted};

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
    let without = unaccounted.iter().filter(|each| !each.why.is_of_others());
    let deviations = without.map(|Unaccounted { change, why }| {
        let found = format!("{}: {}", told(change), why.words());
        of(change).declared("a claim").found(found)
    });
    Ok(deviations.collect())
}

/// The finding of a change.
pub(super) fn of(change: &DirectoryChange) -> Deviation {
    Deviation::of(format!("change/{}", change.id.to_lowercase()))
}

/// A change in a line.
pub(super) fn told(DirectoryChange { activity, targets, at, .. }: &DirectoryChange) -> String {
    format!("{activity} of {} at {at}", listed(targets))
}
