//! May they: Cedar policies, validated against their schema before anything is judged.
//!
//! In Cedar a policy that errs does not count, so an erring `forbid` does not forbid. Entities,
//! context and request are therefore always built with the schema, and any evaluation error is
//! a denial.

mod read;

use std::{collections::HashSet, str::FromStr as _};

use cedar_policy::{
    Authorizer, Context, Decision as Cedar, Entities, Entity, EntityId, EntityTypeName, EntityUid,
    PolicyId, PolicySet, RestrictedExpression, Schema, ValidationMode, Validator,
};

use crate::{
    catalog::Change,
    digest::Digest,
    identity::{PersonId, Role},
    permit::Reference,
    request::{Authenticated, Principal, Request},
    tenancy::{Standing, TenantScope},
};

pub use read::ReadPolicies;

pub(crate) const SCHEMA: &str = include_str!("policies/airlock.cedarschema");
const POLICIES: &str = include_str!("policies/airlock.cedar");

/// Version of the policies above: counts up with every change of theirs.
const VERSION: u64 = 2;

/// The most approvals that a policy can ask for.
pub const MAX_APPROVALS: u32 = 3;

/// The policies, ready to judge.
pub struct Policies {
    schema: Schema,
    set: PolicySet,
    authorizer: Authorizer,
    reference: Reference,
}

/// The policies are not what their schema allows. Nothing starts with such policies.
#[derive(Debug, thiserror::Error)]
#[error("policies not valid: {0}")]
pub struct NotValid(String);

/// What the worker learned about a target.
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

/// Someone about to decide a request.
pub struct Approving<'a> {
    /// Who.
    pub approver: PersonId,
    /// What they are in the target tenant.
    pub standing: &'a Standing,
    /// What they decide.
    pub request: &'a Request<Authenticated>,
}

/// What a denial says when no policy gives a reason.
const NO_PERMIT: &str = "no policy allows this";

/// What a denial says when a policy could not be evaluated.
const NOT_EVALUATED: &str = "policy could not be evaluated";

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
        Ok(Self { schema, set: policies, authorizer: Authorizer::new(), reference })
    }

    /// Name, version and digest, which permits carry.
    #[must_use]
    pub const fn reference(&self) -> &Reference {
        &self.reference
    }

    /// Judges a request with the approvals that it has.
    ///
    /// Without `facts`, the answer is "if the target permits": only the worker can see the
    /// target.
    #[must_use]
    pub fn judge(
        &self,
        standing: &Standing,
        request: &Request<Authenticated>,
        approvals: u32,
        facts: Option<TargetFacts>,
    ) -> Ruling {
        let asked = Question::about(request, standing);
        if let Err(reason) = self.ask(&asked, "ask", Question::context(approvals, facts)) {
            return Ruling::Denied(reason);
        }
        let proceeds = |approvals| self.ask(&asked, "proceed", Question::context(approvals, facts));
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

    /// Whether someone may decide a request.
    ///
    /// # Errors
    ///
    /// Why not, in words for them.
    pub fn may_decide(&self, approving: &Approving<'_>) -> Result<(), &'static str> {
        let mut question = Question::about(approving.request, approving.standing);
        question.principal = approving.approver.to_string();
        question.proven = true;
        self.ask(&question, "decide", Ok(Vec::new()))
    }

    /// Whether a person may see every request of a tenant.
    #[must_use]
    pub fn may_see_all(&self, scope: &TenantScope, person: PersonId, standing: &Standing) -> bool {
        let question = Question {
            principal: person.to_string(),
            proven: true,
            roles: standing.roles().to_vec(),
            resource: Resource::Tenant(scope.tenant().to_string()),
        };
        self.ask(&question, "see_all", Ok(Vec::new())).is_ok()
    }

    fn ask(
        &self,
        question: &Question<'_>,
        action: &str,
        context: Facts,
    ) -> Result<(), &'static str> {
        let response = self.evaluate(question, action, context).map_err(|error| {
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
                Err(diagnostics.reason().find_map(|id| self.reason(id)).unwrap_or(NO_PERMIT))
            }
        }
    }

    fn evaluate(
        &self,
        question: &Question<'_>,
        action: &str,
        context: Facts,
    ) -> Result<cedar_policy::Response, Failure> {
        let action: EntityUid = format!("Airlock::Action::\"{action}\"").parse()?;
        let context = Context::from_pairs(context?)?;
        context.validate(&self.schema, &action)?;
        let entities = Entities::from_entities(question.entities()?, Some(&self.schema))?;
        let request = cedar_policy::Request::new(
            principal(&question.principal)?,
            action,
            question.resource.uid()?,
            context,
            Some(&self.schema),
        )?;
        Ok(self.authorizer.is_authorized(&request, &self.set, &entities))
    }

    /// The words of a policy's `@reason`. They are a part of this crate, so they live as long.
    fn reason(&self, id: &PolicyId) -> Option<&'static str> {
        let reason = self.set.policy(id)?.annotation("reason")?;
        // Found again in the text itself: an annotation is only lent to us.
        let start = POLICIES.find(reason)?;
        POLICIES.get(start..start + reason.len())
    }
}

/// Why a question could not be put. For the log: the asker hears that it could not.
type Failure = Box<dyn std::error::Error>;

/// Context of a question, or why there is none. An absent fact must never look like "no".
type Facts = Result<Vec<(String, RestrictedExpression)>, Failure>;

/// Who asks for what, as Cedar sees it.
struct Question<'a> {
    principal: String,
    proven: bool,
    roles: Vec<Role>,
    resource: Resource<'a>,
}

enum Resource<'a> {
    Change { change: &'a Change, id: String, requester: String, requester_proven: bool },
    Tenant(String),
}

impl<'a> Question<'a> {
    fn about(request: &'a Request<Authenticated>, standing: &Standing) -> Self {
        let proven = matches!(request.principal(), Principal::Proven(_));
        Self {
            principal: request.principal().to_string(),
            proven,
            roles: standing.roles().to_vec(),
            resource: Resource::Change {
                change: request.change(),
                id: request.digest().to_string(),
                requester: request.principal().to_string(),
                requester_proven: proven,
            },
        }
    }

    fn context(approvals: u32, facts: Option<TargetFacts>) -> Facts {
        let approvals = RestrictedExpression::new_long(i64::from(approvals));
        let mut pairs = vec![("approvals".to_owned(), approvals)];
        if let Some(facts) = facts {
            let target = RestrictedExpression::new_record([
                ("protected".to_owned(), RestrictedExpression::new_bool(facts.protected)),
                ("synced".to_owned(), RestrictedExpression::new_bool(facts.synced)),
            ])?;
            pairs.push(("target".to_owned(), target));
        }
        Ok(pairs)
    }

    fn entities(&self) -> Result<Vec<Entity>, Failure> {
        let mut entities = vec![principal_entity(&self.principal, self.proven, &self.roles)?];
        match &self.resource {
            Resource::Tenant(_) => entities.push(Entity::with_uid(self.resource.uid()?)),
            Resource::Change { change, requester, requester_proven, .. } => {
                let target = PersonId { tid: change.tenant(), oid: change.target() }.to_string();
                let attributes = [
                    ("operation", RestrictedExpression::new_string(change.entry().name.to_owned())),
                    (
                        "risk",
                        RestrictedExpression::new_string(change.entry().risk.name().to_owned()),
                    ),
                    ("secret", RestrictedExpression::new_bool(change.entry().secret)),
                    ("requester", RestrictedExpression::new_entity_uid(principal(requester)?)),
                    ("target", RestrictedExpression::new_entity_uid(principal(&target)?)),
                ];
                let attributes =
                    attributes.into_iter().map(|(name, value)| (name.to_owned(), value)).collect();
                entities.push(Entity::new(self.resource.uid()?, attributes, HashSet::new())?);
                if *requester != self.principal {
                    entities.push(principal_entity(requester, *requester_proven, &[])?);
                }
                if target != self.principal && target != *requester {
                    entities.push(principal_entity(&target, false, &[])?);
                }
            }
        }
        for role in Role::ALL {
            entities.push(Entity::with_uid(uid("Role", role.name())?));
        }
        Ok(entities)
    }
}

impl Resource<'_> {
    fn uid(&self) -> Result<EntityUid, Failure> {
        match self {
            Self::Change { id, .. } => uid("Change", id),
            Self::Tenant(id) => uid("Tenant", id),
        }
    }
}

fn principal(id: &str) -> Result<EntityUid, Failure> {
    uid("Principal", id)
}

fn principal_entity(id: &str, proven: bool, roles: &[Role]) -> Result<Entity, Failure> {
    let attributes =
        [("proven".to_owned(), RestrictedExpression::new_bool(proven))].into_iter().collect();
    let parents =
        roles.iter().map(|role| uid("Role", role.name())).collect::<Result<HashSet<_>, _>>()?;
    Ok(Entity::new(principal(id)?, attributes, parents)?)
}

fn uid(kind: &str, id: &str) -> Result<EntityUid, Failure> {
    let kind: EntityTypeName = format!("Airlock::{kind}").parse()?;
    Ok(EntityUid::from_type_name_and_id(kind, EntityId::new(id)))
}
