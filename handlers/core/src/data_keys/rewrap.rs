//! Wrapping data keys again, by the newest version of their wrapping key.

use super::{KIND, NoKey, PREFIX, StoredKey, TenantKeys};
use crate::{
    base64url,
    ledger::{
        Commit, Contents, Document, Happened, NotCommitted, NotGenuine, Stored, commit::Change,
    },
    ports::{Found, PortError, WrappedKey},
};

/// The first id after those of all data keys.
const END: &str = "data-key.";

/// Data keys that are read at once.
const PAGE: u32 = 100;

/// What wrapping again came to.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Rewrapped {
    /// Data keys that are now wrapped by the newest version.
    pub wrapped: u32,
    /// Data keys that somebody else changed meanwhile.
    pub left: u32,
}

impl TenantKeys<'_> {
    /// Wraps every data key of the tenant again that this version wrapped.
    ///
    /// Remote calls: one query for each hundred data keys; an unwrapping, a wrapping and a commit
    /// for each that is wrapped again.
    ///
    /// # Errors
    ///
    /// [`NoKey`]. What was wrapped again before stays so.
    pub async fn rewrap(self, kid: &str) -> Result<Rewrapped, NoKey> {
        let mut done = Rewrapped::default();
        let mut from = PREFIX.to_owned();
        loop {
            let page = self.keys.documents.range(self.partition, &from..END, PAGE).await?;
            let Some(last) = page.last() else { return Ok(done) };
            // No id lies between this one and the next.
            from = format!("{}\0", last.json["id"].as_str().unwrap_or(END));
            for found in page {
                match self.rewrap_one(found, kid).await? {
                    Some(true) => done.wrapped += 1,
                    Some(false) => done.left += 1,
                    None => {}
                }
            }
        }
    }

    /// Whether one was wrapped again; `None` if another version wrapped it.
    async fn rewrap_one(self, found: Found, kid: &str) -> Result<Option<bool>, NoKey> {
        let now = self.keys.clock.now();
        let trust = self.trust_about_key(&Stored::statement_of(&found)?, now).await?;
        let document: Document<StoredKey> = Document::open(found, self.partition, &trust, now)?;
        if document.body.kid != kid {
            return Ok(None);
        }
        let maker = Self::maker(&document)?;
        let wrapped = base64url::decode(&document.body.wrapped);
        let wrapped = wrapped.ok_or(NotGenuine::Contents("data key"))?;
        let vault = self.keys.wrapper.of(self.partition);
        let old = WrappedKey { kid: document.body.kid.clone(), wrapped };
        let key = zeroize::Zeroizing::new(vault.unwrap(&old).await?);
        let WrappedKey { kid: new, wrapped } = vault.wrap(&key).await?;
        if new == kid {
            // The vault did not use a newer one: nothing is gained by writing.
            return Ok(Some(false));
        }
        let stored =
            StoredKey { kid: new, wrapped: base64url::encode(wrapped), maker: Some(maker) };
        let body = serde_json::to_string(&stored);
        let body = body.map_err(|error| PortError::Broken(error.into()))?;
        let commit = Commit {
            change: Some(Change {
                id: document.id.clone(),
                kind: KIND,
                at: document.at,
                hint: None,
                contents: Contents::Clear { salt: Some(document.salt), body },
                replaces: Some(document.etag.clone()),
            }),
            ..Commit::of(Happened::DataKeyRewrapped)
        };
        match self.keys.ledger.commit(self.partition, commit, now).await {
            Ok(_) => Ok(Some(true)),
            Err(NotCommitted::Conflict) => Ok(Some(false)),
            Err(error) => Err(NoKey::NotCommitted(Box::new(error))),
        }
    }
}
