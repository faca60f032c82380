//! What the app has stored, and what whoever owns the database could put there.

use std::collections::BTreeMap;

use airlock_core::{
    base64url,
    identity::{App, ObjectId},
    jws::Signed,
    ledger::{Happened, Stored, document::Unsigned},
    memory::Mask,
    ports::{Container, Documents as _, Partition, Wrapper as _},
    revocation::{Revocation, StoredRevocation, Told},
    session::Session,
    session_record::SessionRecord,
};
use serde_json::{Value, json};
use uuid::Uuid;

use super::{OLD_KEY, World, client_key};
use crate::{
    opaque::Opaque,
    reports,
    store::{self, At},
};

/// The kinds of documents that this app keeps among its sessions.
const KINDS: [&str; 5] = ["session", "spent", "one-time-code", "of-sign-in", "sealing-key"];

impl World {
    /// The session of a cookie, whether or not it still counts.
    pub async fn live_unchecked(&self, cookie: &Opaque) -> Session {
        let desk = self.desk().await;
        let document =
            desk.store.read::<SessionRecord>(&At::session(cookie.digest())).await.unwrap().unwrap();
        let trust = desk.trust.trust().await.unwrap();
        let person = document.body.person.verify(&trust, self.now()).unwrap();
        person.session_value().clone()
    }

    /// The stored document of a session.
    pub fn session_versions(&self, cookie: &Opaque) -> BTreeMap<String, Value> {
        let mut all = self.documents.all(&Partition::session(&cookie.digest().to_string()));
        all.retain(|_, document| document["kind"] != reports::KIND);
        all
    }

    /// How many documents there are of each kind.
    pub async fn written(&self) -> BTreeMap<&'static str, usize> {
        let mut written = BTreeMap::new();
        for kind in KINDS {
            let partitions = self.documents.partitions(Container::Sessions, kind).await.unwrap();
            written.insert(kind, partitions.len());
        }
        written.insert("revocation", self.revocations().len());
        written.retain(|_, count| *count > 0);
        written
    }

    /// All stored documents of this app.
    pub async fn stored(&self) -> Vec<Value> {
        let mut stored = Vec::new();
        for kind in KINDS {
            for key in self.documents.partitions(Container::Sessions, kind).await.unwrap() {
                stored.extend(self.documents.all(&Partition::session(&key)).into_values());
            }
        }
        stored
    }

    /// All stored documents of this app, as text.
    pub async fn stored_text(&self) -> String {
        Value::Array(self.stored().await).to_string()
    }

    /// Ids of all stored revocations.
    pub fn revocations(&self) -> Vec<String> {
        let partition = Partition::revocations(Self::HOME.parse().unwrap());
        let mut all = self.documents.all(&partition);
        all.retain(|_, document| document["kind"] != reports::KIND);
        all.into_keys().collect()
    }

    /// What waits to be reported.
    pub async fn waiting(&self) -> Vec<Value> {
        let sessions = self.documents.partitions(Container::Sessions, reports::KIND).await;
        let mut partitions: Vec<Partition> =
            sessions.unwrap().iter().map(|key| Partition::session(key)).collect();
        partitions.push(Partition::revocations(Self::HOME.parse().unwrap()));
        let all = partitions.iter().flat_map(|partition| self.documents.all(partition));
        all.map(|(_, json)| json).filter(|json| json["kind"] == reports::KIND).collect()
    }

    pub async fn sealing_keys(&self) -> usize {
        self.documents.partitions(Container::Sessions, "sealing-key").await.unwrap().len()
    }

    /// Plants entries among those of a sign-in at Entra: one that nobody signed, and a genuine one
    /// under another id.
    pub fn plant_entries(&self, sid: &str) {
        let sign_in = store::sign_in(Self::HOME.parse().unwrap(), sid);
        let partition = Partition::session(&format!("sign-in-{sign_in}"));
        let (_, mut copied) = self.documents.all(&partition).into_iter().next().unwrap();
        copied["id"] = "of-sign-in-copied".into();
        // Newer than any other: found first.
        copied["at"] = i64::MAX.into();
        self.documents.overwrite(&partition, "of-sign-in-copied", copied);
        let unsigned = json!({ "id": "of-sign-in-x", "kind": "of-sign-in", "at": i64::MAX });
        self.documents.overwrite(&partition, "of-sign-in-x", unsigned);
    }

    /// What whoever owns the database could put there: wrapped as it must be, not signed by us.
    pub async fn put_foreign_sealing_key(&self, day: i64) {
        let id = format!("sealing-{day}");
        let wrapped = Mask.wrap(&[9; 32]).await.unwrap();
        let body = json!({ "kid": wrapped.kid, "wrapped": base64url::encode(wrapped.wrapped) });
        let unsigned = Unsigned {
            id: id.clone(),
            partition: id.clone(),
            kind: "sealing-key",
            at: 0,
            salt: [0; 16],
            body: body.to_string(),
            happened: Happened::SessionStarted,
            statement: Uuid::nil(),
        };
        let stored =
            Stored::sign(unsigned, App::Signin, &client_key(50).0, self.now()).await.unwrap();
        self.documents.overwrite(&Partition::session(&id), &id, stored.to_json().unwrap());
    }

    /// A revocation from when another key was `signin`'s, which was revoked since.
    pub async fn put_revocation_by_an_old_key(&self, person: ObjectId) -> Told {
        let tid = Self::HOME.parse().unwrap();
        let (iat, name) = (self.now(), Uuid::new_v4());
        let nbf = iat.plus_s(600);
        let old = Revocation { iss: App::Signin, tid, oid: person, sid: None, name, nbf, iat };
        let signed = Signed::sign(&old, &client_key(OLD_KEY).0).await.unwrap();
        let stored = StoredRevocation::new(&old, signed);
        let json = serde_json::to_value(&stored).unwrap();
        self.documents.overwrite(&Partition::revocations(tid), &stored.id, json);
        old.told()
    }

    pub fn put_spoiled_revocation(&self, person: ObjectId) {
        let partition = Partition::revocations(Self::HOME.parse().unwrap());
        let id = person.to_string();
        self.documents.overwrite(&partition, &id, json!({ "id": id, "kind": "revocation" }));
    }
}
