//! What `drift` found, for whoever oversees a tenant or the deployment.

use serde::Serialize;

use super::{Caller, NotReceived, Reception, Tree};
use crate::{
    digest::Digest,
    drift::{
        check,
        findings::{self, NotOpened, RESOLVED, STANDING},
        severity::Severity,
    },
    finding::{Drifted, Finding, KIND, State, Verdict},
    identity::{Role, TenantId},
    keyset::Trust,
    ledger::NotProven,
    ports::{Partition, Query},
    time::Timestamp,
};

/// Findings that are shown at once, newest first.
const LISTED: u32 = 500;

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

impl Reception {
    /// Findings about a tenant or the platform: the worst first.
    ///
    /// Remote calls: what entering the tenant takes, and one query.
    ///
    /// # Errors
    ///
    /// [`NotReceived`]; [`NotReceived::NotThere`] too if the caller may not oversee it. A finding
    /// that is not genuine is recorded, and none are shown: one that is missing would be taken for
    /// good.
    pub async fn findings(
        &self,
        caller: &Caller,
        tree: Tree,
        which: Findings,
    ) -> Result<Vec<FindingView>, NotReceived> {
        let tenant = match tree {
            Tree::Tenant(tenant) => Some(tenant),
            Tree::Platform(_) => None,
        };
        let seen = self.try_findings(caller, tree, which).await;
        self.noticed(tenant, None, seen).await
    }

    async fn try_findings(
        &self,
        caller: &Caller,
        tree: Tree,
        which: Findings,
    ) -> Result<Vec<FindingView>, NotReceived> {
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
        let hint = match which {
            Findings::Standing => STANDING,
            Findings::Resolved => RESOLVED,
        };
        let equals = Some(("hint", hint.to_owned()));
        let query = Query { kind: KIND, equals, not_after: None, limit: LISTED };
        let mut views = Vec::new();
        for found in self.ports.documents.query(&partition, &query).await? {
            let opened = findings::open(found, &partition, &self.ledger, &trust, now).await;
            let (document, finding) = opened.map_err(not_received)?;
            views.extend(view(finding, document.body.finding.as_str()));
        }
        views.sort_by(|one, other| {
            (other.severity, &one.subject).cmp(&(one.severity, &other.subject))
        });
        Ok(views)
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

fn view(finding: Finding, signed: &str) -> Option<FindingView> {
    let Finding { subject, verdict, drift, .. } = finding;
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
    } = drift?;
    let rule = check::named(&check);
    Some(FindingView {
        fingerprint,
        subject,
        verdict,
        severity,
        explanation: rule.map(|rule| rule.explanation),
        remediation: rule.map(|rule| rule.remediation),
        check,
        declared,
        found,
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
