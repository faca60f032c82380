//! Tells the story, and remembers which promises were not kept.

use std::{fmt, io};

use super::doors;
use crate::{Ending, screen::line, stack::Call};

/// Tells.
pub struct Teller {
    quiet: bool,
    scene: u32,
    kept: u32,
    broken: u32,
    seen: u64,
}

impl Teller {
    /// Nothing was told yet; `seen` is the last call that is not part of the story.
    pub const fn new(quiet: bool, seen: u64) -> Self {
        Self { quiet, scene: 0, kept: 0, broken: 0, seen }
    }

    /// The scene that plays.
    pub const fn scene_number(&self) -> u32 {
        self.scene
    }

    /// The last call that was told of.
    pub const fn seen(&self) -> u64 {
        self.seen
    }

    /// Begins a scene.
    pub fn scene(&mut self, title: impl fmt::Display) -> io::Result<()> {
        self.scene += 1;
        let gap = if self.scene == 1 { "" } else { "\n" };
        self.tell(format_args!("{gap}{}. {title}", self.scene))
    }

    /// Tells something that happened.
    pub fn says(&self, what: impl fmt::Display) -> io::Result<()> {
        self.tell(format_args!("   {what}"))
    }

    /// Tells of a promise and whether it was kept. One that was not is told even in quiet.
    pub fn promise(&mut self, kept: bool, promise: &str) -> io::Result<()> {
        if kept {
            self.kept += 1;
            return self.tell(format_args!("   ok: {promise}"));
        }
        self.broken += 1;
        line(format_args!("   NOT SO (scene {}): {promise}", self.scene))
    }

    /// Tells what was recorded at the doors.
    pub fn doors(&mut self, calls: &[Call]) -> anyhow::Result<()> {
        self.seen = calls.last().map_or(self.seen, |call| call.n);
        for line in doors::summary(calls) {
            self.tell(format_args!("   | {line}"))?;
        }
        Ok(())
    }

    /// Ends the story.
    pub fn end(&self) -> anyhow::Result<Ending> {
        if self.broken > 0 {
            let all = self.kept + self.broken;
            line(format_args!("{} of {all} promises were not kept.", self.broken))?;
            return Ok(Ending::Refused);
        }
        self.tell(format_args!("\nAll {} promises were kept.", self.kept))?;
        Ok(Ending::Done)
    }

    fn tell(&self, what: impl fmt::Display) -> io::Result<()> {
        if self.quiet { Ok(()) } else { line(what) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_broken_promise_ends_the_story_with_a_refusal() {
        let mut teller = Teller::new(true, 0);

        teller.promise(true, "one").unwrap();
        assert_eq!(teller.end().unwrap(), Ending::Done);

        teller.promise(false, "two").unwrap();
        assert_eq!(teller.end().unwrap(), Ending::Refused);
    }
}
