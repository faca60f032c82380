//! What `drift` compares: so far, whether something stands behind the step-ups that tenants want.
//!
//! Guarantee: a finding says what was read in the tenant itself, and is renewed before it is
//! over; as long as nothing changes that costs two leaves a day. What cannot be read for the
//! moment changes nothing: the last finding counts until its own end, and no longer.

use std::{collections::BTreeSet, sync::Arc};

use async_trait::async_trait;

use crate::{
    finding::{Finding, KIND, StoredFinding, Verdict},
    identity::{App, TenantId},
    jws::{NotSigned, Signed},
    keyset::Trust,
    ledger::{Commit, Document, Happened, Ledger, NotCommitted, NotGenuine, commit::Change},
    ports::{Partition, PortError, Ports},
    step_up::{self, BACKED_S, Context},
    tenancy::TenantScope,
    time::Timestamp,
    trust::{NotTrusted, TrustStore},
};

/// Age from which on a finding is made again although nothing has changed, in seconds.
const RENEW_S: i64 = BACKED_S / 2;

/// A conditional-access policy, as far as a step-up rests on it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AccessPolicy {
    /// Whether it is in force, and not switched off or only reported.
    pub enabled: bool,
    /// The authentication contexts that it is asked for by.
    pub contexts: Vec<String>,
    /// Whether it is for everybody, without exception: whoever is left out satisfies the context
    /// by doing nothing.
    pub everybody: bool,
    /// Whether it demands a further proof of who signs in.
    pub demands_proof: bool,
}

/// The conditional-access policies of tenants.
#[async_trait]
pub trait AccessPolicies: Send + Sync {
    /// Reads all of a tenant's policies.
    ///
    /// # Errors
    ///
    /// [`PortError`]; an incomplete list is never given.
    async fn read(&self, scope: &TenantScope) -> Result<Vec<AccessPolicy>, PortError>;
}

/// Compares, in the name of `drift`.
pub struct Comparer {
    ports: Ports,
    trust: TrustStore,
    ledger: Ledger,
    policies: Arc<dyn AccessPolicies>,
}

/// A tenant was not compared.
#[derive(Debug, thiserror::Error)]
pub enum NotCompared {
    /// Its terms could not be had.
    #[error("tenant not entered")]
    NotTrusted(#[from] NotTrusted),
    /// Its policies, or an earlier finding, were not read.
    #[error("not read")]
    Port(#[from] PortError),
    /// A stored finding is not ours. It is not written over: evidence.
    #[error("stored finding not genuine")]
    NotGenuine(#[from] NotGenuine),
    /// A finding was not signed.
    #[error("finding not signed")]
    NotSigned(#[from] NotSigned),
    /// A finding was not committed.
    #[error("finding not committed")]
    NotCommitted(#[from] NotCommitted),
    /// It has no JSON form.
    #[error("finding not written as JSON")]
    Form(#[from] serde_json::Error),
}

impl Comparer {
    /// Compares over these ports.
    #[must_use]
    pub fn new(ports: Ports, trust: TrustStore, policies: Arc<dyn AccessPolicies>) -> Self {
        let ledger = Ledger::new(
            App::Drift,
            Arc::clone(&ports.documents),
            Arc::clone(&ports.signer),
            Arc::clone(&ports.entropy),
        );
        Self { ports, trust, ledger, policies }
    }

    /// Looks at every tenant once; says how many findings were written. One tenant's trouble
    /// keeps none of the others waiting.
    ///
    /// # Errors
    ///
    /// [`NotTrusted`] if the tenants could not be told at all.
    pub async fn compare(&self) -> Result<usize, NotTrusted> {
        let trust = self.trust.trust().await?;
        let mut written = 0;
        for tenant in self.trust.tenants().await? {
            match self.compare_tenant(&trust, tenant).await {
                Ok(count) => written += count,
                Err(error) => tracing::error!(%tenant, error = ?error, "tenant not compared"),
            }
        }
        Ok(written)
    }

    async fn compare_tenant(&self, trust: &Trust, tenant: TenantId) -> Result<usize, NotCompared> {
        let scope = self.trust.scope(trust, tenant).await?;
        let wanted = wanted(&scope);
        if wanted.is_empty() {
            return Ok(0);
        }
        let policies = match self.policies.read(&scope).await {
            Ok(policies) => Some(policies),
            Err(error) if error.is_transient() => return Err(error.into()),
            // Not for the moment: nobody may look there. Then nothing shows what is behind it.
            Err(error) => {
                tracing::error!(%tenant, error = %error, "conditional-access policies not readable");
                None
            }
        };
        let mut written = 0;
        for context in wanted {
            let verdict = policies.as_deref().map_or(Verdict::Unreadable, |policies| {
                if is_backed(&context, policies) { Verdict::Match } else { Verdict::Drift }
            });
            if self.find(trust, &scope, &context, verdict).await? {
                written += 1;
            }
        }
        Ok(written)
    }

    /// Writes a finding, unless the one that stands says the same for long enough.
    async fn find(
        &self,
        trust: &Trust,
        scope: &TenantScope,
        context: &Context,
        verdict: Verdict,
    ) -> Result<bool, NotCompared> {
        let now = self.ports.clock.now();
        let partition = Partition::tenant(scope);
        let id = step_up::document_id(context);
        let before = match self.ports.documents.read(&partition, &id).await? {
            Some(found) => Some(Document::<StoredFinding>::open(found, &partition, trust, now)?),
            None => None,
        };
        let stands = before.as_ref().is_some_and(|document| {
            trust.open(&document.body.finding, now).is_ok_and(|finding| {
                finding.verdict == verdict && now.since_s(finding.iat) < RENEW_S
            })
        });
        if stands {
            return Ok(false);
        }
        let finding = finding(scope.tenant(), context, verdict, now);
        let signed = Signed::sign(&finding, &*self.ports.signer).await?;
        let commit = Commit {
            happened: Happened::Compared,
            principal: None,
            request: None,
            reason: None,
            traceparent: None,
            change: Some(Change {
                id,
                kind: KIND,
                at: before.as_ref().map_or(now.as_unix_s(), |document| document.at),
                hint: None,
                salt: before.as_ref().map(|document| document.salt),
                body: serde_json::to_string(&StoredFinding { finding: signed })?,
                replaces: before.map(|document| document.etag),
            }),
            markers: Vec::new(),
            counts: Vec::new(),
            outgoing: Vec::new(),
        };
        self.ledger.commit(&partition, commit, now).await?;
        tracing::info!(subject = finding.subject, verdict = ?verdict, "compared");
        Ok(true)
    }
}

fn finding(tenant: TenantId, context: &Context, verdict: Verdict, now: Timestamp) -> Finding {
    Finding {
        iss: App::Drift,
        tnt: tenant,
        subject: step_up::subject(context),
        verdict,
        iat: now,
        exp: now.plus_s(BACKED_S),
    }
}

/// The contexts that a tenant wants for anything.
fn wanted(scope: &TenantScope) -> Vec<Context> {
    let mut seen = BTreeSet::new();
    let wanted = scope.terms().operations.values().filter_map(|terms| terms.step_up.clone());
    wanted.filter(|context| seen.insert(context.as_str().to_owned())).collect()
}

/// Whether one policy alone makes everybody prove more who asks for this context.
fn is_backed(context: &Context, policies: &[AccessPolicy]) -> bool {
    policies.iter().any(|policy| {
        policy.enabled
            && policy.everybody
            && policy.demands_proof
            && policy.contexts.iter().any(|other| other == context.as_str())
    })
}

#[cfg(test)]
mod tests {
    use std::sync::Mutex;

    use super::*;
    use crate::{
        binding::Conditions,
        ports::Documents as _,
        tests::world::{CONTOSO, World},
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

    fn good() -> AccessPolicy {
        AccessPolicy {
            enabled: true,
            contexts: vec!["c2".to_owned(), "c1".to_owned()],
            everybody: true,
            demands_proof: true,
        }
    }

    async fn wanting(world: &World) {
        let c1 = Context::try_from("c1".to_owned()).unwrap();
        let conditions = Conditions { step_up: Some(c1), ..Conditions::default() };
        world
            .change_terms(CONTOSO, |terms| {
                terms.operations.insert("account.disable".to_owned(), conditions.clone());
                terms.operations.insert("tap.issue".to_owned(), conditions);
            })
            .await;
    }

    fn comparer(world: &World, tenant: &Arc<Tenant>) -> Comparer {
        let ports = world.ports(App::Drift);
        let trust = TrustStore::new(
            world.root_key(),
            Arc::clone(&ports.documents),
            Arc::clone(&ports.clock),
            0,
        );
        Comparer::new(ports, trust, tenant.clone())
    }

    async fn verdict(world: &World) -> Option<Verdict> {
        let c1 = Context::try_from("c1".to_owned()).unwrap();
        let partition = Partition::tenant(&world.scope(CONTOSO).await);
        let id = step_up::document_id(&c1);
        let found = world.documents.read(&partition, &id).await.unwrap()?;
        let trust = world.trust().await;
        let stored =
            Document::<StoredFinding>::open(found, &partition, &trust, world.now()).unwrap();
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
            wanting(&world).await;
            let tenant = Arc::new(Tenant(Mutex::new(Ok(policies.clone()))));

            assert_eq!(comparer(&world, &tenant).compare().await.unwrap(), 1);

            assert_eq!(verdict(&world).await, Some(expected), "{policies:?}");
        }
    }

    #[tokio::test]
    async fn what_stands_is_written_again_only_to_renew_it_or_when_it_changes() {
        let world = World::new().await;
        wanting(&world).await;
        let tenant = Arc::new(Tenant(Mutex::new(Ok(vec![good()]))));
        let comparer = comparer(&world, &tenant);

        let mut written = Vec::new();
        for _ in 0..4 {
            written.push(comparer.compare().await.unwrap());
            world.clock.advance_s(RENEW_S - 1);
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
        wanting(&world).await;
        let tenant = Arc::new(Tenant(Mutex::new(Ok(vec![good()]))));
        let comparer = comparer(&world, &tenant);
        comparer.compare().await.unwrap();

        *tenant.0.lock().unwrap() = Err(|| PortError::Unavailable("down".into()));
        assert_eq!(comparer.compare().await.unwrap(), 0);
        assert_eq!(verdict(&world).await, Some(Verdict::Match));
        world.clock.advance_s(BACKED_S);
        assert_eq!(comparer.compare().await.unwrap(), 0);
        assert_eq!(verdict(&world).await, None, "over");
        *tenant.0.lock().unwrap() = Err(|| PortError::Denied("403".into()));
        assert_eq!(comparer.compare().await.unwrap(), 1);
        assert_eq!(verdict(&world).await, Some(Verdict::Unreadable));
    }

    #[tokio::test]
    async fn a_tenant_that_wants_no_step_up_is_not_looked_at() {
        let world = World::new().await;
        let tenant = Arc::new(Tenant(Mutex::new(Err(|| panic!("looked")))));

        assert_eq!(comparer(&world, &tenant).compare().await.unwrap(), 0);
        assert!(world.contoso_ledger().await.is_empty());
    }
}
