//! Who is who, as far as this program can say: whoever is signed in, and the local cloud's people.
//!
//! A name is only a help for the eye: what is signed names ids, and they are shown beside it.

use std::collections::BTreeMap;

use airlock_core::identity::{ObjectId, PersonId};

use crate::{
    foreign::Word,
    stack::{Directory, Stack},
};

/// Names of people.
#[derive(Clone, Debug, Default)]
pub struct People {
    names: BTreeMap<PersonId, String>,
    me: Option<PersonId>,
}

impl People {
    /// Whoever this program knows beside the person who uses it.
    ///
    /// A local cloud that does not tell names keeps nobody from their work: ids are shown then.
    pub async fn around(stack: Option<&Stack>, me: PersonId) -> Self {
        let directory = match stack {
            Some(stack) => stack.directory().await.ok(),
            None => None,
        };
        Self::of(directory, Some(me))
    }

    fn of(directory: Option<Directory>, me: Option<PersonId>) -> Self {
        let tenants = directory.into_iter().flat_map(|directory| directory.tenants);
        let names = tenants.flat_map(|(tid, tenant)| {
            let person = move |(name, person): (String, crate::stack::Person)| {
                (PersonId { tid, oid: person.id }, name)
            };
            tenant.people.into_iter().map(person)
        });
        Self { names: names.collect(), me }
    }

    /// What somebody is called, if that is known.
    #[must_use]
    pub fn name(&self, person: PersonId) -> Option<String> {
        let name = self.names.get(&person).map(|name| Word(name).to_string());
        match (self.me == Some(person), name) {
            (true, Some(name)) => Some(format!("{name} (you)")),
            (true, None) => Some("you".to_owned()),
            (false, name) => name,
        }
    }

    /// What a principal is called, who need not be a person.
    #[must_use]
    pub fn of_principal(&self, principal: &str) -> Option<String> {
        self.name(person(principal)?)
    }

    /// In a few letters: a name, or the beginning of an id.
    #[must_use]
    pub fn briefly(&self, principal: &str) -> String {
        match person(principal) {
            Some(person) => self.name(person).unwrap_or_else(|| short(person.oid)),
            None => Word(principal).to_string(),
        }
    }

    /// The same of a user of a tenant.
    #[must_use]
    pub fn user_briefly(&self, user: PersonId) -> String {
        self.name(user).unwrap_or_else(|| short(user.oid))
    }
}

/// Its part before the first hyphen.
fn short(id: ObjectId) -> String {
    let id = id.to_string();
    id.split('-').next().unwrap_or_default().to_owned()
}

/// The person whom a principal's name names: `entra:<tenant>:<object>`.
fn person(principal: &str) -> Option<PersonId> {
    let (tid, oid) = principal.strip_prefix("entra:")?.split_once(':')?;
    Some(PersonId { tid: tid.parse().ok()?, oid: oid.parse().ok()? })
}

#[cfg(test)]
pub mod tests {
    use serde_json::json;

    use super::*;

    const TENANT: &str = "605d9d43-3534-4810-8152-9d01a268ad22";
    const NINA: &str = "11111111-2222-4333-8444-555555555555";

    fn id(oid: &str) -> PersonId {
        PersonId { tid: TENANT.parse().unwrap(), oid: oid.parse().unwrap() }
    }

    /// People among whom one user is called so, seen by this person.
    pub fn among(user: PersonId, name: &str, me: PersonId) -> People {
        let person = json!({ "id": user.oid, "displayName": "N", "accountEnabled": true });
        let directory = json!({ "tenants": {
            user.tid.to_string(): { "domain": "d.example", "people": { name: person } },
        } });
        People::of(serde_json::from_value(directory).unwrap(), Some(me))
    }

    #[test]
    fn somebody_is_called_by_name_where_it_is_known_and_else_by_the_beginning_of_their_id() {
        let me = "33333333-2222-4333-8444-555555555555";
        let people = among(id(NINA), "nina@contoso.example", id(me));
        let elsewhere = "012cf276-003e-4e7a-ab5d-345607b83f7e";

        for (principal, called) in [
            (format!("entra:{TENANT}:{NINA}"), "nina@contoso.example"),
            (format!("entra:{TENANT}:{me}"), "you"),
            // An object id means nothing without its tenant.
            (format!("entra:{elsewhere}:{NINA}"), "11111111"),
            ("service:hr-system".to_owned(), "service:hr-system"),
            (format!("entra:{TENANT}"), &*format!("entra:{TENANT}")),
        ] {
            assert_eq!(people.briefly(&principal), called, "{principal}");
        }
        let own = among(id(NINA), "nina@contoso.example", id(NINA));
        assert_eq!(own.name(id(NINA)).unwrap(), "nina@contoso.example (you)");
    }

    #[test]
    fn a_name_cannot_steer_a_terminal() {
        let people = among(id(NINA), "nina\u{1b}[1A@contoso.example", id(TENANT));

        assert!(!people.name(id(NINA)).unwrap().contains('\u{1b}'));
    }
}
