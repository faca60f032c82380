//! Whether something stands behind the step-ups that a tenant wants: what decisions rest on.
//!
//! Guarantee: a finding says what was read in the tenant itself, and is renewed before it is
//! over; as long as nothing changes that costs twelve leaves a day and context. What cannot be
//! read for the moment changes nothing: the last finding counts until its own end, and no longer.
//!
//! A run may be repeated, cut off or doubled at any point: it compares what is with the finding
//! that stands, and of two that write at once one finds that the document has changed.

use std::{collections::BTreeSet, sync::Arc};

use crate::{
    drift::seen::{Reading, Source, Unread},
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

/// What a round read of a tenant's policies.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Policies {
    /// All of them. None, where the tenant's terms rest on none.
    Read(Vec<AccessPolicy>),
    /// They could not be read for the moment.
    NotNow,
    /// Nobody may look there, or what is there is not understood: nothing shows what it is.
    Withheld,
}

impl Policies {
    /// The policies, for whoever cannot judge without them.
    ///
    /// # Errors
    ///
    /// [`Unread`], if they were not read, for whatever reason.
    pub fn reading(&self) -> Reading<&[AccessPolicy]> {
        match self {
            Self::Read(policies) => Ok(policies),
            Self::NotNow | Self::Withheld => Err(Unread(Source::AccessPolicies)),
        }
    }
}

/// Compares, in the name of `drift`.
pub struct Comparer {
    ports: Ports,
    ledger: Arc<Ledger>,
}

/// A tenant was not compared.
#[derive(Debug, thiserror::Error)]
pub enum NotCompared {
    /// An earlier finding was not read.
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
    pub fn new(ports: &Ports, ledger: Arc<Ledger>) -> Self {
        Self { ports: ports.clone(), ledger }
    }

    /// Says of each context that a tenant wants whether these policies back it, where that is not
    /// said already; and how many findings were written.
    ///
    /// Remote calls: one read for each context, and a commit for each finding.
    ///
    /// # Errors
    ///
    /// [`NotCompared`].
    pub async fn compare(
        &self,
        trust: &Trust,
        scope: &TenantScope,
        policies: &Policies,
    ) -> Result<usize, NotCompared> {
        let wanted = wanted(scope);
        let policies = match policies {
            Policies::Read(policies) => Some(policies.as_slice()),
            // The last finding counts until its own end.
            Policies::NotNow => return Ok(0),
            Policies::Withheld => None,
        };
        let mut written = 0;
        for context in wanted {
            let verdict = policies.map_or(Verdict::Unreadable, |policies| {
                if is_backed(&context, policies) { Verdict::Match } else { Verdict::Drift }
            });
            if self.find(trust, scope, &context, verdict).await? {
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
