//! What the store says: artefacts of the admin plane, rotations, and how the ledgers stand.

use std::collections::{BTreeMap, BTreeSet};

use super::{
    Drift,
    seen::{Reading, Rotating, Source, StoredArtefact, Unread, Unsealed},
};
use crate::{
    binding::Isolation,
    digest::Digest,
    identity::{App, ObjectId, TenantId},
    keyset::Trust,
    ledger::{Document, NotGenuine, NotProven, Stored},
    manifest::Manifest,
    ports::{PLATFORM, Partition, PortError},
    rotation::state::{Rotation, document_id},
    sealing::deployment_id,
    secret_binding::{
        Driven, Driver, PlatformSecretBindings, SecretBinding, SecretBindings, Secrets,
    },
    tenancy::TenantScope,
    time::Timestamp,
    trust::NotTrusted,
};

/// Apps whose packages have a manifest.
const APPS: [App; 5] = [App::Signin, App::Intake, App::Execute, App::Rotate, App::Drift];

/// How long after it was bound a secret may wait for its first rotation to be begun, in seconds.
const BEGUN_S: i64 = 86_400;

impl Drift {
    /// Packages that the admin plane signed, and whatever lies where it writes and is not its own.
    /// Remote calls: a read for each app, and two for each tenant.
    pub(super) async fn artefacts(
        &self,
        trust: &Trust,
        tenants: &[TenantId],
        now: Timestamp,
    ) -> (Reading<BTreeMap<App, Digest>>, Reading<Vec<StoredArtefact>>) {
        let unread = Unread(Source::Bindings);
        let (mut packages, mut all) = (BTreeMap::new(), Vec::new());
        let partition = Partition::deployment();
        for app in APPS {
            let id = deployment_id(app);
            let found = self.trust.artefact::<Manifest>(&partition, &id).await;
            let opened = found.and_then(|found| {
                let opened = found.map(|signed| trust.open_root(&signed, now));
                opened.transpose().map_err(NotTrusted::NotVerified)
            });
            let wrong = match opened {
                Ok(Some(manifest)) if manifest.app == app => {
                    packages.insert(app, manifest.package);
                    None
                }
                Ok(None) => Some("missing"),
                Ok(Some(_)) => Some("of another app"),
                Err(NotTrusted::Port(error)) => {
                    let failed = told(Source::Bindings, &error);
                    return (Err(failed), Err(failed));
                }
                Err(error) => Some(wrong(&error)),
            };
            all.push(StoredArtefact { partition: PLATFORM.to_owned(), id, wrong });
        }
        for tenant in tenants {
            match self.artefacts_of(trust, *tenant, now).await {
                Ok(found) => all.extend(found),
                Err(error) => {
                    told(Source::Bindings, &error);
                    return (Ok(packages), Err(unread));
                }
            }
        }
        (Ok(packages), Ok(all))
    }

    /// How far each tenant is kept apart. Not known, if one of them cannot be entered.
    pub(super) async fn isolations(
        &self,
        trust: &Trust,
        tenants: &[TenantId],
    ) -> Reading<Vec<(TenantId, Isolation)>> {
        let mut all = Vec::new();
        for tenant in tenants {
            let scope = self.trust.scope_as_signed(trust, *tenant).await;
            let scope = scope.map_err(|error| told(Source::Bindings, &error))?;
            all.push((*tenant, scope.terms().isolation));
        }
        Ok(all)
    }

    async fn artefacts_of(
        &self,
        trust: &Trust,
        tenant: TenantId,
        now: Timestamp,
    ) -> Result<Vec<StoredArtefact>, PortError> {
        let of = |id: &str, wrong| StoredArtefact {
            partition: tenant.to_string(),
            id: id.to_owned(),
            wrong,
        };
        let scope = match self.trust.scope_as_signed(trust, tenant).await {
            Ok(scope) => scope,
            Err(NotTrusted::Port(error)) => return Err(error),
            Err(error) => return Ok(vec![of("binding", Some(wrong(&error)))]),
        };
        let secrets = SecretBindings::read(&*self.ports.documents, trust, &scope, now).await;
        let secrets = match secrets {
            // Published meanwhile: the next round reads both anew.
            Ok(_) | Err(NotTrusted::Older) => None,
            Err(NotTrusted::Port(error)) => return Err(error),
            Err(error) => Some(wrong(&error)),
        };
        Ok(vec![of("binding", None), of("secrets", secrets)])
    }

    /// Secrets of a tenant that are changed on schedule, and whose applications they are.
    pub(super) async fn rotations(
        &self,
        trust: &Trust,
        scope: &TenantScope,
        now: Timestamp,
    ) -> (Reading<Vec<Rotating>>, Reading<BTreeSet<ObjectId>>) {
        let secrets = SecretBindings::read(&*self.ports.documents, trust, scope, now).await;
        let secrets = match secrets {
            Ok(secrets) => secrets,
            Err(error) => {
                let unread = told(Source::Rotations, &error);
                return (Err(unread), Err(unread));
            }
        };
        let bound = secrets.iter().filter_map(|binding| match &binding.driver {
            Driver::EntraClientSecret { application, .. } => Some(*application),
            Driver::KeyVaultKey { .. } | Driver::Generated { .. } => None,
        });
        let bound = bound.collect();
        let since = scope.binding().iat;
        let rotating = self.rotating(&secrets, &Partition::tenant(scope), trust, since, now).await;
        (rotating, Ok(bound))
    }

    /// Secrets of the deployment's own.
    pub(super) async fn platform_rotations(
        &self,
        trust: &Trust,
        now: Timestamp,
    ) -> Reading<Vec<Rotating>> {
        let documents = &*self.ports.documents;
        let secrets = PlatformSecretBindings::read_platform(documents, trust, now).await;
        let secrets = secrets.map_err(|error| told(Source::Rotations, &error))?;
        let since = trust.since();
        self.rotating(&secrets, &Partition::platform(), trust, since, now).await
    }

    async fn rotating<D: Driven + Sync>(
        &self,
        secrets: &Secrets<D>,
        partition: &Partition,
        trust: &Trust,
        since: Timestamp,
        now: Timestamp,
    ) -> Reading<Vec<Rotating>> {
        let mut all = Vec::new();
        for binding in secrets.iter() {
            let rotation = self.rotation(binding, partition, trust, now).await;
            let rotation = rotation.map_err(|error| told(Source::Rotations, &error))?;
            all.push(Rotating {
                name: binding.name.to_string(),
                overdue_since: overdue_since(binding, rotation.as_ref(), since, now),
            });
        }
        Ok(all)
    }

    async fn rotation<D: Driven>(
        &self,
        binding: &SecretBinding<D>,
        partition: &Partition,
        trust: &Trust,
        now: Timestamp,
    ) -> Result<Option<Rotation>, NotRead> {
        let id = document_id(&binding.name);
        let Some(found) = self.ports.documents.read(partition, &id).await? else {
            return Ok(None);
        };
        let statement = Stored::statement_of(&found)?;
        let (digest, key) = (statement.digest(), statement.key());
        let about = self.ledger.trust_about(partition, digest, key, trust, now).await?;
        let document = Document::<Rotation>::open(found, partition, &about, now)?;
        if document.by != App::Rotate || document.body.name != binding.name {
            return Err(NotGenuine::Contents("author").into());
        }
        Ok(Some(document.body))
    }

    /// Trees that do not go on from what was sealed, or were not sealed lately.
    pub(super) async fn unsealed(
        &self,
        trust: &Trust,
        tenants: &[TenantId],
        now: Timestamp,
    ) -> Reading<Vec<Unsealed>> {
        let mut partitions = vec![Partition::platform()];
        for tenant in tenants {
            match self.trust.scope_as_signed(trust, *tenant).await {
                Ok(scope) => partitions.push(Partition::tenant(&scope)),
                Err(NotTrusted::Port(error)) => return Err(told(Source::Seals, &error)),
                // Told of as a binding that is not what was published.
                Err(_) => {}
            }
        }
        let mut all = Vec::new();
        for partition in partitions {
            let why = match self.trust.trees().proven(&partition, trust, now).await {
                Ok(_) => continue,
                Err(NotProven::Port(error)) => return Err(told(Source::Seals, &error)),
                Err(NotProven::Stale) => "not sealed for more than a minute",
                Err(NotProven::Refused) => "was refused a seal",
                Err(NotProven::Violation(_)) => "does not go on from what was sealed",
                Err(NotProven::Anchor(_)) => "its newest anchor is not believed",
                Err(NotProven::NoKeyset) => "no keyset to prove it by",
            };
            all.push(Unsealed { tree: partition.key().to_owned(), why });
        }
        Ok(all)
    }
}

/// What is stored of a rotation was not read.
#[derive(Debug, thiserror::Error)]
enum NotRead {
    #[error("rotation not read")]
    Port(#[from] PortError),
    #[error("stored rotation not genuine")]
    NotGenuine(#[from] NotGenuine),
    #[error("ledger not proven")]
    NotProven(#[from] NotProven),
}

fn overdue_since<D: Driven>(
    binding: &SecretBinding<D>,
    rotation: Option<&Rotation>,
    bound_since: Timestamp,
    now: Timestamp,
) -> Option<Timestamp> {
    match rotation.filter(|rotation| rotation.active.is_some()) {
        Some(rotation) => {
            let active = rotation.active.as_ref()?.since;
            rotation.is_overdue(binding, now).then(|| active.plus_s(binding.max_age_s()))
        }
        // `rotate` has a day to take up what was bound.
        None => Some(bound_since.plus_s(BEGUN_S)).filter(|until| *until < now),
    }
}

fn wrong(error: &NotTrusted) -> &'static str {
    match error {
        NotTrusted::Form(_) => "not of the form that airlockctl writes",
        NotTrusted::NotVerified(_) => "not what the root signed there, or put back",
        NotTrusted::NoBinding | NotTrusted::NoKeyset => "missing",
        NotTrusted::NotProven(_) => "against the ledger",
        NotTrusted::Older | NotTrusted::Port(_) => "not read",
    }
}

/// Tells the log why a source was not read.
pub(super) fn told(source: Source, error: &(dyn std::error::Error + 'static)) -> Unread {
    tracing::warn!(source = source.name(), error, "not read");
    Unread(source)
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    const NOON: Timestamp = Timestamp::from_unix_s(1_790_000_000);
    const DAY_S: i64 = 86_400;

    #[test]
    fn a_secret_is_overdue_when_it_is_older_than_it_may_be_or_was_never_taken_up() {
        let binding: SecretBinding<Driver> = serde_json::from_value(json!({
            "name": "it", "driver": { "kind": "generated", "secret": "generated-it", "bytes": 32 },
            "max_age_days": 30, "overlap_hours": 24,
        }))
        .unwrap();
        let rotation: Rotation = serde_json::from_value(json!({
            "name": "it", "thing": binding.driver.identity(), "active": {
                "held": { "credential": "1", "version": "1" }, "since": NOON, "run": uuid::Uuid::nil(),
            },
        }))
        .unwrap();
        let at = |rotation: Option<&Rotation>, days: i64, s: i64| {
            overdue_since(&binding, rotation, NOON, NOON.plus_s(days * DAY_S + s))
        };

        assert_eq!(at(Some(&rotation), 30, 0), None);
        assert_eq!(at(Some(&rotation), 30, 1), Some(NOON.plus_s(30 * DAY_S)));
        assert_eq!(at(None, 1, 0), None);
        assert_eq!(at(None, 1, 1), Some(NOON.plus_s(DAY_S)));
    }
}
