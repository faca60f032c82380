//! The front door leads to the outer apps: sign-in under `/auth`, requests under `/api`.

use std::collections::BTreeSet;

use super::{Check, Deployment, Deviation, Judge, Judged, Severity, listed};
use crate::{
    drift::actual::{Name, Route},
    identity::App,
};

pub(super) const CHECK: Check = Check {
    name: "front-door-route",
    severity: Severity::Critical,
    explanation: "The front door has a way that was not declared: to an inner app, to another \
                  deployment or host, or for paths that are nobody's.",
    remediation: "Remove the route; deploy the front door again from infra/azure.",
    judge: Judge::Deployment(judge),
    lasting: false,
};

/// Paths, and the app that answers them.
const WAYS: [(&str, App); 2] = [("/auth/*", App::Signin), ("/api/*", App::Intake)];

fn judge(seen: &Deployment) -> Judged {
    let front_door = seen.front_door.as_ref().map_err(|unread| *unread)?;
    let sites = seen.sites.as_ref().map_err(|unread| *unread)?;
    let host = |app| {
        let mut of = sites.iter().filter(|site| site.app == Some(app));
        of.next().map(|site| site.host.clone())
    };
    let mut all = Vec::new();
    let mut standing = BTreeSet::new();
    for route in &front_door.routes {
        let way = WAYS.iter().find(|(pattern, app)| leads(route, pattern, host(*app).as_ref()));
        match way {
            Some((pattern, _)) if route.https && route.enabled => {
                standing.insert(*pattern);
            }
            Some((pattern, _)) if route.https => {
                let deviation = Deviation::of(format!("route{}", route.id)).declared(*pattern);
                // Closed: nothing is open, and people stand outside.
                all.push(deviation.found("disabled").as_bad_as(Severity::Medium));
                standing.insert(*pattern);
            }
            _ => {
                let patterns = listed(&route.patterns);
                let hosts = listed(route.hosts.iter().map(Name::as_str));
                let deviation = Deviation::of(format!("route{}", route.id)).declared("none");
                all.push(deviation.found(format!("{patterns} to {hosts}")));
            }
        }
    }
    for (pattern, app) in WAYS.iter().filter(|(pattern, _)| !standing.contains(pattern)) {
        let deviation = Deviation::of(format!("route/for{pattern}"));
        let deviation = deviation.declared(format!("to {app}")).found("none");
        all.push(deviation.as_bad_as(Severity::Medium));
    }
    Ok(all)
}

fn leads(route: &Route, pattern: &str, host: Option<&Name>) -> bool {
    route.patterns.iter().eq([pattern]) && host.is_some_and(|host| route.hosts.iter().eq([host]))
}
