//! What is left of a request when it is erased says nothing to who tries everybody.

use serde_json::Value;

use super::{
    impostors::twin,
    world::{CONTOSO, NINA, OLGA, SVEN, World},
};
use crate::{
    ask::{Ask, RequestEvidence},
    base64url,
    catalog::{
        Asked, Change, OPERATIONS,
        tests::{example, target},
    },
    claim::{CONTAINER, claim_blob, outcome_blob},
    digest::Digest,
    identity::{App, PersonId, Role::SeniorAgent},
    jws::Signed,
    ledger::statement::commitment,
    permit::Permit,
    ports::{Blobs as _, Partition},
    reception::{Erased, RequestName},
    request::Blinding,
};

/// A text, and what every JWS in it says.
fn said(text: &str, all: &mut Vec<String>) {
    all.push(text.to_owned());
    for part in
        text.split(|letter: char| !(letter.is_ascii_alphanumeric() || "-_.".contains(letter)))
    {
        let [_, payload, _] = part.split('.').collect::<Vec<_>>()[..] else { continue };
        if let Some(payload) = base64url::decode(payload).and_then(|it| String::from_utf8(it).ok())
        {
            said(&payload, all);
        }
    }
}

/// All that is left of requests in Contoso: database, blobs, and what was ever on the bus.
async fn left(world: &World, name: RequestName) -> String {
    let mut all = Vec::new();
    for partition in [Partition::tenant(&world.scope(CONTOSO).await), Partition::bindings(CONTOSO)]
    {
        for (id, document) in world.documents.all(&partition) {
            // Quotas count by caller for an hour, under a hash of their name: said in README.
            if document["kind"] != "counter" {
                said(&format!("{id} {document}"), &mut all);
            }
        }
    }
    for blob in [claim_blob(CONTOSO, name.digest), outcome_blob(CONTOSO, name.digest)] {
        let bytes = world.blobs.read(CONTAINER, &blob).await.unwrap().unwrap();
        said(&String::from_utf8(bytes).unwrap(), &mut all);
    }
    for (_, message) in world.bus.all() {
        said(&format!("{} {}", message.id, String::from_utf8(message.body).unwrap()), &mut all);
    }
    all.join("\n")
}

/// Every text that somebody would look for who guesses whom a request was about, and what.
fn guesses(world: &World, ask: &Ask) -> Vec<String> {
    let mut guesses = Vec::new();
    let people = [NINA, OLGA, SVEN, ask.by.oid];
    for oid in people {
        let id = PersonId { tid: CONTOSO, oid }.to_string();
        guesses.push(Digest::of(&[id.as_bytes()]).to_string());
        guesses.push(commitment(&[0; 16], id.as_bytes()).to_string());
        guesses.extend([oid.to_string(), id]);
        for operation in OPERATIONS {
            let entry = operation.entry();
            let op = Asked {
                name: entry.name.to_owned(),
                target: target(entry, oid),
                parameters: example(entry, false),
            };
            guesses.push(Change::understand(CONTOSO, &op).unwrap().digest().to_string());
            guesses.push(Digest::of_canonical_json(&op).unwrap().to_string());
            // The whole request, but for what only its requester knows.
            let all_else = Ask { op, jti: uuid::Uuid::nil(), ..ask.clone() };
            guesses.push(Digest::of_canonical_json(&all_else).unwrap().to_string());
        }
    }
    assert!(world.now() > ask.iat);
    guesses
}

#[tokio::test]
async fn who_guesses_person_and_operation_finds_neither_once_they_are_erased() {
    let world = World::new().await;
    let sam = world.sign_in(CONTOSO, 2, &[SeniorAgent]).await;
    let ask = world.ask(&sam, "sessions.revoke", NINA);
    let signed = Signed::sign(&ask, &sam.key).await.unwrap();
    let view = world.reception.submit(&sam.caller, signed.clone(), None, None).await.unwrap();
    super::world::settle().await;
    let name = RequestName::parse(&view.id).unwrap();
    assert!(world.deliver(&world.worker(), 1).await);
    let order = world.order_to_erase(CONTOSO, PersonId { tid: CONTOSO, oid: NINA }).await;
    world.put_order(CONTOSO, &order);
    let done = Erased { requests: 1, waiting: 0, orders: 1, refused: 0 };
    assert_eq!(world.reception.erase_ordered().await.unwrap(), done);
    world.pass(crate::erasure::ORDERED_S).await;
    // The store forgets an order with its time.
    world.documents.forget(&Partition::bindings(CONTOSO), &order.id);

    let left = left(&world, name).await;

    for guess in guesses(&world, &ask) {
        assert!(!left.contains(&guess), "{guess}");
    }
    // Nor is there what would make guessing possible: id, session, key or signature.
    let signature = signed.as_str().rsplit_once('.').unwrap().1;
    let key = signed.key().to_string();
    for random in [ask.jti.to_string(), ask.sid.to_string(), key, signature[..42].to_owned()] {
        assert!(!left.contains(&random), "{random}");
    }
    // The request's name and the hash of what it asked are there, so this looks at the right
    // places.
    let change = Change::understand(CONTOSO, &ask.op).unwrap();
    let hash = Blinding::of(&sam.proven(signed)).unwrap().op_hash(&change).to_string();
    assert!(left.contains(&name.digest.to_string()) && left.contains(&hash));
}

#[tokio::test]
async fn a_permit_has_no_member_that_names_anybody_and_says_how_it_hides_the_operation() {
    let world = World::new().await;
    let sam = world.sign_in(CONTOSO, 2, &[SeniorAgent]).await;
    world.submit(&sam, &world.ask(&sam, "sessions.revoke", NINA)).await.unwrap();
    let intake = world.key_of(App::Intake);
    let permit = world.last_change().permit;
    let says = permit.verify(intake.key(), world.now()).unwrap();
    let json = serde_json::to_value(says.value()).unwrap();

    let mut members: Vec<&str> = json.as_object().unwrap().keys().map(String::as_str).collect();
    members.sort_unstable();
    let detail = &json["authorization_details"][0];
    insta::assert_snapshot!(members.join(" "), @"apr aud authorization_details bnd exp iat iss jti ks lgr nbf pol req tnt");
    insta::assert_snapshot!(detail["op_hash_alg"].as_str().unwrap(), @"sha-256/request-signature-r/sha-256-jcs");
    // One that calls it by another name is no permit.
    for other in ["sha-256", "SHA-256/request-signature-r/sha-256-jcs", ""] {
        let mut json = json.clone();
        json["authorization_details"][0]["op_hash_alg"] = other.into();
        assert!(serde_json::from_value::<Permit>(json).is_err(), "{other}");
    }
    for member in ["sub", "txn", "act"] {
        let mut json = json.clone();
        json[member] = Value::from("somebody");
        assert!(serde_json::from_value::<Permit>(json).is_err(), "{member}");
    }
}

#[tokio::test]
async fn the_same_operation_has_another_hash_in_each_request_and_the_same_in_its_twin() {
    let world = World::new().await;
    let sam = world.sign_in(CONTOSO, 2, &[SeniorAgent]).await;
    let ask = world.ask(&sam, "sessions.revoke", NINA);
    let again = Ask { jti: uuid::Uuid::new_v4(), ..ask.clone() };
    let change = Change::understand(CONTOSO, &ask.op).unwrap();
    let hash = |evidence: RequestEvidence| Blinding::of(&evidence).unwrap().op_hash(&change);
    let one = Signed::sign(&ask, &sam.key).await.unwrap();
    let other = Signed::sign(&again, &sam.key).await.unwrap();

    assert_ne!(hash(sam.proven(one.clone())), hash(sam.proven(other)));
    assert_eq!(hash(sam.proven(twin(&one))), hash(sam.proven(one.clone())));
    assert_eq!(format!("{:?}", Blinding::of(&sam.proven(one.clone())).unwrap()), "Blinding(..)");
    // Without a signature of 64 bytes there is nothing to hide it with.
    for signature in ["", "AA", &base64url::encode([1; 63]), &base64url::encode([1; 65])] {
        let input = one.as_str().rsplit_once('.').unwrap().0;
        let unsigned: Signed<Ask> = Signed::parse(format!("{input}.{signature}")).unwrap();
        assert!(Blinding::of(&sam.proven(unsigned)).is_err());
    }
}
