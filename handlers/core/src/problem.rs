//! What a caller is told when something did not happen: RFC 9457.
//!
//! Apart from the correlation id, every word is a constant of ours. What really happened goes
//! to the log.

use serde::Serialize;

/// A kind of problem.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Problem {
    /// Last part of its `type`.
    pub name: &'static str,
    /// What it says.
    pub title: &'static str,
    /// HTTP status.
    pub status: u16,
}

/// The body of a problem response.
#[derive(Serialize)]
pub struct Body {
    r#type: String,
    title: &'static str,
    status: u16,
    /// Names the occurrence, in our log too.
    instance: String,
    /// More, in constant words of ours.
    #[serde(skip_serializing_if = "Option::is_none")]
    detail: Option<&'static str>,
}

macro_rules! problems {
    ($($(#[$meta:meta])* $constant:ident = $status:literal $name:literal $title:literal;)*) => {
        impl Problem {
            $($(#[$meta])* pub const $constant: Self =
                Self { name: $name, title: $title, status: $status };)*

            /// Every kind.
            pub const ALL: &'static [Self] = &[$(Self::$constant),*];
        }
    };
}

problems! {
    /// The body, a parameter or a header is not what this takes.
    NOT_UNDERSTOOD = 400 "not-understood" "The request was not understood";
    /// There is no session, or it ended.
    NOT_SIGNED_IN = 401 "not-signed-in" "You are not signed in";
    /// A signature or token does not hold.
    NOT_VERIFIED = 401 "not-verified" "The signature could not be verified";
    /// Known, and not allowed.
    NOT_ALLOWED = 403 "not-allowed" "You are not allowed to do this";
    /// Cross-site, or from an origin that is not the portal's.
    WRONG_ORIGIN = 403 "wrong-origin" "This may not be asked from there";
    /// It is not there, or not yours to know of.
    NOT_FOUND = 404 "not-found" "There is nothing here for you";
    /// The path takes another method.
    METHOD = 405 "method-not-allowed" "This cannot be done here";
    /// It is not in a state for that.
    CONFLICT = 409 "conflict" "This does not fit the present state";
    /// The same key named another request before.
    KEY_REUSED = 422 "idempotency-key-reused" "The idempotency key belongs to another request";
    /// It was there and has been shown, or its time is over.
    GONE = 410 "gone" "This is no longer available";
    /// The body is too large.
    TOO_LARGE = 413 "too-large" "The request is too large";
    /// The body is not JSON.
    MEDIA_TYPE = 415 "media-type" "Only application/json is taken";
    /// Asked too often.
    TOO_MANY = 429 "too-many" "Too many requests; try again later";
    /// Our defect.
    INTERNAL = 500 "internal" "Something went wrong on our side";
    /// What was stored is not what we stored. Nothing is done with it.
    INTEGRITY = 500 "integrity" "A stored document failed its integrity check; nothing was done";
    /// What was written was not sealed for too long: nothing is decided meanwhile.
    NOT_SEALED = 503 "not-sealed" "The tenant's ledger waits to be sealed; try again shortly";
    /// A service that this needs did not answer.
    UNAVAILABLE = 503 "unavailable" "A service did not answer; try again";
}

impl Problem {
    /// The base of every `type`.
    pub const TYPES: &'static str = "https://airlock.invalid/problems/";

    /// The response body.
    #[must_use]
    pub fn body(self, instance: String, detail: Option<&'static str>) -> Body {
        Body {
            r#type: format!("{}{}", Self::TYPES, self.name),
            title: self.title,
            status: self.status,
            instance,
            detail,
        }
    }

    /// Whether the same call may succeed later: on a queue, redelivery instead of giving up.
    #[must_use]
    pub const fn is_retryable(self) -> bool {
        self.status == 429 || self.status == 503
    }
}
