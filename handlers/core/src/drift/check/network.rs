//! The outside reaches the front door, and nothing behind it.

use std::collections::BTreeSet;

use super::{Check, Deployment, Deviation, Judge, Judged, Severity};
use crate::{
    drift::actual::{Name, ResourceKind, Site},
    identity::App,
};

pub(super) const CHECK: Check = Check {
    name: "network-access",
    severity: Severity::High,
    explanation: "Something is reached from the public network that shall be reached from inside, \
                  or through the front door, alone.",
    remediation: "Disable public network access; deploy the access restrictions again from \
                  infra/azure.",
    judge: Judge::Deployment(judge),
    lasting: false,
};

/// The service tag of what the front door calls from.
const FRONT_DOOR: &str = "azurefrontdoor.backend";

fn judge(seen: &Deployment) -> Judged {
    let sites = seen.sites.as_ref().map_err(|unread| *unread)?;
    let stores = seen.stores.as_ref().map_err(|unread| *unread)?;
    let front_door = seen.front_door.as_ref().map_err(|unread| *unread)?;
    let mut all = Vec::new();
    for site in sites {
        all.extend(match site.app {
            Some(App::Signin | App::Intake) => outer(site, &front_door.id),
            _ => inner(site),
        });
    }
    for store in stores.iter().filter(|store| store.public) {
        // Whoever holds an anchor can show it to others: that is what it is for. Its account is
        // reached from the network inside all the same, and read through the API.
        let deviation = Deviation::of(format!("store{}/network", store.id));
        let deviation = deviation.declared("from inside alone").found("public");
        let worse = matches!(store.kind, ResourceKind::Vault | ResourceKind::Database);
        all.push(if worse { deviation.as_bad_as(Severity::Critical) } else { deviation });
    }
    Ok(all)
}

fn inner(site: &Site) -> Vec<Deviation> {
    let deviation = Deviation::of(format!("site/{}/network", site.name));
    let deviation = deviation.declared("from inside alone").found("public");
    // The inner apps hold the privileges.
    site.public.then(|| deviation.as_bad_as(Severity::Critical)).into_iter().collect()
}

fn outer(site: &Site, front_door: &Name) -> Vec<Deviation> {
    let only: BTreeSet<Name> = [front_door.clone()].into();
    let admitted = site.admits.iter();
    let others = admitted.filter(|(who, ids)| who.as_str() != FRONT_DOOR || *ids != only);
    let deviations = others.map(|(who, _)| {
        let deviation = Deviation::of(format!("site/{}/admits/{who}", site.name));
        deviation.declared(format!("front door {front_door}")).found(who.as_str())
    });
    deviations.collect()
}
