//! Playing the table, a column at a time: one cloud, one fault, every call.

use std::{
    sync::Arc,
    time::{Duration, Instant},
};

use tokio::{sync::Semaphore, task::JoinSet};

use super::{
    control::Raw,
    ending::Ending,
    fault::Fault,
    rows::{self, Made, Row},
    stage::{Broken, Stage},
    story::{Played, Story},
};

/// Stories that are played at the same time.
const AT_ONCE: usize = 10;

/// How often a story is played whose call was not made, because another story's joined it.
const AGAIN: usize = 3;

/// How long a timer may take to tick.
const TICK: Duration = Duration::from_secs(40);

/// A call, the fault, and what came of it.
struct Cell {
    row: Row,
    trace: String,
    bitten: u64,
    refusals: u32,
    anew: u32,
    played: Result<Played, Broken>,
}

/// Plays a column, prints it, and fails if a promise did not hold.
///
/// # Panics
///
/// If one did not.
pub async fn column(fault: Fault, apps: &[&str]) {
    let begun = Instant::now();
    let stage = Arc::new(Stage::set().await);
    let matters = |row: &Row| fault.matters_to_reads() || row.changes();
    let rows: Vec<Row> = rows::all().into_iter().filter(matters).collect();
    let rows: Vec<Row> = rows.into_iter().filter(|row| apps.contains(&row.app)).collect();
    let made = |made: Made| rows.iter().copied().filter(move |row| row.made == made);

    let mut cells = in_traces(&stage, fault, made(Made::InTrace).collect()).await;
    let (of_signin, others): (Vec<_>, Vec<_>) =
        made(Made::ByTimer).partition(|row| row.app == "signin");
    cells.extend(by_timers(&stage, fault, of_signin).await);
    // Neither disturbs the other: requests need no process of `signin`.
    let (timers, starts) = tokio::join!(
        by_timers(&stage, fault, others),
        at_starts(&stage, fault, "signin", made(Made::AtStart)),
    );
    cells.extend(timers);
    cells.extend(starts);
    for app in ["intake", "execute"] {
        cells.extend(at_starts(&stage, fault, app, made(Made::AtStart)).await);
    }

    let lost = rows.iter().filter(|row| row.is_left()).count();
    let ending = Ending::of(&stage, lost).await;
    let broken = print(fault, &cells, &ending);
    println!("{} calls in {} s", cells.len(), begun.elapsed().as_secs());
    assert!(broken.is_empty(), "{} of {} cells:\n{}", broken.len(), cells.len(), broken.join("\n"));
    assert_eq!(ending.reclaimed(&stage.traces()), lost, "what was left is carried out once");
}

/// Calls that are known by their trace: many stories at once.
async fn in_traces(stage: &Arc<Stage>, fault: Fault, rows: Vec<Row>) -> Vec<Cell> {
    let mut cells = at_once(stage, fault, rows).await;
    for _ in 0..AGAIN {
        // Commits of several stories go out together, in the name of one of them.
        let (bitten, missed): (Vec<_>, Vec<_>) =
            cells.into_iter().partition(|cell| cell.bitten > 0 || cell.played.is_err());
        cells = bitten;
        for cell in missed {
            cells.push(play(stage, fault, cell.row).await);
        }
    }
    cells
}

async fn at_once(stage: &Arc<Stage>, fault: Fault, rows: Vec<Row>) -> Vec<Cell> {
    let places = Arc::new(Semaphore::new(AT_ONCE));
    let mut playing = JoinSet::new();
    for row in rows {
        let (stage, places) = (Arc::clone(stage), Arc::clone(&places));
        playing.spawn(async move {
            let _place = places.acquire_owned().await.unwrap();
            play(&stage, fault, row).await
        });
    }
    playing.join_all().await
}

/// Calls that a timer makes: the request that needs it is there when the fault is set.
async fn by_timers(stage: &Arc<Stage>, fault: Fault, rows: Vec<Row>) -> Vec<Cell> {
    at_once(stage, fault, rows).await
}

/// Calls that a process makes once: each time another process.
async fn at_starts(
    stage: &Stage,
    fault: Fault,
    app: &str,
    rows: impl Iterator<Item = Row>,
) -> Vec<Cell> {
    let control = stage.world.control();
    let mut cells = Vec::new();
    for row in rows.filter(|row| row.app == app) {
        control.stop(app).await;
        if row.story == Story::SignInOnANewDay {
            stage.forget_sealing_keys().await;
        }
        let (effect, times) = fault.effect();
        let raw = Raw::of(&stage.world);
        let standing = raw.rule(&row.rule(&effect, times, None)).await;
        control.start(app).await;
        let scene = stage.scene();
        let played = row.story.play(&scene).await;
        let bitten = raw.lift(standing).await;
        let (refusals, anew, trace) = (scene.refusals(), scene.anew(), scene.trace);
        cells.push(Cell { row, trace, bitten, refusals, anew, played });
        stage.calls().await;
    }
    cells
}

/// Plays one cell whose call is made for its story, or by a timer.
async fn play(stage: &Stage, fault: Fault, row: Row) -> Cell {
    let (raw, scene) = (Raw::of(&stage.world), stage.crowded());
    for trouble in row.trouble {
        raw.rule(&trouble.rule(row.app, &scene.trace)).await;
    }
    let (effect, times) = fault.effect();
    let (played, bitten) = if row.made == Made::ByTimer {
        let rule = row.rule(&effect, times, None);
        let meet = async {
            tokio::time::sleep(row.needed_after()).await;
            let standing = raw.rule(&rule).await;
            let begun = Instant::now();
            while raw.bitten(&standing).await == 0 && begun.elapsed() < TICK {
                tokio::time::sleep(Duration::from_millis(500)).await;
            }
            standing
        };
        let (played, standing) = tokio::join!(row.story.play(&scene), meet);
        (played, raw.lift(standing).await)
    } else {
        let standing = raw.rule(&row.rule(&effect, times, Some(&scene.trace))).await;
        let played = row.story.play(&scene).await;
        (played, raw.lift(standing).await)
    };
    // So that none is forgotten before it is looked at.
    stage.calls().await;
    let (refusals, anew, trace) = (scene.refusals(), scene.anew(), scene.trace);
    Cell { row, trace, bitten, refusals, anew, played }
}

/// Prints the column, and gives the cells whose promises did not hold.
fn print(fault: Fault, cells: &[Cell], ending: &Ending) -> Vec<String> {
    let mut broken = Vec::new();
    for cell in cells {
        let outcome = cell.outcome(ending);
        let words = match &outcome {
            Ok(words) => words.clone(),
            Err(words) => format!("BROKEN: {words}"),
        };
        let line = format!("{:58} | {:21} | {words}", cell.row.words(), fault.words());
        println!("{line}");
        if outcome.is_err() {
            broken.push(format!("{line} (trace {})", cell.trace));
        }
    }
    broken
}

impl Cell {
    fn outcome(&self, ending: &Ending) -> Result<String, String> {
        let ended = match &self.played {
            Err(Broken(what)) => return Err(what.clone()),
            Ok(_) if self.bitten == 0 => return Err("the call was not made".to_owned()),
            Ok(Played::Otherwise(words)) => (*words).to_owned(),
            Ok(Played::Request(done)) => {
                ending.of_request(&self.trace, done, self.row.is_left())?
            }
        };
        let mut words = Vec::new();
        if self.refusals > 0 {
            words.push(format!("refused honestly {}x", self.refusals));
        }
        if self.anew > 0 {
            words.push(format!("begun anew {}x", self.anew));
        }
        words.push(ended);
        Ok(words.join(", "))
    }
}
