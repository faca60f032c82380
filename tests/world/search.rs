//! Searching everything that is written down for what must not be there.

use std::{fs, path::Path};

use base64::{
    Engine as _, alphabet,
    engine::{DecodePaddingMode, GeneralPurpose, GeneralPurposeConfig},
};

use super::World;

/// The program in each package. It was built before any secret existed.
const PROGRAM: &str = "handler";

/// How deep text lies in text: a signature's payload, in a document, in a message.
const DEPTH: u32 = 3;

/// Shorter runs of base64 are ordinary words.
const WORD: usize = 12;

const LENIENT: GeneralPurposeConfig = GeneralPurposeConfig::new()
    .with_decode_padding_mode(DecodePaddingMode::Indifferent)
    .with_decode_allow_trailing_bits(true);
const STANDARD: GeneralPurpose = GeneralPurpose::new(&alphabet::STANDARD, LENIENT);
const URL_SAFE: GeneralPurpose = GeneralPurpose::new(&alphabet::URL_SAFE, LENIENT);

/// Everything that is written down: logs, files, documents, messages, blobs. What stands there
/// in base64 is decoded too.
pub struct Places(Vec<(String, String)>);

impl Places {
    /// Gathers everything, now.
    pub async fn everywhere(world: &World) -> Self {
        let control = world.control();
        let mut places = Vec::new();
        for app in ["signin", "intake", "execute", "rotate", "drift"] {
            places.push((format!("log of {app}"), control.log(app).await));
        }
        for container in ["tenants", "sessions", "revocations", "bindings"] {
            for document in control.documents(container).await {
                places.push((format!("{container}/{}", document["id"]), document.to_string()));
            }
        }
        places.push(("bus".to_owned(), control.bus().await.to_string()));
        places.push(("blobs".to_owned(), control.blobs().await.to_string()));
        places.push(("record of calls".to_owned(), control.get("/calls").await.to_string()));
        places.push(("record of tokens".to_owned(), control.get("/tokens").await.to_string()));
        places.push(("what the cloud printed".to_owned(), world.said()));
        files(world.state(), &mut places);
        for (_, contents) in &mut places {
            let decoded = unfolded(contents, DEPTH);
            contents.push_str(&decoded);
        }
        Self(places)
    }

    /// The places where this stands.
    #[must_use]
    pub fn with(&self, needle: &str) -> Vec<&str> {
        assert!(needle.len() >= 8, "too short to be told from chance: {needle}");
        let found = self.0.iter().filter(|(_, contents)| contents.contains(needle));
        found.map(|(place, _)| place.as_str()).collect()
    }
}

/// Whether a file's bytes hold this text.
#[must_use]
pub fn holds(file: &Path, needle: &str) -> bool {
    let bytes = fs::read(file).expect("a file of the package");
    String::from_utf8_lossy(&bytes).contains(needle)
}

fn files(folder: &Path, places: &mut Vec<(String, String)>) {
    for entry in fs::read_dir(folder).expect("a folder of the world") {
        let path = entry.expect("an entry").path();
        if path.is_dir() {
            files(&path, places);
        } else if path.file_name().is_none_or(|name| name != PROGRAM) {
            // The cloud may be replacing it at this moment.
            let Ok(bytes) = fs::read(&path) else { continue };
            places.push((path.display().to_string(), String::from_utf8_lossy(&bytes).into_owned()));
        }
    }
}

/// What the runs of base64 in a text decode to, and what stands in those again.
fn unfolded(text: &str, depth: u32) -> String {
    let mut all = String::new();
    if depth == 0 {
        return all;
    }
    let is_base64 = |c: char| c.is_ascii_alphanumeric() || "-_+/".contains(c);
    for run in text.split(|c| !is_base64(c)).filter(|run| run.len() >= WORD) {
        let decoded = URL_SAFE.decode(run).or_else(|_| STANDARD.decode(run));
        if let Ok(bytes) = decoded
            && let Ok(inner) = String::from_utf8(bytes)
        {
            all.push('\n');
            all.push_str(&inner);
            all.push_str(&unfolded(&inner, depth - 1));
        }
    }
    all
}
