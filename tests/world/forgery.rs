//! What a taken-over `intake` can put together: documents and permits that are genuine in form,
//! because its key signs them, around evidence that is not.

use airlock_core::{
    ask::RequestEvidence,
    binding::Binding,
    catalog::{Asked, Change},
    decision::DecisionEvidence,
    identity::{App, TenantId},
    jws::Signed,
    keyset::Keyset,
    ledger::{
        Happened, Statement, Stored,
        statement::{Data, Listed},
    },
    permit::{
        AuthorizationDetail, DETAIL_TYPE, LedgerSeen, OpHashAlg, Permit, PermittedChange,
        Reference, Version,
    },
    policy::Policies,
    record::{KIND, Record, State, Summary, document_id},
    request::Blinding,
    session::PersonEvidence,
    time::Timestamp,
    trust::StoredArtefact,
};
use serde_json::Value;
use uuid::Uuid;

use super::{Control, Impostor, Opener, Person, VaultKey, World, clock::now, spoil::payload};

/// A taken-over `intake` that can also write whatever it likes into the database.
pub struct Forger {
    control: Control,
    intake: Impostor,
    key: VaultKey,
    policies: Reference,
}

/// A request with a permit, ready to be planted and sent.
#[derive(Clone)]
pub struct Forged {
    /// What will stand in the database.
    pub record: Record,
    /// What will be sent.
    pub change: PermittedChange,
}

/// What a request's evidence says, believed without looking.
struct Says {
    tenant: TenantId,
    by: String,
    op: Asked,
    purpose: String,
    from: Timestamp,
    until: Timestamp,
}

impl Forger {
    /// Takes `intake` over.
    pub async fn new(world: &World) -> Self {
        let intake = world.impostor("intake").await;
        let key = intake.key().await;
        let policies = Policies::standard().expect("our own policies").reference().clone();
        Self { control: world.control().clone(), intake, key, policies }
    }

    /// The app that was taken over.
    #[must_use]
    pub const fn intake(&self) -> &Impostor {
        &self.intake
    }

    /// The key that was taken over.
    #[must_use]
    pub const fn key(&self) -> &VaultKey {
        &self.key
    }

    /// Session and confirmation of somebody who is signed in, as anyone reads them who reads the
    /// database.
    pub async fn evidence_of(&self, person: &Person) -> PersonEvidence {
        let stored = self.control.document("sessions", &person.session_document()).await;
        let stored = stored.expect("a signed-in person has a session");
        let body: Value =
            serde_json::from_str(stored["body"].as_str().expect("text")).expect("JSON");
        serde_json::from_value(body["person"].clone()).expect("a session holds its evidence")
    }

    /// Signs a permit for whatever the evidence says.
    pub async fn forge(
        &self,
        request: RequestEvidence,
        decisions: Vec<DecisionEvidence>,
    ) -> Forged {
        let permit = self.permit(&request, &decisions).await;
        self.forge_with(request, decisions, permit).await
    }

    /// As [`forge`](Self::forge), with another permit than the one that fits.
    pub async fn forge_with(
        &self,
        request: RequestEvidence,
        decisions: Vec<DecisionEvidence>,
        permit: Permit,
    ) -> Forged {
        let permit = Signed::sign(&permit, &self.key).await.expect("intake's key signs");
        let says = Says::of(&request);
        let record = Record {
            request: request.digest(),
            evidence: request.clone(),
            decisions: decisions.clone(),
            state: State::Permitted,
            needs_approvals: 0,
            approvals: 0,
            permit: Some(permit.clone()),
            claim: None,
            lease: None,
            outcome: None,
            result: None,
            revealed: None,
            review: None,
            summary: Summary {
                operation: says.op.name,
                target: says.op.target.clone(),
                requester: says.by,
                purpose: says.purpose,
                ticket: None,
                break_glass: false,
                asked_at: says.from,
                expires: says.until,
            },
        };
        Forged { record, change: PermittedChange { attempt: 0, permit } }
    }

    /// A permit that fits the evidence.
    pub async fn permit(
        &self,
        request: &RequestEvidence,
        decisions: &[DecisionEvidence],
    ) -> Permit {
        let says = Says::of(request);
        let change =
            Change::understand(says.tenant, &says.op).expect("an operation of the catalog");
        let keyset: StoredArtefact<Keyset> = self.artefact("platform").await;
        let binding: StoredArtefact<Binding> = self.artefact(&says.tenant.to_string()).await;
        let at = now();
        Permit {
            iss: App::Intake,
            aud: App::Execute,
            jti: Uuid::new_v4(),
            iat: at,
            nbf: at,
            exp: at.plus_s(change.entry().risk.permit_lifetime_s()),
            tnt: says.tenant,
            req: request.digest(),
            authorization_details: [AuthorizationDetail {
                r#type: DETAIL_TYPE.to_owned(),
                actions: [change.entry().name.to_owned()],
                op_hash: Blinding::of(request).expect("a signed request").op_hash(&change),
                op_hash_alg: OpHashAlg::BlindedByRequest,
            }],
            pol: self.policies.clone(),
            apr: decisions.iter().map(|decision| decision.decision.digest()).collect(),
            bnd: Reference {
                id: says.tenant.to_string(),
                ver: payload::<Binding>(binding.artefact.as_str()).ver,
                hash: binding.artefact.digest(),
            },
            ks: Version { ver: payload::<Keyset>(keyset.artefact.as_str()).ver },
            lgr: LedgerSeen {
                origin: format!("airlock.invalid/ledger/{}", says.tenant),
                size: 0,
                root: request.digest(),
            },
        }
    }

    async fn artefact<T: airlock_core::jws::Artefact>(&self, partition: &str) -> StoredArtefact<T> {
        let mut document = self.control.published(partition).await;
        let members = document.as_object_mut().expect("a document is an object");
        // The store's own properties.
        members.retain(|name, _| !name.starts_with('_'));
        serde_json::from_value(document).expect("a stored artefact")
    }

    /// Puts a request into the database, with a statement of `intake`'s that commits to it.
    pub async fn plant(&self, record: &Record) {
        let partition = Says::of(&record.evidence).tenant.to_string();
        self.plant_in(&partition, record).await;
    }

    /// As [`plant`](Self::plant), into any partition.
    pub async fn plant_in(&self, partition: &str, record: &Record) {
        let (id, now) = (document_id(record.request), now());
        let text = serde_json::to_string(record).expect("a record has a JSON form");
        let contents = self.opener().seal(&self.key, partition, &id, &text).await;
        let statement = Statement {
            specversion: "1.0".to_owned(),
            id: Uuid::new_v4(),
            source: format!("/airlock/{}", App::Intake),
            r#type: Happened::Permitted,
            subject: id.clone(),
            time: now.to_string(),
            traceparent: None,
            tenantid: partition.to_owned(),
            principal: None,
            iss: App::Intake,
            iat: now,
            data: Data {
                document: Some(contents.commitment()),
                listed: Some(Listed {
                    kind: KIND.to_owned(),
                    at: now.as_unix_s(),
                    hint: Some(record.state.name().to_owned()),
                }),
                ..Data::default()
            },
        };
        let stored = Stored {
            id,
            tenant: partition.to_owned(),
            kind: KIND.to_owned(),
            at: now.as_unix_s(),
            hint: Some(record.state.name().to_owned()),
            body: None,
            salt: None,
            sealed: Some(contents.sealed().clone()),
            erased: None,
            statement: Signed::sign(&statement, &self.key).await.expect("intake's key signs"),
        };
        let stored = stored.to_json().expect("a document has a JSON form");
        self.control.put("tenants", partition, &stored).await;
    }

    fn opener(&self) -> Opener {
        Opener::new(self.control.clone(), self.intake.clone())
    }

    /// Sends a message to `execute`, as `intake` may.
    pub async fn send(&self, change: &PermittedChange) {
        let body = serde_json::to_vec(change).expect("a change has a JSON form");
        self.send_raw(body).await;
    }

    /// Sends anything to `execute`, under a name that the broker has not seen.
    pub async fn send_raw(&self, body: Vec<u8>) {
        let id = Uuid::new_v4().to_string();
        let sent = self.intake.send("permits-execute", &id, body).await;
        assert_eq!(sent.status, 201, "{}", sent.text);
    }

    /// Plants the request, then sends its permit.
    pub async fn deliver(&self, forged: &Forged) {
        self.plant(&forged.record).await;
        self.send(&forged.change).await;
    }

    /// The thumbprint of `intake`'s key, for what claims to be signed by it.
    #[must_use]
    pub fn kid(&self) -> String {
        self.key.key().thumbprint().to_string()
    }
}

impl Says {
    fn of(request: &RequestEvidence) -> Self {
        match request {
            RequestEvidence::Proven { request, person } => {
                let ask: airlock_core::ask::Ask = payload(request.as_str());
                let session: airlock_core::session::Session = payload(person.session.as_str());
                Self {
                    tenant: ask.tnt,
                    by: session.person().to_string(),
                    op: ask.op,
                    purpose: ask.purpose,
                    from: ask.iat,
                    until: ask.exp,
                }
            }
            RequestEvidence::Attested { attestation } => {
                let said: airlock_core::ask::Attestation = payload(attestation.as_str());
                Self {
                    tenant: said.tnt,
                    by: format!("service:{}", said.sub),
                    op: said.op,
                    purpose: said.purpose,
                    from: said.iat,
                    until: said.exp,
                }
            }
            RequestEvidence::Produced { event } => {
                let event: airlock_core::producer::Event = payload(event.as_str());
                Self {
                    tenant: event.tenant(),
                    by: format!("producer:{}", event.source()),
                    op: event.data().op.clone(),
                    purpose: event.data().purpose.clone(),
                    from: event.time(),
                    until: event.until(),
                }
            }
        }
    }
}
