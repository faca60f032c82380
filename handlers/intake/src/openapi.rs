//! The agreement with the outside: an `OpenAPI` 3.1 document, made of the routes themselves.
//!
//! A route is registered together with its description (`routes!` reads both from the handler),
//! so that none can be missing in it. The document says nothing that a caller could not find
//! out, and so is everyone's.

pub mod forms;
pub mod headers;
pub mod problems;
pub mod shapes;

use airlock_core::{
    digest::Digest,
    session_record::{COOKIE, CSRF_HEADER, SCHEME},
};
use axum::{
    body::Bytes,
    extract::State,
    http::{HeaderMap, HeaderValue, StatusCode, header},
    response::{IntoResponse, Response},
};
use utoipa::openapi::{
    ComponentsBuilder, InfoBuilder, License, LicenseBuilder, OpenApi, OpenApiBuilder, Server,
    security::{ApiKey, ApiKeyValue, HttpAuthScheme, HttpBuilder, SecurityScheme},
    tag::TagBuilder,
};

use self::problems::{NotDescribed, ProblemBody};

/// What is true of every route, for whoever reads the document.
const ABOUT: &str = "\
Takes requests for privileged work in Microsoft Entra ID, lets others decide them, and tells how \
they ended.

**Signatures.** Whoever asks or decides signs it with the key of their client, which never leaves \
it and which their session names. A session shows who calls; the signature is what counts.

**Callers.** A program sends its session in `Authorization`. A browser sends it as a cookie, \
together with `Origin` and, for whatever changes something, the session's CSRF token. Only the \
portal's origin is answered. A service shows an access token, and signs nothing.

**Bodies** are JSON objects of at most 256 KiB. A member that is not described here is refused, \
and so is one that stands twice; an answer may have more of them one day. Times are seconds since 1970-01-01T00:00:00Z.

**Answers** are not to be kept (`Cache-Control: no-store`), with the one exception of this \
document. What was not done is told as a problem (RFC 9457), and each operation lists those that \
it can tell. A path that is not described here is `not-found` (404); a method that a path does not \
take is `method-not-allowed` (405). What does not reach the service is answered by what stands \
before it, without such a body.";

/// The document, before there is a route in it.
#[must_use]
pub fn preface() -> OpenApi {
    OpenApiBuilder::new()
        .info(
            InfoBuilder::new()
                .title("Airlock")
                .version(env!("CARGO_PKG_VERSION"))
                .description(Some(ABOUT))
                .license(Some(license()))
                .build(),
        )
        .servers(Some([Server::new("/")]))
        .tags(Some([
            tag("requests", "Privileged changes: asked, decided, followed, and what came of them."),
            tag("catalog", "What can be asked, and where."),
            tag("secrets", "What is changed on schedule, and what is overdue."),
            tag("findings", "What deviates from what was declared, and what cannot be looked at."),
            tag("ledger", "Proofs of what was done, and the trees that they are of."),
            tag("tokens", "What an access token says."),
            tag("service", "The service itself."),
        ]))
        .components(Some(
            ComponentsBuilder::new()
                .schema_from::<ProblemBody>()
                .security_scheme("session", session())
                .security_scheme("cookie", cookie())
                .security_scheme("csrf", csrf())
                .security_scheme("token", token())
                .security_scheme("service", service())
                .build(),
        ))
        .build()
}

fn license() -> License {
    let spdx = env!("CARGO_PKG_LICENSE");
    LicenseBuilder::new().name(spdx).identifier(Some(spdx)).build()
}

fn tag(name: &str, description: &str) -> utoipa::openapi::Tag {
    TagBuilder::new().name(name).description(Some(description)).build()
}

fn session() -> SecurityScheme {
    let description = format!(
        "For programs: `{SCHEME} ` and the value that a sign-in gave the program. Nothing sends \
         it by itself, so it needs no CSRF token."
    );
    let header = ApiKeyValue::with_description("Authorization", &description);
    SecurityScheme::ApiKey(ApiKey::Header(header))
}

fn cookie() -> SecurityScheme {
    let description = "For browsers: set by a sign-in, and out of reach of scripts.";
    SecurityScheme::ApiKey(ApiKey::Cookie(ApiKeyValue::with_description(COOKIE, description)))
}

fn csrf() -> SecurityScheme {
    let description = "For browsers, beside the cookie and an `Origin`: the session's own token, \
                       which the session call of the sign-in service tells the portal.";
    SecurityScheme::ApiKey(ApiKey::Header(ApiKeyValue::with_description(CSRF_HEADER, description)))
}

fn token() -> SecurityScheme {
    let description = "An access token of Entra's for this service, version 2, issued to a person \
                       with the scope `access_as_user`.";
    let bearer = HttpBuilder::new()
        .scheme(HttpAuthScheme::Bearer)
        .bearer_format("JWT")
        .description(Some(description));
    SecurityScheme::Http(bearer.build())
}

fn service() -> SecurityScheme {
    let description = "For services: an access token (RFC 9068) of an OpenID provider that the \
                       tenant's terms register for the service, with the scope \
                       `runtime.<operation>`, bound to a client certificate (RFC 8705) where \
                       those terms say so.";
    let bearer = HttpBuilder::new()
        .scheme(HttpAuthScheme::Bearer)
        .bearer_format("JWT")
        .description(Some(description));
    SecurityScheme::Http(bearer.build())
}

/// The document as it is sent.
#[derive(Clone)]
pub struct Published {
    body: Bytes,
    tag: HeaderValue,
}

impl Published {
    /// Writes the document, once.
    ///
    /// # Errors
    ///
    /// If it has no JSON form.
    pub fn new(document: &OpenApi) -> Result<Self, NotWritten> {
        let body = serde_json::to_vec(document)?;
        let tag = HeaderValue::try_from(format!("\"{}\"", Digest::of(&[&body])))?;
        Ok(Self { body: body.into(), tag })
    }

    /// Whether a caller who shows these tags has it already (RFC 9110, section 13.1.2).
    fn is_among(&self, shown: &HeaderMap) -> bool {
        shown
            .get_all(header::IF_NONE_MATCH)
            .iter()
            .flat_map(|list| list.as_bytes().split(|byte| *byte == b','))
            .map(<[u8]>::trim_ascii)
            .any(|tag| tag == b"*" || tag.strip_prefix(b"W/").unwrap_or(tag) == self.tag.as_bytes())
    }
}

/// The document cannot be sent.
#[derive(Debug, thiserror::Error)]
pub enum NotWritten {
    /// It has no JSON form.
    #[error("document not written as JSON")]
    Form(#[from] serde_json::Error),
    /// Its digest is no header.
    #[error("document not tagged")]
    Tag(#[from] header::InvalidHeaderValue),
}

/// This document.
///
/// It changes only with a release. A copy may be kept, and is good while its `ETag` is.
#[utoipa::path(
    get,
    path = "/api/openapi.json",
    operation_id = "describe",
    tag = "service",
    params(headers::IfNoneMatch),
    responses(
        (
            status = 200,
            description = "An OpenAPI 3.1 document.",
            body = Object,
            headers(
                ("ETag" = String, description = "Changes with the document."),
                ("Cache-Control" = String, description = "`no-cache`: ask before a copy is used."),
            )
        ),
        (status = 304, description = "The copy is the document."),
        NotDescribed,
    )
)]
pub async fn describe(State(published): State<Published>, asked: HeaderMap) -> Response {
    let Published { body, tag } = published.clone();
    // Kept, and asked about each time: what an old copy promises, a new release may not hold.
    let kept = HeaderValue::from_static("no-cache");
    let kept = [(header::ETAG, tag), (header::CACHE_CONTROL, kept)];
    if published.is_among(&asked) {
        return (StatusCode::NOT_MODIFIED, kept).into_response();
    }
    let json = HeaderValue::from_static("application/json");
    (kept, [(header::CONTENT_TYPE, json)], body).into_response()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_copy_that_is_kept_is_known_by_its_tag_however_it_is_shown() {
        let published = Published::new(&preface()).unwrap();
        let tag = published.tag.to_str().unwrap();
        let is_known = |shown: &str| {
            let mut headers = HeaderMap::new();
            headers.insert(header::IF_NONE_MATCH, HeaderValue::from_str(shown).unwrap());
            published.is_among(&headers)
        };

        for shown in [tag.to_owned(), format!("W/{tag}"), format!("\"a\", {tag}"), "*".to_owned()] {
            assert!(is_known(&shown), "{shown}");
        }
        for shown in ["", "\"\"", "\"a\"", tag.trim_matches('"')] {
            assert!(!is_known(shown), "{shown}");
        }
    }

    #[test]
    fn another_document_has_another_tag() {
        let mut other = preface();
        other.info.version.push_str("-next");

        let [one, other] = [preface(), other].map(|it| Published::new(&it).unwrap().tag);

        assert_ne!(one, other);
    }
}
