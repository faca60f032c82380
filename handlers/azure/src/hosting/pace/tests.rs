use std::time::Duration;

use axum::{
    body::{Body, to_bytes},
    http::{HeaderName, HeaderValue, StatusCode},
    response::Response,
    routing::post,
};
use governor::clock::FakeRelativeClock;
use tower::ServiceExt as _;

use super::*;
use crate::hosting;

/// More calls than any limit lets through at once.
const MANY: u32 = 10_000;

fn headers(pairs: &[(&'static str, &str)]) -> HeaderMap {
    let mut headers = HeaderMap::new();
    for (name, value) in pairs {
        let value = HeaderValue::from_str(value).unwrap();
        headers.append(HeaderName::from_static(name), value);
    }
    headers
}

fn from(address: &str) -> HeaderMap {
    headers(&[("x-forwarded-for", address)])
}

/// How many calls in a row are in time.
fn in_a_row(pace: &Pace<FakeRelativeClock>, headers: &HeaderMap, cost: Cost) -> u32 {
    (0..MANY).find(|_| pace.in_time(headers, cost).is_err()).unwrap()
}

#[test]
fn an_address_is_the_last_entry_without_its_port() {
    let read = |values: &[&str]| {
        let pairs: Vec<_> = values.iter().map(|value| ("x-forwarded-for", *value)).collect();
        address(&headers(&pairs))
    };
    let four = Some(Address::Four(Ipv4Addr::new(203, 0, 113, 9)));
    let six = Some(Address::Six([0x2001, 0xdb8, 1, 2]));

    assert_eq!(read(&[]), None);
    for same in [
        &["203.0.113.9:4711"][..],
        &["203.0.113.9"],
        &["198.51.100.1, 203.0.113.9:4711"],
        &["198.51.100.1,  203.0.113.9:1 "],
        &["198.51.100.1:1", "nonsense", "203.0.113.9:4711"],
        &["[::ffff:203.0.113.9]:4711"],
    ] {
        assert_eq!(read(same), four, "{same:?}");
    }
    for same in [
        "[2001:db8:1:2::7]:4711",
        "[2001:db8:1:2::7]",
        "2001:db8:1:2::7",
        "[2001:db8:1:2:ffff:ffff:ffff:ffff]:1",
    ] {
        assert_eq!(read(&[same]), six, "{same}");
    }
    for unreadable in ["", "unknown", "203.0.113.9, ", "203.0.113.9:x", "[203.0.113.9", "1.2.3"] {
        assert_eq!(read(&[unreadable]), Some(Address::Unreadable), "{unreadable:?}");
    }
}

#[test]
fn one_credential_is_one_however_it_is_shown() {
    let shown = |name, value: &str| credential(&headers(&[(name, value)]));
    let one = shown("cookie", "theme=dark; __Host-airlock=abc; more=1");

    assert!(one.is_some());
    for same in ["Session abc", "session abc", "SESSION abc", "Bearer abc"] {
        assert_eq!(shown("authorization", same), one, "{same}");
    }
    assert_eq!(shown("cookie", "__Host-airlock=abc"), one);
    assert_ne!(shown("cookie", "__Host-airlock=abd"), one);
    assert_eq!(shown("cookie", "__Host-airlock-start=abc"), None);
    assert_eq!(shown("accept", "abc"), None);
}

#[test]
fn an_address_is_held_to_its_pace_whatever_it_shows_and_its_neighbours_are_not() {
    let clock = FakeRelativeClock::default();
    let pace = Pace::by(&clock);
    let garbage = |number: u32| {
        let credential = format!("Session {number}");
        headers(&[
            ("x-forwarded-for", &format!("198.51.100.{number}, 203.0.113.9:{number}")),
            ("authorization", &credential),
        ])
    };

    let taken = (0..MANY).find(|number| pace.in_time(&garbage(*number), Cost::Much).is_err());

    assert_eq!(taken, Some(ADDRESS_MUCH.at_once.get()));
    assert_eq!(pace.in_time(&from("203.0.113.10:1"), Cost::Much), Ok(true));
    clock.advance(Duration::from_secs(1));
    assert_eq!(in_a_row(&pace, &from("203.0.113.9:1"), Cost::Much), ADDRESS_MUCH.per_second.get());
}

#[test]
fn looking_goes_on_where_acting_has_to_wait() {
    let pace = Pace::by(&FakeRelativeClock::default());
    let caller = from("203.0.113.9:1");
    let acted = in_a_row(&pace, &caller, Cost::Much);

    let looked = in_a_row(&pace, &caller, Cost::Little);

    // The call that was one too many counted as a call all the same.
    assert_eq!(acted + 1 + looked, ADDRESS.at_once.get());
}

#[test]
fn a_credential_is_held_to_its_pace_wherever_it_is_shown() {
    let pace = Pace::by(&FakeRelativeClock::default());
    let session = |number: u32| {
        let address = format!("203.0.113.{}:1", number % 7);
        headers(&[("x-forwarded-for", &address), ("cookie", "__Host-airlock=abc")])
    };

    let taken = (0..MANY).find(|number| pace.in_time(&session(*number), Cost::Much).is_err());

    assert_eq!(taken, Some(CREDENTIAL_MUCH.at_once.get()));
    let other = headers(&[("x-forwarded-for", "203.0.113.1:1"), ("cookie", "__Host-airlock=x")]);
    assert_eq!(pace.in_time(&other, Cost::Much), Ok(true));
}

#[test]
fn an_ipv6_network_is_one_address() {
    let pace = Pace::by(&FakeRelativeClock::default());
    let own = |number: u32| from(&format!("[2001:db8::{number:x}]:1"));

    let taken = (0..MANY).find(|number| pace.in_time(&own(*number), Cost::Much).is_err());

    assert_eq!(taken, Some(ADDRESS_MUCH.at_once.get()));
}

#[test]
fn who_cannot_be_read_is_one_and_who_calls_from_the_machine_itself_is_not_counted() {
    let pace = Pace::by(&FakeRelativeClock::default());

    let unreadable = in_a_row(&pace, &from("unknown"), Cost::Much);

    assert_eq!(unreadable, ADDRESS_MUCH.at_once.get());
    assert!(pace.in_time(&from("also unknown"), Cost::Much).is_err());
    for _ in 0..2 * ADDRESS.at_once.get() {
        assert_eq!(pace.in_time(&HeaderMap::new(), Cost::Much), Ok(false));
    }
}

#[test]
fn a_caller_is_held_to_a_pace_over_all_their_credentials() {
    let pace = Pace::default();
    let known = Leave(Some((pace.clone(), Cost::Much)));
    let machine = Leave(None);
    let one = Digest::of(&[b"one"]);

    let refused = (0..2 * CALLER_MUCH.at_once.get()).find_map(|_| known.caller(&one).err());

    assert_eq!(refused.unwrap().problem(), Problem::TOO_MANY);
    assert!(known.caller(&Digest::of(&[b"other"])).is_ok());
    assert!(machine.caller(&one).is_ok());
}

#[test]
fn no_more_are_counted_than_there_is_room_for_and_who_was_quiet_is_forgotten() {
    let clock = FakeRelativeClock::default();
    let limit = Limit::new(Rate::new(1, 2), 3, clock.clone());
    for key in 0..3 {
        assert_eq!(limit.take(&key), Ok(()));
    }

    assert_eq!(limit.take(&3), Err(TooOften::Crowded));
    clock.advance(Duration::from_secs(3));
    assert_eq!(limit.take(&3), Ok(()));
    assert_eq!(limit.counted.len(), 1);
}

#[test]
fn who_comes_when_they_were_told_comes_in_time() {
    let clock = FakeRelativeClock::default();
    let limit = Limit::new(Rate::new(1, 2), 3, clock.clone());
    assert_eq!([limit.take(&0), limit.take(&0)], [Ok(()), Ok(())]);

    clock.advance(Duration::from_millis(300));
    let refused = limit.take(&0);

    assert_eq!(refused, Err(TooOften::After { wait_s: 1 }));
    clock.advance(Duration::from_secs(1));
    assert_eq!(limit.take(&0), Ok(()));
}

/// A router as an app has it; what was asked, and what was done.
async fn asked(router: &Router, address: &str) -> Response {
    let request = Request::post("/act").header("x-forwarded-for", address);
    router.clone().oneshot(request.body(Body::empty()).unwrap()).await.unwrap()
}

#[tokio::test]
async fn who_calls_too_often_is_told_when_to_come_again_and_nothing_is_done() {
    let done = Arc::new(std::sync::atomic::AtomicU32::new(0));
    let count = Arc::clone(&done);
    let act = post(async move || {
        count.fetch_add(1, Ordering::SeqCst);
    });
    let held = Pace::default().hold(Router::new().route("/act", act), |_, _| Cost::Much);
    let router = hosting::router(held);

    let mut calls = 0;
    let refused = loop {
        let response = asked(&router, "203.0.113.9:4711").await;
        if response.status() != StatusCode::OK {
            break response;
        }
        calls += 1;
    };

    assert!(calls >= ADDRESS_MUCH.at_once.get(), "{calls}");
    assert_eq!(done.load(Ordering::SeqCst), calls);
    assert_eq!(refused.status(), StatusCode::TOO_MANY_REQUESTS);
    assert_eq!(refused.headers()[header::RETRY_AFTER], "1");
    assert_eq!(refused.headers()[header::CONTENT_TYPE], "application/problem+json");
    let body = to_bytes(refused.into_body(), 4096).await.unwrap();
    let body: serde_json::Value = serde_json::from_slice(&body).unwrap();
    assert_eq!(body["type"], "https://airlock.invalid/problems/too-many");
    assert_eq!(asked(&router, "203.0.113.10:4711").await.status(), StatusCode::OK);
}

#[test]
fn a_route_that_nobody_holds_to_a_pace_has_no_leave_to_give() {
    let (parts, ()) = Request::new(()).into_parts();

    assert_eq!(Leave::of(&parts).err().unwrap().problem(), Problem::INTERNAL);
}
