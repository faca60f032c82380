//! No service principal of Airlock's has a password, key or certificate of its own.

use super::{Check, Deviation, Judge, Judged, Severity, Tenant};
use crate::drift::actual::CredentialKind;

pub(super) const CHECK: Check = Check {
    name: "secretless-principal",
    severity: Severity::Critical,
    explanation: "A service principal that shall have no secret has one: whoever added it can act \
                  as the application in this tenant.",
    remediation: "Remove the credential from the service principal; find out in the audit log who \
                  added it.",
    judge: Judge::Tenant(judge),
    lasting: false,
};

fn judge(seen: &Tenant) -> Judged {
    let principals = seen.principals.as_ref().map_err(|unread| *unread)?;
    let mut all = Vec::new();
    for principal in principals {
        let Some((name, _)) = seen.desired.named(principal.client) else { continue };
        for credential in &principal.credentials {
            let kind = match credential.kind {
                CredentialKind::Password => "password",
                CredentialKind::Key => "key",
            };
            let ends = credential.ends.map_or_else(|| "no end".to_owned(), |at| at.to_string());
            let deviation = Deviation::of(format!("principal/{name}/{kind}/{}", credential.id));
            all.push(deviation.declared("none").found(format!("a {kind} until {ends}")));
        }
    }
    Ok(all)
}
