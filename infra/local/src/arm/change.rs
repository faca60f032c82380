//! Changes to resources, as whoever owns the subscription could make them.

use std::sync::PoisonError;

use serde::Deserialize;
use serde_json::{Map, Value};

use super::{
    Resources, State,
    kinds::ROLE_ASSIGNMENTS,
    path::{Target, key},
    seed::resource,
    wording::Wording,
};

/// One change. Exactly one of `patch`, `create` and `delete` is said.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Change {
    /// Of what: a whole id, or what of it stands below the resource group.
    id: String,
    /// A JSON merge patch (RFC 7396) of what there is.
    #[serde(default, deserialize_with = "said")]
    patch: Option<Value>,
    /// What there shall be, where there is nothing yet.
    #[serde(default)]
    create: Option<Map<String, Value>>,
    /// Whether it goes, with everything below it.
    #[serde(default)]
    delete: bool,
}

/// A patch is one even if it is `null`.
fn said<'de, D: serde::Deserializer<'de>>(value: D) -> Result<Option<Value>, D::Error> {
    Value::deserialize(value).map(Some)
}

impl Resources {
    /// Makes a change.
    ///
    /// # Errors
    ///
    /// If it says nothing, or is about what is not there, or is there already.
    pub fn change(&self, change: Change) -> Result<(), String> {
        let id = if change.id.starts_with('/') {
            change.id
        } else {
            format!("{}/{}", self.group.id(), change.id)
        };
        let target = self.group.target(&id).map_err(|problem| problem.message().to_owned())?;
        let Target::Item { kind, id } = target else {
            return Err(format!("{id} is not the id of a resource"));
        };
        let mut state = self.state();
        let found = state.resources.get_mut(&key(&id));
        match (change.patch, change.create, change.delete, found) {
            (Some(patch), None, false, Some(found)) => {
                let mut patched = found.clone();
                merge(&mut patched, patch);
                if !patched.is_object()
                    || key(patched["id"].as_str().unwrap_or_default()) != key(&id)
                {
                    return Err("a patch changes no id".to_owned());
                }
                *found = patched;
            }
            (None, Some(body), false, None) => {
                let mut body = Value::Object(body);
                if kind == &ROLE_ASSIGNMENTS && body["properties"]["scope"].is_null() {
                    let over = id.len() - format!("/providers/{kind}/").len();
                    let name = id.rsplit('/').next().unwrap_or_default();
                    body["properties"]["scope"] = id[..over - name.len()].into();
                }
                state.resources.insert(key(&id), resource(kind, &id, body));
            }
            (None, None, true, Some(_)) => {
                let (own, below) = (key(&id), key(&format!("{id}/")));
                state.resources.retain(|id, _| *id != own && !id.starts_with(&below));
            }
            (Some(_), None, false, None) | (None, None, true, None) => {
                return Err(format!("there is no {id}"));
            }
            (None, Some(_), false, Some(_)) => return Err(format!("{id} is there already")),
            _ => return Err("exactly one of patch, create and delete is to be said".to_owned()),
        }
        Ok(())
    }

    /// Remembers everything as it is.
    pub fn snapshot(&self) {
        let now = self.state().clone();
        *self.kept.lock().unwrap_or_else(PoisonError::into_inner) = Some(now);
    }

    /// Puts everything back as it was remembered.
    ///
    /// # Errors
    ///
    /// If nothing was.
    pub fn restore(&self) -> Result<(), String> {
        let kept = self.kept.lock().unwrap_or_else(PoisonError::into_inner).clone();
        *self.state() = kept.ok_or("there is no snapshot")?;
        Ok(())
    }

    /// Puts the same into other words: orders, cases, times, and shorter pages.
    pub fn shuffle(&self) {
        let mut state = self.state();
        let State { wording, .. } = &mut *state;
        Wording::shuffle(wording);
    }

    /// Every resource, as it was made or changed last.
    #[must_use]
    pub fn all(&self) -> Value {
        self.state().resources.values().cloned().collect()
    }
}

/// RFC 7396, section 2.
fn merge(target: &mut Value, patch: Value) {
    let Value::Object(patch) = patch else {
        *target = patch;
        return;
    };
    if !target.is_object() {
        *target = Value::Object(Map::new());
    }
    let Value::Object(members) = target else { return };
    for (name, value) in patch {
        if value.is_null() {
            members.remove(&name);
        } else {
            merge(members.entry(name).or_insert(Value::Null), value);
        }
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn a_patch_is_merged_as_the_rfc_shows() {
        // RFC 7396, appendix A.
        for (before, patch, after) in [
            (json!({ "a": "b" }), json!({ "a": "c" }), json!({ "a": "c" })),
            (json!({ "a": "b" }), json!({ "b": "c" }), json!({ "a": "b", "b": "c" })),
            (json!({ "a": "b" }), json!({ "a": null }), json!({})),
            (json!({ "a": ["b"] }), json!({ "a": "c" }), json!({ "a": "c" })),
            (json!({ "a": "c" }), json!({ "a": ["b"] }), json!({ "a": ["b"] })),
            (
                json!({ "a": { "b": "c" } }),
                json!({ "a": { "b": "d", "c": null } }),
                json!({ "a": { "b": "d" } }),
            ),
            (json!(["a", "b"]), json!(["c", "d"]), json!(["c", "d"])),
            (json!({ "e": null }), json!({ "a": 1 }), json!({ "e": null, "a": 1 })),
            (json!([1, 2]), json!({ "a": "b", "c": null }), json!({ "a": "b" })),
            (json!({}), json!({ "a": { "bb": { "ccc": null } } }), json!({ "a": { "bb": {} } })),
        ] {
            let mut merged = before;
            merge(&mut merged, patch);
            assert_eq!(merged, after);
        }
    }
}
