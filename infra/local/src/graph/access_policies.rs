//! Conditional-access policies.

use http::StatusCode;
use serde_json::{Value, json};
use uuid::Uuid;

use super::{
    call::{Call, Outcome, Reply},
    permissions,
    problem::Refusal,
};
use crate::directory::{AccessPolicy, PolicyState, written};

/// Policies on a page. Few, so that whoever does not follow the pages does not see all.
const PAGE: usize = 2;

/// `GET /identity/conditionalAccess/policies`
pub fn list(call: &Call<'_>) -> Outcome {
    call.needs(permissions::READ_POLICIES)?;
    call.only(&["$top", "$skiptoken"])?;
    let objects = call.look(|tenant| {
        let policies = tenant.access_policies.iter().enumerate();
        Ok(policies.map(|(order, policy)| (format!("{order:04}"), shown(policy))).collect())
    })?;
    call.page_of("identity/conditionalAccess/policies", objects, PAGE)
}

/// `PATCH /identity/conditionalAccess/policies/{id}`: switches a policy on and off, and nothing
/// else so far.
pub fn update(call: &Call<'_>) -> Outcome {
    // All three, as the documentation of this call says.
    for each in permissions::WRITE_POLICIES {
        call.needs(&[each])?;
    }
    call.only(&[])?;
    let name = call.segments.get(3).map_or("", String::as_str);
    let id = Uuid::try_parse(name).map_err(|_| Refusal::not_found(name))?;
    let body = call.json()?;
    let state = body.get("state").filter(|_| body.len() == 1).cloned();
    let state: PolicyState = state
        .and_then(|state| serde_json::from_value(state).ok())
        .ok_or_else(|| Refusal::bad_query("Only the state can be changed here."))?;
    let what = json!({ "state": state.as_str() });
    let ((), effect) = call.change_tenant((id, what), |tenant, now| {
        let policy = tenant.access_policies.iter_mut().find(|policy| policy.id == id);
        let policy = policy.ok_or_else(|| Refusal::not_found(name))?;
        policy.state = state;
        policy.modified = Some(now);
        Ok(())
    })?;
    Ok(Reply { status: StatusCode::NO_CONTENT, body: None, effects: vec![effect] })
}

/// All of a policy: Graph leaves nothing out, and writes null or an empty list for what is not set.
fn shown(policy: &AccessPolicy) -> Value {
    let everybody: &[&str] = if policy.groups.is_empty() { &["All"] } else { &[] };
    json!({
        "id": policy.id,
        "templateId": null,
        "displayName": policy.name,
        "createdDateTime": written(policy.created),
        "modifiedDateTime": policy.modified.map(written),
        "deletedDateTime": null,
        "state": policy.state.as_str(),
        "conditions": {
            "applications": {
                "includeApplications": policy.applications,
                "excludeApplications": [],
                "includeUserActions": [],
                "includeAuthenticationContextClassReferences": policy.contexts,
                "applicationFilter": null,
            },
            "users": {
                "includeUsers": everybody,
                "excludeUsers": [],
                "includeGroups": policy.groups,
                "excludeGroups": policy.excluded_groups,
                "includeRoles": [],
                "excludeRoles": [],
                "includeGuestsOrExternalUsers": null,
                "excludeGuestsOrExternalUsers": null,
            },
            "clientAppTypes": ["all"],
            "clientApplications": null,
            "platforms": null,
            "locations": null,
            "devices": null,
            "authenticationFlows": null,
            "insiderRiskLevels": null,
            "signInRiskLevels": [],
            "userRiskLevels": [],
            "servicePrincipalRiskLevels": [],
        },
        "grantControls": {
            "operator": "OR",
            "builtInControls": policy.controls,
            "customAuthenticationFactors": [],
            "termsOfUse": [],
            "authenticationStrength": policy.phishing_resistant.then(phishing_resistant),
        },
        "sessionControls": null,
    })
}

/// The strength of this name that every tenant has.
fn phishing_resistant() -> Value {
    json!({
        "id": "00000000-0000-0000-0000-000000000004",
        "createdDateTime": "2021-12-01T08:00:00Z",
        "modifiedDateTime": "2021-12-01T08:00:00Z",
        "displayName": "Phishing-resistant MFA",
        "description": "Methods that a page which pretends to be another cannot use",
        "policyType": "builtIn",
        "requirementsSatisfied": "mfa",
        "allowedCombinations": ["windowsHelloForBusiness", "fido2", "x509CertificateMultiFactor"],
        "combinationConfigurations": [],
    })
}
