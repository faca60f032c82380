//! Service Bus over REST: send, receive, settle.

use std::time::Duration;

use bytes::Bytes;
use http::{HeaderMap, HeaderValue, Method, StatusCode, header};
use url::form_urlencoded;
use uuid::Uuid;

use super::{
    Bus, Claim, Delivery, LockLost, MESSAGE_LIMIT_BYTES, Slot, may,
    queue::{Queue, Sent, Side},
    refused::{Refused, not_authenticated, refused},
    wire,
};
use crate::{
    cloud::{Answer, Asked, Caller, Shared, audience},
    identities::Identities,
};

/// Seconds for which a receiver waits that does not say how long.
const DEFAULT_WAIT_S: u64 = 60;

/// What a request asks of a queue.
#[derive(Debug, PartialEq, Eq)]
enum Operation {
    Send,
    PeekLock,
    ReceiveAndDelete,
    Complete(Lock),
    Abandon(Lock),
    Renew(Lock),
}

/// A locked message, as its `Location` names it.
#[derive(Debug, PartialEq, Eq)]
struct Lock {
    /// Its sequence number or `MessageId`.
    message: String,
    token: Uuid,
}

#[derive(Debug, PartialEq, Eq)]
struct Target {
    queue: String,
    side: Side,
    operation: Operation,
}

pub(super) async fn answer(cloud: &Shared, asked: Asked) -> Answer {
    let caller = cloud.entra.verify(cloud, asked.headers(), audience::BUS);
    let host = cloud.names.bus.as_str();
    let answered = match caller {
        Ok(caller) => cloud.bus.handle(&cloud.identities, host, &caller, &asked).await,
        Err(error) => Err(not_authenticated(asked.headers(), &error)),
    };
    answered.unwrap_or_else(|refused| refused.into_answer(host, asked.uri().path()))
}

impl Bus {
    /// Answers a caller whose token was verified.
    async fn handle(
        &self,
        identities: &Identities,
        host: &str,
        caller: &Caller,
        asked: &Asked,
    ) -> Result<Answer, Refused> {
        let Target { queue, side, operation } = target(asked.method(), asked.uri().path())?;
        let slot = self.queues.get(&queue).ok_or_else(|| {
            refused(
                StatusCode::NOT_FOUND,
                format!("The messaging entity 'sb://{host}/{queue}' could not be found."),
            )
        })?;
        let claim = if operation == Operation::Send { Claim::Send } else { Claim::Listen };
        if !may(identities, caller.identity.as_deref(), &queue, claim) {
            // Service Bus answers 401 where other services answer 403.
            return Err(refused(
                StatusCode::UNAUTHORIZED,
                format!(
                    "Unauthorized access. '{claim:?}' claim(s) are required to perform this operation. \
                     Resource: 'sb://{host}/{queue}'."
                ),
            ));
        }
        match operation {
            Operation::Send => slot.post(asked.headers(), asked.body()),
            Operation::PeekLock => {
                let found =
                    tokio::time::timeout(wait(asked)?, slot.next(side, Queue::receive)).await;
                Ok(found.map_or_else(|_| empty(StatusCode::NO_CONTENT), |it| peeked(host, &it)))
            }
            Operation::ReceiveAndDelete => {
                let found =
                    tokio::time::timeout(wait(asked)?, slot.next(side, Queue::receive_and_delete))
                        .await;
                Ok(found.map_or_else(|_| empty(StatusCode::NO_CONTENT), |it| deleted(&it)))
            }
            Operation::Complete(lock) => {
                slot.settle(side, &lock, |queue, now| queue.complete(now, side, lock.token))
            }
            Operation::Abandon(lock) => {
                slot.settle(side, &lock, |queue, now| queue.abandon(now, side, lock.token))
            }
            Operation::Renew(lock) => {
                slot.settle(side, &lock, |queue, now| queue.renew(now, side, lock.token).map(drop))
            }
        }
    }
}

impl Slot {
    fn post(&self, headers: &HeaderMap, body: &Bytes) -> Result<Answer, Refused> {
        let bad = |why| refused(StatusCode::BAD_REQUEST, why);
        let messages = wire::read(headers, body).map_err(bad)?;
        let size_bytes: usize = messages.iter().map(|(message, _)| message.size_bytes()).sum();
        if size_bytes > MESSAGE_LIMIT_BYTES {
            return Err(refused(
                StatusCode::PAYLOAD_TOO_LARGE,
                format!(
                    "The received message (size:{size_bytes}) exceeds the limit \
                     ({MESSAGE_LIMIT_BYTES} bytes) currently allowed."
                ),
            ));
        }
        for (message, routing) in messages {
            // A duplicate is swallowed, and its sender told what the first one's was.
            let (Sent::Accepted | Sent::Duplicate) = self.send(message, routing);
        }
        Ok(empty(StatusCode::CREATED))
    }

    fn settle(
        &self,
        side: Side,
        lock: &Lock,
        how: impl FnOnce(&mut Queue, u64) -> Result<(), LockLost>,
    ) -> Result<Answer, Refused> {
        let settled = self.change(|queue, now| {
            if !queue.locks(now, side, lock.token, &lock.message) {
                return Err(LockLost);
            }
            how(queue, now)
        });
        settled.map(|()| empty(StatusCode::OK)).map_err(|LockLost| {
            refused(
                StatusCode::GONE,
                "The lock supplied is invalid. Either the lock expired, or the message has \
                 already been removed from the queue."
                    .to_owned(),
            )
        })
    }
}

fn target(method: &Method, path: &str) -> Result<Target, Refused> {
    let unknown = || {
        refused(StatusCode::BAD_REQUEST, format!("{method} {path} is not an operation on a queue."))
    };
    let segments: Vec<&str> = path.trim_matches('/').split('/').collect();
    let (queue, rest) = segments.split_first().ok_or_else(unknown)?;
    let (side, rest) = match rest {
        [dead, rest @ ..] if is_dead_letter_queue(dead) => (Side::Dead, rest),
        rest => (Side::Main, rest),
    };
    let operation = match (method.as_str(), rest) {
        ("POST", ["messages"]) if side == Side::Main => Operation::Send,
        ("POST", ["messages", "head"]) => Operation::PeekLock,
        ("DELETE", ["messages", "head"]) => Operation::ReceiveAndDelete,
        (verb, ["messages", message, token]) => {
            let token = token.parse().map_err(|_| unknown())?;
            let lock = Lock { message: (*message).to_owned(), token };
            match verb {
                "DELETE" => Operation::Complete(lock),
                "PUT" => Operation::Abandon(lock),
                "POST" => Operation::Renew(lock),
                _ => return Err(unknown()),
            }
        }
        _ => return Err(unknown()),
    };
    Ok(Target { queue: (*queue).to_owned(), side, operation })
}

/// Whether this is how a queue's dead letters are named behind its own name.
pub(super) fn is_dead_letter_queue(segment: &str) -> bool {
    segment
        .strip_prefix('$')
        .or_else(|| segment.strip_prefix("%24"))
        .is_some_and(|name| name.eq_ignore_ascii_case("DeadLetterQueue"))
}

fn wait(asked: &Asked) -> Result<Duration, Refused> {
    let query = asked.uri().query().unwrap_or_default();
    let timeout = form_urlencoded::parse(query.as_bytes()).find(|(name, _)| name == "timeout");
    let Some((_, seconds)) = timeout else {
        return Ok(Duration::from_secs(DEFAULT_WAIT_S));
    };
    let seconds: u16 = seconds.parse().map_err(|_| {
        refused(StatusCode::BAD_REQUEST, format!("timeout '{seconds}' is not a number of seconds."))
    })?;
    Ok(Duration::from_secs(seconds.into()))
}

fn peeked(host: &str, delivery: &Delivery) -> Answer {
    let Delivery { queue, side, sequence_number, lock_token, .. } = delivery;
    let side = match side {
        Side::Main => "",
        Side::Dead => "/$DeadLetterQueue",
    };
    let location = format!("https://{host}/{queue}{side}/messages/{sequence_number}/{lock_token}");
    let mut answer = with_message(StatusCode::CREATED, delivery);
    // INVARIANT: host and queue are names of ours, so the rest is hexadecimal and digits.
    if let Ok(location) = HeaderValue::from_str(&location) {
        answer.headers_mut().insert(header::LOCATION, location);
    }
    answer
}

fn deleted(delivery: &Delivery) -> Answer {
    with_message(StatusCode::OK, delivery)
}

fn with_message(status: StatusCode, delivery: &Delivery) -> Answer {
    let mut answer = Answer::new(delivery.message.body.clone());
    *answer.status_mut() = status;
    *answer.headers_mut() = delivery.headers();
    answer
}

fn empty(status: StatusCode) -> Answer {
    let mut answer = Answer::new(Bytes::new());
    *answer.status_mut() = status;
    answer
}

#[cfg(test)]
mod tests;
