//! Bindings: the terms under which tenants are worked in, from a file that people review.

use std::{
    collections::BTreeSet,
    fs, io,
    path::{Path, PathBuf},
};

use airlock_core::{
    binding::{Binding, Isolation, Level, Service, Terms},
    catalog::{Entry, OPERATIONS, Risk},
    identity::{Role, TenantId},
    service::is_name,
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
    /// Two callers of one name would share quota and owners.
    #[error("{0:?} is no name for a service or producer, or stands twice in its tenant")]
    CallerName(String),
    /// Its keys must come over TLS.
    #[error("the issuer {0} is no https address")]
    Issuer(String),
    /// Policy would refuse it each time: better that whoever writes it learns of it.
    #[error("{0} cannot be asked for by a caller that is no person")]
    Operation(String),
}

/// A tenant that is bound already would find its data, or what opens it, somewhere else.
///
/// Under new terms handlers look in the new place and find nothing: requests and ledger would
/// seem never to have been, and what stands encrypted would not open. So `isolation` is what a
/// tenant is first bound with.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
#[error(
    "{layer} isolation of {tenant} is `{bound}` and cannot become `{wanted}`: what the tenant has would have to be moved, and signing a binding moves nothing"
)]
pub struct WouldMove {
    tenant: TenantId,
    layer: &'static str,
    bound: Level,
    wanted: Level,
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
            check_callers(terms)?;
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

/// Services and producers, each under a name of its own and for what policy can allow it.
fn check_callers(terms: &Terms) -> Result<(), NotBound> {
    let services = terms.services.iter().map(|service| (&service.name, &service.operations));
    let producers = terms.producers.iter().map(|producer| (&producer.name, &producer.operations));
    let mut seen = BTreeSet::new();
    for (name, operations) in services.chain(producers) {
        if !is_name(name) || !seen.insert(name) {
            return Err(NotBound::CallerName(name.clone()));
        }
        for operation in operations {
            let mut entries = OPERATIONS.iter().map(|known| known.entry());
            let can =
                |entry: &Entry| entry.name == operation && entry.risk == Risk::Low && !entry.secret;
            if !entries.any(can) {
                return Err(NotBound::Operation(operation.clone()));
            }
        }
    }
    let insecure = |service: &&Service| !service.issuer.starts_with("https://");
    match terms.services.iter().find(insecure) {
        Some(service) => Err(NotBound::Issuer(service.issuer.clone())),
        None => Ok(()),
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
///
/// # Errors
///
/// [`WouldMove`] if the tenant is bound already, and kept apart otherwise than is wanted.
pub fn next(
    previous: Option<&Binding>,
    wanted: &TenantTerms,
    now: Timestamp,
) -> Result<Option<Binding>, WouldMove> {
    if let Some(binding) = previous {
        check_place(wanted.tenant, binding.terms.isolation, wanted.terms.isolation)?;
    }
    let stands = previous.is_some_and(|binding| {
        (binding.tnt, &binding.terms) == (wanted.tenant, &wanted.terms)
            && now.since_s(binding.iat) < RENEW_S
    });
    Ok((!stands).then(|| Binding {
        tnt: wanted.tenant,
        ver: previous.map_or(1, |binding| binding.ver + 1),
        iat: now,
        exp: now.plus_s(LIFETIME_S),
        terms: wanted.terms.clone(),
    }))
}

fn check_place(tenant: TenantId, bound: Isolation, wanted: Isolation) -> Result<(), WouldMove> {
    let layers = [
        ("data", bound.data.level(), wanted.data.level()),
        ("secrets", bound.secrets.level(), wanted.secrets.level()),
    ];
    match layers.into_iter().find(|(_, bound, wanted)| bound != wanted) {
        Some((layer, bound, wanted)) => Err(WouldMove { tenant, layer, bound, wanted }),
        None => Ok(()),
    }
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
    fn the_local_clouds_bindings_can_be_signed_once_producers_have_their_keys() {
        let file = Path::new(env!("CARGO_MANIFEST_DIR")).join("../local/bindings.json");
        let mut bindings: Value = serde_json::from_slice(&fs::read(&file).unwrap()).unwrap();
        for producer in bindings["tenants"][0]["terms"]["producers"].as_array_mut().unwrap() {
            producer["key"] = a_key();
        }

        assert!(matches!(Bindings::read(&file, OWN.parse().unwrap()), Err(NotBound::Form(..))));
        assert_eq!(read(&bindings["tenants"]).unwrap().tenants[0].terms.producers.len(), 1);
    }

    /// RFC 7515, appendix A.3.
    fn a_key() -> Value {
        json!({
            "kty": "EC", "crv": "P-256",
            "x": "f83OJ3D2xF1Bg8vub9tLe1gHMzV76e8Tus9uPHvRVEU",
            "y": "x_FEzRu9m36HLN_tue659LNpXW6pCyStikYjKIWI5a0",
        })
    }

    #[test]
    fn callers_that_are_no_people_are_bound_only_as_policy_can_let_them_ask() {
        let service = |name: &str, issuer: &str, operation: &str| {
            json!({
                "name": name, "issuer": issuer, "audience": "a", "subject": "s",
                "operations": [operation], "owners": [],
            })
        };
        let good = service("hr", "https://id.example/", "sessions.revoke");
        let producer = json!({
            "name": "hr", "key": a_key(), "operations": ["sessions.revoke"], "owners": [],
        });
        let bound = |services: Value, producers: Value| {
            let mut tenant = tenant(OWN, &json!([]));
            tenant["terms"]["services"] = services;
            tenant["terms"]["producers"] = producers;
            read(&json!([tenant])).map(drop)
        };
        let alone = |service: Value| bound(json!([service]), json!([]));

        assert!(alone(good.clone()).is_ok());
        assert!(bound(json!([]), json!([producer])).is_ok());
        for (services, producers) in
            [(json!([good, good]), json!([])), (json!([good]), json!([producer]))]
        {
            assert!(matches!(bound(services, producers), Err(NotBound::CallerName(_))));
        }
        let named = service("HR/1", "https://id.example/", "sessions.revoke");
        assert!(matches!(alone(named), Err(NotBound::CallerName(_))));
        let plain = service("hr", "http://id.example/", "sessions.revoke");
        assert!(matches!(alone(plain), Err(NotBound::Issuer(_))));
        for operation in ["tap.issue", "account.disable", "tenant.delete"] {
            let sensitive = service("hr", "https://id.example/", operation);
            assert!(matches!(alone(sensitive), Err(NotBound::Operation(_))), "{operation}");
        }
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
        let first = next(None, terms, NOW).unwrap().unwrap();

        assert_eq!((first.ver, first.exp), (1, NOW.plus_s(LIFETIME_S)));
        assert!(next(Some(&first), terms, NOW.plus_s(RENEW_S - 1)).unwrap().is_none());
        assert_eq!(next(Some(&first), terms, NOW.plus_s(RENEW_S)).unwrap().unwrap().ver, 2);

        let mut changed = read(&json!([tenant(OWN, &json!([]))])).unwrap();
        changed.tenants[0].terms.protected_groups.push(OTHER.parse().unwrap());
        assert_eq!(next(Some(&first), &changed.tenants[0], NOW).unwrap().unwrap().ver, 2);
    }

    fn apart(isolation: &Value) -> Result<TenantTerms, serde_json::Error> {
        let mut tenant = tenant(OTHER, &json!([]));
        tenant["terms"]["isolation"] = isolation.clone();
        serde_json::from_value(tenant)
    }

    #[test]
    fn a_tenant_keeps_the_place_that_it_was_first_bound_with() {
        let bound = |isolation: &Value| next(None, &apart(isolation).unwrap(), NOW).unwrap();
        let shared = bound(&json!({}));
        let pool = bound(&json!({ "data": "pool", "secrets": "pool" }));
        let changed = |bound: &Option<Binding>, isolation: &Value| {
            next(bound.as_ref(), &apart(isolation).unwrap(), NOW).map_err(|error| error.to_string())
        };

        let told = changed(&shared, &json!({ "data": "silo" })).unwrap_err();
        assert_eq!(
            told,
            format!(
                "data isolation of {OTHER} is `shared` and cannot become `silo`: what the tenant \
                 has would have to be moved, and signing a binding moves nothing"
            )
        );
        for (bound, isolation, layer) in [
            (&shared, json!({ "data": "pool" }), "data"),
            (&shared, json!({ "secrets": "pool" }), "secrets"),
            (&pool, json!({}), "data"),
            (&pool, json!({ "data": "silo", "secrets": "pool" }), "data"),
            (&pool, json!({ "data": "pool" }), "secrets"),
        ] {
            let told = changed(bound, &isolation).unwrap_err();
            assert!(told.starts_with(layer), "{told}");
        }
        // As it was, in more words or in fewer.
        let said = json!({ "data": "shared", "secrets": "shared", "compute": "shared" });
        assert!(changed(&shared, &said).unwrap().is_none());
    }

    #[test]
    fn what_one_deployment_cannot_keep_is_not_read_let_alone_signed() {
        for (layer, level, why) in [
            ("compute", "silo", "is a stamp of its own"),
            ("network", "pool", "is a stamp of its own"),
            ("secrets", "silo", "is a stamp of its own"),
            ("quota", "pool", "means nothing"),
            ("data", "apart", "unknown variant"),
            ("storage", "silo", "unknown field"),
        ] {
            let told = apart(&json!({ layer: level })).unwrap_err().to_string();
            assert!(told.contains(why), "{told}");
        }
    }
}
