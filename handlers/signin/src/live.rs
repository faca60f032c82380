//! A session that lasts: found, genuine, confirmed, not idle for too long, not revoked.

use airlock_azure::hosting::Refusal;
use airlock_core::{
    jws::Signed,
    ledger::{Document, Happened, Statement},
    ports::PortError,
    problem::Problem,
    recording::event,
    revocation,
    session::{Person, Session},
    session_record::{self, IDLE_S, SessionRecord},
    time::Timestamp,
};

use crate::{
    desk::Desk,
    opaque::{self, Opaque},
    refused,
    store::{At, NotKept, Replaced},
};

/// The idle limit is moved when it gains at least this much, in seconds: one write a minute.
pub const MOVE_S: i64 = 60;

/// How often the end of a session is tried against other writers of its document.
const ATTEMPTS: u32 = 5;

/// A session that lasts, as of now.
pub struct Live {
    cookie: Opaque,
    document: Document<SessionRecord>,
    person: Person,
}

/// A session could not be ended.
#[derive(Debug, thiserror::Error)]
pub enum NotEnded {
    /// Its document was not read or written.
    #[error("session not ended")]
    NotKept(#[from] NotKept),
    /// Others changed it all the time.
    #[error("session not ended: it changed {ATTEMPTS} times meanwhile")]
    Contended,
}

impl Live {
    /// Finds the session of a cookie.
    ///
    /// # Errors
    ///
    /// `not-signed-in` if it is over, for whatever reason.
    pub async fn find(desk: &Desk, cookie: &Opaque) -> Result<Self, Refusal> {
        let now = desk.now();
        let documents = &*desk.ports.documents;
        let trust = desk.trust.trust().await.map_err(refused::trust)?;
        let document = session_record::find(documents, &trust, cookie.expose(), now)
            .await
            .map_err(refused::no_session)?;
        // The absolute limit is the session's own `exp`.
        let person = document
            .body
            .person
            .verify(&trust, now)
            .map_err(|error| Refusal::because(Problem::NOT_SIGNED_IN, error))?;
        if !cookie.is(person.session().cookie) {
            return Err(Refusal::new(Problem::INTEGRITY));
        }
        revocation::check(documents, &trust, person.session(), now)
            .await
            .map_err(refused::revoked)?;
        Ok(Self { cookie: cookie.clone(), document, person })
    }

    /// The session.
    #[must_use]
    pub const fn session(&self) -> &Session {
        self.person.session_value()
    }

    /// What is stored with it.
    #[must_use]
    pub const fn record(&self) -> &SessionRecord {
        &self.document.body
    }

    /// The session as two of our apps stand for it.
    #[must_use]
    pub const fn person(&self) -> &Person {
        &self.person
    }

    /// Its cookie.
    #[must_use]
    pub const fn cookie(&self) -> &Opaque {
        &self.cookie
    }

    /// Where it is stored.
    #[must_use]
    pub fn at(&self) -> At {
        At::session(self.session().cookie)
    }

    /// Moves the idle limit, because the person is there.
    ///
    /// # Errors
    ///
    /// `not-signed-in` if the session was ended meanwhile.
    pub async fn stay(self, desk: &Desk) -> Result<Self, Refusal> {
        let until = idle_until(desk.now(), self.session().exp);
        if until.since_s(self.record().idle_until) < MOVE_S {
            return Ok(self);
        }
        let record = SessionRecord { idle_until: until, ..self.record().clone() };
        self.change(desk, &record).await
    }

    /// Writes a changed record, and reads what is there then: whoever was faster has changed
    /// it to as good an end, or has ended it.
    ///
    /// # Errors
    ///
    /// `not-signed-in` if the session was ended meanwhile.
    pub async fn change(self, desk: &Desk, record: &SessionRecord) -> Result<Self, Refusal> {
        let happened = Happened::SessionContinued;
        desk.store.replace(&self.at(), &self.document, happened, record).await?;
        Self::find(desk, &self.cookie).await
    }
}

/// Until when a session lasts without another call: never beyond its absolute end.
#[must_use]
pub fn idle_until(now: Timestamp, absolute: Timestamp) -> Timestamp {
    now.plus_s(IDLE_S).min(absolute)
}

/// Ends a session, if it is there and has not ended. The refresh token goes with it. The ledger is
/// told why, if nobody has told it before.
///
/// # Errors
///
/// [`NotEnded`]. Repeating is safe.
pub async fn end(desk: &Desk, at: &At, why: Option<Why>) -> Result<(), NotEnded> {
    for _ in 0..ATTEMPTS {
        let Some(document) = desk.store.read::<SessionRecord>(at).await? else { return Ok(()) };
        if document.body.ended.is_some() {
            return Ok(());
        }
        let report = match why {
            Some(why) => said(desk, &document.body, why).await?,
            None => None,
        };
        let record =
            SessionRecord { ended: Some(desk.now()), refresh: None, ..document.body.clone() };
        let happened = Happened::SessionEnded;
        let replaced =
            desk.store.replace_and_report(at, &document, happened, &record, report).await?;
        if replaced == Replaced::Yes {
            tracing::info!(document = at.id(), "session ended");
            return Ok(());
        }
    }
    Err(NotEnded::Contended)
}

/// What the ledger is to be told; nothing of a session that was over by itself.
async fn said(
    desk: &Desk,
    record: &SessionRecord,
    why: Why,
) -> Result<Option<Signed<Statement>>, NotKept> {
    let trust = desk.trust.trust().await?;
    match record.person.verify(&trust, desk.now()) {
        Ok(person) => {
            let statement = why.statement(desk, &person, record)?;
            Ok(Some(Signed::sign(&statement, &*desk.ports.signer).await?))
        }
        Err(_) => Ok(None),
    }
}

/// Why a session ends.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Why {
    /// Its person signed out.
    SignedOut,
    /// Its person signed out at Entra.
    SignedOutAtEntra,
    /// Its person signed in anew: it was brought along.
    Replaced,
    /// Entra no longer says what it says.
    NotRenewed,
}

impl Why {
    /// What the ledger is told.
    ///
    /// # Errors
    ///
    /// [`PortError`] if there is no randomness.
    pub fn statement(
        self,
        desk: &Desk,
        person: &Person,
        record: &SessionRecord,
    ) -> Result<Statement, PortError> {
        let id = opaque::name(&*desk.ports.entropy)?;
        Ok(event::ended(person.session(), self.words(), record.said, id, desk.now()))
    }

    const fn words(self) -> &'static str {
        match self {
            Self::SignedOut => "the person signed out",
            Self::SignedOutAtEntra => "the person signed out at Entra",
            Self::Replaced => "the person signed in anew",
            Self::NotRenewed => "Entra no longer says what the session says",
        }
    }
}

impl From<NotEnded> for Refusal {
    fn from(error: NotEnded) -> Self {
        let problem = match &error {
            NotEnded::NotKept(error) => error.problem(),
            NotEnded::Contended => Problem::UNAVAILABLE,
        };
        Self::because(problem, error)
    }
}

#[cfg(test)]
mod tests {
    use airlock_core::session_record::ABSOLUTE_S;

    use super::*;
    use crate::world::World;

    #[test]
    fn the_idle_limit_never_passes_the_absolute_one() {
        let at = Timestamp::from_unix_s;

        assert_eq!(idle_until(at(0), at(ABSOLUTE_S)), at(IDLE_S));
        assert_eq!(idle_until(at(ABSOLUTE_S - 10), at(ABSOLUTE_S)), at(ABSOLUTE_S));
    }

    #[tokio::test]
    async fn a_session_is_over_when_nobody_calls_for_half_an_hour() {
        let world = World::new().await;
        let desk = world.desk().await;
        let cookie = world.signed_in().await;

        world.clock.advance_s(IDLE_S - 1);
        assert!(Live::find(desk, &cookie).await.is_ok());
        world.clock.advance_s(1);

        let refusal = Live::find(desk, &cookie).await.err().unwrap();
        assert_eq!(refusal.problem(), Problem::NOT_SIGNED_IN);
    }

    #[tokio::test]
    async fn a_session_is_over_after_eight_hours_even_if_it_is_used_all_the_time() {
        let world = World::new().await;
        let desk = world.desk().await;
        let cookie = world.signed_in().await;
        let began = desk.now();

        let mut last = Live::find(desk, &cookie).await.unwrap();
        while desk.now().since_s(began) < ABSOLUTE_S - 600 {
            world.clock.advance_s(600);
            last = Live::find(desk, &cookie).await.unwrap().stay(desk).await.unwrap();
        }
        assert_eq!(last.record().idle_until, last.session().exp);
        world.clock.advance_s(599);
        assert!(Live::find(desk, &cookie).await.is_ok());
        world.clock.advance_s(1);

        let refusal = Live::find(desk, &cookie).await.err().unwrap();
        assert_eq!(refusal.problem(), Problem::NOT_SIGNED_IN);
    }

    #[tokio::test]
    async fn the_idle_limit_is_written_at_most_once_a_minute() {
        let world = World::new().await;
        let desk = world.desk().await;
        let cookie = world.signed_in().await;
        let stay = async || Live::find(desk, &cookie).await.unwrap().stay(desk).await.unwrap();
        let before = world.session_versions(&cookie);

        world.clock.advance_s(MOVE_S - 1);
        stay().await;
        assert_eq!(world.session_versions(&cookie), before);
        world.clock.advance_s(1);
        let moved = stay().await;

        assert_ne!(world.session_versions(&cookie), before);
        assert_eq!(moved.record().idle_until, desk.now().plus_s(IDLE_S));
    }

    #[tokio::test]
    async fn an_ended_session_stays_ended_and_keeps_no_refresh_token() {
        let world = World::new().await;
        let desk = world.desk().await;
        let cookie = world.signed_in().await;
        let at = At::session(cookie.digest());

        end(desk, &at, Some(Why::Replaced)).await.unwrap();
        end(desk, &at, Some(Why::Replaced)).await.unwrap();

        let refusal = Live::find(desk, &cookie).await.err().unwrap();
        assert_eq!(refusal.problem(), Problem::NOT_SIGNED_IN);
        let stored = desk.store.read::<SessionRecord>(&at).await.unwrap().unwrap();
        assert!(stored.body.refresh.is_none());
    }
}
