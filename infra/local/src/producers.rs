//! Event producers of the local cloud: their keys, made at each start.
//!
//! The bindings in the repository register producers by name and leave their keys out, for a key
//! in a repository would be everybody's; but for one of Airlock's own apps, whose key is the one
//! in the keyset. Here each is given one: its private half goes into a
//! file that only its owner can read, where the producer would have it, and its public half into
//! the bindings that the admin plane signs.

use std::{
    collections::BTreeMap,
    fs,
    os::unix::fs::DirBuilderExt as _,
    path::{Path, PathBuf},
};

use anyhow::{Context as _, anyhow, ensure};
use base64::{Engine as _, prelude::BASE64_URL_SAFE_NO_PAD as BASE64URL};
use p256::{SecretKey, elliptic_curve::sec1::ToSec1Point as _};
use serde_json::{Value, json};

use crate::stack;

/// Gives every producer in the bindings a key that is none of Airlock's own apps. Says in which file each producer's own is.
///
/// # Errors
///
/// If the bindings are not as they are reviewed, there is no randomness, or a file cannot be
/// written.
pub fn register(bindings: &mut Value, state: &Path) -> anyhow::Result<BTreeMap<String, PathBuf>> {
    let folder = state.join("producers");
    fs::DirBuilder::new().recursive(true).mode(0o700).create(&folder)?;
    let mut files = BTreeMap::new();
    let tenants = bindings["tenants"].as_array_mut().context("bindings have tenants")?;
    for tenant in tenants {
        let Some(producers) = tenant["terms"].get_mut("producers") else { continue };
        let producers = producers.as_array_mut().context("producers are a list")?;
        for producer in producers.iter_mut().filter(|each| each.get("app").is_none()) {
            let name = producer["name"].as_str().context("a producer has a name")?.to_owned();
            let plain = name.bytes().all(|byte| byte.is_ascii_lowercase() || byte == b'-');
            ensure!(plain, "a producer's name is letters and hyphens: {name}");
            ensure!(producer.get("key").is_none(), "{name} has a key in the repository");
            let (public, private) = key()?;
            let file = folder.join(format!("{name}.json"));
            stack::write_private(&file, &private)?;
            producer["key"] = public;
            ensure!(files.insert(name.clone(), file).is_none(), "{name} stands twice");
        }
    }
    Ok(files)
}

/// A P-256 key as JWK: its public half, and all of it.
fn key() -> anyhow::Result<(Value, Value)> {
    let secret = loop {
        let mut bytes = [0; 32];
        getrandom::fill(&mut bytes).context("no randomness")?;
        // Out of the curve's range once in 2^32 times.
        if let Ok(secret) = SecretKey::from_slice(&bytes) {
            break secret;
        }
    };
    let point = secret.public_key().to_sec1_point(false);
    let (Some(x), Some(y)) = (point.x(), point.y()) else {
        return Err(anyhow!("a public key is a point"));
    };
    let public = json!({
        "kty": "EC", "crv": "P-256", "x": BASE64URL.encode(x), "y": BASE64URL.encode(y),
    });
    let mut private = public.clone();
    private["d"] = BASE64URL.encode(secret.to_bytes()).into();
    Ok((public, private))
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt as _;

    use super::*;

    #[test]
    fn every_producer_is_given_a_key_of_its_own_that_only_its_owner_can_read() {
        let state = std::env::temp_dir().join(format!("airlock-producers-{}", std::process::id()));
        let text = fs::read(crate::deployment::BINDINGS).unwrap();
        let template: Value = serde_json::from_slice(&text).unwrap();
        let (mut one, mut two) = (template.clone(), template);

        let files = register(&mut one, &state).unwrap();
        register(&mut two, &state).unwrap();

        let producer =
            |bindings: &Value, at: usize| bindings["tenants"][0]["terms"]["producers"][at].clone();
        let key = |bindings: &Value| producer(bindings, 0)["key"].clone();
        assert_eq!(producer(&one, 1)["app"], "drift");
        assert_eq!(producer(&one, 1).get("key"), None);
        assert_ne!(key(&one), key(&two));
        assert!(key(&one).get("d").is_none());
        let file = &files["siem"];
        assert_eq!(fs::metadata(file).unwrap().permissions().mode() & 0o777, 0o600);
        let private: Value = serde_json::from_slice(&fs::read(file).unwrap()).unwrap();
        assert_eq!(private["x"], key(&two)["x"]);
        assert!(register(&mut one, &state).is_err());
        fs::remove_dir_all(state).unwrap();
    }
}
