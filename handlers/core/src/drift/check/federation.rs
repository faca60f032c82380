//! Each app registration trusts exactly the managed identity that was declared.

use super::{Check, Deployment, Deviation, Judge, Judged, Mend, Severity, listed};
use crate::drift::{
    actual::{Federated, Registration},
    desired::{Application, Desired},
};

pub(super) const CHECK: Check = Check {
    name: "federated-credential",
    severity: Severity::Critical,
    explanation: "An application trusts tokens of somebody else than its one managed identity, or \
                  no longer those of its own.",
    remediation: "Remove what was not declared; deploy the federated credential again from \
                  infra/identities.json.",
    judge: Judge::Deployment(judge),
    lasting: false,
};

fn judge(seen: &Deployment) -> Judged {
    let registrations = seen.registrations.as_ref().map_err(|unread| *unread)?;
    let federated = seen.federated.as_ref().map_err(|unread| *unread)?;
    let mut all = Vec::new();
    for registration in registrations {
        let Some((name, declared)) = seen.desired.named(registration.client) else { continue };
        let found = federated.get(&registration.object).map_or(&[][..], Vec::as_slice);
        let is_declared = |each: &&Federated| seen.desired.is_declared(each, declared);
        let standing = found.iter().filter(is_declared).count();
        for extra in found.iter().filter(|each| !is_declared(each)) {
            all.push(undeclared(name, registration, declared, extra, &seen.desired));
        }
        if declared.trusts.is_some() && standing == 0 {
            let deviation = Deviation::of(format!("application/{name}/federated/declared"));
            let shall = wanted(declared, &seen.desired);
            // Nothing is open: the application only does not work.
            all.push(deviation.declared(shall).found("none").as_bad_as(Severity::Medium));
        }
    }
    Ok(all)
}

fn undeclared(
    name: &str,
    registration: &Registration,
    declared: &Application,
    found: &Federated,
    desired: &Desired,
) -> Deviation {
    let mend = Mend::RemoveFederated {
        tenant: desired.home,
        application: registration.object,
        credential: found.id.uuid(),
    };
    let Federated { issuer, subject, audiences, .. } = found;
    Deviation::of(format!("application/{name}/federated/{}", found.id))
        .declared(wanted(declared, desired))
        .found(format!("issuer {issuer}, subject {subject}, audience {}", listed(audiences)))
        .mended_by(declared.mendable.then_some(mend))
}

fn wanted(declared: &Application, desired: &Desired) -> String {
    declared.trusts.map_or_else(
        || "none".to_owned(),
        |principal| {
            let Desired { issuer, audience, .. } = desired;
            format!("issuer {issuer}, subject {principal}, audience {audience}")
        },
    )
}
