//! A handler process ends with this program, however that ends.
//!
//! On a signal that can be caught the host kills its processes itself. SIGKILL cannot be caught,
//! and the kernel's own parent-death signal is set between fork and exec, which needs `unsafe`. So a
//! shell waits beside each process, at a pipe that nobody writes to: its other end is ours alone,
//! and is closed by the system when this program is gone. Then the shell kills the process, and
//! all that the process has started.
//!
//! Price: one idle shell for each handler. And the shell itself must not be killed first.

use std::{io, process::Stdio};

use tokio::process::{Child, Command};

/// Waits for the pipe to be closed, then kills the process group that its argument names. Only
/// words that are built into every shell.
const WAIT: &str = "read -r _; kill -KILL \"-$1\"";

/// Ends a process when this program ends. Dropped, it lets the process go.
#[derive(Debug)]
pub(super) struct Leash {
    /// Killed when it is dropped, before its pipe is closed.
    #[cfg_attr(not(test), expect(dead_code, reason = "held for what its end does"))]
    shell: Child,
}

impl Leash {
    /// Puts a process on a leash that leads a process group of its own.
    ///
    /// # Errors
    ///
    /// If there is no shell.
    pub(super) fn on(process: u32) -> io::Result<Self> {
        let shell = Command::new("/bin/sh")
            .args(["-c", WAIT, "leash", &process.to_string()])
            .env_clear()
            .current_dir("/")
            .stdin(Stdio::piped())
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            // Ctrl-C and a terminal that closes are for us: it must outlive us.
            .process_group(0)
            .kill_on_drop(true)
            .spawn()?;
        Ok(Self { shell })
    }
}

#[cfg(test)]
mod tests {
    use std::{os::unix::process::ExitStatusExt as _, time::Duration};

    use super::*;

    fn process() -> Child {
        let mut command = Command::new("/bin/sleep");
        command.arg("600").process_group(0).kill_on_drop(true).spawn().unwrap()
    }

    #[tokio::test]
    async fn a_process_is_killed_when_the_pipe_is_closed() {
        let mut process = process();
        let mut leash = Leash::on(process.id().unwrap()).unwrap();

        // What the system does with all that a killed program held.
        drop(leash.shell.stdin.take());

        let ended = tokio::time::timeout(Duration::from_secs(10), process.wait()).await;
        assert_eq!(ended.unwrap().unwrap().signal(), Some(9));
    }

    #[tokio::test]
    async fn a_process_that_is_let_go_lives_on() {
        let mut process = process();
        let leash = Leash::on(process.id().unwrap()).unwrap();
        let shell = leash.shell.id().unwrap();

        drop(leash);

        // Once the shell is gone it can kill nobody any more.
        let gone = async {
            // Of a process that has ended the system tells no command line any more.
            while std::fs::read(format!("/proc/{shell}/cmdline")).is_ok_and(|it| !it.is_empty()) {
                tokio::time::sleep(Duration::from_millis(5)).await;
            }
        };
        tokio::time::timeout(Duration::from_secs(10), gone).await.unwrap();
        assert!(process.try_wait().unwrap().is_none());
    }
}
