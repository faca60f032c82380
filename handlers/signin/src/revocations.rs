//! Revocations: signed words that sessions no longer count, read by everyone who relies on one.
//!
//! Ending a session's document stops `signin` and `intake`; a revocation stops the workers, who
//! see the signed session and not the document.

use airlock_azure::hosting::{Json, Refusal};
use airlock_core::{
    identity::{App, ObjectId, PersonId, Role},
    jws::{NotSigned, Signed},
    ports::{BatchError, Found, Partition, PortError, Write},
    problem::Problem,
    revocation::{self, KIND, Revocation, StoredRevocation},
    session::Session,
    time::{LEEWAY_S, Timestamp},
    trust::NotTrusted,
};
use axum::extract::State;
use serde::{Deserialize, Serialize};

use crate::{
    credential::Credential,
    desk::{Desk, Signin},
    live::{self, Live, NotEnded},
    refused::{passing, signing_problem, trust_problem},
    store::At,
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
    let not_before = revoke(desk, person, None).await?;
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
pub async fn end(desk: &Desk, session: &Session) -> Result<(), NotRevoked> {
    // First the word that everyone reads; the document is ours to read.
    revoke(desk, session.person(), Some(&session.sid)).await?;
    live::end(desk, &At::session(session.cookie)).await?;
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
) -> Result<Timestamp, NotRevoked> {
    let now = desk.now();
    // One that was signed in this very second is among them, and one that an instance signed whose
    // clock is as far ahead as anybody accepts.
    let not_before = now.plus_s(LEEWAY_S + 1);
    let revocation = Revocation {
        iss: App::Signin,
        tid: person.tid,
        oid: person.oid,
        sid: only.map(str::to_owned),
        nbf: not_before,
        iat: now,
    };
    let stored = StoredRevocation {
        id: id(person, only),
        tenant: person.tid.to_string(),
        kind: KIND.to_owned(),
        person: person.oid.to_string(),
        at: now.as_unix_s(),
        revocation: Signed::sign(&revocation, &*desk.ports.signer).await?,
    };
    put(desk, &Partition::revocations(person.tid), stored, not_before).await?;
    Ok(not_before)
}

/// Stores a revocation in the place of an earlier one.
async fn put(
    desk: &Desk,
    partition: &Partition,
    stored: StoredRevocation,
    not_before: Timestamp,
) -> Result<(), NotRevoked> {
    for _ in 0..ATTEMPTS {
        let write = match desk.ports.documents.read(partition, &stored.id).await? {
            None => Write::Create(serde_json::to_value(&stored)?),
            Some(found) if covers(desk, &found, &stored, not_before).await? => return Ok(()),
            Some(found) => Write::Replace(serde_json::to_value(&stored)?, found.etag),
        };
        match desk.ports.documents.batch(partition, &[write]).await {
            Ok(_) => return Ok(()),
            // Somebody else's, or our own after a lost answer: the next look tells.
            Err(BatchError::Conflict(_)) => {}
            Err(BatchError::Port(error)) => return Err(error.into()),
        }
    }
    Err(NotRevoked::Contended)
}

/// Whether what is stored is genuine, will be found, and goes at least as far. What is not is
/// written over; what goes further stays, because another instance's clock may be ahead.
async fn covers(
    desk: &Desk,
    found: &Found,
    new: &StoredRevocation,
    not_before: Timestamp,
) -> Result<bool, NotRevoked> {
    let Ok(old) = serde_json::from_value::<StoredRevocation>(found.json.clone()) else {
        return Ok(false);
    };
    let will_be_found =
        (&old.kind, &old.tenant, &old.person) == (&new.kind, &new.tenant, &new.person);
    let trust = desk.trust.trust().await?;
    let opened = trust.open(&old.revocation, desk.now());
    Ok(will_be_found
        && opened.is_ok_and(|revocation| {
            let person = PersonId { tid: revocation.tid, oid: revocation.oid };
            id(person, revocation.sid.as_deref()) == new.id
                && person.tid.to_string() == new.tenant
                && revocation.nbf >= not_before
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
            NotRevoked::NotEnded(NotEnded::NotKept(error)) => error.problem(),
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

        let not_before = revoke(desk, person, None).await.unwrap();

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
    async fn a_spoiled_revocation_is_written_over() {
        let world = World::new().await;
        let desk = world.desk().await;
        let cookie = world.signed_in().await;
        world.put_spoiled_revocation(World::person(1));

        let live = world.live_unchecked(&cookie).await;
        revoke(desk, live.person(), None).await.unwrap();

        let refusal = Live::find(desk, &cookie).await.err().unwrap();
        assert_eq!(refusal.problem(), Problem::NOT_SIGNED_IN);
    }
}
