//! What the admin plane published: each version has its leaf before a checkpoint names it.
//!
//! Of a tenant that is its binding; of the platform the keyset, and the manifest of each app's
//! package. A version has a leaf in each epoch, so that an epoch can be read by itself.

use std::collections::HashMap;

use super::{NotSealed, Place, Sealer, known::Known};
use crate::{
    digest::Digest,
    identity::App,
    jws::{Artefact, NotVerified, Signed},
    keyset::{Keyset, Trust},
    ledger::{
        Commit, Happened,
        commit::{LEAF, StoredLeaf},
        statement::ArtefactVersion,
    },
    manifest::Manifest,
    ports::{Partition, Query},
    time::Timestamp,
    trust::{BINDING_ID, KEYSET_ID, NotTrusted, StoredArtefact},
};

/// Apps whose packages have a manifest.
const APPS: [App; 5] = [App::Signin, App::Intake, App::Execute, App::Rotate, App::Drift];

/// Leaves about one artefact that are looked through, newest first.
const MOST_LEAVES: u32 = 20;

/// How often the artefacts of the platform are read, in seconds.
const LOOK_S: i64 = 30;

/// What is known to have its leaf, by id, and in which epoch.
#[derive(Default)]
pub(super) struct Published {
    known: HashMap<String, (u32, Digest)>,
    looked: Option<Timestamp>,
}

/// Id of an app's stored manifest, in the deployment's partition.
#[must_use]
pub fn deployment_id(app: App) -> String {
    format!("deployment-{app}")
}

impl Sealer {
    /// Adds the leaves that are missing. Remote calls: none while nothing changes but, for the
    /// platform, six reads every [`LOOK_S`] seconds; a query, a signature and a batch for each
    /// new version.
    pub(super) async fn publish(
        &self,
        place: &Place,
        known: &mut Known,
        published: &mut Published,
        now: Timestamp,
    ) -> Result<(), NotSealed> {
        // Nobody writes to an epoch that an order opened before it is anchored.
        if known.first.is_some() {
            return Ok(());
        }
        if place.trust.version() < known.keyset {
            return Err(NotSealed::Older("keyset"));
        }
        let Some(scope) = &place.scope else {
            return self.publish_platform(place, known, published, now).await;
        };
        let binding = scope.binding();
        if binding.ver < known.binding {
            return Err(NotSealed::Older("binding"));
        }
        let version = ArtefactVersion { ver: binding.ver, digest: binding.digest() };
        let happened = Happened::BindingPublished;
        self.publish_one(place, known, published, (BINDING_ID, happened, version), now).await?;
        known.binding = binding.ver;
        Ok(())
    }

    async fn publish_platform(
        &self,
        place: &Place,
        known: &Known,
        published: &mut Published,
        now: Timestamp,
    ) -> Result<(), NotSealed> {
        if published.looked.is_some_and(|looked| now.since_s(looked) < LOOK_S) {
            return Ok(());
        }
        let (trust, bindings) = (&*place.trust, &place.bindings);
        if let Some(keyset) = self.artefact::<Keyset>(bindings, KEYSET_ID).await? {
            let digest = keyset.digest();
            let ver = verified(&keyset, trust, now)?.ver;
            let version = ArtefactVersion { ver, digest };
            let happened = Happened::KeysetPublished;
            self.publish_one(place, known, published, (KEYSET_ID, happened, version), now).await?;
        }
        for app in APPS {
            let id = deployment_id(app);
            let Some(manifest) = self.artefact::<Manifest>(bindings, &id).await? else { continue };
            let digest = manifest.digest();
            // A manifest is of the moment when it was signed: that is its version.
            let signed = verified(&manifest, trust, now)?.iat;
            let version = ArtefactVersion { ver: signed.as_unix_s().unsigned_abs(), digest };
            let happened = Happened::DeploymentPublished;
            self.publish_one(place, known, published, (&id, happened, version), now).await?;
        }
        published.looked = Some(now);
        Ok(())
    }

    async fn publish_one(
        &self,
        place: &Place,
        known: &Known,
        published: &mut Published,
        (id, happened, version): (&str, Happened, ArtefactVersion),
        now: Timestamp,
    ) -> Result<(), NotSealed> {
        let wanted = (known.epoch, version.digest);
        if published.known.get(id) == Some(&wanted) {
            return Ok(());
        }
        if !self.has_leaf(place, known.epoch, (id, happened, version), now).await? {
            let commit = Commit {
                subject: Some(id.to_owned()),
                artefact: Some(version),
                ..Commit::of(happened)
            };
            self.ledger.commit(&place.partition, commit, now).await?;
        }
        published.known.insert(id.to_owned(), wanted);
        Ok(())
    }

    /// Whether a leaf of this epoch says so already.
    async fn has_leaf(
        &self,
        place: &Place,
        epoch: u32,
        (id, happened, version): (&str, Happened, ArtefactVersion),
        now: Timestamp,
    ) -> Result<bool, NotSealed> {
        let equals = Some(("subject", id.to_owned()));
        let query = Query { kind: LEAF, equals, not_after: None, limit: MOST_LEAVES };
        let found = self.ports.documents.query(&place.partition, &query).await?;
        Ok(found.into_iter().any(|found| {
            let Ok(leaf) = serde_json::from_value::<StoredLeaf>(found.json) else { return false };
            let Ok(statement) = place.trust.open(&leaf.statement, now) else { return false };
            leaf.epoch == epoch
                && statement.tenantid == place.partition.key()
                && statement.r#type == happened
                && statement.data.artefact == Some(version)
        }))
    }

    /// A stored artefact, unverified.
    pub(super) async fn artefact<T: Artefact>(
        &self,
        partition: &Partition,
        id: &str,
    ) -> Result<Option<Signed<T>>, NotSealed> {
        let Some(found) = self.ports.documents.read(partition, id).await? else { return Ok(None) };
        let stored: StoredArtefact<T> =
            serde_json::from_value(found.json).map_err(NotTrusted::Form)?;
        if stored.tenant != partition.key() || stored.id != id || stored.kind != id {
            return Err(NotTrusted::NotVerified(NotVerified::Other("place")).into());
        }
        Ok(Some(stored.artefact))
    }
}

fn verified<T: Artefact + Clone>(
    signed: &Signed<T>,
    trust: &Trust,
    now: Timestamp,
) -> Result<T, NotSealed> {
    let opened = trust.open_root(signed, now).map_err(NotTrusted::NotVerified)?;
    Ok(opened.value().clone())
}
