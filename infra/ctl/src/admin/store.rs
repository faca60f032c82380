//! The container of keyset and bindings in Cosmos DB.

use std::{collections::BTreeSet, sync::Arc};

use airlock_core::{
    identity::TenantId,
    ports::{BatchError, Container, Etag, Found, Partition, PortError, Write},
    trust::BINDING_ID,
};
use async_trait::async_trait;
use azure_core::{credentials::TokenCredential, http::StatusCode};
use azure_data_cosmos::{
    AccountReference, ContainerClient, CosmosClientBuilder, CosmosError, FeedScope, Query,
    RoutingStrategy,
    options::{ItemWriteOptions, Precondition},
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

    async fn write(&self, partition: &Partition, id: &str, write: Write) -> Result<(), BatchError> {
        let key = partition.key().to_owned();
        let written = match write {
            Write::Create(document) => self.bindings.create_item(key, id, document, None).await,
            Write::Replace(document, etag) => {
                let unchanged = Precondition::if_match(etag.0);
                let options = ItemWriteOptions::default().with_precondition(unchanged);
                self.bindings.replace_item(key, id, document, Some(options)).await
            }
            Write::Delete(..) => {
                return Err(PortError::Broken("the admin plane deletes nothing".into()).into());
            }
        };
        match written {
            Ok(_) => Ok(()),
            Err(error) if is_conflict(&error) => Err(BatchError::Conflict(0)),
            Err(error) => Err(failed(error).into()),
        }
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

/// It was there already, or is another by now, or is gone.
fn is_conflict(error: &CosmosError) -> bool {
    let status = error.status();
    status.is_conflict() || status.is_precondition_failed() || status.is_not_found()
}

fn failed(error: CosmosError) -> PortError {
    match error.status().status_code() {
        StatusCode::Unauthorized | StatusCode::Forbidden => PortError::Denied(error.into()),
        StatusCode::TooManyRequests => PortError::Throttled { after_s: None },
        status if status.is_server_error() || status == StatusCode::RequestTimeout => {
            PortError::Unavailable(error.into())
        }
        _ => PortError::Broken(error.into()),
    }
}
