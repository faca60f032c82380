//! Revocations: signed words that sessions no longer count, read by everyone who relies on one.
//!
//! Ending a session's document stops `signin` and `intake`; a revocation stops the workers, who
//! see the signed session and not the document.

use airlock_azure::hosting::{Json, Refusal, chain};
use airlock_core::{
    identity::{App, ObjectId, PersonId, Role},
    jws::{NotSigned, NotVerified, Signed},
    ledger::Statement,
    ports::{BatchError, Found, Partition, PortError, Write},
    problem::Problem,
    recording::event,
    revocation::{self, Revocation, StoredRevocation},
    session::{Person, Session},
    session_record::{SessionRecord, TTL},
    time::{LEEWAY_S, Timestamp},
    trust::NotTrusted,
};
use axum::extract::State;
use serde::{Deserialize, Serialize};

use crate::{
    credential::Credential,
    desk::{Desk, Signin},
    live::{self, Live, NotEnded, Why},
    opaque,
    refused::{passing, signing_problem, trust_problem},
    reports::Waiting,
    store::{At, LONGER_S, NotKept},
};

/// How often a revocation is tried against other writers of the same document.
const ATTEMPTS: u32 = 5;

/// A revocation was not stored, or it is not known.
#[derive(Debug, thiserror::Error)]
pub enum NotRevoked {
    /// Our key did not sign.
    #[error("revocation not signed")]
    NotSigned(#[from] NotSigned),
    /// It has no JSON form.
    #[error("revocation not written as JSON")]
    Json(#[from] serde_json::Error),
    /// Whom to trust could not be told.
    #[error("whom to trust not known")]
    NotTrusted(#[from] NotTrusted),
    /// What the ledger is to be told was not signed.
    #[error("revocation not reported")]
    NotReported(#[from] NotKept),
    /// The session's document could not be ended.
    #[error("session revoked, and not ended")]
    NotEnded(#[from] NotEnded),
    /// Others wrote it all the time.
    #[error("revocation not stored: it changed {ATTEMPTS} times meanwhile")]
    Contended,
    /// The store did not answer.
    #[error("revocation not stored")]
    Port(#[from] PortError),
}

/// What is asked.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Asked {
    person: ObjectId,
}

/// What was done.
#[derive(Serialize)]
pub struct Done {
    person: ObjectId,
    /// Sessions count that were signed from here on, in seconds since 1970.
    not_before: Timestamp,
}

/// Revokes all sessions of a person.
///
/// Trigger: `POST /auth/revocations`, by the person or by a tenant administrator of the
/// person's own tenant.
pub async fn revoke_all(
    State(signin): State<Signin>,
    credential: Credential,
    Json(asked): Json<Asked>,
) -> Result<Json<Done>, Refusal> {
    let desk = signin.desk().await?;
    let live = Live::find(desk, credential.cookie()).await?;
    let person = may_revoke(live.session(), asked.person)?;
    let id = opaque::name(&*desk.ports.entropy).map_err(NotRevoked::from)?;
    let report = event::revoked(live.session(), person, id, desk.now());
    let not_before = revoke(desk, person, None, Some(report)).await?;
    tracing::info!(by = %live.session().sid_hash(), tenant = %person.tid, "sessions revoked");
    Ok(Json(Done { person: person.oid, not_before }))
}

/// A person may revoke their own sessions; a tenant administrator those of their tenant. The
/// tenant is the caller's own in any case: nobody reaches into another.
fn may_revoke(session: &Session, person: ObjectId) -> Result<PersonId, Refusal> {
    let may = session.oid == person || session.roles.contains(&Role::TenantAdmin);
    may.then_some(PersonId { tid: session.tid, oid: person })
        .ok_or_else(|| Refusal::new(Problem::NOT_ALLOWED))
}

/// Ends one session for good: for the workers too.
///
/// # Errors
///
/// [`NotRevoked`]. Repeating is safe.
pub async fn end(
    desk: &Desk,
    person: &Person,
    record: &SessionRecord,
    why: Why,
) -> Result<(), NotRevoked> {
    let session = person.session_value();
    // Of one that has ended before, the ledger was told then.
    let report = match record.ended {
        None => Some(why.statement(desk, person, record)?),
        Some(_) => None,
    };
    // First the word that everyone reads; the document is ours to read.
    revoke(desk, session.person(), Some(&session.sid), report).await?;
    live::end(desk, &At::session(session.cookie), None).await?;
    Ok(())
}

/// Revokes one session of a person, or all of them that were signed until now.
///
/// For the next [`LEEWAY_S`] seconds too a person whose sessions are all revoked signs in in vain,
/// and then as always: whether such a session is from before or after, nobody could tell.
///
/// # Errors
///
/// [`NotRevoked`]. Repeating is safe.
async fn revoke(
    desk: &Desk,
    person: PersonId,
    only: Option<&str>,
    report: Option<Statement>,
) -> Result<Timestamp, NotRevoked> {
    let now = desk.now();
    let revocation = Revocation {
        iss: App::Signin,
        tid: person.tid,
        oid: person.oid,
        sid: only.map(str::to_owned),
        name: opaque::name(&*desk.ports.entropy)?,
        // One that was signed in this very second is among them, and one that an instance signed
        // whose clock is as far ahead as anybody accepts.
        nbf: now.plus_s(LEEWAY_S + 1),
        iat: now,
    };
    let not_before = revocation.nbf;
    put(desk, revocation, report).await?;
    Ok(not_before)
}

/// Stores a revocation in the place of an earlier one, and in the same write what the ledger is to
/// be told of it. A session ends once; who revokes all of a person's sessions can do so again.
async fn put(
    desk: &Desk,
    mut revocation: Revocation,
    report: Option<Statement>,
) -> Result<(), NotRevoked> {
    let partition = Partition::revocations(revocation.tid);
    let id = id(revocation.person(), revocation.sid.as_deref());
    for _ in 0..ATTEMPTS {
        let (etag, is_told) = match desk.ports.documents.read(&partition, &id).await? {
            None => (None, false),
            Some(found) => {
                let etag = found.etag.clone();
                match standing(desk, found, &id, &revocation).await? {
                    Standing::Covers => return Ok(()),
                    Standing::Older(old) => {
                        revocation.name = old.name;
                        (Some(etag), revocation.sid.is_some())
                    }
                    Standing::Unbelieved(old) => {
                        revocation.name = old.name;
                        revocation.nbf = revocation.nbf.max(old.nbf);
                        (Some(etag), false)
                    }
                    Standing::Spoiled => (Some(etag), false),
                }
            }
        };
        let signed = Signed::sign(&revocation, &*desk.ports.signer).await?;
        let mut json = serde_json::to_value(StoredRevocation::new(&revocation, signed))?;
        json[TTL] = (revocation::COUNTS_S + LONGER_S).into();
        let mut writes = vec![match etag {
            None => Write::Create(json),
            Some(etag) => Write::Replace(json, etag),
        }];
        let report = match report.clone().filter(|_| !is_told) {
            None => None,
            Some(mut statement) => {
                statement.data.revocation = Some(revocation.told());
                let event = Signed::sign(&statement, &*desk.ports.signer).await?;
                Some(Waiting::new(&partition, event, revocation.iat))
            }
        };
        writes.extend(report.as_ref().map(Waiting::write).transpose()?);
        match desk.ports.documents.batch(&partition, &writes).await {
            Ok(etags) => {
                if let (Some(report), [_, etag]) = (report, &*etags) {
                    desk.reports.send_soon(&partition, report, etag.clone());
                }
                return Ok(());
            }
            // Somebody else's, or our own after a lost answer: the next look tells.
            Err(BatchError::Conflict(_)) => {}
            Err(BatchError::Port(error)) => return Err(error.into()),
        }
    }
    Err(NotRevoked::Contended)
}

/// How what is stored compares with what is to be stored.
enum Standing {
    /// It is genuine and goes at least as far: another instance's clock may be ahead.
    Covers,
    /// It is genuine, and does not go as far.
    Older(Revocation),
    /// It was genuine until the key that signed it was revoked. The ledger was told its name.
    Unbelieved(Revocation),
    /// It is not genuine, or would not be found: it is written over.
    Spoiled,
}

async fn standing(
    desk: &Desk,
    found: Found,
    id: &str,
    new: &Revocation,
) -> Result<Standing, NotRevoked> {
    let trust = desk.trust.trust().await?;
    let now = desk.now();
    let old = StoredRevocation::read(found).and_then(|stored| {
        if stored.id != id {
            return Err(NotVerified::Other("id"));
        }
        match stored.open(&trust, now) {
            Ok(old) if old.nbf >= new.nbf => Ok(Standing::Covers),
            Ok(old) => Ok(Standing::Older(old)),
            Err(_) => stored.open_once_valid(&trust, now).map(Standing::Unbelieved),
        }
    });
    Ok(old.unwrap_or_else(|error| {
        tracing::error!(cause = chain(&error), "stored revocation not genuine: written over");
        Standing::Spoiled
    }))
}

/// Id of the document of a revocation.
fn id(person: PersonId, only: Option<&str>) -> String {
    only.map_or_else(|| revocation::person_id(person), |sid| revocation::session_id(person, sid))
}

impl From<NotRevoked> for Refusal {
    fn from(error: NotRevoked) -> Self {
        let problem = match &error {
            NotRevoked::NotSigned(error) => signing_problem(error),
            NotRevoked::Json(_) => Problem::INTERNAL,
            NotRevoked::NotTrusted(error) => trust_problem(error),
            NotRevoked::NotReported(error) | NotRevoked::NotEnded(NotEnded::NotKept(error)) => {
                error.problem()
            }
            NotRevoked::NotEnded(NotEnded::Contended) | NotRevoked::Contended => {
                Problem::UNAVAILABLE
            }
            NotRevoked::Port(error) => passing(error),
        };
        Self::because(problem, error)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::world::World;

    async fn revoked(world: &World, person: ObjectId) -> u16 {
        let cookie = world.signed_in().await;
        world
            .asked_by_portal(&cookie, "/auth/revocations", &serde_json::json!({ "person": person }))
            .await
            .status
            .as_u16()
    }

    #[tokio::test]
    async fn a_person_revokes_themself_and_all_their_sessions_end() {
        let world = World::new().await;
        let desk = world.desk().await;
        let other = world.signed_in().await;

        assert_eq!(revoked(&world, World::person(1)).await, 200);

        let refusal = Live::find(desk, &other).await.err().unwrap();
        assert_eq!(refusal.problem(), Problem::NOT_SIGNED_IN);
        world.clock.advance_s(LEEWAY_S);
        let too_early = world.signed_in().await;
        assert!(Live::find(desk, &too_early).await.is_err());
        world.clock.advance_s(1);
        let again = world.signed_in().await;
        assert!(Live::find(desk, &again).await.is_ok());
    }

    #[tokio::test]
    async fn a_session_of_an_instance_whose_clock_is_ahead_is_revoked_with_the_others() {
        let world = World::new().await;
        let desk = world.desk().await;
        world.clock.advance_s(LEEWAY_S);
        let ahead = world.signed_in().await;
        world.clock.advance_s(-LEEWAY_S);
        assert!(Live::find(desk, &ahead).await.is_ok());
        let person = world.live_unchecked(&ahead).await.person();

        let not_before = revoke(desk, person, None, None).await.unwrap();

        assert_eq!(not_before, desk.now().plus_s(LEEWAY_S + 1));
        let refusal = Live::find(desk, &ahead).await.err().unwrap();
        assert_eq!(refusal.problem(), Problem::NOT_SIGNED_IN);
    }

    #[tokio::test]
    async fn only_a_tenant_admin_revokes_somebody_else() {
        let world = World::new().await;

        assert_eq!(revoked(&world, World::person(2)).await, 403);
        assert!(world.revocations().is_empty());
        world.entra.confers(&[Role::TenantAdmin]);
        assert_eq!(revoked(&world, World::person(2)).await, 200);
        assert_eq!(world.revocations(), [World::person(2).to_string()]);
    }

    #[tokio::test]
    async fn one_whose_key_was_revoked_is_renewed_under_its_name_and_never_says_less() {
        let world = World::new().await;
        let desk = world.desk().await;
        let person = PersonId { tid: World::HOME.parse().unwrap(), oid: World::person(1) };
        let told = world.put_revocation_by_an_old_key(person.oid).await;

        revoke(desk, person, None, None).await.unwrap();

        let partition = Partition::revocations(person.tid);
        let id = revocation::person_id(person);
        let found = desk.ports.documents.read(&partition, &id).await.unwrap().unwrap();
        let trust = desk.trust.trust().await.unwrap();
        let renewed = StoredRevocation::read(found).unwrap().open(&trust, desk.now()).unwrap();
        assert_eq!(renewed.told(), told);
    }

    #[tokio::test]
    async fn a_spoiled_revocation_is_written_over() {
        let world = World::new().await;
        let desk = world.desk().await;
        let cookie = world.signed_in().await;
        world.put_spoiled_revocation(World::person(1));

        let live = world.live_unchecked(&cookie).await;
        revoke(desk, live.person(), None, None).await.unwrap();

        let refusal = Live::find(desk, &cookie).await.err().unwrap();
        assert_eq!(refusal.problem(), Problem::NOT_SIGNED_IN);
    }
}
