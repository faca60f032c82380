//! Everything is opened by Entra, and by nothing else.

use super::{Check, Deployment, Deviation, Judge, Judged, Severity, listed};

pub(super) const CHECK: Check = Check {
    name: "keyed-access",
    severity: Severity::Critical,
    explanation: "A store can be opened by a shared key, an access policy of its own, or by \
                  anybody: a static secret exists, or none is needed.",
    remediation: "Disable local authentication and shared keys, use role-based access control, \
                  and rotate the keys that were open.",
    judge: Judge::Deployment(judge),
    lasting: false,
};

fn judge(seen: &Deployment) -> Judged {
    let stores = seen.stores.as_ref().map_err(|unread| *unread)?;
    let keyed = stores.iter().filter(|store| !store.keyed.is_empty());
    let deviations = keyed.map(|store| {
        let deviation = Deviation::of(format!("store{}/access", store.id));
        deviation.declared("Entra alone").found(listed(&store.keyed))
    });
    Ok(deviations.collect())
}
