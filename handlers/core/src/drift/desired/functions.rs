//! The functions of each app and what calls them, as `functions/` has them at build time.

use std::collections::{BTreeMap, BTreeSet};

use crate::{
    drift::actual::{Function, Name},
    identity::App,
};

include!(concat!(env!("OUT_DIR"), "/functions.rs"));

/// The functions that an app shall have.
#[must_use]
pub fn functions(app: App) -> BTreeSet<Function> {
    let mut all = BTreeMap::<Name, BTreeSet<Name>>::new();
    for (of, name, trigger) in FUNCTIONS {
        if *of == app.to_string() {
            all.entry(Name::new(name)).or_default().insert(Name::new(trigger));
        }
    }
    all.into_iter().map(|(name, triggers)| Function { name, triggers }).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn inner_apps_have_no_http_trigger_but_for_health() {
        for app in [App::Execute, App::Rotate, App::Drift] {
            let functions = functions(app);
            assert!(functions.len() > 1, "{app}");
            for function in functions {
                let http = function.triggers.contains(&Name::new("httpTrigger"));
                assert_eq!(http, function.name == Name::new("health"), "{app} {function:?}");
            }
        }
    }
}
