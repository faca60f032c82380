//! The key of sessions changes while people sign in, and what is kept under it stays readable.

use std::{
    collections::BTreeSet,
    fmt::Write as _,
    sync::{Arc, Mutex},
};

use serde_json::json;
use uuid::Uuid;

use super::{
    super::world::World,
    keys::{bind, publish},
};
use crate::{
    digest::Digest,
    identity::App,
    jws::Signed,
    memory::{
        Dice,
        rotation::{Gate, Gated, Rented, Versioned, Wrong},
    },
    ports::{Entropy as _, Partition, Ports, WrappedKey, Wrapper as _},
    recording::{
        Recorder,
        event::{Report, session_key_used},
    },
    rotation::{
        LEASE_S, Own, Rotator, Round,
        state::{Rotation, document_id},
    },
    secret_binding::{PlatformDriver, SESSION_KEY_STAYS_S, SecretBinding},
    session_record::ABSOLUTE_S,
    time::Timestamp,
};

const KEY: &str = "session-data";
const HOUR_S: i64 = 3600;
const DAY_S: i64 = 24 * HOUR_S;
const WRONGS: [Wrong; 4] = [Wrong::DiesBefore, Wrong::DiesAfter, Wrong::Fails, Wrong::LosesAnswer];

/// One part of a change: the rounds between which `signin` is at work.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Part {
    /// The next version is made.
    Making,
    /// It was used, and becomes the one in use.
    TakingUp,
    /// Nothing lives any more that only the old one opens.
    Removing,
}

const PARTS: [Part; 3] = [Part::Making, Part::TakingUp, Part::Removing];

struct Sessions {
    world: World,
    gate: Arc<Gate>,
    vault: Arc<Rented>,
    /// What is kept under the key, and until when it must open.
    kept: Mutex<Vec<(WrappedKey, Timestamp)>>,
}

fn binding() -> SecretBinding<PlatformDriver> {
    let binding = json!({
        "name": KEY, "driver": { "kind": "session_key", "key": KEY },
        "max_age_days": 30, "overlap_hours": 32,
    });
    serde_json::from_value(binding).unwrap()
}

impl Sessions {
    async fn new() -> Self {
        let world = World::new().await;
        let gate = Arc::new(Gate::default());
        let vault = Arc::new(Rented::new(gate.clone(), world.clock.clone()));
        vault.put_key(KEY);
        vault.watch(KEY, None);
        let named = bind(&world, binding()).await;
        publish(&world, |keyset| keyset.secrets = Some(named)).await;
        Self { world, gate, vault, kept: Mutex::default() }
    }

    /// A key that is known and has just become due.
    async fn due() -> Self {
        let sessions = Self::new().await;
        sessions.world.pass(1).await;
        assert_eq!(sessions.round().await.unwrap().done, 1);
        sessions.world.pass(30 * DAY_S).await;
        sessions
    }

    /// Somebody signs in: something is kept, and `signin` says under which version; nothing that
    /// was kept before and still counts is lost.
    async fn works(&self) -> String {
        let key = Versioned::new(self.vault.clone(), KEY);
        let wrapped = key.wrap(&[7; 32]).await.unwrap();
        let (kid, now) = (wrapped.kid.clone(), self.world.now());
        self.kept.lock().unwrap().push((wrapped, now.plus_s(ABSOLUTE_S)));
        self.says(&kid).await;
        self.world.pass(5).await;
        let kept = self.kept.lock().unwrap().clone();
        for (wrapped, until) in kept {
            if self.world.now() < until {
                assert!(key.unwrap(&wrapped).await.is_ok(), "a session was lost");
            }
        }
        kid
    }

    /// `signin` says that it used a version, and `drift` writes it down.
    async fn says(&self, kid: &str) {
        let version = Digest::of(&[kid.as_bytes()]);
        let statement = session_key_used(version, Uuid::new_v4(), self.world.now());
        let event = Signed::sign(&statement, self.world.key_of(App::Signin)).await.unwrap();
        let message = Report::new(event).message(None, None).unwrap();
        let recorder = Recorder::new(self.world.ports(App::Drift), self.world.trust_store());
        recorder.handle(&message.body, None).await.unwrap();
    }

    fn rotator(&self) -> Rotator {
        let documents = Arc::new(Gated::new(self.world.documents.clone(), self.gate.clone()));
        let ports = Ports { documents, ..self.world.ports(App::Rotate) };
        let trust = Arc::new(self.world.trust_over(&ports));
        let mut holder = [0; 16];
        Dice.fill(&mut holder).unwrap();
        let own = Own { clients: BTreeSet::new(), data_key: "tenant-data".to_owned() };
        Rotator::new(ports, self.vault.ports(), trust, own, holder)
    }

    /// One round of a new process; nothing, if it dies.
    async fn round(&self) -> Option<Round> {
        let rotator = self.rotator();
        tokio::select! {
            round = rotator.round() => Some(round.unwrap()),
            () = self.gate.died() => None,
        }
    }

    fn rotation(&self) -> Rotation {
        let id = document_id(&binding().name);
        let json = self.world.documents.all(&Partition::platform())[&id].clone();
        serde_json::from_str(json["body"].as_str().unwrap()).unwrap()
    }

    /// What happened to the key, in order.
    async fn story(&self) -> Vec<String> {
        let all = self.world.ledger(&Partition::platform()).await.into_iter();
        let told = all
            .filter_map(|happened| happened.strip_prefix("airlock.secret.").map(ToOwned::to_owned));
        told.collect()
    }

    /// What others do before a part.
    async fn before(&self, part: Part) {
        match part {
            Part::Making => {}
            // By then, the lease of the process before is over.
            Part::TakingUp => self.world.pass(LEASE_S + 1).await,
            Part::Removing => self.world.pass(SESSION_KEY_STAYS_S).await,
        }
        self.works().await;
    }

    /// The version that is in use, as `signin` names it.
    fn active(&self) -> String {
        format!("{KEY}/{}", self.rotation().active.unwrap().held.version)
    }
}

/// The calls of each part, undisturbed.
async fn calls() -> Vec<(Part, Vec<&'static str>)> {
    let sessions = Sessions::due().await;
    let mut all = Vec::new();
    for part in PARTS {
        sessions.before(part).await;
        let made = sessions.gate.calls().len();
        let round = sessions.round().await.unwrap();
        let expected = match part {
            Part::Making => Round { waiting: 1, ..Round::default() },
            Part::TakingUp => Round { rotated: 1, ..Round::default() },
            Part::Removing => Round { done: 1, ..Round::default() },
        };
        assert_eq!(round, expected, "{part:?}");
        all.push((part, sessions.gate.calls().split_off(made)));
    }
    all
}

/// One cell: the story, with one call of one part gone wrong, and whoever comes next goes on.
async fn cell(spoiled: Part, number: usize, wrong: Wrong) -> String {
    let what = format!("{spoiled:?} {number} {wrong:?}");
    let sessions = Sessions::due().await;
    for part in PARTS {
        sessions.before(part).await;
        if part == spoiled {
            sessions.gate.spoil(number, wrong);
            let round = sessions.round().await;
            let dies = matches!(wrong, Wrong::DiesBefore | Wrong::DiesAfter);
            assert_eq!(round.is_none(), dies, "{what}");
            sessions.works().await;
            for _ in 0..2 {
                sessions.world.pass(LEASE_S + 1).await;
                sessions.works().await;
                assert_eq!(sessions.round().await.unwrap().failed, 0, "{what}");
            }
        } else {
            assert_eq!(sessions.round().await.unwrap().failed, 0, "{what}");
        }
    }
    // What was put into use later is removed later.
    sessions.before(Part::Removing).await;
    assert_eq!(sessions.round().await.unwrap().failed, 0, "{what}");

    let rotation = sessions.rotation();
    assert_eq!((rotation.run, rotation.old.len()), (None, 0), "{what}");
    let (all, usable) = sessions.vault.versions_of(KEY);
    assert_eq!((all, usable), (2, 1), "{what}");
    assert_eq!(sessions.vault.outages(), [""; 0], "{what}");
    assert_eq!(sessions.works().await, sessions.active(), "{what}");
    format!("{usable}/{all} usable")
}

#[tokio::test(start_paused = true)]
async fn the_key_of_sessions_survives_a_crash_at_any_call() {
    let mut table = String::new();
    for (part, calls) in calls().await {
        for (number, call) in calls.iter().enumerate() {
            let mut row = format!("SessionKey {part:?} {number:2} {call:14}");
            for wrong in WRONGS {
                write!(row, " | {wrong:?}: {}", cell(part, number, wrong).await).unwrap();
            }
            writeln!(table, "{row}").unwrap();
        }
    }
    println!("{table}");
}

#[tokio::test(start_paused = true)]
async fn its_story_is_told_in_the_platforms_ledger() {
    let sessions = Sessions::due().await;
    for part in PARTS {
        sessions.before(part).await;
        sessions.round().await.unwrap();
    }

    let told = [
        "adopted", "planned", "added", "stored", "resumed", "proved", "rotated", "resumed",
        "retired",
    ];
    assert_eq!(sessions.story().await, told);
}

#[tokio::test(start_paused = true)]
async fn while_nobody_says_that_the_new_version_is_used_nothing_is_disabled_and_it_is_overdue() {
    let sessions = Sessions::due().await;
    assert_eq!(sessions.round().await.unwrap().waiting, 1);
    let (told, made) = (sessions.story().await, sessions.gate.calls().len());

    for _ in 0..20 {
        sessions.world.pass(12 * HOUR_S).await;
        assert_eq!(sessions.round().await.unwrap(), Round { waiting: 1, ..Round::default() });
    }

    assert_eq!(sessions.vault.versions_of(KEY), (2, 2));
    assert_eq!(sessions.story().await, told, "no leaf for each look");
    assert_eq!(sessions.gate.calls().len(), made, "and no call to the vault");
    assert!(sessions.rotation().is_overdue(&binding(), sessions.world.now()));
}

#[tokio::test(start_paused = true)]
async fn a_word_that_is_not_sealed_proves_nothing() {
    let sessions = Sessions::due().await;
    assert_eq!(sessions.round().await.unwrap().waiting, 1);
    let newest = sessions.vault.newest_version(KEY).unwrap();
    sessions.world.pass(LEASE_S + 1).await;

    sessions.says(&format!("{KEY}/{newest}")).await;
    assert_eq!(sessions.round().await.unwrap().waiting, 1);
    sessions.world.pass(5).await;

    assert_eq!(sessions.round().await.unwrap().rotated, 1);
}

#[tokio::test(start_paused = true)]
async fn an_old_version_stays_as_long_as_the_longest_session_and_a_day() {
    let sessions = Sessions::due().await;
    for part in [Part::Making, Part::TakingUp] {
        sessions.before(part).await;
        sessions.round().await.unwrap();
    }
    assert_eq!(SESSION_KEY_STAYS_S, (8 + 24) * HOUR_S);

    sessions.world.pass(SESSION_KEY_STAYS_S - 1).await;
    assert_eq!(sessions.round().await.unwrap(), Round::default());
    assert_eq!(sessions.vault.versions_of(KEY), (2, 2));
    sessions.world.pass(1).await;

    assert_eq!(sessions.round().await.unwrap().done, 1);
    assert_eq!(sessions.vault.versions_of(KEY), (2, 1));
}

#[tokio::test(start_paused = true)]
async fn an_old_version_that_was_used_again_stays_for_as_long_again() {
    let sessions = Sessions::due().await;
    let old = sessions.works().await;
    for part in [Part::Making, Part::TakingUp] {
        sessions.before(part).await;
        sessions.round().await.unwrap();
    }
    // The new one could not be used for a while.
    sessions.world.pass(DAY_S).await;
    sessions.says(&old).await;

    sessions.world.pass(SESSION_KEY_STAYS_S - 1).await;
    assert_eq!(sessions.round().await.unwrap(), Round { waiting: 1, ..Round::default() });
    assert_eq!(sessions.vault.versions_of(KEY), (2, 2));
    // And until the lease of that process is over.
    sessions.world.pass(LEASE_S).await;

    assert_eq!(sessions.round().await.unwrap().done, 1);
    assert_eq!(sessions.vault.versions_of(KEY), (2, 1));
}

#[tokio::test(start_paused = true)]
async fn an_old_version_stays_while_the_one_in_use_cannot_be_used() {
    let sessions = Sessions::due().await;
    for part in [Part::Making, Part::TakingUp] {
        sessions.before(part).await;
        sessions.round().await.unwrap();
    }
    let newest = sessions.vault.newest_version(KEY).unwrap();
    sessions.vault.disable_version(KEY, &newest);

    for _ in 0..3 {
        sessions.world.pass(3 * DAY_S).await;
        assert_eq!(sessions.round().await.unwrap().waiting, 1);
    }

    assert_eq!(sessions.vault.versions_of(KEY), (2, 1));
    assert_eq!(sessions.vault.outages(), [""; 0]);
}

#[tokio::test(start_paused = true)]
async fn a_version_that_signin_cannot_use_is_given_up_and_another_is_made() {
    let sessions = Sessions::due().await;
    let old = sessions.works().await;
    assert_eq!(sessions.round().await.unwrap().waiting, 1);
    let newest = sessions.vault.newest_version(KEY).unwrap();
    sessions.vault.disable_version(KEY, &newest);
    assert_eq!(sessions.works().await, old, "signin goes on with the one before");
    sessions.world.pass(SESSION_KEY_STAYS_S - 10).await;
    assert_eq!(sessions.round().await.unwrap().waiting, 1);

    sessions.world.pass(10).await;
    sessions.works().await;
    assert_eq!(sessions.round().await.unwrap().refused, 1);

    assert_eq!(sessions.rotation().failures, 1);
    assert_eq!(sessions.active(), old);
    sessions.world.pass(LEASE_S + 1).await;
    assert_eq!(sessions.round().await.unwrap().waiting, 1);
    assert_eq!(sessions.vault.versions_of(KEY), (3, 2));
    assert_ne!(sessions.works().await, old);
    sessions.world.pass(LEASE_S + 1).await;
    assert_eq!(sessions.round().await.unwrap().rotated, 1);
    assert_eq!(sessions.vault.outages(), [""; 0]);
}

#[tokio::test(start_paused = true)]
async fn an_overlap_in_which_sessions_would_be_lost_is_not_read() {
    let mut short = json!([serde_json::to_value(binding()).unwrap()]);
    let read = |secrets: &serde_json::Value| {
        serde_json::from_value::<crate::secret_binding::Secrets<PlatformDriver>>(secrets.clone())
    };
    assert!(read(&short).is_ok());
    short[0]["overlap_hours"] = json!(31);

    assert!(read(&short).is_err());
}
