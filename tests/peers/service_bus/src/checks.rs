//! Each check on a line of its own.

use std::process::ExitCode;

/// How the checks went.
#[derive(Default)]
pub struct Checks {
    passed: u32,
    failed: u32,
}

impl Checks {
    /// Tells how a check went.
    pub fn that(&mut self, sentence: &str, proof: anyhow::Result<()>) {
        match proof {
            Ok(()) => {
                self.passed += 1;
                println!("ok    {sentence}");
            }
            Err(error) => {
                self.failed += 1;
                println!("FAIL  {sentence}\n        {error:#}");
            }
        }
    }

    /// What the process ends with.
    pub fn end(&self) -> ExitCode {
        ExitCode::from(u8::from(self.failed > 0 || self.passed == 0))
    }
}
