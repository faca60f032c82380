//! What tenants have of their own, by what their bindings say: containers, databases and keys.
//!
//! In Azure the pipeline makes them, before a tenant is bound, and grants each to exactly those
//! identities that are granted what it is a tenant's own of. Nobody else can make one: neither
//! the handlers nor the admin plane are granted that.

use anyhow::{Context as _, bail};
use serde_json::Value;
use uuid::Uuid;

use crate::{
    cosmos,
    identities::{Identities, Identity},
};

/// The container of which a tenant can have one of its own.
const CONTAINER: &str = "tenants";
/// The wrapping key beside which a tenant can have one of its own.
const KEY: &str = "tenant-data";

/// Adds what the tenants of these bindings have of their own, and the grants on it.
///
/// # Errors
///
/// If a binding names no tenant, or an isolation that nothing here could be made for.
pub fn provide(mut identities: Identities, bindings: &Value) -> anyhow::Result<Identities> {
    for bound in bindings["tenants"].as_array().context("bindings have tenants")? {
        let tenant: Uuid =
            bound["tenant"].as_str().context("a binding names its tenant")?.parse()?;
        let isolation = &bound["terms"]["isolation"];
        match level(&isolation["data"])? {
            "shared" => {}
            "pool" => add_container(&mut identities, format!("{CONTAINER}-{tenant}"))?,
            "silo" => {
                let name = format!("{}-{tenant}/{CONTAINER}", cosmos::DATABASE);
                add_container(&mut identities, name)?;
            }
            other => bail!("the store has no {other} layout"),
        }
        match level(&isolation["secrets"])? {
            "shared" => {}
            "pool" => add_key(&mut identities, &format!("{KEY}-{tenant}")),
            other => bail!("the vault has no {other} layout"),
        }
    }
    Ok(identities)
}

fn level(word: &Value) -> anyhow::Result<&str> {
    match word {
        Value::Null => Ok("shared"),
        word => word.as_str().context("an isolation is a word"),
    }
}

fn add_container(identities: &mut Identities, name: String) -> anyhow::Result<()> {
    let like = identities.containers.get(CONTAINER).context("there is no such container")?.clone();
    for Identity { cosmos, .. } in identities.identities.values_mut() {
        if let Some(rights) = cosmos.get(CONTAINER).cloned() {
            cosmos.insert(name.clone(), rights);
        }
    }
    identities.containers.insert(name, like);
    Ok(())
}

fn add_key(identities: &mut Identities, name: &str) {
    for Identity { keys, rotates, .. } in identities.identities.values_mut() {
        for granted in [&mut keys.wrap, rotates] {
            if granted.iter().any(|key| key == KEY) {
                granted.push(name.to_owned());
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    const TENANT: &str = "012cf276-003e-4e7a-ab5d-345607b83f7e";

    fn provided(isolation: &Value) -> anyhow::Result<Identities> {
        let terms = json!({ "isolation": isolation });
        let bindings = json!({ "tenants": [{ "tenant": TENANT, "terms": terms }] });
        provide(Identities::parse(crate::IDENTITIES).unwrap(), &bindings)
    }

    #[test]
    fn what_is_a_tenants_own_is_granted_to_whom_the_common_one_is_and_to_nobody_else() {
        for (level, own) in
            [("pool", format!("tenants-{TENANT}")), ("silo", format!("airlock-{TENANT}/tenants"))]
        {
            let identities = provided(&json!({ "data": level, "secrets": "pool" })).unwrap();

            assert_eq!(identities.containers[&own].partition_key, "/tenant");
            for (name, identity) in &identities.identities {
                let of = |container: &str| identity.cosmos.get(container);
                assert_eq!(of(&own), of(CONTAINER), "{name}");
                let wraps = |key: &str| identity.keys.wrap.iter().any(|own| own == key);
                assert_eq!(wraps(&format!("{KEY}-{TENANT}")), wraps(KEY), "{name}");
                let rotates = |key: &str| identity.rotates.iter().any(|own| own == key);
                assert_eq!(rotates(&format!("{KEY}-{TENANT}")), rotates(KEY), "{name}");
            }
            assert!(!identities.identities["signin"].cosmos.contains_key(&own));
        }
    }

    #[test]
    fn who_shares_has_nothing_of_their_own_and_what_cannot_be_made_is_an_error() {
        let before = Identities::parse(crate::IDENTITIES).unwrap().containers.len();

        for isolation in [json!(null), json!({}), json!({ "data": "shared", "secrets": "shared" })]
        {
            assert_eq!(provided(&isolation).unwrap().containers.len(), before);
        }
        for isolation in
            [json!({ "data": "stamp" }), json!({ "secrets": "silo" }), json!({ "data": 1 })]
        {
            assert!(provided(&isolation).is_err(), "{isolation}");
        }
    }
}
