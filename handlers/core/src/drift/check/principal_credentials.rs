//! No service principal of Airlock's has a password, key or certificate of its own. A managed
//! identity's has none but the certificates by which Azure itself proves it.

use super::{Check, Deployment, Deviation, Judge, Judged, Severity, Tenant};
use crate::{
    drift::actual::{Credential, CredentialKind},
    time::Timestamp,
};

pub(super) const CHECK: Check = Check {
    name: "secretless-principal",
    severity: Severity::Critical,
    explanation: "A service principal that shall have no secret has one: whoever added it can act \
                  as the application in this tenant, or as the managed identity.",
    remediation: "Remove the credential from the service principal; find out in the audit log who \
                  added it.",
    judge: Judge::Both(of_identities, judge),
    lasting: false,
};

/// How long a certificate of Azure's for a managed identity is valid at most, in seconds: it is
/// made for 90 days, and a clock may be wrong by one.
///
/// Nothing else tells Azure's from one that somebody added, so that one that ends as soon is not
/// found here. Entra lets nobody add any to a managed identity; what the audit log tells of it is
/// another check's.
const PLATFORMS_S: i64 = 91 * 86_400;

fn judge(seen: &Tenant) -> Judged {
    let principals = seen.principals.as_ref().map_err(|unread| *unread)?;
    let mut all = Vec::new();
    for principal in principals {
        let Some((name, _)) = seen.desired.named(principal.client) else { continue };
        let whose = format!("principal/{name}");
        all.extend(principal.credentials.iter().map(|credential| has(&whose, credential)));
    }
    Ok(all)
}

fn of_identities(seen: &Deployment) -> Judged {
    let principals = seen.identities.principals.as_ref().map_err(|unread| *unread)?;
    let mut all = Vec::new();
    for principal in principals {
        let Some(app) = seen.desired.identity(principal.object) else { continue };
        let whose = format!("identity/{app}");
        let others = principal.credentials.iter().filter(|each| !is_platforms(each, seen.now));
        all.extend(others.map(|credential| has(&whose, credential)));
    }
    Ok(all)
}

fn is_platforms(credential: &Credential, now: Timestamp) -> bool {
    let ends_soon = || credential.ends.is_some_and(|ends| ends <= now.plus_s(PLATFORMS_S));
    credential.kind == CredentialKind::Key && ends_soon()
}

fn has(whose: &str, credential: &Credential) -> Deviation {
    let kind = match credential.kind {
        CredentialKind::Password => "password",
        CredentialKind::Key => "key",
    };
    let ends = credential.ends.map_or_else(|| "no end".to_owned(), |at| at.to_string());
    let deviation = Deviation::of(format!("{whose}/{kind}/{}", credential.id));
    deviation.declared("none").found(format!("a {kind} until {ends}"))
}
