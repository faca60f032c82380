//! An Entra that grants what it promised, unless told otherwise.

use std::{
    collections::{HashMap, VecDeque},
    sync::{
        Arc, Mutex,
        atomic::{AtomicBool, AtomicU32, Ordering},
    },
};

use airlock_core::{
    digest::Digest,
    identity::{ObjectId, PersonId, Role, TenantId},
    memory::SetClock,
    ports::{Clock as _, PortError},
    secret::Secret,
};
use async_trait::async_trait;
use serde_json::{Value, json};

use super::World;
use crate::outside::{Entra, IdToken, NotGranted, Says, Tokens};

/// How the next refresh goes wrong.
#[derive(Clone, Copy, Debug)]
pub enum Trouble {
    Refuses,
    Down,
    OtherPerson,
}

/// An Entra with one person.
pub struct FakeEntra {
    clock: Arc<SetClock>,
    pub(super) asks: Mutex<Vec<HashMap<String, String>>>,
    codes: Mutex<HashMap<String, HashMap<String, String>>>,
    roles: Mutex<Vec<Role>>,
    troubles: Mutex<VecDeque<Trouble>>,
    ignores_step_up: AtomicBool,
    redeemed: AtomicU32,
}

impl FakeEntra {
    pub(super) fn new(clock: Arc<SetClock>) -> Self {
        Self {
            clock,
            asks: Mutex::default(),
            codes: Mutex::default(),
            roles: Mutex::new(vec![Role::HelpdeskAgent]),
            troubles: Mutex::default(),
            ignores_step_up: AtomicBool::new(false),
            redeemed: AtomicU32::new(0),
        }
    }

    /// How often it was asked to redeem a code.
    pub fn redeemed(&self) -> u32 {
        self.redeemed.load(Ordering::SeqCst)
    }

    pub fn confers(&self, roles: &[Role]) {
        *self.roles.lock().unwrap() = roles.to_vec();
    }

    pub fn next_refresh(&self, trouble: Trouble) {
        self.troubles.lock().unwrap().push_back(trouble);
    }

    pub fn ignore_step_up(&self) {
        self.ignores_step_up.store(true, Ordering::SeqCst);
    }

    pub(super) fn code(&self, asked: &HashMap<String, String>) -> String {
        let mut asks = self.asks.lock().unwrap();
        let code = format!("code-{}", asks.len());
        asks.push(asked.clone());
        self.codes.lock().unwrap().insert(code.clone(), asked.clone());
        code
    }

    fn tokens(&self, tid: TenantId, oid: ObjectId) -> Tokens {
        let says = Says {
            person: PersonId { tid, oid },
            nonce: None,
            roles: self.roles.lock().unwrap().clone(),
            acrs: Vec::new(),
            auth_time: Some(self.clock.now()),
            sid: Some("entra-sid".to_owned()),
            name: Secret::new("Ada Lovelace".to_owned()),
            login_hint: Some(Secret::new("O.hint".to_owned())),
        };
        Tokens {
            id: IdToken { text: Secret::new(json!({}).to_string()), says },
            access: Secret::new("access-token".to_owned()),
            refresh: Some(Secret::new("refresh-token".to_owned())),
        }
    }
}

#[async_trait]
impl Entra for FakeEntra {
    async fn redeem(
        &self,
        tenant: TenantId,
        code: Secret,
        verifier: Secret,
    ) -> Result<Tokens, NotGranted> {
        self.redeemed.fetch_add(1, Ordering::SeqCst);
        let refused = NotGranted::Refused { error: "invalid_grant", code: Some(70_000) };
        // Once: Entra forgets a code that was tried.
        let asked = self.codes.lock().unwrap().remove(code.expose());
        let Some(asked) = asked else { return Err(refused) };
        let challenge = Digest::of(&[verifier.expose().as_bytes()]).to_string();
        if asked["code_challenge"] != challenge {
            return Err(refused);
        }
        let mut tokens = self.tokens(tenant, World::person(1));
        tokens.id.text = Secret::new(json!({ "nonce": asked["nonce"] }).to_string());
        tokens.id.says.nonce = Some(asked["nonce"].clone());
        if asked.contains_key("claims") && !self.ignores_step_up.load(Ordering::SeqCst) {
            let claims: Value = serde_json::from_str(&asked["claims"]).unwrap();
            let context = claims["id_token"]["acrs"]["value"].as_str().unwrap();
            tokens.id.says.acrs.push(context.to_owned());
        }
        Ok(tokens)
    }

    async fn refresh(&self, tenant: TenantId, token: Secret) -> Result<Tokens, NotGranted> {
        assert_eq!(token.expose(), "refresh-token");
        let trouble = self.troubles.lock().unwrap().pop_front();
        match trouble {
            None => Ok(self.tokens(tenant, World::person(1))),
            Some(Trouble::OtherPerson) => Ok(self.tokens(tenant, World::person(2))),
            Some(Trouble::Refuses) => {
                Err(NotGranted::Refused { error: "invalid_grant", code: Some(50_057) })
            }
            Some(Trouble::Down) => Err(PortError::Unavailable("down".into()).into()),
        }
    }
}
