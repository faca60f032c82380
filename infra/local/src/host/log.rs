//! What a handler process writes, and what the host has to say about it.

use std::{
    collections::VecDeque,
    fs::File,
    io::Write as _,
    path::Path,
    sync::{Arc, Mutex, PoisonError},
};

use anyhow::Context as _;
use time::OffsetDateTime;
use tokio::io::{AsyncBufReadExt as _, AsyncRead, AsyncReadExt as _, BufReader};

use super::clock;

/// Lines kept in memory for each app.
const KEPT: usize = 2_000;
/// Longest line. What is longer is broken, so that no process can fill our memory.
const LINE_BYTES: u64 = 64 * 1024;

/// How bad it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Level {
    /// Everything on standard output.
    Information,
    /// What on standard error calls itself a warning.
    Warning,
    /// Everything else on standard error.
    Error,
    /// The host's own lines.
    Host,
}

/// The log of one app.
pub struct Log {
    kept: Mutex<Kept>,
}

struct Kept {
    lines: VecDeque<String>,
    file: Option<File>,
}

impl Log {
    /// Begins a log, in memory and in this file. What an earlier run wrote there is dropped.
    ///
    /// # Errors
    ///
    /// If the file cannot be created.
    pub fn begin(file: &Path) -> anyhow::Result<Self> {
        let file = File::create(file).with_context(|| file.display().to_string())?;
        Ok(Self { kept: Mutex::new(Kept { lines: VecDeque::new(), file: Some(file) }) })
    }

    /// Adds a line.
    pub fn write(&self, level: Level, text: &str) {
        let level = match level {
            Level::Information => "information",
            Level::Warning => "warning",
            Level::Error => "error",
            Level::Host => "host",
        };
        let line = format!("{} {level:<11} {text}", clock::ticks(OffsetDateTime::now_utc()));
        let mut kept = self.kept.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(file) = &mut kept.file
            && let Err(error) = writeln!(file, "{line}")
        {
            // A full disk must not stop the cloud, but nobody shall trust the file either.
            kept.file = None;
            kept.keep(format!("the log file ends here: {error}"));
        }
        kept.keep(line);
    }

    /// The newest lines.
    #[must_use]
    pub fn text(&self) -> String {
        let kept = self.kept.lock().unwrap_or_else(PoisonError::into_inner);
        kept.lines.iter().flat_map(|line| [line.as_str(), "\n"]).collect()
    }

    /// Adds every line of a process's output until it ends.
    pub async fn follow(self: Arc<Self>, output: impl AsyncRead + Unpin, level: fn(&str) -> Level) {
        let mut output = BufReader::new(output);
        let mut line = Vec::new();
        loop {
            line.clear();
            match (&mut output).take(LINE_BYTES).read_until(b'\n', &mut line).await {
                Ok(0) => return,
                Ok(_) => {
                    let text = String::from_utf8_lossy(&line);
                    let text = text.trim_end();
                    self.write(level(text), text);
                }
                Err(error) => {
                    return self.write(Level::Host, &format!("its output was not read: {error}"));
                }
            }
        }
    }
}

impl Kept {
    fn keep(&mut self, line: String) {
        if self.lines.len() == KEPT {
            self.lines.pop_front();
        }
        self.lines.push_back(line);
    }
}

/// The level of a line on standard output.
#[must_use]
pub fn of_output(_line: &str) -> Level {
    Level::Information
}

/// The level of a line on standard error.
#[must_use]
pub fn of_errors(line: &str) -> Level {
    if line.to_ascii_lowercase().contains("warn") { Level::Warning } else { Level::Error }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn log() -> Log {
        Log { kept: Mutex::new(Kept { lines: VecDeque::new(), file: None }) }
    }

    #[test]
    fn a_log_keeps_its_newest_lines_and_no_more() {
        let log = log();

        for number in 0..KEPT + 5 {
            log.write(Level::Information, &format!("line {number}"));
        }

        let text = log.text();
        assert_eq!(text.lines().count(), KEPT);
        assert!(text.lines().next().unwrap().ends_with(" line 5"));
    }

    #[test]
    fn standard_error_is_an_error_unless_it_warns() {
        assert_eq!(of_errors("WARN slow"), Level::Warning);
        assert_eq!(of_errors("thread panicked"), Level::Error);
        assert_eq!(of_output("error"), Level::Information);
    }

    #[tokio::test]
    async fn a_line_without_end_is_broken_and_does_not_fill_our_memory() {
        let log = Arc::new(log());
        let endless = vec![b'x'; 150 * 1024];

        Arc::clone(&log).follow(&endless[..], of_output).await;

        assert_eq!(log.text().lines().count(), 3);
    }
}
