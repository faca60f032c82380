//! User-assigned managed identities, and whom they trust besides the platform.

use std::collections::BTreeSet;

use airlock_core::{
    drift::actual::{IdentityTrust, ManagedIdentity, Name},
    identity::ObjectId,
};
use serde::Deserialize;
use serde_json::Value;

use super::words::{self, NotUnderstood};

/// An identity, of which the federated credentials are told elsewhere.
#[derive(Debug, Deserialize)]
pub(super) struct Listed {
    id: String,
    name: String,
    properties: Properties,
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
struct Properties {
    principal_id: ObjectId,
}

#[derive(Deserialize)]
struct Federated {
    name: String,
    properties: Trust,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Trust {
    issuer: String,
    /// Null, if an expression says whose tokens are taken.
    subject: Option<String>,
    claims_matching_expression: Option<Expression>,
    audiences: BTreeSet<String>,
}

#[derive(Deserialize)]
struct Expression {
    value: Option<String>,
}

impl Trust {
    /// Whose tokens are taken, by all that says so.
    fn whose(subject: Option<String>, expression: Option<Expression>) -> Option<String> {
        let expression = expression.and_then(|expression| expression.value);
        let all: Vec<String> = subject.into_iter().chain(expression).collect();
        (!all.is_empty()).then(|| all.join(" "))
    }
}

impl Listed {
    /// Its path.
    pub(super) fn path(&self, group: &str) -> Result<String, NotUnderstood> {
        words::path(&Name::new(&self.id), group)
    }

    /// The identity, with its federated credentials.
    pub(super) fn read(self, federated: Vec<Value>) -> Result<ManagedIdentity, NotUnderstood> {
        let federated: Vec<Federated> = words::understood("identities' federation", federated)?;
        let trusts = federated.into_iter().map(|Federated { name, properties }| {
            let Trust { issuer, subject, claims_matching_expression, audiences } = properties;
            let subject = Trust::whose(subject, claims_matching_expression);
            IdentityTrust { name: Name::new(&name), issuer, subject, audiences }
        });
        Ok(ManagedIdentity {
            principal: self.properties.principal_id,
            name: Name::new(&self.name),
            trusts: trusts.collect(),
        })
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    const GROUP: &str = "/subscriptions/1/resourceGroups/A";

    fn listed() -> Listed {
        // Its provider writes the group's segment in small letters.
        let id = "/subscriptions/1/resourcegroups/A/providers/Microsoft.ManagedIdentity/\
                  userAssignedIdentities/Airlock-Execute";
        let properties = json!({
            "principalId": "AAAAAAAA-0000-4000-8000-000000000001",
            "clientId": "aaaaaaaa-0000-4000-8000-000000000002",
            "tenantId": "aaaaaaaa-0000-4000-8000-000000000003",
        });
        let listed = json!({ "id": id, "name": "Airlock-Execute", "properties": properties });
        words::one("identity", listed).unwrap()
    }

    #[test]
    fn an_identity_is_told_with_whom_it_trusts() {
        let trust = |subject: Value| {
            json!({ "id": "x", "name": "CI", "properties": {
                "issuer": "https://Issuer.example", "subject": subject, "audiences": ["api://a"],
            } })
        };

        let path = listed().path(GROUP).unwrap();
        assert!(path.ends_with("/userassignedidentities/airlock-execute"), "{path}");
        let read = listed().read(vec![trust(json!("repo:x")), trust(Value::Null)]).unwrap();

        assert_eq!(read.principal.to_string(), "aaaaaaaa-0000-4000-8000-000000000001");
        assert_eq!(read.trusts[0].name, Name::new("ci"));
        assert_eq!(read.trusts[0].issuer, "https://Issuer.example");
        let subjects = read.trusts.iter().map(|one| one.subject.as_deref());
        assert!(subjects.eq([Some("repo:x"), None]));
        let mut by_expression = trust(Value::Null);
        by_expression["properties"]["claimsMatchingExpression"] =
            json!({ "value": "claims['sub'] matches 'repo:a/*'", "languageVersion": 1 });
        let read = listed().read(vec![by_expression]).unwrap();
        assert_eq!(read.trusts[0].subject.as_deref(), Some("claims['sub'] matches 'repo:a/*'"));
        assert!(listed().read(Vec::new()).unwrap().trusts.is_empty());
    }

    #[test]
    fn what_is_no_federated_credential_is_not_understood() {
        let without = json!({ "name": "a", "properties": { "subject": "x", "audiences": [] } });

        assert!(listed().read(vec![without]).is_err());
        assert!(listed().read(vec![json!(1)]).is_err());
    }
}
