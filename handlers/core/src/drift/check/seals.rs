//! Every ledger is sealed soon after it has moved, and goes on from what was sealed.

use super::{Check, Deployment, Deviation, Judge, Judged, Severity};

pub(super) const CHECK: Check = Check {
    name: "unsealed-ledger",
    severity: Severity::High,
    explanation: "A ledger is not sealed: what its newest leaves say can still be undone, and \
                  nothing is decided in its tenant meanwhile.",
    remediation: "See the log of drift for why it does not seal; airlockctl recover opens a new \
                  epoch if it must refuse.",
    judge: Judge::Deployment(judge),
    lasting: false,
};

fn judge(seen: &Deployment) -> Judged {
    let unsealed = seen.unsealed.as_ref().map_err(|unread| *unread)?;
    let deviations = unsealed.iter().map(|each| {
        let deviation = Deviation::of(format!("ledger/{}", each.tree));
        deviation.declared("sealed within a minute").found(each.why)
    });
    Ok(deviations.collect())
}
