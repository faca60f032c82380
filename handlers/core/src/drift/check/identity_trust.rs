//! No managed identity trusts anybody: the platform alone says who is one.

use super::{Check, Deployment, Deviation, Judge, Judged, Severity, listed};
use crate::{drift::actual::IdentityTrust, identity::App};

pub(super) const CHECK: Check = Check {
    name: "identity-trust",
    severity: Severity::Critical,
    explanation: "A managed identity of Airlock's has a federated credential: whoever gets a token \
                  of the issuer that it names becomes the identity, and uses its keys.",
    remediation: "Remove the federated credential from the managed identity; find out in the \
                  activity log who added it, and revoke the identity's signing key from then on.",
    judge: Judge::Deployment(judge),
    lasting: false,
};

fn judge(seen: &Deployment) -> Judged {
    let found = seen.identities.in_azure.as_ref().map_err(|unread| *unread)?;
    let mut all = Vec::new();
    for (app, principal) in &seen.desired.principals {
        let mut standing = found.iter().filter(|each| each.principal == *principal).peekable();
        // The admin plane can be a person, or an identity of somewhere else.
        if standing.peek().is_none() && *app != App::Admin {
            let deviation = Deviation::of(format!("identity/{app}/resource"));
            let deviation = deviation.declared("in the group").found("none");
            all.push(deviation.as_bad_as(Severity::Medium));
        }
        for IdentityTrust { name, issuer, subject, audiences } in
            standing.flat_map(|each| &each.trusts)
        {
            let subject = subject.as_deref().unwrap_or("not told");
            let audiences = listed(audiences);
            let found = format!("issuer {issuer}, subject {subject}, audience {audiences}");
            let deviation = Deviation::of(format!("identity/{app}/federated/{name}"));
            all.push(deviation.declared("none").found(found));
        }
    }
    Ok(all)
}
