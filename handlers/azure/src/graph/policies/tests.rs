use serde_json::json;

use super::*;

/// A policy as Graph writes one that is made for an authentication context: all is there, and
/// what is not set is null or empty.
fn good() -> Value {
    json!({
        "id": "1b0a3e5c-2f64-4d8e-9a57-7c1d2e3f4a5b",
        "templateId": null,
        "displayName": "Step-up",
        "createdDateTime": "2026-01-12T09:30:00Z",
        "modifiedDateTime": null,
        "deletedDateTime": null,
        "state": "enabled",
        "conditions": {
            "applications": {
                "includeApplications": [],
                "excludeApplications": [],
                "includeUserActions": [],
                "includeAuthenticationContextClassReferences": ["c1", "c3"],
                "applicationFilter": null,
            },
            "users": {
                "includeUsers": ["All"],
                "excludeUsers": [],
                "includeGroups": [],
                "excludeGroups": [],
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
            "builtInControls": ["mfa"],
            "customAuthenticationFactors": [],
            "termsOfUse": [],
            "authenticationStrength@odata.context": "https://graph.microsoft.com/v1.0/$metadata#x",
            "authenticationStrength": null,
        },
        "sessionControls": null,
    })
}

/// The same with one value put in its place.
fn with(pointer: &str, value: Value) -> Value {
    let mut policy = good();
    let (parent, name) = pointer.rsplit_once('/').unwrap();
    policy.pointer_mut(parent).unwrap()[name] = value;
    policy
}

fn controls(value: Value) -> bool {
    understood(with("/grantControls", value)).unwrap().demands_proof
}

#[test]
fn a_policy_for_everybody_that_demands_more_is_read_as_one() {
    let expected = AccessPolicy {
        enabled: true,
        contexts: vec!["c1".to_owned(), "c3".to_owned()],
        everybody: true,
        demands_proof: true,
    };

    assert_eq!(understood(good()), Ok(expected));
}

#[test]
fn a_policy_that_is_off_or_only_reports_is_not_in_force() {
    for state in ["disabled", "enabledForReportingButNotEnforced", "unknownFutureValue", ""] {
        let policy = understood(with("/state", json!(state))).unwrap();

        assert!(!policy.enabled, "{state}");
    }
}

#[test]
fn whoever_is_left_out_by_any_condition_is_not_everybody() {
    for (pointer, value) in [
        ("/conditions/users", Value::Null),
        ("/conditions/users/includeUsers", json!([])),
        ("/conditions/users/includeUsers", json!(["None"])),
        ("/conditions/users/includeUsers", json!(["GuestsOrExternalUsers"])),
        ("/conditions/users/excludeUsers", json!(["11111111-2222-4333-8444-555555555555"])),
        ("/conditions/users/excludeGroups", json!(["11111111-2222-4333-8444-555555555555"])),
        ("/conditions/users/excludeRoles", json!(["62e90394-69f5-4237-9190-012177145e10"])),
        (
            "/conditions/users/excludeGuestsOrExternalUsers",
            json!({ "guestOrExternalUserTypes": "internalGuest", "externalTenants": null }),
        ),
        ("/conditions/clientAppTypes", json!([])),
        ("/conditions/clientAppTypes", json!(["exchangeActiveSync", "other"])),
        (
            "/conditions/locations",
            json!({ "includeLocations": ["All"], "excludeLocations": ["AllTrusted"] }),
        ),
        (
            "/conditions/locations",
            json!({ "includeLocations": ["AllTrusted"], "excludeLocations": [] }),
        ),
        ("/conditions/locations", json!({ "excludeLocations": [] })),
        (
            "/conditions/platforms",
            json!({ "includePlatforms": ["all"], "excludePlatforms": ["linux"] }),
        ),
        ("/conditions/platforms", json!({ "includePlatforms": ["iOS"], "excludePlatforms": [] })),
        (
            "/conditions/devices",
            json!({ "deviceFilter": { "mode": "exclude", "rule": "device.isCompliant -eq True" } }),
        ),
        ("/conditions/signInRiskLevels", json!(["high"])),
        ("/conditions/userRiskLevels", json!(["high"])),
        ("/conditions/insiderRiskLevels", json!("elevated")),
        ("/conditions/authenticationFlows", json!({ "transferMethods": "deviceCodeFlow" })),
        ("/conditions/clientApplications", json!({ "includeServicePrincipals": ["x"] })),
        ("/conditions/applications/excludeApplications", json!(["Office365"])),
        ("/conditions/applications/applicationFilter", json!({ "mode": "exclude", "rule": "x" })),
        // What Graph may come to say.
        ("/conditions/hoursOfDay", json!({ "from": 9 })),
        ("/conditions/users/excludeAgents", json!(["x"])),
    ] {
        let policy = understood(with(pointer, value.clone())).unwrap();

        assert!(!policy.everybody, "{pointer} {value}");
    }
}

#[test]
fn who_is_meant_besides_everybody_changes_nothing() {
    for (pointer, value) in [
        ("/conditions/users/includeGroups", json!(["11111111-2222-4333-8444-555555555555"])),
        ("/conditions/users/includeRoles", json!(["62e90394-69f5-4237-9190-012177145e10"])),
        ("/conditions/locations", json!({ "includeLocations": ["All"], "excludeLocations": [] })),
        ("/conditions/platforms", json!({ "includePlatforms": ["all"], "excludePlatforms": [] })),
        ("/conditions/clientAppTypes", json!(["all", "browser"])),
        ("/conditions/users/includeUsers@odata.type", json!("#Collection(String)")),
    ] {
        let policy = understood(with(pointer, value.clone())).unwrap();

        assert!(policy.everybody, "{pointer} {value}");
    }
}

#[test]
fn a_control_is_a_proof_only_if_nothing_else_does_in_its_place() {
    let controls = |operator: &str, built_in: Value, more: Value| {
        let mut value = json!({
            "operator": operator, "builtInControls": built_in, "authenticationStrength": null,
            "customAuthenticationFactors": [], "termsOfUse": [],
        });
        for (name, each) in more.as_object().unwrap() {
            value[name] = each.clone();
        }
        controls(value)
    };
    let strength = |satisfied: &str| {
        json!({ "authenticationStrength": {
        "id": "00000000-0000-0000-0000-000000000004", "requirementsSatisfied": satisfied,
    } })
    };

    assert!(controls("OR", json!(["mfa"]), json!({})));
    assert!(controls("AND", json!(["mfa", "compliantDevice"]), json!({ "termsOfUse": ["x"] })));
    assert!(controls("OR", json!([]), strength("mfa")));
    assert!(controls("AND", json!(["compliantDevice"]), strength("mfa")));

    assert!(!controls("OR", json!([]), json!({})));
    assert!(!controls("AND", json!([]), json!({})));
    assert!(!controls("OR", json!(["mfa", "compliantDevice"]), json!({})));
    assert!(!controls("OR", json!(["compliantDevice"]), strength("mfa")));
    assert!(!controls("OR", json!(["mfa"]), json!({ "termsOfUse": ["x"] })));
    assert!(!controls("OR", json!(["mfa"]), json!({ "customAuthenticationFactors": ["x"] })));
    assert!(!controls("OR", json!(["mfa"]), json!({ "whatComesNext": ["x"] })));
    assert!(!controls("AND", json!(["compliantDevice", "block"]), json!({})));
    assert!(!controls("OR", json!([]), strength("none")));
    assert!(!controls("XOR", json!(["mfa"]), json!({})));
}

#[test]
fn without_controls_nothing_is_demanded() {
    assert!(!controls(Value::Null));
}

#[test]
fn a_policy_for_applications_backs_no_context() {
    for applications in [
        Value::Null,
        json!({ "includeApplications": ["All"] }),
        json!({ "includeApplications": ["All"], "includeAuthenticationContextClassReferences": [] }),
    ] {
        let policy = understood(with("/conditions/applications", applications)).unwrap();

        assert_eq!(policy.contexts, Vec::<String>::new());
    }
}

#[test]
fn what_is_no_policy_is_not_understood() {
    for bad in [
        json!({}),
        json!("x"),
        with("/state", Value::Null),
        with("/conditions", Value::Null),
        with("/conditions/clientAppTypes", Value::Null),
        with("/conditions/users/includeUsers", json!("All")),
        with("/conditions/applications/includeAuthenticationContextClassReferences", json!("c1")),
        with("/conditions/locations", json!("All")),
        with("/grantControls/builtInControls", Value::Null),
        with("/grantControls/authenticationStrength", json!({ "id": "x" })),
    ] {
        assert_eq!(understood(bad.clone()), Err(NotUnderstood(WHAT)), "{bad}");
    }
}
