//! Commands that verify: receipts and whole trees, with public keys and nothing else.
//!
//! Nothing that is read here is believed: not the files, not the API that serves them. What is
//! believed is a key that whoever types the command has from elsewhere.

mod audit;
mod folder;
mod judge;
mod live;
mod receipt;
mod witness;

use std::{
    fs::{self, File},
    io::Read as _,
    path::Path,
};

use airlock_core::ledger::{Checkpoint, Note};
use anyhow::Context as _;
use serde::Deserialize;
use serde_json::json;

use self::{
    audit::{Audited, audit},
    folder::Folder,
    judge::Judge,
    live::Live,
    receipt::Proof,
    witness::{Cosigned, Witness},
};
use crate::{
    Ending, Surroundings,
    cli::{Place, Since, Verify},
    foreign::Plain,
    person::{Desk, api::Api},
    screen::{Form, line, note},
};

/// Size of the largest file that is read, in bytes: a full bundle of the longest entries.
const MAX_BYTES: u64 = 256 * (2 + 65_535);

/// Carries out a command that verifies.
///
/// # Errors
///
/// If what is verified cannot be read, or does not hold.
pub async fn carry_out(
    command: &Verify,
    place: &Place,
    surroundings: Surroundings,
) -> anyhow::Result<Ending> {
    let form = if place.json { Form::Json } else { Form::Text };
    let now = surroundings.clock.now();
    match command {
        Verify::Receipt(options) => {
            let judge = Judge::of(&options.by, now)?;
            let proof = Proof::read(&options.file, options.entry.as_deref())?;
            told(form, &proof, &judge)
        }
        Verify::Tiles(options) => {
            let judge = Judge::of(&options.by, now)?;
            let kept = kept(&options.since, &judge)?;
            let folder = Folder::open(&options.folder)?;
            reported(form, &audit(&folder, &judge, kept).await?)
        }
        Verify::Live(options) => {
            let judge = Judge::of(&options.by, now)?;
            let kept = kept(&options.since, &judge)?;
            let api = Desk::new(place, surroundings)?.api()?;
            if let Some(request) = &options.request {
                let path = format!("/api/requests/{request}/receipt");
                return told(form, &receipt_of(&api, &path).await?, &judge);
            }
            let live = Live::new(api, judge.origin());
            reported(form, &audit(&live, &judge, kept).await?)
        }
        Verify::Witness(options) => {
            let judge = Judge::of(&options.by, now)?;
            let live = Live::new(Desk::new(place, surroundings)?.api()?, judge.origin());
            let cosigned = Witness::new(&options.to)?.cosign(&live, &judge).await?;
            cosigned_told(form, &cosigned, options.keep.as_deref())
        }
    }
}

async fn receipt_of(api: &Api, path: &str) -> anyhow::Result<Proof> {
    Proof::of_answer(&api.get(path).await?)
}

/// A receipt either holds, or is an error that says why not.
fn told(form: Form, proof: &Proof, judge: &Judge) -> anyhow::Result<Ending> {
    let found = proof.verify(judge)?;
    let Checkpoint { origin, size, seal, .. } = &found.checkpoint;
    let result = json!({
        "holds": true,
        "origin": origin.to_string(),
        "index": found.index,
        "size": size,
        "sealed": seal.time,
        "anchor": seal.number,
        "signed_by_keyset": found.is_judged,
        "ending": found.ending.map(|ending| ending.to_string()),
    });
    let ending = found.ending.map_or_else(String::new, |ending| format!("\n  outcome {ending}"));
    let judged = if found.is_judged {
        "statement and outcome signed by keys of the keyset"
    } else {
        "who signed statement and outcome is not judged: that needs --keyset"
    };
    form.result(
        &result,
        format_args!(
            "the receipt holds: entry {} of {origin}\n  sealed at {} by anchor {}, with {size} \
             entries\n  {judged}{ending}",
            found.index, seal.time, seal.number,
        ),
    )?;
    Ok(Ending::Done)
}

/// A cosigned checkpoint, kept if there is a file for it.
fn cosigned_told(form: Form, cosigned: &Cosigned, keep: Option<&Path>) -> anyhow::Result<Ending> {
    let Cosigned { note, checkpoint, before } = cosigned;
    if let Some(file) = keep {
        fs::write(file, note.to_string()).with_context(|| file.display().to_string())?;
    }
    let result = json!({
        "origin": checkpoint.origin.to_string(),
        "size": checkpoint.size,
        "before": before,
        "signatures": note.signatures().len(),
    });
    form.result(
        &result,
        format_args!(
            "the witness has cosigned {}\n  {} entries, and {before} when it did so before",
            checkpoint.origin, checkpoint.size
        ),
    )?;
    Ok(Ending::Done)
}

/// Every fault is told, and where it is.
fn reported(form: Form, audited: &Audited) -> anyhow::Result<Ending> {
    match form {
        Form::Json => form.result(audited, "")?,
        Form::Text => {
            for fault in &audited.faults {
                line(format_args!("FAULT  {}: {}", Plain(&fault.place), Plain(&fault.what)))?;
            }
            line(audited)?;
        }
    }
    if audited.faults.is_empty() {
        return Ok(Ending::Done);
    }
    if form == Form::Text {
        note("the tree does not hold");
    }
    Ok(Ending::Refused)
}

/// Checkpoints that whoever verifies kept, smallest first.
fn kept(since: &Since, judge: &Judge) -> anyhow::Result<Vec<(String, Checkpoint)>> {
    let mut kept = Vec::new();
    for file in &since.files {
        let place = file.display().to_string();
        let note = checkpoint_in(&text(file)?).with_context(|| place.clone())?;
        let checkpoint = judge.kept(&note).with_context(|| place.clone())?;
        kept.push((place, checkpoint));
    }
    kept.sort_by_key(|(_, checkpoint)| checkpoint.size);
    Ok(kept)
}

/// A checkpoint as it is, or the one in an anchor.
fn checkpoint_in(text: &str) -> anyhow::Result<Note> {
    #[derive(Deserialize)]
    struct Anchor {
        checkpoint: String,
    }

    let anchor: Option<Anchor> = serde_json::from_str(text).ok();
    Ok(Note::parse(anchor.as_ref().map_or(text, |anchor| &anchor.checkpoint))?)
}

/// Reads a text file that is not larger than any of ours.
fn text(file: &Path) -> anyhow::Result<String> {
    let named = || file.display().to_string();
    let bytes = bytes(file).with_context(named)?;
    String::from_utf8(bytes).context("not UTF-8").with_context(named)
}

/// Reads a file that is not larger than any of ours.
fn bytes(file: &Path) -> std::io::Result<Vec<u8>> {
    let mut bytes = Vec::new();
    File::open(file)?.take(MAX_BYTES + 1).read_to_end(&mut bytes)?;
    if u64::try_from(bytes.len()).is_ok_and(|length| length > MAX_BYTES) {
        return Err(std::io::Error::other("larger than any file of a ledger"));
    }
    Ok(bytes)
}

#[cfg(test)]
mod tests;
