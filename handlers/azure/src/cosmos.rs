//! Cosmos DB: documents with compare-and-set, one logical partition at a time.

use std::{
    collections::{BTreeSet, HashMap},
    future::Future,
    ops::Range,
    sync::{Arc, Mutex, PoisonError},
};

use airlock_core::ports::{
    BatchError, Container, Documents, Etag, Found, Partition, PortError, Query, Write,
};
use async_trait::async_trait;
use azure_core::{
    credentials::TokenCredential,
    error::ErrorKind,
    http::headers::{HeaderName, HeaderValue},
};
use azure_data_cosmos::{
    AccountEndpoint, AccountReference, ContainerClient, CosmosClient, CosmosError, FeedScope,
    RoutingStrategy, TransactionalBatch,
    models::TransactionalBatchResponse,
    options::{
        BatchDeleteOptions, BatchOptions, BatchReplaceOptions, ItemReadOptions, OperationOptions,
        OperationOptionsBuilder, Precondition, QueryOptions,
    },
};
use futures::TryStreamExt as _;
use serde_json::Value;
use tokio::sync::OnceCell;
use tracing::Instrument as _;

use crate::{
    failure::{Meaning, in_time, port_error},
    hosting::current_traceparent,
};

/// Properties that the service adds to each document.
const SYSTEM: [&str; 4] = ["_rid", "_self", "_attachments", "_ts"];

/// One account: the deployment's database, and those of tenants that have one of their own.
pub(crate) struct Cosmos {
    client: CosmosClient,
    database: String,
    /// Opened when they are first needed: an app may read only some of them, and opening one
    /// reads it. As many as signed bindings name.
    opened: Mutex<HashMap<Place, Opening>>,
}

/// A container, opened once for all who want it.
type Opening = Arc<OnceCell<ContainerClient>>;

/// Where a container is.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
struct Place {
    database: String,
    container: String,
}

impl Place {
    /// Of a partition, in a deployment whose own database has this name.
    fn of(partition: &Partition, database: &str) -> Self {
        Self {
            database: partition.database_name(database).into_owned(),
            container: partition.container_name().into_owned(),
        }
    }

    /// A container that all tenants share.
    fn of_all(container: Container, database: &str) -> Self {
        Self { database: database.to_owned(), container: container.name().to_owned() }
    }
}

/// An answer of the store is not of the form that it gives.
#[derive(Debug, thiserror::Error)]
enum Unexpected {
    #[error("stored document has no version")]
    NoVersion,
    #[error("stored document is not an object")]
    NoObject,
    #[error("answer to a batch is not about its {0} writes")]
    OtherBatch(usize),
    #[error("write {0} of a batch failed with {1}")]
    Write(usize, u16),
    #[error("document to write has no id")]
    NoId,
}

impl From<Unexpected> for PortError {
    fn from(error: Unexpected) -> Self {
        Self::Broken(error.into())
    }
}

impl Cosmos {
    /// Connects to an account: reads its regions.
    pub(crate) async fn connect(
        account: &str,
        database: &str,
        identity: Arc<dyn TokenCredential>,
    ) -> Result<Self, PortError> {
        let endpoint: AccountEndpoint =
            account.parse().map_err(|error: CosmosError| PortError::Broken(error.into()))?;
        let account = AccountReference::with_credential(endpoint, identity);
        // The account's own order of regions: a deployment writes in one.
        let regions = RoutingStrategy::PreferredRegions(Vec::new());
        let client = in_time(async {
            CosmosClient::builder().build(account, regions).await.map_err(failed)
        })
        .await?;
        Ok(Self { client, database: database.to_owned(), opened: Mutex::default() })
    }

    async fn container_of(&self, partition: &Partition) -> Result<ContainerClient, PortError> {
        self.container(Place::of(partition, &self.database)).await
    }

    /// What is not there is an error, each time: it is made by who deploys, not by who asks.
    async fn container(&self, place: Place) -> Result<ContainerClient, PortError> {
        let opening = {
            let mut opened = self.opened.lock().unwrap_or_else(PoisonError::into_inner);
            Arc::clone(opened.entry(place.clone()).or_default())
        };
        // Boxed: it is large, and done once.
        let open = || {
            Box::pin(async {
                let database = self.client.database_client(place.database);
                database.container_client(place.container, None).await.map_err(failed)
            })
        };
        opening.get_or_try_init(open).await.cloned()
    }

    async fn found<T>(
        &self,
        place: Place,
        query: azure_data_cosmos::Query,
        scope: FeedScope,
    ) -> Result<Vec<T>, PortError>
    where
        T: serde::de::DeserializeOwned + Send + 'static,
    {
        in_time(call("query", async {
            let container = self.container(place).await?;
            let options = QueryOptions::default().with_operation_options(traced());
            let items = container.query_items(query, scope, Some(options)).await.map_err(failed)?;
            items.try_collect().await.map_err(failed)
        }))
        .await
    }
}

#[async_trait]
impl Documents for Cosmos {
    async fn read(&self, partition: &Partition, id: &str) -> Result<Option<Found>, PortError> {
        in_time(call("read", async {
            let container = self.container_of(partition).await?;
            let options = ItemReadOptions::default().with_operation_options(traced());
            match container.read_item(partition.key().to_owned(), id, Some(options)).await {
                Ok(response) => document(response.into_model().map_err(failed)?).map(Some),
                // Not with a sub-status: 404 is also a session that lags, or a lost container.
                Err(error) if error.status().is_not_found() => Ok(None),
                Err(error) => Err(failed(error)),
            }
        }))
        .await
    }

    async fn query(&self, partition: &Partition, query: &Query) -> Result<Vec<Found>, PortError> {
        let scope = FeedScope::partition(partition.key().to_owned());
        let place = Place::of(partition, &self.database);
        let found = self.found(place, text(query)?, scope).await?;
        found.into_iter().map(document).collect()
    }

    async fn range(
        &self,
        partition: &Partition,
        ids: Range<&str>,
        limit: u32,
    ) -> Result<Vec<Found>, PortError> {
        let text = format!(
            "SELECT TOP {limit} * FROM c WHERE c.id >= @start AND c.id < @end ORDER BY c.id"
        );
        let query = azure_data_cosmos::Query::from(text)
            .with_parameter("@start", ids.start)
            .and_then(|query| query.with_parameter("@end", ids.end))
            .map_err(failed)?;
        let scope = FeedScope::partition(partition.key().to_owned());
        let found = self.found(Place::of(partition, &self.database), query, scope).await?;
        found.into_iter().map(document).collect()
    }

    async fn partitions(
        &self,
        container: Container,
        kind: &'static str,
    ) -> Result<Vec<String>, PortError> {
        let query = "SELECT VALUE c.tenant FROM c WHERE c.kind = @kind";
        let query =
            azure_data_cosmos::Query::from(query).with_parameter("@kind", kind).map_err(failed)?;
        let place = Place::of_all(container, &self.database);
        let keys: Vec<String> = self.found(place, query, FeedScope::full_container()).await?;
        let keys: BTreeSet<String> = keys.into_iter().collect();
        Ok(keys.into_iter().collect())
    }

    async fn batch(
        &self,
        partition: &Partition,
        writes: &[Write],
    ) -> Result<Vec<Etag>, BatchError> {
        let batch = batch(partition, writes)?;
        in_time(call("batch", async {
            let container = self.container_of(partition).await?;
            let options = Some(BatchOptions::default().with_operation_options(traced()));
            let response =
                container.execute_transactional_batch(batch, options).await.map_err(failed)?;
            // A batch that failed comes as a success with status 207: what happened stands in it.
            judged(&response.into_model().map_err(failed)?, writes)
        }))
        .await
    }
}

/// Makes a call in a span of its own. The driver has an HTTP client of its own, behind which its
/// retries are not seen.
fn call<T>(name: &'static str, work: impl Future<Output = T>) -> impl Future<Output = T> {
    work.instrument(tracing::info_span!(
        "call",
        otel.kind = "client",
        db.system.name = "azure.cosmosdb",
        db.operation.name = name,
    ))
}

/// Tells the store the trace: with the call itself, not with what the driver asks beside it.
fn traced() -> OperationOptions {
    let options = OperationOptionsBuilder::new();
    let Some(traceparent) = current_traceparent() else { return options.build() };
    let name = HeaderName::from_static("traceparent");
    let headers = HashMap::from([(name, HeaderValue::from(traceparent))]);
    options.with_custom_headers(headers).build()
}

/// Values are parameters; names are constants of ours, and nothing else is put into the text.
fn text(query: &Query) -> Result<azure_data_cosmos::Query, PortError> {
    let limit = query.limit;
    let mut further = match &query.equals {
        Some((name, _)) => format!(" AND c.{name} = @value"),
        None => String::new(),
    };
    if query.not_after.is_some() {
        further.push_str(" AND c.at <= @not_after");
    }
    let text =
        format!("SELECT TOP {limit} * FROM c WHERE c.kind = @kind{further} ORDER BY c.at DESC");
    let mut asked =
        azure_data_cosmos::Query::from(text).with_parameter("@kind", query.kind).map_err(failed)?;
    if let Some((_, value)) = &query.equals {
        asked = asked.with_parameter("@value", value).map_err(failed)?;
    }
    if let Some(not_after) = query.not_after {
        asked = asked.with_parameter("@not_after", not_after).map_err(failed)?;
    }
    Ok(asked)
}

/// Takes the service's own properties out of a document.
fn document(mut json: Value) -> Result<Found, PortError> {
    let object = json.as_object_mut().ok_or(Unexpected::NoObject)?;
    for name in SYSTEM {
        object.remove(name);
    }
    match object.remove("_etag") {
        Some(Value::String(etag)) => Ok(Found { json, etag: Etag(etag) }),
        _ => Err(Unexpected::NoVersion.into()),
    }
}

fn batch(partition: &Partition, writes: &[Write]) -> Result<TransactionalBatch, PortError> {
    let matches = |etag: &Etag| Precondition::if_match(etag.0.clone());
    writes.iter().try_fold(TransactionalBatch::new(partition.key().to_owned()), |batch, write| {
        match write {
            Write::Create(json) => batch.create_item(json).map_err(failed),
            Write::Replace(json, etag) => {
                let id = json["id"].as_str().ok_or(Unexpected::NoId)?.to_owned();
                let options = BatchReplaceOptions::default().with_precondition(matches(etag));
                batch.replace_item(id, json, Some(options)).map_err(failed)
            }
            Write::Delete(id, etag) => {
                let options = BatchDeleteOptions::default().with_precondition(matches(etag));
                Ok(batch.delete_item(id.clone(), Some(options)))
            }
        }
    })
}

/// What became of a batch: the new versions, or the one write whose condition failed.
fn judged(
    response: &TransactionalBatchResponse,
    writes: &[Write],
) -> Result<Vec<Etag>, BatchError> {
    let results = response.results();
    if results.len() != writes.len() {
        return Err(PortError::from(Unexpected::OtherBatch(writes.len())).into());
    }
    // 424 is a follower: it would have worked, had not another failed.
    let failed =
        results.iter().position(|result| !result.is_success() && result.status_code() != 424);
    if let Some(index) = failed {
        let status = results[index].status_code();
        let expects_it = matches!(writes[index], Write::Replace(..) | Write::Delete(..));
        return Err(match status {
            409 | 412 => BatchError::Conflict(index),
            404 if expects_it => BatchError::Conflict(index),
            _ => {
                // Rounded up: asking too early is asking in vain.
                let after_s = results[index]
                    .retry_after()
                    .map(|after| after.as_secs() + u64::from(after.subsec_nanos() > 0));
                let reason = Unexpected::Write(index, status);
                Meaning::of_status(status, after_s).because(reason).into()
            }
        });
    }
    if let Some(index) = results.iter().position(|result| !result.is_success()) {
        // Followers of nobody.
        return Err(PortError::from(Unexpected::Write(index, 424)).into());
    }
    results
        .iter()
        .zip(writes)
        .map(|(result, write)| match (result.etag(), write) {
            (Some(etag), Write::Create(_) | Write::Replace(..)) => Ok(Etag(etag.to_owned())),
            (None, Write::Create(_) | Write::Replace(..)) => {
                Err(PortError::from(Unexpected::NoVersion).into())
            }
            (_, Write::Delete(_, etag)) => Ok(etag.clone()),
        })
        .collect()
}

/// Says what a failed call means. The driver gives its own failures a status too: 503 without a
/// connection, 408 out of time.
fn failed(error: CosmosError) -> PortError {
    let status = error.status();
    let code = u16::from(status.status_code());
    // 404 with this sub-status: the session lags. 410: the partition is moving.
    if status.is_read_session_not_available() || code == 410 {
        return PortError::Unavailable(error.into());
    }
    let after_s = error
        .response()
        .and_then(|response| response.headers().retry_after_ms)
        .map(|after_ms| after_ms.div_ceil(1000));
    let error = azure_core::Error::from(error);
    match error.kind() {
        ErrorKind::Credential => port_error(error),
        ErrorKind::DataConversion => PortError::Broken(error.into()),
        _ => Meaning::of_status(code, after_s).because(error),
    }
}

#[cfg(test)]
mod tests;
