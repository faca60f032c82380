//! Every declared app registration exists, once.

use super::{Check, Deployment, Deviation, Judge, Judged, Severity};

pub(super) const CHECK: Check = Check {
    name: "registration",
    severity: Severity::High,
    explanation: "An app registration that Airlock works with is missing from its home tenant, or \
                  exists twice.",
    remediation: "Deploy the registrations again from infra/identities.json.",
    judge: Judge::Deployment(judge),
    lasting: false,
};

fn judge(seen: &Deployment) -> Judged {
    let registrations = seen.registrations.as_ref().map_err(|unread| *unread)?;
    let mut all = Vec::new();
    for (name, declared) in &seen.desired.applications {
        let found = registrations.iter().filter(|each| each.client == declared.client).count();
        if found != 1 {
            let deviation = Deviation::of(format!("application/{name}"));
            all.push(deviation.declared("1 registration").found(format!("{found}")));
        }
    }
    Ok(all)
}
