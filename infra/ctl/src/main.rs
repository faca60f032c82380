//! `airlockctl`: Airlock on the command line, for people and for the admin plane.

mod admin;
mod again;
mod cli;
mod clock;
#[cfg(test)]
mod fake;
mod foreign;
mod named;
mod nearest;
mod origin;
mod person;
mod private_file;
#[cfg(test)]
mod scratch;
mod screen;
mod stack;
mod terminal;
mod try_it;
mod verify;

use std::{
    fmt,
    io::{self, Write as _},
    path::PathBuf,
    process::ExitCode,
    sync::Arc,
};

use airlock_core::{
    memory::Dice,
    ports::{Clock, Entropy},
};
use clap::Parser as _;

use crate::{
    cli::{Cli, Command},
    clock::SystemClock,
    person::Desk,
    terminal::Terminal,
};

/// What a command has from the process around it.
struct Surroundings {
    /// Folder of sessions, if the system says where a person's settings are.
    config: Option<PathBuf>,
    /// Whether the platform gives this process a managed identity.
    managed_identity: bool,
    /// Whoever sits at the terminal, if anybody does.
    terminal: Option<Arc<dyn Terminal>>,
    clock: Arc<dyn Clock>,
    entropy: Arc<dyn Entropy>,
}

/// How a command ended that went as it should.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Ending {
    /// Done.
    Done,
    /// Answered, and not done.
    Refused,
}

/// What was typed is understood only now not to make sense.
#[derive(Debug)]
struct Usage(String);

impl fmt::Display for Usage {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(&self.0)
    }
}

impl std::error::Error for Usage {}

#[tokio::main]
async fn main() -> ExitCode {
    // Ends by itself, with 2, if what was typed is not understood.
    let cli = Cli::parse();
    let outcome = carry_out(&cli, surroundings()).await;
    if let Err(error) = &outcome {
        // Nobody is left to tell if this fails.
        drop(writeln!(io::stderr().lock(), "airlockctl: {error:#}"));
    }
    exit_code(&outcome).into()
}

async fn carry_out(cli: &Cli, surroundings: Surroundings) -> anyhow::Result<Ending> {
    match &cli.command {
        // Boxed: it is larger than all the others together.
        Command::Admin(command) => {
            Box::pin(admin::carry_out(command, &cli.place, &surroundings)).await
        }
        Command::Verify(command) => verify::carry_out(command, &cli.place, surroundings).await,
        Command::Try(options) => try_it::play(&cli.place, options, &surroundings).await,
        command => Desk::new(&cli.place, surroundings)?.carry_out(command).await,
    }
}

fn exit_code(outcome: &anyhow::Result<Ending>) -> u8 {
    match outcome {
        Ok(Ending::Done) => 0,
        Err(error) if error.is::<Usage>() => 2,
        Ok(Ending::Refused) | Err(_) => 1,
    }
}

fn surroundings() -> Surroundings {
    let variable = |name| std::env::var_os(name).filter(|value| !value.is_empty());
    let config = variable("XDG_CONFIG_HOME").map(PathBuf::from);
    let home = || variable("HOME").map(|home| PathBuf::from(home).join(".config"));
    Surroundings {
        config: config.or_else(home).map(|folder| folder.join("airlock")),
        managed_identity: variable("IDENTITY_ENDPOINT").is_some(),
        terminal: terminal::own(),
        clock: Arc::new(SystemClock),
        entropy: Arc::new(Dice),
    }
}

#[cfg(test)]
mod tests {
    use anyhow::anyhow;

    use super::*;

    #[test]
    fn the_exit_code_tells_done_from_refused_from_not_understood() {
        assert_eq!(exit_code(&Ok(Ending::Done)), 0);
        assert_eq!(exit_code(&Ok(Ending::Refused)), 1);
        assert_eq!(exit_code(&Err(anyhow!("no"))), 1);
        assert_eq!(exit_code(&Err(Usage("what?".to_owned()).into())), 2);
    }
}
