//! No other application trusts Airlock's managed identities.

use super::{Check, Deviation, Judge, Judged, Severity, Tenant};

pub(super) const CHECK: Check = Check {
    name: "foreign-trust",
    severity: Severity::High,
    explanation: "An application that is not Airlock's trusts one of its managed identities: \
                  whoever takes that app over could act as the application.",
    remediation: "Remove the federated credential from the application.",
    judge: Judge::Tenant(judge),
    lasting: false,
};

fn judge(seen: &Tenant) -> Judged {
    let admirers = seen.admirers.as_ref().map_err(|unread| *unread)?;
    let foreign = admirers.iter().filter(|each| seen.desired.named(each.client).is_none());
    let deviations = foreign.map(|each| {
        let thing = format!("foreign/{}/federated/{}", each.object, each.federated.id);
        Deviation::of(thing).declared("none").found(format!("subject {}", each.federated.subject))
    });
    Ok(deviations.collect())
}
