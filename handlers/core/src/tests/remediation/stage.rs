//! Airlock's own registrations, a credential that somebody planted, `drift`, and `rotate`.

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::Arc,
};

use serde_json::json;
use uuid::Uuid;

use super::super::{
    rotation::shop::{Kind, Shop},
    world::{CONTOSO, Client, World, settle},
};
use crate::{
    binding::{Producer, SignedBy},
    catalog::{Asked, Target},
    digest::Digest,
    drift::{
        actual::Federated,
        check::Mend,
        desired::{self, Application, Desired},
        severity::Severity,
    },
    execution::{Tools, Worker},
    finding::{Drifted, Finding, State, Verdict},
    identity::{App, ObjectId, Role},
    jws::Signed,
    memory::{
        Dice, LocalKey,
        remediation::{Gate, Registered, Wrong},
    },
    policy::Policies,
    ports::{Entropy as _, Message, Partition, Ports},
    producer::{Event, EventData},
    reception::{NotReceived, RequestName},
    record::LEASE_S,
    remediation::{Opened, Remediator},
};

pub const NAME: &str = "credential.remove";
/// Finds passwords on applications that shall have none.
pub const SECRETLESS: &str = "secretless-application";
/// Finds trust that was not declared.
pub const FEDERATED: &str = "federated-credential";

/// A worker application's registration, and its client id.
pub const METHODS: ObjectId = ObjectId::new(Uuid::from_u128(0xa001));
const METHODS_CLIENT: ObjectId = ObjectId::new(Uuid::from_u128(0xc001));
/// The rotator's, from which nothing is taken away.
pub const ROTATOR: ObjectId = ObjectId::new(Uuid::from_u128(0xa002));
const ROTATOR_CLIENT: ObjectId = ObjectId::new(Uuid::from_u128(0xc002));
/// Somebody else's.
pub const PAYROLL: ObjectId = ObjectId::new(Uuid::from_u128(0xa003));
/// One that is declared to be mended, and is none of the deployment's own.
pub const STRAY: ObjectId = ObjectId::new(Uuid::from_u128(0xa004));

/// A password that stands on every registration here.
pub const PASSWORD: Uuid = Uuid::from_u128(0xf001);
/// Another one, which nobody asks about.
pub const OTHER: Uuid = Uuid::from_u128(0xf002);
/// Trust that somebody planted.
pub const TRUST: Uuid = Uuid::from_u128(0xf003);
/// Trust that was declared.
pub const DECLARED: Uuid = Uuid::from_u128(0xf004);

/// Who answers for `drift`, and is a tenant administrator.
pub const OWNER: u128 = 21;

const IDENTITY: ObjectId = ObjectId::new(Uuid::from_u128(0x1d));
const ISSUER: &str = "https://login.example/contoso/v2.0";
const AUDIENCE: &str = "api://AzureADTokenExchange";

fn trust_in(id: Uuid, subject: ObjectId) -> Federated {
    Federated {
        id: ObjectId::new(id),
        issuer: ISSUER.to_owned(),
        subject: subject.to_string(),
        audiences: BTreeSet::from([AUDIENCE.to_owned()]),
    }
}

fn opened(client: u128) -> Opened {
    Opened {
        client: ObjectId::new(Uuid::from_u128(client)),
        passwords: BTreeSet::from([PASSWORD, OTHER]),
        federated: vec![trust_in(DECLARED, IDENTITY), trust_in(TRUST, PAYROLL)],
    }
}

fn declared(client: ObjectId, mendable: bool) -> Application {
    let none = BTreeSet::new;
    Application {
        client,
        trusts: Some(IDENTITY),
        permissions: none(),
        directory_roles: BTreeSet::new(),
        scopes: none(),
        app_roles: none(),
        redirects: none(),
        removes_credentials_of: none(),
        mendable,
    }
}

fn desired() -> Desired {
    let stray = ObjectId::new(Uuid::from_u128(0xc004));
    Desired {
        home: CONTOSO,
        applications: BTreeMap::from([
            ("airlock-worker-methods".to_owned(), declared(METHODS_CLIENT, true)),
            ("airlock-rotator".to_owned(), declared(ROTATOR_CLIENT, false)),
            ("airlock-stray".to_owned(), declared(stray, true)),
        ]),
        principals: BTreeMap::new(),
        issuer: ISSUER.to_owned(),
        audience: AUDIENCE,
        calls: BTreeMap::new(),
        credential_remover: desired::Role {
            name: "Airlock Credential Remover".to_owned(),
            template: Uuid::from_u128(0xf005),
            actions: Some(BTreeSet::new()),
        },
        sites: BTreeMap::new(),
        role_assignments: BTreeSet::new(),
        azure_roles: Vec::new(),
    }
}

fn remediator(registered: Arc<Registered>) -> Arc<Remediator> {
    let own = BTreeSet::from([METHODS_CLIENT, ROTATOR_CLIENT]);
    Arc::new(Remediator::new(registered, desired(), &own))
}

/// What takes credentials away where there is nothing.
pub fn nothing_to_mend() -> Arc<Remediator> {
    remediator(Arc::new(Registered::new(Arc::new(Gate::default()), BTreeMap::new())))
}

pub struct Stage {
    pub shop: Shop,
    pub registered: Arc<Registered>,
    /// A tenant administrator.
    pub tara: Client,
}

impl Stage {
    pub async fn new() -> Self {
        let shop = Shop::with(Kind::ClientSecret).await;
        let registrations = BTreeMap::from([
            (METHODS, opened(0xc001)),
            (ROTATOR, opened(0xc002)),
            (PAYROLL, opened(0xc003)),
            (STRAY, opened(0xc004)),
        ]);
        let registered = Arc::new(Registered::new(shop.gate.clone(), registrations));
        let tara = shop.world.sign_in(CONTOSO, 11, &[Role::TenantAdmin]).await;
        let stage = Self { shop, registered, tara };
        stage.register(SignedBy::Drift, &[NAME]).await;
        stage
    }

    pub const fn world(&self) -> &World {
        &self.shop.world
    }

    /// `drift`, as the tenant's terms register it.
    pub async fn register(&self, signed_by: SignedBy, operations: &[&str]) {
        let producer = Producer {
            name: "drift".to_owned(),
            signed_by,
            operations: operations.iter().map(|name| (*name).to_owned()).collect(),
            owners: vec![ObjectId::new(Uuid::from_u128(OWNER))],
        };
        self.world().change_terms(CONTOSO, |terms| terms.producers = vec![producer]).await;
    }

    /// A process of `rotate`'s.
    pub fn worker(&self) -> Worker {
        // It reads what `intake` encrypted, which knows no versions of its key.
        let wrapper = self.world().ports(App::Rotate).wrapper;
        let ports = Ports { wrapper, ..self.shop.ports(App::Rotate) };
        let trust = self.world().trust_over(&ports);
        let mut holder = [0; 16];
        Dice.fill(&mut holder).unwrap();
        let policies = Arc::new(Policies::standard().unwrap());
        let remediator = remediator(self.registered.clone());
        let tools = Tools::Credentials { rotator: Arc::new(self.shop.rotator()), remediator };
        Worker::new(tools, ports, trust, policies, holder)
    }

    /// Delivers to a process in which a call goes wrong; nothing, if it dies.
    pub async fn spoiled(&self, message: &Message, number: usize, wrong: Wrong) -> Option<bool> {
        let worker = self.worker();
        self.shop.gate.spoil(number, wrong);
        tokio::select! {
            handled = worker.handle(&message.body, 1, None) => Some(handled.is_ok()),
            () = self.shop.gate.died() => None,
        }
    }

    /// What `drift` found now.
    pub fn finding(&self, check: &str, mend: Mend) -> Finding {
        let now = self.world().now();
        Finding {
            iss: App::Drift,
            tnt: CONTOSO,
            subject: format!("drift/{check}"),
            verdict: Verdict::Drift,
            iat: now,
            exp: now.plus_s(3600),
            drift: Some(Drifted {
                fingerprint: Digest::of(&[check.as_bytes()]),
                check: check.to_owned(),
                severity: Severity::Critical,
                declared: Some("none".to_owned()),
                found: Some("a password until tomorrow".to_owned()),
                first_seen: now,
                last_seen: now,
                state: State::Open,
                mend: Some(mend),
            }),
        }
    }

    /// A finding of the planted password.
    pub fn password(&self) -> Finding {
        self.finding(SECRETLESS, removes(METHODS, PASSWORD))
    }

    /// A finding of the planted trust.
    pub fn trust(&self) -> Finding {
        let mend =
            Mend::RemoveFederated { tenant: CONTOSO, application: METHODS, credential: TRUST };
        self.finding(FEDERATED, mend)
    }

    pub fn drift(&self) -> &LocalKey {
        self.world().key_of(App::Drift)
    }

    /// An event that asks for this by this finding.
    pub fn event(&self, id: &str, op: Asked, finding: Option<Signed<Finding>>) -> Event {
        let data = EventData {
            op,
            purpose: "nobody declared it".to_owned(),
            ticket: None,
            lifetime_s: None,
            finding,
        };
        Event::asking("drift".to_owned(), id.to_owned(), self.world().now(), CONTOSO, data)
    }

    /// What `drift` sends about a finding of its own.
    pub async fn asks(&self, id: &str, finding: &Finding) -> Signed<Event> {
        let signed = Signed::sign(finding, self.drift()).await.unwrap();
        let op = op(finding.drift.as_ref().unwrap().mend.as_ref().unwrap());
        Signed::sign(&self.event(id, op, Some(signed)), self.drift()).await.unwrap()
    }

    pub async fn send(&self, event: &Signed<Event>) -> Result<(), NotReceived> {
        let taken = self.world().reception.submit_event(event.clone(), None).await;
        settle().await;
        taken
    }

    pub fn last_message(&self) -> Message {
        let sent = self.world().bus.all();
        let last = sent.into_iter().rfind(|(queue, _)| queue.starts_with("permits"));
        let (queue, message) = last.unwrap();
        assert_eq!(queue, "permits-rotate");
        message
    }

    /// What opens a registration now.
    pub fn of(&self, application: ObjectId) -> Opened {
        self.registered.all()[&application].clone()
    }

    /// Nothing was removed, from anywhere, and nobody tried to.
    pub fn assert_untouched(&self, what: &str) {
        let clients = [(METHODS, 0xc001), (ROTATOR, 0xc002), (PAYROLL, 0xc003), (STRAY, 0xc004)];
        let all = clients.map(|(application, client)| (application, opened(client)));
        assert_eq!(self.registered.all(), BTreeMap::from(all), "{what}");
        assert_eq!(self.removals(), 0, "{what}");
    }

    /// How often a removal was called for.
    pub fn removals(&self) -> usize {
        self.shop.gate.calls().into_iter().filter(|call| *call == "remove").count()
    }

    pub async fn stored(&self) -> usize {
        let partition = Partition::tenant(&self.world().scope(CONTOSO).await);
        self.world().documents.all(&partition).len()
    }

    /// The next process finds the lease of a dead one over.
    pub async fn outlast_a_lease(&self) {
        self.world().pass(LEASE_S + 1).await;
    }
}

/// That a password is removed.
pub fn removes(application: ObjectId, credential: Uuid) -> Mend {
    Mend::RemovePassword { tenant: CONTOSO, application, credential }
}

/// The operation that mends it.
pub fn op(mend: &Mend) -> Asked {
    let (application, credential, kind) = match mend {
        Mend::RemovePassword { application, credential, .. } => {
            (application, credential, "password")
        }
        Mend::RemoveFederated { application, credential, .. } => {
            (application, credential, "federated")
        }
    };
    Asked {
        name: NAME.to_owned(),
        target: Target::Application(*application),
        parameters: json!({ "credential": credential, "kind": kind }),
    }
}

/// The name of an event's request.
pub fn id_of(event: &Signed<Event>) -> String {
    RequestName { tenant: CONTOSO, digest: event.digest() }.to_string()
}
