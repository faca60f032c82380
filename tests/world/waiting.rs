//! Waiting for what happens elsewhere.

use std::time::{Duration, Instant};

/// Between two looks.
const LOOKS: Duration = Duration::from_millis(50);

/// Looks again and again until there is something to see, and fails the test if there is nothing
/// for so long.
pub async fn eventually<T>(
    what: &str,
    within: Duration,
    mut look: impl AsyncFnMut() -> Option<T>,
) -> T {
    let begun = Instant::now();
    loop {
        if let Some(seen) = look().await {
            return seen;
        }
        assert!(begun.elapsed() < within, "waited {within:?} in vain: {what}");
        tokio::time::sleep(LOOKS).await;
    }
}
