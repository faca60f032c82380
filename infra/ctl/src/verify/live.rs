//! A tree as the API serves it.

use std::collections::BTreeSet;

use airlock_core::ledger::Origin;
use async_trait::async_trait;

use super::audit::Source;
use crate::person::api::Api;

/// One tree, behind the API, asked for by whoever is signed in.
#[derive(Debug)]
pub struct Live {
    api: Api,
    path: String,
}

impl Live {
    /// A tree.
    pub fn new(api: Api, origin: &Origin) -> Self {
        let path = format!("/api/ledger/{}/{}", origin.partition(), origin.epoch());
        Self { api, path }
    }
}

#[async_trait]
impl Source for Live {
    fn names(&self) -> Option<&BTreeSet<String>> {
        None
    }

    async fn read(&self, name: &str) -> anyhow::Result<Option<Vec<u8>>> {
        match self.api.read(&format!("{}/{name}", self.path)).await {
            Ok(bytes) => Ok(Some(bytes)),
            Err(error) if error.is_refusal(404) => Ok(None),
            Err(error) => Err(error.into()),
        }
    }
}
