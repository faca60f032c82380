//! People are sent back to the portal's API alone, and only with a code.

use super::{Check, Deployment, Deviation, Judge, Judged, Severity, listed};

pub(super) const CHECK: Check = Check {
    name: "redirect-uri",
    severity: Severity::Critical,
    explanation: "A sign-in can end at an address that is not the API's, or with a token instead \
                  of a code: whoever has the address gets what the sign-in gives.",
    remediation: "Set the redirect URIs of the registration to those that were deployed, and \
                  switch the implicit grant and public client flows off.",
    judge: Judge::Deployment(judge),
    lasting: false,
};

fn judge(seen: &Deployment) -> Judged {
    let registrations = seen.registrations.as_ref().map_err(|unread| *unread)?;
    let mut all = Vec::new();
    for registration in registrations {
        let Some((name, declared)) = seen.desired.named(registration.client) else { continue };
        for extra in registration.redirects.difference(&declared.redirects) {
            let deviation = Deviation::of(format!("application/{name}/redirect/{extra}"));
            all.push(deviation.declared(listed(&declared.redirects)).found(extra));
        }
        for missing in declared.redirects.difference(&registration.redirects) {
            let deviation = Deviation::of(format!("application/{name}/redirect/{missing}"));
            // Nobody can sign in; nothing is open.
            let deviation = deviation.as_bad_as(Severity::Medium);
            all.push(deviation.declared(missing).found(listed(&registration.redirects)));
        }
        if registration.implicit {
            let deviation = Deviation::of(format!("application/{name}/implicit"));
            all.push(deviation.declared("codes only").found("tokens without a code"));
        }
    }
    Ok(all)
}
