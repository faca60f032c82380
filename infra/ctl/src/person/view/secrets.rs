//! Secrets that are changed on schedule, as the API shows them.

use std::fmt;

use airlock_core::{identity::ObjectId, time::Timestamp};
use serde::{Deserialize, Serialize};

use crate::foreign::Word;

/// A list of secrets.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Secrets {
    /// By their names.
    pub secrets: Vec<SecretView>,
}

/// A secret, and how far its rotation has come.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct SecretView {
    /// Its name.
    pub name: String,
    /// What it is.
    pub kind: String,
    /// Days after which it is replaced, at the latest.
    pub max_age_days: u32,
    /// Hours for which the one before stays valid beside it.
    pub overlap_hours: u32,
    /// People who answer for it.
    #[serde(default)]
    pub owners: Vec<ObjectId>,
    /// How far its rotation has come.
    pub stage: String,
    /// Since when the credential in use is valid.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub active_since: Option<Timestamp>,
    /// Its age, in seconds.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub age_s: Option<i64>,
    /// When it is replaced, at the latest.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub next: Option<Timestamp>,
    /// Whether nothing is in use that is as young as it must be.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub overdue: Option<bool>,
    /// Whether nothing goes on before a person admits the new key.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub waits_for_admission: Option<bool>,
    /// Changes in a row whose new credential did not prove good.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub failures: Option<u32>,
    /// When the credentials before it are removed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub old: Option<Vec<Timestamp>>,
}

/// Secrets at a time.
#[derive(Clone, Copy)]
pub struct Told<'a> {
    secrets: &'a [SecretView],
    now: Timestamp,
}

impl Secrets {
    /// As it reads at this time.
    #[must_use]
    pub fn told(&self, now: Timestamp) -> Told<'_> {
        Told { secrets: &self.secrets, now }
    }
}

/// What the columns say.
const COLUMNS: [&str; 8] =
    ["name", "kind", "stage", "age", "at most", "replaced", "failed", "before it"];

impl SecretView {
    /// Whether somebody must look: it is overdue, or nobody can tell.
    #[must_use]
    pub fn is_alarming(&self) -> bool {
        self.overdue.unwrap_or(true)
    }

    fn cells(&self, now: Timestamp) -> [String; 8] {
        let stage = Word(&self.stage).to_string().replace('_', " ");
        let late = if self.overdue == Some(true) { ", OVERDUE" } else { "" };
        let waits =
            if self.waits_for_admission == Some(true) { ", waits for admission" } else { "" };
        let unknown = || "-".to_owned();
        let known = self.overdue.is_some();
        let next = match self.next {
            Some(next) => next.to_string(),
            None if known => "now".to_owned(),
            None => unknown(),
        };
        let old: Vec<String> = self.old.iter().flatten().map(|at| removed(*at, now)).collect();
        [
            Word(&self.name).to_string(),
            Word(&self.kind).to_string().replace('_', " "),
            format!("{stage}{waits}{late}"),
            self.age_s.map_or_else(unknown, lasting),
            lasting(i64::from(self.max_age_days) * DAY_S),
            next,
            self.failures.map_or_else(unknown, |failures| failures.to_string()),
            if old.is_empty() { unknown() } else { old.join(", ") },
        ]
    }
}

/// Seconds of a day.
const DAY_S: i64 = 24 * 3600;

/// In the largest unit of which there is one at the least.
fn lasting(seconds: i64) -> String {
    let (count, unit) = match seconds {
        DAY_S.. => (seconds / DAY_S, "d"),
        3600.. => (seconds / 3600, "h"),
        60.. => (seconds / 60, "min"),
        _ => (seconds.max(0), "s"),
    };
    format!("{count} {unit}")
}

fn removed(at: Timestamp, now: Timestamp) -> String {
    match at.since_s(now) {
        left @ 1.. => format!("removed in {}", lasting(left)),
        _ => "removed next".to_owned(),
    }
}

/// A table.
impl fmt::Display for Told<'_> {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.secrets.is_empty() {
            return formatter.write_str("no secrets");
        }
        let head = COLUMNS.map(str::to_owned);
        let rows = self.secrets.iter().map(|secret| secret.cells(self.now));
        let rows: Vec<[String; 8]> = std::iter::once(head).chain(rows).collect();
        let widest = |column: usize| rows.iter().map(|row| row[column].chars().count()).max();
        let widths: Vec<usize> = (0..COLUMNS.len()).filter_map(widest).collect();
        for (index, row) in rows.iter().enumerate() {
            let cells = row.iter().zip(&widths).map(|(cell, width)| format!("{cell:width$}"));
            let line = cells.collect::<Vec<String>>().join("  ");
            let end = if index == 0 { "" } else { "\n" };
            write!(formatter, "{end}{}", line.trim_end())?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    const NOW: Timestamp = Timestamp::from_unix_s(1_700_000_000);

    fn secrets() -> Secrets {
        let at = NOW.as_unix_s();
        serde_json::from_value(json!({ "secrets": [
            {
                "name": "payroll", "kind": "entra_client_secret", "max_age_days": 90,
                "overlap_hours": 24, "owners": [], "stage": "active", "active_since": at - 100,
                "age_s": 7200, "next": at + 86_400, "overdue": false, "failures": 2,
                "old": [at + 7200, at - 1],
            },
            {
                "name": "webhook", "kind": "generated", "max_age_days": 30, "overlap_hours": 1,
                "stage": "unknown", "overdue": true, "failures": 0, "old": [],
            },
            {
                "name": "data\u{202e}", "kind": "key_vault_key", "max_age_days": 1,
                "overlap_hours": 1, "stage": "not_verified",
            },
        ] }))
        .unwrap()
    }

    #[test]
    fn a_table_tells_what_is_in_use_since_when_and_what_is_overdue() {
        assert_eq!(
            secrets().told(NOW).to_string(),
            [
                "name            kind                 stage             age  at most  replaced              failed  before it",
                "payroll         entra client secret  active            2 h  90 d     2023-11-15T22:13:20Z  2       removed in 2 h, removed next",
                "webhook         generated            unknown, OVERDUE  -    30 d     now                   0       -",
                "\"data\\u{202e}\"  key vault key        not verified      -    1 d      -                     -       -",
            ]
            .join("\n")
        );
        assert_eq!(Secrets { secrets: Vec::new() }.told(NOW).to_string(), "no secrets");
    }

    #[test]
    fn what_is_overdue_or_cannot_be_told_alarms() {
        let alarms: Vec<bool> = secrets().secrets.iter().map(SecretView::is_alarming).collect();

        assert_eq!(alarms, [false, true, true]);
    }
}
