//! Blob storage over REST, as its SDKs speak it.

use bytes::Bytes;
use http::{HeaderMap, HeaderName, HeaderValue, Method, StatusCode, header};
use time::{OffsetDateTime, macros::format_description};

use super::{
    Blobs,
    container::{Blob, Conditions, Container, etag},
    list::{PAGE_LIMIT, Query, listed},
    path::Path,
    problem::Problem,
    rights, stamped,
};
use crate::{
    cloud::{Answer, Asked, Caller, Names, NotAuthenticated, Shared, audience},
    identities::{Identities, Right},
};

pub(super) fn answer(cloud: &Shared, asked: &Asked) -> Answer {
    let names = &cloud.names;
    let mut answer = match cloud.entra.verify(cloud, asked.headers(), audience::STORAGE) {
        Ok(caller) => cloud.blobs.handle(&cloud.identities, names, &caller, asked),
        Err(error) => not_authenticated(names, asked.headers(), &error),
    };
    if let Some(version) = asked.headers().get("x-ms-version") {
        answer.headers_mut().insert("x-ms-version", version.clone());
    }
    if let Some(id) = asked.headers().get("x-ms-client-request-id") {
        answer.headers_mut().insert("x-ms-client-request-id", id.clone());
    }
    // What a HEAD says of a body that it does not have stands in its headers.
    if asked.method() == Method::HEAD {
        *answer.body_mut() = Bytes::new();
    }
    answer
}

impl Blobs {
    /// Answers a caller whose token was verified.
    fn handle(
        &self,
        identities: &Identities,
        names: &Names,
        caller: &Caller,
        asked: &Asked,
    ) -> Answer {
        self.try_handle(identities, names, caller, asked)
            .unwrap_or_else(|problem| problem.answer(None))
    }

    fn try_handle(
        &self,
        identities: &Identities,
        names: &Names,
        caller: &Caller,
        asked: &Asked,
    ) -> Result<Answer, Problem> {
        let host = host(asked).ok_or(Problem::INVALID_URI)?;
        let account = match host.as_str() {
            host if host == names.blobs => &self.main,
            host if host == names.anchors => &self.anchors,
            _ => return Err(Problem::INVALID_URI),
        };
        let Path { container: name, blob } =
            Path::parse(asked.uri().path()).ok_or(Problem::INVALID_URI)?;
        let container = account.get(&name).ok_or(Problem::CONTAINER_NOT_FOUND)?;
        let rights = rights(identities, caller, &name);
        let query = Query::read(asked)?;
        match blob {
            Some(blob) => on_blob(container, &blob, rights, &query, asked),
            None => on_container(container, &host, &name, rights, &query, asked),
        }
    }
}

fn on_blob(
    container: &Container,
    name: &str,
    rights: &[Right],
    query: &Query,
    asked: &Asked,
) -> Result<Answer, Problem> {
    // Blocks, leases, tags, snapshots: nothing of ours asks for them.
    if query.comp.is_some() || query.restype.is_some() {
        return Err(Problem::UNSUPPORTED_QUERY);
    }
    let headers = asked.headers();
    let conditions = conditions(headers)?;
    match *asked.method() {
        Method::PUT => {
            let kind = headers.get("x-ms-blob-type").ok_or(Problem::MISSING_HEADER)?;
            if kind != "BlockBlob" {
                return Err(Problem::INVALID_HEADER);
            }
            let blob = uploaded(headers, asked.body());
            container.put(name, blob.clone(), rights, &conditions)?;
            let mut answer = stamped(StatusCode::CREATED, Bytes::new());
            version(answer.headers_mut(), &blob.etag, blob.made);
            answer
                .headers_mut()
                .insert("x-ms-request-server-encrypted", HeaderValue::from_static("true"));
            Ok(answer)
        }
        Method::GET | Method::HEAD => {
            let blob = container.get(name, rights, &conditions)?;
            downloaded(&blob, asked)
        }
        Method::DELETE => {
            container.delete(name, rights, &conditions)?;
            Ok(stamped(StatusCode::ACCEPTED, Bytes::new()))
        }
        _ => Err(Problem::UNSUPPORTED_VERB),
    }
}

fn on_container(
    container: &Container,
    host: &str,
    name: &str,
    rights: &[Right],
    query: &Query,
    asked: &Asked,
) -> Result<Answer, Problem> {
    match (asked.method().as_str(), query.restype.as_deref(), query.comp.as_deref()) {
        ("GET", Some("container"), Some("list")) => {
            let limit = query.max_results.unwrap_or(PAGE_LIMIT).min(PAGE_LIMIT);
            let page = container.list(&query.prefix, &query.from, limit, rights)?;
            let mut answer = stamped(StatusCode::OK, Bytes::from(listed(host, name, query, &page)));
            let xml = HeaderValue::from_static("application/xml");
            answer.headers_mut().insert(header::CONTENT_TYPE, xml);
            Ok(answer)
        }
        ("GET" | "HEAD", Some("container"), None) if rights.contains(&Right::Read) => {
            let mut answer = stamped(StatusCode::OK, Bytes::new());
            version(answer.headers_mut(), &container.etag, container.made);
            let immutable =
                HeaderValue::from_static(if container.immutable { "true" } else { "false" });
            answer.headers_mut().insert("x-ms-has-immutability-policy", immutable);
            Ok(answer)
        }
        // Containers are made, changed and deleted by the deployment, not by a data-plane right.
        (_, Some("container"), _) => Err(Problem::NOT_GRANTED),
        _ => Err(Problem::UNSUPPORTED_VERB),
    }
}

fn uploaded(headers: &HeaderMap, body: &Bytes) -> Blob {
    let content_type = headers
        .get("x-ms-blob-content-type")
        .or_else(|| headers.get(header::CONTENT_TYPE))
        .cloned()
        .unwrap_or_else(|| HeaderValue::from_static("application/octet-stream"));
    let metadata = |(name, value): (&HeaderName, &HeaderValue)| {
        name.as_str().starts_with("x-ms-meta-").then(|| (name.clone(), value.clone()))
    };
    Blob {
        body: body.clone(),
        etag: etag(),
        content_type,
        made: OffsetDateTime::now_utc(),
        metadata: headers.iter().filter_map(metadata).collect(),
    }
}

fn downloaded(blob: &Blob, asked: &Asked) -> Result<Answer, Problem> {
    let whole = blob.body.len();
    let range = if asked.method() == Method::GET { range(asked.headers()) } else { None };
    let mut answer = match range {
        Some((first, _)) if first >= whole => return Err(Problem::INVALID_RANGE),
        Some((first, last)) => {
            let end = last.map_or(whole, |last| whole.min(last.saturating_add(1)));
            let mut answer = stamped(StatusCode::PARTIAL_CONTENT, blob.body.slice(first..end));
            let shown = format!("bytes {first}-{}/{whole}", end - 1);
            insert(answer.headers_mut(), "content-range", &shown);
            answer
        }
        None => stamped(StatusCode::OK, blob.body.clone()),
    };
    let length = if asked.method() == Method::HEAD { whole } else { answer.body().len() };
    let headers = answer.headers_mut();
    version(headers, &blob.etag, blob.made);
    insert(headers, "content-length", &length.to_string());
    headers.insert(header::CONTENT_TYPE, blob.content_type.clone());
    insert(headers, "x-ms-creation-time", &rfc1123(blob.made));
    for (name, value) in [
        ("accept-ranges", "bytes"),
        ("x-ms-blob-type", "BlockBlob"),
        ("x-ms-lease-state", "available"),
        ("x-ms-lease-status", "unlocked"),
        ("x-ms-server-encrypted", "true"),
    ] {
        headers.insert(name, HeaderValue::from_static(value));
    }
    headers.extend(blob.metadata.iter().cloned());
    Ok(answer)
}

/// First and last byte of a range that begins somewhere. As in Azure, another kind is ignored.
fn range(headers: &HeaderMap) -> Option<(usize, Option<usize>)> {
    let range = headers.get("x-ms-range").or_else(|| headers.get(header::RANGE))?;
    let (first, last) = range.to_str().ok()?.strip_prefix("bytes=")?.split_once('-')?;
    let first = first.parse().ok()?;
    let last = match last {
        "" => None,
        last => Some(last.parse().ok().filter(|&last| last >= first)?),
    };
    Some((first, last))
}

fn conditions(headers: &HeaderMap) -> Result<Conditions, Problem> {
    let text = |name: HeaderName| {
        let value = headers.get(name).map(HeaderValue::to_str).transpose();
        value.map(|it| it.map(str::to_owned)).map_err(|_| Problem::INVALID_HEADER)
    };
    // By time, no two versions within a second can be told apart: better refused than ignored.
    if headers.contains_key(header::IF_MODIFIED_SINCE)
        || headers.contains_key(header::IF_UNMODIFIED_SINCE)
    {
        return Err(Problem::INVALID_HEADER);
    }
    Ok(Conditions { matches: text(header::IF_MATCH)?, none_match: text(header::IF_NONE_MATCH)? })
}

/// The account that was called, without a port.
fn host(asked: &Asked) -> Option<String> {
    let named = asked.headers().get(header::HOST).and_then(|host| host.to_str().ok());
    let authority = asked.uri().authority().map(http::uri::Authority::as_str).or(named)?;
    let host = authority.rsplit_once(':').map_or(authority, |(host, _)| host);
    Some(host.to_ascii_lowercase())
}

fn not_authenticated(
    names: &Names,
    headers: &HeaderMap,
    NotAuthenticated(why): &NotAuthenticated,
) -> Answer {
    let mut answer = if headers.contains_key(header::AUTHORIZATION) {
        Problem::INVALID_TOKEN.answer(Some(why))
    } else {
        Problem::NO_TOKEN.answer(None)
    };
    let challenge = format!(
        "Bearer authorization_uri=https://{}/{}/oauth2/authorize resource_id={}",
        names.entra,
        names.tenant,
        audience::STORAGE,
    );
    insert(answer.headers_mut(), "www-authenticate", &challenge);
    answer
}

fn version(headers: &mut HeaderMap, etag: &str, made: OffsetDateTime) {
    insert(headers, "etag", etag);
    insert(headers, "last-modified", &rfc1123(made));
}

fn insert(headers: &mut HeaderMap, name: &'static str, value: &str) {
    // INVARIANT: every value is made here of names, numbers and dates.
    if let Ok(value) = HeaderValue::from_str(value) {
        headers.insert(name, value);
    }
}

/// A moment in the format of RFC 1123.
pub(super) fn rfc1123(time: OffsetDateTime) -> String {
    let format = format_description!(
        "[weekday repr:short], [day] [month repr:short] [year] [hour]:[minute]:[second] GMT"
    );
    time.format(format).unwrap_or_default()
}

#[cfg(test)]
mod tests;
