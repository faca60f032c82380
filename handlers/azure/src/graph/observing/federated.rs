//! Federated identity credentials.

use std::collections::BTreeMap;

use airlock_core::{
    drift::actual::Federated,
    identity::{ObjectId, TenantId},
    ports::PortError,
};
use serde::Deserialize;

use super::there;
use crate::graph::Graph;

/// What is read, for errors.
pub(super) const WHAT: &str = "federated credentials";

/// The subject of a credential that tells neither a subject nor the expression that subjects must
/// match: v1.0 does not show those. It may be anybody's.
pub(super) const ANYBODY: &str = "*";

/// Where the federated credentials of an application are.
pub(in crate::graph) fn path(application: ObjectId) -> String {
    format!("/applications/{application}/federatedIdentityCredentials")
}

impl Graph {
    pub(super) async fn read_federated(
        &self,
        tenant: TenantId,
        applications: &[ObjectId],
    ) -> Result<BTreeMap<ObjectId, Vec<Federated>>, PortError> {
        let found: BTreeMap<ObjectId, Vec<Found>> =
            self.of_objects(tenant, WHAT, (applications, path)).await?;
        Ok(found.into_iter().map(|(application, found)| (application, all(found))).collect())
    }
}

/// What an application trusts, in an order of our own.
pub(in crate::graph) fn all(found: Vec<Found>) -> Vec<Federated> {
    let mut all: Vec<Federated> = found.into_iter().map(Federated::from).collect();
    all.sort();
    all
}

/// A `federatedIdentityCredential`.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
pub(in crate::graph) struct Found {
    id: ObjectId,
    issuer: String,
    #[serde(deserialize_with = "there")]
    subject: Option<String>,
    audiences: Vec<String>,
    claims_matching_expression: Option<Expression>,
}

/// A `federatedIdentityExpression`.
#[derive(Deserialize)]
struct Expression {
    value: Option<String>,
}

impl From<Found> for Federated {
    fn from(found: Found) -> Self {
        let expression = found.claims_matching_expression.and_then(|expression| expression.value);
        let subject = match (found.subject, expression) {
            (Some(subject), None) => subject,
            (None, Some(expression)) => expression,
            // Graph allows one of the two. Whoever is content with the subject must not
            // overlook the other.
            (Some(subject), Some(expression)) => format!("{subject} {expression}"),
            (None, None) => ANYBODY.to_owned(),
        };
        Self {
            id: found.id,
            issuer: found.issuer,
            subject,
            audiences: found.audiences.into_iter().collect(),
        }
    }
}
