//! The admin plane: what platform engineers do, as they type it.

use std::{
    fs,
    path::{Path, PathBuf},
    process::{Child, Command, Stdio},
};

use serde_json::{Value, json};

use super::{LATER, World, eventually, program};

/// A platform engineer's shell.
pub struct Desk<'a> {
    world: &'a World,
    deployment: PathBuf,
}

/// How a command ended.
#[derive(Debug)]
pub struct Said {
    /// Its exit code.
    pub code: i32,
    /// What it wrote to its standard output.
    pub out: String,
    /// What it wrote to its standard error.
    pub err: String,
}

impl<'a> Desk<'a> {
    /// The desk of those who look after this world.
    #[must_use]
    pub fn of(world: &'a World) -> Self {
        let deployment = world.stack()["deployment"].as_str().expect("stack.json names it");
        Self { world, deployment: deployment.into() }
    }

    /// Starts `airlockctl admin` with these words.
    #[must_use]
    pub fn begins(&self, words: &[&str]) -> Child {
        let environment = self.world.stack()["admin"].as_object().expect("an environment");
        let text = |value: &'a Value| value.as_str().expect("a variable is text");
        Command::new(program("airlockctl"))
            .arg("admin")
            .args(words)
            .arg("--deployment")
            .arg(&self.deployment)
            .env_clear()
            .envs(environment.iter().map(|(name, value)| (name, text(value))))
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .expect("the program starts")
    }

    /// Runs `airlockctl admin` with these words.
    #[must_use]
    pub fn types(&self, words: &[&str]) -> Said {
        Said::by(self.begins(words))
    }

    /// The keyset, as the admin plane shows it.
    #[must_use]
    pub fn keyset(&self) -> Value {
        let shown = self.types(&["keys", "show", "--json"]).done();
        serde_json::from_str(&shown).expect("it writes JSON")
    }

    /// A file beside the deployment's own.
    #[must_use]
    pub fn file(&self, name: &str) -> PathBuf {
        self.world.state().join(name)
    }

    /// The reviewed bindings, with something changed in the first tenant's terms.
    #[must_use]
    pub fn reviewed(&self, change: impl FnOnce(&mut Value)) -> PathBuf {
        let deployment = read(&self.deployment);
        let bindings = deployment["bindings"].as_str().expect("a deployment names its bindings");
        let mut bindings = read(Path::new(bindings));
        change(&mut bindings["tenants"][0]["terms"]);
        self.written(&bindings)
    }

    fn written(&self, bindings: &Value) -> PathBuf {
        let file = self.file("reviewed.json");
        fs::write(&file, bindings.to_string()).expect("a file");
        file
    }

    /// The reviewed bindings, with other secrets of the first tenant.
    #[must_use]
    pub fn reviewed_secrets(&self, change: impl FnOnce(&mut Vec<Value>)) -> PathBuf {
        let deployment = read(&self.deployment);
        let bindings = deployment["bindings"].as_str().expect("a deployment names its bindings");
        let mut bindings = read(Path::new(bindings));
        change(bindings["tenants"][0]["secrets"].as_array_mut().expect("a list of secrets"));
        self.written(&bindings)
    }

    /// Binds other secrets for the first tenant.
    pub fn rebind_secrets(&self, change: impl FnOnce(&mut Vec<Value>)) {
        let reviewed = self.reviewed_secrets(change);
        self.types(&["bind", "--file", reviewed.to_str().expect("a path in UTF-8")]).done();
    }

    /// Gives the first tenant other terms.
    pub fn rebind(&self, change: impl FnOnce(&mut Value)) {
        let reviewed = self.reviewed(change);
        self.types(&["bind", "--file", reviewed.to_str().expect("a path in UTF-8")]).done();
    }

    /// Lets everyone in the first tenant ask as often as they like.
    pub fn lift_quotas(&self) {
        let often = 1_000_000;
        self.rebind(|terms| {
            terms["quotas"] = json!({ "tenant": often, "caller": often, "attested": often });
        });
    }

    /// Brings a tenant back whose tree was refused a seal: what is planned is signed and applied,
    /// and `drift` opens the next epoch.
    pub async fn recover(&self, tenant: &str, reason: &str) {
        let order = self.file("recovery.jws");
        let order = order.to_str().expect("a path in UTF-8");
        let plan = self.types(&["recover", "plan", "--tenant", tenant]).done();
        assert!(plan.contains("would open epoch"), "{plan}");
        let words = ["recover", "sign", "--tenant", tenant, "--reason", reason, "--out", order];
        self.types(&words).done();
        self.types(&["recover", "apply", order]).done();
        eventually("drift opens the next epoch", LATER, async || {
            self.world.control().fire("drift", "seal").await;
            self.world.stopped(tenant).await.is_none().then_some(())
        })
        .await;
    }
}

fn read(file: &Path) -> Value {
    serde_json::from_slice(&fs::read(file).expect("a file")).expect("a file of JSON")
}

impl Said {
    /// Waits for its end.
    #[must_use]
    pub fn by(program: Child) -> Self {
        let output = program.wait_with_output().expect("the program ends");
        let text = |bytes| String::from_utf8(bytes).expect("it writes text");
        let (out, err) = (text(output.stdout), text(output.stderr));
        Self { code: output.status.code().expect("it ends by itself"), out, err }
    }

    /// What it wrote, of a command that did what it was told.
    #[track_caller]
    #[expect(clippy::must_use_candidate, reason = "most are typed for what they do")]
    pub fn done(self) -> String {
        assert_eq!(self.code, 0, "{}{}", self.out, self.err);
        self.out
    }

    /// Fails the test unless the command was refused, and said this.
    #[track_caller]
    pub fn refused(self, because: &str) {
        assert_eq!(self.code, 1, "{}{}", self.out, self.err);
        assert!(self.err.contains(because), "{}", self.err);
    }
}
