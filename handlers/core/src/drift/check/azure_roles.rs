//! Azure gives each identity the rights that were declared, and nobody else any.

use std::collections::BTreeSet;

use super::{Check, Deployment, Deviation, Judge, Judged, Severity};
use crate::{
    binding::{DataIsolation, Isolation, SecretsIsolation},
    drift::actual::{Name, RoleAssignment},
    identity::TenantId,
};

pub(super) const CHECK: Check = Check {
    name: "azure-role",
    severity: Severity::Critical,
    explanation: "Somebody holds a right over Airlock's resources that was not declared.",
    remediation: "Remove the role assignment; deploy the declared ones again from \
                  infra/identities.json.",
    judge: Judge::Deployment(judge),
    lasting: false,
};

fn judge(seen: &Deployment) -> Judged {
    let found = seen.role_assignments.as_ref().map_err(|unread| *unread)?;
    let found: BTreeSet<RoleAssignment> = found.iter().cloned().collect();
    let tenants = seen.tenants.as_ref().map_err(|unread| *unread)?;
    let common = &seen.desired.role_assignments;
    let own = tenants.iter().flat_map(|(tenant, isolation)| own(common, *tenant, *isolation));
    let declared: BTreeSet<RoleAssignment> = common.iter().cloned().chain(own).collect();
    let extra = found.difference(&declared).map(|each| of(each).declared("none").found("assigned"));
    let missing = declared
        .difference(&found)
        .map(|each| of(each).declared("assigned").found("none").as_bad_as(Severity::Medium));
    Ok(extra.chain(missing).collect())
}

fn of(assignment: &RoleAssignment) -> Deviation {
    let RoleAssignment { scope, role, principal } = assignment;
    Deviation::of(format!("role/{role}/of/{principal}/over{scope}"))
}

/// What is assigned over what a tenant has of its own: to whom the common one is, and alike.
fn own(
    common: &BTreeSet<RoleAssignment>,
    tenant: TenantId,
    isolation: Isolation,
) -> Vec<RoleAssignment> {
    let container = match isolation.data {
        DataIsolation::Shared => None,
        DataIsolation::Pool => Some(format!("/dbs/airlock/colls/tenants-{tenant}")),
        DataIsolation::Silo => Some(format!("/dbs/airlock-{tenant}/colls/tenants")),
    };
    let key = match isolation.secrets {
        SecretsIsolation::Shared => None,
        SecretsIsolation::Pool => Some(format!("/keys/tenant-data-{tenant}")),
    };
    let instead = [("/dbs/airlock/colls/tenants", container), ("/keys/tenant-data", key)];
    let moved = |assignment: &RoleAssignment| {
        let of = |(common, own): &(&str, Option<String>)| {
            let within = assignment.scope.as_str().strip_suffix(common)?;
            let scope = Name::new(&format!("{within}{}", own.as_deref()?));
            Some(RoleAssignment { scope, ..assignment.clone() })
        };
        instead.iter().find_map(of)
    };
    common.iter().filter_map(moved).collect()
}
