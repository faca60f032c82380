//! Service Bus: queues with peek-lock, delivery counts, scheduling, duplicate detection and
//! dead letters.
//!
//! Senders come over REST, as they do in Azure. The Functions host, which in Azure receives
//! over AMQP, calls [`Bus::receive_as`] and settles what it got: the locks, counts and orders
//! are the same, whichever way a message leaves.

mod message;
mod queue;
mod refused;
mod rest;
mod wire;

use std::{
    collections::BTreeMap,
    sync::{Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use serde_json::{Value, json};
use time::OffsetDateTime;
use tokio::sync::Notify;
use uuid::Uuid;

pub use message::{MESSAGE_LIMIT_BYTES, Message, Routing};
pub use queue::Death;

use crate::{
    cloud::{Answer, Asked, Cloud, Shared},
    identities::{Identities, Queue as Settings},
};
use queue::{Queue, Sent, Side};

/// The namespace with its queues. All is in memory.
#[derive(Debug)]
pub struct Bus {
    queues: BTreeMap<String, Slot>,
}

#[derive(Debug)]
struct Slot {
    queue: Mutex<Queue>,
    /// Rung after every change that a waiting receiver may be glad of.
    changed: Notify,
}

/// A message that was handed out and, unless it was deleted with that, locked.
#[derive(Clone, Debug)]
#[expect(clippy::struct_field_names, reason = "`delivery_count` is what Service Bus calls it")]
pub struct Delivery {
    /// The queue that it came from.
    pub queue: String,
    /// The message.
    pub message: Message,
    /// Its addresses.
    pub routing: Routing,
    /// By which it is settled. Nil if it was deleted when it was handed out.
    pub lock_token: Uuid,
    /// 1 the first time.
    pub delivery_count: u32,
    /// Its place in the queue.
    pub sequence_number: i64,
    /// When it became active, in Unix milliseconds.
    pub enqueued_at_ms: u64,
    /// Until when nobody else gets it, in Unix milliseconds.
    pub locked_until_ms: u64,
    /// Why it is in the dead-letter queue, if it is.
    pub death: Option<Death>,
    side: Side,
}

/// The lock has expired, or the message was settled already.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct LockLost;

/// Why a receiver was turned away.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum NotReceived {
    /// There is no such queue.
    NoSuchQueue,
    /// `identities.json` does not let this identity receive from it.
    NotGranted,
}

impl std::fmt::Display for NotReceived {
    fn fmt(&self, to: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        to.write_str(match self {
            Self::NoSuchQueue => "The messaging entity could not be found.",
            Self::NotGranted => {
                "Unauthorized access. 'Listen' claim(s) are required to perform this operation."
            }
        })
    }
}

impl std::error::Error for NotReceived {}

impl Bus {
    /// The queues of `identities.json`, all empty.
    #[must_use]
    pub fn new(identities: &Identities) -> Self {
        let slot = |(name, settings): (&String, &Settings)| {
            let queue = Mutex::new(Queue::new(name, settings));
            (name.clone(), Slot { queue, changed: Notify::new() })
        };
        Self { queues: identities.queues.iter().map(slot).collect() }
    }

    /// Answers one REST call.
    pub async fn answer(cloud: &Shared, asked: Asked) -> Answer {
        rest::answer(cloud, asked).await
    }

    /// Waits, as the Functions host of this identity, until a message is available; locks it. Of a
    /// queue's dead letters if its name is followed by `/$DeadLetterQueue`.
    ///
    /// Dropping the future loses nothing: a message is taken only when it is returned.
    ///
    /// # Errors
    ///
    /// If there is no such queue, or the identity may not receive from it.
    pub async fn receive_as(
        &self,
        cloud: &Cloud,
        identity: &str,
        queue: &str,
    ) -> Result<Delivery, NotReceived> {
        self.receive_granted(&cloud.identities, identity, queue).await
    }

    async fn receive_granted(
        &self,
        identities: &Identities,
        identity: &str,
        queue: &str,
    ) -> Result<Delivery, NotReceived> {
        let (queue, side) = match queue.split_once('/') {
            Some((queue, dead)) if rest::is_dead_letter_queue(dead) => (queue, Side::Dead),
            _ => (queue, Side::Main),
        };
        let slot = self.queues.get(queue).ok_or(NotReceived::NoSuchQueue)?;
        if !may(identities, Some(identity), queue, Claim::Listen) {
            return Err(NotReceived::NotGranted);
        }
        Ok(slot.next(side, Queue::receive).await)
    }

    /// Removes a delivered message for good.
    ///
    /// # Errors
    ///
    /// [`LockLost`] if its lock is no longer held; then it is delivered again.
    pub fn complete(&self, delivery: &Delivery) -> Result<(), LockLost> {
        let slot = self.queues.get(&delivery.queue).ok_or(LockLost)?;
        slot.state().complete(now_ms(), delivery.side, delivery.lock_token)
    }

    /// Gives a delivered message back, to be delivered again at once.
    ///
    /// # Errors
    ///
    /// [`LockLost`] if its lock is no longer held; then it is delivered again anyway.
    pub fn abandon(&self, delivery: &Delivery) -> Result<(), LockLost> {
        let slot = self.queues.get(&delivery.queue).ok_or(LockLost)?;
        slot.change(|queue, now| queue.abandon(now, delivery.side, delivery.lock_token))
    }

    /// Locks a delivered message for the queue's lock duration from now.
    ///
    /// # Errors
    ///
    /// [`LockLost`] if its lock is no longer held.
    pub fn renew(&self, delivery: &Delivery) -> Result<(), LockLost> {
        let slot = self.queues.get(&delivery.queue).ok_or(LockLost)?;
        slot.state().renew(now_ms(), delivery.side, delivery.lock_token).map(drop)
    }

    /// Every queue: active, scheduled, locked and dead messages, bodies in base64.
    #[must_use]
    pub fn snapshot(&self) -> Value {
        let shown =
            |(name, slot): (&String, &Slot)| (name.clone(), slot.state().snapshot(now_ms()));
        json!(self.queues.iter().map(shown).collect::<BTreeMap<_, _>>())
    }

    /// Puts a message into a queue without anyone's right, as an attacker on the bus would.
    /// Duplicate detection applies.
    ///
    /// # Errors
    ///
    /// If there is no such queue, or the broker cannot carry the message.
    pub fn inject(&self, queue: &str, message: Message) -> Result<(), String> {
        let slot = self.queues.get(queue).ok_or_else(|| format!("there is no queue '{queue}'"))?;
        message.check()?;
        if message.size_bytes() > MESSAGE_LIMIT_BYTES {
            return Err(format!("the message is larger than {MESSAGE_LIMIT_BYTES} bytes"));
        }
        // To a sender, a swallowed duplicate looks like any accepted message.
        let (Sent::Accepted | Sent::Duplicate) = slot.send(message, Routing::default());
        Ok(())
    }
}

/// [`Queue::receive`] or [`Queue::receive_and_delete`].
type Take = fn(&mut Queue, u64, Side) -> Option<Delivery>;

impl Slot {
    fn state(&self) -> MutexGuard<'_, Queue> {
        // Nothing in `Queue` panics halfway through a change.
        self.queue.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Changes the queue, then wakes whoever waits.
    fn change<T>(&self, how: impl FnOnce(&mut Queue, u64) -> T) -> T {
        let done = how(&mut self.state(), now_ms());
        self.changed.notify_waiters();
        done
    }

    fn send(&self, message: Message, routing: Routing) -> Sent {
        self.change(|queue, now| queue.send(now, message, routing))
    }

    /// The next message of this side, taken one way or the other as soon as there is one.
    async fn next(&self, side: Side, take: Take) -> Delivery {
        loop {
            let mut changed = std::pin::pin!(self.changed.notified());
            // Before looking, so that no message can slip in between the look and the wait.
            changed.as_mut().enable();
            let (delivery, next_change_ms) = {
                let mut queue = self.state();
                (take(&mut queue, now_ms(), side), queue.next_change_ms(side))
            };
            if let Some(delivery) = delivery {
                return delivery;
            }
            match next_change_ms {
                Some(at_ms) => {
                    let wait = Duration::from_millis(at_ms.saturating_sub(now_ms()).max(1));
                    tokio::select! {
                        () = changed => {}
                        () = tokio::time::sleep(wait) => {}
                    }
                }
                None => changed.await,
            }
        }
    }
}

/// What Service Bus calls the right to send or to receive.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Claim {
    Send,
    Listen,
}

/// Whether `identities.json` grants this identity this right on this queue.
fn may(identities: &Identities, identity: Option<&str>, queue: &str, claim: Claim) -> bool {
    let Some(identity) = identity.and_then(|name| identities.identities.get(name)) else {
        return false;
    };
    let granted = match claim {
        Claim::Send => &identity.send,
        Claim::Listen => &identity.receive,
    };
    granted.iter().any(|granted| granted == queue)
}

/// Unix milliseconds.
fn now_ms() -> u64 {
    let ms = OffsetDateTime::now_utc().unix_timestamp_nanos() / 1_000_000;
    u64::try_from(ms).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use super::*;

    const IDENTITIES: &str = include_str!("../../../identities.json");

    fn world() -> (Identities, Arc<Bus>) {
        let identities = Identities::parse(IDENTITIES).unwrap();
        let bus = Arc::new(Bus::new(&identities));
        (identities, bus)
    }

    fn named(id: &str) -> Message {
        Message { message_id: id.to_owned(), body: "body".into(), ..Message::default() }
    }

    #[tokio::test]
    async fn a_waiting_receiver_gets_a_message_that_comes_later() {
        let (identities, bus) = world();
        let waiting = tokio::spawn({
            let bus = bus.clone();
            async move { bus.receive_granted(&identities, "execute", "permits-execute").await }
        });
        tokio::task::yield_now().await;

        bus.inject("permits-execute", named("a")).unwrap();

        let delivery =
            tokio::time::timeout(Duration::from_secs(5), waiting).await.unwrap().unwrap();
        assert_eq!(delivery.unwrap().message.message_id, "a");
    }

    #[tokio::test]
    async fn a_waiting_receiver_gets_a_scheduled_message_at_its_time() {
        let (identities, bus) = world();
        let due_ms = now_ms() + 80;
        bus.inject("permits-execute", Message { scheduled_ms: Some(due_ms), ..named("a") })
            .unwrap();

        let receiving = bus.receive_granted(&identities, "execute", "permits-execute");
        tokio::time::timeout(Duration::from_secs(5), receiving).await.unwrap().unwrap();

        assert!(now_ms() >= due_ms);
    }

    #[tokio::test]
    async fn a_delivery_is_settled_once() {
        let (identities, bus) = world();
        bus.inject("permits-execute", named("a")).unwrap();
        let delivery =
            bus.receive_granted(&identities, "execute", "permits-execute").await.unwrap();

        assert_eq!(bus.renew(&delivery), Ok(()));
        assert_eq!(bus.complete(&delivery), Ok(()));
        assert_eq!(bus.complete(&delivery), Err(LockLost));
        assert_eq!(bus.abandon(&delivery), Err(LockLost));
        assert_eq!(bus.snapshot()["permits-execute"]["locked"], json!([]));
    }

    #[tokio::test]
    async fn dead_letters_are_received_like_messages_by_whoever_may_receive_those() {
        let (identities, bus) = world();
        bus.inject("permits-execute", named("a")).unwrap();
        for _ in 0..identities.queues["permits-execute"].max_delivery_count {
            let delivery = bus.receive_granted(&identities, "execute", "permits-execute").await;
            bus.abandon(&delivery.unwrap()).unwrap();
        }
        let dead = "permits-execute/$DeadLetterQueue";

        let refused = bus.receive_granted(&identities, "intake", dead).await;
        let delivery = bus.receive_granted(&identities, "execute", dead).await.unwrap();

        assert_eq!(refused.unwrap_err(), NotReceived::NotGranted);
        assert_eq!(delivery.message.message_id, "a");
        assert_eq!(bus.abandon(&delivery), Ok(()));
        let again = bus.receive_granted(&identities, "execute", dead).await.unwrap();
        assert_eq!(bus.complete(&again), Ok(()));
        assert_eq!(bus.snapshot()["permits-execute"]["dead"], json!([]));
    }

    #[tokio::test]
    async fn only_an_identity_with_the_grant_receives() {
        let (identities, bus) = world();
        bus.inject("permits-execute", named("a")).unwrap();

        let refused = bus.receive_granted(&identities, "intake", "permits-execute").await;
        assert_eq!(refused.unwrap_err(), NotReceived::NotGranted);
        let refused = bus.receive_granted(&identities, "execute", "permits-rotate").await;
        assert_eq!(refused.unwrap_err(), NotReceived::NotGranted);
        let refused = bus.receive_granted(&identities, "execute", "no-such-queue").await;
        assert_eq!(refused.unwrap_err(), NotReceived::NoSuchQueue);

        assert_eq!(bus.snapshot()["permits-execute"]["active"].as_array().unwrap().len(), 1);
    }
}
