//! Cosmos DB: the SDK's own in-memory emulator behind the door of the local cloud.
//!
//! The emulator knows the wire, the queries and the etags, but asks nobody who they are. Added
//! here: the token and the data-plane role assignments of `identities.json` before every request,
//! and transactional batches of our own (see [`batch`]). Unlike Azure, the emulator knows no TTL:
//! an expired document stays readable, so whoever reads one has to judge its age. A `ttl` in a
//! container without one, which Azure would pass over in silence, is refused.

mod access;
mod batch;
mod locks;
mod operation;
#[cfg(test)]
mod tests;
mod wire;

use std::{
    borrow::Cow,
    collections::{BTreeMap, BTreeSet},
    sync::Arc,
};

use anyhow::Context as _;
use azure_core::http::{Method, RawResponse, Request, Url};
use azure_data_cosmos_driver::{
    in_memory_emulator::{InMemoryEmulatorHttpClient, VirtualAccountConfig, VirtualRegion},
    models::PartitionKeyDefinition,
};
use http::{HeaderMap, StatusCode};
use serde_json::Value;

use crate::{
    cloud::{Answer, Asked, Names, Shared, audience},
    identities::Identities,
};

use self::{
    locks::Locks,
    operation::{Act, Operation},
    wire::Refusal,
};

/// The deployment's own database. Tenants' own are named after it.
pub const DATABASE: &str = "airlock";

/// The account, its databases and its containers.
pub struct Cosmos {
    account: Arc<Account>,
}

/// What requests share. In an `Arc`, because a batch outlives a caller who hangs up.
struct Account {
    emulator: InMemoryEmulatorHttpClient,
    /// `https://<account>.documents.azure.com/`
    origin: Url,
    /// Container to the path of its partition key.
    partition_keys: BTreeMap<String, String>,
    /// Containers whose documents can end.
    expiring: BTreeSet<String>,
    locks: Locks,
}

impl Cosmos {
    /// Creates the account with an empty container for each one that is granted to anyone.
    ///
    /// # Errors
    ///
    /// If the account's name makes no URL, or the emulator refuses the configuration.
    pub fn new(names: &Names, identities: &Identities) -> anyhow::Result<Self> {
        let origin: Url = format!("https://{}/", names.cosmos)
            .parse()
            .with_context(|| format!("no URL can be made of {}", names.cosmos))?;
        // The region's address is the account's own, so that the SDK, which follows what the
        // account read tells it, stays here.
        let region = VirtualRegion::new("Local", origin.clone());
        let emulator =
            InMemoryEmulatorHttpClient::try_new(VirtualAccountConfig::new(vec![region])?)?;
        let store = emulator.store();
        store.create_database(DATABASE);
        let mut partition_keys = BTreeMap::new();
        let mut expiring = BTreeSet::new();
        for (name, container) in &identities.containers {
            let path = Cow::Owned(container.partition_key.clone());
            let (database, id) = place(name);
            if database != DATABASE {
                store.create_database(database);
            }
            store.create_container(database, id, PartitionKeyDefinition::new(vec![path]));
            partition_keys.insert(name.clone(), container.partition_key.clone());
            if container.default_ttl.is_some() {
                expiring.insert(name.clone());
            }
        }
        let locks = Locks::new(partition_keys.keys());
        Ok(Self {
            account: Arc::new(Account { emulator, origin, partition_keys, expiring, locks }),
        })
    }

    /// The bearer token of a call in the ordinary form, if it shows one.
    #[must_use]
    pub fn bearer(headers: &HeaderMap) -> Option<HeaderMap> {
        access::bearer(headers).ok()
    }

    /// What a `POST` to a container's documents asks for, where its headers alone say it.
    #[must_use]
    pub fn operation(headers: &HeaderMap) -> Option<&'static str> {
        wire::kind(headers)
    }

    /// Answers one request to the account.
    pub async fn answer(cloud: &Shared, asked: Asked) -> Answer {
        match Self::serve(cloud, &asked).await {
            Ok(answer) => answer,
            Err(refusal) => refusal.answer(asked.headers()),
        }
    }

    async fn serve(cloud: &Shared, asked: &Asked) -> Result<Answer, Refusal> {
        let bearer = access::bearer(asked.headers())?;
        let caller = cloud
            .entra
            .verify(cloud, &bearer, audience::COSMOS)
            .map_err(|reason| Refusal::unauthorized(&reason.0))?;
        let account = &cloud.cosmos.account;
        let request = wire::request(&account.origin, asked)?;
        let operation = Operation::of(&request);
        access::allow(&cloud.identities, &caller, &operation, asked.body())?;
        Arc::clone(account).perform(operation, request, asked.body().clone()).await
    }

    /// The containers that hold this container's documents: it, and those that tenants have of
    /// their own in its stead.
    pub fn containers_of(&self, container: &str) -> Vec<String> {
        let known = self.account.partition_keys.keys();
        let own = |name: &&String| match place(name) {
            (DATABASE, id) => id
                .strip_prefix(container)
                .is_some_and(|rest| rest.is_empty() || rest.starts_with('-')),
            (_, id) => id == container,
        };
        known.filter(own).cloned().collect()
    }

    /// Where of these a partition's documents belong: in its tenant's own, if it has one.
    pub fn container_for(&self, container: &str, partition: &str) -> String {
        let own =
            [format!("{container}-{partition}"), format!("{DATABASE}-{partition}/{container}")];
        let mut own = own.into_iter();
        own.find(|name| self.account.partition_keys.contains_key(name))
            .unwrap_or_else(|| container.to_owned())
    }

    /// Every document of a container, as stored, in no promised order.
    ///
    /// # Errors
    ///
    /// If there is no such container.
    pub async fn documents(&self, container: &str) -> Result<Vec<Value>, String> {
        let account = &self.account;
        account.known(container)?;
        let _alone = account.locks.alone(container, None).await;
        let answer = account
            .ask(&account.feed(container, Method::Get))
            .await
            .map_err(|refusal| refusal.message)?;
        let mut page: Value =
            serde_json::from_slice(answer.body()).map_err(|error| error.to_string())?;
        match page.get_mut("Documents").map(Value::take) {
            Some(Value::Array(documents)) => Ok(documents),
            _ => Err(wire::message(&answer)),
        }
    }

    /// Stores exactly this document, whatever was there: no token, no etag, no handler asked.
    ///
    /// # Errors
    ///
    /// If there is no such container, or the document does not belong in that partition.
    pub async fn put(
        &self,
        container: &str,
        partition: &str,
        document: &Value,
    ) -> Result<(), String> {
        let account = &self.account;
        account.known(container)?;
        let mut request = account.feed(container, Method::Post);
        request.insert_header(wire::PARTITION_KEY, wire::partition_key(partition));
        request.insert_header(wire::IS_UPSERT, "True");
        request.set_body(document.to_string().into_bytes());
        account.change(container, partition, &request).await
    }

    /// Deletes a document: no token, no etag, no handler asked.
    ///
    /// # Errors
    ///
    /// If there is no such container or document.
    pub async fn remove(&self, container: &str, partition: &str, id: &str) -> Result<(), String> {
        let account = &self.account;
        account.known(container)?;
        let mut request = account
            .document(container, Method::Delete, id)
            .ok_or_else(|| format!("{id:?} cannot be the id of a document"))?;
        request.insert_header(wire::PARTITION_KEY, wire::partition_key(partition));
        account.change(container, partition, &request).await
    }
}

/// Database and name of a container, by what it is called among those of the account.
fn place(container: &str) -> (&str, &str) {
    container.split_once('/').unwrap_or((DATABASE, container))
}

impl Account {
    fn known(&self, container: &str) -> Result<(), String> {
        if self.partition_keys.contains_key(container) {
            Ok(())
        } else {
            Err(format!("there is no container {container:?}"))
        }
    }

    /// A request to the documents of a container.
    fn feed(&self, container: &str, method: Method) -> Request {
        let mut url = self.origin.clone();
        let (database, id) = place(container);
        url.set_path(&format!("dbs/{database}/colls/{id}/docs"));
        Request::new(url, method)
    }

    /// A request to one document; `None` for an id that no URL can carry.
    fn document(&self, container: &str, method: Method, id: &str) -> Option<Request> {
        // A URL swallows these segments, which would turn the request into one for all documents.
        if matches!(id, "" | "." | "..") {
            return None;
        }
        let mut request = self.feed(container, method);
        request.url_mut().path_segments_mut().ok()?.push(id);
        Some(request)
    }

    async fn change(
        &self,
        container: &str,
        partition: &str,
        request: &Request,
    ) -> Result<(), String> {
        let _among_others =
            self.locks.among_others(container, &wire::partition_key(partition)).await;
        let answer = self.ask(request).await.map_err(|refusal| refusal.message)?;
        if answer.status().is_success() { Ok(()) } else { Err(wire::message(&answer)) }
    }

    /// Carries out what was allowed.
    async fn perform(
        self: Arc<Self>,
        operation: Operation,
        request: Request,
        body: bytes::Bytes,
    ) -> Result<Answer, Refusal> {
        let Operation::Documents { container, act, partition } = operation else {
            return wire::answer(&self.ask(&request).await?);
        };
        match (act, partition) {
            // Spawned, because a caller who hangs up drops this future, and half a batch must not stay.
            (Act::Batch, partition) => tokio::spawn(async move {
                let _alone = self.locks.alone(&container, partition.as_deref()).await;
                batch::run(&self, &container, &request, &body).await
            })
            .await
            .map_err(|_| Refusal::internal("The batch was not carried out."))?,
            (_, Some(partition)) => {
                let _among_others = self.locks.among_others(&container, &partition).await;
                wire::answer(&self.ask(&request).await?)
            }
            // Looks at many partitions at once, so no batch may be under way in any of them.
            (_, None) => {
                let _alone = self.locks.alone(&container, None).await;
                wire::answer(&self.ask(&request).await?)
            }
        }
    }

    /// Asks the emulator.
    async fn ask(&self, request: &Request) -> Result<RawResponse, Refusal> {
        let response = self.emulator.execute_request(request).await.map_err(|error| {
            Refusal::new(StatusCode::BAD_REQUEST, "BadRequest", error.to_string())
        })?;
        response
            .try_into_raw_response()
            .await
            .map_err(|error| Refusal::internal(&error.to_string()))
    }
}
