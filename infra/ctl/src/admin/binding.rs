//! Bindings: the terms under which tenants are worked in, from a file that people review.

use std::{
    collections::BTreeSet,
    fs, io,
    path::{Path, PathBuf},
};

use airlock_core::{
    binding::{Binding, Terms},
    identity::{Role, TenantId},
    time::Timestamp,
};
use serde::Deserialize;

use super::publish::{LIFETIME_S, RENEW_S};

/// The file.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Bindings {
    /// One for each tenant.
    pub tenants: Vec<TenantTerms>,
}

/// What shall hold in one tenant.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct TenantTerms {
    /// The tenant.
    pub tenant: TenantId,
    /// Its terms.
    pub terms: Terms,
}

/// The terms cannot be signed.
#[derive(Debug, thiserror::Error)]
pub enum NotBound {
    /// The file was not read.
    #[error("{}", .0.display())]
    Io(PathBuf, #[source] io::Error),
    /// It does not hold bindings.
    #[error("{} was not understood", .0.display())]
    Form(PathBuf, #[source] serde_json::Error),
    /// Two terms for one tenant, or for one home tenant in it: which would count?
    #[error("tenant {0} stands twice")]
    Twice(TenantId),
    /// Somebody else's tenant could make platform administrators.
    #[error("tenant {0} must not confer PlatformAdmin: only the deployment's own may")]
    NotPlatform(TenantId),
}

impl Bindings {
    /// Reads the file of a deployment that is at home in `platform`.
    ///
    /// # Errors
    ///
    /// [`NotBound`].
    pub fn read(file: &Path, platform: TenantId) -> Result<Self, NotBound> {
        let text = fs::read(file).map_err(|error| NotBound::Io(file.to_owned(), error))?;
        let bindings: Self = serde_json::from_slice(&text)
            .map_err(|error| NotBound::Form(file.to_owned(), error))?;
        bindings.check(platform)?;
        Ok(bindings)
    }

    fn check(&self, platform: TenantId) -> Result<(), NotBound> {
        once(self.tenants.iter().map(|tenant| tenant.tenant))?;
        for TenantTerms { terms, .. } in &self.tenants {
            once(terms.home_tenants.iter().map(|home| home.tenant))?;
            for home in &terms.home_tenants {
                if home.tenant != platform && home.roles.contains(&Role::PlatformAdmin) {
                    return Err(NotBound::NotPlatform(home.tenant));
                }
            }
        }
        Ok(())
    }
}

fn once(tenants: impl Iterator<Item = TenantId>) -> Result<(), NotBound> {
    let mut seen = BTreeSet::new();
    for tenant in tenants {
        if !seen.insert(tenant) {
            return Err(NotBound::Twice(tenant));
        }
    }
    Ok(())
}

/// The next binding of a tenant; `None` if the previous one still says it all, for long enough.
#[must_use]
pub fn next(previous: Option<&Binding>, wanted: &TenantTerms, now: Timestamp) -> Option<Binding> {
    let stands = previous.is_some_and(|binding| {
        (binding.tnt, &binding.terms) == (wanted.tenant, &wanted.terms)
            && now.since_s(binding.iat) < RENEW_S
    });
    (!stands).then(|| Binding {
        tnt: wanted.tenant,
        ver: previous.map_or(1, |binding| binding.ver + 1),
        iat: now,
        exp: now.plus_s(LIFETIME_S),
        terms: wanted.terms.clone(),
    })
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;

    const NOW: Timestamp = Timestamp::from_unix_s(1_700_000_000);
    const OWN: &str = "605d9d43-3534-4810-8152-9d01a268ad22";
    const OTHER: &str = "012cf276-003e-4e7a-ab5d-345607b83f7e";

    fn tenant(tenant: &str, homes: &Value) -> Value {
        json!({
            "tenant": tenant,
            "terms": { "name": "A tenant", "home_tenants": homes },
        })
    }

    fn read(tenants: &Value) -> Result<Bindings, NotBound> {
        let bindings: Bindings = serde_json::from_value(json!({ "tenants": tenants })).unwrap();
        bindings.check(OWN.parse().unwrap())?;
        Ok(bindings)
    }

    #[test]
    fn the_local_clouds_bindings_can_be_signed() {
        let file = Path::new(env!("CARGO_MANIFEST_DIR")).join("../local/bindings.json");

        assert!(Bindings::read(&file, OWN.parse().unwrap()).is_ok());
    }

    #[test]
    fn only_the_deployments_own_tenant_confers_platform_admin() {
        let homes = |home: &str| json!([{ "tenant": home, "roles": ["PlatformAdmin"] }]);

        assert!(read(&json!([tenant(OTHER, &homes(OWN))])).is_ok());
        assert!(matches!(
            read(&json!([tenant(OTHER, &homes(OTHER))])),
            Err(NotBound::NotPlatform(_))
        ));
    }

    #[test]
    fn no_tenant_stands_twice() {
        let home = json!({ "tenant": OWN, "roles": ["Auditor"] });

        let twice = json!([tenant(OWN, &json!([])), tenant(OWN, &json!([]))]);
        assert!(matches!(read(&twice), Err(NotBound::Twice(_))));
        let homes = json!([tenant(OWN, &json!([home, home]))]);
        assert!(matches!(read(&homes), Err(NotBound::Twice(_))));
    }

    #[test]
    fn a_binding_is_signed_again_for_a_change_or_when_a_third_of_its_life_is_over() {
        let bindings = read(&json!([tenant(OWN, &json!([]))])).unwrap();
        let terms = &bindings.tenants[0];
        let first = next(None, terms, NOW).unwrap();

        assert_eq!((first.ver, first.exp), (1, NOW.plus_s(LIFETIME_S)));
        assert!(next(Some(&first), terms, NOW.plus_s(RENEW_S - 1)).is_none());
        assert_eq!(next(Some(&first), terms, NOW.plus_s(RENEW_S)).unwrap().ver, 2);

        let mut changed = read(&json!([tenant(OWN, &json!([]))])).unwrap();
        changed.tenants[0].terms.protected_groups.push(OTHER.parse().unwrap());
        assert_eq!(next(Some(&first), &changed.tenants[0], NOW).unwrap().ver, 2);
    }
}
