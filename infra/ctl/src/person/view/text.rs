//! How it all reads. What somebody wrote freely stands in quotes: see [`crate::foreign`].

use std::fmt;

use airlock_core::{
    catalog::Target,
    identity::{PersonId, TenantId},
    record::State,
};

use super::{RequestView, Requests, Reveal, Review, SessionView};
use crate::{
    foreign::{Begun, Folded, LABEL, Quoted, Word},
    person::people::People,
};

/// Something that is shown to somebody who knows these people.
#[derive(Clone, Copy)]
pub struct Told<'a, T> {
    what: &'a T,
    people: &'a People,
}

impl RequestView {
    /// For somebody who knows these people.
    #[must_use]
    pub const fn told<'a>(&'a self, people: &'a People) -> Told<'a, Self> {
        Told { what: self, people }
    }
}

impl Requests {
    /// For somebody who knows these people.
    #[must_use]
    pub const fn told<'a>(&'a self, people: &'a People) -> Told<'a, Self> {
        Told { what: self, people }
    }
}

/// A line below a label with what somebody is called, if that is known.
pub fn called(formatter: &mut fmt::Formatter<'_>, name: Option<String>) -> fmt::Result {
    match name {
        Some(name) => writeln!(formatter, "{:LABEL$}{name}", ""),
        None => Ok(()),
    }
}

impl RequestView {
    /// How far it has come, in a few words of ours.
    #[must_use]
    pub fn progress(&self) -> String {
        let state = self.state.name().replace('_', " ");
        let waits = match self.needs_approvals.saturating_sub(self.approvals) {
            _ if !self.state.is(State::Pending) => String::new(),
            1 => ", waits for 1 approval".to_owned(),
            missing => format!(", waits for {missing} approvals"),
        };
        let secret = match self.reveal {
            Some(Reveal::Ready) => " (its secret can be seen once)",
            Some(Reveal::Revealed) => " (its secret was seen)",
            None => "",
        };
        let emergency = match self.review {
            Some(Review::Due) => " (an emergency that waits for its review)",
            Some(Review::Done) => " (an emergency, reviewed)",
            None if self.break_glass => " (an emergency)",
            None => "",
        };
        format!("{state}{waits}{secret}{emergency}")
    }

    /// The same, and why it ended so.
    #[must_use]
    pub fn standing(&self) -> String {
        let because = self.because().map(|reason| format!(": {}", Quoted(reason)));
        format!("{}{}", self.progress(), because.unwrap_or_default())
    }
}

/// What a request changes: a user, by name as well if it is known, a secret or an app
/// registration.
pub fn target(
    formatter: &mut fmt::Formatter<'_>,
    target: &Target,
    tenant: TenantId,
    people: &People,
) -> fmt::Result {
    match target {
        Target::User(oid) => {
            writeln!(formatter, "user      {oid}")?;
            called(formatter, people.name(PersonId { tid: tenant, oid: *oid }))
        }
        Target::Secret(name) => writeln!(formatter, "secret    {name}"),
        Target::Application(object) => writeln!(formatter, "app       {object}"),
    }
}

/// What the API says of a request.
impl fmt::Display for Told<'_, RequestView> {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { what, people } = *self;
        writeln!(formatter, "request   {}", what.id)?;
        writeln!(formatter, "state     {}", what.progress())?;
        if let Some(reason) = what.because() {
            writeln!(formatter, "because   {}", Folded(reason))?;
        }
        writeln!(formatter, "operation {}", Word(&what.operation))?;
        target(formatter, &what.target, what.tenant, people)?;
        writeln!(formatter, "tenant    {}", what.tenant)?;
        writeln!(formatter, "asked by  {}", Word(&what.requester))?;
        called(formatter, people.of_principal(&what.requester))?;
        writeln!(formatter, "purpose   {}", Folded(&what.purpose))?;
        if let Some(ticket) = &what.ticket {
            writeln!(formatter, "ticket    {}", Folded(ticket))?;
        }
        write!(formatter, "asked     {}, until {}", what.asked_at, what.expires)
    }
}

/// One line for each.
impl fmt::Display for Told<'_, Requests> {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { what: Requests { requests }, people } = *self;
        if requests.is_empty() {
            return formatter.write_str("no requests");
        }
        for (index, request) in requests.iter().enumerate() {
            if index > 0 {
                formatter.write_str("\n")?;
            }
            write!(
                formatter,
                "{}  {}  {} of {} by {}  {}  {}",
                request.id,
                request.asked_at,
                Word(&request.operation),
                request
                    .user()
                    .map_or_else(|| request.target.to_string(), |user| people.user_briefly(user),),
                people.briefly(&request.requester),
                Begun(&request.purpose),
                request.progress(),
            )?;
            if let Some(reason) = request.because() {
                write!(formatter, ": {}", Begun(reason))?;
            }
        }
        Ok(())
    }
}

impl fmt::Display for SessionView {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let roles: Vec<&str> = self.roles.iter().map(|role| role.name()).collect();
        let roles = if roles.is_empty() { "none".to_owned() } else { roles.join(", ") };
        writeln!(formatter, "name      {}", Folded(&self.name))?;
        writeln!(formatter, "person    {}", self.oid)?;
        writeln!(formatter, "tenant    {}", self.tid)?;
        writeln!(formatter, "roles     {roles}")?;
        if !self.acrs.is_empty() {
            let contexts: Vec<String> =
                self.acrs.iter().map(|context| Word(context).to_string()).collect();
            writeln!(formatter, "contexts  {}", contexts.join(", "))?;
        }
        write!(formatter, "until     {}, or {} without a call", self.expires, self.idle_expires)
    }
}

#[cfg(test)]
mod tests {
    use airlock_core::{digest::Digest, identity::PersonId};
    use serde_json::{Value, json};

    use super::*;
    use crate::person::people;

    const TENANT: &str = "605d9d43-3534-4810-8152-9d01a268ad22";

    fn shown(state: &str) -> Value {
        json!({
            "id": format!("{TENANT}.{}", Digest::of(&[b"x"])),
            "state": state,
            "operation": "account.disable",
            "target": TENANT,
            "tenant": TENANT,
            "requester": "entra:a:b",
            "purpose": "left\u{1b}[1A",
            "asked_at": 1_700_000_000,
            "expires": 1_700_028_800,
            "needs_approvals": 1,
            "approvals": 0,
            "later": "ignored",
        })
    }

    fn view(json: Value) -> RequestView {
        serde_json::from_value(json).unwrap()
    }

    fn text(view: &RequestView) -> String {
        view.told(&People::default()).to_string()
    }

    fn listed(view: RequestView) -> String {
        Requests { requests: vec![view] }.told(&People::default()).to_string()
    }

    #[test]
    fn a_request_is_shown_with_what_it_waits_for_and_without_control_characters() {
        let text = text(&view(shown("pending")));

        assert!(text.contains("state     pending, waits for 1 approval\n"), "{text}");
        assert!(text.contains("purpose   \"left\\u{1b}[1A\"\n"), "{text}");
        assert!(text.contains("asked     2023-11-14T22:13:20Z, until"), "{text}");
    }

    #[test]
    fn an_ending_is_shown_with_its_reason() {
        let mut json = shown("refused");
        json["outcome"] = json!({ "ending": "refused", "reason": "the target is protected" });
        let view = view(json);

        assert_eq!(view.standing(), "refused: \"the target is protected\"");
        let text = text(&view);
        assert!(text.contains("\nbecause   \"the target is protected\"\n"), "{text}");
    }

    #[test]
    fn no_text_looks_like_a_line_of_ours() {
        let fake = "user      22222222-2222-4333-8444-555555555555";
        let mut json = shown("refused");
        for member in ["operation", "requester", "purpose", "ticket"] {
            json[member] = json!(format!("x{}{fake}\n{fake}", " ".repeat(90)));
        }
        json["outcome"] = json!({ "ending": "refused", "reason": json["purpose"] });
        let view = view(json);

        let text = text(&view);
        let listed = listed(view);

        let users: Vec<&str> = text.lines().filter(|line| line.contains("user")).collect();
        assert_eq!(users.iter().filter(|line| line.starts_with("user ")).count(), 1, "{text}");
        assert!(!text.contains(fake) && !listed.contains(fake), "{text}\n{listed}");
        assert!(text.lines().all(|line| line.len() <= 90), "{text}");
        assert_eq!(listed.lines().count(), 1);
    }

    #[test]
    fn people_are_called_by_name_beside_what_names_them_exactly() {
        let me = PersonId { tid: TENANT.parse().unwrap(), oid: TENANT.parse().unwrap() };
        let nina = PersonId { oid: "11111111-2222-4333-8444-555555555555".parse().unwrap(), ..me };
        let people = people::tests::among(nina, "nina@contoso.example", me);
        let mut json = shown("pending");
        json["target"] = json!(nina.oid);
        json["requester"] = json!(me.to_string());
        let view = view(json);

        let text = view.told(&people).to_string();
        let listed = Requests { requests: vec![view] }.told(&people).to_string();

        let user = format!("user      {}\n          nina@contoso.example\n", nina.oid);
        assert!(text.contains(&user), "{text}");
        assert!(text.contains(&format!("asked by  {me}\n          you\n")), "{text}");
        assert!(listed.contains("  account.disable of nina@contoso.example by you  "), "{listed}");
    }

    #[test]
    fn lists_tell_emergencies_and_due_reviews() {
        let emergency = |state: &str, review: Value| {
            let mut json = shown(state);
            json["break_glass"] = json!(true);
            json["review"] = review;
            listed(view(json)).rsplit("  ").next().unwrap().to_owned()
        };

        assert_eq!(emergency("permitted", Value::Null), "permitted (an emergency)");
        assert_eq!(
            emergency("succeeded", json!("due")),
            "succeeded (an emergency that waits for its review)"
        );
        assert_eq!(emergency("failed", json!("done")), "failed (an emergency, reviewed)");
    }

    #[test]
    fn a_name_that_somebody_gave_themself_stands_in_quotes() {
        let session: SessionView = serde_json::from_value(json!({
            "sid": Digest::of(&[b"sid"]), "tid": TENANT, "oid": TENANT,
            "name": "Tara\nroles     PlatformAdmin", "roles": ["Auditor"],
            "expires": 2, "idle_expires": 2,
        }))
        .unwrap();

        let text = session.to_string();

        assert!(text.contains("name      \"Tara\\u{a}roles \\u{20}"), "{text}");
        assert!(text.contains("\nroles     Auditor\n"), "{text}");
    }
}
