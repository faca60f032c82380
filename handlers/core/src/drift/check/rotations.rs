//! Every secret is as young as it must be.

use super::{Check, Deployment, Deviation, Judge, Judged, Severity, Tenant};
use crate::drift::seen::{Reading, Rotating};

pub(super) const CHECK: Check = Check {
    name: "overdue-rotation",
    severity: Severity::Medium,
    explanation: "A secret is older than its binding allows: its rotation does not come to its \
                  end.",
    remediation: "See airlockctl secrets and the log of rotate for what keeps it.",
    judge: Judge::Both(of_deployment, of_tenant),
    lasting: false,
};

fn of_deployment(seen: &Deployment) -> Judged {
    judge(&seen.rotations)
}

fn of_tenant(seen: &Tenant) -> Judged {
    judge(&seen.rotations)
}

fn judge(rotations: &Reading<Vec<Rotating>>) -> Judged {
    let rotations = rotations.as_ref().map_err(|unread| *unread)?;
    let deviations = rotations.iter().filter_map(|each| {
        let since = each.overdue_since?;
        let deviation = Deviation::of(format!("secret/{}", each.name));
        Some(deviation.declared("rotated in time").found(format!("overdue since {since}")))
    });
    Ok(deviations.collect())
}
