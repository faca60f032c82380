//! May they: Cedar policies, validated against their schema before anything is judged.
//!
//! In Cedar a policy that errs does not count, so an erring `forbid` does not forbid. Entities,
//! context and request are therefore always built with the schema, and any evaluation error is
//! a denial.

mod forbids;
mod question;
mod read;

use std::{
    collections::HashMap,
    str::FromStr as _,
    sync::{Arc, Mutex},
};

use cedar_policy::{
    Authorizer, Context, Decision as Cedar, Entities, EntityUid, PolicyId, PolicySet,
    RestrictedExpression, Schema, ValidationMode, Validator,
};

use crate::{
    digest::Digest,
    identity::PersonId,
    permit::Reference,
    request::{Authenticated, Request},
    secret_binding::SecretBinding,
    tenancy::{Standing, TenantScope},
};

pub use forbids::NotForbids;
use question::{Facts, Failure, Question};
pub use read::ReadPolicies;

pub(crate) const SCHEMA: &str = include_str!("policies/airlock.cedarschema");
const POLICIES: &str = include_str!("policies/airlock.cedar");

/// Version of the policies above: counts up with every change of theirs.
const VERSION: u64 = 6;

/// The most approvals that a policy can ask for.
pub const MAX_APPROVALS: u32 = 3;

/// The policies, ready to judge.
pub struct Policies {
    schema: Schema,
    set: Arc<PolicySet>,
    /// With the forbids of a tenant's own, by the digest of its binding.
    tenants: Mutex<HashMap<Digest, Arc<PolicySet>>>,
    authorizer: Authorizer,
    reference: Reference,
}

/// The policies are not what their schema allows. Nothing starts with such policies.
#[derive(Debug, thiserror::Error)]
#[error("policies not valid: {0}")]
pub struct NotValid(String);

/// What is known of a target besides what the request says.
#[derive(Clone, Copy, Debug)]
pub enum Known<'a> {
    /// Nothing: only the worker can see a user.
    Nothing,
    /// What the worker learned about a user.
    User(TargetFacts),
    /// How the tenant binds a secret.
    Secret(&'a SecretBinding),
}

/// What the worker learned about a user.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct TargetFacts {
    /// Holds or may activate a directory role, belongs to or owns a role-granting or listed
    /// group, or has a role in Airlock.
    pub protected: bool,
    /// Synchronized from on-premises.
    pub synced: bool,
}

/// What policy says about a request.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Ruling {
    /// It may be carried out, if the target permits.
    Allowed,
    /// It may be asked, and needs this many approvals in all.
    NeedsApprovals(u32),
    /// It may not.
    Denied(&'static str),
}

/// Someone about to decide a request, or to review it.
pub struct Approving<'a> {
    /// Who.
    pub approver: PersonId,
    /// What they are in the target tenant.
    pub standing: &'a Standing,
    /// The target tenant.
    pub scope: &'a TenantScope,
    /// What they decide.
    pub request: &'a Request<Authenticated>,
    /// How the tenant binds the secret that it is about, if it is about one.
    pub bound: Option<&'a SecretBinding>,
}

/// What a denial says when a policy of the tenant's own made it.
const TENANT_FORBIDS: &str = "a policy of the tenant's own forbids this";

/// What a denial says when no policy gives a reason.
const NO_PERMIT: &str = "no policy allows this";

/// What a denial says when a policy could not be evaluated.
const NOT_EVALUATED: &str = "policy could not be evaluated";

impl<'a> From<Option<&'a SecretBinding>> for Known<'a> {
    fn from(bound: Option<&'a SecretBinding>) -> Self {
        bound.map_or(Self::Nothing, Self::Secret)
    }
}

impl<'a> Known<'a> {
    /// How the tenant binds the secret, if it is one.
    #[must_use]
    pub const fn bound(self) -> Option<&'a SecretBinding> {
        match self {
            Self::Secret(bound) => Some(bound),
            Self::Nothing | Self::User(_) => None,
        }
    }
}

impl Policies {
    /// Reads and validates the policies that are part of this crate.
    ///
    /// # Errors
    ///
    /// [`NotValid`] if they do not parse, or do not fit the schema, strictly.
    pub fn standard() -> Result<Self, NotValid> {
        Self::parse(SCHEMA, POLICIES)
    }

    pub(crate) fn parse(schema: &str, policies: &str) -> Result<Self, NotValid> {
        let not_valid = |error: &dyn std::fmt::Display| NotValid(error.to_string());
        let hash = Digest::of(&[schema.as_bytes(), policies.as_bytes()]);
        let (schema, _) =
            Schema::from_cedarschema_str(schema).map_err(|error| not_valid(&error))?;
        let policies = PolicySet::from_str(policies).map_err(|error| not_valid(&error))?;
        let validation = Validator::new(schema.clone()).validate(&policies, ValidationMode::Strict);
        if let Some(error) = validation.validation_errors().next() {
            return Err(not_valid(error));
        }
        let reference = Reference { id: "airlock".to_owned(), ver: VERSION, hash };
        Ok(Self {
            schema,
            set: Arc::new(policies),
            tenants: Mutex::default(),
            authorizer: Authorizer::new(),
            reference,
        })
    }

    /// Name, version and digest, which permits carry.
    #[must_use]
    pub const fn reference(&self) -> &Reference {
        &self.reference
    }

    /// Judges a request with the approvals that it has.
    ///
    /// Of a user nothing is [known](Known) but to the worker: without that, the answer is "if the
    /// target permits".
    #[must_use]
    pub fn judge(
        &self,
        scope: &TenantScope,
        standing: &Standing,
        request: &Request<Authenticated>,
        approvals: u32,
        known: Known<'_>,
    ) -> Ruling {
        let asked = Question::about(request, scope, standing, known.bound());
        let judge = |action, approvals| {
            self.ask(scope, &asked, action, Question::context(approvals, known))
        };
        if let Err(reason) = judge("ask", approvals) {
            return Ruling::Denied(reason);
        }
        let proceeds = |approvals| judge("proceed", approvals);
        let mut denied = match proceeds(approvals) {
            Ok(()) => return Ruling::Allowed,
            Err(reason) => reason,
        };
        for more in approvals + 1..=MAX_APPROVALS {
            match proceeds(more) {
                Ok(()) => return Ruling::NeedsApprovals(more),
                Err(reason) => denied = reason,
            }
        }
        Ruling::Denied(denied)
    }

    /// Whether someone may approve or deny a request, whose session has, or has not, satisfied
    /// the step-up that the tenant wants.
    ///
    /// # Errors
    ///
    /// Why not, in words for them.
    pub fn may_decide(
        &self,
        approving: &Approving<'_>,
        stepped_up: bool,
    ) -> Result<(), &'static str> {
        let stepped_up = RestrictedExpression::new_bool(stepped_up);
        let context = vec![("stepped_up".to_owned(), stepped_up)];
        self.ask(approving.scope, &Question::of_approver(approving), "decide", Ok(context))
    }

    /// Whether someone may review an emergency.
    ///
    /// # Errors
    ///
    /// Why not, in words for them.
    pub fn may_review(&self, approving: &Approving<'_>) -> Result<(), &'static str> {
        self.ask(approving.scope, &Question::of_approver(approving), "review", Ok(Vec::new()))
    }

    /// Whether a person may see every request of a tenant.
    #[must_use]
    pub fn may_see_all(&self, scope: &TenantScope, person: PersonId, standing: &Standing) -> bool {
        let question = Question::about_tenant(person, scope, standing);
        self.ask(scope, &question, "see_all", Ok(Vec::new())).is_ok()
    }

    fn ask(
        &self,
        scope: &TenantScope,
        question: &Question<'_>,
        action: &str,
        context: Facts,
    ) -> Result<(), &'static str> {
        let response = self.evaluate(scope, question, action, context).map_err(|error| {
            tracing::error!(error = %error, action, "policy not evaluated");
            NOT_EVALUATED
        })?;
        let diagnostics = response.diagnostics();
        if let Some(error) = diagnostics.errors().next() {
            tracing::error!(error = %error, action, "policy erred");
            return Err(NOT_EVALUATED);
        }
        match response.decision() {
            Cedar::Allow => Ok(()),
            Cedar::Deny => {
                let forbidden = diagnostics.reason().next().map(|_| TENANT_FORBIDS);
                let reason = diagnostics.reason().find_map(|id| self.reason(id));
                Err(reason.or(forbidden).unwrap_or(NO_PERMIT))
            }
        }
    }

    fn evaluate(
        &self,
        scope: &TenantScope,
        question: &Question<'_>,
        action: &str,
        context: Facts,
    ) -> Result<cedar_policy::Response, Failure> {
        let action: EntityUid = format!("Airlock::Action::\"{action}\"").parse()?;
        let context = Context::from_pairs(context?)?;
        context.validate(&self.schema, &action)?;
        let entities = Entities::from_entities(question.entities()?, Some(&self.schema))?;
        let request = cedar_policy::Request::new(
            question.principal()?,
            action,
            question.resource()?,
            context,
            Some(&self.schema),
        )?;
        let set = self.with_forbids(scope)?;
        Ok(self.authorizer.is_authorized(&request, &set, &entities))
    }

    /// The words of a policy's `@reason`. They are a part of this crate, so they live as long.
    fn reason(&self, id: &PolicyId) -> Option<&'static str> {
        let reason = self.set.policy(id)?.annotation("reason")?;
        // Found again in the text itself: an annotation is only lent to us.
        let start = POLICIES.find(reason)?;
        POLICIES.get(start..start + reason.len())
    }
}
