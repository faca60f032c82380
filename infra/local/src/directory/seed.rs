//! The tenants as `seed.json` describes them.

use std::collections::{BTreeMap, BTreeSet};

use serde::Deserialize;
use time::{Duration, OffsetDateTime};
use uuid::Uuid;

use super::{
    access::{AccessPolicy, PolicyState},
    audit::Log,
    device::{self, Device, LocalCredential, RecoveryKey},
    method::{Method, MethodKind},
    own,
    registration::{Issued, Registration},
    tenant::{Assignment, Eligibility, Group, Licence, Password, Person, Risk, Role, Tenant},
    tracked::Tracked,
};
use crate::{
    cloud::Names,
    identities::{Identities, service_principal_id, stable_id},
};

/// The application that rotates the secrets of other applications, where it owns them.
const ROTATOR: &str = "airlock-rotator";

const SEED: &str = include_str!("seed.json");

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Seed {
    roles: Vec<SeedRole>,
    licences: Vec<SeedSku>,
    tenants: Vec<SeedTenant>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct SeedRole {
    name: String,
    template: Uuid,
    description: String,
}

/// A kind of licence, the same in every tenant.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct SeedSku {
    name: String,
    sku: Uuid,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct SeedTenant {
    name: String,
    domain: String,
    country: String,
    #[serde(default)]
    deployment: bool,
    people: Vec<SeedPerson>,
    groups: Vec<SeedGroup>,
    assignments: Vec<SeedGrant>,
    eligible: Vec<SeedGrant>,
    devices: Vec<SeedDevice>,
    /// How many of each kind were bought.
    licences: BTreeMap<String, u32>,
    /// In whom Entra sees a risk.
    risky: Vec<String>,
    #[serde(default)]
    access_policies: Vec<SeedAccessPolicy>,
    /// Applications of third parties.
    applications: Vec<SeedApplication>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct SeedApplication {
    name: String,
    /// Whether the rotator owns it.
    rotated: bool,
    /// People who own it.
    #[serde(default)]
    owners: Vec<String>,
    #[serde(default)]
    permissions: Vec<String>,
    /// The secret that it has from before.
    secret: Option<SeedSecret>,
}

/// A secret that somebody added by hand, and put into the vault.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct SeedSecret {
    /// Where in the vault.
    vault: String,
    age_days: i64,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct SeedAccessPolicy {
    name: String,
    state: PolicyState,
    #[serde(default)]
    applications: Vec<String>,
    #[serde(default)]
    contexts: Vec<String>,
    #[serde(default)]
    groups: Vec<String>,
    #[serde(default)]
    excluded_groups: Vec<String>,
    #[serde(default)]
    controls: Vec<String>,
    #[serde(default)]
    phishing_resistant: bool,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct SeedDevice {
    name: String,
    owners: Vec<String>,
    users: Vec<String>,
    /// Whether it backs up its local administrator's password and its recovery key.
    backs_up: bool,
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
    #[serde(default)]
    methods: Vec<MethodKind>,
    #[serde(default)]
    licences: Vec<String>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct SeedGroup {
    name: String,
    description: String,
    #[serde(default)]
    role_assignable: bool,
    #[serde(default)]
    dynamic: bool,
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

/// Builds the tenants, with what their applications' secrets are: nobody else knows it.
#[expect(clippy::expect_used, reason = "the seed is part of this binary, and a test reads it")]
pub fn tenants(
    identities: &Identities,
    names: &Names,
    now: OffsetDateTime,
) -> (BTreeMap<Uuid, Tenant>, Vec<Issued>) {
    let deployment = names.tenant;
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
    let skus: BTreeMap<String, Uuid> =
        seed.licences.into_iter().map(|licence| (licence.name, licence.sku)).collect();
    let mut issued = Vec::new();
    let tenants = seed
        .tenants
        .into_iter()
        .enumerate()
        .map(|(order, tenant)| {
            let id =
                if tenant.deployment { deployment } else { stable_id("tenant", &tenant.domain) };
            let mut tenant = tenant.build(id, order, (&roles, &skus), &mut issued, now);
            own::provide(&mut tenant, identities, names, now);
            (id, tenant)
        })
        .collect();
    (tenants, issued)
}

impl SeedTenant {
    fn build(
        self,
        id: Uuid,
        order: usize,
        (roles, skus): (&[Role], &BTreeMap<String, Uuid>),
        issued: &mut Vec<Issued>,
        now: OffsetDateTime,
    ) -> Tenant {
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
            .map(|(id, principal, role)| Assignment { id, principal, role, scope: None })
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
                    dynamic: seed.dynamic,
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
                let risky = self.risky.contains(&seed.user);
                let person = seed.build((&domain, &self.country), order, skus, created);
                let risk = if risky { Risk::Suspected } else { person.risk };
                (person.id, Person { risk, ..person })
            })
            .collect();
        let devices = self
            .devices
            .iter()
            .map(|seed| {
                let device = seed.build(&domain, &user, created);
                (device.own_id, device)
            })
            .collect();
        let access_policies = self
            .access_policies
            .into_iter()
            .map(|seed| seed.build(&domain, &group, created))
            .collect();
        let licences = self
            .licences
            .into_iter()
            .filter_map(|(name, units)| {
                let sku = *skus.get(&name)?;
                Some((sku, Licence { sku, name, units }))
            })
            .collect();
        let build = |seed: SeedApplication| seed.build(&domain, id, &user, (created, now), issued);
        let registrations = self.applications.into_iter().map(build).collect();
        Tenant {
            id,
            order,
            name: self.name,
            domain,
            created,
            people,
            groups,
            roles: roles.to_vec(),
            custom_roles: Vec::new(),
            assignments,
            eligible,
            devices,
            licences,
            access_policies,
            registrations,
            principals: Tracked::default(),
            grants: Tracked::default(),
            audits: Log::default(),
            dismissed: None,
        }
    }
}

impl SeedApplication {
    #[expect(clippy::expect_used, reason = "without randomness no part of the cloud starts")]
    fn build(
        self,
        domain: &str,
        tenant: Uuid,
        user: &dyn Fn(&String) -> Uuid,
        (created, now): (OffsetDateTime, OffsetDateTime),
        issued: &mut Vec<Issued>,
    ) -> (Uuid, Registration) {
        let id = |kind: &str| stable_id(kind, &format!("{domain}/{}", self.name));
        let owners = self.owners.iter().map(user);
        let rotator = self.rotated.then(|| service_principal_id(ROTATOR, tenant));
        let owners = owners.chain(rotator).collect();
        let first = id("third-party/first-secret");
        let mut registration = Registration::new(
            id("third-party/registration"),
            id("third-party/client"),
            id("third-party/service-principal"),
            self.name,
            created,
        );
        registration.owners = owners;
        registration.required =
            self.permissions.iter().filter_map(|name| own::permission(name)).collect();
        if let Some(SeedSecret { vault, age_days }) = self.secret {
            let at = now - Duration::days(age_days);
            let secret =
                registration.credentials.issue(first, at).expect("the system has randomness");
            issued.push(Issued { vault, secret, at });
        }
        (registration.id, registration)
    }
}

impl SeedAccessPolicy {
    fn build(
        self,
        domain: &str,
        group: &dyn Fn(&String) -> Uuid,
        created: OffsetDateTime,
    ) -> AccessPolicy {
        AccessPolicy {
            id: stable_id("access-policy", &format!("{domain}/{}", self.name)),
            name: self.name,
            state: self.state,
            created,
            modified: None,
            applications: self.applications,
            contexts: self.contexts,
            groups: self.groups.iter().map(group).collect(),
            excluded_groups: self.excluded_groups.iter().map(group).collect(),
            controls: self.controls,
            phishing_resistant: self.phishing_resistant,
        }
    }
}

impl SeedDevice {
    #[expect(clippy::expect_used, reason = "without randomness no part of the cloud starts")]
    fn build(
        &self,
        domain: &str,
        user: &dyn Fn(&String) -> Uuid,
        created: OffsetDateTime,
    ) -> Device {
        let name = format!("{domain}/{}", self.name);
        // The directory keeps the passwords from before, and not in the order of their age.
        let credential = |days| LocalCredential {
            account: "lapsadmin".to_owned(),
            backed_up: created + Duration::days(days),
            password: device::password().expect("the system has randomness"),
        };
        let recovery_key = RecoveryKey {
            id: stable_id("recovery-key", &name),
            backed_up: created,
            key: device::recovery_key().expect("the system has randomness"),
            told: 0,
        };
        Device {
            id: stable_id("device", &name),
            own_id: stable_id("device-id", &name),
            name: self.name.clone(),
            owners: self.owners.iter().map(user).collect(),
            users: self.users.iter().map(user).collect(),
            credentials: [30, 90, 60]
                .into_iter()
                .filter(|_| self.backs_up)
                .map(credential)
                .collect(),
            recovery_keys: Some(recovery_key).filter(|_| self.backs_up).into_iter().collect(),
        }
    }
}

impl SeedPerson {
    fn build(
        self,
        (domain, country): (&str, &str),
        order: usize,
        skus: &BTreeMap<String, Uuid>,
        created: OffsetDateTime,
    ) -> Person {
        let user_principal_name = format!("{}@{domain}", self.user);
        let method = |kind: &MethodKind| {
            let name = format!("{user_principal_name}/{}", kind.in_types());
            Method { id: stable_id("method", &name).to_string(), kind: *kind }
        };
        let methods = self.methods.iter().map(method).collect();
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
            methods,
            // Whoever was invited belongs to no country yet.
            usage_location: (!self.guest).then(|| country.to_owned()),
            licences: self.licences.iter().filter_map(|name| skus.get(name).copied()).collect(),
            risk: Risk::None,
        }
    }
}
