//! Validates the policies against their schema: what does not fit is not built.

use std::{error::Error, fs, str::FromStr as _};

use cedar_policy::{PolicySet, Schema, ValidationMode, Validator};

const SCHEMA: &str = "src/policies/airlock.cedarschema";
const POLICIES: &str = "src/policies/airlock.cedar";

fn main() -> Result<(), Box<dyn Error>> {
    println!("cargo::rerun-if-changed=src/policies");
    let (schema, _) = Schema::from_cedarschema_str(&fs::read_to_string(SCHEMA)?)?;
    let policies = PolicySet::from_str(&fs::read_to_string(POLICIES)?)?;
    let validation = Validator::new(schema).validate(&policies, ValidationMode::Strict);
    match validation.validation_errors().next() {
        Some(error) => Err(error.to_string().into()),
        None => Ok(()),
    }
}
