//! A person at a terminal, who can be asked.

use std::{
    io::{self, BufRead as _, IsTerminal as _, Read as _, Write as _},
    sync::Arc,
};

use async_trait::async_trait;

/// The longest answer, in bytes.
const ANSWER_BYTES: u64 = 1000;

/// A person at a terminal.
#[async_trait]
pub trait Terminal: Send + Sync {
    /// Asks, and waits for one line. Whoever closes the terminal instead has answered nothing.
    ///
    /// # Errors
    ///
    /// If the terminal is gone.
    async fn ask(&self, question: &str) -> io::Result<String>;
}

/// The terminal of this process.
struct Own;

/// The terminal of this process, if a person sits there: one who sees what is told, and can type.
#[must_use]
pub fn own() -> Option<Arc<dyn Terminal>> {
    let somebody = io::stdin().is_terminal() && io::stderr().is_terminal();
    somebody.then(|| Arc::new(Own) as Arc<dyn Terminal>)
}

#[async_trait]
impl Terminal for Own {
    async fn ask(&self, question: &str) -> io::Result<String> {
        {
            let mut screen = io::stderr().lock();
            write!(screen, "{question} ")?;
            screen.flush()?;
        }
        let answer = tokio::task::spawn_blocking(|| {
            let mut answer = String::new();
            io::stdin().lock().take(ANSWER_BYTES).read_line(&mut answer).map(|_| answer)
        });
        let answer = answer.await.map_err(io::Error::other)??;
        Ok(answer.trim().to_owned())
    }
}
