//! Access tokens of Entra's, as callers show them.

use airlock_azure::{entra::NotAccepted, hosting::Refusal};
use airlock_core::problem::Problem;
use axum::http::{HeaderMap, header};

use crate::refusals;

/// The token of a request's one `Authorization: Bearer` (RFC 6750, section 2.1). Of two headers,
/// or of two tokens in one, another reader could take the other.
///
/// # Errors
///
/// `not-verified` if there is none.
pub fn token(headers: &HeaderMap) -> Result<&str, Refusal> {
    let mut values = headers.get_all(header::AUTHORIZATION).iter();
    let (Some(value), None) = (values.next(), values.next()) else {
        return Err(Refusal::new(Problem::NOT_VERIFIED));
    };
    value
        .to_str()
        .ok()
        .and_then(|value| value.split_once(' '))
        .filter(|(scheme, _)| scheme.eq_ignore_ascii_case("Bearer"))
        .map(|(_, token)| token)
        .ok_or_else(|| Refusal::new(Problem::NOT_VERIFIED))
}

/// The answer to a token that is not accepted.
pub fn refused(error: NotAccepted) -> Refusal {
    // No `_` arm: a new variant does not compile until someone decides what strangers may learn.
    match error {
        NotAccepted::Keys(error) => refusals::port(error),
        NotAccepted::Kind(_) => Refusal::because(Problem::NOT_ALLOWED, error),
        NotAccepted::Malformed(_)
        | NotAccepted::UnknownKey
        | NotAccepted::Signature
        | NotAccepted::Claim(_) => Refusal::because(Problem::NOT_VERIFIED, error),
    }
}

#[cfg(test)]
mod tests {
    use airlock_azure::entra::Kind;
    use airlock_core::ports::PortError;
    use axum::http::HeaderValue;

    use super::*;

    fn shown(values: &[&'static str]) -> Option<String> {
        let mut headers = HeaderMap::new();
        for value in values {
            headers.append(header::AUTHORIZATION, HeaderValue::from_static(value));
        }
        token(&headers).ok().map(str::to_owned)
    }

    #[test]
    fn only_one_bearer_token_is_taken() {
        assert_eq!(shown(&["Bearer a.b.c"]).as_deref(), Some("a.b.c"));
        assert_eq!(shown(&["bearer a.b.c"]).as_deref(), Some("a.b.c"));

        for none in [
            &[][..],
            &[""],
            &["Bearer"],
            &["a.b.c"],
            &["Basic a.b.c"],
            &["Session a.b.c"],
            &["Bearer\ta.b.c"],
            &["Bearer a.b.c", "Bearer a.b.c"],
            &["Basic YTpi", "Bearer a.b.c"],
        ] {
            assert_eq!(shown(none), None, "{none:?}");
        }
    }

    #[test]
    fn who_is_known_is_told_from_who_is_not_and_from_an_outage() {
        let problem = |error| refused(error).problem();

        assert_eq!(problem(NotAccepted::Signature), Problem::NOT_VERIFIED);
        assert_eq!(problem(NotAccepted::Claim("aud")), Problem::NOT_VERIFIED);
        assert_eq!(problem(NotAccepted::Kind(Kind::Agent)), Problem::NOT_ALLOWED);
        let down = PortError::Unavailable("down".into());
        assert_eq!(problem(NotAccepted::Keys(down)), Problem::UNAVAILABLE);
    }
}
