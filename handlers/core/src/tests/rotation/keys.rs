//! A deployment in which an app signs with a key that is rotated.

use std::{collections::BTreeSet, sync::Arc};

use serde_json::json;

use super::super::world::{CONTOSO, LEDGER, NOON, World, signs};
use crate::{
    identity::App,
    jwk::PublicKey,
    jws::{Signed, Typ},
    keyset::{Keyset, KeysetKey},
    ledger::{
        Anchors, Commit, Contents, Happened, Ledger, Statement,
        commit::Change,
        statement::{ArtefactVersion, Data},
    },
    memory::{
        Dice,
        rotation::{Gate, Gated, Rented, Wrong},
    },
    ports::{Documents as _, Entropy as _, PLATFORM, Partition, Ports, Signer as _},
    rotation::{
        LEASE_S, Own, Rotator, Round,
        state::{Rotation, document_id},
    },
    sealing::Sealer,
    secret_binding::{Platform, PlatformDriver, PlatformSecretBindings, SECRETS_ID, SecretBinding},
    signing::FollowingSigner,
    trust::{KEYSET_ID, StoredArtefact, TrustStore},
};

/// Intake's key.
pub const KEY: &str = "intake-signing";
/// What drift signs checkpoints with.
pub const CHECKPOINT: &str = "drift-checkpoint";
const DAY_S: i64 = 24 * 3600;

pub struct Keys {
    pub world: World,
    pub gate: Arc<Gate>,
    pub rented: Arc<Rented>,
    app: App,
    name: &'static str,
}

/// A process of the app's.
pub struct Process {
    app: App,
    trust: Arc<TrustStore>,
    ledger: Ledger,
    sealer: Sealer,
    signer: Arc<FollowingSigner>,
}

fn bound(app: App, name: &str) -> SecretBinding<PlatformDriver> {
    let binding = json!({
        "name": name, "driver": { "kind": "signing_key", "app": app, "key": name },
        "max_age_days": 30, "overlap_hours": 24,
    });
    serde_json::from_value(binding).unwrap()
}

/// The admin plane binds this for the platform. A keyset is to name what it gives.
pub async fn bind(world: &World, binding: SecretBinding<PlatformDriver>) -> ArtefactVersion {
    let (now, exp) = (world.now(), world.now().plus_s(365 * DAY_S));
    let secrets = vec![binding].try_into().unwrap();
    let bindings = PlatformSecretBindings { tnt: Platform, ver: 1, iat: now, exp, secrets };
    let artefact = Signed::sign(&bindings, &world.root).await.unwrap();
    let named = ArtefactVersion { ver: 1, digest: artefact.digest() };
    let (id, tenant) = (SECRETS_ID.to_owned(), PLATFORM.to_owned());
    let stored = StoredArtefact { kind: id.clone(), id, tenant, at: NOON, artefact };
    let json = serde_json::to_value(stored).unwrap();
    world.documents.overwrite(&Partition::deployment(), SECRETS_ID, json);
    named
}

/// The admin plane publishes the next keyset.
pub async fn publish(world: &World, change: impl FnOnce(&mut Keyset)) {
    let partition = Partition::deployment();
    let found = world.documents.read(&partition, KEYSET_ID).await.unwrap().unwrap();
    let mut stored: StoredArtefact<Keyset> = serde_json::from_value(found.json).unwrap();
    let mut keyset =
        stored.artefact.verify(&world.root_key(), world.now()).unwrap().value().clone();
    let (iat, exp) = (world.now(), world.now().plus_s(365 * DAY_S));
    (keyset.ver, keyset.iat, keyset.exp) = (keyset.ver + 1, iat, exp);
    change(&mut keyset);
    stored.artefact = Signed::sign(&keyset, &world.root).await.unwrap();
    let json = serde_json::to_value(stored).unwrap();
    world.documents.overwrite(&partition, KEYSET_ID, json);
}

impl Keys {
    /// Intake's key has one version, which is listed since noon.
    pub async fn new() -> Self {
        Self::of(App::Intake, KEY).await
    }

    /// The same with another key.
    pub async fn of(app: App, name: &'static str) -> Self {
        let world = World::new().await;
        let gate = Arc::new(Gate::default());
        let rented = Arc::new(Rented::new(gate.clone(), world.clock.clone()));
        let first = rented.put_signing_key(name).unwrap();
        rented.watch(name, None);
        rented.admit(&first);
        let keys = Self { world, gate, rented, app, name };
        let named = bind(&keys.world, keys.binding()).await;
        keys.publish(|keyset| {
            keyset.secrets = Some(named);
            let its = |key: &&mut KeysetKey| key.app == app && key.signs == keys.signs();
            keyset.keys.iter_mut().find(its).unwrap().jwk = first;
        })
        .await;
        keys
    }

    pub fn binding(&self) -> SecretBinding<PlatformDriver> {
        bound(self.app, self.name)
    }

    /// What the key may sign.
    fn signs(&self) -> Vec<Typ> {
        if self.name == CHECKPOINT { vec![Typ::Checkpoint] } else { signs(self.app) }
    }

    /// Public halves of all versions, oldest first, and whether each may be used.
    pub fn halves(&self) -> Vec<(PublicKey, bool)> {
        self.rented.public_halves(self.name)
    }

    /// The admin plane publishes the next keyset.
    pub async fn publish(&self, change: impl FnOnce(&mut Keyset)) {
        publish(&self.world, change).await;
    }

    /// A person admits the newest version.
    pub async fn admit(&self) {
        let (jwk, _) = self.halves().pop().unwrap();
        self.rented.admit(&jwk);
        let nbf = self.world.now().plus_s(-60);
        let key = KeysetKey { jwk, app: self.app, signs: self.signs(), nbf, revoked: None };
        self.publish(|keyset| keyset.keys.push(key)).await;
    }

    /// A person revokes a key.
    pub async fn revoke(&self, key: &PublicKey) {
        let now = self.world.now();
        self.publish(|keyset| {
            let listed = keyset.keys.iter_mut().find(|listed| listed.jwk == *key).unwrap();
            listed.revoked = Some(now);
        })
        .await;
    }

    /// A new process of the app's; or one that never takes up another version.
    pub async fn process(&self, is_stuck: bool) -> Process {
        let (world, app) = (&self.world, self.app);
        let vault = Arc::new(self.rented.signing(self.name));
        let signer = FollowingSigner::connect(app, vault, world.clock.clone());
        let signer = Arc::new(signer.await.unwrap());
        let others = world.ports(App::Drift);
        let ports = Ports { signer: signer.clone(), ..world.ports(App::Intake) };
        let trust = Arc::new(world.trust_over(if is_stuck { &others } else { &ports }));
        // Of signin's words, and of its own, drift writes down what is to be sealed.
        let (writer, ports) =
            if app == App::Intake { (app, ports) } else { (App::Drift, others.clone()) };
        let ledger = Ledger::new(writer, &ports, Arc::clone(&trust));
        let anchors = Anchors::new(Arc::clone(&others.anchors), LEDGER);
        let sealer = Sealer::new(others, signer.clone(), Arc::clone(&trust), anchors);
        Process { app, trust, ledger, sealer, signer }
    }

    /// Lets time pass, and everything be sealed as it is written.
    pub async fn pass(&self, process: &Process, seconds: i64) {
        if self.name == CHECKPOINT {
            process.seals().await;
            self.world.clock.advance_s(seconds);
            process.seals().await;
        } else {
            self.world.pass(seconds).await;
        }
    }

    /// Another process of `rotate`'s.
    pub fn rotator(&self) -> Rotator {
        let documents = Arc::new(Gated::new(self.world.documents.clone(), self.gate.clone()));
        let ports = Ports { documents, ..self.world.ports(App::Rotate) };
        let trust = Arc::new(self.world.trust_over(&ports));
        let mut holder = [0; 16];
        Dice.fill(&mut holder).unwrap();
        let own = Own { clients: BTreeSet::new(), data_key: "tenant-data".to_owned() };
        Rotator::new(ports, self.rented.ports(), trust, own, holder)
    }

    /// One round of a new process; nothing, if it dies.
    pub async fn round(&self) -> Option<Round> {
        let rotator = self.rotator();
        tokio::select! {
            round = rotator.round() => Some(round.unwrap()),
            () = self.gate.died() => None,
        }
    }

    /// One round in which a call goes wrong, of those that change or use something.
    pub async fn spoiled_round(&self, number: usize, wrong: Wrong) -> Option<Round> {
        self.gate.spoil(number, wrong);
        self.round().await
    }

    /// How far the key has come.
    pub fn rotation(&self) -> Rotation {
        let id = document_id(&self.binding().name);
        let json = self.world.documents.all(&Partition::platform())[&id].clone();
        serde_json::from_str(json["body"].as_str().unwrap()).unwrap()
    }

    /// What happened to it, in order.
    pub async fn story(&self) -> Vec<String> {
        let all = self.world.ledger(&Partition::platform()).await.into_iter();
        let told = all
            .filter_map(|happened| happened.strip_prefix("airlock.secret.").map(ToOwned::to_owned));
        told.collect()
    }

    /// The next process finds the lease of a dead one over.
    pub async fn outlast_a_lease(&self) {
        self.world.pass(LEASE_S + 1).await;
    }
}

impl Process {
    /// Does what it always does, and gives the key that it signed with.
    pub async fn works(&self, keys: &Keys) -> PublicKey {
        let trust = self.trust.trust().await.unwrap();
        if keys.name == CHECKPOINT {
            self.seals().await;
        } else {
            let scope = self.trust.scope(&trust, CONTOSO).await.unwrap();
            self.writes(&keys.world, &Partition::tenant(&scope)).await;
        }
        self.signer.current()
    }

    /// Seals whatever is not sealed.
    async fn seals(&self) {
        assert_eq!(self.sealer.round().await.unwrap().failed, 0);
    }

    async fn writes(&self, world: &World, partition: &Partition) {
        let (now, mut id) = (world.now(), [0; 16]);
        Dice.fill(&mut id).unwrap();
        let id = uuid::Builder::from_random_bytes(id).into_uuid();
        let happened =
            if self.app == App::Signin { Happened::Recorded } else { Happened::Received };
        let commit = Commit {
            change: Some(Change {
                id: format!("thing-{id}"),
                kind: "thing",
                at: 0,
                hint: None,
                contents: Contents::Clear { salt: None, body: "{}".to_owned() },
                replaces: None,
            }),
            ..Commit::of(happened)
        };
        if self.app == App::Intake {
            self.ledger.commit(partition, commit, now).await.unwrap();
            return;
        }
        let event = Statement {
            specversion: "1.0".to_owned(),
            id,
            source: "/airlock/signin".to_owned(),
            r#type: Happened::SessionStarted,
            subject: format!("session-{id}"),
            time: now.to_string(),
            traceparent: None,
            tenantid: partition.key().to_owned(),
            principal: None,
            iss: App::Signin,
            iat: now,
            data: Data::default(),
        };
        let event = Signed::sign(&event, &*self.signer).await.unwrap();
        self.ledger.record(partition, commit, event, now).await.unwrap();
    }
}
