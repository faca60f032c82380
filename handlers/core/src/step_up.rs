//! Step-up: proving again who one is, as an authentication context of Entra's demands.

use serde::{Deserialize, Serialize};

/// An authentication context of Entra's, `c1` to `c99`, that a step-up asks for.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct Context(String);

/// Not the name of an authentication context.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("not an authentication context, c1 to c99")]
pub struct NotAContext;

impl Context {
    /// Its name.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl TryFrom<String> for Context {
    type Error = NotAContext;

    fn try_from(text: String) -> Result<Self, NotAContext> {
        let number: u8 =
            text.strip_prefix('c').and_then(|number| number.parse().ok()).ok_or(NotAContext)?;
        let is_context = (1..=99).contains(&number) && text == format!("c{number}");
        is_context.then_some(Self(text)).ok_or(NotAContext)
    }
}

impl From<Context> for String {
    fn from(context: Context) -> Self {
        context.0
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn contexts_are_c1_to_c99() {
        for good in ["c1", "c25", "c99"] {
            assert!(Context::try_from(good.to_owned()).is_ok(), "{good}");
        }
        for bad in ["", "c", "c0", "c100", "c01", "c+1", "C1", "1", "c1 ", "urn:x"] {
            assert_eq!(Context::try_from(bad.to_owned()), Err(NotAContext), "{bad}");
        }
    }
}
