//! What is printed: results to the standard output, everything else to the standard error.

use std::{
    fmt,
    io::{self, Write as _},
};

use serde::Serialize;

/// How results are printed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Form {
    /// For people.
    Text,
    /// For programs.
    Json,
}

/// Prints one line of a result.
///
/// # Errors
///
/// If nobody reads any more.
pub fn line(text: impl fmt::Display) -> io::Result<()> {
    writeln!(io::stdout().lock(), "{text}")
}

/// Tells what goes on. Whether anyone reads it changes nothing.
pub fn note(text: impl fmt::Display) {
    drop(writeln!(io::stderr().lock(), "{text}"));
}

impl Form {
    /// Prints a result: for people as `text` writes it.
    ///
    /// # Errors
    ///
    /// If nobody reads any more.
    pub fn result(self, result: &impl Serialize, text: impl fmt::Display) -> io::Result<()> {
        match self {
            Self::Text => line(text),
            Self::Json => line(serde_json::to_string(result)?),
        }
    }
}

/// Text of other people, made harmless for a terminal: control characters and those that turn
/// the direction of writing are shown as escapes, so that what an approver reads is what stands
/// there.
#[derive(Clone, Copy, Debug)]
pub struct Plain<'a>(pub &'a str);

impl fmt::Display for Plain<'_> {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        for c in self.0.chars() {
            if c.is_control() || turns(c) {
                write!(formatter, "{}", c.escape_unicode())?;
            } else {
                write!(formatter, "{c}")?;
            }
        }
        Ok(())
    }
}

const fn turns(c: char) -> bool {
    matches!(c, '\u{61c}' | '\u{200e}' | '\u{200f}')
        || matches!(c, '\u{2028}'..='\u{202e}' | '\u{2066}'..='\u{2069}')
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn other_peoples_text_cannot_steer_the_terminal() {
        let shown = Plain("paid\u{1b}[2K\r\nname \u{202e}gnp.exe — é").to_string();

        assert_eq!(shown, r"paid\u{1b}[2K\u{d}\u{a}name \u{202e}gnp.exe — é");
    }
}
