//! The table of calls: for each call to the outside that `signin`, `intake` and `execute` make,
//! what becomes of the story that needs it when the call goes wrong, in eight ways.
//!
//! A fault is for one story: it names the story's W3C trace, which leads from the caller through
//! the bus to the directory, so that many cells share a cloud. Calls that a process makes once are
//! met by a process that has just started; calls of timers by their tick.
//!
//! Held to, in each cell: the call was made and did go wrong; whoever was refused was told to come
//! again, and the same signed request was then taken; it succeeded; the directory was written to
//! once, and again only where its answer was lost; a secret that was shown is the one that works.
//! And of each cloud, at the end: ledgers are whole and tell each request once, claim and outcome
//! are kept, nothing is left in an outbox, on its way or among the dead letters.
//!
//! Not in the table: a write that lands after whoever asked for it has given up. Nothing at the
//! directory could hold it back.

mod control;
mod ending;
mod fault;
mod requests;
mod rows;
mod seen;
mod sign_in;
mod stage;
mod story;
mod table;

use fault::Fault;
use table::column;

const APPS: [&str; 3] = ["signin", "intake", "execute"];

#[tokio::test]
async fn every_call_that_a_handler_makes_has_a_row() {
    let unknown = seen::calls_without_a_row().await;

    assert!(unknown.is_empty(), "no row: {unknown:#?}");
}

#[tokio::test]
#[ignore = "heavy: tests/run plays it"]
async fn a_call_that_fails_loses_no_request_and_doubles_no_effect() {
    column(Fault::Failed, &APPS).await;
}

#[tokio::test]
#[ignore = "heavy: tests/run plays it"]
async fn a_call_whose_answer_is_lost_loses_no_request_and_doubles_no_effect() {
    column(Fault::Lost, &APPS).await;
}

#[tokio::test]
#[ignore = "heavy: tests/run plays it"]
async fn a_call_whose_answers_are_all_lost_loses_no_request_and_doubles_no_effect() {
    column(Fault::LostEachTime, &APPS).await;
}

#[tokio::test]
#[ignore = "heavy: tests/run plays it"]
async fn a_service_that_is_down_loses_no_request_and_doubles_no_effect() {
    column(Fault::Unavailable, &APPS).await;
}

#[tokio::test]
#[ignore = "heavy: tests/run plays it"]
async fn a_service_that_asks_for_patience_loses_no_request_and_doubles_no_effect() {
    column(Fault::Throttled, &APPS).await;
}

#[tokio::test]
#[ignore = "heavy: tests/run plays it"]
async fn a_service_that_throttles_without_a_word_loses_no_request_and_doubles_no_effect() {
    column(Fault::ThrottledSilently, &APPS).await;
}

#[tokio::test]
#[ignore = "heavy: tests/run plays it"]
async fn a_service_that_does_and_stays_silent_loses_no_request_and_doubles_no_effect() {
    column(Fault::AnswersLate, &APPS).await;
}

#[tokio::test]
#[ignore = "heavy: tests/run plays it"]
async fn a_service_that_stalls_for_signin_loses_no_session() {
    column(Fault::Stalls, &["signin"]).await;
}

#[tokio::test]
#[ignore = "heavy: tests/run plays it"]
async fn a_service_that_stalls_for_intake_loses_no_request_and_doubles_no_effect() {
    column(Fault::Stalls, &["intake"]).await;
}

#[tokio::test]
#[ignore = "heavy: tests/run plays it"]
async fn a_service_that_stalls_for_execute_loses_no_request_and_doubles_no_effect() {
    column(Fault::Stalls, &["execute"]).await;
}
