//! What an ID token must say for the sign-in that asked for it.
//!
//! Signature, issuer, audience and time were verified before, and that it is about a person; here
//! it is about *this* sign-in.

use airlock_core::{
    digest::Digest,
    identity::{ObjectId, Role, TenantId},
    secret::{self, Secret},
    step_up::Context,
    time::Timestamp,
};
use serde::{Deserialize, Serialize};

use crate::{challenge::Begun, exposed, outside::Says, store};

/// A person who signed in, as Entra says. Its JSON form holds personal data: to be encrypted.
#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Admitted {
    /// The tenant.
    pub tid: TenantId,
    /// The person.
    pub oid: ObjectId,
    /// App roles that Entra conferred.
    pub roles: Vec<Role>,
    /// Authentication contexts that were satisfied.
    pub acrs: Vec<String>,
    /// When the person last proved who they are.
    pub auth_time: Timestamp,
    /// Entra's own id of the sign-in.
    pub entra_sid: Option<String>,
    /// For display only: it can be anything, and two people can have the same.
    #[serde(with = "exposed")]
    pub name: Secret,
    /// What Entra's sign-out page needs to know whom to sign out.
    #[serde(with = "exposed::optional")]
    pub login_hint: Option<Secret>,
}

impl Admitted {
    /// Names the sign-in at Entra, if Entra did.
    #[must_use]
    pub fn sign_in(&self) -> Option<Digest> {
        self.entra_sid.as_deref().map(|sid| store::sign_in(self.tid, sid))
    }
}

/// Why an ID token does not do.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum NotAdmitted {
    /// It comes from another tenant than the one that was asked.
    #[error("ID token of another tenant")]
    Tenant,
    /// It was not issued for this sign-in, or not for this client key.
    #[error("ID token without the nonce of this sign-in")]
    Nonce,
    /// It does not say when the person signed in. The optional claim must be configured.
    #[error("ID token without auth_time")]
    AuthTime,
    /// The authentication context that was asked was not satisfied.
    #[error("authentication context not satisfied")]
    StepUp,
}

/// Admits whom an ID token is about.
///
/// # Errors
///
/// [`NotAdmitted`].
pub fn admit(begun: &Begun, says: &Says) -> Result<Admitted, NotAdmitted> {
    if says.person.tid != begun.tenant {
        return Err(NotAdmitted::Tenant);
    }
    let nonce = says.nonce.as_deref().unwrap_or_default();
    if !secret::equal(nonce.as_bytes(), begun.nonce().as_bytes()) {
        return Err(NotAdmitted::Nonce);
    }
    let missed = |asked: &Context| !says.acrs.iter().any(|acr| acr == asked.as_str());
    if begun.step_up.as_ref().is_some_and(missed) {
        return Err(NotAdmitted::StepUp);
    }
    Ok(Admitted {
        tid: says.person.tid,
        oid: says.person.oid,
        roles: says.roles.clone(),
        acrs: says.acrs.clone(),
        auth_time: says.auth_time.ok_or(NotAdmitted::AuthTime)?,
        entra_sid: says.sid.clone(),
        name: says.name.clone(),
        login_hint: says.login_hint.clone(),
    })
}

#[cfg(test)]
mod tests {
    use airlock_core::identity::PersonId;

    use super::*;
    use crate::{
        return_to::ReturnTo,
        world::{World, client_key},
    };

    fn begun() -> Begun {
        Begun {
            tenant: World::HOME.parse().unwrap(),
            jwk: client_key(1).1,
            random: [7; 32],
            verifier: Secret::new(String::new()),
            return_to: ReturnTo::parse("/").unwrap(),
            step_up: Some(Context::try_from("c1".to_owned()).unwrap()),
        }
    }

    fn good() -> Says {
        Says {
            person: PersonId { tid: World::HOME.parse().unwrap(), oid: World::person(1) },
            nonce: Some(begun().nonce()),
            roles: vec![Role::Approver],
            acrs: vec!["c1".to_owned()],
            auth_time: Some(Timestamp::from_unix_s(1000)),
            sid: None,
            name: Secret::new("Ada".to_owned()),
            login_hint: None,
        }
    }

    #[test]
    fn a_person_is_admitted_as_the_token_says() {
        let admitted = admit(&begun(), &good()).unwrap();

        assert_eq!((admitted.tid, admitted.oid), (begun().tenant, World::person(1)));
        assert_eq!(admitted.roles, [Role::Approver]);
        assert_eq!(admitted.acrs, ["c1"]);
        assert_eq!(admitted.auth_time, Timestamp::from_unix_s(1000));
    }

    #[test]
    fn one_spoiled_claim_is_enough() {
        let other_nonce = airlock_core::sign_in::nonce(client_key(2).1.thumbprint(), &[7; 32]);
        let acrs = |names: &[&str]| names.iter().map(|&name| name.to_owned()).collect();
        for (says, why) in [
            (Says { nonce: Some(other_nonce), ..good() }, NotAdmitted::Nonce),
            (Says { nonce: None, ..good() }, NotAdmitted::Nonce),
            (Says { auth_time: None, ..good() }, NotAdmitted::AuthTime),
            (Says { acrs: Vec::new(), ..good() }, NotAdmitted::StepUp),
            (Says { acrs: acrs(&["c2", "c11"]), ..good() }, NotAdmitted::StepUp),
        ] {
            assert_eq!(admit(&begun(), &says).err(), Some(why));
        }
    }

    #[test]
    fn a_token_of_another_tenant_is_not_admitted() {
        let tid = World::STRANGE.parse().unwrap();
        let person = PersonId { tid, oid: World::person(1) };

        let refused = admit(&begun(), &Says { person, ..good() });

        assert_eq!(refused.err(), Some(NotAdmitted::Tenant));
    }
}
