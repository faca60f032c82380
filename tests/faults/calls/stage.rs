//! Where the stories play: one cloud, people who are signed in, and everything that was called.

use std::{
    sync::{
        Mutex, MutexGuard, PoisonError,
        atomic::{AtomicU32, Ordering::Relaxed},
    },
    time::{Duration, Instant},
};

use airlock_tests::{Answer, Desk, Person, Who, World};
use reqwest::RequestBuilder;
use serde_json::Value;
use tokio::sync::OnceCell;
use uuid::Uuid;

use super::requests::asked_by_a_service;

/// For how long what is refused honestly is tried again.
pub const PATIENCE: Duration = Duration::from_secs(90);

/// Between two tries.
pub const PAUSE: Duration = Duration::from_millis(500);

/// A promise that did not hold, in words for the table.
#[derive(Debug)]
pub struct Broken(pub String);

/// A cloud and its people.
pub struct Stage {
    pub world: World,
    pub harriet: Person,
    pub sam: Person,
    pub april: Person,
    pub tara: Person,
    /// Of a tenant in which nobody has asked anything yet.
    pub wanda: Person,
    /// The directory as it was at the beginning.
    pub directory: Value,
    calls: Mutex<Vec<Value>>,
    asked_before: OnceCell<(String, String)>,
    traces: Mutex<Vec<String>>,
}

/// One story on a stage, told from all others by its trace.
pub struct Scene<'s> {
    pub stage: &'s Stage,
    /// W3C trace id: of every call that the story makes, and of every call made for it.
    pub trace: String,
    /// Between two looks at a request that is not over.
    pub looks: Duration,
    refusals: AtomicU32,
    anew: AtomicU32,
}

impl Stage {
    pub async fn set() -> Self {
        let world = World::start().await;
        Desk::of(&world).lift_quotas();
        let harriet = world.person("harriet").await;
        let sam = world.person("sam").await;
        let april = world.person("april").await;
        let tara = world.person("tara").await;
        let wanda = world.person("wanda").await;
        let directory = world.control().directory().await;
        Self {
            world,
            harriet,
            sam,
            april,
            tara,
            wanda,
            directory,
            calls: Mutex::default(),
            asked_before: OnceCell::new(),
            traces: Mutex::default(),
        }
    }

    pub fn who(&self, user: &str) -> Who {
        self.world.who(user)
    }

    /// A story about to begin.
    pub fn scene(&self) -> Scene<'_> {
        self.with_looks(Duration::from_millis(250))
    }

    /// A story among many: nobody looks so often that they would be held to a pace.
    pub fn crowded(&self) -> Scene<'_> {
        self.with_looks(Duration::from_millis(1_200))
    }

    fn with_looks(&self, looks: Duration) -> Scene<'_> {
        let trace = Uuid::new_v4().simple().to_string();
        lock(&self.traces).push(trace.clone());
        let (refusals, anew) = (AtomicU32::new(0), AtomicU32::new(0));
        Scene { stage: self, trace, looks, refusals, anew }
    }

    /// Takes the days' sealing keys away, as if nobody had signed in yet.
    pub async fn forget_sealing_keys(&self) {
        let control = self.world.control();
        for document in control.documents("sessions").await {
            let id = document["id"].as_str().unwrap();
            if id.starts_with("sealing-") {
                control.remove("sessions", id, id).await;
            }
        }
    }

    /// What a service asked once: its key and its name.
    pub async fn asked_before(&self) -> Result<(String, String), Broken> {
        let asked = self.asked_before.get_or_try_init(async || {
            let key = Uuid::new_v4().to_string();
            let id = asked_by_a_service(&self.scene(), &key).await?;
            Ok((key, id))
        });
        asked.await.cloned()
    }

    /// Every call until now. The cloud forgets old ones, so what was read once is kept here.
    pub async fn calls(&self) -> Vec<Value> {
        let last = self.kept().last().map_or(0, |call| call["n"].as_u64().unwrap());
        let new = self.world.control().get(&format!("/calls?after={last}")).await;
        let mut kept = self.kept();
        let last = kept.last().map_or(0, |call| call["n"].as_u64().unwrap());
        let is_new = |call: &&Value| call["n"].as_u64().is_some_and(|n| n > last);
        kept.extend(new.as_array().unwrap().iter().filter(is_new).cloned());
        kept.clone()
    }

    fn kept(&self) -> MutexGuard<'_, Vec<Value>> {
        lock(&self.calls)
    }

    /// The traces of all stories.
    pub fn traces(&self) -> Vec<String> {
        lock(&self.traces).clone()
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

impl Scene<'_> {
    /// How often somebody was refused honestly and came again.
    pub fn refusals(&self) -> u32 {
        self.refusals.load(Relaxed)
    }

    /// How often something had to be begun anew.
    pub fn anew(&self) -> u32 {
        self.anew.load(Relaxed)
    }

    /// Takes note that something is begun anew.
    pub fn begins_anew(&self) {
        self.anew.fetch_add(1, Relaxed);
    }

    pub fn traceparent(&self) -> String {
        format!("00-{}-b7ad6b7169203331-01", self.trace)
    }

    /// Calls in the story's trace, again as long as the answer is an honest "not now".
    pub async fn insist(
        &self,
        what: &str,
        call: impl Fn() -> RequestBuilder,
    ) -> Result<Answer, Broken> {
        let begun = Instant::now();
        while begun.elapsed() < PATIENCE {
            let answer = self.once(call()).await?;
            if answer.status < 500 && answer.status != 429 {
                return Ok(answer);
            }
            self.refused(what, &answer)?;
            tokio::time::sleep(PAUSE).await;
        }
        Err(Broken(format!("{what}: refused for {PATIENCE:?}")))
    }

    /// Calls once, in the story's trace.
    pub async fn once(&self, call: RequestBuilder) -> Result<Answer, Broken> {
        let answer = call.header("traceparent", self.traceparent()).send().await;
        let answer = answer.map_err(|error| Broken(format!("no answer: {error}")))?;
        Ok(Answer::read(answer).await)
    }

    /// Takes note of a refusal. It must be one that says to come again.
    pub fn refused(&self, what: &str, answer: &Answer) -> Result<(), Broken> {
        match answer.as_problem() {
            Ok("unavailable" | "too-many") => {}
            Ok(other) => return Err(Broken(format!("{what}: refused as {other}"))),
            Err(wrong) => return Err(Broken(format!("{what}: {wrong}"))),
        }
        self.refusals.fetch_add(1, Relaxed);
        Ok(())
    }
}
