//! A tenant has the service principals of Airlock's own applications, and they are enabled; and so
//! are those of its managed identities.

use super::{Check, Deployment, Deviation, Judge, Judged, Severity, Tenant};
use crate::identity::App;

pub(super) const CHECK: Check = Check {
    name: "service-principal",
    severity: Severity::Medium,
    explanation: "A service principal of Airlock's is missing in the tenant, disabled, or not that \
                  of the registration that it names; or that of a managed identity is missing or \
                  disabled.",
    remediation: "Consent to the application again, or enable the service principal.",
    judge: Judge::Both(of_identities, judge),
    lasting: false,
};

fn judge(seen: &Tenant) -> Judged {
    let principals = seen.principals.as_ref().map_err(|unread| *unread)?;
    let mut all = Vec::new();
    for (name, declared) in &seen.desired.applications {
        let of = || Deviation::of(format!("principal/{name}"));
        let found = principals.iter().find(|each| each.client == declared.client);
        match found {
            None => all.push(of().declared("consented").found("none")),
            Some(found) if found.home.is_some_and(|home| home != seen.desired.home) => {
                let home = found.home.map_or_else(String::new, |home| home.to_string());
                let deviation = of().declared(format!("of tenant {}", seen.desired.home));
                let found = format!("of tenant {home}");
                all.push(deviation.found(found).as_bad_as(Severity::Critical));
            }
            Some(found) if !found.enabled => {
                all.push(of().declared("enabled").found("disabled"));
            }
            Some(_) => {}
        }
    }
    Ok(all)
}

fn of_identities(seen: &Deployment) -> Judged {
    let principals = seen.identities.principals.as_ref().map_err(|unread| *unread)?;
    let mut all = Vec::new();
    for (app, principal) in &seen.desired.principals {
        let of = || Deviation::of(format!("identity/{app}"));
        match principals.iter().find(|each| each.object == *principal) {
            Some(found) if found.enabled => {}
            Some(_) => all.push(of().declared("enabled").found("disabled")),
            // The admin plane can be a person.
            None if *app == App::Admin => {}
            None => all.push(of().declared("a managed identity").found("none")),
        }
    }
    Ok(all)
}
