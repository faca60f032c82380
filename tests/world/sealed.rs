//! What is encrypted in the store, as anyone reads it who has taken `intake` over.

use airlock_core::{
    base64url,
    data_keys::{self, NamedKey, Sealed, SealedContents},
    envelope::DataKey,
    identity::App,
    ledger::{Happened, Stored, document::Unsigned},
    memory::Dice,
};
use http::Method;
use serde_json::{Value, json};
use uuid::Uuid;

use super::{Answer, Control, Impostor, VaultKey, now};

/// Whoever may unwrap tenants' data keys.
#[derive(Clone, Debug)]
pub struct Opener {
    control: Control,
    intake: Impostor,
}

impl Opener {
    /// With `intake`'s identity.
    #[must_use]
    pub const fn new(control: Control, intake: Impostor) -> Self {
        Self { control, intake }
    }

    /// The text of a document that is encrypted, or `None` if it is not.
    pub async fn text(&self, document: &Value) -> Option<String> {
        let sealed: Sealed = serde_json::from_value(document["sealed"].clone()).ok()?;
        let (tenant, id) = (text(document, "tenant"), text(document, "id"));
        let key = self.unwrapped(tenant, &sealed.key).await;
        let opened = sealed.open(tenant, id, &key).expect("it is what was encrypted there");
        Some(opened.text().to_owned())
    }

    /// Encrypts a text under the tenant's data key, which is made if there is none yet.
    pub async fn seal(
        &self,
        signer: &VaultKey,
        tenant: &str,
        document: &str,
        clear: &str,
    ) -> SealedContents {
        let id = data_keys::document_id(now());
        if self.stored(tenant, &id).await.is_none() {
            self.make(signer, tenant, &id).await;
        }
        let key = NamedKey { key: self.unwrapped(tenant, &id).await, id };
        SealedContents::seal(tenant, document, &key, None, clear, &Dice).expect("it is encrypted")
    }

    /// As `intake` makes a data key, but for its leaf.
    async fn make(&self, signer: &VaultKey, tenant: &str, id: &str) {
        let key = DataKey::generate(&Dice).expect("randomness");
        let body = json!({ "alg": "RSA-OAEP-256", "value": base64url::encode(key.expose()) });
        // A key of the tenant's own, if it has one.
        let mut answer = self.wrapped(&format!("tenant-data-{tenant}"), &body).await;
        if answer.status == 404 {
            answer = self.wrapped("tenant-data", &body).await;
        }
        let answer = answer.ok();
        let unsigned = Unsigned {
            id: id.to_owned(),
            partition: tenant.to_owned(),
            kind: data_keys::KIND,
            at: now().as_unix_s(),
            salt: *Uuid::new_v4().as_bytes(),
            body: json!({ "kid": answer["kid"], "wrapped": answer["value"] }).to_string(),
            happened: Happened::DataKeyMade,
            statement: Uuid::new_v4(),
        };
        let stored = Stored::sign(unsigned, App::Intake, signer, now()).await.expect("it signs");
        let stored = stored.to_json().expect("a document has a JSON form");
        self.control.put("tenants", tenant, &stored).await;
    }

    async fn wrapped(&self, key: &str, body: &Value) -> Answer {
        self.intake.vault(Method::POST, &format!("/keys/{key}/wrapkey"), Some(body.clone())).await
    }

    async fn stored(&self, tenant: &str, id: &str) -> Option<Value> {
        let documents = self.control.partition("tenants", tenant).await;
        documents.into_iter().find(|document| document["id"] == id)
    }

    /// Asks the vault, as the app does.
    async fn unwrapped(&self, tenant: &str, id: &str) -> DataKey {
        let document = self.stored(tenant, id).await.expect("the key is stored");
        let stored: Value = serde_json::from_str(text(&document, "body")).expect("JSON");
        let kid = url::Url::parse(text(&stored, "kid")).expect("the wrapping key has an address");
        let body = json!({ "alg": "RSA-OAEP-256", "value": stored["wrapped"] });
        let path = format!("{}/unwrapkey", kid.path());
        let answer = self.intake.vault(Method::POST, &path, Some(body)).await.ok();
        let key = base64url::decode_array(text(&answer, "value")).expect("a key has 32 bytes");
        DataKey::from_bytes(key)
    }
}

fn text<'a>(json: &'a Value, member: &str) -> &'a str {
    json[member].as_str().unwrap_or_else(|| panic!("{member} is not text in {json}"))
}
