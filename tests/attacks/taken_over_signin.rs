//! `signin` in the wrong hands: it can sign sessions, and nobody confirms them.

use airlock_core::{
    ask::{Ask, RequestEvidence},
    envelope::Envelope,
    identity::{App, Role},
    jws::Signed,
    ledger::{Happened, Stored, document::Unsigned},
    memory::LocalKey,
    session::{Confirmation, PersonEvidence, Session},
    session_record::{KIND, SessionRecord, document_id},
};
use airlock_tests::{Answer, Forger, Order, Person, World, changed, client_key, now, payload};
use http::Method;
use serde_json::json;
use uuid::Uuid;

use crate::{
    forged::{ask, confirmation_of, session_of},
    thief::Thief,
};

/// Somebody who would be Tara: `signin`'s key is theirs, and a client key of their own.
struct Pretender {
    thief: Thief,
    client: LocalKey,
}

impl Pretender {
    async fn new(world: &World) -> Self {
        Self { thief: Thief::new(world).await, client: client_key().1 }
    }

    /// What a session of Tara's would say, bound to the pretender's client key.
    fn session(&self, world: &World, cookie: &str) -> Session {
        let tara = session_of(&world.who("tara"), &[Role::TenantAdmin], self.client.key());
        Session { cookie: document_id(cookie), ..tara }
    }

    async fn signed_session(&self, world: &World, cookie: &str) -> Signed<Session> {
        self.thief.sign(&self.session(world, cookie)).await
    }

    /// A confirmation that fits, by the only key that is there.
    async fn own_confirmation(&self, signed: &Signed<Session>, by: App) -> Signed<Confirmation> {
        let confirmation = Confirmation { iss: by, ..confirmation_of(signed) };
        Signed::sign(&confirmation, &self.thief.key).await.unwrap()
    }

    /// Stores a session under a cookie, genuine in form: that container is signin's.
    async fn store(&self, cookie: &str, person: PersonEvidence) {
        let nothing = Envelope {
            kid: "none".to_owned(),
            key: String::new(),
            iv: String::new(),
            data: String::new(),
        };
        let record = SessionRecord {
            person,
            idle_until: now().plus_s(1800),
            ended: None,
            name: nothing,
            refresh: None,
            checked: now(),
            said: None,
        };
        let id = document_id(cookie).to_string();
        let unsigned = Unsigned {
            id: id.clone(),
            partition: id.clone(),
            kind: KIND,
            at: now().as_unix_s(),
            salt: *Uuid::new_v4().as_bytes(),
            body: serde_json::to_string(&record).unwrap(),
            happened: Happened::SessionStarted,
            statement: Uuid::new_v4(),
        };
        let stored = Stored::sign(unsigned, App::Signin, &self.thief.key, now()).await.unwrap();
        let written = self
            .thief
            .signin
            .cosmos(Method::POST, "sessions", &id, "", Some(stored.to_json().unwrap()))
            .await;
        assert_eq!(written.status, 201, "{}", written.text);
    }
}

async fn shown(world: &World, cookie: &str, path: &str) -> Answer {
    let call = world.call(Method::GET, path).header("authorization", format!("Session {cookie}"));
    Answer::to(call).await
}

#[tokio::test]
async fn an_invented_session_is_not_confirmed() {
    let world = World::start().await;
    let Pretender { thief, client } = &Pretender::new(&world).await;
    let session = session_of(&world.who("tara"), &[Role::TenantAdmin], client.key());
    let claims = thief.fitting(&session);
    let session = thief.sign(&session).await;
    let before = world.stored().await;

    // An ID token that anyone can write, one of Entra's that is for the thief's own identity,
    // and none.
    let own = thief.signin.token("api://AzureADTokenExchange").await;
    let stranger = world.control().mint(&claims, "stranger").await;
    let unsigned = world.control().mint(&claims, "none").await;
    for id_token in [own, stranger, unsigned, "e30.e30.".to_owned(), String::new()] {
        thief.asks(&world, &session, &id_token).await.assert_problem("not-verified");
    }

    // Even a genuine ID token of Tara's confirms no other key than the one she started with.
    let hers = changed(&claims, &[("nonce", json!("the nonce of Tara's own sign-in"))]);
    let hers = world.control().mint(&hers, "current").await;
    thief.asks(&world, &session, &hers).await.assert_problem("not-verified");
    // One that she were made to get for the thief's key would: it was the nonce that was refused.
    let made_to = world.control().mint(&claims, "current").await;
    assert!(thief.asks(&world, &session, &made_to).await.ok()["confirmation"].is_string());
    world.nothing_stored_since(&before).await;
}

#[tokio::test]
async fn an_unconfirmed_session_opens_nothing_at_intake() {
    let world = World::start().await;
    let pretender = Pretender::new(&world).await;
    let forger = Forger::new(&world).await;
    let harriet = world.person("harriet").await;
    let hers = forger.evidence_of(&harriet).await;
    let path = format!("/api/requests?tenant={}", harriet.who.tenant);
    let before = world.before().await;

    for confirmation in ["by signin", "in intake's name", "of another session"] {
        let cookie = Person::guessed_cookie();
        let session = pretender.signed_session(&world, &cookie).await;
        let confirmation = match confirmation {
            "by signin" => pretender.own_confirmation(&session, App::Signin).await,
            "in intake's name" => pretender.own_confirmation(&session, App::Intake).await,
            _ => hers.confirmation.clone(),
        };
        pretender.store(&cookie, PersonEvidence { session, confirmation }).await;
        for path in [path.as_str(), "/api/tenants", "/api/operations"] {
            let answer = shown(&world, &cookie, path).await;
            let problem = answer.as_problem();
            assert!(matches!(problem, Ok("not-signed-in" | "integrity")), "{problem:?}");
        }
    }

    // A session that was confirmed, under a cookie that the thief knows: it opens what can be
    // looked at, and signs nothing. That much a taken-over signin can, and the README says so.
    let cookie = Person::guessed_cookie();
    pretender.store(&cookie, hers).await;
    let asking = harriet.sign(&Order::of("sessions.revoke", &world.who("nina"))).await;
    let (_, other) = client_key();
    let asked: Ask = payload(asking.signed.as_str());
    let fake = Signed::sign(&asked, &other).await.unwrap();
    let call = world
        .call(Method::POST, "/api/requests")
        .header("authorization", format!("Session {cookie}"))
        .json(&json!({ "request": fake }));
    Answer::to(call).await.assert_problem("not-verified");
    world.nothing_done_since(&before).await;
}

#[tokio::test]
async fn an_unconfirmed_session_gets_nothing_done_by_execute() {
    let world = World::start().await;
    let pretender = Pretender::new(&world).await;
    let forger = Forger::new(&world).await;
    let nina = world.who("nina");
    let session = pretender.signed_session(&world, "cookie").await;
    let signed = async || ask(&nina, "sessions.revoke", &session, &pretender.client).await;

    // As if intake had been talked into permitting it: the worker wants the confirmation.
    for by in [App::Signin, App::Intake] {
        let confirmation = pretender.own_confirmation(&session, by).await;
        let person = PersonEvidence { session: session.clone(), confirmation };
        let evidence = RequestEvidence::Proven { request: signed().await, person };
        let fake = forger.forge(evidence, Vec::new()).await;
        let before = world.before().await;
        forger.deliver(&fake).await;
        let leaf = world.refused_since(&before).await;
        assert_eq!(leaf.reason(), "the request is not the requester's");
        assert!(leaf.is_violation());
    }

    // Alone, signin gets no message to the worker and no request into the database.
    let sent = pretender.thief.signin.send("permits-execute", "m", b"{}".to_vec()).await;
    assert_eq!(sent.status, 401, "{}", sent.text);
    let tenant = nina.tenant.to_string();
    let document = json!({ "id": "x", "tenant": tenant });
    let written =
        pretender.thief.signin.cosmos(Method::POST, "tenants", &tenant, "", Some(document)).await;
    assert_eq!(written.status, 403, "{}", written.text);
    // And its key signs no permit.
    let evidence = RequestEvidence::Proven {
        request: signed().await,
        person: forger.evidence_of(&world.person("harriet").await).await,
    };
    let permit = forger.permit(&evidence, &[]).await;
    let permit = Signed::sign(&permit, &pretender.thief.key).await.unwrap();
    let mut fake = forger.forge(evidence, Vec::new()).await;
    let before = world.before().await;
    fake.change.permit = permit.clone();
    fake.record.permit = Some(permit);
    forger.deliver(&fake).await;
    let leaf = world.refused_since(&before).await;
    assert_eq!(leaf.reason(), "the permit is not intake's");
    assert_eq!(leaf.says["tenantid"], "platform");
}
