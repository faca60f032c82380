//! A tenant at work, processes that count what they ask, and what whoever owns the database adds.

use std::{
    collections::BTreeMap,
    ops::Range,
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering::SeqCst},
    },
};

use async_trait::async_trait;
use serde_json::Value;
use uuid::Uuid;

use super::super::world::{CONTOSO, Client, NINA, World, settle};
use crate::{
    decision::Verdict,
    identity::{
        App,
        Role::{Approver, HelpdeskAgent},
    },
    jws::Signed,
    ledger::{
        Commit, Contents, Happened, Ledger, NotCommitted, NotProven, Statement,
        commit::{Change, HEAD, StoredHead, StoredLeaf},
        merkle::leaf_hash,
        statement::Data,
    },
    memory::{Documented, LocalKey},
    ports::{
        BatchError, Container, Documents, Etag, Found, Partition, PortError, Ports, Query, Write,
    },
    reception::{NotReceived, Reception},
};

/// Documents that count the calls.
pub struct Watched {
    pub inner: Arc<Documented>,
    pub reads: AtomicUsize,
    pub queries: AtomicUsize,
    pub batches: AtomicUsize,
}

impl Watched {
    pub fn over(world: &World) -> Arc<Self> {
        let zero = AtomicUsize::default;
        let inner = world.documents.clone();
        Arc::new(Self { inner, reads: zero(), queries: zero(), batches: zero() })
    }

    /// Reads, queries and batches since the last time.
    pub fn calls(&self) -> [usize; 3] {
        [&self.reads, &self.queries, &self.batches].map(|count| count.swap(0, SeqCst))
    }
}

#[async_trait]
impl Documents for Watched {
    async fn read(&self, partition: &Partition, id: &str) -> Result<Option<Found>, PortError> {
        self.reads.fetch_add(1, SeqCst);
        self.inner.read(partition, id).await
    }

    async fn query(&self, partition: &Partition, query: &Query) -> Result<Vec<Found>, PortError> {
        self.queries.fetch_add(1, SeqCst);
        self.inner.query(partition, query).await
    }

    async fn range(
        &self,
        partition: &Partition,
        ids: Range<&str>,
        limit: u32,
    ) -> Result<Vec<Found>, PortError> {
        self.queries.fetch_add(1, SeqCst);
        self.inner.range(partition, ids, limit).await
    }

    async fn partitions(
        &self,
        container: Container,
        kind: &'static str,
    ) -> Result<Vec<String>, PortError> {
        self.inner.partitions(container, kind).await
    }

    async fn batch(
        &self,
        partition: &Partition,
        writes: &[Write],
    ) -> Result<Vec<Etag>, BatchError> {
        self.batches.fetch_add(1, SeqCst);
        self.inner.batch(partition, writes).await
    }
}

/// A process that writes, and what it asks the database.
pub fn process(world: &World) -> (Ledger, Arc<Watched>) {
    let watched = Watched::over(world);
    let ports = Ports { documents: watched.clone(), ..world.ports(App::Intake) };
    let trust = world.trust_over(&ports);
    (Ledger::new(App::Intake, &ports, Arc::new(trust)), watched)
}

pub async fn contoso(world: &World) -> Partition {
    Partition::tenant(&world.scope(CONTOSO).await)
}

pub fn creating(id: &str) -> Commit {
    Commit {
        change: Some(Change {
            id: id.to_owned(),
            kind: "thing",
            at: 0,
            hint: None,
            contents: Contents::Clear { salt: None, body: "{}".to_owned() },
            replaces: None,
        }),
        ..Commit::of(Happened::Received)
    }
}

/// A leaf's statement as an app would sign it.
pub async fn statement(world: &World, tenant: &str, app: App, key: &LocalKey) -> Signed<Statement> {
    let now = world.now();
    let statement = Statement {
        specversion: "1.0".to_owned(),
        id: Uuid::new_v4(),
        source: format!("/airlock/{app}"),
        r#type: Happened::SessionStarted,
        subject: "a session".to_owned(),
        time: now.to_string(),
        traceparent: None,
        tenantid: tenant.to_owned(),
        principal: None,
        iss: app,
        iat: now,
        data: Data::default(),
    };
    Signed::sign(&statement, key).await.unwrap()
}

pub fn head(world: &World, partition: &Partition) -> StoredHead {
    serde_json::from_value(world.documents.all(partition)[HEAD].clone()).unwrap()
}

/// Whoever owns the database adds a leaf, and a head that fits it.
pub fn add(world: &World, partition: &Partition, statement: &Signed<Statement>) {
    let StoredHead { epoch, mut frontier, .. } = head(world, partition);
    let leaf = StoredLeaf::new(partition, epoch, frontier.size(), "a session", statement);
    frontier.push(leaf_hash(statement.as_str().as_bytes()));
    let leaf_json = serde_json::to_value(&leaf).unwrap();
    world.documents.overwrite(partition, &leaf.id, leaf_json);
    let head = StoredHead::new(partition, epoch, frontier);
    world.documents.overwrite(partition, HEAD, serde_json::to_value(head).unwrap());
}

/// A tenant in the middle of its work: requests permitted and sent, one that waits, some of it
/// sealed and the last of it not.
pub struct AtWork {
    pub world: World,
    pub partition: Partition,
    pub harriet: Client,
    pub april: Client,
    pub waiting: String,
    /// The partition when less had happened, all of it genuine.
    pub earlier: BTreeMap<String, Value>,
}

impl AtWork {
    pub async fn new() -> Self {
        let world = World::new().await;
        let harriet = world.sign_in(CONTOSO, 1, &[HelpdeskAgent]).await;
        let april = world.sign_in(CONTOSO, 2, &[Approver]).await;
        let partition = contoso(&world).await;
        let ask = world.ask(&harriet, "account.disable", NINA);
        let waiting = world.submit(&harriet, &ask).await.unwrap().id;
        let round = world.seal().await;
        assert_eq!((round.refused, round.failed), (0, 0));
        let earlier = world.documents.all(&partition);
        let ask = world.ask(&harriet, "sessions.revoke", NINA);
        world.submit(&harriet, &ask).await.unwrap();
        world.clock.advance_s(5);
        assert_eq!(world.seal().await.sealed, 1);
        let ask = world.ask(&harriet, "sessions.revoke", NINA);
        world.submit(&harriet, &ask).await.unwrap();
        Self { world, partition, harriet, april, waiting, earlier }
    }

    /// Whoever owns the database puts an earlier state of the whole partition back.
    pub fn roll_back(&self) {
        for id in self.world.documents.all(&self.partition).into_keys() {
            self.world.documents.forget(&self.partition, &id);
        }
        for (id, json) in &self.earlier {
            self.world.documents.overwrite(&self.partition, id, json.clone());
        }
    }

    /// Everybody tries to go on; nothing comes of it.
    pub async fn nothing_goes_on(&self, what: &str, expected: impl Fn(&NotProven) -> bool) {
        let Self { world, partition, harriet, april, waiting, .. } = self;
        settle().await;
        let before = world.documents.all(partition);
        let claims = world.blobs.names("claims");
        let sent = world.bus.all().len();
        // One that was at work all the time, and one that has just started.
        for desk in [&world.reception, &world.desk()] {
            let submitted = self.submit(desk, harriet).await;
            assert!(refused(submitted.as_ref(), &expected), "{what}: {submitted:?}");
            let decided = self.decide(desk, april, waiting).await;
            assert!(refused(decided.as_ref(), &expected), "{what}: {decided:?}");
        }
        let worker = world.worker();
        assert!(world.deliver_permit(&worker).await, "{what}");
        assert_eq!(world.effects(), 0, "{what}");
        assert_eq!(world.blobs.names("claims"), claims, "{what}: claimed");
        let after = world.documents.all(partition);
        assert_eq!(after.len(), before.len(), "{what}: written");
        assert!(after == before, "{what}: changed");
        let permits = world.bus.all()[sent..]
            .iter()
            .filter(|(queue, message)| queue.starts_with("permits") && message.not_before.is_none())
            .count();
        assert_eq!(permits, 0, "{what}: permitted");
    }

    /// Nobody asks for anything, and the worker does nothing, by what the database says now.
    pub async fn nobody_starts_anything(&self) {
        let world = &self.world;
        let submitted = self.submit(&world.desk(), &self.harriet).await;
        assert!(matches!(submitted, Err(NotReceived::Violation(_))), "{submitted:?}");
        assert!(world.deliver_permit(&world.worker()).await);
        assert_eq!(world.effects(), 0);
        assert!(world.blobs.names("claims").is_empty());
    }

    pub async fn submit(&self, desk: &Reception, by: &Client) -> Result<(), NotReceived> {
        let ask = self.world.ask(by, "sessions.revoke", NINA);
        let signed = Signed::sign(&ask, &by.key).await.unwrap();
        desk.submit(&by.caller, signed, None, None).await.map(|_| ())
    }

    pub async fn decide(&self, desk: &Reception, by: &Client, id: &str) -> Result<(), NotReceived> {
        let name = crate::reception::RequestName::parse(id).unwrap();
        let decision = self.world.decision(by, name.digest, Verdict::Approve);
        let signed = Signed::sign(&decision, &by.key).await.unwrap();
        desk.decide(&by.caller, name, signed, None).await.map(|_| ())
    }
}

pub fn refused(answer: Result<&(), &NotReceived>, expected: &impl Fn(&NotProven) -> bool) -> bool {
    match answer {
        Err(
            NotReceived::NotProven(error)
            | NotReceived::NotCommitted(NotCommitted::NotProven(error)),
        ) => expected(error),
        // Of a tree that is gone, a request is not there either.
        Err(NotReceived::NotThere) => true,
        _ => false,
    }
}

pub const fn violation(error: &NotProven) -> bool {
    error.is_violation()
}
