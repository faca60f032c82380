//! What a path of Azure Resource Manager names: a scope, a type, and a name or none.
//!
//! Azure does not tell capitals from small letters in any part of it, so ids are compared by
//! [`key`].

use super::{
    kinds::{AUTHORIZATION, Kind},
    problem::Problem,
};

/// The resource group that everything is in, as its id: `/subscriptions/{id}/resourceGroups/{name}`.
#[derive(Clone, Debug)]
pub struct Group {
    subscription: String,
    name: String,
}

/// What a path names.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Target {
    /// The resource group itself.
    Group,
    /// Every resource in the group, of whatever type.
    Contents,
    /// All of one type below a scope: a resource, the group, or the subscription.
    Collection {
        /// What they are.
        kind: &'static Kind,
        /// Id of what they are below.
        scope: String,
    },
    /// One.
    Item {
        /// What it is.
        kind: &'static Kind,
        /// Its id, as it was written.
        id: String,
    },
}

/// By what ids are compared.
#[must_use]
pub fn key(id: &str) -> String {
    id.to_ascii_lowercase()
}

impl Group {
    /// A group of this subscription.
    #[must_use]
    pub fn new(subscription: &str, name: &str) -> Self {
        Self { subscription: subscription.to_owned(), name: name.to_owned() }
    }

    /// Its id.
    #[must_use]
    pub fn id(&self) -> String {
        format!("{}/resourceGroups/{}", self.subscription_id(), self.name)
    }

    /// Its name.
    #[must_use]
    pub fn name(&self) -> &str {
        &self.name
    }

    /// Id of the subscription.
    #[must_use]
    pub fn subscription_id(&self) -> String {
        format!("/subscriptions/{}", self.subscription)
    }

    /// Reads a path.
    ///
    /// # Errors
    ///
    /// In Azure's words, if it names nothing that there could be.
    pub fn target(&self, path: &str) -> Result<Target, Problem> {
        let segments: Vec<&str> = path.split('/').skip(1).collect();
        let is = |segment: &str, word: &str| segment.eq_ignore_ascii_case(word);
        let [first, subscription, rest @ ..] = segments.as_slice() else {
            return Err(Problem::no_route(path));
        };
        if !is(first, "subscriptions") || segments.iter().any(|segment| segment.is_empty()) {
            return Err(Problem::no_route(path));
        }
        if !is(subscription, &self.subscription) {
            return Err(Problem::no_subscription(subscription));
        }
        let rest = match rest {
            [groups, name, rest @ ..] if is(groups, "resourceGroups") => {
                if !is(name, &self.name) {
                    return Err(Problem::no_group(name));
                }
                match rest {
                    [] => return Ok(Target::Group),
                    [resources] if is(resources, "resources") => return Ok(Target::Contents),
                    rest => rest,
                }
            }
            rest => rest,
        };
        // What stands before the last `providers` is what an assignment is over.
        let at = rest.iter().rposition(|segment| is(segment, "providers"));
        let Some((over, [_, namespace, named @ ..])) = at.map(|at| rest.split_at(at)) else {
            return Err(Problem::no_route(path));
        };
        if !over.is_empty() && !is(namespace, AUTHORIZATION) {
            return Err(Problem::no_route(path));
        }
        let types: Vec<&str> = named.iter().step_by(2).copied().collect();
        let kind = Kind::named(namespace, &types)?;
        if named.len() % 2 == 0 {
            return Ok(Target::Item { kind, id: path.to_owned() });
        }
        // Without the type, and where that is the first, without `providers/{namespace}` either.
        let above = if types.len() == 1 { 3 } else { 1 };
        let scope = segments.get(..segments.len() - above).unwrap_or_default().join("/");
        Ok(Target::Collection { kind, scope: format!("/{scope}") })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SUBSCRIPTION: &str = "11111111-2222-4333-8444-555555555555";

    fn target(below: &str) -> Result<(String, String), String> {
        let group = Group::new(SUBSCRIPTION, "airlock-local");
        match group.target(&below.replace('~', &group.id())) {
            Ok(Target::Collection { kind, scope }) => {
                Ok((kind.to_string(), scope.replace(&group.id(), "~")))
            }
            Ok(Target::Item { kind, id }) => Ok((kind.to_string(), id.replace(&group.id(), "~"))),
            Ok(other) => Ok((format!("{other:?}"), String::new())),
            Err(problem) => Err(problem.code().to_owned()),
        }
    }

    fn both(kind: &str, rest: &str) -> (String, String) {
        (kind.to_owned(), rest.to_owned())
    }

    #[test]
    fn a_path_names_a_resource_or_all_below_another() {
        let vault = "~/providers/Microsoft.KeyVault/vaults/v";

        assert_eq!(target(vault).unwrap(), both("Microsoft.KeyVault/vaults", vault));
        assert_eq!(
            target("~/providers/microsoft.keyvault/VAULTS").unwrap(),
            both("Microsoft.KeyVault/vaults", "~")
        );
        assert_eq!(
            target("~/providers/Microsoft.Web/sites/a/functions").unwrap(),
            both("Microsoft.Web/sites/functions", "~/providers/Microsoft.Web/sites/a")
        );
        assert_eq!(
            target(&format!("/subscriptions/{SUBSCRIPTION}/providers/Microsoft.Web/sites"))
                .unwrap(),
            both("Microsoft.Web/sites", &format!("/subscriptions/{SUBSCRIPTION}"))
        );
        assert_eq!(
            target(&format!("{vault}/keys/k/providers/Microsoft.Authorization/roleAssignments"))
                .unwrap(),
            both("Microsoft.Authorization/roleAssignments", &format!("{vault}/keys/k"))
        );
        assert_eq!(target("~").unwrap(), both("Group", ""));
        assert_eq!(target("~/RESOURCES").unwrap(), both("Contents", ""));
    }

    #[test]
    fn what_names_nothing_is_refused_in_azures_words() {
        let other = SUBSCRIPTION.replace('1', "9");

        for (path, code) in [
            ("/", "NotFound"),
            ("/tenants", "NotFound"),
            ("~/", "NotFound"),
            ("~/providers/Microsoft.Web//sites", "NotFound"),
            ("~/providers/Microsoft.Web/sites/a/providers/Microsoft.Web/sites", "NotFound"),
            ("~/providers/Microsoft.Printing/printers", "InvalidResourceNamespace"),
            ("~/providers/Microsoft.Web/serverfarms", "InvalidResourceType"),
            ("~/providers/Microsoft.Web/sites/a/slots", "InvalidResourceType"),
            (
                &format!("/subscriptions/{other}/resourceGroups/airlock-local"),
                "SubscriptionNotFound",
            ),
            (&format!("/subscriptions/{SUBSCRIPTION}/resourceGroups/b"), "ResourceGroupNotFound"),
        ] {
            assert_eq!(target(path), Err(code.to_owned()), "{path}");
        }
    }
}
