//! Every call that the three handlers make to the outside: the rows of the table.
//!
//! A call is named as the cloud sees it; `*` stands for any part of a name. Of calls that are alike,
//! each that means something else has a row of its own: the first signature for a request is its
//! permit, the second its ledger entry.

mod execute;
mod intake;
mod signin;

use std::time::Duration;

use serde_json::{Value, json};

use super::story::Story;

/// A call to the outside, in a story that makes it.
#[derive(Clone, Copy, Debug)]
pub struct Row {
    /// Whose call.
    pub app: &'static str,
    /// Whom it calls.
    pub service: &'static str,
    pub method: &'static str,
    pub path: &'static str,
    /// What is asked for, where method and path do not say it.
    pub operation: Option<&'static str>,
    /// How many calls like it the story makes before.
    pub skip: u32,
    /// What it is for.
    pub what: &'static str,
    pub story: Story,
    pub made: Made,
    /// What goes wrong before, where the call is made only then.
    pub trouble: &'static [Trouble],
}

/// Whose calls, and the story in which most of them are made.
#[derive(Clone, Copy)]
struct By {
    app: &'static str,
    story: Story,
}

impl By {
    /// A call in the trace of the story.
    const fn row(
        self,
        service: &'static str,
        method: &'static str,
        path: &'static str,
        what: &'static str,
    ) -> Row {
        let Self { app, story } = self;
        let (operation, skip, made, trouble) = (None, 0, Made::InTrace, &[]);
        Row { app, service, method, path, operation, skip, what, story, made, trouble }
    }

    /// A token of the app's identity, which a process asks for once.
    const fn identity(self, resource: &'static str, what: &'static str) -> Row {
        self.row("identity", "GET", "/msi/token", what).asking(resource).at_start()
    }

    /// What a process looks for, or reads, of what was sealed.
    const fn anchors(self, path: &'static str, skip: u32, what: &'static str) -> Row {
        self.row("blob", "GET", path, "").at_start().then(skip, what)
    }

    /// What a process reads of the store once.
    const fn start(self, path: &'static str, what: &'static str) -> Row {
        self.row("cosmos", "GET", path, what).at_start()
    }
}

/// When a call is made, and so by what it is known.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Made {
    /// For a story: in its trace.
    InTrace,
    /// By a process that has just started, and then not again.
    AtStart,
    /// When a timer ticks.
    ByTimer,
}

/// What has to go wrong for a call to be made at all.
#[derive(Debug, PartialEq, Eq)]
pub struct Trouble {
    pub service: &'static str,
    pub method: &'static str,
    pub path: &'static str,
    pub operation: Option<&'static str>,
    pub skip: u32,
    pub times: u32,
}

impl Row {
    /// Whether a call that was seen is one like this.
    pub fn is_like(&self, app: &str, call: &Value) -> bool {
        let operation = call["operation"].as_str();
        self.app == app
            && call["service"] == self.service
            && call["method"] == self.method
            && fits(self.path, call["path"].as_str().unwrap_or_default())
            && match (self.operation, operation) {
                (Some(pattern), Some(operation)) => asks(pattern, operation),
                (None, None) => true,
                _ => false,
            }
    }

    /// Whether it changes anything, or counts for something, outside of the handler.
    pub fn changes(&self) -> bool {
        let asks = ["query", "client_credentials"];
        let is_question = self.operation.is_some_and(|operation| asks.contains(&operation))
            || self.path.ends_with("$batch")
            || self.service == "vault";
        self.method != "GET" && !is_question
    }

    /// The rule that lets it go wrong.
    pub fn rule(&self, effect: &Value, times: u64, trace: Option<&str>) -> Value {
        // Who asks without a token is not known.
        let anonymous = matches!(self.service, "issuer")
            || (self.service == "entra" && self.method == "GET")
            || (self.service == "vault" && self.method == "GET")
            || (self.service == "intake" && self.method == "GET");
        let mut rule = json!({
            "service": self.service, "method": self.method, "path": self.path,
            "skip": self.skip, "times": times, "effect": effect,
        });
        if !anonymous {
            rule["app"] = json!(self.app);
        }
        if let Some(operation) = self.operation {
            rule["operation"] = json!(operation);
        }
        if let Some(trace) = trace {
            rule["trace"] = json!(trace);
        }
        rule
    }

    /// Whether its request is left to lie: its message goes to the dead letters.
    pub fn is_left(&self) -> bool {
        self.trouble.iter().any(|trouble| trouble.times > 10)
    }

    /// How long a timer's call is not needed yet: a lease has to run out first, or a message to
    /// be refused by the bus.
    pub fn needed_after(&self) -> Duration {
        Duration::from_secs(if self.is_left() { 25 } else { 1 })
    }

    /// How the table names it.
    pub fn words(&self) -> String {
        let Self { app, service, what, .. } = self;
        format!("{app} > {service}: {what}")
    }

    const fn then(self, skip: u32, what: &'static str) -> Self {
        Self { skip, what, ..self }
    }

    const fn asking(self, operation: &'static str) -> Self {
        Self { operation: Some(operation), ..self }
    }

    const fn at_start(self) -> Self {
        Self { made: Made::AtStart, ..self }
    }

    const fn by_timer(self) -> Self {
        Self { made: Made::ByTimer, ..self }
    }

    const fn after(self, trouble: &'static [Trouble]) -> Self {
        Self { trouble, ..self }
    }

    const fn within(self, story: Story) -> Self {
        Self { story, ..self }
    }
}

impl Trouble {
    /// The rule that makes it.
    pub fn rule(&self, app: &str, trace: &str) -> Value {
        let mut rule = json!({
            "service": self.service, "method": self.method, "path": self.path, "app": app,
            "skip": self.skip, "times": self.times, "trace": trace,
            "effect": { "kind": "fail", "status": 503 },
        });
        if let Some(operation) = self.operation {
            rule["operation"] = json!(operation);
        }
        rule
    }
}

/// Every row.
pub fn all() -> Vec<Row> {
    [signin::ROWS, intake::ROWS, execute::ROWS].concat()
}

/// Whether an operation is the one that is named: `api://` is the beginning of an id of ours.
fn asks(pattern: &str, operation: &str) -> bool {
    match pattern.strip_suffix("*-*") {
        Some(beginning) => operation.starts_with(beginning) && operation.contains('-'),
        None => pattern == operation,
    }
}

/// Whether `text` fits `pattern`, in which `*` stands for any characters but `/`, or for none.
fn fits(pattern: &str, text: &str) -> bool {
    let Some((before, after)) = pattern.split_once('*') else { return pattern == text };
    let Some(rest) = text.strip_prefix(before) else { return false };
    let end = rest.find('/').unwrap_or(rest.len());
    (0..=end).any(|at| rest.is_char_boundary(at) && fits(after, &rest[at..]))
}
