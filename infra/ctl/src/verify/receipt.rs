//! A receipt, and what it is the receipt of.

use std::path::Path;

use airlock_core::{
    claim::{Ending, Outcome},
    jws::Signed,
    ledger::{Checkpoint, Happened, Receipt, Statement},
};
use anyhow::{Context as _, ensure};
use serde::Deserialize;

use super::{judge::Judge, text};

/// A receipt with its entry.
#[derive(Debug)]
pub struct Proof {
    receipt: Receipt,
    entry: String,
    outcome: Option<Signed<Outcome>>,
}

/// As the API gives it.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Answer {
    receipt: String,
    statement: String,
    outcome: Signed<Outcome>,
}

/// What holds.
#[derive(Debug)]
pub struct Found {
    /// Index of the entry.
    pub index: u64,
    /// The tree.
    pub checkpoint: Checkpoint,
    /// Whether statement and outcome were judged by who signed them.
    pub is_judged: bool,
    /// How the request ended, if that was judged.
    pub ending: Option<Ending>,
}

impl Proof {
    /// Reads a receipt: with all that the API gives beside it, or alone and its entry from a
    /// second file.
    ///
    /// # Errors
    ///
    /// If it is neither.
    pub fn read(file: &Path, entry: Option<&Path>) -> anyhow::Result<Self> {
        let receipt = text(file)?;
        let named = || file.display().to_string();
        if let Some(entry) = entry {
            let receipt = Receipt::parse(&receipt).with_context(named)?;
            return Ok(Self { receipt, entry: text(entry)?.trim_end().to_owned(), outcome: None });
        }
        let answer = serde_json::from_str(&receipt)
            .context("not a receipt as the API gives it: without --entry it must be one")
            .with_context(named)?;
        Self::of_answer(&answer).with_context(named)
    }

    /// As the API gave it.
    ///
    /// # Errors
    ///
    /// If it is no receipt.
    pub fn of_answer(answer: &Answer) -> anyhow::Result<Self> {
        Ok(Self {
            receipt: Receipt::parse(&answer.receipt)?,
            entry: answer.statement.clone(),
            outcome: Some(answer.outcome.clone()),
        })
    }

    /// Verifies all of it.
    ///
    /// # Errors
    ///
    /// What does not hold.
    pub fn verify(&self, judge: &Judge) -> anyhow::Result<Found> {
        let checkpoint = judge.checkpoint(&self.receipt.checkpoint).context("the checkpoint")?;
        self.receipt.prove(self.entry.as_bytes(), &checkpoint).context("the entry")?;
        let mut found =
            Found { index: self.receipt.index, checkpoint, is_judged: false, ending: None };
        if !judge.has_keyset() {
            return Ok(found);
        }
        let signed: Signed<Statement> =
            Signed::parse(self.entry.as_str()).context("the statement")?;
        let Some(statement) = judge.open(&signed) else { return Ok(found) };
        let statement = statement.context("the statement")?;
        ensure!(
            statement.tenantid == judge.origin().partition(),
            "the statement is about another tenant"
        );
        found.is_judged = true;
        if let Some(Some(outcome)) = self.outcome.as_ref().map(|outcome| judge.open(outcome)) {
            let outcome = outcome.context("the outcome")?;
            ensure!(
                statement.r#type == Happened::Ended
                    && statement.data.request == Some(outcome.req)
                    && statement.iss == outcome.iss,
                "the statement is not the one that the outcome's request ended"
            );
            ensure!(
                outcome.tnt.to_string() == statement.tenantid,
                "the outcome is about another tenant"
            );
            found.ending = Some(outcome.ending);
        }
        Ok(found)
    }
}
