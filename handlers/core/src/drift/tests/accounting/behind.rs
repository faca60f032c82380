//! A log that tells of more than a round can read, or is told of.

use super::*;
use crate::drift::seen::Source;

/// A change by somebody of one of Airlock's service principals.
fn by_others(stage: &Stage, name: &str) -> DirectoryChange {
    let target = of(ACCOUNTS).to_string();
    DirectoryChange { by: Some(id(0x7777)), ..change(stage, name, None, &target) }
}

/// Entries of others that concern nobody, as many in each second.
fn crowd(stage: &Stage, from: Timestamp, seconds: i64, of_each: i64) {
    for number in 0..seconds * of_each {
        let at = from.plus_s(number / of_each);
        let by = Some(id(0x7777));
        stage.logs(DirectoryChange { at, by, ..change(stage, "crowd", None, "nina") });
    }
}

impl Stage {
    fn each_reading_takes(&self, source: Source, seconds: i64) {
        let slow = (self.world.clock.clone(), seconds);
        self.actual.slow.lock().unwrap().insert(source, slow);
    }

    /// What was read since the last time, of this tenant, in seconds.
    fn spans_of(&self, tenant: TenantId) -> Vec<i64> {
        let spans = std::mem::take(&mut *self.actual.spans.lock().unwrap());
        let its = spans.iter().filter(|(of, _)| *of == tenant);
        its.map(|(_, span)| span.until.since_s(span.from)).collect()
    }
}

#[tokio::test]
async fn what_others_do_holds_up_no_change_by_a_worker_and_is_told_of_together() {
    let stage = Stage::new().await;
    stage.round().await;
    stage.world.pass(600).await;
    let now = stage.world.now();
    for number in 0..90_i64 {
        let name = format!("by others {number:02}");
        stage.logs(DirectoryChange { at: now.plus_s(-100 + number), ..by_others(&stage, &name) });
    }
    stage.logs(change(&stage, "it", None, "nina"));
    let drift = stage.drift();

    drift.round().await.unwrap();
    stage.world.seal().await;

    assert_eq!(stage.names("change-without-receipt").await, ["it"]);
    let others = stage.told("change-by-others").await;
    assert_eq!(others.len(), 21);
    let (name, found) = &others[20];
    assert_eq!(name, "by others 20-and-more");
    let is_said = |words: &str| found.contains(words);
    assert!(is_said("70 more changes") && is_said(&of(ACCOUNTS).to_string()), "{found}");

    // They were all told of.
    drift.round().await.unwrap();
    stage.world.seal().await;
    assert_eq!(stage.told("change-by-others").await, others);
}

#[tokio::test]
async fn a_log_that_falls_behind_is_told_of_after_an_hour_also_by_another_process() {
    let stage = Stage::new().await;
    stage.round().await;
    let overlooked = async || stage.names("tenant-not-looked-at").await;
    // Each reading takes the whole time of a tenant, and gives a hundred seconds at the most.
    stage.each_reading_takes(Source::DirectoryAudits, 50);
    let drift = stage.drift();
    crowd(&stage, stage.world.now().plus_s(-3600), 3600, 1);

    let mut rounds = 0;
    while overlooked().await.is_empty() {
        assert_eq!(drift.round().await.unwrap().failed, 0);
        stage.world.pass(60).await;
        rounds += 1;
        assert!(rounds < 60);
    }

    // Of each round, what two tenants take and a minute.
    assert!(rounds * 160 > 3600, "{rounds}");
    stage.round().await;
    assert!(!overlooked().await.is_empty(), "another process takes it for up to date");

    stage.actual.slow.lock().unwrap().clear();
    stage.actual.is.lock().unwrap().changes.clear();
    // One ends the pass that goes on, and one reads what has come since.
    for _ in 0..3 {
        stage.round().await;
    }
    assert_eq!(overlooked().await, [] as [String; 0]);
}

#[tokio::test]
async fn who_asks_for_too_much_looks_at_the_time_and_asks_for_less_in_the_next_round() {
    let stage = Stage::new().await;
    let drift = stage.drift();
    drift.round().await.unwrap();
    stage.world.pass(600).await;
    crowd(&stage, stage.world.now().plus_s(-4200), 200, 5);
    stage.each_reading_takes(Source::DirectoryAudits, 50);
    let reads = || stage.actual.reads.lock().unwrap()[&Source::DirectoryAudits];
    stage.spans_of(CONTOSO);

    let mut rounds = 0;
    let read = loop {
        let before = reads();
        assert_eq!(drift.round().await.unwrap().failed, 0);
        // One of each tenant: it takes all the time that there is.
        assert_eq!(reads() - before, 2);
        rounds += 1;
        assert!(rounds < 8);
        let read = stage.spans_of(CONTOSO);
        if !read.is_empty() {
            break read;
        }
    };

    assert!(rounds > 2, "{rounds}");
    // Five entries in a second, and a hundred at once.
    assert!(read.iter().all(|span| *span <= 20), "{read:?}");
}

#[tokio::test]
async fn how_little_can_be_read_at_once_is_remembered_although_the_reading_failed() {
    let stage = Stage::new().await;
    let drift = stage.drift();
    drift.round().await.unwrap();
    stage.world.pass(600).await;
    crowd(&stage, stage.world.now().plus_s(-4200), 200, 5);
    let reads = || stage.actual.reads.lock().unwrap()[&Source::DirectoryAudits];
    // Whoever comes first asks for less four times, and then nothing answers.
    stage.actual.broken_after.lock().unwrap().insert(Source::DirectoryAudits, reads() + 4);
    assert_eq!(drift.round().await.unwrap().unreadable, 2);
    stage.actual.broken_after.lock().unwrap().clear();
    stage.actual.spans.lock().unwrap().clear();

    stage.each_reading_takes(Source::DirectoryAudits, 50);
    drift.round().await.unwrap();

    let read = stage.actual.spans.lock().unwrap().clone();
    assert_eq!(read.len(), 1, "{read:?}");
}

#[tokio::test]
async fn a_second_that_tells_of_much_is_judged_to_its_end() {
    let stage = Stage::new().await;
    stage.round().await;
    stage.world.pass(600).await;
    let at = stage.world.now().plus_s(-60);
    for name in ["one", "two", "three", "four"] {
        let named = Some(Digest::of(&[name.as_bytes()]));
        stage.logs(DirectoryChange { at, ..change(&stage, name, named, "nina") });
    }
    // The time is over when the log is read.
    stage.each_reading_takes(Source::DirectoryAudits, 60);

    stage.round().await;

    assert_eq!(stage.unaccounted().await.len(), 4);
}
