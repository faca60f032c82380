//! Commands that verify, with public keys and nothing else.

use std::path::PathBuf;

use airlock_core::ledger::{Origin, note::VerifierKey};
use clap::{Args, Subcommand};
use reqwest::Url;

use crate::person::view::RequestId;

/// What to verify.
#[derive(Debug, Subcommand)]
pub enum Verify {
    /// That an entry is in a sealed tree: a file as `GET /api/requests/{id}/receipt` gives it, or a
    /// C2SP tlog-proof with its entry in a second file
    Receipt(Receipt),
    /// A whole tree from its files (C2SP tlog-tiles): every entry, every tile, the checkpoint
    Tiles(Tiles),
    /// A whole tree as the API serves it to those who oversee the tenant
    Live(Live),
    /// Has a witness cosign the newest checkpoint of a tree (C2SP tlog-witness), so that somebody
    /// outside remembers how large it was
    Witness(Witness),
}

/// Whom to believe.
#[derive(Debug, Args)]
#[command(next_help_heading = "Whom to believe")]
pub struct By {
    /// Key of the tree's checkpoints, as verifiers of signed notes are told it; entries are then
    /// compared with the tree alone, and not judged by who signed them
    #[arg(
        long,
        value_name = "VKEY",
        required_unless_present = "keyset",
        conflicts_with_all = ["keyset", "root", "origin"]
    )]
    pub key: Option<VerifierKey>,
    /// The signed keyset: every entry must be signed by a key that it lists for that
    #[arg(long, value_name = "FILE", requires_all = ["root", "origin"])]
    pub keyset: Option<PathBuf>,
    /// Public key of the root that signed the keyset, as a JWK, or a package's manifest.json
    #[arg(long, value_name = "FILE")]
    pub root: Option<PathBuf>,
    /// Name of the tree: that of the ledger, `/t/`, the tenant or `platform`, `/` and the epoch
    #[arg(long, value_name = "NAME", value_parser = origin)]
    pub origin: Option<Origin>,
}

/// What the tree must have grown from.
#[derive(Debug, Args)]
pub struct Since {
    /// A checkpoint that you kept, or an anchor: the tree must have grown from it. What was in it
    /// counts even if the key that signed it was revoked later
    #[arg(long = "since", value_name = "FILE")]
    pub files: Vec<PathBuf>,
}

/// Options of `verify receipt`.
#[derive(Debug, Args)]
pub struct Receipt {
    /// The receipt
    pub file: PathBuf,
    /// The entry, if it does not stand beside the receipt
    #[arg(long, value_name = "FILE")]
    pub entry: Option<PathBuf>,
    /// Whom to believe.
    #[command(flatten)]
    pub by: By,
}

/// Options of `verify tiles`.
#[derive(Debug, Args)]
pub struct Tiles {
    /// The folder of one tree, with `checkpoint` and `tile` in it
    pub folder: PathBuf,
    /// What it must have grown from.
    #[command(flatten)]
    pub since: Since,
    /// Whom to believe.
    #[command(flatten)]
    pub by: By,
}

/// Options of `verify live`.
#[derive(Debug, Args)]
pub struct Live {
    /// Verify the receipt of this request alone, and not the whole tree
    #[arg(long, value_name = "ID", conflicts_with = "files")]
    pub request: Option<RequestId>,
    /// What it must have grown from.
    #[command(flatten)]
    pub since: Since,
    /// Whom to believe.
    #[command(flatten)]
    pub by: By,
}

/// Options of `verify witness`.
#[derive(Debug, Args)]
pub struct Witness {
    /// Submission prefix of the witness: an https address
    #[arg(value_name = "URL")]
    pub to: Url,
    /// File to keep the cosigned checkpoint in: what `--since` takes later
    #[arg(long, value_name = "FILE")]
    pub keep: Option<PathBuf>,
    /// Whom to believe.
    #[command(flatten)]
    pub by: By,
}

fn origin(text: &str) -> Result<Origin, &'static str> {
    Origin::parse(text).map_err(|_| "it has the form LEDGER/t/TENANT/EPOCH")
}
