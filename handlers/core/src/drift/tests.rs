//! The rules of drift, over a world in memory that starts as it was declared.

mod accounting;
mod lifecycle;
mod mutations;
mod scanning;
mod unreadable;

use std::{collections::BTreeMap, sync::Arc};

use uuid::Uuid;

use super::{Drift, Round, desired::Desired, findings::open};
use crate::{
    digest::Digest,
    finding::{Drifted, Finding, KIND, State},
    identity::{App, ObjectId, TenantId},
    ledger::Ledger,
    manifest::Manifest,
    memory::actual::Actual,
    ports::{Documents as _, Partition, Query},
    sealing::deployment_id,
    tests::{
        artefacts::manifest,
        world::{CONTOSO, FABRIKAM, World},
    },
};

const APPS: [App; 5] = [App::Signin, App::Intake, App::Execute, App::Rotate, App::Drift];

const WORKERS: [&str; 9] = [
    "airlock-worker-passwords",
    "airlock-worker-methods",
    "airlock-worker-accounts",
    "airlock-worker-groups",
    "airlock-worker-devices",
    "airlock-worker-lookup",
    "airlock-rotator",
    "airlock-remediator",
    "airlock-observer",
];

/// A deployment with two tenants, and what can be read of it.
struct Stage {
    world: World,
    manifest: Manifest,
    actual: Arc<Actual>,
}

fn id(number: u128) -> ObjectId {
    ObjectId::new(Uuid::from_u128(number))
}

fn package(app: App) -> Digest {
    Digest::of(&[app.to_string().as_bytes()])
}

/// A deployment in this world, as its manifest says, and what can be read of it.
async fn deployed(world: &World) -> (Manifest, Actual) {
    let mut signed = manifest(&world.root_key(), world.now(), &[]);
    signed.portal_client = id(0xc001);
    signed.intake_client = id(0xc002);
    let number = |first: u128, index: usize| id(first + index as u128);
    signed.workers = WORKERS
        .iter()
        .enumerate()
        .map(|(index, name)| ((*name).to_owned(), number(0xc010, index)))
        .collect();
    let identities = APPS.into_iter().chain([App::Admin]).enumerate();
    signed.principals = identities.map(|(index, app)| (app, number(0xa000, index))).collect();
    signed.sites = APPS.map(|app| (app, format!("airlock-{app}"))).into();
    for app in APPS {
        let of_app = Manifest { app, package: package(app), ..signed.clone() };
        world.store_artefact(&Partition::deployment(), &deployment_id(app), &of_app).await;
    }
    let desired = Desired::of(&signed).unwrap();
    let packages: BTreeMap<App, Digest> = APPS.map(|app| (app, package(app))).into();
    let actual = Actual::as_declared(&desired, &[CONTOSO, FABRIKAM], &packages);
    (signed, actual)
}

fn drift(world: &World, manifest: &Manifest, actual: &Arc<Actual>) -> Drift {
    let desired = Desired::of(manifest).unwrap();
    let (ports, trust) = (world.ports(App::Drift), world.trust_store());
    Drift::new(ports, trust, desired, actual.clone(), actual.clone())
}

/// Compares a world with what was declared for it, once: nothing deviates.
pub(crate) async fn looked_at(world: &World) {
    let (manifest, actual) = deployed(world).await;
    world.seal().await;
    let round = drift(world, &manifest, &Arc::new(actual)).round().await.unwrap();
    assert_eq!((round.failed, round.unreadable, round.detected), (0, 0, 0), "{round:?}");
}

impl Stage {
    async fn new() -> Self {
        let world = World::new().await;
        let (manifest, actual) = deployed(&world).await;
        world.seal().await;
        Self { world, manifest, actual: Arc::new(actual) }
    }

    /// Another process of `drift`'s, which remembers nothing.
    fn drift(&self) -> Drift {
        drift(&self.world, &self.manifest, &self.actual)
    }

    async fn round(&self) -> Round {
        let round = self.drift().round().await.unwrap();
        self.world.seal().await;
        round
    }

    async fn partition(&self, tenant: Option<TenantId>) -> Partition {
        match tenant {
            Some(tenant) => Partition::tenant(&self.world.scope(tenant).await),
            None => Partition::platform(),
        }
    }

    /// Every finding that is stored, verified, wherever it is.
    async fn all(&self) -> Vec<Finding> {
        let mut all = Vec::new();
        for tenant in [None, Some(CONTOSO), Some(FABRIKAM)] {
            let partition = self.partition(tenant).await;
            let query = Query { kind: KIND, equals: None, not_after: None, limit: 1000 };
            let ports = self.world.ports(App::Drift);
            let ledger = Ledger::new(App::Drift, &ports, Arc::new(self.world.trust_store()));
            let trust = self.world.trust().await;
            for found in self.world.documents.query(&partition, &query).await.unwrap() {
                let now = self.world.now();
                all.push(open(found, &partition, &ledger, &trust, now).await.unwrap().1);
            }
        }
        all
    }

    /// Those that are not resolved, as check, subject and severity.
    async fn standing(&self) -> Vec<Drifted> {
        let all = self.all().await.into_iter().filter_map(|finding| finding.drift);
        all.filter(|drifted| !matches!(drifted.state, State::Resolved { .. })).collect()
    }
}

#[tokio::test]
async fn a_world_that_is_as_declared_has_no_finding_in_whatever_order_it_is_read() {
    let stage = Stage::new().await;

    let first = stage.round().await;
    *stage.actual.reversed.lock().unwrap() = true;
    let second = stage.round().await;

    assert_eq!((first.detected, first.unreadable, first.failed), (0, 0, 0));
    assert_eq!(second, first);
    assert_eq!(stage.all().await, []);
}
