//! A deployment in memory: an admin root, five apps' keys, two tenants, people with keys.

mod admin;
mod ledger;
mod passing;
mod people;
mod requests;
mod sealing;
mod workers;

use std::sync::Arc;

use uuid::Uuid;

pub use admin::signs;
pub use people::Client;
pub use sealing::Counted;

use crate::{
    identity::{App, ObjectId, TenantId},
    jwe,
    jwk::PublicKey,
    ledger::Anchors,
    memory::{Dice, Documented, Kept, Listed, LocalKey, Mask, Sent, SetClock},
    policy::{Policies, TargetFacts},
    ports::{Clock as _, Ports},
    reception::Reception,
    time::Timestamp,
    trust::TrustStore,
};

/// Name of the ledger.
pub const LEDGER: &str = "ledger.airlock.example";

pub const NOON: i64 = 1_790_000_000;

pub const CONTOSO: TenantId = TenantId::new(Uuid::from_u128(0xc0));
pub const FABRIKAM: TenantId = TenantId::new(Uuid::from_u128(0xfa));

pub const NINA: ObjectId = ObjectId::new(Uuid::from_u128(0x0101));
pub const OLGA: ObjectId = ObjectId::new(Uuid::from_u128(0x0102));
pub const SVEN: ObjectId = ObjectId::new(Uuid::from_u128(0x0103));

/// A group that memberships may be asked for.
pub const LISTED: ObjectId = ObjectId::new(Uuid::from_u128(0x0a01));
/// A group whose members are nobody's target.
pub const GUARDED: ObjectId = ObjectId::new(Uuid::from_u128(0x0a02));

pub struct World {
    pub clock: Arc<SetClock>,
    pub documents: Arc<Documented>,
    pub blobs: Arc<Kept>,
    pub anchors: Arc<Kept>,
    pub bus: Arc<Sent>,
    pub directory: Arc<Listed>,
    pub root: LocalKey,
    pub keys: Vec<(App, Arc<LocalKey>)>,
    /// What `drift` signs checkpoints with.
    pub checkpoints: Arc<Counted>,
    outside: Ports,
    pub reception: Reception,
}

pub fn key() -> LocalKey {
    LocalKey::new(&jwe::private_key(&Dice).unwrap()).unwrap()
}

impl World {
    pub async fn new() -> Self {
        let clock = Arc::new(SetClock::at(Timestamp::from_unix_s(NOON)));
        let documents = Arc::new(Documented::default());
        let blobs = Arc::new(Kept::by(clock.clone()));
        let anchors = Arc::new(Kept::by(clock.clone()));
        let bus = Arc::new(Sent::default());
        let directory = Arc::new(Listed::default());
        let ordinary = TargetFacts { protected: false, synced: false };
        for (target, facts) in [
            (NINA, ordinary),
            (OLGA, TargetFacts { protected: true, ..ordinary }),
            (SVEN, TargetFacts { synced: true, ..ordinary }),
        ] {
            directory.targets.lock().unwrap().insert(target, facts);
        }
        let root = key();
        let apps = [App::Signin, App::Intake, App::Execute, App::Rotate, App::Drift];
        let keys: Vec<_> = apps.map(|app| (app, Arc::new(key()))).into();
        let checkpoints = Arc::new(Counted::new(key()));
        let outside = Ports {
            clock: clock.clone(),
            entropy: Arc::new(Dice),
            signer: Arc::new(key()),
            wrapper: Arc::new(Mask),
            documents: documents.clone(),
            blobs: blobs.clone(),
            anchors: anchors.clone(),
            bus: bus.clone(),
        };
        let ports = Self::ports_of(&outside, &keys, App::Intake);
        let reception = Self::desk_of(root.key(), ports);
        let world = Self {
            clock,
            documents,
            blobs,
            anchors,
            bus,
            directory,
            root,
            keys,
            checkpoints,
            outside,
            reception,
        };
        world.declare().await;
        world
    }

    fn ports_of(outside: &Ports, keys: &[(App, Arc<LocalKey>)], app: App) -> Ports {
        let signer = keys.iter().find(|(other, _)| *other == app).unwrap().1.clone();
        Ports { signer, ..outside.clone() }
    }

    pub fn ports(&self, app: App) -> Ports {
        Self::ports_of(&self.outside, &self.keys, app)
    }

    fn desk_of(root: &PublicKey, ports: Ports) -> Reception {
        let trust = Self::trust_of(root, &ports);
        let policies = Arc::new(Policies::standard().unwrap());
        Reception::new(ports, Arc::new(trust), policies)
    }

    fn trust_of(root: &PublicKey, ports: &Ports) -> TrustStore {
        let anchors = Anchors::new(Arc::clone(&ports.anchors), LEDGER);
        let (documents, clock) = (Arc::clone(&ports.documents), Arc::clone(&ports.clock));
        TrustStore::new(root.clone(), anchors, documents, clock, 0).followed_by(&ports.signer)
    }

    /// Whom to trust, as a process over these ports reads it.
    pub fn trust_over(&self, ports: &Ports) -> TrustStore {
        Self::trust_of(self.root.key(), ports)
    }

    /// A process of `intake`'s over these ports.
    pub fn desk_over(&self, ports: Ports) -> Reception {
        Self::desk_of(self.root.key(), ports)
    }

    /// Another process of `intake`'s, which remembers nothing.
    pub fn desk(&self) -> Reception {
        Self::desk_of(self.root.key(), self.ports(App::Intake))
    }

    /// Whom to trust, as any app reads it that keeps nothing.
    pub fn trust_store(&self) -> TrustStore {
        Self::trust_of(self.root.key(), &self.ports(App::Execute))
    }

    pub fn key_of(&self, app: App) -> &LocalKey {
        &self.keys.iter().find(|(other, _)| *other == app).unwrap().1
    }

    /// The admin root's public key.
    pub fn root_key(&self) -> PublicKey {
        self.root.key().clone()
    }

    pub fn now(&self) -> Timestamp {
        self.clock.now()
    }
}

/// Lets the tasks run that send what was committed.
pub async fn settle() {
    for _ in 0..20 {
        tokio::task::yield_now().await;
    }
}
