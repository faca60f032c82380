//! What runs behind the inner door: the worker and what is delivered to it; what drift finds.

use std::sync::Arc;

use crate::{
    execution::{Tools, Worker},
    finding::{self, Finding, StoredFinding},
    identity::App,
    jws::Signed,
    ledger::{Commit, Contents, Happened, Ledger, commit::Change},
    memory::Dice,
    permit::PermittedChange,
    policy::Policies,
    ports::{Documents as _, Entropy as _, Partition},
    step_up::{self, Context},
};

use super::{CONTOSO, World};

impl World {
    /// A worker process. Another call is another process.
    pub fn worker(&self) -> Worker {
        let ports = self.ports(App::Execute);
        let mut holder = [0; 16];
        Dice.fill(&mut holder).unwrap();
        let policies = Arc::new(Policies::standard().unwrap());
        let trust = self.trust_store();
        let tools = Tools::Directory(self.directory.clone());
        Worker::new(tools, ports, trust, policies, holder)
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
            drift: None,
        };
        let finding = Signed::sign(&finding, self.key_of(App::Drift)).await.unwrap();
        let scope = self.scope(CONTOSO).await;
        let partition = Partition::tenant(&scope);
        let id = step_up::document_id(context);
        let before = self.documents.read(&partition, &id).await.unwrap();
        let ports = self.ports(App::Drift);
        let ledger = Ledger::new(App::Drift, &ports, Arc::new(self.trust_store()));
        let commit = Commit {
            change: Some(Change {
                id,
                kind: finding::KIND,
                at: 0,
                hint: None,
                contents: Contents::Clear {
                    salt: None,
                    body: serde_json::to_string(&StoredFinding { finding }).unwrap(),
                },
                replaces: before.map(|found| found.etag),
            }),
            ..Commit::of(Happened::Compared)
        };
        ledger.commit(&partition, commit, now).await.unwrap();
    }
}
