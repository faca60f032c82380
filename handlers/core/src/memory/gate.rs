//! A gate before every call that changes something: one of them can go wrong, or be the one in
//! which the process dies.

use std::{
    ops::Range,
    sync::{Arc, Mutex},
};

use async_trait::async_trait;
use tokio::sync::Notify;

use super::{Documented, lock, lost};
use crate::ports::{
    BatchError, Container, Documents, Etag, Found, Partition, PortError, Query, Write,
};

/// How a call goes wrong.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Wrong {
    /// The process dies before it is made.
    DiesBefore,
    /// The process dies when it was made.
    DiesAfter,
    /// It does nothing and fails.
    Fails,
    /// It does its work, and the answer is lost.
    LosesAnswer,
}

/// Counts the calls that change something or use something, and lets one of them go wrong.
#[derive(Debug, Default)]
pub struct Gate {
    calls: Mutex<Vec<&'static str>>,
    wrong: Mutex<Option<(usize, Wrong)>>,
    died: Notify,
}

impl Gate {
    /// What was called, in order.
    #[must_use]
    pub fn calls(&self) -> Vec<&'static str> {
        lock(&self.calls).clone()
    }

    /// Lets the call of this number go wrong, counted from now.
    pub fn spoil(&self, number: usize, wrong: Wrong) {
        let made = lock(&self.calls).len();
        *lock(&self.wrong) = Some((made + number, wrong));
    }

    /// Ends when the process is dead.
    pub async fn died(&self) {
        self.died.notified().await;
    }

    pub(super) async fn pass<T, E: From<PortError>>(
        &self,
        name: &'static str,
        call: impl Future<Output = Result<T, E>>,
    ) -> Result<T, E> {
        let number = {
            let mut calls = lock(&self.calls);
            calls.push(name);
            calls.len() - 1
        };
        let wrong = lock(&self.wrong).filter(|(spoiled, _)| *spoiled == number);
        match wrong.map(|(_, wrong)| wrong) {
            None => call.await,
            Some(Wrong::Fails) => Err(lost().into()),
            Some(Wrong::DiesBefore) => self.die().await,
            Some(Wrong::LosesAnswer) => {
                call.await?;
                Err(lost().into())
            }
            Some(Wrong::DiesAfter) => {
                call.await?;
                self.die().await
            }
        }
    }

    /// Nothing goes on in a process that is dead.
    async fn die<T>(&self) -> T {
        self.died.notify_one();
        std::future::pending().await
    }
}

/// Documents behind a gate, which every batch passes.
pub struct Gated {
    documents: Arc<Documented>,
    gate: Arc<Gate>,
}

impl Gated {
    /// The same documents, behind this gate.
    #[must_use]
    pub const fn new(documents: Arc<Documented>, gate: Arc<Gate>) -> Self {
        Self { documents, gate }
    }
}

#[async_trait]
impl Documents for Gated {
    async fn read(&self, partition: &Partition, id: &str) -> Result<Option<Found>, PortError> {
        self.documents.read(partition, id).await
    }

    async fn query(&self, partition: &Partition, query: &Query) -> Result<Vec<Found>, PortError> {
        self.documents.query(partition, query).await
    }

    async fn range(
        &self,
        partition: &Partition,
        ids: Range<&str>,
        limit: u32,
    ) -> Result<Vec<Found>, PortError> {
        self.documents.range(partition, ids, limit).await
    }

    async fn partitions(
        &self,
        container: Container,
        kind: &'static str,
    ) -> Result<Vec<String>, PortError> {
        self.documents.partitions(container, kind).await
    }

    async fn batch(
        &self,
        partition: &Partition,
        writes: &[Write],
    ) -> Result<Vec<Etag>, BatchError> {
        self.gate.pass("commit", self.documents.batch(partition, writes)).await
    }
}
