//! App registrations of Airlock's own, and what takes credentials away from them.
//!
//! They are read as the rotator's application, whose permission lets it see every registration and
//! change only those that it owns, which are none of these. Only the removal itself is sent as the
//! application that may remove and can do nothing else.

use std::{collections::BTreeSet, sync::Arc};

use airlock_core::{
    catalog::Effect,
    identity::{ObjectId, TenantId},
    ports::{Answer, NotApplied, PortError},
    remediation::{Opened, Remediation},
    request::{Permitted, Request as Asked, correlation},
    tenancy::TenantScope,
};
use async_trait::async_trait;
use serde::{Deserialize, de::DeserializeOwned};
use serde_json::Value;
use uuid::Uuid;

use super::{
    Graph, answer,
    observing::federated::{self, Found},
    pages::Pages,
};
use crate::failure::in_time;

/// The application that may take credentials away from what the deployment says.
const REMEDIATOR: &str = "airlock-remediator";

/// The application that reads registrations.
const READER: &str = "airlock-rotator";

/// What is read, for errors.
const WHAT: &str = "registration";

/// Registrations in Microsoft Graph.
pub(crate) struct Registrations {
    graph: Arc<Graph>,
}

/// An `application`, as far as it is looked at.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Registration {
    app_id: ObjectId,
    password_credentials: Vec<Password>,
}

/// A `passwordCredential`.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Password {
    key_id: Uuid,
}

impl Registrations {
    pub(crate) const fn new(graph: Arc<Graph>) -> Self {
        Self { graph }
    }

    async fn ask(&self, tenant: TenantId, path: &str) -> Result<Option<Value>, PortError> {
        let request = self.graph.request("GET", path, None, Uuid::new_v4())?;
        let response = self.graph.send(READER, tenant, request).await?;
        answer::read_if_there(&response)
    }

    async fn read(
        &self,
        tenant: TenantId,
        application: ObjectId,
    ) -> Result<Option<Opened>, PortError> {
        let path = format!("/applications/{application}?$select=appId,passwordCredentials");
        let Some(body) = self.ask(tenant, &path).await? else { return Ok(None) };
        let Registration { app_id: client, password_credentials } = understood(body)?;
        let Some(first) = self.ask(tenant, &federated::path(application)).await? else {
            return Ok(None);
        };
        let mut pages = Pages::of(WHAT);
        pages.add(&first)?;
        self.graph.turn_pages(READER, tenant, &mut pages, Uuid::new_v4()).await?;
        let found: Vec<Found> = understood(Value::Array(pages.into_objects()?))?;
        let passwords: BTreeSet<Uuid> =
            password_credentials.into_iter().map(|password| password.key_id).collect();
        Ok(Some(Opened { client, passwords, federated: federated::all(found) }))
    }
}

/// Without a word of the answer: a hint in it is a part of a secret.
fn understood<T: DeserializeOwned>(answer: Value) -> Result<T, PortError> {
    T::deserialize(answer)
        .map_err(|_| PortError::Broken(format!("Graph's {WHAT} not understood").into()))
}

#[async_trait]
impl Remediation for Registrations {
    async fn look(
        &self,
        scope: &TenantScope,
        application: ObjectId,
    ) -> Result<Option<Opened>, PortError> {
        in_time(self.read(scope.tenant(), application)).await
    }

    async fn apply(
        &self,
        request: &Asked<Permitted>,
        effect: &Effect,
    ) -> Result<Answer, NotApplied> {
        if effect.application() != REMEDIATOR {
            return Err(PortError::Broken("a call of another application".into()).into());
        }
        // The same for every attempt, as for every other effect.
        let id = correlation(request.digest());
        let call = self.graph.request(effect.method(), effect.path(), effect.body(), id)?;
        let sent = self.graph.send(REMEDIATOR, request.scope().tenant(), call);
        answer::to_effect(&in_time(sent).await?)
    }
}

#[cfg(test)]
mod tests {
    use azure_core::http::Pipeline;
    use serde_json::json;

    use super::{
        super::tests::canned::{Canned, Reply},
        *,
    };

    const APPLICATION: ObjectId = ObjectId::new(Uuid::from_u128(0xa0));
    const PASSWORD: Uuid = Uuid::from_u128(0xc1);
    const FEDERATED: ObjectId = ObjectId::new(Uuid::from_u128(0xc2));

    fn home() -> TenantId {
        TenantId::new(Uuid::nil())
    }

    /// A Graph in which the reader reads these answers.
    fn registrations(answers: impl Fn(&str) -> Reply + Send + Sync + 'static) -> Registrations {
        let canned = Canned::new(answers);
        let way: Pipeline = canned.graph.pipeline(super::super::LOOK_UP, home()).unwrap();
        Registrations::new(Arc::new(Canned::graph(&[(READER, home(), &way)])))
    }

    fn registration() -> Value {
        json!({
            "appId": Uuid::from_u128(0xc0), "passwordCredentials": [{
                "keyId": PASSWORD, "displayName": "it", "hint": "Xy3", "secretText": null,
            }],
        })
    }

    fn credential() -> Value {
        json!({
            "id": FEDERATED, "name": "it", "issuer": "https://id.example/", "subject": "somebody",
            "audiences": ["api://AzureADTokenExchange"], "description": null,
        })
    }

    #[tokio::test]
    async fn a_registration_is_read_with_all_that_opens_it() {
        let found = registrations(|path| {
            let all = path.ends_with("/federatedIdentityCredentials");
            if all { Reply::all(json!([credential()])) } else { Reply::ok(registration()) }
        });

        let opened = found.read(home(), APPLICATION).await.unwrap().unwrap();

        assert_eq!(opened.client, ObjectId::new(Uuid::from_u128(0xc0)));
        assert_eq!(opened.passwords, BTreeSet::from([PASSWORD]));
        let [federated] = opened.federated.as_slice() else { panic!("{opened:?}") };
        assert_eq!((federated.id, &*federated.subject), (FEDERATED, "somebody"));
    }

    #[tokio::test]
    async fn what_is_not_there_is_none_and_what_was_not_read_is_never_none() {
        let gone = registrations(|_| Reply::refused(404, "Request_ResourceNotFound"));
        assert_eq!(gone.read(home(), APPLICATION).await.unwrap(), None);

        for status in [403, 429, 503] {
            for half in [false, true] {
                let found = registrations(move |path| {
                    let all = path.ends_with("/federatedIdentityCredentials");
                    if half && !all {
                        Reply::ok(registration())
                    } else {
                        Reply::refused(status, "not_today")
                    }
                });
                assert!(found.read(home(), APPLICATION).await.is_err(), "{status} {half}");
            }
        }
    }

    #[tokio::test]
    async fn what_is_not_understood_is_an_error_that_says_nothing_of_it() {
        let found = registrations(|_| {
            Reply::ok(json!({ "appId": "x", "passwordCredentials": [{ "secretText": "Winter" }] }))
        });

        let error = found.read(home(), APPLICATION).await.unwrap_err();

        assert!(!format!("{error:?}").contains("Winter"), "{error:?}");
    }
}
