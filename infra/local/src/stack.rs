//! What runs, written down for tests, for `airlockctl`, and for the next start.

use std::{
    fs,
    io::Write as _,
    os::unix::fs::OpenOptionsExt as _,
    path::{Path, PathBuf},
    process::Command,
};

use anyhow::{Context as _, ensure};
use serde_json::Value;

/// The file in the state folder.
const FILE: &str = "stack.json";

/// The file that describes a running cloud. It is removed when the cloud ends.
pub struct Stack {
    file: PathBuf,
}

impl Stack {
    /// Takes the state folder, once nobody else runs from it.
    ///
    /// Handlers that a killed cloud left behind are killed: they would still answer under old
    /// ports, with settings that nobody stands behind any more.
    ///
    /// # Errors
    ///
    /// If a cloud runs from this folder.
    pub fn take(state: &Path) -> anyhow::Result<Self> {
        let file = state.join(FILE);
        if let Some(other) = owner(&file) {
            ensure!(
                !is_our_program(other),
                "a local cloud runs from {} already (process {other}): end it, or choose another --state",
                state.display()
            );
        }
        for process in left_behind(&state.join("apps")) {
            kill(process)?;
        }
        remove(&file)?;
        Ok(Self { file })
    }

    /// Writes down what runs. Readable by its owner alone: it holds the key of the control API.
    ///
    /// # Errors
    ///
    /// If it cannot be written.
    pub fn write(&self, what: &Value) -> anyhow::Result<()> {
        write_private(&self.file, what)
    }

    /// Where it is.
    #[must_use]
    pub fn file(&self) -> &Path {
        &self.file
    }

    /// Says that nothing runs any more.
    ///
    /// # Errors
    ///
    /// If the file cannot be removed.
    pub fn remove(&self) -> anyhow::Result<()> {
        remove(&self.file)
    }
}

/// Writes JSON that only its owner may read, whole or not at all.
///
/// # Errors
///
/// If it cannot be written.
pub fn write_private(file: &Path, what: &Value) -> anyhow::Result<()> {
    let half = file.with_extension("half");
    let write = || -> anyhow::Result<()> {
        remove(&half)?;
        let mut to = fs::OpenOptions::new().write(true).create_new(true).mode(0o600).open(&half)?;
        to.write_all(serde_json::to_string_pretty(what)?.as_bytes())?;
        to.write_all(b"\n")?;
        fs::rename(&half, file)?;
        Ok(())
    };
    write().with_context(|| file.display().to_string())
}

fn remove(file: &Path) -> anyhow::Result<()> {
    match fs::remove_file(file) {
        Err(error) if error.kind() != std::io::ErrorKind::NotFound => {
            Err(error).with_context(|| file.display().to_string())
        }
        _ => Ok(()),
    }
}

/// The process that wrote the file.
fn owner(file: &Path) -> Option<u32> {
    let text = fs::read(file).ok()?;
    let stack: Value = serde_json::from_slice(&text).ok()?;
    stack["pid"].as_u64()?.try_into().ok()
}

/// Whether the process with this id runs this program: ids are used again.
fn is_our_program(process: u32) -> bool {
    let ours = std::env::current_exe().ok();
    process != std::process::id()
        && ours
            .and_then(|ours| ours.file_name().map(ToOwned::to_owned))
            .is_some_and(|ours| program(process).is_some_and(|it| it.file_name() == Some(&ours)))
}

/// Processes whose program lies in this folder. Only Linux can tell; elsewhere there are none.
fn left_behind(apps: &Path) -> Vec<u32> {
    let Ok(processes) = fs::read_dir("/proc") else {
        return Vec::new();
    };
    processes
        .filter_map(|entry| entry.ok()?.file_name().to_str()?.parse().ok())
        .filter(|process| program(*process).is_some_and(|program| program.starts_with(apps)))
        .collect()
}

fn program(process: u32) -> Option<PathBuf> {
    let program = fs::read_link(format!("/proc/{process}/exe")).ok()?;
    // So the kernel marks a program whose file was replaced since.
    let name = program.to_str()?;
    Some(PathBuf::from(name.strip_suffix(" (deleted)").unwrap_or(name)))
}

/// By the shell, whose `kill` is built in: the system call is `unsafe` in Rust.
fn kill(process: u32) -> anyhow::Result<()> {
    let status = Command::new("/bin/sh")
        .args(["-c", "kill -KILL \"$1\"", "sh", &process.to_string()])
        .status()
        .context("/bin/sh")?;
    ensure!(
        status.success() || program(process).is_none(),
        "process {process} of an earlier cloud could not be killed"
    );
    Ok(())
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt as _;

    use serde_json::json;

    use super::*;

    fn folder(name: &str) -> PathBuf {
        let folder = format!("airlock-stack-{}-{name}", std::process::id());
        let path = std::env::temp_dir().join(folder);
        fs::create_dir_all(&path).unwrap();
        path.canonicalize().unwrap()
    }

    #[test]
    fn the_key_of_the_control_api_is_readable_by_its_owner_alone() {
        let state = folder("private");
        let stack = Stack::take(&state).unwrap();

        stack.write(&json!({ "control_key": "k" })).unwrap();

        let mode = fs::metadata(stack.file()).unwrap().permissions().mode();
        assert_eq!(mode & 0o777, 0o600);
        stack.remove().unwrap();
        assert!(!stack.file().exists());
        fs::remove_dir_all(state).unwrap();
    }

    #[test]
    fn a_process_that_outlived_its_cloud_is_killed_and_no_other() {
        let state = folder("left");
        let apps = state.join("apps/signin");
        fs::create_dir_all(&apps).unwrap();
        fs::copy("/bin/sleep", apps.join("handler")).unwrap();
        let mut ours = loop {
            match Command::new(apps.join("handler")).arg("600").spawn() {
                // Another test forked while the copy was open for writing.
                Err(busy) if busy.kind() == std::io::ErrorKind::ExecutableFileBusy => {}
                started => break started.unwrap(),
            }
        };
        let mut other = Command::new("/bin/sleep").arg("600").spawn().unwrap();

        Stack::take(&state).unwrap();

        assert!(!ours.wait().unwrap().success());
        assert!(other.try_wait().unwrap().is_none());
        other.kill().unwrap();
        other.wait().unwrap();
        fs::remove_dir_all(state).unwrap();
    }

    #[test]
    fn a_file_left_by_a_process_that_is_gone_is_no_obstacle() {
        let state = folder("gone");
        fs::write(state.join(FILE), r#"{"pid":4294967295}"#).unwrap();

        assert!(Stack::take(&state).is_ok());
        fs::remove_dir_all(state).unwrap();
    }
}
