//! How one tenant's terms differ from others, for whoever reviews them.

use std::{collections::BTreeSet, fmt};

use airlock_core::binding::Terms;
use serde_json::Value;

use crate::foreign::Plain;

/// What was taken away and what was added, each with the place where it stands.
#[derive(Debug, Default, PartialEq, Eq)]
pub struct Difference {
    removed: BTreeSet<(String, String)>,
    added: BTreeSet<(String, String)>,
}

impl Difference {
    /// From what stands to what is wanted; from nothing, if nothing stands.
    ///
    /// # Errors
    ///
    /// Never: terms have a JSON form.
    pub fn between(standing: Option<&Terms>, wanted: &Terms) -> Result<Self, serde_json::Error> {
        let old = match standing {
            Some(terms) => leaves(terms)?,
            None => BTreeSet::new(),
        };
        let new = leaves(wanted)?;
        let removed = old.difference(&new).cloned().collect();
        Ok(Self { removed, added: new.difference(&old).cloned().collect() })
    }

    /// Whether the terms say the same, in whatever order.
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

fn leaves(terms: &Terms) -> Result<BTreeSet<(String, String)>, serde_json::Error> {
    let mut found = BTreeSet::new();
    walk(&serde_json::to_value(terms)?, "", &mut found);
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

    fn told(change: impl FnOnce(&mut Value)) -> String {
        Difference::between(Some(&terms(|_| ())), &terms(change)).unwrap().to_string()
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

        assert!(Difference::between(Some(&terms(|_| ())), &turned).unwrap().is_empty());
    }

    #[test]
    fn a_tenant_that_is_bound_for_the_first_time_is_all_new() {
        let all = Difference::between(None, &terms(|_| ())).unwrap();

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
