//! The pages that people see at Entra. No script, no picture, nothing from elsewhere.

use std::fmt::Write as _;

use base64::{Engine as _, prelude::BASE64_STANDARD};
use http::{HeaderValue, StatusCode, header};
use sha2::{Digest as _, Sha256};
use url::Url;

use super::{
    grants::Pending,
    refusal::{Refusal, typed},
};
use crate::{
    cloud::Answer,
    directory::{PersonCard, TenantCard},
};

const STYLE: &str = "\
:root{color-scheme:light dark;font:16px/1.5 system-ui,sans-serif}\
body{margin:0;min-height:100vh;display:grid;place-items:center;background:#eef1f6;color:#1b1f27}\
main{width:min(38rem,92vw);margin:2rem 0;padding:2rem;background:#fff;border-radius:.75rem;\
box-shadow:0 .5rem 2rem #0002}\
h1{font-size:1.4rem;margin:0 0 .25rem}\
p{margin:.25rem 0 1rem;color:#4a5262}\
code{font-size:.85em;overflow-wrap:anywhere}\
.note{padding:.5rem .75rem;border-left:.25rem solid #2b5fd9;background:#2b5fd914}\
button{display:block;width:100%;margin:.5rem 0;padding:.75rem 1rem;text-align:left;font:inherit;\
color:inherit;background:none;border:1px solid #c9d0dc;border-radius:.5rem;cursor:pointer}\
button:hover,button:focus-visible,.expected{border-color:#2b5fd9;background:#2b5fd90f}\
button strong,button span{display:block}\
button span{font-size:.85rem;color:#4a5262}\
button.plain{text-align:center;border:none}\
iframe{display:none}\
@media(prefers-color-scheme:dark){body{background:#12151b;color:#e6e9ef}main{background:#1c2129}\
p,button span{color:#a9b2c3}button{border-color:#3a4252}}";

/// The page on which a person says who they are.
#[must_use]
pub fn sign_in(
    tenant: &TenantCard,
    request: &Pending,
    handle: &str,
    people: &[PersonCard],
) -> Answer {
    let mut body = format!(
        "<h1>Sign in to {}</h1><p>{} ({}) asks who you are. This is the local cloud: choose \
         anyone.</p>",
        escaped(&request.application),
        escaped(&tenant.name),
        escaped(&tenant.domain)
    );
    let mut contexts: Vec<&String> =
        request.id_token_contexts.iter().chain(&request.access_token_contexts).collect();
    contexts.dedup();
    for context in contexts {
        // Writing to a string cannot fail, here and below.
        let _ = write!(
            body,
            "<p class=note>A stronger sign-in is asked for: context <code>{}</code>. Whoever you \
             choose passes it.</p>",
            escaped(context)
        );
    }
    let _ = write!(
        body,
        "<form method=post action=\"/{}/login\"><input type=hidden name=request value=\"{}\">",
        tenant.id,
        escaped(handle)
    );
    for person in people {
        let expected = request.login_hint.as_deref() == Some(&person.user_principal_name);
        let roles = if person.app_roles.is_empty() {
            "no role in Airlock".to_owned()
        } else {
            person.app_roles.join(", ")
        };
        let _ = write!(
            body,
            "<button name=person value=\"{}\"{}><strong>{}</strong><span>{}</span>\
             <span>{}</span><span>{}</span></button>",
            escaped(&person.user_principal_name),
            if expected { " class=expected" } else { "" },
            escaped(&person.name),
            escaped(&person.user_principal_name),
            escaped(&roles),
            escaped(&person.what)
        );
    }
    body.push_str("<button class=plain name=cancel value=yes>Cancel</button></form>");
    page(StatusCode::OK, "Sign in", &body, "", "")
}

/// The page that tells a person what the client cannot be told.
#[must_use]
pub fn refusal(refusal: &Refusal) -> Answer {
    let body = format!("<h1>We cannot sign you in</h1><p>{}</p>", escaped(&refusal.description()));
    page(refusal.status(), "We cannot sign you in", &body, "", "")
}

/// The page after sign-out. It loads each frame, so that the applications end their sessions, and
/// then goes on to `next`.
#[must_use]
pub fn signed_out(frames: &[Url], next: Option<&Url>) -> Answer {
    let mut body = String::from("<h1>You are signed out</h1><p>You can close this page.</p>");
    for frame in frames {
        let _ = write!(body, "<iframe src=\"{}\" title=\"\"></iframe>", escaped(frame.as_str()));
    }
    let mut head = String::new();
    if let Some(next) = next {
        let next = escaped(next.as_str());
        let _ = write!(head, "<meta http-equiv=refresh content=\"2;url={next}\">");
        let _ = write!(body, "<p><a href=\"{next}\">Continue</a></p>");
    }
    let origins: Vec<String> =
        frames.iter().map(|frame| frame.origin().ascii_serialization()).collect();
    let frame_src = if origins.is_empty() {
        String::new()
    } else {
        format!("; frame-src {}", origins.join(" "))
    };
    page(StatusCode::OK, "Signed out", &body, &head, &frame_src)
}

/// Leaves for another place, which learns nothing of where it came from.
#[must_use]
pub fn leave(status: StatusCode, to: &Url) -> Answer {
    let mut answer = typed(status, "text/plain; charset=utf-8", "");
    let headers = answer.headers_mut();
    match HeaderValue::from_str(to.as_str()) {
        Ok(location) => headers.insert(header::LOCATION, location),
        // A parsed URL is printable ASCII.
        Err(_) => return refusal(&Refusal::Unavailable),
    };
    headers.insert(header::REFERRER_POLICY, HeaderValue::from_static("no-referrer"));
    answer
}

fn page(status: StatusCode, title: &str, body: &str, head: &str, more_policy: &str) -> Answer {
    let html = format!(
        "<!doctype html><html lang=en><head><meta charset=utf-8>\
         <meta name=viewport content=\"width=device-width\">{head}<title>{title}</title>\
         <style>{STYLE}</style></head><body><main>{body}</main></body></html>"
    );
    // The code travels on through redirects, and browsers apply `form-action` to each of them:
    // the ports of the API, of the portal and of a command line's listener are not known here.
    let policy = format!(
        "default-src 'none'; style-src 'sha256-{}'; base-uri 'none'; frame-ancestors 'none'; \
         form-action 'self' http://localhost:* http://127.0.0.1:*{more_policy}",
        BASE64_STANDARD.encode(Sha256::digest(STYLE))
    );
    let mut answer = typed(status, "text/html; charset=utf-8", html);
    let headers = answer.headers_mut();
    if let Ok(policy) = HeaderValue::from_str(&policy) {
        headers.insert(header::CONTENT_SECURITY_POLICY, policy);
    } else {
        // Only an origin that is no header text could bring us here; no page goes out bare.
        headers.insert(
            header::CONTENT_SECURITY_POLICY,
            HeaderValue::from_static("default-src 'none'; frame-ancestors 'none'"),
        );
    }
    headers.insert(header::REFERRER_POLICY, HeaderValue::from_static("no-referrer"));
    headers.insert(header::X_FRAME_OPTIONS, HeaderValue::from_static("DENY"));
    answer
}

/// Text that stays text, in an element and in a quoted attribute.
fn escaped(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for c in text.chars() {
        match c {
            '&' => out.push_str("&amp;"),
            '<' => out.push_str("&lt;"),
            '>' => out.push_str("&gt;"),
            '"' => out.push_str("&quot;"),
            '\'' => out.push_str("&#39;"),
            c => out.push(c),
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_strangers_send_cannot_become_markup() {
        let answer = refusal(&Refusal::Scope("<script>\"'&".to_owned()));

        let html = std::str::from_utf8(answer.body()).unwrap();
        assert!(html.contains("&lt;script&gt;&quot;&#39;&amp;"));
        assert!(!html.contains("<script"));
    }

    #[test]
    fn a_page_allows_no_script_no_frame_and_no_cache() {
        let answer = refusal(&Refusal::Malformed);

        let header = |name| answer.headers()[name].to_str().unwrap();
        let policy = header(header::CONTENT_SECURITY_POLICY);
        assert!(policy.starts_with("default-src 'none'"));
        assert!(!policy.contains("script-src"));
        assert!(policy.contains("frame-ancestors 'none'"));
        assert_eq!(header(header::CACHE_CONTROL), "no-store");
    }
}
