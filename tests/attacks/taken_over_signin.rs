//! `signin` in the wrong hands: it can sign sessions, and nobody confirms them.

use airlock_core::{
    ask::RequestEvidence,
    base64url,
    envelope::Envelope,
    identity::{App, Role},
    jws::Signed,
    ledger::{Happened, Stored, document::Unsigned},
    ports::Signer as _,
    session::{Confirmation, Confirms, PersonEvidence, Session},
    session_record::{KIND, SessionRecord, document_id},
};
use airlock_tests::{
    Answer, Forger, Impostor, Order, Person, VaultKey, World, client_key, now, payload,
};
use http::Method;
use serde_json::{Value, json};
use uuid::Uuid;

/// `signin`, taken over.
struct Thief {
    signin: Impostor,
    key: VaultKey,
    client: airlock_core::memory::LocalKey,
}

impl Thief {
    async fn new(world: &World) -> Self {
        let signin = world.impostor("signin").await;
        let key = signin.key().await;
        Self { key, signin, client: client_key().1 }
    }

    /// A session for Tara, bound to the thief's own client key.
    async fn session(&self, world: &World, cookie: &str) -> Signed<Session> {
        let tara = world.who("tara");
        let session = Session {
            iss: App::Signin,
            sid: Uuid::new_v4().to_string(),
            tid: tara.tenant,
            oid: tara.object,
            roles: vec![Role::TenantAdmin],
            acrs: Vec::new(),
            auth_time: now(),
            iat: now(),
            exp: now().plus_s(3600),
            cnf: Confirms { jwk: self.client.key().clone() },
            cookie: document_id(cookie),
        };
        Signed::sign(&session, &self.key).await.unwrap()
    }

    /// A confirmation that fits, by the only key that the thief has.
    async fn own_confirmation(&self, signed: &Signed<Session>, by: App) -> Signed<Confirmation> {
        let session: Session = payload(signed.as_str());
        let confirmation = Confirmation {
            iss: by,
            session: signed.digest(),
            tid: session.tid,
            oid: session.oid,
            jkt: session.cnf.jwk.thumbprint(),
            iat: session.iat,
            exp: session.exp,
        };
        Signed::sign(&confirmation, &self.key).await.unwrap()
    }

    /// Asks intake to confirm a session, as signin does.
    async fn ask_to_confirm(&self, world: &World, body: &Value) -> Answer {
        let audience = format!("api://{}", self.signin.application("airlock-intake"));
        let token = self.signin.token(&audience).await;
        let url = world.stack()["confirmations"].as_str().unwrap();
        Answer::to(world.http().post(url).bearer_auth(token).json(body)).await
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
        let stored = Stored::sign(unsigned, App::Signin, &self.key, now()).await.unwrap();
        let written = self
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
    let thief = Thief::new(&world).await;
    let session = thief.session(&world, "cookie").await;
    let before = world.stored().await;

    // An ID token that anyone can write, one of Entra's that is for the thief's own identity,
    // and none.
    let own = thief.signin.token("api://AzureADTokenExchange").await;
    let tara = world.who("tara");
    let claims = json!({
        "iss": format!("https://login.microsoftonline.com/{}/v2.0", tara.tenant),
        "aud": thief.signin.application("airlock-portal"),
        "tid": tara.tenant, "oid": tara.object, "sub": "tara", "ver": "2.0",
        "iat": now(), "nbf": now(), "exp": now().plus_s(600), "roles": ["TenantAdmin"],
        "nonce": airlock_core::sign_in::nonce(thief.client.key().thumbprint(), &[7; 32]),
    });
    let stranger = world.control().mint(&claims, "stranger").await;
    let unsigned = world.control().mint(&claims, "none").await;
    for id_token in [own, stranger, unsigned, "e30.e30.".to_owned(), String::new()] {
        let body = json!({
            "session": session, "id_token": id_token, "nonce_random": base64url::encode([7; 32]),
        });
        thief.ask_to_confirm(&world, &body).await.assert_problem("not-verified");
    }

    // Even a genuine ID token of Tara's confirms no other key than the one she started with.
    let mut genuine = claims;
    genuine["nonce"] = json!("the nonce of Tara's own sign-in");
    let genuine = world.control().mint(&genuine, "current").await;
    let body = json!({
        "session": session, "id_token": genuine, "nonce_random": base64url::encode([7; 32]),
    });
    thief.ask_to_confirm(&world, &body).await.assert_problem("not-verified");
    world.nothing_stored_since(&before).await;
}

#[tokio::test]
async fn an_unconfirmed_session_opens_nothing_at_intake() {
    let world = World::start().await;
    let thief = Thief::new(&world).await;
    let forger = Forger::new(&world).await;
    let harriet = world.person("harriet").await;
    let hers = forger.evidence_of(&harriet).await;
    let path = format!("/api/requests?tenant={}", harriet.who.tenant);
    let before = world.before().await;

    for confirmation in ["by signin", "in intake's name", "of another session"] {
        let cookie = Person::guessed_cookie();
        let session = thief.session(&world, &cookie).await;
        let confirmation = match confirmation {
            "by signin" => thief.own_confirmation(&session, App::Signin).await,
            "in intake's name" => thief.own_confirmation(&session, App::Intake).await,
            _ => hers.confirmation.clone(),
        };
        thief.store(&cookie, PersonEvidence { session, confirmation }).await;
        for path in [path.as_str(), "/api/tenants", "/api/operations"] {
            let answer = shown(&world, &cookie, path).await;
            let problem = answer.as_problem();
            assert!(matches!(problem, Ok("not-signed-in" | "integrity")), "{problem:?}");
        }
    }

    // A session that was confirmed, under a cookie that the thief knows: it opens what can be
    // looked at, and signs nothing. That much a taken-over signin can, and the README says so.
    let cookie = Person::guessed_cookie();
    thief.store(&cookie, hers).await;
    let asking = harriet.sign(&Order::of("sessions.revoke", &world.who("nina"))).await;
    let (_, other) = client_key();
    let ask: airlock_core::ask::Ask = payload(asking.signed.as_str());
    let fake = Signed::sign(&ask, &other).await.unwrap();
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
    let thief = Thief::new(&world).await;
    let forger = Forger::new(&world).await;
    let nina = world.who("nina");
    let session = thief.session(&world, "cookie").await;
    let asked = || airlock_core::ask::Ask {
        jti: Uuid::new_v4(),
        iat: now(),
        exp: now().plus_s(600),
        aud: App::Execute,
        tnt: nina.tenant,
        sid: payload::<Session>(session.as_str()).sid_hash(),
        by: payload::<Session>(session.as_str()).person(),
        op: airlock_core::catalog::Asked {
            name: "sessions.revoke".to_owned(),
            target: airlock_core::catalog::Target { user: nina.object },
            parameters: json!({}),
        },
        purpose: "none".to_owned(),
        ticket: None,
        break_glass: false,
        reveal_to: None,
    };
    let signed = async || Signed::sign(&asked(), &thief.client).await.unwrap();

    // As if intake had been talked into permitting it: the worker wants the confirmation.
    for by in [App::Signin, App::Intake] {
        let confirmation = thief.own_confirmation(&session, by).await;
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
    let sent = thief.signin.send("permits-execute", "m", b"{}".to_vec()).await;
    assert_eq!(sent.status, 401, "{}", sent.text);
    let tenant = nina.tenant.to_string();
    let document = json!({ "id": "x", "tenant": tenant });
    let written = thief.signin.cosmos(Method::POST, "tenants", &tenant, "", Some(document)).await;
    assert_eq!(written.status, 403, "{}", written.text);
    // And its key signs no permit.
    let evidence = RequestEvidence::Proven {
        request: signed().await,
        person: forger.evidence_of(&world.person("harriet").await).await,
    };
    let permit = forger.permit(&evidence, &[]).await;
    let permit = Signed::sign(&permit, &thief.key).await.unwrap();
    let mut fake = forger.forge(evidence, Vec::new()).await;
    let before = world.before().await;
    fake.change.permit = permit.clone();
    fake.record.permit = Some(permit);
    forger.deliver(&fake).await;
    let leaf = world.refused_since(&before).await;
    assert_eq!(leaf.reason(), "the permit is not intake's");
    assert_eq!(leaf.says["tenantid"], "platform");
}
