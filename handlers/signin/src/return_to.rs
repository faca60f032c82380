//! Where a sign-in may end: a page of the portal, or a program on the person's own machine.
//!
//! Nothing else parses, so no answer of ours can send anyone, or a one-time code, elsewhere.

use std::fmt;

use serde::{Deserialize, Serialize};
use url::Url;

/// The longest return URL, in bytes: it travels inside of `state`, which must fit a URL.
pub const MOST_BYTES: usize = 512;

/// Where a program on the person's own machine listens (RFC 8252, section 7.3). The address and
/// not `localhost`, which a resolver could send elsewhere.
const LOOPBACK: &str = "http://127.0.0.1:";

/// Where to go after a sign-in.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub enum ReturnTo {
    /// A path of the portal, perhaps with a query.
    Portal(PortalPath),
    /// A listener on the loopback interface.
    Loopback(LoopbackUrl),
}

/// A path of the portal: begins with one `/`, and stays on its origin.
#[derive(Clone, PartialEq, Eq)]
pub struct PortalPath(String);

/// Exactly `http://127.0.0.1:<port>/<path>`.
#[derive(Clone, PartialEq, Eq)]
pub struct LoopbackUrl(String);

/// The text is not a place where a sign-in may end.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("not a path of the portal, nor a loopback URL")]
pub struct NotAPlace;

impl ReturnTo {
    /// Reads a return URL.
    ///
    /// # Errors
    ///
    /// [`NotAPlace`].
    pub fn parse(text: &str) -> Result<Self, NotAPlace> {
        if text.len() > MOST_BYTES {
            return Err(NotAPlace);
        }
        if text.starts_with('/') {
            PortalPath::parse(text).map(Self::Portal)
        } else {
            LoopbackUrl::parse(text).map(Self::Loopback)
        }
    }

    /// As it was written.
    #[must_use]
    pub fn as_str(&self) -> &str {
        match self {
            Self::Portal(path) => &path.0,
            Self::Loopback(url) => &url.0,
        }
    }

    /// The full address, with one more parameter if given.
    ///
    /// # Errors
    ///
    /// [`NotAPlace`] if it would lie on another origin than it must, which parsing prevents.
    pub fn address(&self, portal: &str, also: Option<(&str, &str)>) -> Result<Url, NotAPlace> {
        let mut url = match self {
            Self::Portal(path) => {
                let portal = Url::parse(portal).map_err(|_| NotAPlace)?;
                let url = portal.join(&path.0).map_err(|_| NotAPlace)?;
                if url.origin() != portal.origin() {
                    return Err(NotAPlace);
                }
                url
            }
            Self::Loopback(url) => Url::parse(&url.0).map_err(|_| NotAPlace)?,
        };
        if let Some((name, value)) = also {
            url.query_pairs_mut().append_pair(name, value);
        }
        Ok(url)
    }
}

impl PortalPath {
    fn parse(text: &str) -> Result<Self, NotAPlace> {
        // `//host` and `/\host` are other hosts to a browser, which also drops control
        // characters wherever they stand.
        let plain = |byte: u8| byte.is_ascii_graphic() && byte != b'\\';
        let one_slash = text.starts_with('/') && !text.starts_with("//");
        if one_slash && text.bytes().all(plain) {
            Ok(Self(text.to_owned()))
        } else {
            Err(NotAPlace)
        }
    }
}

impl LoopbackUrl {
    fn parse(text: &str) -> Result<Self, NotAPlace> {
        let rest = text.strip_prefix(LOOPBACK).ok_or(NotAPlace)?;
        let (port, path) = rest.split_once('/').ok_or(NotAPlace)?;
        let number: u16 = port.parse().map_err(|_| NotAPlace)?;
        // As it is written back: no sign, no leading zero. And no port 0, which nobody listens on.
        if number == 0 || port != number.to_string() {
            return Err(NotAPlace);
        }
        let plain = |byte: u8| byte.is_ascii_alphanumeric() || b"-._~/".contains(&byte);
        if path.bytes().all(plain) { Ok(Self(text.to_owned())) } else { Err(NotAPlace) }
    }
}

impl TryFrom<String> for ReturnTo {
    type Error = NotAPlace;

    fn try_from(text: String) -> Result<Self, NotAPlace> {
        Self::parse(&text)
    }
}

impl From<ReturnTo> for String {
    fn from(place: ReturnTo) -> Self {
        place.as_str().to_owned()
    }
}

impl fmt::Debug for ReturnTo {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(self.as_str())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const PORTAL: &str = "https://portal.example";

    #[test]
    fn a_path_of_the_portal_is_a_place() {
        for good in
            ["/", "/requests", "/requests?tenant=a&state=b", "/a%20b", "/a#b", "/..//x", "/@x"]
        {
            let place = ReturnTo::parse(good).unwrap();

            assert!(matches!(place, ReturnTo::Portal(_)), "{good}");
            let address = place.address(PORTAL, None).unwrap();
            assert_eq!(address.origin().ascii_serialization(), PORTAL, "{good}");
        }
    }

    #[test]
    fn a_loopback_url_is_a_place() {
        for good in
            ["http://127.0.0.1:1/", "http://127.0.0.1:65535/signed-in", "http://127.0.0.1:80/a/b"]
        {
            let place = ReturnTo::parse(good).unwrap();

            assert!(matches!(place, ReturnTo::Loopback(_)), "{good}");
            assert!(place.address(PORTAL, None).unwrap().as_str().starts_with("http://127.0.0.1"));
        }
    }

    #[test]
    fn nothing_else_is_a_place() {
        let long = format!("/{}", "a".repeat(MOST_BYTES));
        for bad in [
            "",
            "requests",
            "//evil.example",
            "//evil.example/",
            "/\\evil.example",
            "/a\\b",
            "\\/evil.example",
            "/\t/evil.example",
            "/a\nb",
            "/a\0",
            "/a b",
            "/ä",
            " /a",
            "https://portal.example/",
            "https://evil.example/",
            "javascript:alert(1)",
            "http://localhost:8000/a",
            "http://127.0.0.1/a",
            "http://127.0.0.1:/a",
            "http://127.0.0.1:0/a",
            "http://127.0.0.1:65536/a",
            "http://127.0.0.1:+80/a",
            "http://127.0.0.1:080/a",
            "http://127.0.0.1:80",
            "http://127.0.0.1:80@evil.example/a",
            "http://127.0.0.1:80/a?b=c",
            "http://127.0.0.1:80/a#b",
            "http://127.0.0.1:80/a@b",
            "http://127.0.0.1:80/%61",
            "http://127.0.0.1.evil.example:80/a",
            "http://127.0.0.2:80/a",
            "http://[::1]:80/a",
            "https://127.0.0.1:80/a",
            "HTTP://127.0.0.1:80/a",
            &long,
        ] {
            assert_eq!(ReturnTo::parse(bad), Err(NotAPlace), "{bad:?}");
        }
    }

    #[test]
    fn a_parameter_joins_those_that_are_there() {
        let place = ReturnTo::parse("/requests?tenant=a#top").unwrap();

        let address = place.address(PORTAL, Some(("error", "sign-in-failed"))).unwrap();

        assert_eq!(
            address.as_str(),
            "https://portal.example/requests?tenant=a&error=sign-in-failed#top"
        );
    }
}
