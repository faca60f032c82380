//! How often somebody may call.
//!
//! Counted before anything else is done for a call, so that a stranger's garbage costs no read, no
//! signature and no write. Three are held to a pace, each of them before the next is known: the
//! address that a call comes from, the credential that it shows, and, once that proved good, the
//! caller ([`Leave::caller`]).
//!
//! Each instance counts for itself, in memory: with `n` instances somebody whose calls reach all of
//! them may call `n` times as often. What a tenant may have done in an hour is another question,
//! answered by its quotas, which the database counts.
//!
//! A call without an address came by no front end. App Service's writes one into every call from
//! outside, so this one comes from the machine itself: from the Functions host in the name of a
//! trigger, or from another process beside us. There is nobody to hold to a pace, and no stranger
//! can leave the address out; should a front end ever write none, the log says so.

use std::{
    hash::Hash,
    net::{IpAddr, Ipv4Addr, SocketAddr},
    num::NonZeroU32,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
};

use airlock_core::{digest::Digest, problem::Problem, session_record::COOKIE};
use axum::{
    Router,
    extract::Request,
    http::{HeaderMap, Method, header, request::Parts},
    middleware::{Next, from_fn},
    response::IntoResponse as _,
};
use governor::{
    Quota, RateLimiter,
    clock::{Clock, MonotonicClock},
    middleware::NoOpMiddleware,
    state::keyed::HashMapStateStore,
};

use super::Refusal;

/// From one address, any call. Generous: a company's people share one, and the portal of each
/// asks every few seconds. 2,000 of them asking every ten seconds are met by it.
const ADDRESS: Rate = Rate::new(200, 1000);

/// From one address, calls that cost much. A sign-in needs five at the most: a company whose people
/// all come at nine signs ten of them in each second.
const ADDRESS_MUCH: Rate = Rate::new(50, 500);

/// With one credential, any call: a page that looks at a dozen things at once, again and again.
const CREDENTIAL: Rate = Rate::new(50, 300);

/// With one credential, calls that cost much. Nobody reads, signs and sends five requests a second;
/// the burst is for a list that is worked through by a program. A vault signs 400 times a second,
/// and a request needs two or three signatures: one caller alone cannot use it up.
const CREDENTIAL_MUCH: Rate = Rate::new(5, 60);

/// By one caller, with however many sessions or tokens: what one credential may, and half of it
/// again for whoever changes it meanwhile.
const CALLER: Rate = Rate::new(75, 450);

/// By one caller, calls that cost much.
const CALLER_MUCH: Rate = Rate::new(7, 90);

/// As many are counted at the same time by each limit: less than a megabyte.
const MOST_COUNTED: usize = 10_000;

/// What a call costs us, before and after we know who calls.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Cost {
    /// Reads at the most.
    Little,
    /// It signs, writes, or calls Entra.
    Much,
}

/// Holds callers to a pace. Cheap to clone; clones count together.
pub struct Pace<C: Clock = MonotonicClock>(Arc<Limits<C>>);

/// A call may go on: it was in time, for whoever sent it.
#[derive(Clone)]
pub struct Leave(Option<(Pace, Cost)>);

struct Limits<C: Clock> {
    address: ByCost<Address, C>,
    credential: ByCost<Digest, C>,
    caller: ByCost<Digest, C>,
    told_of_none: AtomicBool,
}

struct ByCost<K: Hash + Eq + Clone, C: Clock> {
    any: Limit<K, C>,
    much: Limit<K, C>,
}

/// One limit, for many keys.
struct Limit<K: Hash + Eq + Clone, C: Clock> {
    counted: RateLimiter<K, HashMapStateStore<K>, C, NoOpMiddleware<C::Instant>>,
    most: usize,
}

/// So often in the long run, and so often at once.
#[derive(Clone, Copy, Debug)]
struct Rate {
    per_second: NonZeroU32,
    at_once: NonZeroU32,
}

/// Too often.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
enum TooOften {
    /// This one.
    #[error("called too often")]
    After {
        /// When to come again, in seconds.
        wait_s: u64,
    },
    /// So many call that one more cannot be counted.
    #[error("more callers than can be counted")]
    Crowded,
}

/// What calls come from, as far as a pace goes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
enum Address {
    Four(Ipv4Addr),
    /// The network of an IPv6 address, its first 64 bits: within it anybody has as many addresses
    /// as they like.
    Six([u16; 4]),
    /// What stands in its place cannot be read. Whoever that may be is one.
    Unreadable,
}

impl Default for Pace {
    fn default() -> Self {
        Self::by(&MonotonicClock)
    }
}

impl<C: Clock> Clone for Pace<C> {
    fn clone(&self) -> Self {
        Self(Arc::clone(&self.0))
    }
}

impl Pace {
    /// Lets only those calls through to these routes that come in time. Their handlers find a
    /// [`Leave`] with each.
    pub fn hold<S>(&self, routes: Router<S>, cost: fn(&Method, &str) -> Cost) -> Router<S>
    where
        S: Clone + Send + Sync + 'static,
    {
        let pace = self.clone();
        routes.layer(from_fn(move |mut request: Request, next: Next| {
            let pace = pace.clone();
            async move {
                let cost = cost(request.method(), request.uri().path());
                match pace.leave(request.headers(), cost) {
                    Ok(leave) => {
                        request.extensions_mut().insert(leave);
                        next.run(request).await
                    }
                    Err(too_often) => Refusal::from(too_often).into_response(),
                }
            }
        }))
    }

    fn leave(&self, headers: &HeaderMap, cost: Cost) -> Result<Leave, TooOften> {
        Ok(Leave(self.in_time(headers, cost)?.then(|| (self.clone(), cost))))
    }
}

impl<C: Clock> Pace<C> {
    fn by(clock: &C) -> Self
    where
        C: Clone,
    {
        Self(Arc::new(Limits {
            address: ByCost::new(ADDRESS, ADDRESS_MUCH, clock),
            credential: ByCost::new(CREDENTIAL, CREDENTIAL_MUCH, clock),
            caller: ByCost::new(CALLER, CALLER_MUCH, clock),
            told_of_none: AtomicBool::new(false),
        }))
    }

    /// Whether it was counted; else it comes from the machine itself.
    fn in_time(&self, headers: &HeaderMap, cost: Cost) -> Result<bool, TooOften> {
        let Some(address) = address(headers) else {
            if !self.0.told_of_none.swap(true, Ordering::Relaxed) {
                tracing::warn!("called without x-forwarded-for: such calls are held to no pace");
            }
            return Ok(false);
        };
        self.0.address.take(&address, cost)?;
        if let Some(credential) = credential(headers) {
            self.0.credential.take(&credential, cost)?;
        }
        Ok(true)
    }
}

impl Leave {
    /// The leave of a call on its way to its handler.
    ///
    /// # Errors
    ///
    /// `internal` if its route is held to no pace, which is a defect of ours.
    pub fn of(parts: &Parts) -> Result<&Self, Refusal> {
        parts.extensions.get().ok_or_else(|| Refusal::new(Problem::INTERNAL))
    }

    /// Counts the call for its caller, now that they are known. `caller` is whatever names them,
    /// and is the same in all their sessions and tokens.
    ///
    /// # Errors
    ///
    /// `too-many`.
    pub fn caller(&self, caller: &Digest) -> Result<(), Refusal> {
        let Some((pace, cost)) = &self.0 else { return Ok(()) };
        Ok(pace.0.caller.take(caller, *cost)?)
    }
}

impl<K: Hash + Eq + Clone, C: Clock> ByCost<K, C> {
    fn new(any: Rate, much: Rate, clock: &C) -> Self
    where
        C: Clone,
    {
        let limit = |rate| Limit::new(rate, MOST_COUNTED, clock.clone());
        Self { any: limit(any), much: limit(much) }
    }

    fn take(&self, key: &K, cost: Cost) -> Result<(), TooOften> {
        self.any.take(key)?;
        match cost {
            Cost::Little => Ok(()),
            Cost::Much => self.much.take(key),
        }
    }
}

impl<K: Hash + Eq + Clone, C: Clock> Limit<K, C> {
    fn new(rate: Rate, most: usize, clock: C) -> Self {
        let quota = Quota::per_second(rate.per_second).allow_burst(rate.at_once);
        Self { counted: RateLimiter::hashmap_with_clock(quota, clock), most }
    }

    fn take(&self, key: &K) -> Result<(), TooOften> {
        self.make_room()?;
        self.counted.check_key(key).map_err(|until| {
            let wait = until.wait_time_from(self.counted.clock().now());
            // Rounded up: who comes too early comes in vain.
            TooOften::After { wait_s: wait.as_secs() + u64::from(wait.subsec_nanos() > 0) }
        })
    }

    /// Forgets those who have not called for a while. If so many call at once that nobody can be
    /// forgotten, everyone waits: else who calls from ten thousand addresses had no limit.
    fn make_room(&self) -> Result<(), TooOften> {
        if self.counted.len() < self.most {
            return Ok(());
        }
        self.counted.retain_recent();
        self.counted.shrink_to_fit();
        if self.counted.len() < self.most { Ok(()) } else { Err(TooOften::Crowded) }
    }
}

impl Rate {
    const fn new(per_second: u32, at_once: u32) -> Self {
        // Of a number that is none, the slowest.
        const fn at_least_one(number: u32) -> NonZeroU32 {
            match NonZeroU32::new(number) {
                Some(number) => number,
                None => NonZeroU32::MIN,
            }
        }
        Self { per_second: at_least_one(per_second), at_once: at_least_one(at_once) }
    }
}

impl From<TooOften> for Refusal {
    fn from(too_often: TooOften) -> Self {
        let wait_s = match too_often {
            TooOften::After { wait_s } => wait_s.max(1),
            TooOften::Crowded => 1,
        };
        Self::because(Problem::TOO_MANY, too_often).retry_after_s(wait_s)
    }
}

/// Where a call comes from: the last entry of `X-Forwarded-For`. What stands before it came with
/// the call, and can be anything; the last is App Service's own.
fn address(headers: &HeaderMap) -> Option<Address> {
    let last = headers.get_all("x-forwarded-for").iter().next_back()?;
    let entry = last.to_str().ok().and_then(|entries| entries.rsplit(',').next());
    Some(entry.and_then(Address::parse).unwrap_or(Address::Unreadable))
}

impl Address {
    /// Reads an entry: an address with or without a port, in brackets or not.
    fn parse(entry: &str) -> Option<Self> {
        let entry = entry.trim();
        let bare = entry.strip_prefix('[').and_then(|rest| rest.strip_suffix(']'));
        let address = entry
            .parse::<SocketAddr>()
            .map(|address| address.ip())
            .or_else(|_| bare.unwrap_or(entry).parse::<IpAddr>())
            .ok()?;
        Some(match address.to_canonical() {
            IpAddr::V4(address) => Self::Four(address),
            IpAddr::V6(address) => {
                let [a, b, c, d, ..] = address.segments();
                Self::Six([a, b, c, d])
            }
        })
    }
}

/// What a call shows, good or not: the same for a session in a cookie and in a header, however its
/// scheme is written.
fn credential(headers: &HeaderMap) -> Option<Digest> {
    let shown = match headers.get(header::AUTHORIZATION) {
        Some(value) => {
            let value = value.as_bytes();
            let scheme = value.iter().position(|byte| *byte == b' ');
            scheme.map_or(value, |end| &value[end + 1..])
        }
        None => headers
            .get_all(header::COOKIE)
            .iter()
            .filter_map(|value| value.to_str().ok())
            .flat_map(|value| value.split(';'))
            .filter_map(|pair| pair.trim().split_once('='))
            .find(|(name, _)| *name == COOKIE)
            .map(|(_, value)| value.as_bytes())?,
    };
    Some(Digest::of(&[shown]))
}

#[cfg(test)]
mod tests;
