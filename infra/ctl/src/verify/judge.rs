//! Whose word counts: the key or the keyset that whoever verifies has from elsewhere.

use std::path::Path;

use airlock_core::{
    jwk::PublicKey,
    jws::{Artefact, NotVerified, Signed, Verified},
    keyset::{Issued, Keyset, Trust},
    ledger::{Checkpoint, Note, Origin, note::VerifierKey},
    time::Timestamp,
};
use anyhow::Context as _;
use serde::Deserialize;

use super::text;
use crate::cli::By;

/// Judges what belongs to one tree.
#[derive(Clone, Debug)]
pub struct Judge {
    origin: Origin,
    believes: Believes,
    now: Timestamp,
}

#[derive(Clone, Debug)]
enum Believes {
    Key(VerifierKey),
    Keyset(Box<Trust>),
}

/// A checkpoint does not count.
#[derive(Debug, thiserror::Error)]
pub enum NotBelieved {
    /// The key did not sign it.
    #[error("not signed by the key given, under its name")]
    NotSigned,
    /// The keyset does not vouch for it.
    #[error("not signed by a key that the keyset lists for checkpoints")]
    NotVerified(#[source] NotVerified),
    /// It is signed and no checkpoint of ours.
    #[error("not a checkpoint of this ledger's form")]
    NotACheckpoint,
    /// It is of another tree.
    #[error("a checkpoint of {0}, which is another tree")]
    OtherTree(Origin),
}

impl Judge {
    /// Reads what shall be believed.
    ///
    /// # Errors
    ///
    /// If it cannot be read, or the root did not sign the keyset.
    pub fn of(by: &By, now: Timestamp) -> anyhow::Result<Self> {
        match by {
            By { key: Some(key), .. } => {
                let origin = Origin::parse(key.name()).context("the key given by --key")?;
                Ok(Self { origin, believes: Believes::Key(key.clone()), now })
            }
            By { keyset: Some(keyset), root: Some(root), origin: Some(origin), .. } => {
                let signed =
                    keyset_in(&text(keyset)?).with_context(|| keyset.display().to_string())?;
                let trust = Trust::verify(&root_in(root)?, &signed, now).with_context(|| {
                    format!("{}: not a keyset that the root signed", keyset.display())
                })?;
                let believes = Believes::Keyset(Box::new(trust));
                Ok(Self { origin: origin.clone(), believes, now })
            }
            By { .. } => Err(anyhow::anyhow!("whom to believe: --key, or --keyset with --root")),
        }
    }

    /// The tree.
    pub const fn origin(&self) -> &Origin {
        &self.origin
    }

    /// Whether it can tell who may sign what.
    pub const fn has_keyset(&self) -> bool {
        matches!(self.believes, Believes::Keyset(_))
    }

    /// Opens the checkpoint of the tree as it is presented.
    ///
    /// # Errors
    ///
    /// [`NotBelieved`].
    pub fn checkpoint(&self, note: &Note) -> Result<Checkpoint, NotBelieved> {
        self.opened(note, Trust::open_checkpoint)
    }

    /// Opens a checkpoint that whoever verifies kept since it was made: a key that was revoked
    /// later counts.
    ///
    /// # Errors
    ///
    /// [`NotBelieved`].
    pub fn kept(&self, note: &Note) -> Result<Checkpoint, NotBelieved> {
        self.opened(note, Trust::open_anchored)
    }

    fn opened(&self, note: &Note, open: Opening) -> Result<Checkpoint, NotBelieved> {
        let checkpoint = match &self.believes {
            Believes::Key(key) => {
                if !note.is_signed_by(key.name(), key.key()) {
                    return Err(NotBelieved::NotSigned);
                }
                Checkpoint::parse(note.text()).map_err(|_| NotBelieved::NotACheckpoint)?
            }
            Believes::Keyset(trust) => open(trust, note, self.origin.ledger(), self.now)
                .map_err(NotBelieved::NotVerified)?
                .value()
                .clone(),
        };
        if checkpoint.origin == self.origin {
            Ok(checkpoint)
        } else {
            Err(NotBelieved::OtherTree(checkpoint.origin))
        }
    }

    /// The same judge for what was in a checkpoint of this time that whoever verifies kept.
    pub fn as_of(&self, sealed: Timestamp) -> Self {
        let believes = match &self.believes {
            Believes::Keyset(trust) => Believes::Keyset(Box::new(trust.as_of(sealed))),
            Believes::Key(key) => Believes::Key(key.clone()),
        };
        Self { believes, ..self.clone() }
    }

    /// Opens what an app signed; `None` if no keyset says who may.
    ///
    /// # Errors
    ///
    /// [`NotVerified`].
    pub fn open<T: Issued>(&self, signed: &Signed<T>) -> Option<Result<Verified<T>, NotVerified>> {
        match &self.believes {
            Believes::Key(_) => None,
            Believes::Keyset(trust) => Some(trust.open(signed, self.now)),
        }
    }
}

/// How the keyset opens a checkpoint of the ledger of this name: as it stands, or as it was kept.
type Opening = fn(&Trust, &Note, &str, Timestamp) -> Result<Verified<Checkpoint>, NotVerified>;

/// The root as a JWK, or as a package's manifest names it.
fn root_in(file: &Path) -> anyhow::Result<PublicKey> {
    #[derive(Deserialize)]
    struct Package {
        root: PublicKey,
    }

    let text = text(file)?;
    serde_json::from_str(&text)
        .or_else(|_| serde_json::from_str(&text).map(|Package { root }| root))
        .with_context(|| format!("{}: neither a public key nor a manifest", file.display()))
}

/// The keyset as it is, or as it is stored.
fn keyset_in(text: &str) -> anyhow::Result<Signed<Keyset>> {
    #[derive(Deserialize)]
    #[serde(bound = "T: Artefact")]
    struct Stored<T> {
        artefact: Signed<T>,
    }

    match serde_json::from_str(text) {
        Ok(Stored { artefact }) => Ok(artefact),
        Err(_) => Ok(Signed::parse(text.trim_end())?),
    }
}
