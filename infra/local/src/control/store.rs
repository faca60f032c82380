//! Documents behind everyone's back: what an attacker on the database could do.

use bytes::Bytes;
use http::Method;
use serde_json::{Value, json};

use super::{Outcome, Refused, absent, bad, done, read};
use crate::cloud::Cloud;

/// What a container of the deployment's own database is named by, before its name.
const OWN: &str = "airlock/";

/// Answers `/cosmos/{container}…`.
///
/// A container is meant with all that tenants have of their own in its stead, so that who asks
/// need not know how far each is kept apart. Who means one container alone names its database:
/// `airlock%2Ftenants` is what all share.
pub async fn outcome(
    cloud: &Cloud,
    method: &Method,
    container: &str,
    rest: &[&str],
    body: &Bytes,
) -> Outcome {
    let cosmos = &cloud.cosmos;
    let named = container.contains('/');
    let container = container.strip_prefix(OWN).unwrap_or(container);
    let of = |partition: &str| {
        if named { container.to_owned() } else { cosmos.container_for(container, partition) }
    };
    match (method, rest) {
        (&Method::GET, []) if named => {
            cosmos.documents(container).await.map(Value::Array).map_err(bad)
        }
        (&Method::GET, []) => {
            let mut all = Vec::new();
            let containers = cosmos.containers_of(container);
            if containers.is_empty() {
                return Err(bad(format!("there is no container {container:?}")));
            }
            for container in containers {
                all.extend(cosmos.documents(&container).await.map_err(bad)?);
            }
            Ok(Value::Array(all))
        }
        (&Method::PUT, [partition, id]) => {
            let document: Value = read(body)?;
            if document["id"].as_str() != Some(id) {
                return Err(bad("the document's id is not the path's"));
            }
            done(cosmos.put(&of(partition), partition, &document).await)
        }
        (&Method::DELETE, [partition, id]) => {
            done(cosmos.remove(&of(partition), partition, id).await)
        }
        (&Method::PUT, [partition]) => {
            let documents: Vec<Value> = read(body)?;
            replace(cloud, &of(partition), partition, &documents).await
        }
        _ => Err(absent()),
    }
}

/// Puts a whole partition back to what it may once have been.
async fn replace(cloud: &Cloud, container: &str, partition: &str, documents: &[Value]) -> Outcome {
    let cosmos = &cloud.cosmos;
    let key = &cloud.identities.containers.get(container).ok_or_else(absent)?.partition_key;
    let in_partition =
        |document: &&Value| document.pointer(key).and_then(Value::as_str) == Some(partition);
    let id = |document: &Value| -> Result<String, Refused> {
        let id = document["id"].as_str().ok_or_else(|| bad("a document has no id"))?;
        Ok(id.to_owned())
    };
    // Everything is looked at before anything is changed.
    if !documents.iter().all(|document| in_partition(&document)) {
        return Err(bad("a document belongs to another partition"));
    }
    let ids = documents.iter().map(id).collect::<Result<Vec<_>, _>>()?;
    let standing = cosmos.documents(container).await.map_err(bad)?;
    let mut removed = 0;
    for document in standing.iter().filter(in_partition) {
        let id = id(document)?;
        if !ids.contains(&id) {
            cosmos.remove(container, partition, &id).await.map_err(bad)?;
            removed += 1;
        }
    }
    for document in documents {
        cosmos.put(container, partition, document).await.map_err(bad)?;
    }
    Ok(json!({ "removed": removed, "put": documents.len() }))
}
