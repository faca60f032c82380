//! What drift finds, and a world that somebody changes behind everyone's back.

use serde_json::{Value, json};

use super::{Control, World, spoil::payload};

/// Somebody who owns the tenants and the subscription, and whoever watches what is found.
pub struct Drifts<'a> {
    control: &'a Control,
}

/// A finding that stands, as `drift` signed it.
#[derive(Clone, Debug)]
pub struct Found {
    /// Where it is stored.
    pub partition: String,
    /// The check that found it.
    pub check: String,
    /// What it is about.
    pub subject: String,
    /// How bad it is.
    pub severity: String,
    /// How it compares.
    pub verdict: String,
    /// How it is dealt with.
    pub state: String,
}

impl<'a> Drifts<'a> {
    /// In this world, once it is quiet and drift has looked at everything.
    pub async fn of(world: &'a World) -> Self {
        let drifts = Self { control: world.control() };
        world.quiet().await;
        drifts.round().await;
        drifts
    }

    /// Looks at everything once.
    pub async fn round(&self) {
        self.control.fire("drift", "drift").await;
    }

    /// Changes something in a directory; tells what that made.
    pub async fn alter(&self, change: &Value) -> Value {
        self.control.hand("/directory/changes", change).await
    }

    /// The same, in another tenant than the deployment's.
    pub async fn alter_in(&self, tenant: &str, change: &Value) -> Value {
        self.control.hand(&format!("/directory/changes/{tenant}"), change).await
    }

    /// Changes a resource, by a merge patch.
    pub async fn patch(&self, id: &str, patch: &Value) {
        self.control.hand("/resources", &json!({ "id": id, "patch": patch })).await;
    }

    /// Makes a resource.
    pub async fn create(&self, id: &str, body: &Value) {
        self.control.hand("/resources", &json!({ "id": id, "create": body })).await;
    }

    /// Deletes a resource.
    pub async fn delete(&self, id: &str) {
        self.control.hand("/resources", &json!({ "id": id, "delete": true })).await;
    }

    /// Remembers how everything is; to be given to [`restore`](Self::restore).
    pub async fn remember(&self) -> Value {
        self.control.hand("/resources/snapshot", &json!({})).await;
        self.control.hand("/directory/snapshot", &json!({})).await
    }

    /// As it was.
    pub async fn restore(&self, remembered: &Value) {
        self.control.hand("/resources/restore", &json!({})).await;
        self.control.hand("/directory/restore", remembered).await;
    }

    /// The same things in another order, other cases and other pages.
    pub async fn shuffle(&self) {
        self.control.hand("/resources/shuffle", &json!({})).await;
        self.control.hand("/directory/shuffle", &json!({ "on": true })).await;
    }

    /// Fills the deployment's tenant with people and applications of others.
    pub async fn grow(&self, people: u32, applications: u32) {
        let growth = json!({ "people": people, "applications": applications });
        self.control.hand("/directory/grow", &growth).await;
    }

    /// Changes so many applications of others in nothing that matters.
    pub async fn touch(&self, applications: u32) {
        self.control.hand("/directory/touch", &json!({ "applications": applications })).await;
    }

    /// All findings of drift that stand, or were resolved.
    pub async fn findings(&self) -> Vec<Found> {
        let mut all = Vec::new();
        for document in self.control.documents("tenants").await {
            if document["kind"] != "finding" {
                continue;
            }
            let Some(body) = document["body"].as_str() else { continue };
            let body: Value = serde_json::from_str(body).expect("a body is JSON");
            let finding: Value = payload(body["finding"].as_str().expect("a finding is signed"));
            let Some(drift) = finding.get("drift") else { continue };
            let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
            all.push(Found {
                partition: text(&document["tenant"]),
                check: text(&drift["check"]),
                subject: text(&finding["subject"]),
                severity: text(&drift["severity"]),
                verdict: text(&finding["verdict"]),
                state: text(&drift["state"]["state"]),
            });
        }
        all
    }

    /// Those that stand.
    pub async fn standing(&self) -> Vec<Found> {
        let mut all = self.findings().await;
        all.retain(|found| found.state != "resolved");
        all
    }

    /// What drift has logged, for whoever wants to know why.
    pub async fn log(&self) -> String {
        self.control.log("drift").await
    }
}
