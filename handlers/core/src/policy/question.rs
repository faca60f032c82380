//! A question to the policies: who asks for what, as Cedar sees it.

use std::collections::HashSet;

use cedar_policy::{
    Entity, EntityId, EntityTypeName, EntityUid, RestrictedExpression as Expression,
};

use super::{Approving, Known};
use crate::{
    binding::Conditions,
    catalog::{Change, Target, Work},
    identity::{ObjectId, PersonId, Role},
    producer,
    request::{Authenticated, Principal, Request},
    secret_binding::SecretBinding,
    service,
    tenancy::{Standing, TenantScope},
};

/// Why a question could not be put. For the log: the asker hears that it could not.
pub(super) type Failure = Box<dyn std::error::Error>;

/// Context of a question, or why there is none. An absent fact must never look like "no".
pub(super) type Facts = Result<Vec<(String, Expression)>, Failure>;

/// Who asks for what.
pub(super) struct Question<'a> {
    principal: Asker,
    roles: Vec<Role>,
    resource: Resource<'a>,
}

enum Resource<'a> {
    Change(Box<Asked<'a>>),
    Tenant(String),
}

/// Somebody, as a principal of Cedar's.
#[derive(Clone)]
struct Asker {
    id: String,
    proven: bool,
    kind: &'static str,
    operations: Vec<String>,
}

/// What is asked, with all that policies can look at.
struct Asked<'a> {
    change: &'a Change,
    id: String,
    requester: Asker,
    owners: Vec<Asker>,
    secret_owners: Vec<Asker>,
    ticketed: bool,
    break_glass: bool,
    found_by: Option<String>,
    conditions: Conditions,
}

impl<'a> Question<'a> {
    /// A requester's own question.
    pub(super) fn about(
        request: &'a Request<Authenticated>,
        scope: &TenantScope,
        standing: &Standing,
        bound: Option<&SecretBinding>,
    ) -> Self {
        let asked = Asked::of(request, scope, bound);
        Self {
            principal: asked.requester.clone(),
            roles: standing.roles().to_vec(),
            resource: Resource::Change(Box::new(asked)),
        }
    }

    /// A question of somebody who is about to decide.
    pub(super) fn of_approver(approving: &Approving<'a>) -> Self {
        let Approving { approver, standing, scope, request, bound } = *approving;
        Self { principal: Asker::person(approver), ..Self::about(request, scope, standing, bound) }
    }

    /// A person's question about all of a tenant.
    pub(super) fn about_tenant(person: PersonId, scope: &TenantScope, standing: &Standing) -> Self {
        Self {
            principal: Asker::person(person),
            roles: standing.roles().to_vec(),
            resource: Resource::Tenant(scope.tenant().to_string()),
        }
    }

    /// What is known of approvals and target.
    pub(super) fn context(approvals: u32, known: Known<'_>) -> Facts {
        let mut pairs = vec![("approvals".to_owned(), Expression::new_long(i64::from(approvals)))];
        if let Known::User(facts) = known {
            let target = Expression::new_record([
                ("protected".to_owned(), Expression::new_bool(facts.protected)),
                ("synced".to_owned(), Expression::new_bool(facts.synced)),
            ])?;
            pairs.push(("target".to_owned(), target));
        }
        Ok(pairs)
    }

    /// Who asks.
    pub(super) fn principal(&self) -> Result<EntityUid, Failure> {
        self.principal.uid()
    }

    /// What it is about.
    pub(super) fn resource(&self) -> Result<EntityUid, Failure> {
        match &self.resource {
            Resource::Change(asked) => uid("Change", &asked.id),
            Resource::Tenant(id) => uid("Tenant", id),
        }
    }

    /// Everything that a policy may follow from there.
    pub(super) fn entities(&self) -> Result<Vec<Entity>, Failure> {
        let mut entities = vec![self.principal.entity(&self.roles)?];
        match &self.resource {
            Resource::Tenant(_) => entities.push(Entity::with_uid(self.resource()?)),
            Resource::Change(asked) => {
                let attributes = asked.attributes()?.into_iter().collect();
                entities.push(Entity::new(self.resource()?, attributes, HashSet::new())?);
                let mut named = HashSet::from([self.principal.id.clone()]);
                for other in asked.others() {
                    if named.insert(other.id.clone()) {
                        entities.push(other.entity(&[])?);
                    }
                }
            }
        }
        for role in Role::ALL {
            entities.push(Entity::with_uid(uid("Role", role.name())?));
        }
        Ok(entities)
    }
}

impl<'a> Asked<'a> {
    fn of(
        request: &'a Request<Authenticated>,
        scope: &TenantScope,
        bound: Option<&SecretBinding>,
    ) -> Self {
        let change = request.change();
        Self {
            change,
            id: request.digest().to_string(),
            requester: Asker::of(request.principal(), scope),
            owners: owners(request.principal(), scope),
            secret_owners: people(bound.map_or(&[], |bound| &bound.owners), scope),
            ticketed: request.is_ticketed(),
            break_glass: request.breaks_glass(),
            found_by: request.found_by().map(str::to_owned),
            conditions: scope.terms().conditions(change.entry().name),
        }
    }

    fn target(&self) -> Asker {
        match self.change.target() {
            Target::User(user) => Asker::person(PersonId { tid: self.change.tenant(), oid: *user }),
            Target::Secret(_) => Asker::nobody(self.change.target(), "secret"),
            Target::Application(_) => Asker::nobody(self.change.target(), "application"),
        }
    }

    /// Whether nothing stays valid but what is new.
    fn is_emergency(&self) -> bool {
        match self.change.work() {
            Work::Directory(_) | Work::Remediation(_) => false,
            Work::Rotation(renewal) => renewal.is_emergency(),
        }
    }

    /// Everybody and everything that the change names.
    fn others(&self) -> Vec<Asker> {
        let mut others = vec![self.requester.clone(), self.target()];
        others.extend(self.owners.iter().chain(&self.secret_owners).cloned());
        others
    }

    fn attributes(&self) -> Result<Vec<(String, Expression)>, Failure> {
        let entry = self.change.entry();
        let entity = |asker: &Asker| Ok::<_, Failure>(Expression::new_entity_uid(asker.uid()?));
        let set = |people: &[Asker]| {
            let people = people.iter().map(entity).collect::<Result<Vec<_>, _>>()?;
            Ok::<_, Failure>(Expression::new_set(people))
        };
        let Conditions { off, approvals, ticket, step_up: _ } = &self.conditions;
        let conditions = Expression::new_record([
            ("off".to_owned(), Expression::new_bool(*off)),
            ("approvals".to_owned(), Expression::new_long(i64::from(*approvals))),
            ("ticket".to_owned(), Expression::new_bool(*ticket)),
        ])?;
        let mut attributes = vec![
            ("operation", Expression::new_string(entry.name.to_owned())),
            ("risk", Expression::new_string(entry.risk.name().to_owned())),
            ("secret", Expression::new_bool(entry.secret)),
            ("requester", entity(&self.requester)?),
            ("owners", set(&self.owners)?),
            ("target", entity(&self.target())?),
            ("secret_owners", set(&self.secret_owners)?),
            ("emergency", Expression::new_bool(self.is_emergency())),
            ("ticketed", Expression::new_bool(self.ticketed)),
            ("break_glass", Expression::new_bool(self.break_glass)),
            ("conditions", conditions),
        ];
        if let Some(check) = &self.found_by {
            let check = Expression::new_string(check.clone());
            let finding = Expression::new_record([("check".to_owned(), check)])?;
            attributes.push(("finding", finding));
        }
        Ok(attributes.into_iter().map(|(name, value)| (name.to_owned(), value)).collect())
    }
}

impl Asker {
    fn person(person: PersonId) -> Self {
        Self { id: person.to_string(), proven: true, kind: "person", operations: Vec::new() }
    }

    /// What is changed and is nobody: no principal has its name or kind.
    fn nobody(target: &Target, kind: &'static str) -> Self {
        Self { id: target.to_string(), proven: false, kind, operations: Vec::new() }
    }

    fn of(principal: &Principal, scope: &TenantScope) -> Self {
        match principal {
            Principal::Proven(person) => Self::person(person.id()),
            // One that the binding does not register may ask for nothing.
            Principal::Attested(name) => Self {
                id: principal.to_string(),
                proven: false,
                kind: "service",
                operations: service::named(scope.terms(), name)
                    .map(|service| service.operations.clone())
                    .unwrap_or_default(),
            },
            Principal::Produced(name) => Self {
                id: principal.to_string(),
                proven: true,
                kind: "producer",
                operations: producer::named(scope.terms(), name)
                    .map(|producer| producer.operations.clone())
                    .unwrap_or_default(),
            },
        }
    }

    fn uid(&self) -> Result<EntityUid, Failure> {
        uid("Principal", &self.id)
    }

    fn entity(&self, roles: &[Role]) -> Result<Entity, Failure> {
        let operations = self.operations.iter().cloned().map(Expression::new_string);
        let attributes = [
            ("proven".to_owned(), Expression::new_bool(self.proven)),
            ("kind".to_owned(), Expression::new_string(self.kind.to_owned())),
            ("operations".to_owned(), Expression::new_set(operations)),
        ];
        let parents =
            roles.iter().map(|role| uid("Role", role.name())).collect::<Result<HashSet<_>, _>>()?;
        Ok(Entity::new(self.uid()?, attributes.into_iter().collect(), parents)?)
    }
}

/// The people who answer for a caller that is no person.
fn owners(principal: &Principal, scope: &TenantScope) -> Vec<Asker> {
    let owners = match principal {
        Principal::Proven(_) => &[],
        Principal::Attested(name) | Principal::Produced(name) => scope.terms().owners(name),
    };
    people(owners, scope)
}

/// People of the tenant.
fn people(oids: &[ObjectId], scope: &TenantScope) -> Vec<Asker> {
    let person = |oid| Asker::person(PersonId { tid: scope.tenant(), oid });
    oids.iter().copied().map(person).collect()
}

fn uid(kind: &str, id: &str) -> Result<EntityUid, Failure> {
    let kind: EntityTypeName = format!("Airlock::{kind}").parse()?;
    Ok(EntityUid::from_type_name_and_id(kind, EntityId::new(id)))
}
