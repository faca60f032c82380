//! What each kind of secret does at each step.
//!
//! A process can die before and after every call, and an answer can be lost; so each step can be
//! done again, and finds by its tags what was done before. What was added is removed by its id,
//! and never "all others".

use std::time::Duration;

use async_trait::async_trait;
use tokio::time::Instant;

use super::{
    NotRotated, PATIENCE_S,
    ports::{Acceptance, Consumers, Credentials, Tags},
    state::{Held, Rotation, Run},
};
use crate::{
    identity::ObjectId, ports::PortError, secret::Secret, secret_binding::CheckUrl,
    tenancy::TenantScope, time::Timestamp,
};

/// Tag that carries the run.
pub(super) const RUN_TAG: &str = "airlock-run";

/// Tag that carries the credential's id.
pub(super) const CREDENTIAL_TAG: &str = "airlock-credential";

/// Seconds between two uses of what is not accepted yet: a minute in all.
const PAUSES_S: [u64; 6] = [1, 2, 4, 8, 15, 30];

/// For how long a secret is used at the most, but for the last call.
const LONGEST: Duration = Duration::from_mins(3);

/// A new credential. Its value is in memory alone until it is stored.
pub(super) struct Made {
    pub credential: String,
    /// `None` if it never leaves where it was made, or an earlier process had it.
    pub value: Option<Secret>,
}

/// What storing a credential came to.
pub(super) enum Storing {
    /// Its users find it there.
    Stored(Held),
    /// Its value is gone with the process that had it. It was removed by its id.
    Lost,
    /// It is not accepted yet, and must not be found by its users before it is.
    NotYet,
    /// It is refused for good.
    Refused,
}

/// One secret, by its kind.
#[async_trait]
pub(super) trait Rotating: Send + Sync {
    /// What is in use before the first change, and since when.
    async fn adopt(&self) -> Result<Option<(Held, Timestamp)>, NotRotated>;

    /// Adds a credential beside the one in use, after removing strays of this secret that its
    /// document does not know.
    async fn add(&self, run: &Run, rotation: &Rotation) -> Result<Made, NotRotated>;

    /// Puts it where its users find it.
    async fn store(&self, run: &Run, made: &Made) -> Result<Storing, NotRotated>;

    /// Uses it, as its users do; or sees that they do, since it was stored at that time.
    async fn prove(&self, held: &Held, stored: Timestamp) -> Result<Acceptance, NotRotated>;

    /// For how long after it was stored it may not be accepted yet, in seconds.
    fn patience_s(&self) -> i64 {
        PATIENCE_S
    }

    /// Whether somebody else must do something before the run can go on: then nothing is written,
    /// however often a round looks.
    async fn waits(&self, _: &Run) -> Result<bool, NotRotated> {
        Ok(false)
    }

    /// Takes back what did not prove good, so that users find the one before again. Gives where
    /// that is found now, if elsewhere.
    async fn undo(
        &self,
        run: &Run,
        credential: &str,
        active: Option<&Held>,
    ) -> Result<Option<Held>, NotRotated>;

    /// Removes an old credential by its id, and strays as [`add`](Self::add) does. `false`: not
    /// yet, something still needs it.
    async fn remove(&self, old: &Held, rotation: &Rotation) -> Result<bool, NotRotated>;
}

/// The tags of what a run stores.
pub(super) fn tags(run: &Run, credential: &str) -> Tags {
    let pair = |name: &str, value: String| (name.to_owned(), value);
    [pair(RUN_TAG, run.id.to_string()), pair(CREDENTIAL_TAG, credential.to_owned())].into()
}

/// Who takes a secret.
#[derive(Clone, Copy)]
pub(super) enum Taker<'a> {
    /// Entra, for an application in a tenant.
    Entra(&'a dyn Credentials, &'a TenantScope, ObjectId),
    /// A third party.
    Consumer(&'a dyn Consumers, &'a CheckUrl),
}

impl Taker<'_> {
    /// Uses a secret until it is accepted, for a minute at the most in the first attempt, and for
    /// one more with each other, up to [`LONGEST`]: a step must end well within its lease.
    pub async fn accepts(self, secret: &Secret, attempt: u32) -> Result<Acceptance, PortError> {
        let longer = usize::try_from(attempt.min(3)).unwrap_or_default();
        let until = Instant::now() + LONGEST;
        for pause_s in PAUSES_S.into_iter().chain(std::iter::repeat_n(30, longer * 2)) {
            if Instant::now() + Duration::from_secs(pause_s) > until {
                break;
            }
            match self.try_out(secret).await? {
                Acceptance::NotYet => tokio::time::sleep(Duration::from_secs(pause_s)).await,
                told => return Ok(told),
            }
        }
        self.try_out(secret).await
    }

    async fn try_out(self, secret: &Secret) -> Result<Acceptance, PortError> {
        match self {
            Self::Entra(credentials, scope, client) => {
                credentials.try_out(scope, client, secret).await
            }
            Self::Consumer(consumers, check) => consumers.try_out(check, secret).await,
        }
    }
}
