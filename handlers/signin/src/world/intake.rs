//! An `intake` that confirms what it is shown, unless told otherwise.

use std::{
    collections::VecDeque,
    pin::Pin,
    sync::{Arc, Mutex},
};

use airlock_core::{
    digest::Digest,
    identity::App,
    jws::Signed,
    memory::{LocalKey, SetClock},
    ports::Clock as _,
    secret::Secret,
    session::{Confirmation, Session},
    sign_in,
};
use async_trait::async_trait;
use serde_json::{Value, json};

use super::{SIGNIN_KEY, World, client_key};
use crate::outside::{Intake, NotAnswered};

/// How the next confirmation is wrong.
#[derive(Clone, Copy, Debug)]
pub enum Lie {
    Refuses,
    OtherPerson,
    OtherSession,
    OtherKey,
    ForeignSignature,
}

/// An `intake` that confirms what it is shown.
pub struct FakeIntake {
    key: LocalKey,
    clock: Arc<SetClock>,
    lies: Mutex<VecDeque<Lie>>,
    meanwhile: Mutex<Option<Pin<Box<dyn Future<Output = ()> + Send>>>>,
}

impl FakeIntake {
    pub(super) fn new(key: LocalKey, clock: Arc<SetClock>) -> Self {
        Self { key, clock, lies: Mutex::default(), meanwhile: Mutex::default() }
    }

    pub fn next_confirmation(&self, lie: Lie) {
        self.lies.lock().unwrap().push_back(lie);
    }

    /// What happens elsewhere while the next confirmation is on its way.
    pub fn meanwhile(&self, happens: impl Future<Output = ()> + Send + 'static) {
        *self.meanwhile.lock().unwrap() = Some(Box::pin(happens));
    }
}

#[async_trait]
impl Intake for FakeIntake {
    async fn confirm(
        &self,
        session: &Signed<Session>,
        id_token: &Secret,
        nonce_random: &[u8; 32],
    ) -> Result<Signed<Confirmation>, NotAnswered> {
        let meanwhile = self.meanwhile.lock().unwrap().take();
        if let Some(meanwhile) = meanwhile {
            meanwhile.await;
        }
        let lie = self.lies.lock().unwrap().pop_front();
        if matches!(lie, Some(Lie::Refuses)) {
            return Err(NotAnswered::Refused(403));
        }
        let now = self.clock.now();
        let said = session.verify(&client_key(SIGNIN_KEY).1, now).unwrap();
        let token: Value = serde_json::from_str(id_token.expose()).unwrap();
        let jkt = said.cnf.jwk.thumbprint();
        assert_eq!(token["nonce"], sign_in::nonce(jkt, nonce_random));
        let mut confirmation = Confirmation {
            iss: App::Intake,
            session: session.digest(),
            tid: said.tid,
            oid: said.oid,
            jkt,
            iat: now,
            exp: said.exp,
        };
        match lie {
            Some(Lie::OtherPerson) => confirmation.oid = World::person(2),
            Some(Lie::OtherSession) => confirmation.session = Digest::of(&[]),
            Some(Lie::OtherKey) => confirmation.jkt = client_key(9).1.thumbprint(),
            Some(Lie::ForeignSignature | Lie::Refuses) | None => {}
        }
        let foreign = client_key(9).0;
        let key = if matches!(lie, Some(Lie::ForeignSignature)) { &foreign } else { &self.key };
        Ok(Signed::sign(&confirmation, key).await.unwrap())
    }

    async fn claims(&self, access_token: &Secret) -> Result<Value, NotAnswered> {
        assert_eq!(access_token.expose(), "access-token");
        Ok(json!({ "claims": { "scp": "access_as_user" } }))
    }
}
