//! How an opened request reads.

use std::fmt;

use airlock_core::decision::Verdict;
use serde::{Serialize, Serializer};
use serde_json::json;

use super::{DecisionView, Opened};
use crate::{
    foreign::{Folded, LABEL, Plain, Word},
    person::{
        people::People,
        view::text::{called, target},
    },
};

/// A request, for somebody who knows these people.
#[derive(Clone, Copy, Debug)]
pub struct Told<'a> {
    request: &'a Opened,
    people: &'a People,
}

impl Opened {
    /// For somebody who knows these people.
    #[must_use]
    pub const fn told<'a>(&'a self, people: &'a People) -> Told<'a> {
        Told { request: self, people }
    }
}

/// All that a person needs to decide, out of the signed request. How far it has come, what others
/// decided and how it ended is the API's word.
impl fmt::Display for Told<'_> {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { request: Opened { says, view, decisions, step_up }, people } = *self;
        writeln!(formatter, "request   {}", self.request.id())?;
        writeln!(formatter, "state     {}", view.progress())?;
        if let Some(reason) = view.because() {
            writeln!(formatter, "because   {}", Folded(reason))?;
        }
        for DecisionView { by, verdict, at, reason } in decisions {
            let (verdict, by) = (word(*verdict), people.briefly(by));
            writeln!(formatter, "decided   {verdict} by {by} at {at}")?;
            writeln!(formatter, "{:LABEL$}{}", "", Folded(reason))?;
        }
        if let Some(context) = step_up {
            let context = context.as_str();
            writeln!(formatter, "step up   {context}, of whoever approves or denies it")?;
        }
        writeln!(formatter, "operation {}: {}", says.entry().name, says.entry().summary)?;
        target(formatter, says.target(), says.tenant(), people)?;
        for (name, value) in says.parameters().as_object().into_iter().flatten() {
            writeln!(formatter, "with      {name}: {}", Plain(&value.to_string()))?;
        }
        writeln!(formatter, "tenant    {}", says.tenant())?;
        writeln!(formatter, "asked by  {}", Word(says.requester()))?;
        called(formatter, people.of_principal(says.requester()))?;
        writeln!(formatter, "purpose   {}", Folded(says.purpose()))?;
        if let Some(ticket) = says.ticket() {
            writeln!(formatter, "ticket    {}", Folded(ticket))?;
        }
        if says.breaks_glass() {
            writeln!(formatter, "emergency it waits for no approval, and is reviewed afterwards")?;
        }
        write!(formatter, "asked     {}, until {}", says.asked_at(), says.expires())
    }
}

const fn word(verdict: Verdict) -> &'static str {
    match verdict {
        Verdict::Approve => "approved",
        Verdict::Deny => "denied",
        Verdict::Withdraw => "withdrawn",
        Verdict::Review => "reviewed",
    }
}

/// The same for programs: what was signed, apart from what the API says.
impl Serialize for Opened {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let Self { says, view, decisions, step_up } = self;
        json!({
            "id": self.id(),
            "signed": {
                "operation": says.entry().name,
                "target": says.target().to_string(),
                "tenant": says.tenant(),
                "parameters": says.parameters(),
                "requester": says.requester(),
                "purpose": says.purpose(),
                "ticket": says.ticket(),
                "break_glass": says.breaks_glass(),
                "asked_at": says.asked_at(),
                "expires": says.expires(),
            },
            "state": view.state,
            "needs_approvals": view.needs_approvals,
            "approvals": view.approvals,
            "decisions": decisions,
            "step_up": step_up,
            "outcome": view.outcome,
            "review": view.review,
        })
        .serialize(serializer)
    }
}
