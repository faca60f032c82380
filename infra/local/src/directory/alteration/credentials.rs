//! Credentials and owners, of applications and service principals.

use serde_json::json;
use time::{Duration, OffsetDateTime};
use uuid::Uuid;

use super::{
    Holder, NotAltered, Owner,
    apply::{Outcome, Scene, absent, principal, registration, standing},
};
use crate::{
    cloud::audience,
    directory::{
        Tenant,
        credentials::{Added, Certificate, Credentials, Wanted},
        federation::FederatedCredential,
    },
};

/// How long a credential is valid if nobody says, in days.
const VALID_DAYS: u32 = 180;

/// What of a federated credential is said.
pub(super) struct Values {
    pub(super) issuer: Option<String>,
    pub(super) subject: Option<String>,
    pub(super) audience: Option<String>,
}

impl Scene<'_> {
    pub(super) fn add_password(
        &mut self,
        on: &Holder,
        name: Option<String>,
        days: Option<u32>,
    ) -> Outcome {
        let (start, end) = self.validity(days);
        let (propagation, now) = (self.propagation, self.now);
        let wanted = Wanted { name, start, end };
        let added = self.credentials(on, |held| held.add_password(wanted, propagation, now))?;
        let Added { password, secret } = added.map_err(|_| NotAltered::NoRandomness)?;
        Ok(json!({ "key_id": password.key_id, "secret": secret }))
    }

    pub(super) fn add_certificate(
        &mut self,
        on: &Holder,
        name: Option<String>,
        days: Option<u32>,
    ) -> Outcome {
        let (start, end) = self.validity(days);
        let name = name.unwrap_or_else(|| "CN=added".to_owned());
        let certificate = Certificate { key_id: Uuid::new_v4(), name, start, end };
        let key_id = certificate.key_id;
        self.credentials(on, |held| held.certificates.push(certificate))?;
        Ok(json!({ "key_id": key_id }))
    }

    pub(super) fn remove_credential(&mut self, on: &Holder, key_id: Uuid) -> Outcome {
        let (propagation, now) = (self.propagation, self.now);
        let removed = self.credentials(on, |held| {
            let before = held.certificates.len();
            held.certificates.retain(|one| one.key_id != key_id);
            before != held.certificates.len() || held.remove_password(key_id, propagation, now)
        })?;
        if removed { Ok(json!({})) } else { Err(absent(&key_id.to_string())) }
    }

    fn validity(&self, days: Option<u32>) -> (OffsetDateTime, OffsetDateTime) {
        (self.now, self.now + Duration::days(i64::from(days.unwrap_or(VALID_DAYS))))
    }

    fn credentials<R>(
        &mut self,
        on: &Holder,
        change: impl FnOnce(&mut Credentials) -> R,
    ) -> Result<R, NotAltered> {
        let tenant = self.tenant()?;
        let held = match on {
            Holder::Application(name) => {
                let id = registration(tenant, name)?.id;
                tenant.registrations.get_mut(&id).map(|one| &mut one.credentials)
            }
            Holder::ServicePrincipal(name) => {
                let id = principal(tenant, name)?.id;
                tenant.principals.get_mut(&id).map(|one| &mut one.credentials)
            }
        };
        held.map(change).ok_or_else(|| absent("the holder"))
    }

    pub(super) fn trust(&mut self, application: &str, name: String, values: Values) -> Outcome {
        let (created, issuer) =
            (self.now, format!("https://login.microsoftonline.com/{}/v2.0", self.home));
        let id = Uuid::new_v4();
        self.trusting(application, |all| {
            if all.iter().any(|one| one.name == name) {
                return Err(standing(&name));
            }
            all.push(FederatedCredential {
                id,
                name,
                issuer: values.issuer.unwrap_or(issuer),
                subject: values.subject.unwrap_or_default(),
                audience: values.audience.unwrap_or_else(|| audience::EXCHANGE.to_owned()),
                created,
            });
            Ok(())
        })?;
        Ok(json!({ "id": id }))
    }

    pub(super) fn trust_otherwise(
        &mut self,
        application: &str,
        name: Option<&str>,
        values: Values,
    ) -> Outcome {
        self.trusting(application, |all| {
            let index = chosen(all, name)?;
            let one = &mut all[index];
            let Values { issuer, subject, audience } = values;
            for (value, to) in [
                (&mut one.issuer, issuer),
                (&mut one.subject, subject),
                (&mut one.audience, audience),
            ] {
                if let Some(to) = to {
                    *value = to;
                }
            }
            Ok(())
        })?;
        Ok(json!({}))
    }

    pub(super) fn trust_no_more(&mut self, application: &str, name: Option<&str>) -> Outcome {
        self.trusting(application, |all| chosen(all, name).map(|index| all.remove(index)))?;
        Ok(json!({}))
    }

    fn trusting<R>(
        &mut self,
        application: &str,
        change: impl FnOnce(&mut Vec<FederatedCredential>) -> Result<R, NotAltered>,
    ) -> Result<R, NotAltered> {
        let tenant = self.tenant()?;
        let id = registration(tenant, application)?.id;
        // Entra logs it as an update of the application: it is told as a change of it.
        let found = tenant.registrations.get_mut(&id).ok_or_else(|| absent(application))?;
        change(&mut found.federated)
    }

    pub(super) fn own(&mut self, of: &Holder, owner: &Owner, becomes: bool) -> Outcome {
        let tenant = self.tenant()?;
        let owner = identified(tenant, owner)?;
        let owners = match of {
            Holder::Application(name) => {
                let id = registration(tenant, name)?.id;
                tenant.registrations.noted(&id).map(|one| &mut one.owners)
            }
            Holder::ServicePrincipal(name) => {
                let id = principal(tenant, name)?.id;
                tenant.principals.noted(&id).map(|one| &mut one.owners)
            }
        };
        let owners = owners.ok_or_else(|| absent("what is owned"))?;
        let changed = if becomes { owners.insert(owner) } else { owners.remove(&owner) };
        match (changed, becomes) {
            (true, _) => Ok(json!({ "owner": owner })),
            (false, true) => Err(standing(&owner.to_string())),
            (false, false) => Err(absent(&owner.to_string())),
        }
    }
}

fn identified(tenant: &Tenant, owner: &Owner) -> Result<Uuid, NotAltered> {
    match owner {
        Owner::Person(name) => {
            tenant.person(name).map(|person| person.id).ok_or_else(|| absent(name))
        }
        Owner::ServicePrincipal(name) => principal(tenant, name).map(|one| one.id),
    }
}

/// The credential of this name, or the only one.
fn chosen(all: &[FederatedCredential], name: Option<&str>) -> Result<usize, NotAltered> {
    let index = match name {
        Some(name) => all.iter().position(|one| one.name == name),
        None => (all.len() == 1).then_some(0),
    };
    index.ok_or_else(|| absent(name.unwrap_or("the only federated credential")))
}
