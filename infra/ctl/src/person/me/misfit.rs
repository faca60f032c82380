//! What about an order its operation does not take.
//!
//! The catalog's own readers are strict, and say only that they do not understand. Which
//! parameter it is, is found by asking them again: with the examples that the catalog gives, and
//! one of the order's own values among them. So no bound stands in two places.

use airlock_core::{
    catalog::{Asked, Change, Entry, OPERATIONS, Parameter, Target, TargetKind},
    identity::TenantId,
};
use serde_json::{Map, Value};

use crate::{again::Typed, cli, nearest::suggestion};

/// An order that is not understood, in words for whoever typed it.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Misfit {
    /// There is no such operation.
    #[error("there is no operation {name}: {instead}")]
    Operation {
        /// What was typed.
        name: String,
        /// What may have been meant.
        instead: String,
    },
    /// It acts on something else.
    #[error("{operation} acts on a {takes}: name it with --{takes}")]
    Target {
        /// The operation.
        operation: &'static str,
        /// What it acts on, which is an option's name as well.
        takes: &'static str,
    },
    /// It acts on what nobody can name, for nobody may ask for it.
    #[error("{operation} is not asked for by people: Airlock does it by what it found itself")]
    Airlocks {
        /// The operation.
        operation: &'static str,
    },
    /// The operation has no such parameter.
    #[error("{operation} takes no parameter {name}: {instead}")]
    Unknown {
        /// The operation.
        operation: &'static str,
        /// What was typed.
        name: String,
        /// What may have been meant.
        instead: String,
    },
    /// A parameter without a default is not given.
    #[error("{operation} needs the parameter {}: {}", .parameter.0.name, .parameter)]
    Missing {
        /// The operation.
        operation: &'static str,
        /// The parameter.
        parameter: Wanted,
    },
    /// A parameter has a value that it cannot have.
    #[error("{value} cannot be {} of {operation}: {}", .parameter.0.name, .parameter)]
    Value {
        /// The operation.
        operation: &'static str,
        /// The parameter.
        parameter: Wanted,
        /// What was typed.
        value: String,
    },
    /// Each parameter could be as it is, and all of them together not.
    #[error("the parameters of {operation} do not go together: see `airlockctl operations`")]
    Together {
        /// The operation.
        operation: &'static str,
    },
}

/// What a parameter is, and how it is typed.
#[derive(Clone, Copy, Debug)]
pub struct Wanted(&'static Parameter);

impl PartialEq for Wanted {
    fn eq(&self, other: &Self) -> bool {
        self.0.name == other.0.name
    }
}

impl Eq for Wanted {}

impl std::fmt::Display for Wanted {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let Parameter { name, meaning, example, .. } = *self.0;
        write!(formatter, "{meaning} (for example -p {name}={})", Typed(example))
    }
}

/// Finds out why an order was not understood.
#[must_use]
pub fn of(tenant: TenantId, asked: &Asked, given: &Map<String, Value>) -> Misfit {
    let names = OPERATIONS.iter().map(|operation| operation.entry().name);
    let known = OPERATIONS.iter().map(|operation| operation.entry());
    let Some(entry) = known.into_iter().find(|entry| entry.name == asked.name) else {
        let (name, instead) = (asked.name.clone(), suggestion(&asked.name, names));
        return Misfit::Operation { name, instead };
    };
    let operation = entry.name;
    let kinds = match (entry.target, &asked.target) {
        (TargetKind::User, Target::User(_))
        | (TargetKind::Secret, Target::Secret(_))
        | (TargetKind::Application, Target::Application(_)) => None,
        (TargetKind::User, _) => Some("user"),
        (TargetKind::Secret, _) => Some("secret"),
        (TargetKind::Application, _) => return Misfit::Airlocks { operation },
    };
    if let Some(takes) = kinds {
        return Misfit::Target { operation, takes };
    }
    let takes = |name: &str| entry.parameters.iter().find(|parameter| parameter.name == name);
    if let Some(name) = given.keys().find(|name| takes(name).is_none()) {
        let instead = suggestion(name, entry.parameters.iter().map(|parameter| parameter.name));
        return Misfit::Unknown { operation, name: name.clone(), instead };
    }
    let is_missing =
        |parameter: &&Parameter| parameter.required && !given.contains_key(parameter.name);
    if let Some(parameter) = entry.parameters.iter().find(is_missing) {
        return Misfit::Missing { operation, parameter: Wanted(parameter) };
    }
    let examples = examples(entry);
    for parameter in entry.parameters {
        let Some(value) = given.get(parameter.name) else { continue };
        let mut others = examples.clone();
        others.insert(parameter.name.to_owned(), value.clone());
        let alone = Asked { parameters: Value::Object(others), ..asked.clone() };
        if Change::understand(tenant, &alone).is_err() {
            let value = value.as_str().map_or_else(|| value.to_string(), str::to_owned);
            return Misfit::Value { operation, parameter: Wanted(parameter), value };
        }
    }
    Misfit::Together { operation }
}

/// A value for each parameter that the operation takes.
fn examples(entry: &Entry) -> Map<String, Value> {
    let example =
        |parameter: &Parameter| (parameter.name.to_owned(), cli::value(parameter.example));
    entry.parameters.iter().map(example).collect()
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    const USER: &str = "11111111-2222-4333-8444-555555555555";

    fn asked(name: &str, parameters: &Value) -> Asked {
        let known = OPERATIONS.iter().find(|operation| operation.entry().name == name);
        let target = match known.map(|operation| operation.entry().target) {
            Some(TargetKind::Secret) => json!({ "secret": "payroll" }),
            Some(TargetKind::Application) => json!({ "application": USER }),
            Some(TargetKind::User) | None => json!({ "user": USER }),
        };
        serde_json::from_value(json!({ "name": name, "target": target, "parameters": parameters }))
            .unwrap()
    }

    fn told(name: &str, parameters: impl Into<Value>) -> String {
        let asked = asked(name, &parameters.into());
        let tenant = "605d9d43-3534-4810-8152-9d01a268ad22".parse().unwrap();
        assert!(Change::understand(tenant, &asked).is_err(), "{name}");
        of(tenant, &asked, asked.parameters.as_object().unwrap()).to_string()
    }

    #[test]
    fn the_parameter_that_is_not_understood_is_named_with_what_it_takes() {
        assert_eq!(
            told("tap.issue", json!({ "lifetime_minutes": 5, "usable_once": false })),
            "5 cannot be lifetime_minutes of tap.issue: for how many minutes it works, 10 to 480; \
             60 by default (for example -p lifetime_minutes=120)"
        );
        assert_eq!(
            told("tap.issue", json!({ "lifetime_minutes": 60, "usable_once": "yes" })),
            "yes cannot be usable_once of tap.issue: whether it works once; true by default (for \
             example -p usable_once=false)"
        );
        assert_eq!(
            told("tap.issue", json!({ "lifetime": 30 })),
            "tap.issue takes no parameter lifetime: there are lifetime_minutes, usable_once"
        );
        assert_eq!(
            told("sessions.revoke", json!({ "all": true })),
            "sessions.revoke takes no parameter all: there are none"
        );
        assert_eq!(
            told("tap.isue", json!({})),
            "there is no operation tap.isue: did you mean tap.issue?"
        );
    }

    #[test]
    fn who_names_another_kind_of_thing_is_told_which_kind_it_takes() {
        let tenant = "605d9d43-3534-4810-8152-9d01a268ad22".parse().unwrap();
        let told = |asked: Value| of(tenant, &serde_json::from_value(asked).unwrap(), &Map::new());

        let user = told(json!({ "name": "secret.rotate", "target": { "user": USER } }));
        let secret = told(json!({ "name": "account.disable", "target": { "secret": "payroll" } }));

        assert_eq!(user.to_string(), "secret.rotate acts on a secret: name it with --secret");
        assert_eq!(secret.to_string(), "account.disable acts on a user: name it with --user");
        let nobodys = told(json!({ "name": "credential.remove", "target": { "user": USER } }));
        assert_eq!(
            nobodys.to_string(),
            "credential.remove is not asked for by people: Airlock does it by what it found itself"
        );
    }

    #[test]
    fn every_parameter_of_the_catalog_is_named_when_it_is_missing_or_wrong() {
        for entry in OPERATIONS.iter().map(|operation| operation.entry()) {
            for parameter in entry.parameters {
                let mut given = examples(entry);
                // No parameter takes an object.
                given.insert(parameter.name.to_owned(), json!({}));
                let wrong = told(entry.name, given.clone());
                assert!(
                    wrong.starts_with(&format!("{{}} cannot be {} of", parameter.name)),
                    "{wrong}"
                );
                assert!(wrong.contains(parameter.meaning), "{wrong}");
                if parameter.required {
                    given.remove(parameter.name);
                    let missing = told(entry.name, given);
                    let named = format!("{} needs the parameter {}:", entry.name, parameter.name);
                    assert!(missing.starts_with(&named), "{missing}");
                }
            }
        }
    }
}
