//! What is printed: results to the standard output, everything else to the standard error.

use std::{
    fmt,
    io::{self, Write as _},
};

use serde::Serialize;

use crate::foreign;

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
            Self::Json => line(foreign::Json(&serde_json::to_string(result)?)),
        }
    }
}
