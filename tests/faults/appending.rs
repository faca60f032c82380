//! Four processes that write to one tenant's tree, and are killed at random.
//!
//! Each is a handler process of `intake`'s as the Functions host would start it in Azure when there
//! is much to do. Whatever one of them acknowledged is in the sealed tree: once, and with nothing
//! missing before it.

#![expect(clippy::unwrap_used, reason = "what fails here fails the test")]

use std::{
    collections::{BTreeMap, BTreeSet},
    fs,
    net::TcpListener,
    path::PathBuf,
    process::{Child, Command, Stdio},
    sync::{
        Arc, Mutex,
        atomic::{AtomicU64, Ordering::Relaxed},
    },
    time::{Duration, Instant},
};

use airlock_tests::{Desk, Kill, LATER, Order, Person, World, eventually};
use serde_json::json;

/// For how long they write.
const FOR: Duration = Duration::from_mins(1);

/// Processes.
const WRITERS: usize = 4;

/// Between two kills, in milliseconds: drawn anew each time.
const KILL_EVERY_MS: std::ops::Range<u64> = 1500..5000;

/// A process of `intake`'s beside the one that the host runs, with the same package and settings.
struct Writer {
    child: Option<Child>,
    program: PathBuf,
    package: PathBuf,
    settings: Vec<(String, String)>,
    port: u16,
    killed: u32,
}

impl Writer {
    /// One more like the process with this id.
    fn like(pid: u64) -> Self {
        let environ = fs::read(format!("/proc/{pid}/environ")).unwrap();
        let port = TcpListener::bind(("127.0.0.1", 0)).unwrap().local_addr().unwrap().port();
        let settings = environ
            .split(|byte| *byte == 0)
            .filter_map(|pair| std::str::from_utf8(pair).unwrap().split_once('='))
            .map(|(name, value)| match name {
                "FUNCTIONS_CUSTOMHANDLER_PORT" => (name.to_owned(), port.to_string()),
                _ => (name.to_owned(), value.to_owned()),
            })
            .collect();
        let link = |name: &str| fs::read_link(format!("/proc/{pid}/{name}")).unwrap();
        let (program, package) = (link("exe"), link("cwd"));
        let mut writer = Self { child: None, program, package, settings, port, killed: 0 };
        writer.start();
        writer
    }

    fn start(&mut self) {
        let child = Command::new(&self.program)
            .current_dir(&self.package)
            .env_clear()
            .envs(self.settings.iter().cloned())
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .unwrap();
        self.child = Some(child);
    }

    /// SIGKILL; and another takes its place, as the host has it.
    fn die(&mut self) {
        self.end();
        self.killed += 1;
        self.start();
    }

    fn end(&mut self) {
        if let Some(mut child) = self.child.take() {
            child.kill().unwrap();
            child.wait().unwrap();
        }
    }
}

impl Drop for Writer {
    fn drop(&mut self) {
        self.end();
    }
}

/// Numbers that differ from run to run.
struct Draw(AtomicU64);

impl Draw {
    fn new() -> Self {
        Self(AtomicU64::new(u64::from(std::process::id()) ^ 0x9e37_79b9_7f4a_7c15))
    }

    /// xorshift: nothing depends on how good it is.
    fn within(&self, range: std::ops::Range<u64>) -> u64 {
        let mut drawn = self.0.load(Relaxed);
        drawn ^= drawn << 13;
        drawn ^= drawn >> 7;
        drawn ^= drawn << 17;
        self.0.store(drawn, Relaxed);
        range.start + drawn % (range.end - range.start)
    }
}

/// Asks one process again and again, and keeps the names of what it acknowledged.
async fn write(
    harriet: Arc<Person>,
    http: reqwest::Client,
    order: Order,
    port: u16,
    until: Instant,
) -> (Vec<String>, u32) {
    let (mut acknowledged, mut unanswered) = (Vec::new(), 0);
    while Instant::now() < until {
        let asking = harriet.sign(&order).await;
        let answer = http
            .post(format!("http://127.0.0.1:{port}/api/requests"))
            .header("authorization", format!("Session {}", harriet.cookie))
            .json(&json!({ "request": asking.signed }))
            .send()
            .await;
        match answer {
            Ok(answer) if answer.status().is_success() => acknowledged.push(asking.id),
            Ok(answer) => {
                // Busy, or not sealed in time: an answer that promises nothing.
                assert_eq!(answer.status(), 503, "{}", answer.text().await.unwrap_or_default());
                unanswered += 1;
            }
            Err(_) => {
                unanswered += 1;
                tokio::time::sleep(Duration::from_millis(50)).await;
            }
        }
    }
    (acknowledged, unanswered)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "a minute of load: tests/run plays it"]
async fn what_four_processes_acknowledged_is_sealed_whatever_became_of_them() {
    let world = World::start().await;
    Desk::of(&world).lift_quotas();
    let harriet = Arc::new(world.person("harriet").await);
    let order = Order::of("account.disable", &world.who("nina"));
    let pid = world.control().processes().await["intake"]["pid"].as_u64().unwrap();
    let writers: Arc<Mutex<Vec<Writer>>> =
        Arc::new(Mutex::new((0..WRITERS).map(|_| Writer::like(pid)).collect()));
    let ports: Vec<u16> = writers.lock().unwrap().iter().map(|writer| writer.port).collect();
    let until = Instant::now() + FOR;

    let writing: Vec<_> = ports
        .into_iter()
        .map(|port| {
            let http = world.http().clone();
            tokio::spawn(write(Arc::clone(&harriet), http, order.clone(), port, until))
        })
        .collect();
    let draw = Draw::new();
    while Instant::now() < until {
        tokio::time::sleep(Duration::from_millis(draw.within(KILL_EVERY_MS))).await;
        let victim = usize::try_from(draw.within(0..WRITERS as u64)).unwrap();
        writers.lock().unwrap()[victim].die();
    }
    // The one that seals dies in the middle of it as well.
    world.control().kill_at("drift", Kill::After, "blob", "PUT", "/anchors/*").await;
    let mut acknowledged = Vec::new();
    let mut unanswered = 0;
    for writer in writing {
        let (ids, none) = writer.await.unwrap();
        acknowledged.extend(ids);
        unanswered += none;
    }
    let killed: u32 = writers.lock().unwrap().iter().map(|writer| writer.killed).sum();
    writers.lock().unwrap().clear();

    let tenant = world.contoso();
    let ledger = eventually("all of it sealed", LATER, async || {
        let sealed = world.sealed(&tenant.to_string()).await?;
        let ledger = world.ledger(tenant).await;
        ledger.assert_whole();
        (sealed == ledger.frontier()).then_some(ledger)
    })
    .await;
    let mut leaves: BTreeMap<String, u32> = BTreeMap::new();
    let mut statements = BTreeSet::new();
    for leaf in ledger.leaves() {
        let id = leaf.says["id"].to_string();
        assert!(statements.insert(id.clone()), "{id} stands twice");
        if leaf.kind() == "airlock.request.received" {
            *leaves
                .entry(leaf.says["data"]["request"].as_str().unwrap().to_owned())
                .or_default() += 1;
        }
    }
    for id in &acknowledged {
        let (_, digest) = id.split_once('.').unwrap();
        assert_eq!(leaves.get(digest), Some(&1), "{id} was acknowledged");
    }
    assert!(killed > 10 && acknowledged.len() > 100, "{killed} kills, {acknowledged:?}");
    println!(
        "{WRITERS} processes, {FOR:?}, {killed} kills: {} acknowledged, {unanswered} not answered, \
         {} leaves sealed; none missing, none twice",
        acknowledged.len(),
        ledger.leaves().len(),
    );
}
