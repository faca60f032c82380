//! Where an API is: an origin, over TLS unless it is on this machine.

use std::{fmt, str::FromStr};

use url::{Host, Url};

/// The origin of an API: `https://…`, or `http://` on the loopback.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Origin {
    url: Url,
    text: String,
}

/// The text is not an origin that a session may be sent to.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum NotAnOrigin {
    /// It has no scheme and host, or more than scheme, host and port.
    #[error("not an origin: give scheme, host and port, and nothing more")]
    Form,
    /// A session would travel unencrypted.
    #[error("not https, and not on this machine")]
    NotEncrypted,
}

impl Origin {
    /// Whether it is on this machine.
    #[must_use]
    pub fn is_loopback(&self) -> bool {
        is_loopback(&self.url)
    }

    /// As browsers write it: no slash in the end.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.text
    }

    /// The URL of an absolute path here.
    #[must_use]
    pub fn at(&self, path: &str) -> String {
        format!("{}{path}", self.text)
    }

    /// Whether a URL is of this origin.
    #[must_use]
    pub fn is_of(&self, url: &Url) -> bool {
        url.origin() == self.url.origin()
    }

    /// Host and port as a part of a file name.
    #[must_use]
    pub fn file_name(&self) -> String {
        let host = self.url.host_str().unwrap_or_default();
        let host = host.trim_matches(['[', ']']).replace(':', "_");
        self.url.port().map_or_else(|| host.clone(), |port| format!("{host}-{port}"))
    }
}

impl fmt::Display for Origin {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(&self.text)
    }
}

impl FromStr for Origin {
    type Err = NotAnOrigin;

    fn from_str(text: &str) -> Result<Self, NotAnOrigin> {
        let url = Url::parse(text).map_err(|_| NotAnOrigin::Form)?;
        if !matches!(url.scheme(), "http" | "https") || url.host().is_none() {
            return Err(NotAnOrigin::Form);
        }
        let bare = url.path() == "/"
            && url.query().is_none()
            && url.fragment().is_none()
            && url.username().is_empty()
            && url.password().is_none();
        if !bare {
            return Err(NotAnOrigin::Form);
        }
        if !is_private(&url) {
            return Err(NotAnOrigin::NotEncrypted);
        }
        let text = url.origin().ascii_serialization();
        Ok(Self { url, text })
    }
}

/// Whether nobody on the way can read what is sent there.
#[must_use]
pub fn is_private(url: &Url) -> bool {
    url.scheme() == "https" || (url.scheme() == "http" && is_loopback(url))
}

fn is_loopback(url: &Url) -> bool {
    match url.host() {
        Some(Host::Domain(name)) => name == "localhost",
        Some(Host::Ipv4(address)) => address.is_loopback(),
        Some(Host::Ipv6(address)) => address.is_loopback(),
        None => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_session_is_never_sent_in_the_clear_to_another_machine() {
        assert_eq!("http://api.example".parse::<Origin>(), Err(NotAnOrigin::NotEncrypted));
        assert_eq!("http://localhost.example".parse::<Origin>(), Err(NotAnOrigin::NotEncrypted));
        assert!("https://api.example".parse::<Origin>().is_ok());
        assert!("http://localhost:7071".parse::<Origin>().is_ok());
        assert!("http://127.0.0.1:7071".parse::<Origin>().is_ok());
        assert!("http://[::1]:7071".parse::<Origin>().is_ok());
    }

    #[test]
    fn an_origin_is_scheme_host_and_port_and_nothing_more() {
        for text in [
            "localhost:7071",
            "https://api.example/x",
            "https://api.example/?x",
            "https://api.example/#x",
            "https://me@api.example",
            "file:///etc/passwd",
        ] {
            assert_eq!(text.parse::<Origin>(), Err(NotAnOrigin::Form), "{text}");
        }
        assert_eq!(
            "https://API.example/".parse::<Origin>().unwrap().as_str(),
            "https://api.example"
        );
    }

    #[test]
    fn a_file_name_tells_ports_apart() {
        let name = |text: &str| text.parse::<Origin>().unwrap().file_name();

        assert_eq!(name("http://localhost:7071"), "localhost-7071");
        assert_eq!(name("http://[::1]:7071"), "__1-7071");
        assert_eq!(name("https://api.example"), "api.example");
    }
}
