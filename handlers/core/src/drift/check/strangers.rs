//! Nobody but the admin plane changes what is Airlock's in a directory.

use super::{Check, Judge, Judged, Severity, Tenant, receipts};
use crate::drift::seen::Why;

pub(super) const CHECK: Check = Check {
    name: "change-by-others",
    severity: Severity::High,
    explanation: "The tenant's audit log tells that somebody changed a registration, service \
                  principal or managed identity of Airlock's. It may be as declared again: what \
                  was there meanwhile may have been used.",
    remediation: "Find out who did it and why. If it was meant, accept it in the tenant's terms; \
                  else look for what was done with it.",
    judge: Judge::Tenant(judge),
    lasting: true,
};

fn judge(seen: &Tenant) -> Judged {
    let unaccounted = seen.unaccounted.as_ref().map_err(|unread| *unread)?;
    let strange = unaccounted.iter().filter(|each| each.why.is_of_others());
    let deviations = strange.map(|each| {
        let by = match each.change.by {
            _ if each.why == Why::Strangers => "and later, by several".to_owned(),
            Some(by) => format!("by {by}"),
            None => "by an unnamed one".to_owned(),
        };
        let found = format!("{} {by}", receipts::told(&each.change));
        receipts::of(&each.change).declared("changes by Airlock alone").found(found)
    });
    Ok(deviations.collect())
}
