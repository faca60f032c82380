//! What a listing asks, and the XML that answers it.

use std::fmt::Write as _;

use base64::{Engine as _, engine::general_purpose::URL_SAFE_NO_PAD};
use url::form_urlencoded;

use super::{
    container::{Blob, Page},
    problem::{Problem, escaped},
    rest::rfc1123,
};
use crate::cloud::Asked;

/// Blobs that one page of a listing holds at most.
pub(super) const PAGE_LIMIT: usize = 5000;

/// The query parameters that are understood.
#[derive(Debug, Default)]
pub(super) struct Query {
    pub(super) restype: Option<String>,
    pub(super) comp: Option<String>,
    pub(super) prefix: String,
    marker: Option<String>,
    /// Where the marker says that the page begins.
    pub(super) from: String,
    pub(super) max_results: Option<usize>,
}

impl Query {
    pub(super) fn read(asked: &Asked) -> Result<Self, Problem> {
        let mut query = Self::default();
        for (name, value) in
            form_urlencoded::parse(asked.uri().query().unwrap_or_default().as_bytes())
        {
            match name.to_ascii_lowercase().as_str() {
                "restype" => query.restype = Some(value.into_owned()),
                "comp" => query.comp = Some(value.into_owned()),
                "prefix" => query.prefix = value.into_owned(),
                "marker" if value.is_empty() => {}
                "marker" => {
                    let from = URL_SAFE_NO_PAD
                        .decode(value.as_bytes())
                        .map_err(|_| Problem::INVALID_QUERY)?;
                    query.from = String::from_utf8(from).map_err(|_| Problem::INVALID_QUERY)?;
                    query.marker = Some(value.into_owned());
                }
                "maxresults" => {
                    let limit = value.parse().map_err(|_| Problem::INVALID_QUERY)?;
                    if limit == 0 {
                        return Err(Problem::OUT_OF_RANGE);
                    }
                    query.max_results = Some(limit);
                }
                // Neither changes what a blob of ours is or which are listed.
                "timeout" | "include" => {}
                // Anything else would: better refused than ignored.
                _ => return Err(Problem::UNSUPPORTED_QUERY),
            }
        }
        Ok(query)
    }
}

pub(super) fn listed(host: &str, container: &str, query: &Query, page: &Page) -> String {
    let mut xml = format!(
        "\u{feff}<?xml version=\"1.0\" encoding=\"utf-8\"?>\
         <EnumerationResults ServiceEndpoint=\"https://{host}/\" ContainerName=\"{container}\">"
    );
    if !query.prefix.is_empty() {
        append(&mut xml, "Prefix", &query.prefix);
    }
    if let Some(marker) = &query.marker {
        append(&mut xml, "Marker", marker);
    }
    if let Some(limit) = query.max_results {
        append(&mut xml, "MaxResults", &limit.to_string());
    }
    xml.push_str("<Blobs>");
    for (name, blob) in &page.blobs {
        let Blob { body, etag, content_type, made, .. } = blob;
        xml.push_str("<Blob>");
        append(&mut xml, "Name", name);
        xml.push_str("<Properties>");
        for (name, value) in [
            ("Creation-Time", rfc1123(*made)),
            ("Last-Modified", rfc1123(*made)),
            ("Etag", etag.trim_matches('"').to_owned()),
            ("Content-Length", body.len().to_string()),
            ("Content-Type", String::from_utf8_lossy(content_type.as_bytes()).into_owned()),
            ("BlobType", "BlockBlob".to_owned()),
            ("LeaseStatus", "unlocked".to_owned()),
            ("LeaseState", "available".to_owned()),
            ("ServerEncrypted", "true".to_owned()),
        ] {
            append(&mut xml, name, &value);
        }
        xml.push_str("</Properties></Blob>");
    }
    xml.push_str("</Blobs>");
    append(&mut xml, "NextMarker", &page.next.as_deref().map(marker).unwrap_or_default());
    xml.push_str("</EnumerationResults>");
    xml
}

fn append(xml: &mut String, name: &str, text: &str) {
    // Writing to a string cannot fail.
    let _: std::fmt::Result = write!(xml, "<{name}>{}</{name}>", escaped(text));
}

/// An opaque marker, so that no client learns to make one up.
fn marker(next: &str) -> String {
    URL_SAFE_NO_PAD.encode(next)
}
