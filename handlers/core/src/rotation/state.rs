//! How far a secret's rotation has come, as its document says.

use serde::{Deserialize, Serialize};
use uuid::Uuid;

use super::Demand;
use crate::{
    digest::Digest,
    ports::Found,
    secret_binding::{Driven, SecretBinding, SecretName},
    time::Timestamp,
};

/// `kind` of the documents.
pub const KIND: &str = "rotation";

/// What the ids of the documents begin with.
pub(super) const PREFIX: &str = "rotation-";

/// The first id after all of them.
pub(super) const PREFIX_END: &str = "rotation.";

/// Id of a secret's document, in its tenant's partition.
#[must_use]
pub fn document_id(name: &SecretName) -> String {
    format!("{PREFIX}{name}")
}

/// A secret's rotation. It holds ids and times, and no value.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Rotation {
    /// The secret's name.
    pub name: SecretName,
    /// What it is about ([`Driven::identity`]): a name never comes to mean another thing. None before
    /// anything was recorded.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub thing: Option<Digest>,
    /// The credential in use.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub active: Option<Active>,
    /// Credentials that were in use before, and are still to be removed.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub old: Vec<Old>,
    /// The change that is being made.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub run: Option<Run>,
    /// Which process works on it, and until when.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub lease: Option<Lease>,
    /// The last request that asked for a change, so that a repeat changes nothing.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub demanded: Option<Digest>,
    /// Changes in a row whose new credential did not prove good.
    #[serde(default)]
    pub failures: u32,
}

/// A credential: what its issuer calls it, and where its value is.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Held {
    /// Its id: a `keyId`, or a version in Key Vault.
    pub credential: String,
    /// The version of the Key Vault secret or key that holds it.
    pub version: String,
}

/// The credential in use.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Active {
    /// Which.
    pub held: Held,
    /// Since when it is valid.
    pub since: Timestamp,
    /// The run that made it; nil if it was there before.
    pub run: Uuid,
}

/// A credential that was in use.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Old {
    /// Which.
    pub held: Held,
    /// From when on it is to be removed.
    pub remove_after: Timestamp,
    /// The request because of which it is.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub request: Option<Digest>,
}

/// A change that is being made.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Run {
    /// Names it, in the tags of whatever it adds.
    pub id: Uuid,
    /// Counts up when what was added is lost and added again.
    pub attempt: u32,
    /// Why it is made.
    pub why: Why,
    /// The request for which it is made: whoever asked for it first, or made an emergency of it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub request: Option<Digest>,
    /// When it was planned.
    pub at: Timestamp,
    /// How far it has come.
    pub stage: Stage,
}

/// Why a secret is changed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Why {
    /// It is old enough.
    Due,
    /// Somebody asked for it, and was permitted.
    Demanded,
    /// The same, and the old one is removed at once.
    Emergency,
}

/// How far a change has come. Each step to the next is one commit.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "stage", rename_all = "snake_case", deny_unknown_fields)]
pub enum Stage {
    /// Nothing may have been added yet; or something, by a process that died before it said so.
    Planned,
    /// The new credential exists beside the one in use.
    Added {
        /// Its id.
        credential: String,
    },
    /// Its value is where its users find it.
    Stored {
        /// Which.
        held: Held,
        /// When it was stored.
        at: Timestamp,
    },
    /// It was used, and accepted.
    Proved {
        /// Which.
        held: Held,
    },
    /// It did not prove good, and is being taken back.
    Refused {
        /// Its id.
        credential: String,
    },
}

/// Which process works on a secret.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Lease {
    /// The process.
    pub holder: Uuid,
    /// Until when.
    pub until: Timestamp,
}

impl Rotation {
    /// Nothing is known yet.
    #[must_use]
    pub const fn of(name: SecretName) -> Self {
        Self {
            name,
            thing: None,
            active: None,
            old: Vec::new(),
            run: None,
            lease: None,
            demanded: None,
            failures: 0,
        }
    }

    /// What a stored document says, believed by nobody: for leaving out what has nothing to do.
    pub(super) fn unverified(found: &Found) -> Option<Self> {
        serde_json::from_str(found.json["body"].as_str()?).ok()
    }

    /// When the credential in use is to be replaced: now, if there is none.
    ///
    /// Never later than the binding says, and up to a tenth earlier, so that secrets that were made
    /// together are not all replaced together: by the name and the last run, so that every process
    /// says the same.
    #[must_use]
    pub fn due<D>(&self, binding: &SecretBinding<D>) -> Option<Timestamp> {
        let active = self.active.as_ref()?;
        let run = active.run.as_bytes();
        let digest = Digest::of(&[b"airlock jitter\0", run, self.name.as_str().as_bytes()]);
        let [first, second, ..] = *digest.as_bytes();
        let among = binding.max_age_s() / 10;
        let jitter_s = among * i64::from(u16::from_be_bytes([first, second])) / 0x1_0000;
        Some(active.since.plus_s(binding.max_age_s() - jitter_s))
    }

    /// Whether this is about another thing than is bound by its name now. Nothing is done then: what
    /// would be removed is not the other thing's.
    #[must_use]
    pub fn is_of_another<D: Driven>(&self, binding: &SecretBinding<D>) -> bool {
        self.thing.is_some_and(|thing| thing != binding.driver.identity())
    }

    /// Whether there is something to do or to be refused: a change that is due or was begun, an old
    /// credential whose time is over, or a name that means another thing now.
    #[must_use]
    pub fn has_work<D: Driven>(&self, binding: &SecretBinding<D>, now: Timestamp) -> bool {
        self.run.is_some()
            || self.is_of_another(binding)
            || self.due(binding).is_none_or(|due| due <= now)
            || self.removable(now).is_some()
    }

    /// Whether the credential in use is older than it may be, or none of what is bound. While the
    /// next one waits for a person to admit it, they have the overlap for that.
    #[must_use]
    pub fn is_overdue<D: Driven>(&self, binding: &SecretBinding<D>, now: Timestamp) -> bool {
        let waits_s = if self.waits_for_admission(binding) { binding.overlap_s() } else { 0 };
        let most_s = binding.max_age_s() + waits_s;
        let too_old = |active: &Active| active.since.plus_s(most_s) < now;
        self.is_of_another(binding) || self.active.as_ref().is_none_or(too_old)
    }

    /// Whether nothing goes on before a person admits the next credential, which is a key.
    #[must_use]
    pub fn waits_for_admission<D: Driven>(&self, binding: &SecretBinding<D>) -> bool {
        let is_added = |run: &Run| matches!(run.stage, Stage::Added { .. });
        binding.driver.needs_admission() && self.run.as_ref().is_some_and(is_added)
    }

    /// Whether nothing is left to begin for a demand: the change that it asks for is being made or
    /// was made, by itself or, after it was claimed, by another. Within the same second nobody can
    /// tell, and it is made once more.
    pub(super) fn meets(&self, demand: &Demand) -> bool {
        let since = |active: &Active| active.since > demand.claimed_at && !active.run.is_nil();
        self.demanded == Some(demand.request) || self.active.as_ref().is_some_and(since)
    }

    /// An old credential whose time is over.
    pub(super) fn removable(&self, now: Timestamp) -> Option<&Old> {
        self.old.iter().find(|old| old.remove_after <= now)
    }

    /// Whether a credential is one of those that the document knows: nobody removes it as a stray.
    pub(super) fn knows(&self, credential: &str) -> bool {
        let active = self.active.as_ref().map(|active| active.held.credential.as_str());
        let old = self.old.iter().map(|old| old.held.credential.as_str());
        let new = self.run.as_ref().and_then(|run| run.stage.credential());
        active.into_iter().chain(old).chain(new).any(|known| known == credential)
    }

    /// Puts the run's credential into use; the one before stays valid until `remove_after`.
    pub(super) fn activate(
        &mut self,
        run: &Run,
        held: Held,
        now: Timestamp,
        remove_after: Timestamp,
    ) {
        let active = Active { held, since: now, run: run.id };
        if let Some(before) = self.active.replace(active) {
            let request = run.request;
            self.old.push(Old { held: before.held, remove_after, request });
        }
        if remove_after <= now {
            // An emergency: nothing that was valid before stays so.
            self.hurry(remove_after, run.request);
        }
        self.run = None;
        self.failures = 0;
    }
}

impl Rotation {
    /// Brings the end of old credentials forward, for a request.
    pub(super) fn hurry(&mut self, to: Timestamp, request: Option<Digest>) {
        for old in self.old.iter_mut().filter(|old| old.remove_after > to) {
            (old.remove_after, old.request) = (to, request);
        }
    }
}

impl Stage {
    /// The new credential, once it is recorded.
    #[must_use]
    pub fn credential(&self) -> Option<&str> {
        match self {
            Self::Planned => None,
            Self::Added { credential } | Self::Refused { credential } => Some(credential),
            Self::Stored { held, .. } | Self::Proved { held } => Some(&held.credential),
        }
    }

    /// Its name.
    #[must_use]
    pub const fn name(&self) -> &'static str {
        match self {
            Self::Planned => "planned",
            Self::Added { .. } => "added",
            Self::Stored { .. } => "stored",
            Self::Proved { .. } => "proved",
            Self::Refused { .. } => "refused",
        }
    }
}
