//! Findings of drift, as the API shows them.

use std::fmt;

use airlock_core::time::Timestamp;
use serde::{Deserialize, Serialize};

use crate::foreign::{Quoted, Word};

/// A list of findings.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[expect(clippy::struct_field_names, reason = "the list is called so in the API")]
pub struct Findings {
    /// The worst first.
    pub findings: Vec<FindingView>,
    /// Stored documents that lie where findings do and are not what `drift` wrote.
    pub violations: Vec<String>,
    /// Whether there are more than these.
    pub more: bool,
}

/// Something that deviates from what was declared, or a source that could not be read.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct FindingView {
    /// Names it.
    pub fingerprint: String,
    /// The check that found it.
    pub check: String,
    /// What it is about.
    pub subject: String,
    /// How it compares.
    pub verdict: String,
    /// How bad it is.
    pub severity: String,
    /// What that means.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub explanation: Option<String>,
    /// What mends it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub remediation: Option<String>,
    /// What was declared.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub declared: Option<String>,
    /// What is there.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub found: Option<String>,
    /// Names all of that, for whoever accepts it.
    pub evidence: String,
    /// When it was first seen.
    pub first_seen: Timestamp,
    /// When it was last written down that it was seen.
    pub last_seen: Timestamp,
    /// How it is dealt with.
    pub state: String,
    /// Why it is accepted.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reason: Option<String>,
    /// Until when it is accepted.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub until: Option<Timestamp>,
    /// How often Airlock was asked to mend it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub attempt: Option<u32>,
    /// When it was asked last.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub since: Option<Timestamp>,
    /// When it was seen to be gone.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub at: Option<Timestamp>,
    /// What Airlock can do about it itself.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub mend: Option<Mend>,
    /// What `drift` signed.
    pub signed: String,
}

/// A change that takes a deviation away.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Mend {
    /// What is removed: `remove_password` or `remove_federated`.
    pub kind: String,
    /// The application that it is removed from.
    pub application: String,
    /// Which one.
    pub credential: String,
}

/// As a table.
pub struct Table<'a>(&'a Findings);

/// As what would be changed.
pub struct Plan<'a>(&'a Findings);

/// What the list does not show.
struct Besides<'a>(&'a Findings);

impl Findings {
    /// What was found.
    #[must_use]
    pub fn table(&self) -> Table<'_> {
        Table(self)
    }

    /// What would mend it.
    #[must_use]
    pub fn plan(&self) -> Plan<'_> {
        Plan(self)
    }

    /// Whether somebody has to look: whoever watches wants to find nothing that nobody accepted,
    /// and to see everything.
    #[must_use]
    pub fn is_alarming(&self) -> bool {
        let is_open = |each: &FindingView| each.state != "accepted";
        self.more || !self.violations.is_empty() || self.findings.iter().any(is_open)
    }
}

/// What the columns say.
const COLUMNS: [&str; 6] = ["severity", "verdict", "state", "since", "what", "declared -> found"];

impl FindingView {
    fn cells(&self) -> [String; 6] {
        let until = self.until.map_or_else(String::new, |until| format!(" until {until}"));
        let of = |text: &Option<String>| text.as_ref().map_or("-".to_owned(), |text| said(text));
        [
            word(&self.severity),
            word(&self.verdict),
            format!("{}{until}", word(&self.state)),
            self.first_seen.to_string(),
            thing(&self.subject),
            format!("{} -> {}", of(&self.declared), of(&self.found)),
        ]
    }

    /// Who does what.
    fn remedy(&self) -> String {
        let mended = self.mend.as_ref().map(|mend| {
            let what = match mend.kind.as_str() {
                "remove_password" => "password",
                "remove_federated" => "federated credential",
                _ => "credential",
            };
            let Mend { application, credential, .. } = mend;
            format!(
                "airlock removes the {what} {} from the application {}",
                word(credential),
                word(application)
            )
        });
        let by_people = || {
            let text = self.remediation.as_deref().unwrap_or("What found it is no more.");
            format!("by hand: {}", said(text))
        };
        match self.state.as_str() {
            "accepted" => {
                let reason = self.reason.as_deref().unwrap_or_default();
                format!("nothing, it is accepted: {}", said(reason))
            }
            "remediating" => {
                let attempt = self.attempt.unwrap_or(1);
                let mended = mended.unwrap_or_else(by_people);
                format!("{mended} (asked {attempt} time(s))")
            }
            _ => mended.unwrap_or_else(by_people),
        }
    }
}

fn word(text: &str) -> String {
    Word(text).to_string()
}

/// A path of names and ids, whole; what else it turns out to be is quoted.
fn thing(text: &str) -> String {
    let is_plain = text.bytes().all(|byte| byte.is_ascii_graphic());
    if is_plain { text.to_owned() } else { said(text) }
}

/// Free text, in one line.
fn said(text: &str) -> String {
    Quoted(text).to_string()
}

/// A table.
impl fmt::Display for Table<'_> {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Findings { findings, .. } = self.0;
        if findings.is_empty() {
            return write!(formatter, "no findings{}", Besides(self.0));
        }
        let head = COLUMNS.map(str::to_owned);
        let rows = findings.iter().map(FindingView::cells);
        let rows: Vec<[String; 6]> = std::iter::once(head).chain(rows).collect();
        let widest = |column: usize| rows.iter().map(|row| row[column].chars().count()).max();
        let widths: Vec<usize> = (0..COLUMNS.len()).filter_map(widest).collect();
        for (index, row) in rows.iter().enumerate() {
            let cells = row.iter().zip(&widths).map(|(cell, width)| format!("{cell:width$}"));
            let line = cells.collect::<Vec<String>>().join("  ");
            let end = if index == 0 { "" } else { "\n" };
            write!(formatter, "{end}{}", line.trim_end())?;
        }
        write!(formatter, "{}", Besides(self.0))
    }
}

/// One finding after the other.
impl fmt::Display for Plan<'_> {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Findings { findings, .. } = self.0;
        if findings.is_empty() {
            return write!(formatter, "nothing would be changed{}", Besides(self.0));
        }
        for (index, finding) in findings.iter().enumerate() {
            let end = if index == 0 { "" } else { "\n" };
            let FindingView { severity, subject, fingerprint, evidence, .. } = finding;
            write!(formatter, "{end}{} {}", word(severity), thing(subject))?;
            write!(formatter, "\n  finding {}", word(fingerprint))?;
            write!(formatter, "\n  evidence {}", word(evidence))?;
            write!(formatter, "\n  {}", finding.remedy())?;
        }
        write!(formatter, "{}", Besides(self.0))
    }
}

/// A line for each, below the list.
impl fmt::Display for Besides<'_> {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Findings { violations, more, .. } = self.0;
        for document in violations {
            write!(formatter, "\nnot what drift wrote: {}", thing(document))?;
        }
        if *more {
            formatter.write_str("\nthere are more, which are not shown")?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;

    fn finding(more: &Value) -> FindingView {
        let mut finding = json!({
            "fingerprint": "abc", "check": "secretless-application",
            "subject": "secretless-application/application/x/password/1", "verdict": "drift",
            "severity": "critical", "declared": "none", "found": "a password",
            "remediation": "Remove it.", "first_seen": 1_700_000_000, "last_seen": 1_700_000_000,
            "state": "open", "signed": "a.b.c", "evidence": "def",
        });
        let more = more.as_object().unwrap().clone();
        finding.as_object_mut().unwrap().extend(more);
        serde_json::from_value(finding).unwrap()
    }

    fn found(findings: Vec<FindingView>) -> Findings {
        Findings { findings, violations: Vec::new(), more: false }
    }

    #[test]
    fn a_table_tells_what_is_wrong_since_when() {
        let findings = vec![finding(&json!({ "found": "a pass\u{202e}word" }))];
        let told = found(findings).table().to_string();
        let (head, line) = told.split_once('\n').unwrap();
        assert!(head.starts_with("severity  verdict  state  since                 what"), "{head}");
        let begin = "critical  drift    open   2023-11-14T22:13:20Z  secretless-application/";
        assert!(line.starts_with(begin), "{line}");
        assert!(line.ends_with(r#""none" -> "a pass\u{202e}word""#), "{line}");
        assert_eq!(found(Vec::new()).table().to_string(), "no findings");
    }

    #[test]
    fn what_is_left_out_or_not_genuine_is_told_below_and_is_an_alarm() {
        let violations = vec!["finding-abc".to_owned(), "x\ny".to_owned()];
        let accepted = || vec![finding(&json!({ "state": "accepted", "reason": "known" }))];
        assert!(found(vec![finding(&json!({}))]).is_alarming());
        assert!(!found(accepted()).is_alarming());

        let spoilt = Findings { violations, ..found(accepted()) };
        let below = "\nnot what drift wrote: finding-abc\nnot what drift wrote: \"x\\u{a}y\"";
        assert!(spoilt.table().to_string().ends_with(below), "{}", spoilt.table());
        assert!(spoilt.is_alarming());

        let left_out = Findings { more: true, ..found(accepted()) };
        assert!(left_out.plan().to_string().ends_with("\nthere are more, which are not shown"));
        assert!(left_out.is_alarming());
        let none = Findings { more: true, ..found(Vec::new()) };
        assert_eq!(none.table().to_string(), "no findings\nthere are more, which are not shown");
    }

    #[test]
    fn a_plan_tells_who_would_change_what() {
        let mend = json!({ "kind": "remove_password", "application": "app", "credential": "key" });
        let findings = vec![
            finding(&json!({})),
            finding(&json!({ "mend": mend })),
            finding(&json!({ "mend": mend, "state": "remediating", "attempt": 2 })),
            finding(&json!({ "state": "accepted", "reason": "an exercise" })),
        ];
        let told = found(findings).plan().to_string();
        assert!(told.starts_with(
            "critical secretless-application/application/x/password/1\n  finding abc\n  evidence def"
        ));
        let remedies: Vec<&str> = told
            .lines()
            .filter(|line| line.starts_with("  ") && !line.starts_with("  finding "))
            .filter(|line| !line.starts_with("  evidence "))
            .collect();
        assert_eq!(
            remedies,
            [
                "  by hand: \"Remove it.\"",
                "  airlock removes the password key from the application app",
                "  airlock removes the password key from the application app (asked 2 time(s))",
                "  nothing, it is accepted: \"an exercise\"",
            ]
        );
        let none = found(Vec::new()).plan().to_string();
        assert_eq!(none, "nothing would be changed");
    }
}
