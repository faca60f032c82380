//! Parameters, each at most once.

use std::collections::BTreeMap;

use super::refusal::Refusal;

/// Parameters of a query or of a form.
#[derive(Debug)]
pub struct Form(BTreeMap<String, String>);

impl Form {
    /// Reads `application/x-www-form-urlencoded` text.
    ///
    /// # Errors
    ///
    /// If a parameter stands twice: RFC 6749, section 3.1, forbids it, and two readers of such a
    /// request may each see another value.
    pub fn parse(text: &[u8]) -> Result<Self, Refusal> {
        let mut parameters = BTreeMap::new();
        for (name, value) in url::form_urlencoded::parse(text) {
            if parameters.insert(name.into_owned(), value.into_owned()).is_some() {
                return Err(Refusal::Malformed);
            }
        }
        Ok(Self(parameters))
    }

    /// A parameter that is there and not empty.
    #[must_use]
    pub fn optional(&self, name: &str) -> Option<&str> {
        self.0.get(name).map(String::as_str).filter(|value| !value.is_empty())
    }

    /// A parameter that must be there.
    ///
    /// # Errors
    ///
    /// If it is not, or is empty.
    pub fn required(&self, name: &'static str) -> Result<&str, Refusal> {
        self.optional(name).ok_or(Refusal::Missing(name))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_parameter_stands_at_most_once() {
        assert_eq!(Form::parse(b"a=1&b=2&a=1").unwrap_err(), Refusal::Malformed);
        assert_eq!(Form::parse(b"a=1&b=x+%26").unwrap().optional("b"), Some("x &"));
    }

    #[test]
    fn an_empty_parameter_counts_as_missing() {
        let form = Form::parse(b"code=").unwrap();

        assert_eq!(form.required("code"), Err(Refusal::Missing("code")));
    }
}
