//! A session: signed by us, confirmed by `intake`, and only then stored.

use airlock_azure::hosting::Refusal;
use airlock_core::{
    base64url,
    digest::Digest,
    envelope::{Envelope, NotOpened, Place},
    identity::{App, TenantId},
    jwk::PublicKey,
    jws::{NotSigned, NotVerified, Signed},
    ledger::{Happened, Statement},
    ports::{Created, PortError},
    problem::Problem,
    recording::event,
    secret::Secret,
    session::{Confirms, PersonEvidence, Session},
    session_record::{ABSOLUTE_S, SessionRecord, document_id},
    time::Timestamp,
    trust::NotTrusted,
};
use serde::{Deserialize, Serialize};

use crate::{
    admission::Admitted,
    desk::Desk,
    exposed,
    live::{self, Why},
    opaque::{self, Opaque},
    outside::{NotAnswered, Tokens},
    refused::{passing, signing_problem, trust_problem},
    store::{At, NotKept, OfSignIn},
};

/// A session that both outer apps stand for. Not stored yet.
pub struct Issued {
    cookie: Opaque,
    session: Session,
    record: SessionRecord,
    /// What the ledger is to be told.
    started: Signed<Statement>,
    /// Names the sign-in at Entra that it came of.
    sign_in: Option<Digest>,
}

/// Why there is no session.
#[derive(Debug, thiserror::Error)]
pub enum NotIssued {
    /// Our key did not sign.
    #[error("session not signed")]
    NotSigned(#[from] NotSigned),
    /// `intake` does not stand for it.
    #[error("session not confirmed")]
    NotConfirmed(#[from] NotAnswered),
    /// Whom to trust could not be told.
    #[error("whom to trust not known")]
    NotTrusted(#[from] NotTrusted),
    /// What `intake` answered is not a confirmation of this session.
    #[error("confirmation not verified")]
    NotVerified(#[from] NotVerified),
    /// Refresh token or name were not encrypted.
    #[error("not encrypted")]
    NotSealed(#[from] NotOpened),
    /// It has no JSON form.
    #[error("not written as JSON")]
    Json(#[from] serde_json::Error),
    /// Nothing was stored, or it is not known.
    #[error("session not stored")]
    NotKept(#[from] NotKept),
    /// The session before it could not be ended.
    #[error("former session not ended")]
    NotEnded(#[from] live::NotEnded),
    /// The cookie is another session's: two of 2^256 met, or randomness is broken.
    #[error("cookie taken")]
    CookieTaken,
    /// There is no randomness.
    #[error("no randomness")]
    Port(#[from] PortError),
}

impl NotIssued {
    /// What contradicts itself in the evidence for a person, in words for the ledger.
    #[must_use]
    pub const fn contradiction(&self) -> Option<&'static str> {
        match self {
            // What `intake` answers to an ID token that does not bear the session out.
            Self::NotConfirmed(NotAnswered::Refused(401)) => {
                Some("intake does not see in the ID token what signin says")
            }
            Self::NotVerified(_) => Some("the confirmation is none of the session"),
            _ => None,
        }
    }
}

/// What a person brought back from Entra. It has a JSON form to be encrypted, where it must wait
/// for the holder of the client key.
#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Arrival {
    person: Admitted,
    #[serde(with = "exposed")]
    id_token: Secret,
    /// The random half of the nonce.
    random: [u8; 32],
    #[serde(with = "exposed::optional")]
    refresh: Option<Secret>,
    at: Timestamp,
}

impl Arrival {
    /// Whoever was admitted, at this time.
    #[must_use]
    pub fn new(person: Admitted, tokens: Tokens, random: [u8; 32], at: Timestamp) -> Self {
        Self { person, id_token: tokens.id.text, random, refresh: tokens.refresh, at }
    }

    /// Names the sign-in at Entra, if Entra did.
    #[must_use]
    pub fn sign_in(&self) -> Option<Digest> {
        self.person.sign_in()
    }
}

/// Signs a session for the holder of a client key, and has it confirmed.
///
/// # Errors
///
/// [`NotIssued`]; then nothing is stored.
pub async fn issue(desk: &Desk, jwk: &PublicKey, arrival: Arrival) -> Result<Issued, NotIssued> {
    let Arrival { person, id_token, random, refresh, at } = arrival;
    let cookie = Opaque::generate(&*desk.ports.entropy)?;
    let session = Session {
        iss: App::Signin,
        sid: base64url::encode(opaque::random::<16>(&*desk.ports.entropy)?),
        tid: person.tid,
        oid: person.oid,
        roles: person.roles.clone(),
        acrs: person.acrs.clone(),
        auth_time: person.auth_time,
        // Not the present: a revocation since then counts for this session too.
        iat: at,
        exp: at.plus_s(ABSOLUTE_S),
        cnf: Confirms { jwk: jwk.clone() },
        cookie: document_id(cookie.expose()),
    };
    let signed = Signed::sign(&session, &*desk.ports.signer).await?;
    let confirmation = desk.intake.confirm(&signed, &id_token, &random).await?;
    let evidence = PersonEvidence { session: signed, confirmation };
    // Both halves, as everyone downstream will verify them: what would not hold there is not
    // stored here.
    evidence.verify(&desk.trust.trust().await?, desk.now())?;
    let sign_in = person.sign_in();
    let id = opaque::name(&*desk.ports.entropy)?;
    let started = event::started(&session, &evidence.session, id, desk.now());
    // Calls to the vault, at the same time.
    let (started, record) = tokio::join!(
        Signed::sign(&started, &*desk.ports.signer),
        record(desk, &session, evidence, person, refresh),
    );
    let started = started?;
    let record = SessionRecord { said: Some(started.digest()), ..record? };
    Ok(Issued { cookie, session, record, started, sign_in })
}

async fn record(
    desk: &Desk,
    session: &Session,
    evidence: PersonEvidence,
    person: Admitted,
    refresh: Option<Secret>,
) -> Result<SessionRecord, NotIssued> {
    let id = session.cookie.to_string();
    let profile = Profile { name: person.name, login_hint: person.login_hint };
    let name = profile.seal(desk, session.tid, &id);
    let refresh = async {
        match refresh {
            Some(token) => seal_refresh(desk, session.tid, &id, &token).await.map(Some),
            None => Ok(None),
        }
    };
    // Two calls to the vault, at the same time.
    let (name, refresh) = tokio::join!(name, refresh);
    Ok(SessionRecord {
        person: evidence,
        idle_until: live::idle_until(session.iat, session.exp),
        ended: None,
        name: name?,
        refresh: refresh?,
        checked: session.iat,
        said: None,
    })
}

impl Issued {
    /// Ends the session before it, and stores this one.
    ///
    /// # Errors
    ///
    /// [`NotIssued`].
    pub async fn keep(self, desk: &Desk, previous: Option<&Opaque>) -> Result<Opaque, NotIssued> {
        // First: of a new session without the end of the old one there would be two.
        if let Some(previous) = previous {
            live::end(desk, &At::session(previous.digest()), Some(Why::Replaced)).await?;
        }
        let id = self.session.cookie;
        // Before the session: an entry without one is harmless, and one without an entry would
        // outlive a sign-out at Entra.
        if let Some(sign_in) = self.sign_in {
            created(desk.store.file(sign_in, OfSignIn::Session(id)).await?)?;
        }
        let at = At::session(id);
        let (happened, started) = (Happened::SessionStarted, Some(self.started));
        created(desk.store.create_and_report(&at, happened, &self.record, started).await?)?;
        tracing::info!(
            tenant = %self.session.tid,
            session = %self.session.sid_hash(),
            "session started"
        );
        Ok(self.cookie)
    }
}

const fn created(created: Created) -> Result<(), NotIssued> {
    match created {
        Created::New => Ok(()),
        Created::Existed => Err(NotIssued::CookieTaken),
    }
}

/// What is kept of a person to show them, and to sign them out at Entra. Personal data:
/// encrypted, in the record's `name`.
#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Profile {
    /// For display.
    #[serde(with = "exposed")]
    pub name: Secret,
    /// For Entra's sign-out page.
    #[serde(with = "exposed::optional")]
    pub login_hint: Option<Secret>,
}

impl Profile {
    async fn seal(
        &self,
        desk: &Desk,
        tenant: TenantId,
        document: &str,
    ) -> Result<Envelope, NotIssued> {
        let text = Secret::new(serde_json::to_string(self)?);
        let tenant = tenant.to_string();
        Ok(seal(desk, place(&tenant, document, NAME), &text).await?)
    }

    /// Opens a session's.
    ///
    /// # Errors
    ///
    /// [`NotOpened`].
    pub async fn open(
        desk: &Desk,
        session: &Session,
        record: &SessionRecord,
    ) -> Result<Self, NotOpened> {
        let (tenant, document) = (session.tid.to_string(), session.cookie.to_string());
        let place = place(&tenant, &document, NAME);
        let text = record.name.open(place, &*desk.ports.wrapper).await?;
        serde_json::from_slice(&text).map_err(|_| NotOpened::Changed)
    }
}

/// Encrypts a refresh token for a session's document.
///
/// # Errors
///
/// [`NotOpened`].
pub async fn seal_refresh(
    desk: &Desk,
    tenant: TenantId,
    document: &str,
    token: &Secret,
) -> Result<Envelope, NotOpened> {
    let tenant = tenant.to_string();
    seal(desk, place(&tenant, document, REFRESH), token).await
}

/// Decrypts the refresh token of a session.
///
/// # Errors
///
/// [`NotOpened`].
pub async fn open_refresh(
    desk: &Desk,
    session: &Session,
    envelope: &Envelope,
) -> Result<Secret, NotOpened> {
    let (tenant, document) = (session.tid.to_string(), session.cookie.to_string());
    let text = envelope.open(place(&tenant, &document, REFRESH), &*desk.ports.wrapper).await?;
    let text = std::str::from_utf8(&text).map_err(|_| NotOpened::Changed)?;
    Ok(Secret::new(text.to_owned()))
}

/// Fields that are encrypted.
const NAME: &str = "name";
const REFRESH: &str = "refresh";

const fn place<'a>(tenant: &'a str, document: &'a str, field: &'static str) -> Place<'a> {
    Place { tenant, document, field, version: 1 }
}

async fn seal(desk: &Desk, place: Place<'_>, text: &Secret) -> Result<Envelope, NotOpened> {
    let ports = &desk.ports;
    Envelope::seal(place, text.expose().as_bytes(), &*ports.wrapper, &*ports.entropy).await
}

impl From<NotIssued> for Refusal {
    fn from(error: NotIssued) -> Self {
        let problem = match &error {
            NotIssued::NotSigned(error) => signing_problem(error),
            NotIssued::NotConfirmed(NotAnswered::Refused(_)) => Problem::NOT_VERIFIED,
            NotIssued::NotConfirmed(NotAnswered::Port(error)) | NotIssued::Port(error) => {
                passing(error)
            }
            NotIssued::NotTrusted(error) => trust_problem(error),
            NotIssued::NotVerified(_) => Problem::INTEGRITY,
            NotIssued::NotSealed(NotOpened::Port(error)) => passing(error),
            NotIssued::NotKept(error) => error.problem(),
            NotIssued::NotEnded(_) => Problem::UNAVAILABLE,
            NotIssued::NotSealed(NotOpened::Changed)
            | NotIssued::Json(_)
            | NotIssued::CookieTaken => Problem::INTERNAL,
        };
        Self::because(problem, error)
    }
}
