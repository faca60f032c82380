//! The tenants behind everyone's back: what an attacker with the rights of an administrator could
//! do to applications, grants and policies, and how a test undoes it.

use bytes::Bytes;
use http::Method;
use serde::Deserialize;
use serde_json::json;
use url::Url;
use uuid::Uuid;

use super::{Outcome, absent, bad, read};
use crate::{
    cloud::Cloud,
    directory::{
        Growth, NoSuchSnapshot, Resync, Touch,
        alteration::{Alteration, NotAltered},
    },
    identities::application_id,
};

/// Most people and applications that a tenant is filled with: what a laptop still holds.
const MOST: usize = 200_000;

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Restore {
    snapshot: usize,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Shuffle {
    on: bool,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Expire {
    answer: Resync,
}

/// Answers `/directory…`: all of it; `changes`, one [`Alteration`] in a tenant, the deployment's
/// unless another is named; `snapshot` and `restore`; `shuffle`; `grow` and `touch`; and
/// `expire-deltas`.
pub fn outcome(cloud: &Cloud, method: &Method, rest: &[&str], body: &Bytes) -> Outcome {
    let directory = &cloud.directory;
    let (what, tenant) = match *rest {
        [] if method == Method::GET => return Ok(directory.snapshot()),
        [what] => (what, cloud.names.tenant),
        [what, tenant] => (what, Uuid::try_parse(tenant).map_err(|_| absent())?),
        _ => return Err(absent()),
    };
    if method != Method::POST {
        return Err(absent());
    }
    match what {
        "changes" => {
            let alteration: Alteration = read(body)?;
            directory.alter(tenant, alteration).map_err(|error| match error {
                NotAltered::Absent(what) => bad(format!("there is no {what}")),
                NotAltered::Standing(what) => bad(format!("{what} stands already")),
                NotAltered::NoRandomness => bad("the system gives no randomness"),
            })
        }
        "snapshot" => Ok(json!({ "snapshot": directory.keep() })),
        "restore" => {
            let Restore { snapshot } = read(body)?;
            let restored = directory.restore(snapshot);
            restored.map(|()| json!({})).map_err(|NoSuchSnapshot| absent())
        }
        "shuffle" => {
            let Shuffle { on } = read(body)?;
            directory.shuffle(on);
            Ok(json!({}))
        }
        "grow" => {
            let growth: Growth = read(body)?;
            if growth.people.max(growth.applications) > MOST {
                return Err(bad(format!("not more than {MOST}")));
            }
            if directory.grow(tenant, growth) { Ok(json!({})) } else { Err(absent()) }
        }
        "touch" => {
            let touch: Touch = read(body)?;
            let touched = directory.touch(tenant, touch).ok_or_else(absent)?;
            Ok(json!({ "applications": touched }))
        }
        "expire-deltas" => {
            let Expire { answer } = read(body)?;
            directory.expire_deltas(answer);
            Ok(json!({}))
        }
        _ => Err(absent()),
    }
}

/// Registers one more redirect URI of an application of Airlock's.
pub fn register_redirect(cloud: &Cloud, application: &str, uri: &str) -> Outcome {
    let url = Url::parse(uri).map_err(|_| bad("the URI was not understood"))?;
    if !matches!(url.scheme(), "http" | "https") || url.fragment().is_some() {
        return Err(bad("the URI must be http or https, without fragment"));
    }
    if cloud.directory.register_redirect(application_id(application), uri) {
        Ok(json!({}))
    } else {
        Err(absent())
    }
}
