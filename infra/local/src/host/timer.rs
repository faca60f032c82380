//! The timer trigger. One host, so one timer: the lease that Azure takes in storage has no rival.

use std::{collections::BTreeMap, fs, path::PathBuf, sync::Arc, time::Duration};

use anyhow::Context as _;
use serde::{Deserialize, Serialize};
use time::OffsetDateTime;
use tokio::sync::{mpsc, oneshot};

use super::{app::App, clock, cron::Cron, invocation, invocation::Sys, log::Level};

/// "Never", as .NET says it.
const NEVER: &str = "0001-01-01T00:00:00+00:00";

/// One function that waits for the clock.
pub(super) struct Timer {
    pub(super) app: Arc<App>,
    pub(super) function: String,
    pub(super) binding: String,
    pub(super) schedule: Cron,
    pub(super) at_start: bool,
    /// Where occurrences are remembered, if they are.
    pub(super) monitor: Option<PathBuf>,
    /// Calls by hand.
    pub(super) by_hand: mpsc::UnboundedReceiver<ByHand>,
    /// Whether the schedule counts for nothing.
    pub(super) is_disabled: bool,
}

/// A call that somebody asks for: they are told when it is over. In Azure whoever holds the host's
/// master key calls a timer's function so.
pub(super) type ByHand = oneshot::Sender<()>;

/// What the schedule monitor remembers: the `ScheduleStatus` of a call.
#[derive(Clone, Debug, Deserialize, PartialEq, Eq, Serialize)]
#[serde(rename_all = "PascalCase")]
struct Status {
    last: String,
    next: String,
    last_updated: String,
}

#[derive(Serialize)]
#[serde(rename_all = "PascalCase")]
struct Call<'a> {
    data: BTreeMap<&'a str, TimerInfo<'a>>,
    metadata: Metadata,
}

#[derive(Serialize)]
struct Metadata {
    sys: Sys,
}

#[derive(Serialize)]
#[serde(rename_all = "PascalCase")]
struct TimerInfo<'a> {
    schedule: Schedule,
    schedule_status: Option<&'a Status>,
    is_past_due: bool,
}

#[derive(Serialize)]
struct Schedule {
    #[serde(rename = "AdjustForDST")]
    adjust_for_dst: bool,
}

/// What is due when a timer begins.
#[derive(Debug, PartialEq, Eq)]
struct Due {
    status: Status,
    is_past_due: bool,
}

impl Timer {
    /// Calls the function whenever it is due. Calls never overlap: what falls into a call is
    /// skipped, because the next occurrence is sought when it ends.
    ///
    /// One that is disabled is called by hand only, as with the app setting
    /// `AzureWebJobs.<function>.Disabled`.
    pub(super) async fn run(mut self) {
        self.app.listening().await;
        let mut from = OffsetDateTime::now_utc();
        let due = self.due_at_start(self.remembered(), from);
        let mut status = due.status;
        if !self.is_disabled && (due.is_past_due || self.at_start) {
            from = self.call(&mut status, due.is_past_due).await;
        }
        while let Some(next) = self.schedule.after(from) {
            status.next = clock::local_ticks(next);
            self.remember(&status);
            let asked = tokio::select! {
                () = sleep_until(next), if !self.is_disabled => None,
                Some(asked) = self.by_hand.recv() => Some(asked),
            };
            if let Some(asked) = asked {
                if self.app.is_listening() {
                    // No occurrence of the schedule's: it is not remembered.
                    from = self.call(&mut status.clone(), false).await;
                    if asked.send(()).is_err() {
                        self.app.log.write(Level::Host, "nobody waits for the call any more");
                    }
                }
            } else if self.app.is_listening() {
                from = self.call(&mut status, false).await;
            } else {
                self.app.listening().await;
                from = OffsetDateTime::now_utc();
            }
        }
        self.app.log.write(Level::Host, &format!("{} is never due again", self.function));
    }

    /// What the monitor makes of the time that the app was away.
    fn due_at_start(&self, remembered: Option<Status>, now: OffsetDateTime) -> Due {
        let Some(mut status) = remembered else {
            let mut status = Status::never();
            status.next = self.next(now);
            return Due { status, is_past_due: false };
        };
        // Remembered under another schedule: nothing of this one was missed.
        if parsed(&status.last).is_some_and(|last| self.next(last) != status.next) {
            status.next = self.next(now);
            return Due { status, is_past_due: false };
        }
        let is_past_due = parsed(&status.next).is_some_and(|next| next < now);
        Due { status, is_past_due }
    }

    fn next(&self, from: OffsetDateTime) -> String {
        self.schedule.after(from).map_or_else(|| NEVER.to_owned(), clock::local_ticks)
    }

    /// Calls the function, and says from when on the next occurrence counts.
    async fn call(&self, status: &mut Status, is_past_due: bool) -> OffsetDateTime {
        let remembered = self.monitor.is_some().then_some(&*status);
        match body(&self.binding, remembered, is_past_due, Sys::now(&self.function)) {
            Ok(body) => {
                // Not repeated if it fails: the log has it, and the next occurrence comes anyway.
                let outcome = invocation::call(&self.app, &self.function, body, None).await;
                drop(outcome);
            }
            Err(error) => self.app.log.write(Level::Host, &format!("no call was made: {error}")),
        }
        let now = OffsetDateTime::now_utc();
        status.last = clock::local_ticks(now);
        status.last_updated.clone_from(&status.last);
        now
    }

    fn remembered(&self) -> Option<Status> {
        let file = self.monitor.as_ref()?;
        let text = fs::read(file).ok()?;
        match serde_json::from_slice(&text) {
            Ok(status) => Some(status),
            Err(error) => {
                let what = format!("{} was not understood: {error}", file.display());
                self.app.log.write(Level::Host, &what);
                None
            }
        }
    }

    fn remember(&self, status: &Status) {
        let Some(file) = &self.monitor else { return };
        let written = serde_json::to_vec(status)
            .context("status of the schedule")
            .and_then(|text| fs::write(file, text).with_context(|| file.display().to_string()));
        if let Err(error) = written {
            self.app.log.write(Level::Host, &format!("{error:#}"));
        }
    }
}

/// The body of a call.
fn body(
    binding: &str,
    status: Option<&Status>,
    is_past_due: bool,
    sys: Sys,
) -> serde_json::Result<Vec<u8>> {
    let schedule = Schedule { adjust_for_dst: true };
    let info = TimerInfo { schedule, schedule_status: status, is_past_due };
    serde_json::to_vec(&Call { data: [(binding, info)].into(), metadata: Metadata { sys } })
}

impl Status {
    fn never() -> Self {
        Self { last: NEVER.to_owned(), next: NEVER.to_owned(), last_updated: NEVER.to_owned() }
    }
}

/// `None` for "never" too: that is before the first time that counts.
fn parsed(time: &str) -> Option<OffsetDateTime> {
    if time == NEVER {
        return None;
    }
    OffsetDateTime::parse(time, &time::format_description::well_known::Rfc3339).ok()
}

/// By the wall clock, which may be moved while we sleep.
async fn sleep_until(time: OffsetDateTime) {
    while let Ok(left) = Duration::try_from(time - OffsetDateTime::now_utc()) {
        if left.is_zero() {
            return;
        }
        tokio::time::sleep(left.min(Duration::from_secs(30))).await;
    }
}

#[cfg(test)]
mod tests {
    use time::macros::datetime;
    use uuid::uuid;

    use super::*;

    fn timer(schedule: &str) -> Timer {
        Timer {
            app: super::super::tests::app("timer"),
            function: "sweep".to_owned(),
            binding: "msg".to_owned(),
            schedule: Cron::parse(schedule).unwrap(),
            at_start: false,
            monitor: None,
            by_hand: mpsc::unbounded_channel().1,
            is_disabled: false,
        }
    }

    const NOON: OffsetDateTime = datetime!(2024-10-24 12:00 UTC);

    fn remembered(last: OffsetDateTime, next: OffsetDateTime) -> Status {
        let last = clock::local_ticks(last);
        Status { last_updated: last.clone(), last, next: clock::local_ticks(next) }
    }

    #[test]
    fn a_call_tells_its_schedule_and_whether_it_is_late() {
        let now = datetime!(2024-10-24 12:00:00.123_456_7 UTC);
        let sys = Sys::at("Sweep", now, uuid!("24ad4c06-24ad-4e5b-8294-3da9714877e9"));
        let last = datetime!(2024-10-24 12:00:00.001_234_5 UTC);
        let status = remembered(last, last + time::Duration::minutes(5));

        let body = body("msg", Some(&status), false, sys).unwrap();

        assert_eq!(
            String::from_utf8(body).unwrap(),
            r#"{"Data":{"msg":{"Schedule":{"AdjustForDST":true},"ScheduleStatus":{"Last":"2024-10-24T12:00:00.0012345+00:00","Next":"2024-10-24T12:05:00.0012345+00:00","LastUpdated":"2024-10-24T12:00:00.0012345+00:00"},"IsPastDue":false}},"Metadata":{"sys":{"MethodName":"Sweep","UtcNow":"2024-10-24T12:00:00.1234567Z","RandGuid":"24ad4c06-24ad-4e5b-8294-3da9714877e9"}}}"#
        );
    }

    #[tokio::test]
    async fn an_app_that_never_ran_is_not_late() {
        let due = timer("0 */5 * * * *").due_at_start(None, NOON);

        assert!(!due.is_past_due);
        assert_eq!(due.status.last, NEVER);
        assert_eq!(due.status.next, "2024-10-24T12:05:00.0000000+00:00");
    }

    #[tokio::test]
    async fn however_many_occurrences_were_missed_one_call_makes_up_for_them() {
        let last = NOON - time::Duration::hours(3);
        let status = remembered(last, last + time::Duration::minutes(5));

        assert!(timer("0 */5 * * * *").due_at_start(Some(status.clone()), NOON).is_past_due);
        assert!(!timer("0 */5 * * * *").due_at_start(Some(status), last).is_past_due);
    }

    #[tokio::test]
    async fn another_schedule_than_remembered_is_not_late() {
        let last = NOON - time::Duration::hours(3);
        let status = remembered(last, last + time::Duration::minutes(5));

        let due = timer("0 0 * * * *").due_at_start(Some(status), NOON);

        assert!(!due.is_past_due);
        assert_eq!(due.status.next, "2024-10-24T13:00:00.0000000+00:00");
    }
}
