//! Calls on secrets.

use http::StatusCode;
use serde::Deserialize;
use serde_json::{Value, json};

use super::{Asking, Change, page};
use crate::{
    identities::SecretRight,
    vault::{
        attributes::{Standing, Tags, Wanted},
        refused::{Kind, Refused, bad, disabled, forbidden, not_found},
        secrets::{Hidden, Secret, is_name},
        versions::{Version, Versions},
    },
};

/// What is asked of a secret.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Operation {
    Set,
    Get,
    Versions,
    Update,
    /// Deleting, restoring and whatever else Azure offers: the file has no word that grants it.
    Other(&'static str),
}

impl Operation {
    /// The right that allows it, if any does.
    const fn right(self) -> Option<SecretRight> {
        match self {
            Self::Set | Self::Update => Some(SecretRight::Set),
            Self::Get => Some(SecretRight::Get),
            Self::Versions => Some(SecretRight::List),
            Self::Other(_) => None,
        }
    }

    /// The data action that Azure's role definitions know it by.
    const fn action(self) -> &'static str {
        match self {
            Self::Set => "Microsoft.KeyVault/vaults/secrets/setSecret/action",
            Self::Get => "Microsoft.KeyVault/vaults/secrets/getSecret/action",
            Self::Versions => "Microsoft.KeyVault/vaults/secrets/readMetadata/action",
            Self::Update => "Microsoft.KeyVault/vaults/secrets/update/action",
            Self::Other(action) => action,
        }
    }
}

/// The body that sets a secret.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
struct Set {
    value: Hidden,
    content_type: Option<String>,
    #[serde(default)]
    attributes: Wanted,
    #[serde(default)]
    tags: Tags,
}

/// Answers `/secrets/…`.
pub(super) fn answer(
    secrets: &Versions<Secret>,
    asking: &Asking<'_>,
    path: &[&str],
) -> Result<Value, Refused> {
    let (name, version, operation) = target(asking, path)?;
    let (name, version) = (name.to_ascii_lowercase(), version.filter(|it| !it.is_empty()));
    // Before anything is looked for: who may not read a secret is not told whether it exists.
    let right = operation.right();
    let may = |right| asking.identity().is_some_and(|(_, of)| of.may_secret(right, &name));
    if !right.is_some_and(may) {
        let resource = format!("secrets/{name}");
        let action = operation.action();
        return Err(forbidden(asking.names, asking.caller, action, resource.trim_end_matches('/')));
    }
    if !is_name(&name) {
        return Err(bad(
            StatusCode::BAD_REQUEST,
            "The request URI contains an invalid name.".to_owned(),
        ));
    }
    let absent = || not_found(Kind::Secret, &name, version);
    match operation {
        Operation::Set => {
            let Set { value, content_type, attributes, tags } = asking.body()?;
            let set = Version::new(Secret { value, content_type }, &attributes, tags);
            secrets.add(&name, set.clone());
            Ok(with_value(asking, &name, &set))
        }
        Operation::Get => {
            let found = secrets.find(&name, version).ok_or_else(absent)?;
            // A secret outside of its time is read all the same, as in Azure.
            if found.attributes.standing() == Standing::Disabled {
                return Err(disabled(Kind::Secret, "get"));
            }
            Ok(with_value(asking, &name, &found))
        }
        Operation::Versions => {
            let versions = secrets.of(&name);
            if versions.is_empty() {
                return Err(absent());
            }
            let shown = versions.iter().map(|it| (it.id.clone(), shown(asking, &name, it)));
            page::of(asking, shown.collect())
        }
        Operation::Update => {
            let Change { attributes, tags } = asking.body()?;
            let version = version.ok_or_else(|| asking.nothing())?;
            let updated = secrets.update(&name, version, |found| {
                found.attributes.update(&attributes);
                if let Some(tags) = tags {
                    found.tags = tags;
                }
            });
            Ok(shown(asking, &name, &updated.ok_or_else(absent)?))
        }
        Operation::Other(_) => Err(asking.nothing()),
    }
}

fn target<'a>(
    asking: &Asking<'_>,
    path: &[&'a str],
) -> Result<(&'a str, Option<&'a str>, Operation), Refused> {
    let found = match (asking.asked.method().as_str(), path) {
        ("GET", [] | [""]) => Some(("", None, Operation::Other(Operation::Versions.action()))),
        ("PUT", [name] | [name, ""]) => Some((*name, None, Operation::Set)),
        ("GET", [name, "versions"]) => Some((*name, None, Operation::Versions)),
        ("GET", [name]) => Some((*name, None, Operation::Get)),
        ("GET", [name, version] | [name, version, ""]) => {
            Some((*name, Some(*version), Operation::Get))
        }
        ("PATCH", [name]) => Some((*name, None, Operation::Update)),
        ("PATCH", [name, version]) => Some((*name, Some(*version), Operation::Update)),
        ("DELETE", [name]) => {
            Some((*name, None, Operation::Other("Microsoft.KeyVault/vaults/secrets/delete")))
        }
        ("POST", [name, "backup"]) => {
            Some((*name, None, Operation::Other("Microsoft.KeyVault/vaults/secrets/backup/action")))
        }
        _ => None,
    };
    found.ok_or_else(|| asking.nothing())
}

fn shown(asking: &Asking<'_>, name: &str, version: &Version<Secret>) -> Value {
    let mut shown = json!({
        "id": format!("https://{}/secrets/{name}/{}", asking.names.vault, version.id),
        "attributes": version.attributes.written(),
        "tags": version.tags,
    });
    if let Some(content_type) = &version.what.content_type {
        shown["contentType"] = json!(content_type);
    }
    shown
}

fn with_value(asking: &Asking<'_>, name: &str, version: &Version<Secret>) -> Value {
    let mut shown = shown(asking, name, version);
    shown["value"] = json!(version.what.value.expose());
    shown
}
