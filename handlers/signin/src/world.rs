//! A world for this app's tests: core's ports in memory, an Entra and an `intake` that keep
//! their promises unless told otherwise, and a browser.

use std::{
    collections::{BTreeMap, HashMap, VecDeque},
    pin::Pin,
    sync::{
        Arc, Mutex,
        atomic::{AtomicBool, AtomicU32, Ordering},
    },
};

use airlock_azure::hosting;
use airlock_core::{
    base64url,
    binding::{Binding, HomeTenant, Terms},
    digest::Digest,
    identity::{App, ObjectId, PersonId, Role, TenantId},
    jwk::PublicKey,
    jws::{Signed, Typ, Verified},
    keyset::{Keyset, KeysetKey},
    ledger::{Happened, Stored, document::Unsigned},
    manifest::Manifest,
    memory::{Dice, Documented, Kept as KeptBlobs, LocalKey, Mask, Sent, SetClock},
    ports::{Clock as _, Container, Documents as _, Partition, PortError, Ports, Wrapper as _},
    secret::Secret,
    session::{Confirmation, Session},
    session_record::{SessionRecord, csrf_token},
    sign_in::{self, SignIn},
    time::Timestamp,
    trust::{BINDING_ID, KEYSET_ID, StoredArtefact},
};
use async_trait::async_trait;
use axum::{
    Router,
    body::{Body, to_bytes},
    http::{HeaderMap, Method, Request, StatusCode, header},
};
use p256::SecretKey;
use serde_json::{Value, json};
use tower::ServiceExt as _;
use url::Url;
use uuid::Uuid;

use crate::{
    desk::{Connect, Desk, Signin},
    opaque::Opaque,
    outside::{Entra, IdToken, Intake, NotAnswered, NotGranted, Says, Tokens},
    routes,
    store::{self, At},
};

pub const PORTAL: &str = "https://portal.example";
pub const API: &str = "https://api.example";

/// Noon of some day.
const NOON: Timestamp = Timestamp::from_unix_s(1_700_049_600);

pub struct World {
    pub clock: Arc<SetClock>,
    pub documents: Arc<Documented>,
    pub manifest: Verified<Manifest>,
    pub entra: Arc<FakeEntra>,
    pub intake: Arc<FakeIntake>,
    ports: Ports,
}

/// A client key, by number.
pub fn client_key(number: u8) -> (LocalKey, PublicKey) {
    let private = SecretKey::from_slice(&[number; 32]).unwrap();
    let public = PublicKey::from_point(&private.public_key()).unwrap();
    (LocalKey::new(&private).unwrap(), public)
}

/// What was answered.
#[derive(Debug)]
pub struct Answer {
    pub status: StatusCode,
    pub headers: HeaderMap,
    pub json: Value,
    pub text: String,
}

impl Answer {
    /// The value of a cookie that was set, if it was set to one.
    pub fn cookie(&self, name: &str) -> Option<Opaque> {
        self.headers.get_all(header::SET_COOKIE).iter().find_map(|set| {
            let (other, rest) = set.to_str().unwrap().split_once('=').unwrap();
            let value = rest.split(';').next().unwrap();
            (other == name).then(|| Opaque::parse(value)).flatten()
        })
    }

    pub fn location(&self) -> &str {
        self.headers[header::LOCATION].to_str().unwrap()
    }
}

impl World {
    pub const HOME: &str = "605d9d43-3534-4810-8152-9d01a268ad22";
    pub const STRANGE: &str = "9188040d-6c67-4c5b-b112-36a304b66dad";

    pub async fn new() -> Self {
        let (root, root_key) = client_key(100);
        let (signin, signin_key) = client_key(101);
        let (intake, intake_key) = client_key(102);
        let clock = Arc::new(SetClock::at(NOON));
        let documents = Arc::new(Documented::default());
        let keyset = Keyset {
            ver: 1,
            iat: NOON,
            exp: NOON.plus_s(30 * 24 * 3600),
            keys: vec![
                listed(signin_key, App::Signin, &[Typ::Session, Typ::Statement, Typ::Revocation]),
                listed(intake_key, App::Intake, &[Typ::Confirmation]),
            ],
        };
        let keyset = artefact(KEYSET_ID, "platform", Signed::sign(&keyset, &root).await.unwrap());
        documents.overwrite(&Partition::deployment(), KEYSET_ID, keyset);
        let home: TenantId = Self::HOME.parse().unwrap();
        let binding = Binding {
            tnt: home,
            ver: 1,
            iat: NOON,
            exp: NOON.plus_s(30 * 24 * 3600),
            terms: Terms {
                name: "Contoso".to_owned(),
                home_tenants: vec![HomeTenant { tenant: home, roles: Role::ALL.to_vec() }],
                ..Terms::default()
            },
        };
        let binding =
            artefact(BINDING_ID, Self::HOME, Signed::sign(&binding, &root).await.unwrap());
        documents.overwrite(&Partition::bindings(home), BINDING_ID, binding);
        let manifest = Signed::sign(&manifest(root_key.clone()), &root).await.unwrap();
        let ports = Ports {
            clock: clock.clone(),
            entropy: Arc::new(Dice),
            signer: Arc::new(signin),
            wrapper: Arc::new(Mask),
            documents: documents.clone(),
            blobs: Arc::new(KeptBlobs::default()),
            bus: Arc::new(Sent::default()),
        };
        Self {
            manifest: manifest.verify(&root_key, NOON).unwrap(),
            entra: Arc::new(FakeEntra::new(clock.clone())),
            intake: Arc::new(FakeIntake {
                key: intake,
                clock: clock.clone(),
                lies: Mutex::default(),
                meanwhile: Mutex::default(),
            }),
            clock,
            documents,
            ports,
        }
    }

    pub fn person(number: u128) -> ObjectId {
        ObjectId::new(Uuid::from_u128(number))
    }

    pub fn now(&self) -> Timestamp {
        self.clock.now()
    }

    /// Another instance of the app, which has nothing in its memory.
    pub fn signin(&self) -> Signin {
        let connect = Arc::new(Connected(self.ports.clone()));
        Signin::new(self.manifest.clone(), connect, self.entra.clone(), self.intake.clone())
    }

    /// Another instance's desk. Lives as long as the test process.
    pub async fn desk(&self) -> &'static Desk {
        Box::leak(Box::new(self.signin())).desk().await.unwrap()
    }

    /// Another instance's routes: what it remembers, it remembers from call to call.
    pub fn router(&self) -> Router {
        hosting::router(routes::all(self.signin()).unwrap())
    }

    pub async fn asked(
        &self,
        method: Method,
        path: &str,
        headers: &[(&str, &str)],
        body: Option<&Value>,
    ) -> Answer {
        let mut request = Request::builder().method(method).uri(path);
        for (name, value) in headers {
            request = request.header(*name, *value);
        }
        if body.is_some() {
            request = request.header("content-type", "application/json");
        }
        let body = body.map_or_else(Body::empty, |body| Body::from(body.to_string()));
        self.answered(request.body(body).unwrap()).await
    }

    async fn answered(&self, request: Request<Body>) -> Answer {
        Self::answered_by(self.router(), request).await
    }

    /// What this instance answers.
    pub async fn answered_by(router: Router, request: Request<Body>) -> Answer {
        let response = router.oneshot(request).await.unwrap();
        let (parts, body) = response.into_parts();
        let body = to_bytes(body, 1 << 20).await.unwrap();
        let text = String::from_utf8(body.to_vec()).unwrap();
        let json = serde_json::from_str(&text).unwrap_or(Value::Null);
        Answer { status: parts.status, headers: parts.headers, json, text }
    }

    /// A change asked by the portal's script.
    pub async fn asked_by_portal(&self, cookie: &Opaque, path: &str, body: &Value) -> Answer {
        let cookies = format!("__Host-airlock={}", cookie.expose());
        let csrf = csrf_token(cookie.expose());
        let headers = [
            ("cookie", cookies.as_str()),
            ("origin", PORTAL),
            ("sec-fetch-site", "same-site"),
            ("x-airlock-csrf", csrf.as_str()),
        ];
        self.asked(Method::POST, path, &headers, Some(body)).await
    }

    /// Something that the portal's script only looks at.
    pub async fn looked_at_by_portal(&self, cookie: &Opaque, path: &str) -> Answer {
        let cookies = format!("__Host-airlock={}", cookie.expose());
        let headers =
            [("cookie", cookies.as_str()), ("origin", PORTAL), ("sec-fetch-site", "same-site")];
        self.asked(Method::GET, path, &headers, None).await
    }

    pub async fn challenge(&self) -> String {
        let answer = self.asked(Method::POST, "/auth/challenge", &[], None).await;
        assert_eq!(answer.status, 200, "{answer:?}");
        answer.json["challenge"].as_str().unwrap().to_owned()
    }

    /// What a client with key `key` signs.
    pub fn claims(&self, key: u8, challenge: &str, return_to: &str) -> SignIn {
        SignIn {
            aud: API.to_owned(),
            challenge: challenge.to_owned(),
            tenant: Self::HOME.parse().unwrap(),
            return_to: return_to.to_owned(),
            jwk: client_key(key).1,
            iat: self.now(),
            exp: self.now().plus_s(60),
        }
    }

    pub async fn proof(&self, key: u8, claims: &SignIn) -> Value {
        let signed = Signed::sign(claims, &client_key(key).0).await.unwrap();
        json!({ "proof": signed.as_str() })
    }

    /// Starts a sign-in as the portal would: the answer, with the browser's new cookie.
    pub async fn started_by_portal(&self, step_up: Option<&str>) -> Answer {
        let claims = self.claims(1, &self.challenge().await, "/requests");
        let mut body = self.proof(1, &claims).await;
        if let Some(context) = step_up {
            body["step_up"] = context.into();
        }
        let headers = [("origin", PORTAL), ("sec-fetch-site", "same-site")];
        self.asked(Method::POST, "/auth/start", &headers, Some(&body)).await
    }

    /// Goes to Entra's page and back: the path and query of the callback.
    pub fn at_entra(&self, started: &Answer) -> String {
        self.at_entras_page(started.json["authorize"].as_str().unwrap())
    }

    /// Goes to this page of Entra's and back.
    pub fn at_entras_page(&self, url: &str) -> String {
        let url = Url::parse(url).unwrap();
        self.back(&url.query_pairs().into_owned().collect())
    }

    /// Starts a sign-in as a program would: the answer.
    pub async fn started_by_program(&self, key: u8, return_to: &str) -> Answer {
        let claims = self.claims(key, &self.challenge().await, return_to);
        let body = self.proof(key, &claims).await;
        self.asked(Method::POST, "/auth/start", &[], Some(&body)).await
    }

    /// Opens the page of a sign-in that a program started: the page, and the form in it.
    pub async fn offered(&self, started: &Answer) -> (Answer, String) {
        let url = started.json["authorize"].as_str().unwrap();
        let page = self.asked(Method::GET, url.strip_prefix(API).unwrap(), &[], None).await;
        assert_eq!(page.status, 200, "{page:?}");
        let (_, offer) = page.text.split_once("name=\"offer\" value=\"").unwrap();
        let form = format!("offer={}", offer.split_once('"').unwrap().0);
        (page, form)
    }

    /// Sends a form of that page's, with these headers.
    pub async fn confirmed(&self, form: &str, headers: &[(&str, &str)]) -> Answer {
        let mut request = Request::post("/auth/confirm");
        for (name, value) in headers {
            request = request.header(*name, *value);
        }
        self.answered(request.body(Body::from(form.to_owned())).unwrap()).await
    }

    /// Goes to Entra's page again with what was asked last, as a person who pressed "back".
    pub fn at_entra_again(&self) -> String {
        let asked = self.entra.asks.lock().unwrap().last().unwrap().clone();
        self.back(&asked)
    }

    fn back(&self, asked: &HashMap<String, String>) -> String {
        let code = self.entra.code(asked);
        format!("/auth/callback?code={code}&state={}", asked["state"])
    }

    /// Entra's answer, brought by a browser with these cookies.
    pub async fn called_back(&self, path: &str, cookies: &[(&str, &Opaque)]) -> Answer {
        let cookies: Vec<String> =
            cookies.iter().map(|(name, value)| format!("{name}={}", value.expose())).collect();
        let headers = [("cookie", cookies.join("; "))];
        let headers: Vec<(&str, &str)> =
            headers.iter().map(|(name, value)| (*name, value.as_str())).collect();
        self.asked(Method::GET, path, &headers, None).await
    }

    /// A whole sign-in in a browser: the session's cookie.
    pub async fn signed_in(&self) -> Opaque {
        let started = self.started_by_portal(None).await;
        assert_eq!(started.status, 200, "{started:?}");
        let browser = started.cookie("__Host-airlock-start").unwrap();
        let answer =
            self.called_back(&self.at_entra(&started), &[("__Host-airlock-start", &browser)]).await;
        assert_eq!(answer.location(), "https://portal.example/requests");
        answer.cookie("__Host-airlock").unwrap()
    }

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
        self.documents.all(&Partition::session(&cookie.digest().to_string()))
    }

    /// How many documents there are of each kind.
    pub async fn written(&self) -> BTreeMap<&'static str, usize> {
        let mut written = BTreeMap::new();
        for kind in ["session", "spent", "one-time-code", "of-sign-in", "sealing-key"] {
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
        for kind in ["session", "spent", "one-time-code", "of-sign-in", "sealing-key"] {
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

    pub async fn sealing_keys(&self) -> usize {
        self.documents.partitions(Container::Sessions, "sealing-key").await.unwrap().len()
    }

    /// Ids of all stored revocations.
    pub fn revocations(&self) -> Vec<String> {
        let partition = Partition::revocations(Self::HOME.parse().unwrap());
        self.documents.all(&partition).into_keys().collect()
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

    pub fn put_spoiled_revocation(&self, person: ObjectId) {
        let partition = Partition::revocations(Self::HOME.parse().unwrap());
        let id = person.to_string();
        self.documents.overwrite(&partition, &id, json!({ "id": id, "kind": "revocation" }));
    }
}

fn listed(jwk: PublicKey, app: App, signs: &[Typ]) -> KeysetKey {
    KeysetKey { jwk, app, signs: signs.to_vec(), nbf: NOON, revoked: None }
}

fn artefact<T: airlock_core::jws::Artefact>(id: &str, tenant: &str, artefact: Signed<T>) -> Value {
    serde_json::to_value(StoredArtefact {
        id: id.to_owned(),
        tenant: tenant.to_owned(),
        kind: id.to_owned(),
        at: 0,
        artefact,
    })
    .unwrap()
}

fn manifest(root: PublicKey) -> Manifest {
    Manifest {
        app: App::Signin,
        iat: NOON,
        root,
        package: Digest::of(&[]),
        tenant: World::HOME.parse().unwrap(),
        authority: "https://login.microsoftonline.com".to_owned(),
        sign_in_pages: "https://pages.example".to_owned(),
        graph: "https://graph.microsoft.com".to_owned(),
        vault: "https://v.vault.azure.net".to_owned(),
        cosmos: "https://c.documents.azure.com".to_owned(),
        bus: "b.servicebus.windows.net".to_owned(),
        blobs: "https://b.blob.core.windows.net".to_owned(),
        anchors: "https://a.blob.core.windows.net".to_owned(),
        portal: PORTAL.to_owned(),
        api: API.to_owned(),
        confirmations: "https://intake.example/internal/confirmations".to_owned(),
        portal_client: World::person(0xa),
        intake_client: World::person(0xb),
        signin_principal: World::person(0xc),
        workers: BTreeMap::new(),
        may_override: Vec::new(),
    }
}

struct Connected(Ports);

#[async_trait]
impl Connect for Connected {
    async fn ports(&self) -> Result<Ports, PortError> {
        Ok(self.0.clone())
    }
}

/// How the next refresh goes wrong.
#[derive(Clone, Copy, Debug)]
pub enum Trouble {
    Refuses,
    Down,
    OtherPerson,
}

/// An Entra with one person.
pub struct FakeEntra {
    clock: Arc<SetClock>,
    asks: Mutex<Vec<HashMap<String, String>>>,
    codes: Mutex<HashMap<String, HashMap<String, String>>>,
    roles: Mutex<Vec<Role>>,
    troubles: Mutex<VecDeque<Trouble>>,
    ignores_step_up: AtomicBool,
    redeemed: AtomicU32,
}

impl FakeEntra {
    fn new(clock: Arc<SetClock>) -> Self {
        Self {
            clock,
            asks: Mutex::default(),
            codes: Mutex::default(),
            roles: Mutex::new(vec![Role::HelpdeskAgent]),
            troubles: Mutex::default(),
            ignores_step_up: AtomicBool::new(false),
            redeemed: AtomicU32::new(0),
        }
    }

    /// How often it was asked to redeem a code.
    pub fn redeemed(&self) -> u32 {
        self.redeemed.load(Ordering::SeqCst)
    }

    pub fn confers(&self, roles: &[Role]) {
        *self.roles.lock().unwrap() = roles.to_vec();
    }

    pub fn next_refresh(&self, trouble: Trouble) {
        self.troubles.lock().unwrap().push_back(trouble);
    }

    pub fn ignore_step_up(&self) {
        self.ignores_step_up.store(true, Ordering::SeqCst);
    }

    fn code(&self, asked: &HashMap<String, String>) -> String {
        let mut asks = self.asks.lock().unwrap();
        let code = format!("code-{}", asks.len());
        asks.push(asked.clone());
        self.codes.lock().unwrap().insert(code.clone(), asked.clone());
        code
    }

    fn tokens(&self, tid: TenantId, oid: ObjectId) -> Tokens {
        let says = Says {
            person: PersonId { tid, oid },
            nonce: None,
            roles: self.roles.lock().unwrap().clone(),
            acrs: Vec::new(),
            auth_time: Some(self.clock.now()),
            sid: Some("entra-sid".to_owned()),
            name: Secret::new("Ada Lovelace".to_owned()),
            login_hint: Some(Secret::new("O.hint".to_owned())),
        };
        Tokens {
            id: IdToken { text: Secret::new(json!({}).to_string()), says },
            access: Secret::new("access-token".to_owned()),
            refresh: Some(Secret::new("refresh-token".to_owned())),
        }
    }
}

#[async_trait]
impl Entra for FakeEntra {
    async fn redeem(
        &self,
        tenant: TenantId,
        code: Secret,
        verifier: Secret,
    ) -> Result<Tokens, NotGranted> {
        self.redeemed.fetch_add(1, Ordering::SeqCst);
        let refused = NotGranted::Refused { error: "invalid_grant", code: Some(70_000) };
        // Once: Entra forgets a code that was tried.
        let asked = self.codes.lock().unwrap().remove(code.expose());
        let Some(asked) = asked else { return Err(refused) };
        let challenge = Digest::of(&[verifier.expose().as_bytes()]).to_string();
        if asked["code_challenge"] != challenge {
            return Err(refused);
        }
        let mut tokens = self.tokens(tenant, World::person(1));
        tokens.id.text = Secret::new(json!({ "nonce": asked["nonce"] }).to_string());
        tokens.id.says.nonce = Some(asked["nonce"].clone());
        if asked.contains_key("claims") && !self.ignores_step_up.load(Ordering::SeqCst) {
            let claims: Value = serde_json::from_str(&asked["claims"]).unwrap();
            let context = claims["id_token"]["acrs"]["value"].as_str().unwrap();
            tokens.id.says.acrs.push(context.to_owned());
        }
        Ok(tokens)
    }

    async fn refresh(&self, tenant: TenantId, token: Secret) -> Result<Tokens, NotGranted> {
        assert_eq!(token.expose(), "refresh-token");
        let trouble = self.troubles.lock().unwrap().pop_front();
        match trouble {
            None => Ok(self.tokens(tenant, World::person(1))),
            Some(Trouble::OtherPerson) => Ok(self.tokens(tenant, World::person(2))),
            Some(Trouble::Refuses) => {
                Err(NotGranted::Refused { error: "invalid_grant", code: Some(50_057) })
            }
            Some(Trouble::Down) => Err(PortError::Unavailable("down".into()).into()),
        }
    }
}

/// How the next confirmation is wrong.
#[derive(Clone, Copy, Debug)]
pub enum Lie {
    Refuses,
    OtherPerson,
    OtherSession,
    OtherKey,
    ForeignSignature,
}

/// An `intake` that confirms what it is shown.
pub struct FakeIntake {
    key: LocalKey,
    clock: Arc<SetClock>,
    lies: Mutex<VecDeque<Lie>>,
    meanwhile: Mutex<Option<Pin<Box<dyn Future<Output = ()> + Send>>>>,
}

impl FakeIntake {
    pub fn next_confirmation(&self, lie: Lie) {
        self.lies.lock().unwrap().push_back(lie);
    }

    /// What happens elsewhere while the next confirmation is on its way.
    pub fn meanwhile(&self, happens: impl Future<Output = ()> + Send + 'static) {
        *self.meanwhile.lock().unwrap() = Some(Box::pin(happens));
    }
}

#[async_trait]
impl Intake for FakeIntake {
    async fn confirm(
        &self,
        session: &Signed<Session>,
        id_token: &Secret,
        nonce_random: &[u8; 32],
    ) -> Result<Signed<Confirmation>, NotAnswered> {
        let meanwhile = self.meanwhile.lock().unwrap().take();
        if let Some(meanwhile) = meanwhile {
            meanwhile.await;
        }
        let lie = self.lies.lock().unwrap().pop_front();
        if matches!(lie, Some(Lie::Refuses)) {
            return Err(NotAnswered::Refused(403));
        }
        let now = self.clock.now();
        let said = session.verify(&client_key(101).1, now).unwrap();
        let token: Value = serde_json::from_str(id_token.expose()).unwrap();
        let jkt = said.cnf.jwk.thumbprint();
        assert_eq!(token["nonce"], sign_in::nonce(jkt, nonce_random));
        let mut confirmation = Confirmation {
            iss: App::Intake,
            session: session.digest(),
            tid: said.tid,
            oid: said.oid,
            jkt,
            iat: now,
            exp: said.exp,
        };
        match lie {
            Some(Lie::OtherPerson) => confirmation.oid = World::person(2),
            Some(Lie::OtherSession) => confirmation.session = Digest::of(&[]),
            Some(Lie::OtherKey) => confirmation.jkt = client_key(9).1.thumbprint(),
            Some(Lie::ForeignSignature | Lie::Refuses) | None => {}
        }
        let foreign = client_key(9).0;
        let key = if matches!(lie, Some(Lie::ForeignSignature)) { &foreign } else { &self.key };
        Ok(Signed::sign(&confirmation, key).await.unwrap())
    }

    async fn claims(&self, access_token: &Secret) -> Result<Value, NotAnswered> {
        assert_eq!(access_token.expose(), "access-token");
        Ok(json!({ "claims": { "scp": "access_as_user" } }))
    }
}
