//! What an ID token must say for the sign-in that asked for it.
//!
//! Signature, issuer, audience and time were verified before; here it is about *this* sign-in.

use airlock_azure::entra::EntraToken;
use airlock_core::{
    identity::{ObjectId, Role, TenantId},
    secret::{self, Secret},
    time::Timestamp,
};
use serde::{Deserialize, Serialize};

use crate::{challenge::Begun, exposed};

/// Facets that mark an agent identity, and an agent's user account.
const AGENTS: [&str; 2] = ["11", "13"];

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

/// Why an ID token does not do.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum NotAdmitted {
    /// It comes from another tenant than the one that was asked.
    #[error("ID token of another tenant")]
    Tenant,
    /// It was not issued for this sign-in, or not for this client key.
    #[error("ID token without the nonce of this sign-in")]
    Nonce,
    /// It is about an application or an agent.
    #[error("ID token is not about a person")]
    NotAPerson,
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
pub fn admit(begun: &Begun, says: &EntraToken) -> Result<Admitted, NotAdmitted> {
    if says.tenant != begun.tenant {
        return Err(NotAdmitted::Tenant);
    }
    let nonce = says.nonce().unwrap_or_default();
    if !secret::equal(nonce.as_bytes(), begun.nonce().as_bytes()) {
        return Err(NotAdmitted::Nonce);
    }
    if !is_person(says) {
        return Err(NotAdmitted::NotAPerson);
    }
    let acrs = says.acrs();
    if begun.step_up.as_ref().is_some_and(|asked| !acrs.iter().any(|acr| acr == asked.as_str())) {
        return Err(NotAdmitted::StepUp);
    }
    let text = |name| says.text(name).map(str::to_owned);
    let name = text("name").or_else(|| text("preferred_username")).unwrap_or_default();
    Ok(Admitted {
        tid: says.tenant,
        oid: says.object,
        roles: says.roles(),
        acrs,
        auth_time: says.auth_time().ok_or(NotAdmitted::AuthTime)?,
        entra_sid: text("sid"),
        name: Secret::new(name),
        login_hint: text("login_hint").map(Secret::new),
    })
}

/// Whether a token is about a person. An agent's user account looks like one but for its facets.
pub fn is_person(says: &EntraToken) -> bool {
    let marks_agent = |name| {
        let facets = says.text(name).unwrap_or_default();
        facets.split(' ').any(|facet| AGENTS.contains(&facet))
    };
    !says.is_app()
        && says.text("xms_par_app_azp").is_none()
        && !marks_agent("xms_act_fct")
        && !marks_agent("xms_sub_fct")
}

#[cfg(test)]
mod tests {
    use airlock_core::step_up::Context;
    use serde_json::{Value, json};

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

    fn good() -> Value {
        json!({
            "nonce": begun().nonce(),
            "auth_time": 1000,
            "acrs": ["c1"],
            "roles": ["Approver", "SomeoneElsesRole"],
            "name": "Ada",
        })
    }

    fn admitted(claims: Value) -> Result<Admitted, NotAdmitted> {
        let Value::Object(claims) = claims else { panic!("claims are an object") };
        let tenant = World::HOME.parse().unwrap();
        admit(&begun(), &EntraToken { tenant, object: World::person(1), claims })
    }

    #[test]
    fn a_person_is_admitted_with_our_roles_only() {
        let admitted = admitted(good()).unwrap();

        assert_eq!(admitted.roles, [Role::Approver]);
        assert_eq!(admitted.auth_time, Timestamp::from_unix_s(1000));
    }

    #[test]
    fn one_spoiled_claim_is_enough() {
        let other_nonce = airlock_core::sign_in::nonce(client_key(2).1.thumbprint(), &[7; 32]);
        for (name, value, why) in [
            ("nonce", json!(other_nonce), NotAdmitted::Nonce),
            ("nonce", Value::Null, NotAdmitted::Nonce),
            ("auth_time", Value::Null, NotAdmitted::AuthTime),
            ("acrs", json!([]), NotAdmitted::StepUp),
            ("acrs", json!(["c2", "c11"]), NotAdmitted::StepUp),
            ("idtyp", json!("app"), NotAdmitted::NotAPerson),
            ("xms_sub_fct", json!("9 13"), NotAdmitted::NotAPerson),
            ("xms_act_fct", json!("11 3"), NotAdmitted::NotAPerson),
            ("xms_par_app_azp", json!("x"), NotAdmitted::NotAPerson),
        ] {
            let mut claims = good();
            claims[name] = value;

            assert_eq!(admitted(claims).err(), Some(why), "{name}");
        }
    }

    #[test]
    fn a_token_of_another_tenant_is_not_admitted() {
        let Value::Object(claims) = good() else { panic!("claims are an object") };
        let tenant = World::STRANGE.parse().unwrap();

        let refused = admit(&begun(), &EntraToken { tenant, object: World::person(1), claims });

        assert_eq!(refused.err(), Some(NotAdmitted::Tenant));
    }
}
