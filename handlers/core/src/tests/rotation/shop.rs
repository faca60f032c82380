//! A tenant with one bound secret, and processes that rotate it.

use std::{collections::BTreeSet, sync::Arc};

use serde_json::{Value, json};
use uuid::Uuid;

use super::super::world::{CONTOSO, NOON, World};
use crate::{
    binding::Binding,
    data_keys::{DataKeys, Sealed},
    identity::{App, ObjectId, TenantId},
    jws::Signed,
    ledger::{Ledger, statement::ArtefactVersion},
    memory::{
        Dice,
        rotation::{Gate, Gated, Rented, Versioned, Wrong},
    },
    ports::{Documents as _, Entropy as _, Partition, Ports},
    rotation::{
        LEASE_S, Own, Rotator, Round,
        state::{Rotation, document_id},
    },
    secret_binding::{SECRETS_ID, SecretBindings, Secrets},
    trust::{BINDING_ID, StoredArtefact},
};

/// The application whose secret is changed.
pub const PAYROLL: ObjectId = ObjectId::new(Uuid::from_u128(0xa99));
/// Its secret in the beginning.
pub const FIRST: Uuid = Uuid::from_u128(0xf1257);

/// An application of Airlock's own.
pub const OWN: ObjectId = ObjectId::new(Uuid::from_u128(0x0111));

pub const DAY_S: i64 = 24 * 3600;

/// What is rotated.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    ClientSecret,
    Generated,
    WrappingKey,
}

impl Kind {
    /// Its name in Key Vault.
    pub const fn place(self) -> &'static str {
        match self {
            Self::ClientSecret => "client-secret-payroll",
            Self::Generated => "generated-payroll",
            Self::WrappingKey => "tenant-data",
        }
    }

    pub fn binding(self) -> Value {
        let driver = match self {
            Self::ClientSecret => json!({
                "kind": "entra_client_secret", "application": PAYROLL, "secret": self.place(),
                "client": Uuid::from_u128(0xc11), "replaces": FIRST,
            }),
            Self::Generated => json!({
                "kind": "generated", "secret": self.place(), "bytes": 32,
                "check": "https://payroll.example/check",
            }),
            Self::WrappingKey => json!({ "kind": "key_vault_key", "key": self.place() }),
        };
        json!({ "name": "payroll", "driver": driver, "max_age_days": 30, "overlap_hours": 24 })
    }
}

pub struct Shop {
    pub world: World,
    pub gate: Arc<Gate>,
    pub rented: Arc<Rented>,
    pub kind: Kind,
}

impl Shop {
    /// A secret of this kind that is in use since noon.
    pub async fn with(kind: Kind) -> Self {
        let world = World::new().await;
        let gate = Arc::new(Gate::default());
        let rented = Arc::new(Rented::new(gate.clone(), world.clock.clone()));
        match kind {
            Kind::ClientSecret => {
                rented.put_credential(PAYROLL, FIRST, "first");
                rented.put_secret(kind.place(), "first");
                rented.watch(kind.place(), Some(PAYROLL));
            }
            Kind::Generated => {
                rented.put_secret(kind.place(), "first");
                rented.watch(kind.place(), None);
            }
            Kind::WrappingKey => {
                rented.put_key(kind.place());
                rented.watch(kind.place(), None);
            }
        }
        let shop = Self { world, gate, rented, kind };
        shop.bind(&json!([kind.binding()])).await;
        shop
    }

    /// The admin plane binds these secrets.
    pub async fn bind(&self, secrets: &Value) {
        self.bind_in(CONTOSO, secrets).await;
    }

    /// The same in a tenant that is bound as Contoso is.
    pub async fn bind_in(&self, tenant: TenantId, secrets: &Value) {
        let world = &self.world;
        let secrets: Secrets = serde_json::from_value(secrets.clone()).unwrap();
        let partition = Partition::bindings(CONTOSO);
        let found = world.documents.read(&partition, BINDING_ID).await.unwrap().unwrap();
        let partition = Partition::bindings(tenant);
        let mut stored: StoredArtefact<Binding> = serde_json::from_value(found.json).unwrap();
        let mut binding =
            stored.artefact.verify(&world.root_key(), world.now()).unwrap().value().clone();
        let ver = binding.secrets.map_or(1, |version| version.ver + 1);
        let (iat, exp) = (world.now(), world.now().plus_s(365 * DAY_S));
        let bindings = SecretBindings { tnt: tenant, ver, iat, exp, secrets };
        let artefact = Signed::sign(&bindings, &world.root).await.unwrap();
        (binding.tnt, binding.ver, binding.exp) = (tenant, binding.ver + 1, exp);
        stored.tenant = tenant.to_string();
        binding.secrets = Some(ArtefactVersion { ver, digest: artefact.digest() });
        stored.artefact = Signed::sign(&binding, &world.root).await.unwrap();
        let secrets = StoredArtefact {
            id: SECRETS_ID.to_owned(),
            tenant: tenant.to_string(),
            kind: SECRETS_ID.to_owned(),
            at: NOON,
            artefact,
        };
        let json = serde_json::to_value(secrets).unwrap();
        world.documents.overwrite(&partition, SECRETS_ID, json);
        let json = serde_json::to_value(stored).unwrap();
        world.documents.overwrite(&partition, BINDING_ID, json);
    }

    pub fn ports(&self, app: App) -> Ports {
        Ports {
            documents: Arc::new(Gated::new(self.world.documents.clone(), self.gate.clone())),
            wrapper: Arc::new(Versioned::new(self.rented.clone(), Kind::WrappingKey.place())),
            ..self.world.ports(app)
        }
    }

    /// Another process of `rotate`'s.
    pub fn rotator(&self) -> Rotator {
        let ports = self.ports(App::Rotate);
        let trust = Arc::new(self.world.trust_over(&ports));
        let mut holder = [0; 16];
        Dice.fill(&mut holder).unwrap();
        let (clients, data_key) = (BTreeSet::from([OWN]), Kind::WrappingKey.place().to_owned());
        let own = Own { clients, data_key };
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

    /// How far the secret has come.
    pub async fn rotation(&self) -> Rotation {
        let name = "payroll".to_owned().try_into().unwrap();
        let partition = Partition::tenant(&self.world.scope(CONTOSO).await);
        let json = self.world.documents.all(&partition)[&document_id(&name)].clone();
        serde_json::from_str(json["body"].as_str().unwrap()).unwrap()
    }

    /// What happened to it, in order.
    pub async fn story(&self) -> Vec<String> {
        let all = self.world.contoso_ledger().await.into_iter();
        let told = all
            .filter_map(|happened| happened.strip_prefix("airlock.secret.").map(ToOwned::to_owned));
        told.collect()
    }

    fn data_keys(&self) -> DataKeys {
        let ports = self.ports(App::Intake);
        let ledger = Ledger::new(App::Intake, &ports, Arc::new(self.world.trust_over(&ports)));
        DataKeys::new(&ports, Arc::new(ledger))
    }

    /// Encrypts something under a data key.
    pub async fn seal_something(&self) {
        let (trust, scope) = (self.world.trust().await, self.world.scope(CONTOSO).await);
        let (keys, partition) = (self.data_keys(), Partition::tenant(&scope));
        let sealed = keys.of(&trust, &partition).seal("thing", None, "nina").await.unwrap();
        let json = serde_json::to_value(sealed.sealed()).unwrap();
        self.world.documents.overwrite(&Partition::session("thing"), "thing", json);
    }

    /// Reads it, as a process that remembers nothing.
    pub async fn open_something(&self) {
        let (trust, scope) = (self.world.trust().await, self.world.scope(CONTOSO).await);
        let (keys, partition) = (self.data_keys(), Partition::tenant(&scope));
        let json = self.world.documents.all(&Partition::session("thing"))["thing"].clone();
        let sealed: Sealed = serde_json::from_value(json).unwrap();
        let opened = keys.of(&trust, &partition).open("thing", &sealed).await.unwrap();
        assert_eq!(opened.text(), "nina");
    }

    /// The next process finds the lease of a dead one over.
    pub async fn outlast_a_lease(&self) {
        self.world.pass(LEASE_S + 1).await;
    }

    /// How many credentials are valid.
    pub fn valid(&self) -> usize {
        match self.kind {
            Kind::ClientSecret => self.rented.credentials(PAYROLL).len(),
            Kind::Generated | Kind::WrappingKey => self.rented.versions_of(self.kind.place()).1,
        }
    }
}
