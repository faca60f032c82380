//! What is asked of the deployment and decided about it, at `intake`'s desk.

use uuid::Uuid;

use crate::{
    ask::{Ask, Attestation, RequestEvidence},
    catalog::{Asked, OPERATIONS, Target, tests::example},
    decision::{Decision, Verdict},
    digest::Digest,
    identity::{App, ObjectId},
    jwk::PublicKey,
    jws::Signed,
    reception::{NotReceived, RequestName, View},
    request::{Authenticated, Request},
};

use super::{CONTOSO, Client, World, settle};

impl World {
    pub fn ask(&self, client: &Client, operation: &str, user: ObjectId) -> Ask {
        self.ask_on(client, operation, Target::User(user))
    }

    pub fn ask_on(&self, client: &Client, operation: &str, target: Target) -> Ask {
        let mut known = OPERATIONS.iter().map(|known| known.entry());
        let entry = known.find(|entry| entry.name == operation).unwrap();
        let reveal_to = PublicKey::from_point(&client.reveal.public_key()).unwrap();
        Ask {
            jti: Uuid::new_v4(),
            iat: self.now(),
            exp: self.now().plus_s(3600),
            aud: entry.worker,
            tnt: CONTOSO,
            sid: client.caller.person.session().sid_hash(),
            by: client.id(),
            op: Asked { name: operation.to_owned(), target, parameters: example(entry, false) },
            purpose: "ticket 4711".to_owned(),
            ticket: None,
            break_glass: false,
            reveal_to: entry.secret.then_some(reveal_to),
        }
    }

    pub async fn submit(&self, client: &Client, ask: &Ask) -> Result<View, NotReceived> {
        let request = Signed::sign(ask, &client.key).await.unwrap();
        let view = self.reception.submit(&client.caller, request, None, None).await;
        settle().await;
        view
    }

    pub fn decision(&self, client: &Client, request: Digest, verdict: Verdict) -> Decision {
        Decision {
            jti: Uuid::new_v4(),
            iat: self.now(),
            exp: self.now().plus_s(3600),
            tnt: CONTOSO,
            req: request,
            sid: client.caller.person.session().sid_hash(),
            verdict,
            reason: "looked at it".to_owned(),
        }
    }

    pub async fn decide(
        &self,
        client: &Client,
        id: &str,
        verdict: Verdict,
    ) -> Result<View, NotReceived> {
        let name = RequestName::parse(id).unwrap();
        let decision = self.decision(client, name.digest, verdict);
        let decision = Signed::sign(&decision, &client.key).await.unwrap();
        let view = self.reception.decide(&client.caller, name, decision, None).await;
        settle().await;
        view
    }

    /// What `intake` attests of a service.
    pub fn attestation(&self, service: &str, operation: &str, user: ObjectId) -> Attestation {
        Attestation {
            iss: App::Intake,
            jti: Uuid::new_v4(),
            iat: self.now(),
            exp: self.now().plus_s(600),
            aud: App::Execute,
            tnt: CONTOSO,
            sub: service.to_owned(),
            token: Digest::of(&[b"token"]),
            op: Asked {
                name: operation.to_owned(),
                target: Target::User(user),
                parameters: serde_json::json!({}),
            },
            purpose: "nightly".to_owned(),
            ticket: None,
        }
    }

    /// A service's request, authenticated by what `intake` attests of it.
    pub async fn attested(
        &self,
        service: &str,
        operation: &str,
        target: ObjectId,
    ) -> Request<Authenticated> {
        let attestation = self.attestation(service, operation, target);
        let attestation = Signed::sign(&attestation, self.key_of(App::Intake)).await.unwrap();
        let evidence = RequestEvidence::Attested { attestation };
        let (trust, scope) = (self.trust().await, self.scope(CONTOSO).await);
        Request::authenticate(&evidence, &trust, Some(&scope), self.now()).unwrap()
    }
}
