//! What somebody meant who mistyped a name.

use strsim::normalized_damerau_levenshtein;

/// How much alike two names must be, from 0 to 1: two of five letters may be wrong.
const ALIKE: f64 = 0.6;

/// How much less alike than the most alike a name may be to be suggested beside it.
const CLOSE: f64 = 0.1;

/// The most names that are listed.
const MOST: usize = 20;

/// A suggestion: the names most like the typed one, or else all that there are.
pub fn suggestion<'a>(typed: &str, names: impl IntoIterator<Item = &'a str>) -> String {
    let names: Vec<&str> = names.into_iter().collect();
    let likenesses: Vec<f64> = names.iter().map(|name| likeness(typed, name)).collect();
    let best = likenesses.iter().copied().fold(0.0, f64::max);
    let nearest: Vec<&str> = names
        .iter()
        .zip(&likenesses)
        .filter(|(_, likeness)| **likeness >= ALIKE && **likeness >= best - CLOSE)
        .map(|(name, _)| *name)
        .collect();
    match (nearest.as_slice(), names.as_slice()) {
        ([], []) => "there are none".to_owned(),
        ([], all) if all.len() > MOST => "there is none like it".to_owned(),
        ([], all) => format!("there are {}", all.join(", ")),
        (nearest, _) => format!("did you mean {}?", nearest.join(" or ")),
    }
}

/// From 0 to 1. A domain that two names share makes them no more alike.
fn likeness(typed: &str, name: &str) -> f64 {
    match (typed.split_once('@'), name.split_once('@')) {
        (Some((typed, here)), Some((name, there))) if here == there => {
            normalized_damerau_levenshtein(typed, name)
        }
        _ => normalized_damerau_levenshtein(typed, name),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_slip_is_told_what_was_meant_and_anything_else_what_there_is() {
        let names = ["account.disable", "account.enable", "tap.issue"];

        assert_eq!(suggestion("tap.isue", names), "did you mean tap.issue?");
        assert_eq!(suggestion("account.disabel", names), "did you mean account.disable?");
        let both = "did you mean account.disable or account.enable?";
        assert_eq!(suggestion("account.xxable", names), both);
        assert_eq!(
            suggestion("fly", names),
            "there are account.disable, account.enable, tap.issue"
        );
        assert_eq!(suggestion("fly", []), "there are none");
        assert_eq!(suggestion("fly", ["walk"; 21]), "there is none like it");
    }

    #[test]
    fn people_of_one_domain_are_not_alike_for_that() {
        let people = ["nina@contoso.example", "oscar@contoso.example", "sam@other.example"];
        let nina = "did you mean nina@contoso.example?";

        assert_eq!(suggestion("nino@contoso.example", people), nina);
        assert!(suggestion("fly@contoso.example", people).starts_with("there are nina"));
    }
}
