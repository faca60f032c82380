//! People at their own clients, signed in as `signin` and `intake` do together.

use p256::SecretKey;
use uuid::Uuid;

use crate::{
    ask::{Ask, RequestEvidence},
    digest::Digest,
    identity::{App, ObjectId, PersonId, Role, TenantId},
    jwe,
    jws::Signed,
    memory::{Dice, LocalKey},
    ports::Partition,
    reception::Caller,
    recording::{
        Recorder,
        event::{self, Report},
    },
    revocation::{Revocation, StoredRevocation},
    session::{Confirmation, Confirms, PersonEvidence, Session},
};

use super::{World, key};

/// A person at their own client.
pub struct Client {
    pub caller: Caller,
    pub key: LocalKey,
    pub reveal: SecretKey,
}

impl Client {
    pub fn id(&self) -> PersonId {
        self.caller.person.id()
    }

    pub fn proven(&self, request: Signed<Ask>) -> RequestEvidence {
        RequestEvidence::Proven { request, person: self.caller.evidence.clone() }
    }
}

impl World {
    /// Signs somebody in.
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

    /// Ends all sessions of a person, as `signin` does.
    pub async fn revoke(&self, client: &Client) -> Revocation {
        let PersonId { tid, oid } = client.id();
        let (nbf, iat) = (self.now(), self.now());
        let name = Uuid::new_v4();
        let revocation = Revocation { iss: App::Signin, tid, oid, sid: None, name, nbf, iat };
        let signed = Signed::sign(&revocation, self.key_of(App::Signin)).await.unwrap();
        let stored = StoredRevocation::new(&revocation, signed);
        let json = serde_json::to_value(&stored).unwrap();
        self.documents.overwrite(&Partition::revocations(tid), &stored.id, json);
        revocation
    }

    /// The ledger is told of it, as `signin` and `drift` do together.
    pub async fn tell(&self, client: &Client, revocation: &Revocation) {
        let session = client.caller.person.session_value();
        let mut said = event::revoked(session, client.id(), Uuid::new_v4(), self.now());
        said.data.revocation = Some(revocation.told());
        let said = Signed::sign(&said, self.key_of(App::Signin)).await.unwrap();
        let told = Report::new(said).message(None, None).unwrap();
        let recorder = Recorder::new(self.ports(App::Drift), self.trust_store());
        recorder.handle(&told.body, None).await.unwrap();
    }
}
