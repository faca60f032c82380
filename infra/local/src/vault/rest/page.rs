//! Lists of versions, cut into pages.

use http::StatusCode;
use serde_json::{Value, json};
use url::form_urlencoded;

use super::Asking;
use crate::vault::refused::{Refused, bad};

/// Most versions on a page, and how many there are unless fewer are asked for.
const PAGE: usize = 25;

/// A page of these. Each comes with the version that orders it: at random, as in Azure, so that
/// nobody takes the last one for the newest.
pub(super) fn of(
    asking: &Asking<'_>,
    mut versions: Vec<(String, Value)>,
) -> Result<Value, Refused> {
    let refused = |what: &str| {
        bad(StatusCode::BAD_REQUEST, format!("The value of the {what} parameter is not valid."))
    };
    let uri = asking.asked.uri();
    let query = uri.query().unwrap_or_default();
    let (mut size, mut after, mut kept) = (PAGE, None, Vec::new());
    for (name, value) in form_urlencoded::parse(query.as_bytes()) {
        match name.as_ref() {
            "$skiptoken" => after = Some(value.into_owned()),
            "maxresults" => {
                size = value.parse().map_err(|_| refused("maxresults"))?;
                if !(1..=PAGE).contains(&size) {
                    return Err(refused("maxresults"));
                }
                kept.push((name, value));
            }
            _ => kept.push((name, value)),
        }
    }
    versions.sort_by(|(left, _), (right, _)| left.cmp(right));
    if let Some(after) = after {
        versions.retain(|(version, _)| *version > after);
    }
    let more = versions.len() > size;
    versions.truncate(size);
    let next = versions.last().filter(|_| more).map(|(last, _)| {
        let query = form_urlencoded::Serializer::new(String::new())
            .extend_pairs(kept)
            .append_pair("$skiptoken", last)
            .finish();
        format!("https://{}{}?{query}", asking.names.vault, uri.path())
    });
    let versions: Vec<Value> = versions.into_iter().map(|(_, version)| version).collect();
    Ok(json!({ "value": versions, "nextLink": next }))
}
