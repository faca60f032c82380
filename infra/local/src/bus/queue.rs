//! One queue: what it holds, and when that changes. Time is an argument, so every rule can be
//! shown without waiting for it.

use std::collections::{BTreeMap, HashMap, VecDeque};

use serde_json::{Value, json};
use uuid::Uuid;

use super::{
    Delivery, LockLost,
    message::{Message, Routing, shown},
};
use crate::identities;

/// Which of a queue's two halves is meant.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Side {
    /// Where messages arrive.
    Main,
    /// `$DeadLetterQueue`, where they end.
    Dead,
}

/// Why a message was dead-lettered.
#[derive(Clone, Debug)]
pub struct Death {
    /// `DeadLetterReason`.
    pub reason: String,
    /// `DeadLetterErrorDescription`.
    pub description: String,
}

/// What became of a sent message. To its sender both look alike.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Sent {
    /// It is in the queue, at once or at its time.
    Accepted,
    /// Its `MessageId` was seen within the window: swallowed.
    Duplicate,
}

#[derive(Clone, Debug)]
struct Held {
    message: Message,
    routing: Routing,
    sequence_number: i64,
    enqueued_at_ms: u64,
    expires_ms: Option<u64>,
    delivery_count: u32,
    death: Option<Death>,
}

#[derive(Debug)]
struct Locked {
    held: Held,
    until_ms: u64,
}

#[derive(Debug, Default)]
struct Shelf {
    ready: BTreeMap<i64, Held>,
    locked: HashMap<Uuid, Locked>,
}

/// The state of one queue.
#[derive(Debug)]
pub(super) struct Queue {
    name: String,
    settings: identities::Queue,
    next_sequence_number: i64,
    /// By due time, then by sequence number.
    scheduled: BTreeMap<(u64, i64), Held>,
    main: Shelf,
    dead: Shelf,
    /// Until when each `MessageId` is remembered.
    seen: HashMap<String, u64>,
    /// The same in the order of forgetting; all windows are equally long.
    forgetting: VecDeque<(u64, String)>,
}

impl Queue {
    pub(super) fn new(name: &str, settings: &identities::Queue) -> Self {
        Self {
            name: name.to_owned(),
            settings: settings.clone(),
            next_sequence_number: 1,
            scheduled: BTreeMap::new(),
            main: Shelf::default(),
            dead: Shelf::default(),
            seen: HashMap::new(),
            forgetting: VecDeque::new(),
        }
    }

    pub(super) fn send(&mut self, now_ms: u64, mut message: Message, routing: Routing) -> Sent {
        self.advance(now_ms);
        if message.message_id.is_empty() {
            message.message_id = Uuid::new_v4().simple().to_string();
        }
        if self.settings.duplicate_detection_s > 0 {
            if self.seen.contains_key(&message.message_id) {
                return Sent::Duplicate;
            }
            // The window of a scheduled message too begins when it is sent.
            let until_ms = now_ms + self.settings.duplicate_detection_s * 1000;
            self.seen.insert(message.message_id.clone(), until_ms);
            self.forgetting.push_back((until_ms, message.message_id.clone()));
        }
        let sequence_number = self.sequence_number();
        let due_ms = message.scheduled_ms.filter(|&due| due > now_ms);
        let held = Held {
            message,
            routing,
            sequence_number,
            enqueued_at_ms: now_ms,
            expires_ms: None,
            delivery_count: 0,
            death: None,
        };
        match due_ms {
            Some(due_ms) => {
                self.scheduled.insert((due_ms, sequence_number), held);
            }
            None => self.enqueue(now_ms, held),
        }
        Sent::Accepted
    }

    /// Hands out the oldest message and locks it.
    pub(super) fn receive(&mut self, now_ms: u64, side: Side) -> Option<Delivery> {
        let held = self.take(now_ms, side)?;
        let token = Uuid::new_v4();
        let until_ms = now_ms + self.settings.lock_duration_s * 1000;
        let delivery = self.delivery(&held, token, until_ms, side);
        self.shelf(side).locked.insert(token, Locked { held, until_ms });
        Some(delivery)
    }

    /// Hands out the oldest message and forgets it.
    pub(super) fn receive_and_delete(&mut self, now_ms: u64, side: Side) -> Option<Delivery> {
        let held = self.take(now_ms, side)?;
        Some(self.delivery(&held, Uuid::nil(), 0, side))
    }

    /// Removes a locked message for good.
    pub(super) fn complete(
        &mut self,
        now_ms: u64,
        side: Side,
        token: Uuid,
    ) -> Result<(), LockLost> {
        self.unlock(now_ms, side, token).map(drop)
    }

    /// Gives a locked message back, to be delivered again at once.
    pub(super) fn abandon(&mut self, now_ms: u64, side: Side, token: Uuid) -> Result<(), LockLost> {
        let held = self.unlock(now_ms, side, token)?;
        self.put_back(now_ms, side, held);
        Ok(())
    }

    /// Locks a locked message anew, for the queue's lock duration from now.
    pub(super) fn renew(&mut self, now_ms: u64, side: Side, token: Uuid) -> Result<u64, LockLost> {
        self.advance(now_ms);
        let until_ms = now_ms + self.settings.lock_duration_s * 1000;
        let locked = self.shelf(side).locked.get_mut(&token).ok_or(LockLost)?;
        locked.until_ms = until_ms;
        Ok(until_ms)
    }

    /// Whether this token locks the message with this sequence number or `MessageId`.
    pub(super) fn locks(&mut self, now_ms: u64, side: Side, token: Uuid, which: &str) -> bool {
        self.advance(now_ms);
        self.shelf(side).locked.get(&token).is_some_and(|Locked { held, .. }| {
            held.message.message_id == which || held.sequence_number.to_string() == which
        })
    }

    /// When, without anyone's doing, the next message may become available.
    pub(super) fn next_change_ms(&self, side: Side) -> Option<u64> {
        // A dead-letter queue also grows when a lock of the main one expires for the last time.
        let locks = self.main.locked.values().chain(self.dead.locked.values());
        let lock_ends = locks.map(|locked| locked.until_ms).min();
        let due = match side {
            Side::Main => self.scheduled.first_key_value().map(|(&(due_ms, _), _)| due_ms),
            Side::Dead => None,
        };
        lock_ends.into_iter().chain(due).min()
    }

    /// Everything that it holds, for people and tests to look at.
    pub(super) fn snapshot(&mut self, now_ms: u64) -> Value {
        self.advance(now_ms);
        self.main.ready.retain(|_, held| !expired(held, now_ms));
        let locked = |shelf: &Shelf| -> Vec<Value> {
            let mut locked: Vec<_> = shelf.locked.iter().collect();
            locked.sort_by_key(|(_, it)| it.held.sequence_number);
            locked
                .into_iter()
                .map(|(token, it)| {
                    let mut shown = entry(&it.held);
                    shown["lock_token"] = json!(token.to_string());
                    shown["locked_until_ms"] = json!(it.until_ms);
                    shown
                })
                .collect()
        };
        let mut dead: Vec<Value> = self.dead.ready.values().map(entry).collect();
        dead.extend(locked(&self.dead));
        json!({
            "active": self.main.ready.values().map(entry).collect::<Vec<_>>(),
            "scheduled": self.scheduled.values().map(entry).collect::<Vec<_>>(),
            "locked": locked(&self.main),
            "dead": dead,
        })
    }

    /// Lets time pass: scheduled messages fall due, locks expire, ids are forgotten.
    fn advance(&mut self, now_ms: u64) {
        while let Some((until_ms, _)) = self.forgetting.front()
            && *until_ms <= now_ms
        {
            if let Some((_, id)) = self.forgetting.pop_front() {
                self.seen.remove(&id);
            }
        }
        while let Some(due) = self.scheduled.first_entry()
            && due.key().0 <= now_ms
        {
            let ((due_ms, _), mut held) = due.remove_entry();
            // As if it had been sent at this moment, which includes a new number.
            held.sequence_number = self.sequence_number();
            self.enqueue(due_ms, held);
        }
        for side in [Side::Main, Side::Dead] {
            let lost: Vec<Uuid> = self
                .shelf(side)
                .locked
                .iter()
                .filter(|(_, locked)| locked.until_ms <= now_ms)
                .map(|(&token, _)| token)
                .collect();
            for token in lost {
                if let Some(Locked { held, .. }) = self.shelf(side).locked.remove(&token) {
                    self.put_back(now_ms, side, held);
                }
            }
        }
    }

    fn enqueue(&mut self, now_ms: u64, mut held: Held) {
        held.enqueued_at_ms = now_ms;
        held.expires_ms = held
            .message
            .time_to_live_s
            .map(|seconds| now_ms.saturating_add(seconds.saturating_mul(1000)));
        self.main.ready.insert(held.sequence_number, held);
    }

    fn take(&mut self, now_ms: u64, side: Side) -> Option<Held> {
        self.advance(now_ms);
        while let Some((_, mut held)) = self.shelf(side).ready.pop_first() {
            // Dropped, because our queues do not dead-letter what expires; what is dead
            // expires no more.
            if side == Side::Main && expired(&held, now_ms) {
                continue;
            }
            held.delivery_count += 1;
            return Some(held);
        }
        None
    }

    fn unlock(&mut self, now_ms: u64, side: Side, token: Uuid) -> Result<Held, LockLost> {
        self.advance(now_ms);
        let locked = self.shelf(side).locked.remove(&token).ok_or(LockLost)?;
        Ok(locked.held)
    }

    fn put_back(&mut self, now_ms: u64, side: Side, mut held: Held) {
        let max = self.settings.max_delivery_count;
        match side {
            Side::Dead => {
                self.dead.ready.insert(held.sequence_number, held);
            }
            Side::Main if held.delivery_count >= max => {
                held.death = Some(Death {
                    reason: "MaxDeliveryCountExceeded".to_owned(),
                    description: format!(
                        "Message could not be consumed after {max} delivery attempts."
                    ),
                });
                self.dead.ready.insert(held.sequence_number, held);
            }
            Side::Main if expired(&held, now_ms) => {}
            Side::Main => {
                self.main.ready.insert(held.sequence_number, held);
            }
        }
    }

    fn delivery(
        &self,
        held: &Held,
        lock_token: Uuid,
        locked_until_ms: u64,
        side: Side,
    ) -> Delivery {
        Delivery {
            queue: self.name.clone(),
            message: held.message.clone(),
            routing: held.routing.clone(),
            lock_token,
            delivery_count: held.delivery_count,
            sequence_number: held.sequence_number,
            enqueued_at_ms: held.enqueued_at_ms,
            locked_until_ms,
            death: held.death.clone(),
            side,
        }
    }

    fn sequence_number(&mut self) -> i64 {
        let number = self.next_sequence_number;
        self.next_sequence_number += 1;
        number
    }

    fn shelf(&mut self, side: Side) -> &mut Shelf {
        match side {
            Side::Main => &mut self.main,
            Side::Dead => &mut self.dead,
        }
    }
}

fn expired(held: &Held, now_ms: u64) -> bool {
    held.expires_ms.is_some_and(|expires_ms| expires_ms <= now_ms)
}

fn entry(held: &Held) -> Value {
    let mut shown = shown(&held.message);
    shown["sequence_number"] = json!(held.sequence_number);
    shown["enqueued_at_ms"] = json!(held.enqueued_at_ms);
    shown["delivery_count"] = json!(held.delivery_count);
    if let Some(death) = &held.death {
        shown["reason"] = json!(death.reason);
        shown["description"] = json!(death.description);
    }
    shown
}

#[cfg(test)]
mod tests;
