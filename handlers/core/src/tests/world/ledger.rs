//! What can be seen afterwards: records, effects and the ledger.

use std::sync::Arc;

use crate::{
    claim::Outcome,
    data_keys::DataKeys,
    digest::Digest,
    identity::{App, TenantId},
    ledger::{Document, Ledger, commit::StoredLeaf},
    ports::{Documents as _, Partition, Query},
    reception::RequestName,
    record::{Record, document_id},
};

use super::{CONTOSO, World};

impl World {
    pub async fn record(&self, tenant: TenantId, request: Digest) -> Document<Record> {
        let partition = Partition::tenant(&self.scope(tenant).await);
        let found = self.documents.read(&partition, &document_id(request)).await.unwrap().unwrap();
        let (trust, keys) = (self.trust().await, self.data_keys());
        Document::open_sealed(found, keys.of(&trust, &partition), self.now()).await.unwrap()
    }

    /// Tenants' data keys, as another process of `intake` has them.
    pub fn data_keys(&self) -> DataKeys {
        let ports = self.ports(App::Intake);
        let ledger = Ledger::new(App::Intake, &ports, Arc::new(self.trust_store()));
        DataKeys::new(&ports, Arc::new(ledger))
    }

    /// How a request stands, in a word, and the worker's reason if it ended.
    pub async fn state(&self, id: &str) -> (&'static str, String) {
        let name = RequestName::parse(id).unwrap();
        let record = self.record(name.tenant, name.digest).await.body;
        let reason = match &record.outcome {
            None => String::new(),
            Some(outcome) => {
                let trust = self.trust().await;
                let outcome: Outcome = trust.open(outcome, self.now()).unwrap().value().clone();
                outcome.reason
            }
        };
        (record.state.name(), reason)
    }

    pub fn effects(&self) -> usize {
        self.directory.applied.lock().unwrap().len()
    }

    /// What happened in a tenant's ledger, in order; but for the making of its data key, which
    /// comes before everything that is encrypted under it, and for what the admin plane published.
    pub async fn ledger(&self, partition: &Partition) -> Vec<String> {
        let query = Query { kind: "leaf", equals: None, not_after: None, limit: 10_000 };
        let mut leaves = self.documents.query(partition, &query).await.unwrap();
        leaves.reverse();
        let trust = self.trust().await;
        leaves
            .into_iter()
            .map(|found| {
                let leaf: StoredLeaf = serde_json::from_value(found.json).unwrap();
                let statement = trust.open(&leaf.statement, self.now()).unwrap();
                serde_json::to_value(statement.r#type).unwrap().as_str().unwrap().to_owned()
            })
            .filter(|happened| {
                happened != "airlock.data-key.made" && !happened.ends_with(".published")
            })
            .collect()
    }

    pub async fn contoso_ledger(&self) -> Vec<String> {
        self.ledger(&Partition::tenant(&self.scope(CONTOSO).await)).await
    }
}
