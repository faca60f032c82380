//! The admin plane of the local cloud, for whoever names no deployment.
//!
//! The libraries of Azure's find managed identity, proxy and certificates in environment variables,
//! as the platform sets them. No safe program changes its own: so the command begins again, in the
//! same process, as the local cloud's platform would start it.

use std::{
    env, ffi::OsString, fs, os::unix::process::CommandExt as _, path::PathBuf, process::Command,
};

use anyhow::Context as _;

use crate::{
    Usage,
    cli::{DEPLOYMENT, Place},
    stack::Stack,
};

/// Begins the command again, as the identity `admin` of the local cloud. Comes back with an error,
/// or not at all.
///
/// # Errors
///
/// [`Usage`] if an API is named that is not the local cloud's, or [`crate::stack::NoStack`].
pub fn begin_again(place: &Place) -> anyhow::Result<anyhow::Error> {
    let stack = Stack::read(&place.stack).context(
        "without --deployment the admin plane works on the local cloud, and for another one \
         --deployment names its file",
    )?;
    if place.api.as_ref().is_some_and(|api| *api != stack.api) {
        let why = "an API is named that is not the local cloud's: --deployment names the \
                   deployment that is meant";
        return Err(Usage(why.to_owned()).into());
    }
    let program = env::current_exe().context("where this program is")?;
    let failed = as_admin(&stack, program, env::args_os().skip(1)).exec();
    Ok(anyhow::Error::from(failed).context("not begun again as the admin plane"))
}

/// The local cloud, if it is the deployment that is meant.
pub fn stack(place: &Place, deployment: Option<&PathBuf>) -> Option<Stack> {
    let stack = Stack::read(&place.stack).ok()?;
    let is_same =
        fs::canonicalize(deployment?).ok()? == fs::canonicalize(&stack.deployment).ok()?;
    is_same.then_some(stack)
}

/// Nothing of the person's own environment: it could move trust.
fn as_admin(stack: &Stack, program: PathBuf, words: impl IntoIterator<Item = OsString>) -> Command {
    let mut command = Command::new(program);
    command.args(words).env_clear().envs(&stack.admin).env(DEPLOYMENT, &stack.deployment);
    command
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::scratch::Scratch;

    fn place(scratch: &Scratch, api: Option<&str>) -> Place {
        let file = scratch.path().join("stack.json");
        let stack = json!({
            "api": "http://localhost:7071",
            "pages": "http://127.0.0.1:7072",
            "control": "http://127.0.0.1:7073",
            "control_key": "k",
            "tenant": "605d9d43-3534-4810-8152-9d01a268ad22",
            "deployment": scratch.path().join("deployment.json"),
            "admin": { "IDENTITY_HEADER": "h" },
        });
        fs::write(&file, stack.to_string()).unwrap();
        fs::write(scratch.path().join("deployment.json"), "{}").unwrap();
        let api = api.map(|api| api.parse().unwrap());
        Place { stack: file, api, profile: "me".parse().unwrap(), json: false }
    }

    #[test]
    fn the_command_begins_again_with_what_the_platform_gives_and_nothing_else() {
        let scratch = Scratch::new();
        let stack = Stack::read(&place(&scratch, None).stack).unwrap();
        let words = ["admin", "bind"].map(OsString::from);

        let command = as_admin(&stack, "/bin/airlockctl".into(), words.clone());

        let given: Vec<_> = command
            .get_envs()
            .map(|(name, value)| (name.to_str().unwrap(), value.unwrap().to_owned()))
            .collect();
        let deployment = scratch.path().join("deployment.json").into_os_string();
        assert_eq!(given, [(DEPLOYMENT, deployment), ("IDENTITY_HEADER", "h".into())]);
        assert_eq!(command.get_args().collect::<Vec<_>>(), words);
    }

    #[test]
    fn for_another_api_its_deployment_must_be_named() {
        let scratch = Scratch::new();

        let error = begin_again(&place(&scratch, Some("https://api.example"))).unwrap_err();

        assert!(error.is::<Usage>() && error.to_string().contains("--deployment"), "{error}");
    }

    #[test]
    fn without_a_local_cloud_it_is_said_that_a_deployment_can_be_named() {
        let scratch = Scratch::new();
        let mut nowhere = place(&scratch, None);
        nowhere.stack = scratch.path().join("none.json");

        let error = begin_again(&nowhere).unwrap_err();

        let told = format!("{error:#}");
        assert!(told.contains("--deployment") && told.contains("cargo run"), "{told}");
    }

    #[test]
    fn names_are_asked_of_the_local_cloud_only_if_it_is_the_deployment_that_is_meant() {
        let scratch = Scratch::new();
        let place = place(&scratch, None);
        let other = scratch.path().join("other.json");
        fs::write(&other, "{}").unwrap();

        assert!(stack(&place, Some(&scratch.path().join("deployment.json"))).is_some());
        assert!(stack(&place, Some(&other)).is_none());
        assert!(stack(&place, None).is_none());
    }
}
