//! The tenants as `seed.json` describes them.

use std::collections::{BTreeMap, BTreeSet};

use serde::Deserialize;
use time::{Duration, OffsetDateTime};
use uuid::Uuid;

use super::tenant::{Assignment, Eligibility, Group, Password, Person, Role, Tenant};
use crate::identities::stable_id;

const SEED: &str = include_str!("seed.json");

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Seed {
    roles: Vec<SeedRole>,
    tenants: Vec<SeedTenant>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct SeedRole {
    name: String,
    template: Uuid,
    description: String,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct SeedTenant {
    name: String,
    domain: String,
    #[serde(default)]
    deployment: bool,
    people: Vec<SeedPerson>,
    groups: Vec<SeedGroup>,
    assignments: Vec<SeedGrant>,
    eligible: Vec<SeedGrant>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct SeedPerson {
    user: String,
    given: String,
    family: String,
    title: String,
    department: String,
    mail: Option<String>,
    #[serde(default)]
    app_roles: Vec<String>,
    #[serde(default)]
    synced: bool,
    #[serde(default)]
    disabled: bool,
    #[serde(default)]
    guest: bool,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct SeedGroup {
    name: String,
    description: String,
    #[serde(default)]
    role_assignable: bool,
    nested: Vec<String>,
    members: Vec<String>,
    owners: Vec<String>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct SeedGrant {
    role: String,
    person: Option<String>,
    group: Option<String>,
}

/// The object id of a person: the same in every run.
#[must_use]
pub fn stable_user_id(user_principal_name: &str) -> Uuid {
    stable_id("user", user_principal_name)
}

/// Builds the tenants. `deployment` is the id of the one that the deployment lives in.
#[expect(clippy::expect_used, reason = "the seed is part of this binary, and a test reads it")]
pub fn tenants(deployment: Uuid, now: OffsetDateTime) -> BTreeMap<Uuid, Tenant> {
    let seed: Seed = serde_json::from_str(SEED).expect("seed.json is what this module describes");
    let roles: Vec<Role> = seed
        .roles
        .into_iter()
        .map(|role| Role {
            name: role.name,
            template: role.template,
            description: role.description,
        })
        .collect();
    seed.tenants
        .into_iter()
        .enumerate()
        .map(|(order, tenant)| {
            let id =
                if tenant.deployment { deployment } else { stable_id("tenant", &tenant.domain) };
            (id, tenant.build(id, order, &roles, now))
        })
        .collect()
}

impl SeedTenant {
    fn build(self, id: Uuid, order: usize, roles: &[Role], now: OffsetDateTime) -> Tenant {
        // Accounts are older than the cloud, or a session would predate its person.
        let created = now - Duration::days(400);
        let domain = self.domain;
        let user = |name: &String| stable_user_id(&format!("{name}@{domain}"));
        let group = |name: &String| stable_id("group", &format!("{domain}/{name}"));
        let template =
            |name: &str| roles.iter().find(|role| role.name == name).map(|role| role.template);
        let grants = |kind: &str, grants: Vec<SeedGrant>| -> Vec<(Uuid, Uuid, Uuid)> {
            grants
                .into_iter()
                .filter_map(|grant| {
                    let principal =
                        grant.person.as_ref().map(user).or(grant.group.as_ref().map(group))?;
                    let role = template(&grant.role)?;
                    Some((stable_id(kind, &format!("{id}/{principal}/{role}")), principal, role))
                })
                .collect()
        };
        let assignments = grants("role-assignment", self.assignments)
            .into_iter()
            .map(|(id, principal, role)| Assignment { id, principal, role })
            .collect();
        let eligible = grants("role-eligibility", self.eligible)
            .into_iter()
            .map(|(id, principal, role)| Eligibility { id, principal, role, since: created })
            .collect();
        let groups = self
            .groups
            .iter()
            .map(|seed| {
                let members: BTreeSet<Uuid> =
                    seed.members.iter().map(user).chain(seed.nested.iter().map(group)).collect();
                let group = Group {
                    id: group(&seed.name),
                    name: seed.name.clone(),
                    description: seed.description.clone(),
                    role_assignable: seed.role_assignable,
                    created,
                    members,
                    owners: seed.owners.iter().map(user).collect(),
                };
                (group.id, group)
            })
            .collect();
        let people = self
            .people
            .into_iter()
            .enumerate()
            .map(|(order, seed)| {
                let person = seed.build(&domain, order, created);
                (person.id, person)
            })
            .collect();
        Tenant {
            id,
            order,
            name: self.name,
            domain,
            created,
            people,
            groups,
            roles: roles.to_vec(),
            assignments,
            eligible,
        }
    }
}

impl SeedPerson {
    fn build(self, domain: &str, order: usize, created: OffsetDateTime) -> Person {
        let user_principal_name = format!("{}@{domain}", self.user);
        Person {
            id: stable_user_id(&user_principal_name),
            order,
            mail: self.mail.unwrap_or_else(|| user_principal_name.clone()),
            mail_nickname: self.user,
            user_principal_name,
            given_name: self.given,
            surname: self.family,
            job_title: self.title,
            department: self.department,
            app_roles: self.app_roles,
            guest: self.guest,
            synced: self.synced,
            created,
            enabled: !self.disabled,
            sessions_valid_from: created,
            revocations: 0,
            password: Password {
                value: None,
                changes: 0,
                changed: created,
                must_change: false,
                must_change_with_mfa: false,
            },
            passes: Vec::new(),
        }
    }
}
