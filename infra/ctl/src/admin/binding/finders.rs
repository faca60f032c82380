//! Who may ask for what is taken away because it was found: drift, and nobody else.

use airlock_core::{
    binding::{Producer, SignedBy, Terms},
    catalog::{OPERATIONS, TargetKind},
};

use super::NotBound;

/// Makes sure that what is taken away because it was found is listed for drift alone, that drift
/// is listed for nothing else, and that it is listed once.
pub(super) fn check(terms: &Terms) -> Result<(), NotBound> {
    let services = terms.services.iter();
    let services = services.map(|each| (&each.name, &each.operations, false));
    let producers = terms.producers.iter();
    let producers = producers.map(|each| (&each.name, &each.operations, is_drift(each)));
    for (caller, operations, finds) in services.chain(producers) {
        for operation in operations {
            if is_found(operation) != finds {
                let (caller, operation) = (caller.clone(), operation.clone());
                return Err(NotBound::Finder { caller, operation });
            }
        }
    }
    match terms.producers.iter().filter(|each| is_drift(each)).count() {
        0 | 1 => Ok(()),
        _ => Err(NotBound::DriftTwice(terms.name.clone())),
    }
}

fn is_drift(producer: &Producer) -> bool {
    producer.signed_by == SignedBy::Drift
}

/// Whether an operation is asked for only by what was found.
fn is_found(operation: &str) -> bool {
    let entries = OPERATIONS.iter().map(|known| known.entry());
    let is_it = |entry: &&'static airlock_core::catalog::Entry| entry.name == operation;
    entries.filter(is_it).any(|entry| entry.target == TargetKind::Application)
}
