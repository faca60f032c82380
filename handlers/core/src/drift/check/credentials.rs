//! No app registration of Airlock's has a password, key or certificate.

use super::{Check, Deployment, Deviation, Judge, Judged, Mend, Severity};
use crate::drift::actual::CredentialKind;

pub(super) const CHECK: Check = Check {
    name: "secretless-application",
    severity: Severity::Critical,
    explanation: "An application that shall have no secret has one: whoever added it can act as \
                  the application from anywhere.",
    remediation: "Remove the credential by its id; find out in the audit log who added it.",
    judge: Judge::Deployment(judge),
    lasting: false,
};

fn judge(seen: &Deployment) -> Judged {
    let registrations = seen.registrations.as_ref().map_err(|unread| *unread)?;
    let mut all = Vec::new();
    for registration in registrations {
        let Some((name, declared)) = seen.desired.named(registration.client) else { continue };
        for credential in &registration.credentials {
            let (kind, mend) = match credential.kind {
                CredentialKind::Password => {
                    let mend = Mend::RemovePassword {
                        tenant: seen.desired.home,
                        application: registration.object,
                        credential: credential.id,
                    };
                    ("password", declared.mendable.then_some(mend))
                }
                // Graph removes a key only for who proves to hold one: nobody of ours does.
                CredentialKind::Key => ("key", None),
            };
            let thing = format!("application/{name}/{kind}/{}", credential.id);
            let ends = credential.ends.map_or_else(|| "no end".to_owned(), |at| at.to_string());
            let deviation = Deviation::of(thing).declared("none");
            all.push(deviation.found(format!("a {kind} until {ends}")).mended_by(mend));
        }
    }
    Ok(all)
}
