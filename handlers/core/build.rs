//! Validates the policies against their schema: what does not fit is not built. Lists the functions
//! of each app, which drift compares with what runs.

use std::{env, error::Error, fmt::Write as _, fs, path::Path, str::FromStr as _};

use cedar_policy::{PolicySet, Schema, ValidationMode, Validator};
use serde_json::Value;

const SCHEMA: &str = "src/policies/airlock.cedarschema";
const POLICIES: &str = "src/policies/airlock.cedar";
const FUNCTIONS: &str = "../../functions";

fn main() -> Result<(), Box<dyn Error>> {
    println!("cargo::rerun-if-changed=src/policies");
    println!("cargo::rerun-if-changed={FUNCTIONS}");
    policies()?;
    #[expect(clippy::disallowed_methods, reason = "so cargo tells a build script where to write")]
    let folder = env::var("OUT_DIR")?;
    let functions = Path::new(&folder).join("functions.rs");
    Ok(fs::write(functions, listed()?)?)
}

fn policies() -> Result<(), Box<dyn Error>> {
    let (schema, _) = Schema::from_cedarschema_str(&fs::read_to_string(SCHEMA)?)?;
    let policies = PolicySet::from_str(&fs::read_to_string(POLICIES)?)?;
    let validation = Validator::new(schema).validate(&policies, ValidationMode::Strict);
    match validation.validation_errors().next() {
        Some(error) => Err(error.to_string().into()),
        None => Ok(()),
    }
}

/// App, function and type of trigger, of every function.
fn listed() -> Result<String, Box<dyn Error>> {
    let mut all = Vec::new();
    for app in fs::read_dir(FUNCTIONS)? {
        let app = app?;
        for function in fs::read_dir(app.path())? {
            let function = function?;
            let file: Value =
                serde_json::from_slice(&fs::read(function.path().join("function.json"))?)?;
            let bindings = file["bindings"].as_array().ok_or("function.json without bindings")?;
            let types = bindings.iter().filter_map(|binding| binding["type"].as_str());
            for trigger in types.filter(|kind| kind.ends_with("Trigger")) {
                let (app, function) = (app.file_name(), function.file_name());
                let (app, function) = (app.to_string_lossy(), function.to_string_lossy());
                all.push((app.into_owned(), function.into_owned(), trigger.to_owned()));
            }
        }
    }
    all.sort_unstable();
    let mut text = String::from("const FUNCTIONS: &[(&str, &str, &str)] = &[\n");
    for row in all {
        writeln!(text, "    {row:?},")?;
    }
    text.push_str("];\n");
    Ok(text)
}
