//! Whether the rows are all the rows: what the handlers call while nothing goes wrong.

use std::collections::BTreeSet;

use serde_json::Value;

use super::{
    rows::{self, Row},
    stage::{Broken, Stage},
    story::{ASKED, Story},
};

/// Every story, once: on whom an operation is done makes no other calls.
fn stories() -> Vec<Story> {
    let mut stories: Vec<Story> = Vec::new();
    for row in rows::all() {
        if !stories.iter().any(|story| story.is_like(row.story)) {
            stories.push(row.story);
        }
    }
    stories
}

/// Plays all stories with fresh processes, and gives the calls that no row names.
///
/// # Panics
///
/// If a story did not end as it should.
pub async fn calls_without_a_row() -> BTreeSet<String> {
    let stage = Stage::set().await;
    let rows = rows::all();
    let mut unknown = BTreeSet::new();
    // Who asks without a token is known by being the only one who has just started.
    for (app, begins) in [
        ("signin", &[Story::SignIn, Story::CallTheApi][..]),
        ("intake", &[Story::SignIn, Story::ServiceAgain]),
        ("execute", &[ASKED]),
    ] {
        let before = stage.calls().await.len();
        restart(&stage, app).await;
        for story in begins {
            play(&stage, *story).await;
        }
        let anonymous = stage.calls().await.split_off(before);
        let anonymous = anonymous.iter().filter(|call| is_anonymous(call));
        unknown.extend(without_a_row(&rows, app, anonymous));
    }
    for story in stories() {
        play(&stage, story).await;
    }
    // A timer ticks at least every 15 s.
    tokio::time::sleep(std::time::Duration::from_secs(16)).await;
    let calls = stage.calls().await;
    for app in ["signin", "intake", "execute"] {
        let named = calls.iter().filter(|call| call["app"] == app);
        unknown.extend(without_a_row(&rows, app, named));
    }
    unknown
}

/// Another process of an app.
async fn restart(stage: &Stage, app: &str) {
    stage.world.control().stop(app).await;
    stage.world.control().start(app).await;
}

/// Plays a story to its good end.
async fn play(stage: &Stage, story: Story) {
    let scene = stage.scene();
    let played = story.play(&scene).await;
    let broken = played.err().map(|Broken(what)| what);
    assert_eq!(broken, None, "{story:?}");
    assert_eq!((scene.refusals(), scene.anew()), (0, 0), "{story:?}: nothing went wrong");
}

/// Calls of handlers that show no token. Pages are for browsers, and no handler's business.
fn is_anonymous(call: &Value) -> bool {
    let path = call["path"].as_str().unwrap_or_default();
    let pages = ["/login", "/authorize", "/logout"];
    call["app"].is_null() && !pages.iter().any(|page| path.ends_with(page))
}

fn without_a_row<'c>(
    rows: &[Row],
    app: &str,
    calls: impl Iterator<Item = &'c Value>,
) -> Vec<String> {
    let unknown = calls.filter(|call| !rows.iter().any(|row| row.is_like(app, call)));
    unknown.map(|call| told(app, call)).collect()
}

fn told(app: &str, call: &Value) -> String {
    let text = |name: &str| call[name].as_str().unwrap_or_default().to_owned();
    let (service, method, path) = (text("service"), text("method"), text("path"));
    format!("{app} > {service}: {method} {path} {}", text("operation")).trim_end().to_owned()
}
