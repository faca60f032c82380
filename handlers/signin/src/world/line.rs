//! A bus that can be cut, and what came through it.

use std::sync::atomic::{AtomicBool, Ordering};

use airlock_core::{
    jws::Signed,
    ledger::Statement,
    memory::Sent,
    ports::{Bus, Clock as _, Message, PortError},
    recording::event::{QUEUE, Report},
};
use async_trait::async_trait;

use super::{SIGNIN_KEY, World, client_key};

/// A bus that can be cut.
#[derive(Default)]
pub struct Line {
    sent: Sent,
    is_cut: AtomicBool,
}

impl Line {
    /// Nothing goes through, until it is mended.
    pub fn cut(&self) {
        self.is_cut.store(true, Ordering::SeqCst);
    }

    pub fn mend(&self) {
        self.is_cut.store(false, Ordering::SeqCst);
    }

    pub fn messages(&self) -> Vec<(String, Message)> {
        self.sent.all()
    }
}

#[async_trait]
impl Bus for Line {
    async fn send(&self, queue: &str, message: &Message) -> Result<(), PortError> {
        if self.is_cut.load(Ordering::SeqCst) {
            return Err(PortError::Unavailable("cut".into()));
        }
        self.sent.send(queue, message).await
    }
}

impl World {
    /// What was reported, in order, as it was signed. Lets the tasks run that send it.
    pub async fn reported(&self) -> Vec<(Signed<Statement>, Statement)> {
        for _ in 0..20 {
            tokio::task::yield_now().await;
        }
        let read = |(queue, message): (String, Message)| {
            assert_eq!(queue, QUEUE);
            let report: Report = serde_json::from_slice(&message.body).unwrap();
            let event = report.event;
            assert_eq!((report.attempt, &message.id), (0, &event.digest().to_string()));
            let said = event.verify(&client_key(SIGNIN_KEY).1, self.clock.now()).unwrap();
            let said = said.value().clone();
            (event, said)
        };
        self.line.messages().into_iter().map(read).collect()
    }
}
