//! Every tenant is looked at, at least once in an hour.

use super::{Check, Deployment, Deviation, Judge, Judged, Severity};

pub(super) const CHECK: Check = Check {
    name: "tenant-not-looked-at",
    severity: Severity::Medium,
    explanation: "A tenant was not looked at to the end for more than an hour: whatever has \
                  changed there meanwhile is not known.",
    remediation: "Read in drift's log why its rounds end early or their findings are not settled. \
                  If there are too many tenants for one deployment, give some a deployment of \
                  their own.",
    judge: Judge::Deployment(judge),
    lasting: false,
};

#[expect(clippy::unnecessary_wraps, reason = "it rests on no source, as other checks do")]
fn judge(seen: &Deployment) -> Judged {
    let late = seen.overlooked.iter().map(|late| {
        let deviation = Deviation::of(format!("tenant/{}", late.tenant));
        deviation.declared("every hour").found(format!("not since {}", late.since))
    });
    Ok(late.collect())
}
