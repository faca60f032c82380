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
    ports::{Partition, Signer as _},
    reception::Caller,
    revocation::{self, Revocation, StoredRevocation},
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
}
