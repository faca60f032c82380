//! The next command, as whoever typed this one has to type it.

use std::{fmt, path::Path};

use crate::{
    cli::{Place, STACK},
    person::profile::ProfileName,
};

/// The beginning of a command line: this program, and the options that say where and as whom.
///
/// A hint without them would send somebody to another cloud, or have them act as somebody else.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Again {
    place: String,
    profile: String,
}

/// One word of a command line, as a shell reads it: in quotes where it would read more into it.
#[derive(Clone, Copy, Debug)]
pub struct Typed<'a>(pub &'a str);

impl Again {
    /// As this place was typed.
    #[must_use]
    pub fn of(place: &Place) -> Self {
        let mut typed = "airlockctl".to_owned();
        if place.stack != Path::new(STACK) {
            typed = format!("{typed} --stack {}", Typed(&place.stack.to_string_lossy()));
        }
        if let Some(api) = &place.api {
            typed = format!("{typed} --api {api}");
        }
        Self { place: typed, profile: profile(&place.profile) }
    }

    /// What the same person types next.
    #[must_use]
    pub fn with(&self, words: impl fmt::Display) -> String {
        format!("{}{} {words}", self.place, self.profile)
    }

    /// What somebody else types next, at their own machine or under their own profile.
    #[must_use]
    pub fn with_of_somebody_else(&self, words: impl fmt::Display) -> String {
        format!("{} {words}", self.place)
    }
}

fn profile(name: &ProfileName) -> String {
    match name.to_string().as_str() {
        ProfileName::DEFAULT => String::new(),
        name => format!(" --profile {name}"),
    }
}

impl fmt::Display for Typed<'_> {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let plain = |c: char| c.is_ascii_alphanumeric() || "-_./:@,=+%".contains(c);
        if !self.0.is_empty() && self.0.chars().all(plain) {
            formatter.write_str(self.0)
        } else {
            write!(formatter, "'{}'", self.0.replace('\'', r"'\''"))
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn place(stack: &str, api: Option<&str>, profile: &str) -> Place {
        Place {
            stack: stack.into(),
            api: api.map(|api| api.parse().unwrap()),
            profile: profile.parse().unwrap(),
            json: false,
        }
    }

    #[test]
    fn the_next_command_says_where_and_as_whom_like_the_last_one() {
        let next = |place: &Place| Again::of(place).with("whoami");

        assert_eq!(next(&place(STACK, None, "default")), "airlockctl whoami");
        assert_eq!(
            next(&place("/tmp/my cloud/stack.json", None, "april")),
            "airlockctl --stack '/tmp/my cloud/stack.json' --profile april whoami"
        );
        assert_eq!(
            next(&place(STACK, Some("https://api.example"), "default")),
            "airlockctl --api https://api.example whoami"
        );
    }

    #[test]
    fn somebody_else_is_not_told_to_use_ones_own_profile() {
        let again = Again::of(&place("s.json", None, "april"));

        assert_eq!(again.with_of_somebody_else("review x"), "airlockctl --stack s.json review x");
    }

    #[test]
    fn a_shell_reads_no_more_into_a_word_than_what_stands_there() {
        for (word, typed) in [
            ("a=1", "a=1"),
            ("", "''"),
            ("$(rm)", "'$(rm)'"),
            ("it's", r"'it'\''s'"),
            ("a b", "'a b'"),
        ] {
            assert_eq!(Typed(word).to_string(), typed);
        }
    }
}
