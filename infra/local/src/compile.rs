//! Builds the handlers and `airlockctl`, apart from this program.
//!
//! In one build with this program, cargo would unify features, and the handlers would carry the
//! emulator that stands in for Cosmos DB here. So each group is a build of its own.

use std::{
    env,
    ffi::OsString,
    path::{Path, PathBuf},
    process::Stdio,
};

use anyhow::{Context as _, ensure};
use tokio::process::Command;

use crate::package::APPS;

/// Where built programs are found.
#[derive(Debug)]
pub struct Programs {
    folder: PathBuf,
    target: PathBuf,
    release: bool,
}

impl Programs {
    /// Beside this program.
    ///
    /// # Errors
    ///
    /// If this program does not lie in a target folder of cargo's.
    pub fn find(release: bool) -> anyhow::Result<Self> {
        let this = env::current_exe().context("where this program is")?;
        let profile = this.parent().context("this program lies nowhere")?;
        let target = profile.parent().context("this program lies in no target folder")?.to_owned();
        let folder = target.join(if release { "release" } else { "debug" });
        Ok(Self { folder, target, release })
    }

    /// The program of an app.
    #[must_use]
    pub fn of(&self, app: &str) -> PathBuf {
        self.folder.join(format!("airlock-{app}"))
    }

    /// The command line of Airlock.
    #[must_use]
    pub fn airlockctl(&self) -> PathBuf {
        self.folder.join("airlockctl")
    }

    /// Where they are.
    #[must_use]
    pub fn folder(&self) -> &Path {
        &self.folder
    }

    /// Builds them all. Cargo's own progress is shown.
    ///
    /// # Errors
    ///
    /// If one of them does not build.
    pub async fn build(&self, sources: &Path) -> anyhow::Result<()> {
        let handlers: Vec<String> = APPS.iter().map(|app| format!("airlock-{app}")).collect();
        self.cargo(sources, &handlers).await?;
        self.cargo(sources, &["airlockctl".to_owned()]).await
    }

    async fn cargo(&self, sources: &Path, packages: &[String]) -> anyhow::Result<()> {
        // `cargo run` says which cargo it is.
        let cargo = env::var_os("CARGO").unwrap_or_else(|| OsString::from("cargo"));
        let mut command = Command::new(&cargo);
        command.arg("build").current_dir(sources).arg("--target-dir").arg(&self.target);
        for package in packages {
            command.arg("-p").arg(package);
        }
        if self.release {
            command.arg("--release");
        }
        let status = command
            .stdin(Stdio::null())
            .kill_on_drop(true)
            .status()
            .await
            .with_context(|| format!("{} was not started", cargo.display()))?;
        ensure!(status.success(), "{} did not build", packages.join(", "));
        Ok(())
    }
}
