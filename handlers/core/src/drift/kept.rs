//! How far `drift` has come, kept beside a place's findings: encrypted, for it names objects of a
//! directory.

use serde::{Serialize, de::DeserializeOwned};

use super::Drift;
use crate::{
    data_keys::NotSealed,
    identity::App,
    keyset::Trust,
    ledger::{
        Commit, Contents, Document, Happened, NotCommitted, NotGenuine, NotRead, commit::Change,
    },
    ports::{Partition, PortError},
    time::Timestamp,
};

/// How far `drift` has come could not be told, or kept.
#[derive(Debug, thiserror::Error)]
pub(super) enum NotKept {
    #[error("position not read")]
    NotRead(#[from] NotRead),
    #[error("not gone on")]
    Port(#[from] PortError),
    #[error("position not encrypted")]
    NotSealed(#[from] NotSealed),
    #[error("position not committed")]
    NotCommitted(#[from] NotCommitted),
    #[error("position not written as JSON")]
    Form(#[from] serde_json::Error),
}

impl Drift {
    /// What was kept of this kind, if anything was. Remote calls: one read.
    pub(super) async fn kept<T: DeserializeOwned>(
        &self,
        kind: &'static str,
        trust: &Trust,
        partition: &Partition,
        now: Timestamp,
    ) -> Result<Option<Document<T>>, NotKept> {
        let Some(found) = self.ports.documents.read(partition, kind).await? else {
            return Ok(None);
        };
        let keys = self.keys.of(trust, partition);
        let document: Document<T> = Document::open_sealed(found, keys, now).await?;
        // No other app says how far drift has come.
        if document.by != App::Drift {
            return Err(NotRead::from(NotGenuine::Contents("author")).into());
        }
        Ok(Some(document))
    }

    /// Keeps it in the place of what was kept before. Remote calls: one commit.
    pub(super) async fn keep<T: Serialize + Sync>(
        &self,
        kind: &'static str,
        trust: &Trust,
        partition: &Partition,
        before: Option<&Document<T>>,
        body: &T,
        now: Timestamp,
    ) -> Result<(), NotKept> {
        let text = serde_json::to_string(body)?;
        let salt = before.map(|document| document.salt);
        let sealed = self.keys.of(trust, partition).seal(kind, salt, &text).await?;
        let commit = Commit {
            happened: Happened::Scanned,
            principal: None,
            request: None,
            reason: None,
            traceparent: None,
            change: Some(Change {
                id: kind.to_owned(),
                kind,
                at: before.map_or(now.as_unix_s(), |document| document.at),
                hint: None,
                contents: Contents::Sealed(sealed),
                replaces: before.map(|document| document.etag.clone()),
            }),
            markers: Vec::new(),
            counts: Vec::new(),
            outgoing: Vec::new(),
            subject: None,
            artefact: None,
        };
        match self.ledger.commit(partition, commit, now).await {
            // Another run was faster: what it kept is as good.
            Ok(_) | Err(NotCommitted::Conflict) => Ok(()),
            Err(error) => Err(error.into()),
        }
    }
}
