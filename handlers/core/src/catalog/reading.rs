//! Reading what the directory says, strictly: what is not there was not said, and never "no".

use serde_json::Value;

use crate::{identity::ObjectId, ports::PortError};

/// The directory's answer is not of the form that it gives.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{0} in the directory's answer not understood")]
struct NotUnderstood(&'static str);

fn not_understood(what: &'static str) -> PortError {
    PortError::Broken(NotUnderstood(what).into())
}

/// The members of a collection that was answered whole.
pub(super) fn members(answer: &Value) -> Result<&[Value], PortError> {
    if answer.get("@odata.nextLink").is_some() {
        return Err(not_understood("a page"));
    }
    list(answer, "value")
}

/// A list.
pub(super) fn list<'a>(object: &'a Value, name: &'static str) -> Result<&'a [Value], PortError> {
    object[name].as_array().map(Vec::as_slice).ok_or_else(|| not_understood(name))
}

/// A text.
pub(super) fn text<'a>(object: &'a Value, name: &'static str) -> Result<&'a str, PortError> {
    object[name].as_str().ok_or_else(|| not_understood(name))
}

/// A text, or null.
pub(super) fn text_if_any<'a>(
    object: &'a Value,
    name: &'static str,
) -> Result<Option<&'a str>, PortError> {
    match object.get(name) {
        Some(Value::String(text)) => Ok(Some(text)),
        Some(Value::Null) => Ok(None),
        _ => Err(not_understood(name)),
    }
}

/// An id.
pub(super) fn id(object: &Value, name: &'static str) -> Result<ObjectId, PortError> {
    text(object, name)?.parse().map_err(|_| not_understood(name))
}

/// Something true, or false or null.
pub(super) fn flag(object: &Value, name: &'static str) -> Result<bool, PortError> {
    match object.get(name) {
        Some(Value::Bool(flag)) => Ok(*flag),
        Some(Value::Null) => Ok(false),
        _ => Err(not_understood(name)),
    }
}

/// A number of things.
pub(super) fn count(object: &Value, name: &'static str) -> Result<u64, PortError> {
    match object.get(name) {
        Some(Value::Null) => Ok(0),
        Some(value) => value.as_u64().ok_or_else(|| not_understood(name)),
        None => Err(not_understood(name)),
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn what_was_not_said_is_not_no() {
        let said = json!({ "yes": true, "null": null, "text": "x", "list": [] });

        assert!(flag(&said, "yes").unwrap());
        assert!(!flag(&said, "null").unwrap());
        assert_eq!(text_if_any(&said, "null").unwrap(), None);
        assert_eq!(count(&said, "null").unwrap(), 0);
        assert!(flag(&said, "absent").is_err());
        assert!(flag(&said, "text").is_err());
        assert!(text_if_any(&said, "absent").is_err());
        assert!(text(&said, "null").is_err());
        assert!(id(&said, "text").is_err());
        assert!(count(&said, "text").is_err());
        assert!(list(&said, "absent").is_err());
    }

    #[test]
    fn a_collection_of_which_there_is_more_was_not_read() {
        let whole = json!({ "value": [1] });
        let page = json!({ "value": [1], "@odata.nextLink": "https://graph.example/next" });

        assert_eq!(members(&whole).unwrap().len(), 1);
        assert!(members(&page).is_err());
    }
}
