//! The programs under test, and running the local cloud.

use std::{
    fs,
    io::{BufRead as _, BufReader, Read},
    os::unix::fs::DirBuilderExt as _,
    path::{Path, PathBuf},
    process::{Child, Command, Stdio},
    sync::{
        Arc, Mutex,
        atomic::{AtomicU32, Ordering},
        mpsc,
    },
    time::{Duration, Instant},
};

use serde_json::Value;

/// What has to be built before these tests run, and how. Each line is a build of its own: in one
/// build, cargo would unify the cloud's emulator features into the handlers.
const HOW_TO_BUILD: &str = "cargo build -p airlock-local && cargo build -p airlock-signin -p airlock-intake \
     -p airlock-execute -p airlock-rotate -p airlock-drift && cargo build -p airlockctl";

/// What the cloud says when everything answers.
const READY: &str = "AIRLOCK READY ";

/// How long a start may take.
const START: Duration = Duration::from_mins(1);

/// How long an end may take.
const END: Duration = Duration::from_secs(15);

/// A running cloud. It ends when this is dropped.
pub struct Launched {
    child: Child,
    state: PathBuf,
    said: Arc<Mutex<String>>,
    /// `stack.json`.
    pub stack: Value,
    /// From spawn to ready.
    pub took: Duration,
}

/// The folder into which cargo puts programs of this profile.
fn built() -> PathBuf {
    let test = std::env::current_exe().expect("a test knows its own program");
    // <target>/<profile>/deps/<test>
    test.ancestors().nth(2).expect("a test lies in a target folder").to_owned()
}

/// The program of this name, built before.
#[must_use]
pub fn program(name: &str) -> PathBuf {
    let path = built().join(name);
    assert!(path.is_file(), "{name} is not built: run `{HOW_TO_BUILD}`");
    path
}

/// Runs the local cloud until it is ready.
///
/// Drift looks at it when it is told to: what it asks and writes by the clock would be seen by
/// whoever tests that nothing was asked or written.
#[must_use]
pub fn launched() -> Launched {
    for needed in ["signin", "intake", "execute", "rotate", "drift"] {
        let _there = program(&format!("airlock-{needed}"));
    }
    let _there = program("airlockctl");
    let state = fresh_folder();
    let begun = Instant::now();
    let mut child = Command::new(program("airlock-local"))
        .args(["--ports", "any", "--no-build", "--disable", "drift/drift", "--state"])
        .arg(&state)
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .expect("the local cloud starts");
    let said = Arc::new(Mutex::new(String::new()));
    let (ready, is_ready) = mpsc::channel();
    listen(child.stdout.take().expect("stdout is piped"), Arc::clone(&said), Some(ready));
    listen(child.stderr.take().expect("stderr is piped"), Arc::clone(&said), None);
    let file = is_ready.recv_timeout(START);
    let took = begun.elapsed();
    let mut launched = Launched { child, state, said, stack: Value::Null, took };
    let file = file.unwrap_or_else(|_| panic!("the cloud is not ready:\n{}", launched.said()));
    let stack = fs::read(file).expect("stack.json is where the cloud says");
    launched.stack = serde_json::from_slice(&stack).expect("stack.json is JSON");
    launched
}

/// A folder beside the programs, so that packages are made of hard links.
fn fresh_folder() -> PathBuf {
    static COUNT: AtomicU32 = AtomicU32::new(0);
    // The time too: an earlier process with the same id may have left its folder.
    let since = crate::now().as_unix_s();
    let count = COUNT.fetch_add(1, Ordering::Relaxed);
    let name = format!("{since}-{}-{count}", std::process::id());
    let target = built();
    let worlds = target.parent().unwrap_or(Path::new(".")).join("tmp").join("worlds");
    fs::create_dir_all(&worlds).expect("a folder for worlds");
    let state = worlds.join(name);
    fs::DirBuilder::new().mode(0o700).create(&state).expect("a fresh folder");
    state
}

/// Keeps what a process says, and tells when it is ready. Reads to the end: a full pipe would
/// stop the process.
fn listen(
    output: impl Read + Send + 'static,
    said: Arc<Mutex<String>>,
    ready: Option<mpsc::Sender<PathBuf>>,
) {
    std::thread::spawn(move || {
        for line in BufReader::new(output).lines().map_while(Result::ok) {
            if let (Some(file), Some(ready)) = (line.strip_prefix(READY), &ready) {
                // Nobody waits any more if this comes too late.
                drop(ready.send(PathBuf::from(file)));
            }
            let mut said = said.lock().expect("no reader panics");
            said.push_str(&line);
            said.push('\n');
        }
    });
}

impl Launched {
    /// Everything that the cloud has said.
    #[must_use]
    pub fn said(&self) -> String {
        self.said.lock().expect("no reader panics").clone()
    }

    /// Where it keeps its files.
    #[must_use]
    pub fn state(&self) -> &Path {
        &self.state
    }

    fn end(&mut self) -> bool {
        // By the shell, whose `kill` is built in: std knows only the signal that gives no time.
        let asked = Command::new("/bin/sh")
            .args(["-c", "kill -TERM \"$1\"", "sh", &self.child.id().to_string()])
            .status();
        let begun = Instant::now();
        while asked.as_ref().is_ok_and(std::process::ExitStatus::success) && begun.elapsed() < END {
            match self.child.try_wait() {
                Ok(Some(status)) => return status.success(),
                Ok(None) => std::thread::sleep(Duration::from_millis(20)),
                Err(_) => break,
            }
        }
        // It did not end by itself: then it ends like this.
        drop(self.child.kill());
        drop(self.child.wait());
        false
    }
}

impl Drop for Launched {
    fn drop(&mut self) {
        let ended = self.end();
        if std::thread::panicking() {
            eprintln!("the world's files are kept in {}", self.state.display());
            return;
        }
        drop(fs::remove_dir_all(&self.state));
        assert!(ended, "the cloud did not end when it was asked to:\n{}", self.said());
    }
}
