//! A deployment in memory: an admin root, five apps' keys, two tenants, people with keys.

use std::sync::Arc;

use p256::SecretKey;
use uuid::Uuid;

use crate::{
    ask::{Ask, Attestation, RequestEvidence},
    binding::{Binding, HomeTenant, Terms},
    catalog::{Asked, OPERATIONS, Target, tests::example},
    claim::Outcome,
    decision::{Decision, Verdict},
    digest::Digest,
    execution::Worker,
    finding::{self, Finding, StoredFinding},
    identity::{App, ObjectId, PersonId, Role, TenantId},
    jwe,
    jws::{Artefact, Signed, Typ},
    keyset::{Keyset, KeysetKey, Trust},
    ledger::{
        Commit, Document, Happened, Ledger,
        commit::{Change, StoredLeaf},
    },
    memory::{Dice, Documented, Kept, Listed, LocalKey, Mask, Sent, SetClock},
    permit::PermittedChange,
    policy::{Policies, TargetFacts},
    ports::{Clock as _, Documents as _, Partition, Ports, Query, Signer as _, Write},
    reception::{Caller, NotReceived, Reception, RequestName, View},
    record::{Record, document_id},
    request::{Authenticated, Request},
    revocation::{self, Revocation, StoredRevocation},
    session::{Confirmation, Confirms, PersonEvidence, Session},
    step_up::{self, Context},
    tenancy::TenantScope,
    time::Timestamp,
    trust::{BINDING_ID, KEYSET_ID, StoredArtefact, TrustStore},
};

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

/// A person at their own client.
pub struct Client {
    pub caller: Caller,
    pub key: LocalKey,
    pub reveal: SecretKey,
}

pub struct World {
    pub clock: Arc<SetClock>,
    pub documents: Arc<Documented>,
    pub blobs: Arc<Kept>,
    pub bus: Arc<Sent>,
    pub directory: Arc<Listed>,
    pub root: LocalKey,
    pub keys: Vec<(App, Arc<LocalKey>)>,
    pub reception: Reception,
}

pub fn key() -> LocalKey {
    LocalKey::new(&jwe::private_key(&Dice).unwrap()).unwrap()
}

fn signs(app: App) -> Vec<Typ> {
    match app {
        App::Signin => vec![Typ::Session, Typ::Revocation, Typ::Statement],
        App::Intake => vec![Typ::Confirmation, Typ::Attestation, Typ::Permit, Typ::Statement],
        App::Execute | App::Rotate => vec![Typ::Claim, Typ::Outcome, Typ::Statement],
        App::Drift => vec![Typ::Finding, Typ::Statement],
        App::Admin => vec![Typ::Statement],
    }
}

impl World {
    pub async fn new() -> Self {
        let clock = Arc::new(SetClock::at(Timestamp::from_unix_s(NOON)));
        let documents = Arc::new(Documented::default());
        let blobs = Arc::new(Kept::default());
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
        let ports = Self::ports_of(&clock, &documents, &blobs, &bus, &keys, App::Intake);
        let trust = TrustStore::new(
            root.key().clone(),
            Arc::clone(&ports.documents),
            Arc::clone(&ports.clock),
            0,
        );
        let policies = Arc::new(Policies::standard().unwrap());
        let reception = Reception::new(ports, Arc::new(trust), policies);
        let world = Self { clock, documents, blobs, bus, directory, root, keys, reception };
        world.declare().await;
        world
    }

    fn ports_of(
        clock: &Arc<SetClock>,
        documents: &Arc<Documented>,
        blobs: &Arc<Kept>,
        bus: &Arc<Sent>,
        keys: &[(App, Arc<LocalKey>)],
        app: App,
    ) -> Ports {
        let signer = keys.iter().find(|(other, _)| *other == app).unwrap().1.clone();
        Ports {
            clock: clock.clone(),
            entropy: Arc::new(Dice),
            signer,
            wrapper: Arc::new(Mask),
            documents: documents.clone(),
            blobs: blobs.clone(),
            bus: bus.clone(),
        }
    }

    pub fn ports(&self, app: App) -> Ports {
        Self::ports_of(&self.clock, &self.documents, &self.blobs, &self.bus, &self.keys, app)
    }

    pub fn key_of(&self, app: App) -> &LocalKey {
        &self.keys.iter().find(|(other, _)| *other == app).unwrap().1
    }

    /// The admin root's public key.
    pub fn root_key(&self) -> crate::jwk::PublicKey {
        self.root.key().clone()
    }

    pub fn now(&self) -> Timestamp {
        self.clock.now()
    }

    /// What the admin plane signs.
    async fn declare(&self) {
        let now = self.now();
        let keys = self.keys.iter().map(|(app, key)| KeysetKey {
            jwk: key.key().clone(),
            app: *app,
            signs: signs(*app),
            nbf: now,
            revoked: None,
        });
        let keyset =
            Keyset { ver: 1, iat: now, exp: now.plus_s(86_400 * 90), keys: keys.collect() };
        self.store_artefact(&Partition::deployment(), KEYSET_ID, &keyset).await;
        for (tenant, home_tenants) in [
            (CONTOSO, vec![(CONTOSO, Role::ALL.to_vec())]),
            (FABRIKAM, vec![(FABRIKAM, Role::ALL.to_vec()), (CONTOSO, vec![Role::HelpdeskAgent])]),
        ] {
            let binding = Binding {
                tnt: tenant,
                ver: 1,
                iat: now,
                exp: now.plus_s(86_400 * 90),
                terms: Terms {
                    name: "a tenant".to_owned(),
                    home_tenants: home_tenants
                        .into_iter()
                        .map(|(tenant, roles)| HomeTenant { tenant, roles })
                        .collect(),
                    allowed_groups: vec![LISTED],
                    protected_groups: vec![GUARDED],
                    ..Terms::default()
                },
            };
            self.store_artefact(&Partition::bindings(tenant), BINDING_ID, &binding).await;
        }
    }

    /// What the admin plane signs next.
    pub async fn replace_keyset(&self, ver: u64) {
        let partition = Partition::deployment();
        let found = self.documents.read(&partition, KEYSET_ID).await.unwrap().unwrap();
        let mut stored: StoredArtefact<Keyset> = serde_json::from_value(found.json).unwrap();
        let old = stored.artefact.verify(self.root.key(), self.now()).unwrap();
        let new = Keyset { ver, ..old.value().clone() };
        stored.artefact = Signed::sign(&new, &self.root).await.unwrap();
        let json = serde_json::to_value(stored).unwrap();
        self.documents.overwrite(&partition, KEYSET_ID, json);
    }

    /// The tenant's next binding, with these terms changed.
    pub async fn change_terms(&self, tenant: TenantId, change: impl FnOnce(&mut Terms)) {
        let partition = Partition::bindings(tenant);
        let found = self.documents.read(&partition, BINDING_ID).await.unwrap().unwrap();
        let mut stored: StoredArtefact<Binding> = serde_json::from_value(found.json).unwrap();
        let old = stored.artefact.verify(self.root.key(), self.now()).unwrap();
        let mut new = Binding { ver: old.ver + 1, ..old.value().clone() };
        change(&mut new.terms);
        stored.artefact = Signed::sign(&new, &self.root).await.unwrap();
        let json = serde_json::to_value(stored).unwrap();
        self.documents.overwrite(&partition, BINDING_ID, json);
    }

    /// What `drift` found of a step-up.
    pub async fn find(&self, context: &Context, verdict: finding::Verdict) {
        let now = self.now();
        let finding = Finding {
            iss: App::Drift,
            tnt: CONTOSO,
            subject: step_up::subject(context),
            verdict,
            iat: now,
            exp: now.plus_s(step_up::BACKED_S),
        };
        let finding = Signed::sign(&finding, self.key_of(App::Drift)).await.unwrap();
        let scope = self.scope(CONTOSO).await;
        let partition = Partition::tenant(&scope);
        let id = step_up::document_id(context);
        let before = self.documents.read(&partition, &id).await.unwrap();
        let ports = self.ports(App::Drift);
        let ledger = Ledger::new(App::Drift, ports.documents, ports.signer, ports.entropy);
        let commit = Commit {
            happened: Happened::Compared,
            principal: None,
            request: None,
            reason: None,
            traceparent: None,
            change: Some(Change {
                id,
                kind: finding::KIND,
                at: 0,
                hint: None,
                salt: None,
                body: serde_json::to_string(&StoredFinding { finding }).unwrap(),
                replaces: before.map(|found| found.etag),
            }),
            markers: Vec::new(),
            counts: Vec::new(),
            outgoing: Vec::new(),
        };
        ledger.commit(&partition, commit, now).await.unwrap();
    }

    /// Ends all sessions of a person, as `signin` does.
    pub async fn revoke(&self, client: &Client) {
        let PersonId { tid, oid } = client.id();
        let (nbf, iat) = (self.now(), self.now());
        let revocation = Revocation { iss: App::Signin, tid, oid, sid: None, nbf, iat };
        let id = revocation::person_id(client.id());
        let stored = StoredRevocation {
            id: id.clone(),
            tenant: tid.to_string(),
            kind: revocation::KIND.to_owned(),
            person: oid.to_string(),
            at: 0,
            revocation: Signed::sign(&revocation, self.key_of(App::Signin)).await.unwrap(),
        };
        let json = serde_json::to_value(stored).unwrap();
        self.documents.overwrite(&Partition::revocations(tid), &id, json);
    }

    async fn store_artefact<T: Artefact>(&self, partition: &Partition, id: &str, value: &T) {
        let artefact = Signed::sign(value, &self.root).await.unwrap();
        let stored = StoredArtefact {
            id: id.to_owned(),
            tenant: partition.key().to_owned(),
            kind: id.to_owned(),
            at: 0,
            artefact,
        };
        let write = Write::Create(serde_json::to_value(stored).unwrap());
        self.documents.batch(partition, &[write]).await.unwrap();
    }

    pub async fn trust(&self) -> Trust {
        let partition = Partition::deployment();
        let found = self.documents.read(&partition, KEYSET_ID).await.unwrap().unwrap();
        let stored: StoredArtefact<Keyset> = serde_json::from_value(found.json).unwrap();
        Trust::verify(self.root.key(), &stored.artefact, self.now()).unwrap()
    }

    pub async fn scope(&self, tenant: TenantId) -> TenantScope {
        let partition = Partition::bindings(tenant);
        let found = self.documents.read(&partition, BINDING_ID).await.unwrap().unwrap();
        let stored: StoredArtefact<Binding> = serde_json::from_value(found.json).unwrap();
        TenantScope::enter(&self.trust().await, &stored.artefact, tenant, self.now()).unwrap()
    }

    /// A worker process. Another call is another process.
    pub fn worker(&self) -> Worker {
        let ports = self.ports(App::Execute);
        let trust = TrustStore::new(
            self.root.key().clone(),
            Arc::clone(&ports.documents),
            Arc::clone(&ports.clock),
            0,
        );
        let mut holder = [0; 16];
        crate::ports::Entropy::fill(&Dice, &mut holder).unwrap();
        let policies = Arc::new(Policies::standard().unwrap());
        Worker::new(App::Execute, ports, self.directory.clone(), trust, policies, holder)
    }

    /// Signs somebody in: as `signin` and `intake` do together.
    pub async fn sign_in(&self, home: TenantId, name: u128, roles: &[Role]) -> Client {
        self.step_up(home, name, roles, &[]).await
    }

    /// Signs somebody in who satisfies these authentication contexts.
    pub async fn step_up(
        &self,
        home: TenantId,
        name: u128,
        roles: &[Role],
        acrs: &[&str],
    ) -> Client {
        let key = key();
        let mut session = self.session(home, name, roles, &key);
        session.acrs = acrs.iter().map(|acr| (*acr).to_owned()).collect();
        let evidence = self.evidence(&session).await;
        let person = evidence.verify(&self.trust().await, self.now()).unwrap();
        let reveal = jwe::private_key(&Dice).unwrap();
        Client { caller: Caller { evidence, person }, key, reveal }
    }

    pub fn session(&self, home: TenantId, name: u128, roles: &[Role], key: &LocalKey) -> Session {
        Session {
            iss: App::Signin,
            sid: format!("sid-{name}-{}", key.key().thumbprint()),
            tid: home,
            oid: ObjectId::new(Uuid::from_u128(name)),
            roles: roles.to_vec(),
            acrs: Vec::new(),
            auth_time: self.now(),
            iat: self.now(),
            exp: self.now().plus_s(8 * 3600),
            cnf: Confirms { jwk: key.key().clone() },
            cookie: Digest::of(&[b"cookie"]),
        }
    }

    pub async fn evidence(&self, session: &Session) -> PersonEvidence {
        let signed = Signed::sign(session, self.key_of(App::Signin)).await.unwrap();
        let confirmation = Confirmation {
            iss: App::Intake,
            session: signed.digest(),
            tid: session.tid,
            oid: session.oid,
            jkt: session.cnf.jwk.thumbprint(),
            iat: session.iat,
            exp: session.exp,
        };
        let confirmation = Signed::sign(&confirmation, self.key_of(App::Intake)).await.unwrap();
        PersonEvidence { session: signed, confirmation }
    }

    pub fn ask(&self, client: &Client, operation: &str, target: ObjectId) -> Ask {
        let mut known = OPERATIONS.iter().map(|known| known.entry());
        let entry = known.find(|entry| entry.name == operation).unwrap();
        let reveal_to = crate::jwk::PublicKey::from_point(&client.reveal.public_key()).unwrap();
        Ask {
            jti: Uuid::new_v4(),
            iat: self.now(),
            exp: self.now().plus_s(3600),
            aud: App::Execute,
            tnt: CONTOSO,
            sid: client.caller.person.session().sid_hash(),
            by: client.id(),
            op: Asked {
                name: operation.to_owned(),
                target: Target { user: target },
                parameters: example(entry, false),
            },
            purpose: "ticket 4711".to_owned(),
            ticket: None,
            break_glass: false,
            reveal_to: entry.secret.then_some(reveal_to),
        }
    }

    /// What `intake` attests of a service.
    pub async fn attested(
        &self,
        service: &str,
        operation: &str,
        target: ObjectId,
    ) -> Request<Authenticated> {
        let attestation = Attestation {
            iss: App::Intake,
            jti: Uuid::new_v4(),
            iat: self.now(),
            exp: self.now().plus_s(600),
            aud: App::Execute,
            tnt: CONTOSO,
            sub: service.to_owned(),
            token: Digest::of(&[b"token"]),
            op: Asked {
                name: operation.to_owned(),
                target: Target { user: target },
                parameters: serde_json::json!({}),
            },
            purpose: "nightly".to_owned(),
            ticket: None,
        };
        let attestation = Signed::sign(&attestation, self.key_of(App::Intake)).await.unwrap();
        let evidence = RequestEvidence::Attested { attestation };
        let (trust, scope) = (self.trust().await, self.scope(CONTOSO).await);
        Request::authenticate(&evidence, &trust, Some(&scope), self.now()).unwrap()
    }

    pub async fn submit(&self, client: &Client, ask: &Ask) -> Result<View, NotReceived> {
        let request = Signed::sign(ask, &client.key).await.unwrap();
        let view = self.reception.submit(&client.caller, request, None, None).await;
        settle().await;
        view
    }

    pub async fn decide(
        &self,
        client: &Client,
        id: &str,
        verdict: Verdict,
    ) -> Result<View, NotReceived> {
        let name = RequestName::parse(id).unwrap();
        let decision = self.decision(client, name.digest, verdict);
        let decision = Signed::sign(&decision, &client.key).await.unwrap();
        let view = self.reception.decide(&client.caller, name, decision, None).await;
        settle().await;
        view
    }

    pub fn decision(&self, client: &Client, request: Digest, verdict: Verdict) -> Decision {
        Decision {
            jti: Uuid::new_v4(),
            iat: self.now(),
            exp: self.now().plus_s(3600),
            tnt: CONTOSO,
            req: request,
            sid: client.caller.person.session().sid_hash(),
            verdict,
            reason: "looked at it".to_owned(),
        }
    }

    /// Delivers the last message that was sent, for the `delivery`th time.
    pub async fn deliver(&self, worker: &Worker, delivery: u32) -> bool {
        let (_, message) = self.bus.all().pop().unwrap();
        worker.handle(&message.body, delivery, None).await.is_ok()
    }

    /// Delivers the last permit that was sent, for the first time.
    pub async fn deliver_permit(&self, worker: &Worker) -> bool {
        let sent = self.bus.all();
        let (_, message) = sent.iter().rfind(|(queue, _)| queue.starts_with("permits")).unwrap();
        worker.handle(&message.body, 1, None).await.is_ok()
    }

    pub fn last_change(&self) -> PermittedChange {
        let (_, message) = self.bus.all().pop().unwrap();
        serde_json::from_slice(&message.body).unwrap()
    }

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

impl Client {
    pub fn id(&self) -> PersonId {
        self.caller.person.id()
    }

    pub fn proven(&self, request: Signed<Ask>) -> RequestEvidence {
        RequestEvidence::Proven { request, person: self.caller.evidence.clone() }
    }
}

/// Lets the tasks run that send what was committed.
pub async fn settle() {
    for _ in 0..20 {
        tokio::task::yield_now().await;
    }
}
