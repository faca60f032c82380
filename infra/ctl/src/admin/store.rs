//! The container of keyset and bindings in Cosmos DB.

use std::{collections::BTreeSet, sync::Arc};

use airlock_core::{
    identity::TenantId,
    ports::{BatchError, Container, Etag, Found, Partition, PortError, Source, Write},
    trust::BINDING_ID,
};
use async_trait::async_trait;
use azure_core::{credentials::TokenCredential, http::StatusCode};
use azure_data_cosmos::{
    AccountReference, ContainerClient, CosmosClientBuilder, CosmosError, FeedScope, Query,
    RoutingStrategy, TransactionalBatch,
    models::{TransactionalBatchOperationResult, TransactionalBatchResponse},
    options::{BatchReplaceOptions, Precondition},
};
use futures::TryStreamExt as _;
use serde_json::Value;

use super::publish::Shelf;

/// Properties that Cosmos DB adds to a document.
const ADDED: [&str; 5] = ["_rid", "_self", "_etag", "_attachments", "_ts"];

/// The container.
pub struct Store {
    bindings: ContainerClient,
}

impl Store {
    /// Connects. The client reads the account and the container first.
    ///
    /// # Errors
    ///
    /// [`PortError`].
    pub async fn connect(
        address: &str,
        database: &str,
        credential: Arc<dyn TokenCredential>,
    ) -> Result<Self, PortError> {
        let endpoint = address.parse().map_err(|error: CosmosError| failed(error))?;
        let account = AccountReference::with_credential(endpoint, credential);
        // One region: the account's own.
        let routing = RoutingStrategy::PreferredRegions(Vec::new());
        let client = CosmosClientBuilder::new().build(account, routing).await.map_err(failed)?;
        let database = client.database_client(database);
        let bindings = database.container_client(Container::Bindings.name(), None).await;
        Ok(Self { bindings: bindings.map_err(failed)? })
    }
}

#[async_trait]
impl Shelf for Store {
    async fn read(&self, partition: &Partition, id: &str) -> Result<Option<Found>, PortError> {
        let read = self.bindings.read_item(partition.key().to_owned(), id, None).await;
        let answer = match read {
            Ok(answer) => answer,
            Err(error) if error.status().is_not_found() => return Ok(None),
            Err(error) => return Err(failed(error)),
        };
        let etag = answer.headers().etag().map(|etag| Etag(etag.to_string()));
        let etag = etag.ok_or_else(|| PortError::Broken("document without version".into()))?;
        let mut json: Value = answer.into_model().map_err(failed)?;
        if let Some(document) = json.as_object_mut() {
            document.retain(|name, _| !ADDED.contains(&name.as_str()));
        }
        Ok(Some(Found { json, etag }))
    }

    async fn write(&self, partition: &Partition, writes: &[Write]) -> Result<(), BatchError> {
        let batch = batch(partition, writes)?;
        let answer = self.bindings.execute_transactional_batch(batch, None).await;
        // A batch that failed comes as a success with status 207: what happened stands in it.
        judged(&answer.map_err(failed)?.into_model().map_err(failed)?, writes)
    }

    async fn tenants(&self) -> Result<Vec<TenantId>, PortError> {
        let query = Query::from("SELECT VALUE c.tenant FROM c WHERE c.kind = @kind");
        let query = query.with_parameter("@kind", BINDING_ID).map_err(failed)?;
        let found = self.bindings.query_items::<String>(query, FeedScope::full_container(), None);
        let found = found.await.map_err(failed)?;
        let keys: Vec<String> = found.try_collect().await.map_err(failed)?;
        let tenants: BTreeSet<TenantId> = keys.iter().filter_map(|key| key.parse().ok()).collect();
        Ok(tenants.into_iter().collect())
    }
}

fn batch(partition: &Partition, writes: &[Write]) -> Result<TransactionalBatch, PortError> {
    let batch = TransactionalBatch::new(partition.key().to_owned());
    writes.iter().try_fold(batch, |batch, write| match write {
        Write::Create(json) => batch.create_item(json).map_err(failed),
        Write::Replace(json, etag) => {
            let id = json["id"].as_str().ok_or_else(|| broken("a document without an id"))?;
            let unchanged = Precondition::if_match(etag.0.clone());
            let options = BatchReplaceOptions::default().with_precondition(unchanged);
            batch.replace_item(id.to_owned(), json, Some(options)).map_err(failed)
        }
        Write::Delete(..) => Err(broken("the admin plane deletes nothing")),
    })
}

/// What became of a batch: all of it, or nothing because of one write.
fn judged(answer: &TransactionalBatchResponse, writes: &[Write]) -> Result<(), BatchError> {
    let results = answer.results();
    if results.len() != writes.len() {
        return Err(broken("an answer about other writes").into());
    }
    // 424 is a follower: it would have worked, had not another failed.
    let is_cause = |status: u16| !(200..300).contains(&status) && status != 424;
    let cause = results.iter().position(|result| is_cause(result.status_code()));
    match cause.map(|index| (index, results[index].status_code())) {
        None if results.iter().all(TransactionalBatchOperationResult::is_success) => Ok(()),
        None => Err(broken("followers of nobody").into()),
        // It was there already, or is another by now, or is gone.
        Some((index, 404 | 409 | 412)) => Err(BatchError::Conflict(index)),
        Some((index, status)) => {
            Err(of_status(status.into(), NotWritten { index, status }.into()).into())
        }
    }
}

/// A write of a batch did not work, and not because of what stands.
#[derive(Debug, thiserror::Error)]
#[error("write {index} of a batch failed with {status}")]
struct NotWritten {
    index: usize,
    status: u16,
}

fn broken(what: &'static str) -> PortError {
    PortError::Broken(what.into())
}

fn failed(error: CosmosError) -> PortError {
    of_status(error.status().status_code(), error.into())
}

fn of_status(status: StatusCode, source: Source) -> PortError {
    match status {
        StatusCode::Unauthorized | StatusCode::Forbidden => PortError::Denied(source),
        StatusCode::TooManyRequests => PortError::Throttled { after_s: None },
        status if status.is_server_error() || status == StatusCode::RequestTimeout => {
            PortError::Unavailable(source)
        }
        _ => PortError::Broken(source),
    }
}
