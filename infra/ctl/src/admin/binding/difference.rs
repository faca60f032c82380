//! How one tenant's terms and secrets differ from others, for whoever reviews them.

use std::{collections::BTreeSet, fmt};

use airlock_core::{binding::Terms, secret_binding::Secrets};
use serde::Serialize;
use serde_json::Value;

use crate::foreign::Plain;

/// What was taken away and what was added, each with the place where it stands.
#[derive(Debug, Default, PartialEq, Eq)]
pub struct Difference {
    removed: BTreeSet<(String, String)>,
    added: BTreeSet<(String, String)>,
}

/// What holds in a tenant: its terms, and the secrets that are changed there.
#[derive(Clone, Copy, Debug)]
pub struct Said<'a> {
    /// Its terms.
    pub terms: &'a Terms,
    /// Its secrets.
    pub secrets: &'a Secrets,
}

impl Difference {
    /// From what stands to what is wanted; from nothing, if nothing stands.
    ///
    /// # Errors
    ///
    /// Never: terms and secrets have a JSON form.
    pub fn between(
        standing: Option<Said<'_>>,
        wanted: Said<'_>,
    ) -> Result<Self, serde_json::Error> {
        let old = match standing {
            Some(said) => leaves(said)?,
            None => BTreeSet::new(),
        };
        let new = leaves(wanted)?;
        let removed = old.difference(&new).cloned().collect();
        Ok(Self { removed, added: new.difference(&old).cloned().collect() })
    }

    /// From what is changed on schedule to what shall be.
    ///
    /// # Errors
    ///
    /// Never: secrets have a JSON form.
    pub fn of_secrets<D: Clone + Serialize>(
        standing: &Secrets<D>,
        wanted: &Secrets<D>,
    ) -> Result<Self, serde_json::Error> {
        let leaves = |secrets: &Secrets<D>| {
            let mut found = BTreeSet::new();
            walk(&serde_json::to_value(secrets)?, "secrets", &mut found);
            Ok::<_, serde_json::Error>(found)
        };
        let (old, new) = (leaves(standing)?, leaves(wanted)?);
        let removed = old.difference(&new).cloned().collect();
        Ok(Self { removed, added: new.difference(&old).cloned().collect() })
    }

    /// Whether both say the same, in whatever order.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.removed.is_empty() && self.added.is_empty()
    }

    fn places(&self) -> BTreeSet<&str> {
        self.removed.iter().chain(&self.added).map(|(place, _)| place.as_str()).collect()
    }
}

/// One line for each place and value.
impl fmt::Display for Difference {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let at = |set: &BTreeSet<(String, String)>, place: &str| -> Vec<String> {
            set.iter().filter(|(at, _)| at == place).map(|(_, value)| value.clone()).collect()
        };
        let mut lines = Vec::new();
        for place in self.places() {
            match (&at(&self.removed, place)[..], &at(&self.added, place)[..]) {
                ([old], [new]) => lines.push(('~', format!("{place}: {old} -> {new}"))),
                (removed, added) => {
                    lines.extend(removed.iter().map(|value| ('-', format!("{place}: {value}"))));
                    lines.extend(added.iter().map(|value| ('+', format!("{place}: {value}"))));
                }
            }
        }
        for (position, (sign, line)) in lines.iter().enumerate() {
            let end = if position == 0 { "" } else { "\n" };
            write!(formatter, "{end}  {sign} {}", Plain(line))?;
        }
        Ok(())
    }
}

fn leaves(said: Said<'_>) -> Result<BTreeSet<(String, String)>, serde_json::Error> {
    let mut found = BTreeSet::new();
    walk(&serde_json::to_value(said.terms)?, "", &mut found);
    walk(&serde_json::to_value(said.secrets)?, "secrets", &mut found);
    Ok(found)
}

/// Values with their places. Lists are sets: where something stands in one means nothing.
fn walk(value: &Value, place: &str, found: &mut BTreeSet<(String, String)>) {
    match value {
        Value::Object(members) => {
            let dot = if place.is_empty() { "" } else { "." };
            for (name, member) in members {
                walk(member, &format!("{place}{dot}{name}"), found);
            }
        }
        Value::Array(items) => {
            for item in items {
                match name(item) {
                    Some(name) => walk(item, &format!("{place}[{name}]"), found),
                    None => walk(item, place, found),
                }
            }
        }
        scalar => drop(found.insert((place.to_owned(), scalar.to_string()))),
    }
}

/// What an item of a list is known by, if it is more than a value.
fn name(item: &Value) -> Option<&str> {
    ["name", "tenant"].iter().find_map(|member| item.get(member)?.as_str())
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    const OWN: &str = "605d9d43-3534-4810-8152-9d01a268ad22";

    fn terms(change: impl FnOnce(&mut Value)) -> Terms {
        let mut terms = json!({
            "name": "Contoso",
            "home_tenants": [{ "tenant": OWN, "roles": ["Approver", "Auditor"] }],
            "protected_groups": [OWN],
        });
        change(&mut terms);
        serde_json::from_value(terms).unwrap()
    }

    fn secrets(secrets: Value) -> Secrets {
        serde_json::from_value(secrets).unwrap()
    }

    fn between(standing: Option<&Terms>, wanted: &Terms) -> Difference {
        let none = Secrets::default();
        let said = |terms| Said { terms, secrets: &none };
        Difference::between(standing.map(said), said(wanted)).unwrap()
    }

    fn told(change: impl FnOnce(&mut Value)) -> String {
        between(Some(&terms(|_| ())), &terms(change)).to_string()
    }

    #[test]
    fn secrets_are_told_by_their_names_one_by_one() {
        let secret = |name: &str, days: u32| {
            json!({
                "name": name, "max_age_days": days, "overlap_hours": 24,
                "driver": { "kind": "key_vault_key", "key": format!("{name}-key") },
            })
        };
        let terms = terms(|_| ());
        let [old, new] = [
            json!([secret("data", 90), secret("gone", 30)]),
            json!([secret("more", 30), secret("data", 60)]),
        ]
        .map(secrets);

        let told = Difference::between(
            Some(Said { terms: &terms, secrets: &old }),
            Said { terms: &terms, secrets: &new },
        );

        assert_eq!(
            told.unwrap().to_string(),
            "  ~ secrets[data].max_age_days: 90 -> 60\n  \
             - secrets[gone].driver.key: \"gone-key\"\n  \
             - secrets[gone].driver.kind: \"key_vault_key\"\n  \
             - secrets[gone].max_age_days: 30\n  \
             - secrets[gone].name: \"gone\"\n  \
             - secrets[gone].overlap_hours: 24\n  \
             + secrets[more].driver.key: \"more-key\"\n  \
             + secrets[more].driver.kind: \"key_vault_key\"\n  \
             + secrets[more].max_age_days: 30\n  \
             + secrets[more].name: \"more\"\n  \
             + secrets[more].overlap_hours: 24"
        );
    }

    #[test]
    fn a_reviewer_reads_what_is_added_removed_and_changed_and_nothing_else() {
        assert_eq!(told(|_| ()), "");
        assert_eq!(
            told(|terms| {
                terms["quotas"] = json!({ "tenant": 500, "caller": 100, "attested": 30 });
                terms["home_tenants"][0]["roles"] =
                    json!(["Approver", "HelpdeskAgent", "TenantAdmin"]);
                terms["protected_groups"] = json!([]);
                terms["operations"] = json!({ "tap.issue": { "approvals": 2 } });
            }),
            format!(
                "  - home_tenants[{OWN}].roles: \"Auditor\"\n  \
                 + home_tenants[{OWN}].roles: \"HelpdeskAgent\"\n  \
                 + home_tenants[{OWN}].roles: \"TenantAdmin\"\n  \
                 + operations.tap.issue.approvals: 2\n  \
                 + operations.tap.issue.off: false\n  \
                 + operations.tap.issue.ticket: false\n  \
                 - protected_groups: \"{OWN}\"\n  \
                 ~ quotas.tenant: 1000 -> 500"
            )
        );
    }

    #[test]
    fn the_order_of_a_list_is_no_difference() {
        let turned = terms(|terms| {
            terms["home_tenants"][0]["roles"] = json!(["Auditor", "Approver"]);
        });

        assert!(between(Some(&terms(|_| ())), &turned).is_empty());
    }

    #[test]
    fn a_tenant_that_is_bound_for_the_first_time_is_all_new() {
        let all = between(None, &terms(|_| ()));

        assert!(all.removed.is_empty());
        assert!(all.to_string().contains("  + name: \"Contoso\""), "{all}");
    }

    #[test]
    fn a_name_in_the_terms_cannot_steer_the_terminal() {
        let shown = told(|terms| terms["name"] = json!("\u{1b}[2KContoso\u{202e}"));

        assert!(!shown.contains(['\u{1b}', '\u{202e}']), "{shown}");
        assert_eq!(shown.lines().count(), 1);
    }
}
