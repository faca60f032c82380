//! How fast secrets are taken up: below what Graph and Key Vault bear, and not at all while one of
//! them asks to wait.
//!
//! Graph counts requests of an application in ten seconds, Key Vault in ten seconds as well; ten
//! secrets a second with eight at once stay well below both.

use std::time::Duration;

use tokio::{
    sync::Mutex,
    time::{Instant, sleep_until},
};

/// Between two secrets that are taken up.
const BETWEEN: Duration = Duration::from_millis(100);

/// How long to wait if a service says "too much" and not for how long, in seconds.
const PAUSE_S: u64 = 10;

/// The longest that a service makes everyone wait, in seconds.
const LONGEST_S: u64 = 60;

/// When the next secret may be taken up.
#[derive(Default)]
pub(super) struct Pace(Mutex<Option<Instant>>);

impl Pace {
    /// Waits for a turn.
    pub async fn turn(&self) {
        let mine = {
            let mut next = self.0.lock().await;
            let now = Instant::now();
            let mine = next.map_or(now, |next| next.max(now));
            *next = Some(mine + BETWEEN);
            mine
        };
        sleep_until(mine).await;
    }

    /// Gives no turn for a while.
    pub async fn hold(&self, after_s: Option<u64>) {
        let pause = Duration::from_secs(after_s.unwrap_or(PAUSE_S).min(LONGEST_S));
        let mut next = self.0.lock().await;
        let until = Instant::now() + pause;
        *next = Some(next.map_or(until, |next| next.max(until)));
    }
}
