//! Cookies: which there are, how they are read, how they are set and cleared.
//!
//! `__Host-` binds a cookie to this host, a secure channel and the path `/`: no other host of
//! the site can set it. `Lax` and not `Strict`, because Entra's answer is a navigation from
//! another site and must find both.

use airlock_core::session_record::COOKIE;
use axum::http::{HeaderMap, header};

use crate::{challenge::TRANSACTION_S, opaque::Opaque};

/// Binds a sign-in to the browser that started it. Another name than the session's: what was
/// there before a sign-in is never what counts after it.
pub const START: &str = "__Host-airlock-start";

/// What every cookie of ours says about itself.
const ATTRIBUTES: &str = "Path=/; Secure; HttpOnly; SameSite=Lax";

/// A cookie stands twice. Two readers could each take another for the right one.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("cookie {0} stands twice")]
pub struct Doubled(pub &'static str);

/// Reads the cookie of the session. What is not of our form is none of ours.
///
/// # Errors
///
/// [`Doubled`].
pub fn session(headers: &HeaderMap) -> Result<Option<Opaque>, Doubled> {
    Ok(value(headers, COOKIE)?.and_then(Opaque::parse))
}

/// Reads the cookie that binds a sign-in to its browser.
///
/// # Errors
///
/// [`Doubled`].
pub fn start(headers: &HeaderMap) -> Result<Option<Opaque>, Doubled> {
    Ok(value(headers, START)?.and_then(Opaque::parse))
}

/// Whether a session cookie was sent at all, of whatever form.
#[must_use]
pub fn has_session(headers: &HeaderMap) -> bool {
    !matches!(value(headers, COOKIE), Ok(None))
}

fn value<'a>(headers: &'a HeaderMap, name: &'static str) -> Result<Option<&'a str>, Doubled> {
    let mut values = headers
        .get_all(header::COOKIE)
        .iter()
        // A header that is not ASCII holds no cookie of ours; a second copy in it would not be
        // read by anyone else either.
        .filter_map(|header| header.to_str().ok())
        .flat_map(|header| header.split(';'))
        .filter_map(|pair| pair.trim().split_once('='))
        .filter(|(other, _)| *other == name)
        .map(|(_, value)| value);
    match (values.next(), values.next()) {
        (value, None) => Ok(value),
        (_, Some(_)) => Err(Doubled(name)),
    }
}

/// `Set-Cookie` of a session. Without a lifetime: it goes with the browser.
#[must_use]
pub fn set_session(cookie: &Opaque) -> String {
    format!("{COOKIE}={}; {ATTRIBUTES}", cookie.expose())
}

/// `Set-Cookie` that binds a sign-in to this browser, for as long as it may take.
#[must_use]
pub fn set_start(cookie: &Opaque) -> String {
    format!("{START}={}; {ATTRIBUTES}; Max-Age={TRANSACTION_S}", cookie.expose())
}

/// `Set-Cookie` that clears the session.
#[must_use]
pub fn clear_session() -> String {
    format!("{COOKIE}=; {ATTRIBUTES}; Max-Age=0")
}

/// `Set-Cookie` that clears the binding to a sign-in.
#[must_use]
pub fn clear_start() -> String {
    format!("{START}=; {ATTRIBUTES}; Max-Age=0")
}

#[cfg(test)]
mod tests {
    use axum::http::HeaderValue;

    use super::*;

    const ONE: &str = "AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA";
    const OTHER: &str = "AQEBAQEBAQEBAQEBAQEBAQEBAQEBAQEBAQEBAQEBAQE";

    fn read(headers: &[String]) -> Result<Option<String>, Doubled> {
        let mut map = HeaderMap::new();
        for text in headers {
            map.append(header::COOKIE, HeaderValue::from_str(text).unwrap());
        }
        Ok(session(&map)?.map(|cookie| cookie.expose().to_owned()))
    }

    #[test]
    fn the_session_is_found_among_other_cookies() {
        let header = format!("theme=dark; __Host-airlock={ONE};__Host-airlock-start={OTHER}");

        assert_eq!(read(&[header]), Ok(Some(ONE.to_owned())));
        assert_eq!(read(&[]), Ok(None));
        assert_eq!(read(&["theme=dark".to_owned()]), Ok(None));
    }

    #[test]
    fn a_cookie_that_stands_twice_is_refused_even_with_the_same_value() {
        let one = format!("__Host-airlock={ONE}");
        let other = format!("__Host-airlock={OTHER}");

        assert_eq!(read(&[format!("{one}; {other}")]), Err(Doubled(COOKIE)));
        assert_eq!(read(&[one.clone(), other]), Err(Doubled(COOKIE)));
        assert_eq!(read(&[format!("{one}; {one}")]), Err(Doubled(COOKIE)));
        assert_eq!(read(&[format!("{one}; __Host-airlock=")]), Err(Doubled(COOKIE)));
    }

    #[test]
    fn a_name_is_compared_exactly() {
        for name in ["__host-airlock", "__Host-airlock2", "airlock", "x__Host-airlock"] {
            assert_eq!(read(&[format!("{name}={ONE}")]), Ok(None), "{name}");
        }
    }

    #[test]
    fn a_value_that_we_never_made_is_no_session() {
        for value in ["", "x", &ONE[1..], &format!("\"{ONE}\"")] {
            assert_eq!(read(&[format!("__Host-airlock={value}")]), Ok(None), "{value}");
        }
    }

    #[test]
    fn cookies_are_for_this_host_alone_and_out_of_reach_of_scripts() {
        let cookie = Opaque::parse(ONE).unwrap();

        assert_eq!(
            set_session(&cookie),
            format!("__Host-airlock={ONE}; Path=/; Secure; HttpOnly; SameSite=Lax")
        );
        assert_eq!(
            clear_start(),
            "__Host-airlock-start=; Path=/; Secure; HttpOnly; SameSite=Lax; Max-Age=0"
        );
    }
}
