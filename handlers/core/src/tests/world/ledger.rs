//! What can be seen afterwards: records, effects and the ledger.

use crate::{
    claim::Outcome,
    digest::Digest,
    identity::TenantId,
    ledger::{Document, commit::StoredLeaf},
    ports::{Documents as _, Partition, Query},
    reception::RequestName,
    record::{Record, document_id},
};

use super::{CONTOSO, World};

impl World {
    pub async fn record(&self, tenant: TenantId, request: Digest) -> Document<Record> {
        let partition = Partition::tenant(&self.scope(tenant).await);
        let found = self.documents.read(&partition, &document_id(request)).await.unwrap().unwrap();
        Document::open(found, &partition, &self.trust().await, self.now()).unwrap()
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

    /// What happened in a tenant's ledger, in order.
    pub async fn ledger(&self, partition: &Partition) -> Vec<String> {
        let query = Query { kind: "leaf", equals: None, limit: 10_000 };
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
            .collect()
    }

    pub async fn contoso_ledger(&self) -> Vec<String> {
        self.ledger(&Partition::tenant(&self.scope(CONTOSO).await)).await
    }
}
