//! What is deployed: each app's package, and the settings it runs with.

use std::{collections::BTreeMap, fs, io, os::unix::fs::PermissionsExt as _, path::Path};

use anyhow::Context as _;

use crate::{
    arm,
    cloud::Names,
    identities::{self, Identities},
};

/// The apps, each with a package, a process and an identity of its own.
pub const APPS: [&str; 5] = ["signin", "intake", "execute", "rotate", "drift"];
/// The program in every package.
const HANDLER: &str = "handler";
/// Read and executed by all, as Azure needs it.
const EXECUTABLE: u32 = 0o755;

/// Lays host.json, the app's functions and its program beside each other, in place of what was in
/// the folder. Its `manifest.json` is not from here: the admin plane signs it into the package.
///
/// # Errors
///
/// If something cannot be read or written.
pub fn lay(sources: &Path, app: &str, package: &Path, program: &Path) -> anyhow::Result<()> {
    match fs::remove_dir_all(package) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => {
            return Err(error).with_context(|| package.display().to_string());
        }
        _ => fs::create_dir_all(package).with_context(|| package.display().to_string())?,
    }
    copy(&sources.join("host.json"), &package.join("host.json"))?;
    let functions = sources.join("functions").join(app);
    for entry in fs::read_dir(&functions).with_context(|| functions.display().to_string())? {
        let function = entry?;
        let folder = package.join(function.file_name());
        fs::create_dir(&folder).with_context(|| folder.display().to_string())?;
        copy(&function.path().join("function.json"), &folder.join("function.json"))?;
    }
    lay_program(program, &package.join(HANDLER))
}

/// A hard link where that is possible: debug builds are large, and cargo replaces the file it
/// builds instead of writing into it, so the package keeps what it was given.
fn lay_program(program: &Path, handler: &Path) -> anyhow::Result<()> {
    let mode = fs::metadata(program)
        .with_context(|| format!("{} was not built", program.display()))?
        .permissions()
        .mode();
    if mode & 0o777 == EXECUTABLE && fs::hard_link(program, handler).is_ok() {
        return Ok(());
    }
    copy(program, handler)?;
    fs::set_permissions(handler, fs::Permissions::from_mode(EXECUTABLE))
        .with_context(|| handler.display().to_string())
}

fn copy(from: &Path, to: &Path) -> anyhow::Result<()> {
    fs::copy(from, to).map(drop).with_context(|| format!("{} to {}", from.display(), to.display()))
}

/// The host name of an app, as Azure gives it.
#[must_use]
pub fn host(app: &str) -> String {
    format!("{}.azurewebsites.net", arm::site(app))
}

/// The app settings: the same names as in Azure, and the only thing that differs between stages.
/// None of them is a secret, and none can move trust.
///
/// # Errors
///
/// If the app has no identity, or that has not the keys that an app needs.
pub fn settings(
    identities: &Identities,
    names: &Names,
    app: &str,
) -> anyhow::Result<BTreeMap<String, String>> {
    let identity =
        identities.identities.get(app).with_context(|| format!("{app} has no identity"))?;
    let key = |keys: &[String]| keys.first().cloned().with_context(|| format!("{app} lacks a key"));
    let client = identities::client_id(app).to_string();
    let settings = [
        ("AIRLOCK_CLIENT_ID", client.clone()),
        ("AIRLOCK_SIGNING_KEY", key(&identity.keys.sign)?),
        ("AIRLOCK_DATA_KEY", key(&identity.keys.wrap)?),
        ("AIRLOCK_DATABASE", "airlock".to_owned()),
        ("AIRLOCK_LOG", "info".to_owned()),
        // Read by the host, for its triggers.
        ("AirlockBus__fullyQualifiedNamespace", names.bus.clone()),
        ("AirlockBus__credential", "managedidentity".to_owned()),
        ("AirlockBus__clientId", client),
    ];
    Ok(settings.map(|(name, value)| (name.to_owned(), value)).into())
}

#[cfg(test)]
mod tests {
    use serde_json::Value;

    use super::*;

    #[test]
    fn the_sample_of_local_settings_names_exactly_the_settings_that_an_app_gets() {
        let sources = Path::new(env!("CARGO_MANIFEST_DIR")).join("../..");
        let sample = fs::read(sources.join("local.settings.sample.json")).unwrap();
        let sample: Value = serde_json::from_slice(&sample).unwrap();
        let identities = Identities::parse(crate::IDENTITIES).unwrap();
        let names = crate::names(&crate::Addresses::default());

        let mut given = settings(&identities, &names, "signin").unwrap();
        given.insert("FUNCTIONS_WORKER_RUNTIME".to_owned(), "custom".to_owned());

        let mut sampled: Vec<&String> = sample["Values"].as_object().unwrap().keys().collect();
        sampled.sort();
        assert_eq!(sampled, given.keys().collect::<Vec<_>>());
        for name in ["AIRLOCK_SIGNING_KEY", "AIRLOCK_DATA_KEY", "AIRLOCK_DATABASE", "AIRLOCK_LOG"] {
            assert_eq!(sample["Values"][name], given[name], "{name}");
        }
    }

    #[test]
    fn every_app_has_settings_and_functions() {
        let sources = Path::new(env!("CARGO_MANIFEST_DIR")).join("../..");
        let identities = Identities::parse(crate::IDENTITIES).unwrap();
        let names = crate::names(&crate::Addresses::default());

        for app in APPS {
            assert!(settings(&identities, &names, app).is_ok(), "{app}");
            assert!(sources.join("functions").join(app).is_dir(), "{app}");
        }
    }
}
