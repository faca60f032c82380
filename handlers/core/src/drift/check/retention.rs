//! What must not be lost cannot be deleted for good.

use super::{Check, Deployment, Deviation, Judge, Judged, Severity};
use crate::drift::actual::ResourceKind;

pub(super) const CHECK: Check = Check {
    name: "retention",
    severity: Severity::High,
    explanation: "Keys can be purged, or anchors and claims deleted before their time: the ledger \
                  could neither be read nor proved afterwards, and a permit be used twice.",
    remediation: "Enable purge protection of the vault; lock the immutability policies of the \
                  containers of anchors and claims.",
    judge: Judge::Deployment(judge),
    lasting: false,
};

fn judge(seen: &Deployment) -> Judged {
    let stores = seen.stores.as_ref().map_err(|unread| *unread)?;
    let asked =
        |kind| matches!(kind, ResourceKind::Vault | ResourceKind::Anchors | ResourceKind::Blobs);
    let lost = stores.iter().filter(|store| asked(store.kind) && !store.kept);
    let deviations = lost.map(|store| {
        let deviation = Deviation::of(format!("store{}/retention", store.id));
        deviation.declared("kept against deletion").found("can be deleted for good")
    });
    Ok(deviations.collect())
}
