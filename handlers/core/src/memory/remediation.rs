//! App registrations in memory. Each call can be told to fail, to lose its answer, or to be the one
//! in which the process dies.

use std::{
    collections::BTreeMap,
    sync::{Arc, Mutex},
};

use async_trait::async_trait;
use uuid::Uuid;

pub use super::gate::{Gate, Gated, Wrong};
use super::lock;
use crate::{
    catalog::Effect,
    identity::ObjectId,
    ports::{Answer, NotApplied, PortError},
    remediation::{Opened, REMEDIATOR, Remediation},
    request::{Permitted, Request},
    tenancy::TenantScope,
};

/// App registrations of one tenant.
pub struct Registered {
    gate: Arc<Gate>,
    registrations: Mutex<BTreeMap<ObjectId, Opened>>,
    refuses: Mutex<Option<u16>>,
    others_are_faster: Mutex<bool>,
}

impl Registered {
    /// These, behind this gate, which every call passes.
    #[must_use]
    pub fn new(gate: Arc<Gate>, registrations: BTreeMap<ObjectId, Opened>) -> Self {
        let (registrations, refuses) = (Mutex::new(registrations), Mutex::new(None));
        Self { gate, registrations, refuses, others_are_faster: Mutex::new(false) }
    }

    /// What is there now.
    #[must_use]
    pub fn all(&self) -> BTreeMap<ObjectId, Opened> {
        lock(&self.registrations).clone()
    }

    /// Somebody else changes what is there.
    pub fn change(&self, change: impl FnOnce(&mut BTreeMap<ObjectId, Opened>)) {
        change(&mut lock(&self.registrations));
    }

    /// Refuses every removal with this status.
    pub fn refuse(&self, status: u16) {
        *lock(&self.refuses) = Some(status);
    }

    /// Lets somebody else make every removal first.
    pub fn be_beaten(&self) {
        *lock(&self.others_are_faster) = true;
    }

    fn remove(&self, effect: &Effect) -> Result<Answer, NotApplied> {
        if *lock(&self.others_are_faster) {
            self.remove_once(effect)?;
        }
        self.remove_once(effect)
    }

    /// As Graph does: what is not there is refused.
    fn remove_once(&self, effect: &Effect) -> Result<Answer, NotApplied> {
        let refused = |status, code: &str| NotApplied::Refused { status, code: code.to_owned() };
        if effect.application() != REMEDIATOR {
            return Err(refused(403, "Authorization_RequestDenied"));
        }
        if let Some(status) = *lock(&self.refuses) {
            return Err(refused(status, "told"));
        }
        let unknown = || refused(404, "Request_ResourceNotFound");
        let segments: Vec<&str> = effect.path().split('/').collect();
        let mut all = lock(&self.registrations);
        let registration = segments.get(2).and_then(|id| id.parse().ok());
        let registration = registration.and_then(|id| all.get_mut(&id)).ok_or_else(unknown)?;
        match (effect.method(), segments.as_slice()) {
            ("POST", ["", "applications", _, "removePassword"]) => {
                let key = effect.body().and_then(|body| body["keyId"].as_str());
                let key = key.and_then(|key| Uuid::try_parse(key).ok());
                let key = key.ok_or_else(|| refused(400, "Request_BadRequest"))?;
                if !registration.passwords.remove(&key) {
                    return Err(refused(400, "Request_BadRequest"));
                }
            }
            ("DELETE", ["", "applications", _, "federatedIdentityCredentials", credential]) => {
                let federated = &mut registration.federated;
                let before = federated.len();
                federated.retain(|each| each.id.to_string() != *credential);
                if federated.len() == before {
                    return Err(unknown());
                }
            }
            _ => return Err(refused(405, "Request_BadRequest")),
        }
        Ok(Answer { body: serde_json::Value::Null, call_id: Some("call-1".to_owned()) })
    }
}

#[async_trait]
impl Remediation for Registered {
    async fn look(
        &self,
        _: &TenantScope,
        application: ObjectId,
    ) -> Result<Option<Opened>, PortError> {
        let look = async { Ok(lock(&self.registrations).get(&application).cloned()) };
        self.gate.pass("look", look).await
    }

    async fn apply(&self, _: &Request<Permitted>, effect: &Effect) -> Result<Answer, NotApplied> {
        self.gate.pass("remove", async { self.remove(effect) }).await
    }
}
