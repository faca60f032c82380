//! The catalog, as the API has it.

use std::fmt;

use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::{
    again::Again,
    cli,
    foreign::{Plain, Word},
};

/// The catalog.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Operations {
    /// Its entries.
    pub operations: Vec<OperationView>,
}

/// An operation.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct OperationView {
    /// Its name in requests.
    pub name: String,
    /// What it does.
    pub summary: String,
    /// How dangerous it is.
    pub risk: String,
    /// Whether its result is a secret for the requester alone.
    pub secret: bool,
    /// What it acts on: `user`, `secret` or `application`.
    #[serde(default = "user")]
    pub target: String,
    /// What it takes, besides what it acts on.
    #[serde(default)]
    pub parameters: Vec<ParameterView>,
}

/// What operations acted on when there was nothing else.
fn user() -> String {
    "user".to_owned()
}

/// A parameter of an operation.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct ParameterView {
    /// Its name.
    pub name: String,
    /// What it says, and within which bounds.
    pub meaning: String,
    /// Whether there is no default.
    pub required: bool,
    /// A value, as it is typed.
    pub example: String,
}

impl ParameterView {
    /// What is typed for it: the type that its example is read as.
    fn kind(&self) -> &'static str {
        match cli::value(&self.example) {
            Value::Bool(_) => "true or false",
            Value::Number(_) => "number",
            _ => "text",
        }
    }

    /// As it is typed, unless a shell would read more into it: the API's words are no commands.
    fn typed(&self) -> Option<String> {
        let plain = |c: char| c.is_ascii_alphanumeric() || "-_.:@,".contains(c);
        let is_plain = |text: &str| !text.is_empty() && text.chars().all(plain);
        let safe = is_plain(&self.name) && is_plain(&self.example);
        safe.then(|| format!(" -p {}={}", self.name, self.example))
    }
}

/// The catalog for people: what each operation takes, and a line to copy.
pub struct Told<'a> {
    operations: &'a Operations,
    again: &'a Again,
}

impl Operations {
    /// The catalog, for whoever types commands like this one.
    #[must_use]
    pub const fn told<'a>(&'a self, again: &'a Again) -> Told<'a> {
        Told { operations: self, again }
    }
}

impl fmt::Display for Told<'_> {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        for operation in &self.operations.operations {
            let OperationView { name, summary, risk, target, parameters, .. } = operation;
            let (name, risk, on) = (Word(name), Word(risk), Word(target));
            writeln!(formatter, "{name} ({risk} risk, on a {on}): {}", Plain(summary))?;
            for parameter in parameters {
                writeln!(
                    formatter,
                    "    {}  {}, {}: {}",
                    Word(&parameter.name),
                    parameter.kind(),
                    if parameter.required { "needed" } else { "can be left out" },
                    Plain(&parameter.meaning)
                )?;
            }
            let typed: Option<String> = parameters.iter().map(ParameterView::typed).collect();
            let option = match target.as_str() {
                "user" => Some("--user USER"),
                "secret" => Some("--secret NAME"),
                // Of an application nobody asks but the service itself; others are newer than this
                // program.
                _ => None,
            };
            if let (Some(typed), Some(option)) = (typed, option) {
                let ask = format!("ask {name} {option}{typed} --purpose \"WHY\"");
                writeln!(formatter, "    {}", self.again.with(ask))?;
            }
        }
        formatter.write_str(
            "USER is an object id or, in the local cloud, a sign-in name. NAME is a secret's in the \
             tenant's secret bindings.",
        )
    }
}

#[cfg(test)]
mod tests {
    use airlock_core::catalog::{OPERATIONS, TargetKind};
    use serde_json::json;

    use super::*;
    use crate::cli::{Place, STACK};

    fn again() -> Again {
        let profile = "sam".parse().unwrap();
        Again::of(&Place { stack: STACK.into(), api: None, profile, json: false })
    }

    fn told(operations: &Value) -> String {
        let operations: Operations = serde_json::from_value(operations.clone()).unwrap();
        operations.told(&again()).to_string()
    }

    #[test]
    fn an_operation_is_listed_with_its_parameters_and_a_line_to_copy() {
        let entries: Vec<_> = OPERATIONS.iter().map(|operation| operation.entry()).collect();
        let told = told(&json!({ "operations": entries }));

        let at = told.find("tap.issue (high risk, on a user)").unwrap();
        let lines: Vec<&str> = told[at..].lines().skip(1).take(3).collect();
        assert_eq!(
            lines,
            [
                "    lifetime_minutes  number, can be left out: for how many minutes it works, 10 \
                 to 480; 60 by default",
                "    usable_once  true or false, can be left out: whether it works once; true by \
                 default",
                "    airlockctl --profile sam ask tap.issue --user USER -p lifetime_minutes=120 -p \
                 usable_once=false --purpose \"WHY\"",
            ]
        );
        assert!(told.contains("    group  text, needed: object id of the group\n"), "{told}");
        let lines = told.lines().filter(|line| line.contains("airlockctl"));
        let for_people = entries.iter().filter(|entry| entry.target != TargetKind::Application);
        assert_eq!(lines.count(), for_people.count());
        let line = "ask secret.rotate --secret NAME -p emergency=true --purpose \"WHY\"";
        assert!(told.contains("\nsecret.rotate (high risk, on a secret): "), "{told}");
        assert!(told.contains(line), "{told}");
    }

    #[test]
    fn an_api_gives_nobody_a_command_to_copy_that_a_shell_reads_otherwise() {
        for (name, example) in [("a", "1; rm -rf ~"), ("a", "$(id)"), ("a b", "1"), ("a", "")] {
            let parameter =
                json!({ "name": name, "meaning": "m", "required": true, "example": example });
            let told = told(&json!({ "operations": [{
                "name": "x.y", "summary": "s", "risk": "low", "secret": false,
                "parameters": [parameter],
            }] }));

            assert!(!told.contains("airlockctl"), "{told}");
        }
    }
}
