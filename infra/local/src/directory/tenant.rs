//! One tenant: what it holds, and what follows from that.

use std::collections::{BTreeMap, BTreeSet};

use time::{Duration, OffsetDateTime};
use uuid::Uuid;

use super::{
    access::AccessPolicy,
    audit::Log,
    custom_role::CustomRole,
    device::Device,
    method::Method,
    principal::{Grant, ServicePrincipal},
    registration::Registration,
    tracked::Tracked,
};
use crate::identities::stable_id;

/// One Entra tenant.
#[derive(Clone, Debug)]
pub struct Tenant {
    /// Tenant id.
    pub id: Uuid,
    /// Place in the seed.
    pub order: usize,
    /// Display name.
    pub name: String,
    /// The one verified domain.
    pub domain: String,
    /// When it was created.
    pub created: OffsetDateTime,
    /// People by object id.
    pub people: BTreeMap<Uuid, Person>,
    /// Groups by object id.
    pub groups: BTreeMap<Uuid, Group>,
    /// Directory roles that exist here.
    pub roles: Vec<Role>,
    /// Directory roles of its own.
    pub custom_roles: Vec<CustomRole>,
    /// Active assignments of directory roles to people and groups.
    pub assignments: Vec<Assignment>,
    /// Who may activate which directory role.
    pub eligible: Vec<Eligibility>,
    /// Devices by the id that they know themselves by.
    pub devices: BTreeMap<Uuid, Device>,
    /// Licences that were bought, by the id of their kind.
    pub licences: BTreeMap<Uuid, Licence>,
    /// Conditional-access policies, in Graph's order.
    pub access_policies: Vec<AccessPolicy>,
    /// App registrations. Those of Airlock stand among them in the tenant of the deployment.
    pub registrations: Tracked<Registration>,
    /// Service principals: of its own applications, of other tenants', of Azure's.
    pub principals: Tracked<ServicePrincipal>,
    /// Delegated scopes that were granted.
    pub grants: Tracked<Grant>,
    /// What applications did here.
    pub audits: Log,
    /// When a risk was last dismissed here.
    pub dismissed: Option<OffsetDateTime>,
}

/// A kind of licence.
#[derive(Clone, Debug)]
pub struct Licence {
    /// Id of the kind, the same in every tenant.
    pub sku: Uuid,
    /// Its short name.
    pub name: String,
    /// How many were bought.
    pub units: u32,
}

/// One user account.
#[derive(Clone, Debug)]
pub struct Person {
    /// Object id.
    pub id: Uuid,
    /// Place in the seed.
    pub order: usize,
    /// `name@domain`
    pub user_principal_name: String,
    /// The part before the `@`.
    pub mail_nickname: String,
    /// Address.
    pub mail: String,
    /// Given name.
    pub given_name: String,
    /// Family name.
    pub surname: String,
    /// Job title.
    pub job_title: String,
    /// Department.
    pub department: String,
    /// App roles of `airlock-portal` that are assigned to them.
    pub app_roles: Vec<String>,
    /// Whether their home is another tenant.
    pub guest: bool,
    /// Whether an on-premises directory is the master of this account.
    pub synced: bool,
    /// When the account was created.
    pub created: OffsetDateTime,
    /// Whether they may sign in.
    pub enabled: bool,
    /// Refresh tokens and sessions from before are not valid any more.
    pub sessions_valid_from: OffsetDateTime,
    /// How often their sessions were revoked.
    pub revocations: u64,
    /// Their password, as far as Graph has to do with it.
    pub password: Password,
    /// Temporary access passes ever issued. Only the last one counts: each replaces the one before.
    pub passes: Vec<Pass>,
    /// Other authentication methods. The first that can sign in is the default.
    pub methods: Vec<Method>,
    /// The country whose law they are licensed under.
    pub usage_location: Option<String>,
    /// Licences that they hold, by the id of their kind.
    pub licences: BTreeSet<Uuid>,
    /// What Entra makes of their sign-ins.
    pub risk: Risk,
}

/// What Entra makes of somebody's sign-ins.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Risk {
    /// Nothing unusual.
    None,
    /// Somebody else may be using the account.
    Suspected,
    /// Somebody put that aside.
    Dismissed,
}

impl Risk {
    /// As Graph says it.
    #[must_use]
    pub const fn state(self) -> &'static str {
        match self {
            Self::None => "none",
            Self::Suspected => "atRisk",
            Self::Dismissed => "dismissed",
        }
    }
}

/// A password, as far as Graph has to do with it.
#[derive(Clone, Debug)]
pub struct Password {
    /// The one last set through Graph, in clear.
    pub value: Option<String>,
    /// How often Graph set one.
    pub changes: u64,
    /// When the password was last changed.
    pub changed: OffsetDateTime,
    /// Whether the next sign-in must change it.
    pub must_change: bool,
    /// Whether the next sign-in must do so after MFA.
    pub must_change_with_mfa: bool,
}

/// A temporary access pass.
#[derive(Clone, Debug)]
pub struct Pass {
    /// Id of the authentication method.
    pub id: Uuid,
    /// The pass itself.
    pub value: String,
    /// When it was issued.
    pub created: OffsetDateTime,
    /// From when it can be used.
    pub start: OffsetDateTime,
    /// For how long from then, in minutes.
    pub lifetime_min: u32,
    /// Whether its first use ends it.
    pub once: bool,
}

/// A group.
#[derive(Clone, Debug)]
pub struct Group {
    /// Object id.
    pub id: Uuid,
    /// Display name.
    pub name: String,
    /// Description.
    pub description: String,
    /// Whether directory roles may be assigned to it.
    pub role_assignable: bool,
    /// Whether a rule decides who is in it.
    pub dynamic: bool,
    /// When it was created.
    pub created: OffsetDateTime,
    /// People and groups directly in it.
    pub members: BTreeSet<Uuid>,
    /// People who own it.
    pub owners: BTreeSet<Uuid>,
}

/// A built-in directory role.
#[derive(Clone, Debug)]
pub struct Role {
    /// Display name.
    pub name: String,
    /// Template id, the same in every tenant; also the id of the role's definition.
    pub template: Uuid,
    /// Description.
    pub description: String,
}

/// A directory role that a person, a group or a service principal holds.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Assignment {
    /// Id of the assignment.
    pub id: Uuid,
    /// Object id of the holder.
    pub principal: Uuid,
    /// Id of the role's definition.
    pub role: Uuid,
    /// The one application that it is held for, if not for the whole tenant.
    pub scope: Option<Uuid>,
}

/// A directory role that a person or group may activate.
#[derive(Clone, Debug)]
pub struct Eligibility {
    /// Id of the eligibility.
    pub id: Uuid,
    /// Object id of who is eligible.
    pub principal: Uuid,
    /// Template id of the role.
    pub role: Uuid,
    /// Since when.
    pub since: OffsetDateTime,
}

impl Tenant {
    /// The person with this object id or user principal name.
    #[must_use]
    pub fn person(&self, id_or_name: &str) -> Option<&Person> {
        match Uuid::try_parse(id_or_name) {
            Ok(id) => self.people.get(&id),
            Err(_) => self.people.values().find(|person| person.is_called(id_or_name)),
        }
    }

    /// The app registration with this client id.
    #[must_use]
    pub fn registration_of(&self, client: Uuid) -> Option<&Registration> {
        self.registrations.values().find(|registration| registration.client == client)
    }

    /// The service principal of the application with this client id.
    #[must_use]
    pub fn principal_of(&self, client: Uuid) -> Option<&ServicePrincipal> {
        self.principals.values().find(|principal| principal.client == client)
    }

    /// The names of the app roles that a service principal holds of the application with this
    /// client id; Microsoft Graph's are application permissions.
    #[must_use]
    pub fn roles_held(&self, principal: Uuid, of: Uuid) -> Vec<String> {
        let (Some(principal), Some(of)) = (self.principals.get(&principal), self.principal_of(of))
        else {
            return Vec::new();
        };
        let held = principal.held.iter().filter(|grant| grant.resource == of.id);
        held.filter_map(|grant| of.app_roles.iter().find(|role| role.id == grant.role))
            .map(|role| role.value.clone())
            .collect()
    }

    /// The groups that someone is in, directly or through other groups.
    #[must_use]
    pub fn groups_of(&self, member: Uuid) -> Vec<&Group> {
        let mut found: BTreeMap<Uuid, &Group> = BTreeMap::new();
        let mut from = vec![member];
        while let Some(member) = from.pop() {
            for group in self.groups.values().filter(|group| group.members.contains(&member)) {
                if found.insert(group.id, group).is_none() {
                    from.push(group.id);
                }
            }
        }
        found.into_values().collect()
    }

    /// The groups that someone owns.
    pub fn owned_by(&self, owner: Uuid) -> impl Iterator<Item = &Group> {
        self.groups.values().filter(move |group| group.owners.contains(&owner))
    }

    /// The active role assignments of someone, directly or through groups.
    #[must_use]
    pub fn assignments_of(&self, principal: Uuid) -> Vec<&Assignment> {
        let mut holders: BTreeSet<Uuid> =
            self.groups_of(principal).into_iter().map(|group| group.id).collect();
        holders.insert(principal);
        self.assignments
            .iter()
            .filter(|assignment| holders.contains(&assignment.principal))
            .collect()
    }

    /// The roles that someone holds, directly or through groups.
    #[must_use]
    pub fn roles_of(&self, principal: Uuid) -> Vec<&Role> {
        let held = self.assignments_of(principal);
        self.roles
            .iter()
            .filter(|role| held.iter().any(|assignment| assignment.role == role.template))
            .collect()
    }

    /// The object id of a directory role in this tenant.
    #[must_use]
    pub fn role_object(&self, role: &Role) -> Uuid {
        stable_id("directory-role", &format!("{}/{}", self.domain, role.name))
    }

    /// How many people hold a licence of this kind.
    #[must_use]
    pub fn holders(&self, sku: Uuid) -> usize {
        self.people.values().filter(|person| person.licences.contains(&sku)).count()
    }

    /// Whether Graph lets only the most privileged change this person: holders of directory roles,
    /// and members and owners of groups that can hold them.
    #[must_use]
    pub fn protects(&self, person: Uuid) -> bool {
        !self.roles_of(person).is_empty()
            || self.groups_of(person).iter().any(|group| group.role_assignable)
            || self.owned_by(person).any(|group| group.role_assignable)
    }

    /// What is special about someone, in a few words.
    #[must_use]
    pub fn describe(&self, person: &Person) -> String {
        let mut words: Vec<String> = Vec::new();
        for role in self.roles_of(person.id) {
            words.push(format!("holds the directory role {}", role.name));
        }
        for eligible in self.eligible.iter().filter(|eligible| eligible.principal == person.id) {
            if let Some(role) = self.roles.iter().find(|role| role.template == eligible.role) {
                words.push(format!("is eligible for {}", role.name));
            }
        }
        for group in self.groups_of(person.id).into_iter().filter(|group| group.role_assignable) {
            words.push(format!("is in the role-assignable group {}", group.name));
        }
        for group in self.owned_by(person.id).filter(|group| group.role_assignable) {
            words.push(format!("owns the role-assignable group {}", group.name));
        }
        let facts = [
            (person.synced, "is synchronised from on-premises"),
            (!person.enabled, "is disabled"),
            (person.guest, "is a guest"),
        ];
        words.extend(facts.iter().filter(|(holds, _)| *holds).map(|(_, what)| (*what).to_owned()));
        words.join("; ")
    }
}

impl Person {
    /// Display name.
    #[must_use]
    pub fn name(&self) -> String {
        format!("{} {}", self.given_name, self.surname)
    }

    /// Whether this is their user principal name, whatever the case.
    #[must_use]
    pub fn is_called(&self, user_principal_name: &str) -> bool {
        self.user_principal_name.eq_ignore_ascii_case(user_principal_name)
    }

    /// The method that Entra asks for first.
    #[must_use]
    pub fn default_method(&self) -> Option<&Method> {
        self.methods.iter().find(|method| method.kind.signs_in())
    }

    /// The pass that counts, if there is one.
    #[must_use]
    pub fn pass(&self) -> Option<&Pass> {
        self.passes.last()
    }
}

impl Pass {
    /// Whether it can be used now, and why not, in Graph's words.
    #[must_use]
    pub fn usability(&self, now: OffsetDateTime) -> (bool, &'static str) {
        if now < self.start {
            (false, "NotYetValid")
        } else if now >= self.start + Duration::minutes(i64::from(self.lifetime_min)) {
            (false, "Expired")
        } else {
            (true, "EnabledByPolicy")
        }
    }
}
