//! Keyset, bindings and manifests are what `airlockctl` published.

use super::{Check, Deployment, Deviation, Judge, Judged, Severity};

pub(super) const CHECK: Check = Check {
    name: "binding",
    severity: Severity::Critical,
    explanation: "Something lies where only the admin plane writes, and the admin plane did not \
                  publish it as it is: written past airlockctl, put back, or put in another place.",
    remediation: "Publish again with airlockctl; find out who can write to the container.",
    judge: Judge::Deployment(judge),
    lasting: false,
};

fn judge(seen: &Deployment) -> Judged {
    let artefacts = seen.artefacts.as_ref().map_err(|unread| *unread)?;
    let deviations = artefacts.iter().filter_map(|each| {
        let thing = format!("bindings/{}/{}", each.partition, each.id);
        let deviation = Deviation::of(thing).declared("as airlockctl published it");
        each.wrong.map(|wrong| deviation.found(wrong))
    });
    Ok(deviations.collect())
}
