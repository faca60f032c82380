//! A tenant's own policies, out of its signed binding. Each can only forbid.

use std::{
    str::FromStr as _,
    sync::{Arc, PoisonError},
};

use cedar_policy::{Effect, PolicyId, PolicySet, ValidationMode, Validator};

use super::{Policies, question::Failure};
use crate::tenancy::TenantScope;

/// Bindings whose policies one process remembers.
const MOST_REMEMBERED: usize = 256;

/// A tenant's policy cannot be taken.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum NotForbids {
    /// It is no Cedar, or does not fit the schema.
    #[error("policy {0} of the tenant not valid: {1}")]
    NotValid(usize, String),
    /// It could allow something.
    #[error("policy {0} of the tenant permits: only `forbid` may stand there")]
    Permits(usize),
}

impl Policies {
    /// The standard policies, and these besides.
    ///
    /// # Errors
    ///
    /// [`NotForbids`] if one of them is anything but a valid `forbid`.
    pub fn forbid(&self, forbids: &[String]) -> Result<PolicySet, NotForbids> {
        let mut set = PolicySet::clone(&self.set);
        for (index, text) in forbids.iter().enumerate() {
            let not_valid = |error: String| NotForbids::NotValid(index, error);
            let parsed = PolicySet::from_str(text).map_err(|error| not_valid(error.to_string()))?;
            if parsed.templates().next().is_some() {
                return Err(not_valid("templates are not taken".to_owned()));
            }
            let validator = Validator::new(self.schema.clone());
            let validation = validator.validate(&parsed, ValidationMode::Strict);
            if let Some(error) = validation.validation_errors().next() {
                return Err(not_valid(error.to_string()));
            }
            for (position, policy) in parsed.policies().enumerate() {
                if policy.effect() != Effect::Forbid {
                    return Err(NotForbids::Permits(index));
                }
                let id = PolicyId::new(format!("tenant-{index}-{position}"));
                set.add(policy.new_id(id)).map_err(|error| not_valid(error.to_string()))?;
            }
        }
        Ok(set)
    }

    /// The policies that count in a tenant. Read once for each version of its binding.
    pub(super) fn with_forbids(&self, scope: &TenantScope) -> Result<Arc<PolicySet>, Failure> {
        let forbids = &scope.terms().forbids;
        if forbids.is_empty() {
            return Ok(Arc::clone(&self.set));
        }
        let binding = scope.binding().digest();
        let known = self.tenants.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(set) = known.get(&binding) {
            return Ok(Arc::clone(set));
        }
        drop(known);
        let set = Arc::new(self.forbid(forbids)?);
        let mut known = self.tenants.lock().unwrap_or_else(PoisonError::into_inner);
        if known.len() >= MOST_REMEMBERED {
            known.clear();
        }
        known.insert(binding, Arc::clone(&set));
        Ok(set)
    }
}
