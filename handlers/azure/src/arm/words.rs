//! How Azure words what it answers: lists of things, ids and words in any case.

use airlock_core::{drift::actual::Name, ports::PortError};
use serde::{Deserialize, de::DeserializeOwned};
use serde_json::Value;

/// An answer of Azure's is not of the form that it gives.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("Azure's answer about {0} not understood")]
pub(super) struct NotUnderstood(pub(super) &'static str);

impl From<NotUnderstood> for PortError {
    fn from(error: NotUnderstood) -> Self {
        Self::Broken(error.into())
    }
}

/// A word of a fixed list, in whatever case.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(from = "String")]
pub(super) struct Word(String);

impl From<String> for Word {
    fn from(text: String) -> Self {
        Self(text.trim().to_ascii_lowercase())
    }
}

impl Word {
    /// Whether it is this one, which is in small letters.
    pub(super) fn is(&self, word: &str) -> bool {
        self.0 == word
    }
}

/// Whether a word is there, and this one.
pub(super) fn is(word: Option<&Word>, wanted: &str) -> bool {
    word.is_some_and(|word| word.is(wanted))
}

/// A resource of which its id is enough.
#[derive(Debug, Deserialize)]
pub(super) struct Identified {
    id: String,
}

impl Identified {
    /// Its path, if it is in this group.
    pub(super) fn path(&self, group: &str) -> Result<String, NotUnderstood> {
        path(&Name::new(&self.id), group)
    }

    /// Its id.
    pub(super) fn name(&self) -> Name {
        Name::new(&self.id)
    }
}

/// The path of a resource in a group, by its id. What is asked stays in the group, whatever an
/// answer names.
pub(super) fn path(id: &Name, group: &str) -> Result<String, NotUnderstood> {
    let rest = below(id.as_str(), group).ok_or(NotUnderstood("an id"))?;
    let plain = rest.split('/').skip(1).all(is_name);
    if plain && !rest.is_empty() {
        Ok(format!("{group}{rest}"))
    } else {
        Err(NotUnderstood("an id"))
    }
}

/// What of an id, in small letters, stands below the id of a group.
pub(super) fn below<'a>(id: &'a str, group: &str) -> Option<&'a str> {
    let rest = id.strip_prefix(&group.to_ascii_lowercase())?;
    (rest.is_empty() || rest.starts_with('/')).then_some(rest)
}

/// Whether a text can stand in a path as one part of it.
pub(super) fn is_name(text: &str) -> bool {
    let plain = |byte: u8| byte.is_ascii_alphanumeric() || b"-_.".contains(&byte);
    !text.is_empty() && text.bytes().all(plain) && text.bytes().any(|byte| byte != b'.')
}

/// Things of one kind.
pub(super) fn understood<T: DeserializeOwned>(
    what: &'static str,
    things: Vec<Value>,
) -> Result<Vec<T>, NotUnderstood> {
    let read = things.into_iter().map(|thing| one(what, thing));
    read.collect()
}

/// One thing.
pub(super) fn one<T: DeserializeOwned>(
    what: &'static str,
    thing: Value,
) -> Result<T, NotUnderstood> {
    serde_json::from_value(thing).map_err(|_| NotUnderstood(what))
}

#[cfg(test)]
mod tests {
    use super::*;

    const GROUP: &str = "/subscriptions/1/resourceGroups/Airlock";

    #[test]
    fn what_is_asked_stays_in_the_group() {
        let of = |id: &str| path(&Name::new(id), GROUP);

        let vault = "/SUBSCRIPTIONS/1/resourcegroups/AIRLOCK/providers/Microsoft.KeyVault/vaults/v";
        assert_eq!(of(vault).unwrap(), format!("{GROUP}/providers/microsoft.keyvault/vaults/v"));
        for other in [
            GROUP,
            "/subscriptions/1/resourceGroups/airlock2/providers/a/b/c",
            "/subscriptions/2/resourceGroups/airlock/providers/a/b/c",
            "/subscriptions/1/resourceGroups/airlock/providers/a/b/../../../other",
            "/subscriptions/1/resourceGroups/airlock/providers/a/b/c?x",
            "/subscriptions/1/resourceGroups/airlock//a",
            "https://elsewhere.example/subscriptions/1/resourceGroups/airlock/a",
        ] {
            assert!(of(other).is_err(), "{other}");
        }
    }

    #[test]
    fn a_word_is_the_same_in_any_case() {
        let word: Word = serde_json::from_str(r#""Disabled""#).unwrap();

        assert!(word.is("disabled"));
        assert!(is(Some(&word), "disabled"));
        assert!(!is(None, "disabled"));
    }
}
