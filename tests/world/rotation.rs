//! Secrets that are changed on schedule, as whoever may see all of it: the vault with its values,
//! Entra with its credentials, and what is recorded.

use http::Method;
use serde_json::Value;

use super::{Answer, Control, Impostor, SOON, World, eventually};

/// What a token is asked for.
const GRAPH: &str = "https://graph.microsoft.com/.default";

/// The rotation of secrets in Contoso.
pub struct Rotations<'a> {
    world: &'a World,
    rotator: Impostor,
}

impl<'a> Rotations<'a> {
    /// Of a world.
    pub async fn of(world: &'a World) -> Self {
        Self { world, rotator: world.impostor("rotate").await }
    }

    const fn control(&self) -> &Control {
        self.world.control()
    }

    /// One round of `rotate`.
    pub async fn round(&self) {
        self.control().fire("rotate", "rotate").await;
    }

    /// What is recorded of a secret, if anything is.
    pub async fn recorded(&self, name: &str) -> Option<Value> {
        let document = self.control().document("tenants", &format!("rotation-{name}")).await?;
        let body = document["body"].as_str().expect("it is in clear");
        Some(serde_json::from_str(body).expect("a body is JSON"))
    }

    /// How far a secret has come: a stage, `active`, or `unknown`.
    pub async fn stage(&self, name: &str) -> String {
        let Some(recorded) = self.recorded(name).await else { return "unknown".to_owned() };
        let stage = recorded["run"]["stage"]["stage"].as_str().unwrap_or("active");
        format!("{stage}{}", if recorded["active"].is_null() { " (the first)" } else { "" })
    }

    /// Rounds until each of these has a credential that a run made, and nothing is left to do.
    pub async fn rotated(&self, names: &[&str]) {
        eventually(&format!("{names:?} are rotated"), SOON, async || {
            self.round().await;
            self.are_rotated(names).await.then_some(())
        })
        .await;
    }

    /// Whether each of these has a credential that a run made, and nothing is left to do.
    pub async fn are_rotated(&self, names: &[&str]) -> bool {
        for name in names {
            let Some(recorded) = self.recorded(name).await else { return false };
            let run = recorded["active"]["run"].as_str().unwrap_or_default();
            let by_a_run = !uuid::Uuid::try_parse(run).unwrap_or_default().is_nil();
            if !by_a_run || !recorded["run"].is_null() {
                return false;
            }
        }
        true
    }

    /// An application of Contoso's: its ids, and what became of each of its credentials.
    pub async fn application(&self, name: &str) -> Value {
        let mut all = self.control().get("/rotation/credentials").await;
        all[self.world.contoso().to_string()][name].take()
    }

    /// The ids of the credentials that an application has.
    pub async fn credentials(&self, name: &str) -> Vec<String> {
        let application = self.application(name).await;
        let all = application["credentials"].as_array().expect("an application has credentials");
        let stand = all.iter().filter(|credential| credential["removedDateTime"].is_null());
        stand.map(|it| it["keyId"].as_str().expect("an id").to_owned()).collect()
    }

    /// The versions of a key or secret in the vault, oldest first.
    pub async fn versions(&self, kind: &str, name: &str) -> Vec<Value> {
        let mut shown = self.control().get("/rotation/vault").await;
        match shown[kind][name].take() {
            Value::Array(versions) => versions,
            _ => Vec::new(),
        }
    }

    /// The value that users of a vault secret find now.
    pub async fn value(&self, secret: &str) -> String {
        let found = self.rotator.vault(Method::GET, &format!("/secrets/{secret}"), None).await;
        found.ok()["value"].as_str().expect("a secret has a value").to_owned()
    }

    /// Whether Entra gives an application of Contoso's a token for this secret.
    ///
    /// # Errors
    ///
    /// Why not: the number of Entra's code.
    pub async fn signs_in(&self, client: &str, secret: &str) -> Result<(), u64> {
        let answer = self.token(client, secret).await;
        if answer.status == 200 {
            return Ok(());
        }
        Err(answer.json["error_codes"][0].as_u64().expect("Entra gives a code"))
    }

    async fn token(&self, client: &str, secret: &str) -> Answer {
        let asked = [
            ("grant_type", "client_credentials"),
            ("client_id", client),
            ("client_secret", secret),
            ("scope", GRAPH),
        ];
        self.rotator.token_endpoint(self.world.contoso(), &asked).await
    }
}
