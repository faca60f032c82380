//! Credentials and versions, as a test of rotation looks at them: ids, dates and counts, never a
//! value. How long Entra takes to learn of a new secret, and a new version of a key that nobody
//! is granted to make.

use std::time::Duration;

use bytes::Bytes;
use http::Method;
use serde::Deserialize;
use serde_json::{Value, json};

use super::{Outcome, absent, bad, done, read};
use crate::{cloud::Cloud, directory::Propagation};

/// Longest time that a change may take to be known, in milliseconds: a test that waits longer has
/// forgotten something.
const LONGEST_MS: u64 = 600_000;

/// Times to be set. What is absent stays as it is.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Times {
    added_ms: Option<u64>,
    removed_ms: Option<u64>,
}

/// Answers `/rotation/…`: `credentials`, `vault`, `keys`, and `propagation`, which can be set.
pub fn outcome(cloud: &Cloud, method: &Method, rest: &[&str], body: &Bytes) -> Outcome {
    match (method, rest) {
        (&Method::GET, ["credentials"]) => Ok(cloud.directory.credentials()),
        (&Method::GET, ["vault"]) => Ok(cloud.vault.shown()),
        (&Method::POST, ["keys", name]) => {
            done(cloud.vault.renew(name).map_err(|error| error.to_string()))
        }
        (&Method::GET, ["propagation"]) => Ok(shown(cloud.directory.propagation())),
        (&Method::PUT, ["propagation"]) => {
            let Times { added_ms, removed_ms } = read(body)?;
            if [added_ms, removed_ms].iter().flatten().any(|ms| *ms > LONGEST_MS) {
                return Err(bad(format!("nothing takes longer than {LONGEST_MS} ms")));
            }
            let before = cloud.directory.propagation();
            let propagation = Propagation {
                added: added_ms.map_or(before.added, Duration::from_millis),
                removed: removed_ms.map_or(before.removed, Duration::from_millis),
            };
            cloud.directory.set_propagation(propagation);
            Ok(shown(propagation))
        }
        _ => Err(absent()),
    }
}

fn shown(Propagation { added, removed }: Propagation) -> Value {
    json!({ "added_ms": added.as_millis(), "removed_ms": removed.as_millis() })
}
