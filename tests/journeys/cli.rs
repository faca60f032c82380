//! The command line, as the program that people run: without a terminal, as a script has it.

#![expect(clippy::expect_used, reason = "what fails here fails the test")]

use std::{
    path::PathBuf,
    process::{Command, Stdio},
};

use airlock_tests::{World, program};
use serde_json::Value;

/// Somebody at their own machine, signed in under their own name.
pub struct Shell {
    stack: PathBuf,
    config: PathBuf,
}

/// How a command ended.
pub struct Said {
    code: i32,
    out: String,
    err: String,
}

impl Shell {
    pub fn in_world(world: &World) -> Self {
        let state = world.state();
        Self { stack: state.join("stack.json"), config: state.join("people") }
    }

    pub fn types(&self, profile: &str, words: &[&str]) -> Said {
        let output = Command::new(program("airlockctl"))
            .arg("--stack")
            .arg(&self.stack)
            .args(["--profile", profile])
            .args(words)
            .env("XDG_CONFIG_HOME", &self.config)
            .stdin(Stdio::null())
            .output()
            .expect("the program starts");
        let text = |bytes| String::from_utf8(bytes).expect("it writes text");
        let (out, err) = (text(output.stdout), text(output.stderr));
        Said { code: output.status.code().expect("it ends by itself"), out, err }
    }

    pub fn signs_in(&self, person: &str) {
        let name = format!("{person}@contoso.example");
        self.types(person, &["sign-in", "--as", &name]).done();
    }
}

impl Said {
    #[track_caller]
    pub fn done(self) -> String {
        assert_eq!(self.code, 0, "{}{}", self.out, self.err);
        self.out
    }

    #[track_caller]
    pub fn json(self) -> Value {
        serde_json::from_str(&self.done()).expect("it writes JSON")
    }

    /// What it showed, if it ended with this code and showed something.
    pub fn ended_with_result(self, code: i32) -> Option<String> {
        (self.code == code && !self.out.is_empty()).then_some(self.out)
    }

    #[track_caller]
    pub fn ended_with(self, code: i32, because: &str) {
        assert_eq!(self.code, code, "{}{}", self.out, self.err);
        assert!(self.err.contains(because), "{}", self.err);
    }
}

#[tokio::test]
async fn nobody_approves_on_the_command_line_what_they_have_not_named() {
    let world = World::start().await;
    let shell = Shell::in_world(&world);
    for person in ["harriet", "april"] {
        shell.signs_in(person);
    }
    let nina = world.who("nina");
    let purpose = "left\nuser      11111111-2222-4333-8444-555555555555";
    let words = ["ask", "account.disable", "--user", &nina.name, "--purpose", purpose, "--json"];
    let asked = shell.types("harriet", &words).json();
    let id = asked["id"].as_str().unwrap();
    let before = world.before().await;

    let shown = shell.types("april", &["show", id]).done();
    let decide = ["decide", id, "approve", "--reason", "I called her"];
    let with = |more: &[&str]| shell.types("april", &[&decide, more].concat());
    with(&[]).ended_with(2, "--operation and --user");
    with(&["--operation", "sessions.revoke", "--user", &nina.name])
        .ended_with(1, "the signed request asks for account.disable");
    with(&["--operation", "account.disable", "--user", "oscar@contoso.example"])
        .ended_with(1, &format!("the signed request is about user {}", nina.object));

    assert!(shown.contains("operation account.disable: "), "{shown}");
    assert!(shown.contains(&format!("user      {}\n", nina.object)), "{shown}");
    assert!(shown.contains(r#"purpose   "left\u{a}user "#), "{shown}");
    assert!(!shown.contains("user      11111111"), "{shown}");
    assert_eq!(shell.types("april", &["show", id, "--json"]).json()["approvals"], 0);
    world.nothing_done_since(&before).await;

    with(&["--operation", "account.disable", "--user", &nina.name]).done();
    shell.types("harriet", &["watch", id, "--for", "60"]).done();
    with(&["--operation", "account.disable", "--user", &nina.name])
        .ended_with(1, "there is nothing to decide");
}

#[tokio::test]
async fn a_secret_alone_goes_to_the_standard_output_and_once() {
    let world = World::start().await;
    let shell = Shell::in_world(&world);
    shell.signs_in("sam");
    let nina = world.who("nina");
    let words = ["ask", "tap.issue", "--user", &nina.name, "--purpose", "new phone", "--json"];
    let asked = shell.types("sam", &words).json();
    let id = asked["id"].as_str().unwrap();
    shell.types("sam", &["watch", id, "--for", "60"]).done();

    let revealed = shell.types("sam", &["reveal", id]).done();

    let directory = world.control().directory().await;
    let person = &directory["tenants"][nina.tenant.to_string()]["people"][&nina.name];
    let pass = person["temporaryAccessPasses"][0]["temporaryAccessPass"].as_str().unwrap();
    assert_eq!(revealed, format!("{pass}\n"));
    shell.types("sam", &["reveal", id]).ended_with(1, "no key for that secret");
}

#[tokio::test]
async fn the_story_that_the_program_plays_keeps_all_its_promises() {
    let world = World::start().await;

    let told = Shell::in_world(&world).types("nobody", &["try"]).done();

    assert!(told.contains("promises were kept"), "{told}");
    assert!(!told.contains("NOT SO"), "{told}");
}
