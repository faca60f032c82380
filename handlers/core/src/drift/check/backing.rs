//! Behind each authentication context that the tenant's terms rest on stands a policy.

use std::collections::BTreeSet;

use super::{Check, Deviation, Judge, Judged, Severity, Tenant};
use crate::comparing::is_backed;

pub(super) const CHECK: Check = Check {
    name: "step-up-backing",
    severity: Severity::High,
    explanation: "No conditional-access policy asks everybody for a further proof in an \
                  authentication context that approvals here rest on. They are refused meanwhile.",
    remediation: "Enable a policy for the context that leaves nobody out and demands multifactor \
                  authentication.",
    judge: Judge::Tenant(judge),
    lasting: false,
};

fn judge(seen: &Tenant) -> Judged {
    let mut seen_before = BTreeSet::new();
    let wanted = seen.terms.operations.values().filter_map(|each| each.step_up.as_ref());
    let wanted: Vec<_> = wanted.filter(|each| seen_before.insert(each.as_str())).collect();
    // What nobody rests on needs no policies to be read.
    if wanted.is_empty() {
        return Ok(Vec::new());
    }
    let policies = seen.policies.reading()?;
    let bare = wanted.iter().filter(|context| !is_backed(context, policies));
    let deviations = bare.map(|context| {
        let deviation = Deviation::of(format!("context/{}", context.as_str()));
        deviation.declared("backed by a policy").found("not backed")
    });
    Ok(deviations.collect())
}
