//! What `drift` compares: so far, whether something stands behind the step-ups that tenants want.
//!
//! Guarantee: a finding says what was read in the tenant itself, and is renewed before it is
//! over; as long as nothing changes that costs twelve leaves a day and context. What cannot be
//! read for the moment changes nothing: the last finding counts until its own end, and no longer.
//!
//! A run may be repeated, cut off or doubled at any point: it compares what is with the finding
//! that stands, and of two that write at once one finds that the document has changed.

use std::{collections::BTreeSet, error::Error, sync::Arc};

use async_trait::async_trait;

use crate::{
    finding::{Finding, KIND, StoredFinding, Verdict},
    identity::{App, TenantId},
    jws::{NotSigned, Signed},
    keyset::Trust,
    ledger::{
        Commit, Contents, Document, Happened, Ledger, NotCommitted, NotGenuine, NotProven, Stored,
        commit::Change,
    },
    ports::{Partition, PortError, Ports},
    step_up::{self, BACKED_S, Context},
    tenancy::TenantScope,
    time::Timestamp,
    trust::{NotTrusted, TrustStore},
};

/// Age from which on a finding is made again although nothing has changed, in seconds.
const RENEW_S: i64 = BACKED_S / 2;

/// How long a run goes on to look at more, in seconds.
///
/// The Functions host ends a call after five minutes (`functionTimeout` in `host.json`), and
/// what was begun must come to its end.
const RUN_S: i64 = 180;

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
    trust: Arc<TrustStore>,
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
    /// An earlier finding is by a key that was revoked, and the ledger does not show when.
    #[error("ledger not proven")]
    NotProven(#[from] NotProven),
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
        let trust = Arc::new(trust);
        let ledger = Ledger::new(App::Drift, &ports, Arc::clone(&trust));
        Self { ports, trust, ledger, policies }
    }

    /// Looks at every tenant once, as far as there is time; says how many findings were written.
    /// One tenant's trouble keeps none of the others from being looked at.
    ///
    /// # Errors
    ///
    /// [`NotTrusted`] if the tenants could not be told at all.
    pub async fn compare(&self) -> Result<usize, NotTrusted> {
        let until = self.ports.clock.now().plus_s(RUN_S);
        let trust = self.trust.trust().await?;
        let tenants = self.in_any_order(self.trust.tenants().await?)?;
        let mut written = 0;
        for (looked_at, tenant) in tenants.iter().copied().enumerate() {
            if self.ports.clock.now() >= until {
                let left = tenants.len() - looked_at;
                tracing::warn!(left, "no time to compare every tenant");
                break;
            }
            match self.compare_tenant(&trust, tenant).await {
                Ok(count) => written += count,
                Err(error) => {
                    let error = &error as &(dyn Error + 'static);
                    tracing::error!(%tenant, error, "tenant not compared");
                }
            }
        }
        Ok(written)
    }

    /// Begins anywhere: those whom one run does not come to are not the same each time.
    fn in_any_order(&self, mut tenants: Vec<TenantId>) -> Result<Vec<TenantId>, PortError> {
        let mut random = [0; 4];
        self.ports.entropy.fill(&mut random)?;
        let first = usize::try_from(u32::from_le_bytes(random)).unwrap_or_default();
        if let Some(first) = first.checked_rem(tenants.len()) {
            tenants.rotate_left(first);
        }
        Ok(tenants)
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
            // Not for the moment: nobody may look there, or what is there is not understood. Then
            // nothing shows what is behind it.
            Err(error) => {
                let error = &error as &(dyn Error + 'static);
                tracing::error!(%tenant, error, "conditional-access policies not readable");
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
            Some(found) => {
                let statement = Stored::statement_of(&found)?;
                let (digest, key) = (statement.digest(), statement.key());
                let about = self.ledger.trust_about(&partition, digest, key, trust, now).await?;
                Some(Document::<StoredFinding>::open(found, &partition, &about, now)?)
            }
            None => None,
        };
        let finding = finding(scope.tenant(), context, verdict, now);
        let stands = before.as_ref().is_some_and(|document| {
            let opened = trust.open(&document.body.finding, now);
            opened.is_ok_and(|standing| says_the_same(&standing, &finding))
        });
        if stands {
            return Ok(false);
        }
        let signed = Signed::sign(&finding, &*self.ports.signer).await?;
        let commit = Commit {
            change: Some(Change {
                id,
                kind: KIND,
                at: before.as_ref().map_or(now.as_unix_s(), |document| document.at),
                hint: None,
                contents: Contents::Clear {
                    salt: before.as_ref().map(|document| document.salt),
                    body: serde_json::to_string(&StoredFinding { finding: signed })?,
                },
                replaces: before.map(|document| document.etag),
            }),
            ..Commit::of(Happened::Compared)
        };
        match self.ledger.commit(&partition, commit, now).await {
            Ok(_) => {}
            // Another run was faster. The next one sees whether it found the same.
            Err(NotCommitted::Conflict) => return Ok(false),
            Err(error) => return Err(error.into()),
        }
        tracing::info!(tenant = %scope.tenant(), subject = finding.subject, ?verdict, "compared");
        Ok(true)
    }
}

/// Whether a finding that stands is as good as a new one, for long enough.
fn says_the_same(standing: &Finding, new: &Finding) -> bool {
    (standing.tnt, &standing.subject, standing.verdict) == (new.tnt, &new.subject, new.verdict)
        && new.iat.since_s(standing.iat) < RENEW_S
}

fn finding(tenant: TenantId, context: &Context, verdict: Verdict, now: Timestamp) -> Finding {
    Finding {
        iss: App::Drift,
        tnt: tenant,
        subject: step_up::subject(context),
        verdict,
        iat: now,
        exp: now.plus_s(BACKED_S),
        drift: None,
    }
}

/// The contexts that a tenant wants for anything.
fn wanted(scope: &TenantScope) -> Vec<Context> {
    let mut seen = BTreeSet::new();
    let wanted = scope.terms().operations.values().filter_map(|terms| terms.step_up.clone());
    wanted.filter(|context| seen.insert(context.as_str().to_owned())).collect()
}

/// Whether one policy alone makes everybody prove more who asks for this context.
pub(crate) fn is_backed(context: &Context, policies: &[AccessPolicy]) -> bool {
    policies.iter().any(|policy| {
        policy.enabled
            && policy.everybody
            && policy.demands_proof
            && policy.contexts.iter().any(|other| other == context.as_str())
    })
}

#[cfg(test)]
mod tests;
