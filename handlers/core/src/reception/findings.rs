//! What `drift` found, for whoever oversees a tenant or the deployment.

use std::cmp::Reverse;

use serde::Serialize;

use super::{Caller, NotReceived, Reception, Tree};
use crate::{
    digest::Digest,
    drift::{
        check,
        findings::{self, NotOpened, Pages, RESOLVED, STANDING, meaning},
        severity::Severity,
    },
    finding::{Drifted, Finding, State, Verdict},
    identity::{Role, TenantId},
    keyset::Trust,
    ledger::NotProven,
    ports::{Found, Partition},
    time::Timestamp,
};

/// Findings that are shown at once.
pub const LISTED_FINDINGS: usize = 500;

/// Findings that stand and are looked through for the worst: each costs two verifications.
const LOOKED_THROUGH: usize = 5000;

/// Documents that are named as not genuine.
const NAMED: usize = 100;

/// A finding, as it is shown.
#[derive(Debug, Serialize)]
pub struct FindingView {
    /// Names it.
    pub fingerprint: Digest,
    /// The check that found it; or `unreadable`.
    pub check: String,
    /// What it is about.
    pub subject: String,
    /// How it compares.
    pub verdict: Verdict,
    /// How bad it is.
    pub severity: Severity,
    /// What that means.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub explanation: Option<&'static str>,
    /// What mends it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub remediation: Option<&'static str>,
    /// What was declared.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub declared: Option<String>,
    /// What is there.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub found: Option<String>,
    /// Names all of that: who accepts the finding accepts this.
    pub evidence: Digest,
    /// When it was first seen.
    pub first_seen: Timestamp,
    /// When it was last written down that it was seen.
    pub last_seen: Timestamp,
    /// How it is dealt with.
    #[serde(flatten)]
    pub state: State,
    /// What Airlock can do about it itself.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub mend: Option<check::Mend>,
    /// What `drift` signed: whoever has the keyset can verify all of the above.
    pub signed: String,
}

/// Which findings are asked for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Findings {
    /// Those that are not resolved.
    Standing,
    /// Those that were.
    Resolved,
}

/// Findings, as they are shown.
#[derive(Debug, Default, Serialize)]
pub struct Listed {
    /// The worst first; of those alike, those before that nobody accepted.
    pub findings: Vec<FindingView>,
    /// Ids of documents that lie where findings do and are not what `drift` wrote. Whatever they
    /// told of is missing above.
    pub violations: Vec<String>,
    /// Whether there are more findings or violations than these.
    pub more: bool,
}

impl Findings {
    /// What they are found by, and how many are looked through, the newest: the worst of all that
    /// stand are wanted, as far as that is bearable; and the newest of those that are no more.
    const fn found_by(self) -> (&'static str, usize) {
        match self {
            Self::Standing => (STANDING, LOOKED_THROUGH),
            Self::Resolved => (RESOLVED, LISTED_FINDINGS),
        }
    }
}

impl Reception {
    /// Findings about a tenant or the platform: the worst first.
    ///
    /// Remote calls: what entering the tenant takes, and a query for each page.
    ///
    /// # Errors
    ///
    /// [`NotReceived`]; [`NotReceived::NotThere`] too if the caller may not oversee it. A finding
    /// that is not genuine is recorded and named: one that is left out would be taken for good.
    pub async fn findings(
        &self,
        caller: &Caller,
        tree: Tree,
        which: Findings,
    ) -> Result<Listed, NotReceived> {
        let tenant = match tree {
            Tree::Tenant(tenant) => Some(tenant),
            Tree::Platform(_) => None,
        };
        let seen = self.try_findings(caller, tree, which).await;
        let listed = self.noticed(tenant, None, seen).await?;
        if !listed.violations.is_empty() {
            self.notice(tenant, None).await;
        }
        Ok(listed)
    }

    async fn try_findings(
        &self,
        caller: &Caller,
        tree: Tree,
        which: Findings,
    ) -> Result<Listed, NotReceived> {
        let now = self.ports.clock.now();
        let trust = self.trust.trust().await?;
        self.not_revoked(&trust, &caller.person, now).await?;
        let partition = match tree {
            Tree::Tenant(tenant) => self.overseen(caller, &trust, tenant).await?,
            Tree::Platform(home) => {
                let session = caller.person.session();
                let overseer = |role: &Role| matches!(role, Role::PlatformAdmin | Role::Auditor);
                if session.tid != home || !session.roles.iter().any(overseer) {
                    return Err(NotReceived::NotThere);
                }
                Partition::platform()
            }
        };
        let (hint, most) = which.found_by();
        let mut pages = Pages::of(&*self.ports.documents, &partition, hint);
        let (mut listed, mut looked_through) = (Listed::default(), 0);
        while let Some(page) = pages.next().await? {
            for found in page {
                if looked_through == most {
                    listed.more = true;
                    break;
                }
                looked_through += 1;
                self.list_one(found, &partition, &trust, now, &mut listed).await?;
            }
            // What is held stays small, however many there are.
            listed.keep_the_worst();
            if listed.more && looked_through == most {
                break;
            }
        }
        listed.more |= pages.passed_over();
        Ok(listed)
    }

    async fn list_one(
        &self,
        found: Found,
        partition: &Partition,
        trust: &Trust,
        now: Timestamp,
        listed: &mut Listed,
    ) -> Result<(), NotReceived> {
        let id = found.json["id"].as_str().unwrap_or_default().to_owned();
        match findings::open(found, partition, &self.ledger, trust, now).await {
            Ok((document, finding)) => {
                listed.findings.extend(view(finding, document.body.finding.as_str()));
            }
            Err(error) if !error.is_violation() => return Err(not_received(error)),
            Err(_) if listed.violations.len() == NAMED => listed.more = true,
            Err(_) => listed.violations.push(id),
        }
        Ok(())
    }

    async fn overseen(
        &self,
        caller: &Caller,
        trust: &Trust,
        tenant: TenantId,
    ) -> Result<Partition, NotReceived> {
        let scope = self.trust.scope(trust, tenant).await?;
        let standing = scope.standing(&caller.person)?;
        if !self.policies.may_see_all(&scope, caller.person.id(), &standing) {
            return Err(NotReceived::NotThere);
        }
        Ok(Partition::tenant(&scope))
    }
}

impl Listed {
    fn keep_the_worst(&mut self) {
        self.findings.sort_by_cached_key(|each| {
            let is_accepted = matches!(each.state, State::Accepted { .. });
            (Reverse(each.severity), is_accepted, each.subject.clone())
        });
        self.more |= self.findings.len() > LISTED_FINDINGS;
        self.findings.truncate(LISTED_FINDINGS);
    }
}

fn view(finding: Finding, signed: &str) -> Option<FindingView> {
    let Finding { subject, verdict, drift, .. } = finding;
    let drift = drift?;
    let evidence = drift.evidence();
    let Drifted {
        fingerprint,
        check,
        severity,
        declared,
        found,
        first_seen,
        last_seen,
        state,
        mend,
    } = drift;
    let (explanation, remediation) = meaning(&check).unzip();
    Some(FindingView {
        fingerprint,
        subject,
        verdict,
        severity,
        explanation,
        remediation,
        check,
        declared,
        found,
        evidence,
        first_seen,
        last_seen,
        state,
        mend,
        signed: signed.to_owned(),
    })
}

fn not_received(error: NotOpened) -> NotReceived {
    match error {
        NotOpened::NotProven(NotProven::Port(error)) => error.into(),
        NotOpened::NotProven(error) => NotReceived::NotProven(error),
        NotOpened::NotGenuine(error) => error.into(),
    }
}
