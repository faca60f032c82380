use super::*;
use crate::{
    binding::Conditions,
    ports::Documents as _,
    tests::world::{CONTOSO, World},
};

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

fn comparer(world: &World) -> Comparer {
    let ports = world.ports(App::Drift);
    let ledger = Ledger::new(App::Drift, &ports, Arc::new(world.trust_store()));
    Comparer::new(&ports, Arc::new(ledger))
}

impl Comparer {
    /// What one round of another process writes of Contoso.
    async fn written(&self, world: &World, policies: &Policies) -> usize {
        let (trust, scope) = (world.trust().await, world.scope(CONTOSO).await);
        self.compare(&trust, &scope, policies).await.unwrap()
    }
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
        let read = Policies::Read(policies.clone());

        assert_eq!(comparer(&world).written(&world, &read).await, 1);

        assert_eq!(verdict(&world).await, Some(expected), "{policies:?}");
    }
}

#[tokio::test]
async fn what_stands_is_written_again_only_to_renew_it_or_when_it_changes() {
    let world = World::new().await;
    wanting(&world, CONTOSO).await;
    let comparer = comparer(&world);

    let mut written = Vec::new();
    for _ in 0..4 {
        written.push(comparer.written(&world, &Policies::Read(vec![good()])).await);
        world.pass(RENEW_S - 1).await;
    }
    written.push(comparer.written(&world, &Policies::Read(Vec::new())).await);
    written.push(comparer.written(&world, &Policies::Read(Vec::new())).await);

    assert_eq!(written, [1, 0, 1, 0, 1, 0]);
    assert_eq!(verdict(&world).await, Some(Verdict::Drift));
}

#[tokio::test]
async fn an_outage_changes_nothing_and_a_refusal_shows_nothing() {
    let world = World::new().await;
    wanting(&world, CONTOSO).await;
    let comparer = comparer(&world);
    comparer.written(&world, &Policies::Read(vec![good()])).await;

    assert_eq!(comparer.written(&world, &Policies::NotNow).await, 0);
    assert_eq!(verdict(&world).await, Some(Verdict::Match));
    world.pass(BACKED_S).await;
    assert_eq!(comparer.written(&world, &Policies::NotNow).await, 0);
    assert_eq!(verdict(&world).await, None, "over");
    assert_eq!(comparer.written(&world, &Policies::Withheld).await, 1);
    assert_eq!(verdict(&world).await, Some(Verdict::Unreadable));
}

#[tokio::test]
async fn what_another_context_was_found_to_be_does_not_stand_for_this_one() {
    let world = World::new().await;
    wanting(&world, CONTOSO).await;
    let (comparer, read) = (comparer(&world), Policies::Read(vec![good()]));
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

    assert_eq!(comparer.written(&world, &read).await, 1);
    assert_eq!(comparer.written(&world, &read).await, 0);
}

#[tokio::test]
async fn of_two_runs_at_once_only_one_writes() {
    let world = World::new().await;
    wanting(&world, CONTOSO).await;
    let (one, other, read) = (comparer(&world), comparer(&world), Policies::Read(vec![good()]));

    let (ones, others) = tokio::join!(one.written(&world, &read), other.written(&world, &read));

    assert_eq!(ones + others, 1);
    assert_eq!(world.contoso_ledger().await.len(), 1);
}

#[tokio::test]
async fn of_a_tenant_that_wants_no_step_up_nothing_is_said() {
    let world = World::new().await;

    for policies in [Policies::Read(vec![good()]), Policies::NotNow, Policies::Withheld] {
        assert_eq!(comparer(&world).written(&world, &policies).await, 0);
    }
    assert!(world.contoso_ledger().await.is_empty());
}

#[test]
fn whoever_cannot_judge_without_policies_is_told_that_they_were_not_read() {
    assert_eq!(Policies::Read(vec![good()]).reading(), Ok(&[good()][..]));
    for policies in [Policies::NotNow, Policies::Withheld] {
        assert_eq!(policies.reading(), Err(Unread(Source::AccessPolicies)));
    }
}
