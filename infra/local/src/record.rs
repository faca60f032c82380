//! What happened: calls, tokens issued, refusals, effects. Bounded, in memory.
//!
//! It never holds a token, a body or a query: tests and curious people read it, and a copy of it
//! must be worth nothing to anyone.

use std::{
    collections::VecDeque,
    sync::{Mutex, MutexGuard, PoisonError},
};

use serde::Serialize;
use serde_json::{Value, json};
use time::OffsetDateTime;
use uuid::Uuid;

/// Entries kept of each kind; the oldest make room.
const KEPT: usize = 10_000;

/// The record of the cloud.
#[derive(Debug, Default)]
pub struct Record {
    entries: Mutex<Entries>,
}

#[derive(Debug, Default)]
struct Entries {
    last: u64,
    calls: VecDeque<Call>,
    tokens: VecDeque<Token>,
    refusals: VecDeque<Refusal>,
    effects: VecDeque<Effect>,
}

#[derive(Debug, Serialize)]
struct Call {
    n: u64,
    at_ms: u64,
    service: String,
    method: String,
    path: String,
    caller: Option<String>,
    /// Absent if no app of ours is known to have made it.
    #[serde(skip_serializing_if = "Option::is_none")]
    app: Option<String>,
    /// Absent where method and path say it.
    #[serde(skip_serializing_if = "Option::is_none")]
    operation: Option<String>,
    /// Absent if the call was not answered.
    status: Option<u16>,
    #[serde(skip_serializing_if = "Option::is_none")]
    fault: Option<&'static str>,
    /// Absent if the caller named no trace.
    #[serde(skip_serializing_if = "Option::is_none")]
    traceparent: Option<String>,
}

/// A call, as the door has met it.
#[derive(Debug)]
pub struct Met<'a> {
    /// Which service.
    pub service: &'a str,
    /// What was asked of it.
    pub method: &'a str,
    /// Without its query.
    pub path: &'a str,
    /// Who called, if that is known.
    pub caller: Option<String>,
    /// The app whose process called, if that is known: an app calls as its identity, and as
    /// applications that trust it.
    pub app: Option<String>,
    /// What was asked for, where method and path do not say it.
    pub operation: Option<String>,
    /// What was answered, if anything.
    pub status: Option<u16>,
    /// What went wrong on purpose.
    pub fault: Option<&'static str>,
    /// The header of that name. Kept only if it is a W3C trace context.
    pub traceparent: Option<&'a str>,
}

#[derive(Debug, Serialize)]
struct Token {
    n: u64,
    at_ms: u64,
    holder: String,
    audience: String,
    tenant: String,
    how: String,
}

#[derive(Debug, Serialize)]
struct Refusal {
    n: u64,
    at_ms: u64,
    by: String,
    who: Option<String>,
    why: String,
}

#[derive(Debug, Serialize)]
struct Effect {
    n: u64,
    at_ms: u64,
    service: String,
    what: Value,
}

impl Record {
    /// Nothing has happened.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// A call was answered.
    pub fn call(
        &self,
        service: &str,
        method: &str,
        path: &str,
        caller: Option<String>,
        status: u16,
    ) {
        let status = Some(status);
        let (app, operation, fault, traceparent) = (None, None, None, None);
        self.met(Met { service, method, path, caller, app, operation, status, fault, traceparent });
    }

    /// A call was met by a fault or a service: answered with a status, or not at all.
    pub fn met(&self, met: Met<'_>) {
        let Met { caller, app, operation, status, fault, .. } = met;
        let (service, method) = (met.service.to_owned(), met.method.to_owned());
        let path = met.path.to_owned();
        let traceparent = met.traceparent.filter(|text| is_trace(text)).map(str::to_owned);
        self.write(|entries, n, at_ms| {
            let call = Call {
                n,
                at_ms,
                service,
                method,
                path,
                caller,
                app,
                operation,
                status,
                fault,
                traceparent,
            };
            keep(&mut entries.calls, call);
        });
    }

    /// A token was issued to `holder`. `how` names the grant.
    pub fn token(&self, holder: &str, audience: &str, tenant: Uuid, how: &str) {
        let (holder, audience) = (holder.to_owned(), audience.to_owned());
        let (tenant, how) = (tenant.to_string(), how.to_owned());
        self.write(|entries, n, at_ms| {
            keep(&mut entries.tokens, Token { n, at_ms, holder, audience, tenant, how });
        });
    }

    /// `by` refused something to `who`. `why` must not quote what was presented.
    pub fn refusal(&self, by: &str, who: Option<&str>, why: &str) {
        let (by, who, why) = (by.to_owned(), who.map(str::to_owned), why.to_owned());
        self.write(|entries, n, at_ms| {
            keep(&mut entries.refusals, Refusal { n, at_ms, by, who, why });
        });
    }

    /// Something in the world changed.
    pub fn effect(&self, service: &str, what: Value) {
        let service = service.to_owned();
        self.write(|entries, n, at_ms| {
            keep(&mut entries.effects, Effect { n, at_ms, service, what });
        });
    }

    /// Calls numbered above `after`, oldest first.
    #[must_use]
    pub fn calls(&self, after: u64) -> Value {
        let entries = self.lock();
        json!(entries.calls.iter().filter(|call| call.n > after).collect::<Vec<_>>())
    }

    /// Tokens issued and things refused, numbered above `after`, oldest first.
    #[must_use]
    pub fn tokens(&self, after: u64) -> Value {
        let entries = self.lock();
        let issued: Vec<_> = entries.tokens.iter().filter(|token| token.n > after).collect();
        let refused: Vec<_> = entries.refusals.iter().filter(|refusal| refusal.n > after).collect();
        json!({ "issued": issued, "refused": refused })
    }

    /// Effects numbered above `after`, oldest first.
    #[must_use]
    pub fn effects(&self, after: u64) -> Value {
        let entries = self.lock();
        json!(entries.effects.iter().filter(|effect| effect.n > after).collect::<Vec<_>>())
    }

    fn write(&self, entry: impl FnOnce(&mut Entries, u64, u64)) {
        let now_ms = OffsetDateTime::now_utc().unix_timestamp_nanos() / 1_000_000;
        let mut entries = self.lock();
        entries.last += 1;
        let n = entries.last;
        entry(&mut entries, n, u64::try_from(now_ms).unwrap_or_default());
    }

    fn lock(&self) -> MutexGuard<'_, Entries> {
        // No code that holds the lock can leave the entries half written.
        self.entries.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Whether it has the form of a W3C trace context, which says nothing about anyone.
fn is_trace(text: &str) -> bool {
    let lengths = text.split('-').map(str::len);
    let hexadecimal = |byte: u8| byte.is_ascii_digit() || (b'a'..=b'f').contains(&byte);
    lengths.eq([2, 32, 16, 2]) && text.bytes().all(|byte| byte == b'-' || hexadecimal(byte))
}

fn keep<T>(entries: &mut VecDeque<T>, entry: T) {
    if entries.len() == KEPT {
        entries.pop_front();
    }
    entries.push_back(entry);
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_oldest_entries_make_room() {
        let record = Record::new();

        for _ in 0..=KEPT {
            record.call("graph", "GET", "/v1.0/users", None, 200);
        }

        let calls = record.calls(0);
        let calls = calls.as_array().unwrap();
        assert_eq!(calls.len(), KEPT);
        assert_eq!(calls[0]["n"], 2);
    }

    #[test]
    fn of_a_trace_only_what_is_one_is_kept() {
        let record = Record::new();
        let trace = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01";

        for traceparent in [Some(trace), Some("00-nina@contoso.example-00-01"), Some(""), None] {
            record.met(Met {
                service: "vault",
                method: "GET",
                path: "/keys",
                caller: None,
                app: None,
                operation: None,
                status: Some(200),
                fault: None,
                traceparent,
            });
        }

        let calls = record.calls(0);
        assert_eq!(calls[0]["traceparent"], trace);
        for call in &calls.as_array().unwrap()[1..] {
            assert_eq!(call.get("traceparent"), None);
        }
    }

    #[test]
    fn entries_are_read_from_where_the_reader_left_off() {
        let record = Record::new();
        record.token("execute", "https://graph.microsoft.com", Uuid::nil(), "client_credentials");
        record.effect("graph", json!({ "disabled": "u1" }));
        record.refusal("entra", Some("execute"), "AADSTS700213");

        assert_eq!(record.tokens(0)["issued"][0]["holder"], "execute");
        assert_eq!(record.tokens(1)["issued"], json!([]));
        assert_eq!(record.tokens(1)["refused"][0]["n"], 3);
        assert_eq!(record.effects(0)[0]["what"]["disabled"], "u1");
    }
}
