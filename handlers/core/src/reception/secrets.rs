//! Secrets that are changed on schedule, for whoever oversees a tenant: names, times, and what is
//! due. No value is known here, and no place where one lies is told.

use std::{collections::HashMap, error::Error};

use serde::Serialize;

use super::{Caller, NotReceived, Reception, Tree};
use crate::{
    identity::{App, ObjectId, Role, TenantId},
    keyset::Trust,
    ledger::{Document, NotGenuine, Stored},
    ports::{Found, Partition, Query},
    rotation::state::{KIND, Rotation, Stage, document_id},
    secret_binding::{
        Driven, Driver, PlatformDriver, PlatformSecretBindings, SecretBinding, SecretBindings,
        SecretName, Secrets,
    },
    time::Timestamp,
};

/// Rotations that are read at once. Those of more secrets are read one by one.
const AT_ONCE: u32 = 1000;

/// A secret, and how far its rotation has come.
#[derive(Debug, Serialize)]
pub struct SecretView {
    /// Its name.
    pub name: SecretName,
    /// What it is.
    pub kind: &'static str,
    /// Days after which it is replaced, at the latest.
    pub max_age_days: u32,
    /// Hours for which the one before stays valid beside it.
    pub overlap_hours: u32,
    /// People who answer for it.
    pub owners: Vec<ObjectId>,
    /// How far it has come.
    pub stage: SecretStage,
    /// What is recorded of it. None, if what is recorded is not what `rotate` wrote: nobody guesses.
    #[serde(flatten)]
    pub recorded: Option<Recorded>,
}

/// What is recorded of a secret.
#[derive(Debug, Serialize)]
pub struct Recorded {
    /// Since when the credential in use is valid. None, if there is none yet.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub active_since: Option<Timestamp>,
    /// Its age, in seconds.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub age_s: Option<i64>,
    /// When it is replaced. None: as soon as can be.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub next: Option<Timestamp>,
    /// Whether nothing is in use that is as young as it must be.
    pub overdue: bool,
    /// Whether nothing goes on before a person admits the new key.
    pub waits_for_admission: bool,
    /// Changes in a row whose new credential did not prove good.
    pub failures: u32,
    /// When the credentials before it are removed, each.
    pub old: Vec<Timestamp>,
}

/// How far a secret's rotation has come.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum SecretStage {
    /// Nothing was begun yet.
    Unknown,
    /// Nothing is being changed.
    Active,
    /// A change is planned.
    Planned,
    /// A new credential exists beside the one in use.
    Added,
    /// The new one is where its users find it.
    Stored,
    /// The new one was used, and accepted.
    Proved,
    /// The new one did not prove good, and is being taken back.
    Refused,
    /// What is recorded is about another thing than is bound by this name now: nothing is done.
    OfAnother,
    /// What is recorded is not what `rotate` wrote.
    NotVerified,
}

/// Where rotations are recorded, for whoever may see them.
struct Seeing<'a> {
    tenant: Option<TenantId>,
    partition: &'a Partition,
    trust: &'a Trust,
    now: Timestamp,
}

impl Reception {
    /// The secrets of a tenant or of the platform, by their names.
    ///
    /// Remote calls: what entering the tenant takes, one read of its secrets, a query of their
    /// rotations, and a read for each that the query did not find.
    ///
    /// # Errors
    ///
    /// [`NotReceived`]; [`NotReceived::NotThere`] too if the caller may not oversee it. A rotation
    /// that is not genuine is told as such, and recorded.
    pub async fn secrets(
        &self,
        caller: &Caller,
        tree: Tree,
    ) -> Result<Vec<SecretView>, NotReceived> {
        let tenant = match tree {
            Tree::Tenant(tenant) => Some(tenant),
            Tree::Platform(_) => None,
        };
        let seen = match tree {
            Tree::Tenant(tenant) => self.secrets_of(caller, tenant).await,
            Tree::Platform(home) => self.secrets_of_platform(caller, home).await,
        };
        self.noticed(tenant, None, seen).await
    }

    async fn secrets_of(
        &self,
        caller: &Caller,
        tenant: TenantId,
    ) -> Result<Vec<SecretView>, NotReceived> {
        let now = self.ports.clock.now();
        let trust = self.trust.trust().await?;
        let scope = self.trust.scope(&trust, tenant).await?;
        let standing = scope.standing(&caller.person)?;
        self.not_revoked(&trust, &caller.person, now).await?;
        if !self.policies.may_see_all(&scope, caller.person.id(), &standing) {
            return Err(NotReceived::NotThere);
        }
        let secrets = SecretBindings::read(&*self.ports.documents, &trust, &scope, now).await?;
        let partition = &Partition::tenant(&scope);
        let seeing = Seeing { tenant: Some(tenant), partition, trust: &trust, now };
        self.views(&secrets, Driver::kind, &seeing).await
    }

    /// No binding confers a role over the deployment: its own tenant does.
    async fn secrets_of_platform(
        &self,
        caller: &Caller,
        home: TenantId,
    ) -> Result<Vec<SecretView>, NotReceived> {
        let now = self.ports.clock.now();
        let trust = self.trust.trust().await?;
        self.not_revoked(&trust, &caller.person, now).await?;
        let session = caller.person.session();
        let overseer = |role: &Role| matches!(role, Role::PlatformAdmin | Role::Auditor);
        if session.tid != home || !session.roles.iter().any(overseer) {
            return Err(NotReceived::NotThere);
        }
        let documents = &*self.ports.documents;
        let secrets = PlatformSecretBindings::read_platform(documents, &trust, now).await?;
        let partition = &Partition::platform();
        let seeing = Seeing { tenant: None, partition, trust: &trust, now };
        self.views(&secrets, PlatformDriver::kind, &seeing).await
    }

    async fn views<D: Driven + Sync>(
        &self,
        secrets: &Secrets<D>,
        kind: fn(&D) -> &'static str,
        seeing: &Seeing<'_>,
    ) -> Result<Vec<SecretView>, NotReceived> {
        let mut stored = self.rotations(seeing.partition).await?;
        let mut views = Vec::new();
        for binding in secrets.iter() {
            let id = document_id(&binding.name);
            let found = match stored.remove(&id) {
                None => self.ports.documents.read(seeing.partition, &id).await?,
                found => found,
            };
            let rotation = match found {
                None => Some(Rotation::of(binding.name.clone())),
                Some(found) => self.seen(&binding.name, found, seeing).await?,
            };
            views.push(view(binding, kind(&binding.driver), rotation.as_ref(), seeing.now));
        }
        views.sort_by(|one, other| one.name.cmp(&other.name));
        Ok(views)
    }

    async fn rotations(
        &self,
        partition: &Partition,
    ) -> Result<HashMap<String, Found>, NotReceived> {
        let query = Query { kind: KIND, equals: None, not_after: None, limit: AT_ONCE };
        let found = self.ports.documents.query(partition, &query).await?.into_iter();
        Ok(found.filter_map(|found| Some((found.json["id"].as_str()?.to_owned(), found))).collect())
    }

    /// What is recorded; none, if that is not what `rotate` wrote. One that was tampered with must
    /// not hide all the others.
    async fn seen(
        &self,
        name: &SecretName,
        found: Found,
        seeing: &Seeing<'_>,
    ) -> Result<Option<Rotation>, NotReceived> {
        match self.verified(name, found, seeing).await {
            Ok(rotation) => Ok(Some(rotation)),
            Err(error) if error.is_violation() => {
                not_genuine(name, &error);
                self.notice(seeing.tenant, None).await;
                Ok(None)
            }
            Err(error) => Err(error),
        }
    }

    async fn verified(
        &self,
        name: &SecretName,
        found: Found,
        seeing: &Seeing<'_>,
    ) -> Result<Rotation, NotReceived> {
        let Seeing { partition, trust, now, .. } = *seeing;
        let signed = Stored::statement_of(&found)?;
        let (digest, key) = (signed.digest(), signed.key());
        let trust = self.ledger.trust_about(partition, digest, key, trust, now).await?;
        let document: Document<Rotation> = Document::open(found, partition, &trust, now)?;
        let is_its = document.id == document_id(name) && document.body.name == *name;
        if document.by != App::Rotate || !is_its {
            return Err(NotGenuine::Contents("author").into());
        }
        Ok(document.body)
    }
}

fn not_genuine(name: &SecretName, error: &(dyn Error + 'static)) {
    tracing::error!(error, secret = %name, "stored rotation not genuine");
}

fn view<D: Driven>(
    binding: &SecretBinding<D>,
    kind: &'static str,
    rotation: Option<&Rotation>,
    now: Timestamp,
) -> SecretView {
    let recorded = |rotation: &Rotation| {
        let active = rotation.active.as_ref();
        Recorded {
            active_since: active.map(|active| active.since),
            age_s: active.map(|active| now.since_s(active.since)),
            next: rotation.due(binding),
            overdue: rotation.is_overdue(binding, now),
            waits_for_admission: rotation.waits_for_admission(binding),
            failures: rotation.failures,
            old: rotation.old.iter().map(|old| old.remove_after).collect(),
        }
    };
    SecretView {
        name: binding.name.clone(),
        kind,
        max_age_days: binding.max_age_days.number(),
        overlap_hours: binding.overlap_hours.number(),
        owners: binding.owners.clone(),
        stage: match rotation {
            None => SecretStage::NotVerified,
            Some(rotation) if rotation.is_of_another(binding) => SecretStage::OfAnother,
            Some(rotation) => SecretStage::of(rotation),
        },
        recorded: rotation.map(recorded),
    }
}

impl SecretStage {
    fn of(rotation: &Rotation) -> Self {
        match (&rotation.run, &rotation.active) {
            (None, None) => Self::Unknown,
            (None, Some(_)) => Self::Active,
            (Some(run), _) => match run.stage {
                Stage::Planned => Self::Planned,
                Stage::Added { .. } => Self::Added,
                Stage::Stored { .. } => Self::Stored,
                Stage::Proved { .. } => Self::Proved,
                Stage::Refused { .. } => Self::Refused,
            },
        }
    }
}
