use std::sync::{
    Mutex,
    atomic::{AtomicUsize, Ordering::SeqCst},
};

use super::*;
use crate::{
    binding::Conditions,
    memory::SetClock,
    ports::Documents as _,
    tests::world::{CONTOSO, FABRIKAM, World},
};

type Policies = Result<Vec<AccessPolicy>, fn() -> PortError>;

/// Policies as they stand, or why they cannot be read.
struct Tenant(Mutex<Policies>);

#[async_trait]
impl AccessPolicies for Tenant {
    async fn read(&self, _: &TenantScope) -> Result<Vec<AccessPolicy>, PortError> {
        self.0.lock().unwrap().clone().map_err(|error| error())
    }
}

/// Whoever reads there is away for as long as a run may take.
struct Slow {
    clock: Arc<SetClock>,
    read: AtomicUsize,
}

#[async_trait]
impl AccessPolicies for Slow {
    async fn read(&self, _: &TenantScope) -> Result<Vec<AccessPolicy>, PortError> {
        self.read.fetch_add(1, SeqCst);
        self.clock.advance_s(RUN_S);
        Ok(vec![good()])
    }
}

fn good() -> AccessPolicy {
    AccessPolicy {
        enabled: true,
        contexts: vec!["c2".to_owned(), "c1".to_owned()],
        everybody: true,
        demands_proof: true,
    }
}

async fn wanting(world: &World, tenant: TenantId) {
    let c1 = Context::try_from("c1".to_owned()).unwrap();
    let conditions = Conditions { step_up: Some(c1), ..Conditions::default() };
    world
        .change_terms(tenant, |terms| {
            terms.operations.insert("account.disable".to_owned(), conditions.clone());
            terms.operations.insert("tap.issue".to_owned(), conditions);
        })
        .await;
}

fn comparer(world: &World, policies: Arc<dyn AccessPolicies>) -> Comparer {
    let ports = world.ports(App::Drift);
    Comparer::new(ports, world.trust_store(), policies)
}

async fn verdict(world: &World) -> Option<Verdict> {
    let c1 = Context::try_from("c1".to_owned()).unwrap();
    let partition = Partition::tenant(&world.scope(CONTOSO).await);
    let id = step_up::document_id(&c1);
    let found = world.documents.read(&partition, &id).await.unwrap()?;
    let trust = world.trust().await;
    let stored = Document::<StoredFinding>::open(found, &partition, &trust, world.now()).unwrap();
    trust.open(&stored.body.finding, world.now()).ok().map(|finding| finding.verdict)
}

#[tokio::test]
async fn only_a_policy_that_makes_everybody_prove_more_backs_a_context() {
    for (policies, expected) in [
        (vec![good()], Verdict::Match),
        (vec![], Verdict::Drift),
        (vec![AccessPolicy { enabled: false, ..good() }], Verdict::Drift),
        (vec![AccessPolicy { everybody: false, ..good() }], Verdict::Drift),
        (vec![AccessPolicy { demands_proof: false, ..good() }], Verdict::Drift),
        (vec![AccessPolicy { contexts: vec!["c11".to_owned()], ..good() }], Verdict::Drift),
        (vec![AccessPolicy { enabled: false, ..good() }, good()], Verdict::Match),
    ] {
        let world = World::new().await;
        wanting(&world, CONTOSO).await;
        let tenant = Arc::new(Tenant(Mutex::new(Ok(policies.clone()))));

        assert_eq!(comparer(&world, tenant.clone()).compare().await.unwrap(), 1);

        assert_eq!(verdict(&world).await, Some(expected), "{policies:?}");
    }
}

#[tokio::test]
async fn what_stands_is_written_again_only_to_renew_it_or_when_it_changes() {
    let world = World::new().await;
    wanting(&world, CONTOSO).await;
    let tenant = Arc::new(Tenant(Mutex::new(Ok(vec![good()]))));
    let comparer = comparer(&world, tenant.clone());

    let mut written = Vec::new();
    for _ in 0..4 {
        written.push(comparer.compare().await.unwrap());
        world.pass(RENEW_S - 1).await;
    }
    *tenant.0.lock().unwrap() = Ok(vec![]);
    written.push(comparer.compare().await.unwrap());
    written.push(comparer.compare().await.unwrap());

    assert_eq!(written, [1, 0, 1, 0, 1, 0]);
    assert_eq!(verdict(&world).await, Some(Verdict::Drift));
}

#[tokio::test]
async fn an_outage_changes_nothing_and_a_refusal_shows_nothing() {
    let world = World::new().await;
    wanting(&world, CONTOSO).await;
    let tenant = Arc::new(Tenant(Mutex::new(Ok(vec![good()]))));
    let comparer = comparer(&world, tenant.clone());
    comparer.compare().await.unwrap();

    *tenant.0.lock().unwrap() = Err(|| PortError::Unavailable("down".into()));
    assert_eq!(comparer.compare().await.unwrap(), 0);
    assert_eq!(verdict(&world).await, Some(Verdict::Match));
    world.pass(BACKED_S).await;
    assert_eq!(comparer.compare().await.unwrap(), 0);
    assert_eq!(verdict(&world).await, None, "over");
    *tenant.0.lock().unwrap() = Err(|| PortError::Denied("403".into()));
    assert_eq!(comparer.compare().await.unwrap(), 1);
    assert_eq!(verdict(&world).await, Some(Verdict::Unreadable));
}

#[tokio::test]
async fn what_another_context_was_found_to_be_does_not_stand_for_this_one() {
    let world = World::new().await;
    wanting(&world, CONTOSO).await;
    let tenant = Arc::new(Tenant(Mutex::new(Ok(vec![good()]))));
    let comparer = comparer(&world, tenant.clone());
    let partition = Partition::tenant(&world.scope(CONTOSO).await);
    let c1 = Context::try_from("c1".to_owned()).unwrap();
    let c2 = Context::try_from("c2".to_owned()).unwrap();
    // A genuine finding about c2, in the place of the one about c1.
    let moved = finding(CONTOSO, &c2, Verdict::Match, world.now());
    let moved = Signed::sign(&moved, &*world.ports(App::Drift).signer).await.unwrap();
    let commit = Commit {
        change: Some(Change {
            id: step_up::document_id(&c1),
            kind: KIND,
            at: 0,
            hint: None,
            contents: Contents::Clear {
                salt: None,
                body: serde_json::to_string(&StoredFinding { finding: moved }).unwrap(),
            },
            replaces: None,
        }),
        ..Commit::of(Happened::Compared)
    };
    comparer.ledger.commit(&partition, commit, world.now()).await.unwrap();

    assert_eq!(comparer.compare().await.unwrap(), 1);
    assert_eq!(comparer.compare().await.unwrap(), 0);
}

#[tokio::test]
async fn of_two_runs_at_once_only_one_writes() {
    let world = World::new().await;
    wanting(&world, CONTOSO).await;
    let tenant = Arc::new(Tenant(Mutex::new(Ok(vec![good()]))));
    let (one, other) = (comparer(&world, tenant.clone()), comparer(&world, tenant.clone()));

    let (ones, others) = tokio::join!(one.compare(), other.compare());

    assert_eq!(ones.unwrap() + others.unwrap(), 1);
    assert_eq!(world.contoso_ledger().await.len(), 1);
}

#[tokio::test]
async fn a_run_ends_before_its_caller_gives_up() {
    let world = World::new().await;
    for tenant in [CONTOSO, FABRIKAM] {
        wanting(&world, tenant).await;
    }
    let slow = Arc::new(Slow { clock: Arc::clone(&world.clock), read: AtomicUsize::new(0) });

    let written = comparer(&world, slow.clone()).compare().await.unwrap();

    assert_eq!((written, slow.read.load(SeqCst)), (1, 1));
}

#[tokio::test]
async fn a_tenant_that_wants_no_step_up_is_not_looked_at() {
    let world = World::new().await;
    let tenant = Arc::new(Tenant(Mutex::new(Err(|| panic!("looked")))));

    assert_eq!(comparer(&world, tenant.clone()).compare().await.unwrap(), 0);
    assert!(world.contoso_ledger().await.is_empty());
}
