//! Azure's resources, changed behind everyone's back: what whoever owns the subscription could do.

use bytes::Bytes;
use http::Method;
use serde_json::json;

use super::{Outcome, absent, bad, done, read};
use crate::{arm::Change, cloud::Cloud};

/// Answers `/resources…`: all of them, one change, a snapshot and the way back to it, and the same
/// in other words.
pub fn outcome(cloud: &Cloud, method: &Method, rest: &[&str], body: &Bytes) -> Outcome {
    let resources = &cloud.resources;
    match (method, rest) {
        (&Method::GET, []) => Ok(resources.all()),
        (&Method::POST, []) => done(resources.change(read::<Change>(body)?)),
        (&Method::POST, ["snapshot"]) => {
            resources.snapshot();
            Ok(json!({}))
        }
        (&Method::POST, ["restore"]) => resources.restore().map(|()| json!({})).map_err(bad),
        (&Method::POST, ["shuffle"]) => {
            resources.shuffle();
            Ok(json!({}))
        }
        _ => Err(absent()),
    }
}
