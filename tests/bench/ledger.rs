//! How many leaves a second are appended to one tree by one process and by four, and how long it
//! takes to seal ten thousand of them. Everything is in memory, so it is our own work that is
//! measured: signing, hashing, batches, races for the head; `tests/bench/run` measures the same
//! over the local cloud. Prints tables; asserts what was written, and nothing about time.

use std::{
    sync::Arc,
    time::{Duration, Instant},
};

use airlock_core::{
    identity::App,
    jwe,
    jws::{Signed, Typ},
    keyset::{Keyset, KeysetKey},
    ledger::{Anchors, Commit, Happened, Ledger, NotCommitted},
    memory::{Dice, Documented, Kept, LocalKey, Mask, Sent},
    ports::{Clock, Partition, Ports, Write},
    sealing::Sealer,
    time::Timestamp,
    trust::{KEYSET_ID, StoredArtefact, TrustStore},
};

type Failed = Box<dyn std::error::Error + Send + Sync>;

const LEDGER: &str = "ledger.airlock.example";

/// Leaves that one run appends: the documents in memory are copied for each batch, so a larger
/// tree would measure that.
const APPENDED: usize = 2_400;

/// Requests that a process deals with at a time.
const AT_ONCE: [usize; 2] = [1, 32];

const WRITERS: [usize; 2] = [1, 4];

const SEALED: usize = 10_000;

/// The time of the machine.
struct Now;

impl Clock for Now {
    fn now(&self) -> Timestamp {
        #[expect(clippy::disallowed_methods, reason = "a bench has no clock port of its own")]
        let since = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH);
        let seconds = since.unwrap_or_default().as_secs();
        Timestamp::from_unix_s(i64::try_from(seconds).unwrap_or(i64::MAX))
    }
}

/// A deployment in memory, with a key for `intake`, one for `drift`, and one for checkpoints.
struct Deployment {
    ports: Ports,
    root: LocalKey,
    intake: Arc<LocalKey>,
    drift: Arc<LocalKey>,
    checkpoints: Arc<LocalKey>,
}

fn new_key() -> Result<LocalKey, Failed> {
    Ok(LocalKey::new(&jwe::private_key(&Dice)?)?)
}

impl Deployment {
    async fn new() -> Result<Self, Failed> {
        let intake = Arc::new(new_key()?);
        let ports = Ports {
            clock: Arc::new(Now),
            entropy: Arc::new(Dice),
            signer: intake.clone(),
            wrapper: Arc::new(Mask),
            documents: Arc::new(Documented::default()),
            blobs: Arc::new(Kept::default()),
            anchors: Arc::new(Kept::default()),
            bus: Arc::new(Sent::default()),
        };
        let (drift, checkpoints) = (Arc::new(new_key()?), Arc::new(new_key()?));
        let deployment = Self { ports, root: new_key()?, intake, drift, checkpoints };
        deployment.declare().await?;
        Ok(deployment)
    }

    async fn declare(&self) -> Result<(), Failed> {
        let now = self.ports.clock.now();
        let listed = |key: &LocalKey, app, signs: &[Typ]| KeysetKey {
            jwk: key.key().clone(),
            app,
            signs: signs.to_vec(),
            nbf: now,
            revoked: None,
        };
        let keys = vec![
            listed(&self.intake, App::Intake, &[Typ::Statement]),
            listed(&self.drift, App::Drift, &[Typ::Statement]),
            listed(&self.checkpoints, App::Drift, &[Typ::Checkpoint]),
        ];
        let exp = now.plus_s(86_400);
        let keyset =
            Keyset { ver: 1, iat: now, exp, keys, replacements: Vec::new(), secrets: None };
        let stored = StoredArtefact {
            id: KEYSET_ID.to_owned(),
            tenant: Partition::deployment().key().to_owned(),
            kind: KEYSET_ID.to_owned(),
            at: 0,
            artefact: Signed::sign(&keyset, &self.root).await?,
        };
        let write = [Write::Create(serde_json::to_value(stored)?)];
        self.ports.documents.batch(&Partition::deployment(), &write).await?;
        Ok(())
    }

    fn anchors(&self) -> Anchors {
        Anchors::new(self.ports.anchors.clone(), LEDGER)
    }

    fn trust(&self) -> Arc<TrustStore> {
        let (documents, clock) = (self.ports.documents.clone(), self.ports.clock.clone());
        let root = self.root.key().clone();
        Arc::new(TrustStore::new(root, self.anchors(), documents, clock, 30))
    }

    /// Another process of `intake`'s.
    fn writer(&self) -> Arc<Ledger> {
        Arc::new(Ledger::new(App::Intake, &self.ports, self.trust()))
    }

    fn sealer(&self) -> Sealer {
        let ports = Ports { signer: self.drift.clone(), ..self.ports.clone() };
        Sealer::new(ports, self.checkpoints.clone(), self.trust(), self.anchors())
    }
}

fn said() -> Commit {
    Commit::of(Happened::Undeliverable)
}

/// What became of many appends.
struct Appended {
    done: usize,
    /// Others were faster for too long.
    given_up: usize,
    took: Duration,
}

/// Appends by so many processes, each with so many requests at a time.
async fn append(
    deployment: &Deployment,
    writers: usize,
    at_once: usize,
    count: usize,
) -> Result<Appended, Failed> {
    let each = count / (writers * at_once);
    let begun = Instant::now();
    let mut tasks = tokio::task::JoinSet::new();
    for _ in 0..writers {
        let ledger = deployment.writer();
        for _ in 0..at_once {
            let (ledger, clock) = (Arc::clone(&ledger), deployment.ports.clock.clone());
            tasks.spawn(async move {
                let mut given_up = 0;
                for _ in 0..each {
                    let platform = Partition::platform();
                    match ledger.commit(&platform, said(), clock.now()).await {
                        Ok(_) => {}
                        Err(NotCommitted::Undecided(None)) => given_up += 1,
                        Err(error) => return Err(error.into()),
                    }
                }
                Ok::<usize, Failed>(given_up)
            });
        }
    }
    let mut given_up = 0;
    while let Some(done) = tasks.join_next().await {
        given_up += done??;
    }
    let done = each * writers * at_once - given_up;
    Ok(Appended { done, given_up, took: begun.elapsed() })
}

#[tokio::main]
async fn main() -> Result<(), Failed> {
    println!("\nAppending to one tree, in memory\n");
    println!("    processes  requests at a time  appends/s  given up");
    for writers in WRITERS {
        for at_once in AT_ONCE {
            let deployment = Deployment::new().await?;
            let Appended { done, given_up, took } =
                append(&deployment, writers, at_once, APPENDED).await?;
            let rate = f64::from(u32::try_from(done)?) / took.as_secs_f64();
            println!("    {writers:>9}  {at_once:>18}  {rate:>9.0}  {given_up:>8}");
        }
    }
    let deployment = Deployment::new().await?;
    let Appended { done: count, .. } = append(&deployment, 1, 40, SEALED).await?;
    assert_eq!(count, SEALED, "one process races nobody");
    let sealer = deployment.sealer();
    let begun = Instant::now();
    let round = sealer.round().await?;
    let took = begun.elapsed();
    assert_eq!((round.sealed, round.failed, round.refused), (1, 0, 0), "all of it is sealed");
    let each = took.as_secs_f64() * 1e6 / f64::from(u32::try_from(count)?);
    println!(
        "\nSealing {count} new leaves, each verified, with tiles, bundles, checkpoint and anchor: \
         {:.2} s, {each:.0} us each",
        took.as_secs_f64(),
    );
    Ok(())
}
