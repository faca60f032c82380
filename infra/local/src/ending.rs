//! When this program is asked to end: Ctrl-C, a terminal that is closed, or somebody's `kill`.

use std::{fs, io};

use tokio::signal::unix::{Signal, SignalKind, signal};

/// Waits until somebody asks.
///
/// # Errors
///
/// If the system does not let this program be asked.
pub async fn asked() -> io::Result<()> {
    let mut interrupt = signal(SignalKind::interrupt())?;
    let mut terminate = signal(SignalKind::terminate())?;
    // Whoever started it with `nohup` wants it to go on without a terminal.
    let status = fs::read_to_string("/proc/self/status").unwrap_or_default();
    let mut hang_up = if is_ignored(&status, SignalKind::hangup()) {
        None
    } else {
        Some(signal(SignalKind::hangup())?)
    };
    tokio::select! {
        _ = interrupt.recv() => {}
        _ = terminate.recv() => {}
        () = received(hang_up.as_mut()) => {}
    }
    Ok(())
}

async fn received(signal: Option<&mut Signal>) {
    match signal {
        Some(signal) => drop(signal.recv().await),
        None => std::future::pending().await,
    }
}

/// Whether a process ignores a signal, as Linux says in its `status`. Where nobody says, it does
/// not: better to end than to stay behind.
fn is_ignored(status: &str, signal: SignalKind) -> bool {
    let mask = status.lines().find_map(|line| line.strip_prefix("SigIgn:"));
    let mask = mask.and_then(|mask| u64::from_str_radix(mask.trim(), 16).ok());
    mask.is_some_and(|mask| mask >> (signal.as_raw_value() - 1) & 1 == 1)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_hang_up_is_ignored_where_the_system_says_so_and_nowhere_else() {
        let ignored =
            |mask: &str| is_ignored(&format!("Name:\tx\nSigIgn:\t{mask}\n"), SignalKind::hangup());

        assert!(ignored("0000000000000001") && ignored("0000000000001001"));
        assert!(!ignored("0000000000001000") && !ignored("0000000000000000") && !ignored("?"));
        assert!(!is_ignored("", SignalKind::hangup()));
    }
}
