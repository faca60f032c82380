//! Having a witness cosign a tree (C2SP tlog-witness), so that somebody who is not us remembers
//! how large it was.
//!
//! The witness verifies the checkpoint's signature and that the tree grew from what it cosigned
//! before; it needs no right in the tenant, and learns sizes and hashes and nothing else. Whoever
//! runs this only carries: from the API, which they may read, to the witness.

use std::time::Duration;

use airlock_core::{
    digest::Digest,
    ledger::{
        Checkpoint, Note,
        proof::{self, Hashes},
        tile::{Resource, Tile, decode_hashes},
    },
};
use anyhow::{Context as _, bail};
use async_trait::async_trait;
use base64::{Engine as _, engine::general_purpose::STANDARD};
use reqwest::{StatusCode, Url};

use super::{audit::Source, judge::Judge};

/// How long a witness may take.
const CALL: Duration = Duration::from_secs(30);

/// Size of the largest answer of a witness that is read, in bytes.
const MAX_ANSWER_BYTES: usize = 64 * 1024;

/// A checkpoint that a witness cosigned.
#[derive(Debug)]
pub struct Cosigned {
    /// The checkpoint, with every signature that it has by now.
    pub note: Note,
    /// What it says.
    pub checkpoint: Checkpoint,
    /// How large the tree was when the witness cosigned it before; 0 if it never did.
    pub before: u64,
}

/// A witness, by its submission prefix.
#[derive(Debug)]
pub struct Witness {
    http: reqwest::Client,
    add_checkpoint: Url,
}

/// What a witness says to a checkpoint.
enum Said {
    /// Its signature lines.
    Lines(String),
    /// It cosigned the tree at this size before, and wants the proof from there.
    Size(u64),
}

impl Witness {
    /// A witness.
    ///
    /// # Errors
    ///
    /// If the address is neither `https` nor on this machine.
    pub fn new(prefix: &Url) -> anyhow::Result<Self> {
        let is_loopback = matches!(prefix.host_str(), Some("127.0.0.1" | "[::1]" | "localhost"));
        if prefix.scheme() != "https" && !(prefix.scheme() == "http" && is_loopback) {
            bail!("the witness {prefix} is no https address");
        }
        let mut http =
            reqwest::Client::builder().timeout(CALL).redirect(reqwest::redirect::Policy::none());
        if is_loopback {
            http = http.no_proxy();
        }
        let prefix = prefix.as_str().trim_end_matches('/');
        let add_checkpoint = Url::parse(&format!("{prefix}/add-checkpoint"))?;
        Ok(Self { http: http.build()?, add_checkpoint })
    }

    /// Has it cosign the newest checkpoint of a tree. The checkpoint is verified before.
    ///
    /// # Errors
    ///
    /// If the tree cannot be read, its checkpoint does not hold, or the witness does not cosign
    /// it: above all if it saw a larger tree before.
    pub async fn cosign(&self, source: &dyn Source, judge: &Judge) -> anyhow::Result<Cosigned> {
        let file = source.read("checkpoint").await?.context("no checkpoint is published yet")?;
        let note = Note::parse(&String::from_utf8(file).context("checkpoint is not UTF-8")?)?;
        let checkpoint = judge.checkpoint(&note)?;
        // What the witness has cosigned is its to say: it answers with the size.
        let (before, lines) = match self.add(0, &[], &note).await? {
            Said::Lines(lines) => (0, lines),
            Said::Size(before) => {
                if before > checkpoint.size {
                    bail!(
                        "the witness has cosigned this tree with {before} entries, and the API \
                         serves one with {}: it was rolled back, or is not the same",
                        checkpoint.size
                    );
                }
                let proof = proof::consistency(before, checkpoint.size, &Tiles(source)).await?;
                match self.add(before, &proof, &note).await? {
                    Said::Lines(lines) => (before, lines),
                    Said::Size(now) => bail!(
                        "somebody else had it cosigned meanwhile, with {now} entries: try again"
                    ),
                }
            }
        };
        let cosigned = Note::parse(&format!("{note}{lines}"))
            .context("the witness answered with something else than signature lines")?;
        if cosigned.text() != note.text() || cosigned.signatures().len() <= note.signatures().len()
        {
            bail!("the witness answered without a signature");
        }
        Ok(Cosigned { note: cosigned, checkpoint, before })
    }

    async fn add(&self, old: u64, proof: &[Digest], note: &Note) -> anyhow::Result<Said> {
        let mut body = format!("old {old}\n");
        for hash in proof {
            body.push_str(&STANDARD.encode(hash.as_bytes()));
            body.push('\n');
        }
        body.push('\n');
        body.push_str(&note.to_string());
        let answer = self.http.post(self.add_checkpoint.clone()).body(body).send().await?;
        let status = answer.status();
        let answer = answer.bytes().await?;
        if answer.len() > MAX_ANSWER_BYTES {
            bail!("the witness answered with more than {MAX_ANSWER_BYTES} bytes");
        }
        let said = str::from_utf8(&answer).context("the witness did not answer in UTF-8")?;
        match status {
            StatusCode::OK => Ok(Said::Lines(said.to_owned())),
            StatusCode::CONFLICT => {
                let size = said.strip_suffix('\n').and_then(|size| size.parse().ok());
                size.map(Said::Size).context("the witness answered with no size")
            }
            StatusCode::NOT_FOUND => bail!("the witness does not know this tree: tell it the key"),
            StatusCode::FORBIDDEN => bail!("the witness knows another key of this tree"),
            StatusCode::UNPROCESSABLE_ENTITY => {
                bail!("the witness saw another tree before: this one did not grow from it")
            }
            status => bail!("the witness answered {status}"),
        }
    }
}

/// The tiles of what is served.
struct Tiles<'a>(&'a dyn Source);

/// A tile was not read.
#[derive(Debug, thiserror::Error)]
enum NoTile {
    #[error("tile not served")]
    NotThere,
    #[error("tile not understood")]
    Form,
    #[error("tile not read: {0:#}")]
    NotRead(anyhow::Error),
}

#[async_trait]
impl Hashes for Tiles<'_> {
    type Error = NoTile;

    async fn tile(&self, tile: Tile) -> Result<Vec<Digest>, NoTile> {
        let path = Resource::Hashes(tile).path();
        let file = self.0.read(&path).await.map_err(NoTile::NotRead)?.ok_or(NoTile::NotThere)?;
        decode_hashes(&file, tile.width()).ok_or(NoTile::Form)
    }
}
