//! Each app runs as its own identity alone, from the package store, and no password deploys to it.

use std::collections::BTreeSet;

use super::{Check, Deployment, Deviation, Judge, Judged, Severity, listed};
use crate::{drift::actual::Site, identity::ObjectId};

pub(super) const CHECK: Check = Check {
    name: "function-app",
    severity: Severity::Critical,
    explanation: "A function app runs as another identity than its own, was not declared, answers \
                  without TLS, or takes what a password deploys.",
    remediation: "Deploy the function app again from infra/azure.",
    judge: Judge::Deployment(judge),
    lasting: false,
};

fn judge(seen: &Deployment) -> Judged {
    let sites = seen.sites.as_ref().map_err(|unread| *unread)?;
    let mut all = Vec::new();
    for site in sites {
        if let Some(app) = site.app.filter(|app| seen.desired.sites.get(app) == Some(&site.name)) {
            let own = seen.desired.principals.get(&app).copied();
            all.extend(judged(site, &own.into_iter().collect()));
        } else {
            let deviation = Deviation::of(format!("site/{}", site.name));
            all.push(deviation.declared("none").found("a function app"));
        }
    }
    for (app, name) in &seen.desired.sites {
        if !sites.iter().any(|site| site.name == *name) {
            let deviation = Deviation::of(format!("site/{name}"));
            let deviation = deviation.declared(app.to_string()).found("none");
            all.push(deviation.as_bad_as(Severity::Medium));
        }
    }
    Ok(all)
}

fn judged(site: &Site, own: &BTreeSet<ObjectId>) -> Vec<Deviation> {
    let mut all = Vec::new();
    let of = |what: &str| Deviation::of(format!("site/{}/{what}", site.name));
    if site.identities != *own {
        all.push(of("identity").declared(listed(own)).found(listed(&site.identities)));
    }
    if !site.https_only {
        let deviation = of("https").declared("HTTPS only").found("HTTP too");
        all.push(deviation.as_bad_as(Severity::High));
    }
    if site.basic_publishing {
        all.push(of("publishing").declared("no passwords").found("basic authentication"));
    }
    all
}
