//! Step-up: proving again who one is, as an authentication context of Entra's demands.

use std::{
    collections::{BTreeSet, HashMap},
    sync::{Mutex, PoisonError},
};

use serde::{Deserialize, Serialize};

use crate::{
    finding::{Finding, StoredFinding, Verdict},
    identity::{App, TenantId},
    jws::NotVerified,
    keyset::Trust,
    ledger::{Document, NotGenuine, Stored},
    ports::{Documents, Partition, PortError},
    tenancy::TenantScope,
    time::Timestamp,
};

/// For how long a look at a tenant's policies counts, in seconds.
///
/// `drift` looks every half minute, and says so anew as soon as it sees something else. This bounds
/// how long a step-up counts while `drift` is stopped or cannot read; long enough that an
/// outage of Graph's does not at once keep everybody from approving.
///
/// It bounds as well for how long whoever owns the database can put an earlier finding back, that
/// there is a policy, over a later one, that there is none; and only before a process that has
/// not seen the later one ([`Newest`]).
pub const BACKED_S: i64 = 4 * 3600;

/// An authentication context of Entra's, `c1` to `c99`, that a step-up asks for.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct Context(String);

/// Not the name of an authentication context.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("not an authentication context, c1 to c99")]
pub struct NotAContext;

impl Context {
    /// Its name.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl TryFrom<String> for Context {
    type Error = NotAContext;

    fn try_from(text: String) -> Result<Self, NotAContext> {
        let number: u8 =
            text.strip_prefix('c').and_then(|number| number.parse().ok()).ok_or(NotAContext)?;
        let is_context = (1..=99).contains(&number) && text == format!("c{number}");
        is_context.then_some(Self(text)).ok_or(NotAContext)
    }
}

impl From<Context> for String {
    fn from(context: Context) -> Self {
        context.0
    }
}

/// Authentication contexts behind which something stands.
///
/// Entra names a context in a token even where no conditional-access policy asks anything for
/// it. So a context counts only while `drift` has found, in the tenant itself, a policy that
/// backs it.
#[derive(Clone, Debug, Default)]
pub struct Backed(BTreeSet<String>);

/// The newest findings that one process has seen: an earlier one that was put back counts for
/// nothing before it. One for each tenant and context that a binding wants.
#[derive(Debug, Default)]
pub struct Newest(Mutex<HashMap<(TenantId, String), Finding>>);

impl Newest {
    /// The newer of this finding and the newest that was seen.
    fn of(&self, found: &Finding) -> Finding {
        let mut all = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let newest = all
            .entry((found.tnt, found.subject.clone()))
            .and_modify(|newest| {
                if newest.iat <= found.iat {
                    *newest = found.clone();
                } else {
                    tracing::error!(subject = newest.subject, "an earlier finding was put back");
                }
            })
            .or_insert_with(|| found.clone());
        newest.clone()
    }
}

/// Whether a policy backs a context could not be told.
#[derive(Debug, thiserror::Error)]
pub enum NotTold {
    /// What is stored is not what `drift` found.
    #[error("finding not genuine")]
    NotGenuine(#[from] NotGenuine),
    /// The store did not answer.
    #[error("finding not read")]
    Port(#[from] PortError),
}

impl Backed {
    /// Whether a policy backs a context.
    #[must_use]
    pub fn is(&self, context: &Context) -> bool {
        self.0.contains(context.as_str())
    }

    /// Reads whether the context that a tenant wants for an operation is backed. No remote call
    /// if it wants none.
    ///
    /// # Errors
    ///
    /// [`NotTold`]. That there is no finding, or an old one, is no error: nothing is backed.
    pub async fn read(
        documents: &dyn Documents,
        trust: &Trust,
        scope: &TenantScope,
        operation: &str,
        newest: &Newest,
        now: Timestamp,
    ) -> Result<Self, NotTold> {
        let Some(context) = scope.terms().conditions(operation).step_up else {
            return Ok(Self::default());
        };
        let partition = Partition::tenant(scope);
        let Some(found) = documents.read(&partition, &document_id(&context)).await? else {
            return Ok(Self::default());
        };
        // What `drift` found with a key that was revoked since is no finding: it looks again.
        if trust.revoked(Stored::statement_of(&found)?.key()).is_some() {
            return Ok(Self::default());
        }
        let stored = Document::<StoredFinding>::open(found, &partition, trust, now)?;
        let finding = match trust.open(&stored.body.finding, now) {
            Ok(finding) => finding,
            Err(NotVerified::Expired(_)) => return Ok(Self::default()),
            Err(NotVerified::UnknownKey(key)) if trust.revoked(key).is_some() => {
                return Ok(Self::default());
            }
            Err(error) => return Err(NotGenuine::Statement(error).into()),
        };
        if (finding.iss, finding.tnt) != (App::Drift, scope.tenant())
            || finding.subject != subject(&context)
        {
            return Err(NotGenuine::Contents("finding").into());
        }
        let finding = newest.of(&finding);
        let backed = finding.verdict == Verdict::Match && now < finding.exp;
        Ok(Self(backed.then(|| context.into()).into_iter().collect()))
    }
}

/// What a finding about a context says it is about.
#[must_use]
pub fn subject(context: &Context) -> String {
    format!("step-up/{}", context.as_str())
}

/// Id of the document of the finding about a context.
#[must_use]
pub fn document_id(context: &Context) -> String {
    format!("finding-step-up-{}", context.as_str())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn contexts_are_c1_to_c99() {
        for good in ["c1", "c25", "c99"] {
            assert!(Context::try_from(good.to_owned()).is_ok(), "{good}");
        }
        for bad in ["", "c", "c0", "c100", "c01", "c+1", "C1", "1", "c1 ", "urn:x"] {
            assert_eq!(Context::try_from(bad.to_owned()), Err(NotAContext), "{bad}");
        }
    }
}
