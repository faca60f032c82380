//! Each alteration changes what it says, says what is missing, and can be undone.

use serde_json::{Value, json};
use uuid::Uuid;

use super::*;
use crate::{
    directory::Directory,
    entra::tests::names,
    identities::{application_id, registration_id, service_principal_id},
};

const WORKER: &str = "airlock-worker-methods";

fn alter(directory: &Directory, change: Value) -> Result<Value, NotAltered> {
    directory.alter(names().tenant, serde_json::from_value(change).unwrap())
}

fn shown(directory: &Directory) -> String {
    directory
        .look(names().tenant, |tenant| {
            let registrations: Vec<_> = tenant.registrations.values().collect();
            let principals: Vec<_> = tenant.principals.values().collect();
            let grants: Vec<_> = tenant.grants.values().collect();
            let (roles, policies) = (&tenant.assignments, &tenant.access_policies);
            let audits: Vec<_> = tenant.audits.since(None).collect();
            let (groups, custom) = (&tenant.groups, &tenant.custom_roles);
            format!(
                "{groups:?}{custom:?}{registrations:?}{principals:?}{grants:?}{roles:?}\
                 {policies:?}{audits:?}"
            )
        })
        .unwrap()
}

/// One of each kind, and some that are meant otherwise.
fn all() -> Vec<Value> {
    let (application, principal) =
        (json!({ "application": WORKER }), json!({ "service_principal": WORKER }));
    let step_up = "Step-up for sensitive work";
    vec![
        json!({ "kind": "add_password", "on": application, "name": "backdoor", "days": 2 }),
        json!({ "kind": "add_password", "on": principal }),
        json!({ "kind": "add_certificate", "on": application }),
        json!({ "kind": "add_certificate", "on": principal }),
        json!({ "kind": "add_federated_credential", "application": WORKER, "name": "more",
            "issuer": "https://token.actions.githubusercontent.com", "subject": "repo:a/b" }),
        json!({ "kind": "change_federated_credential", "application": WORKER, "subject": "x" }),
        json!({ "kind": "change_federated_credential", "application": WORKER, "issuer": "x" }),
        json!({ "kind": "change_federated_credential", "application": WORKER, "audience": "x" }),
        json!({ "kind": "remove_federated_credential", "application": WORKER }),
        json!({ "kind": "grant_app_role", "to": WORKER, "role": "Mail.Read" }),
        json!({ "kind": "grant_app_role", "to": "airlock-drift", "role": "User.Read.All" }),
        json!({ "kind": "grant_app_role", "to": WORKER, "role": "Confirmations.Ask",
            "resource": "airlock-intake" }),
        json!({ "kind": "revoke_app_role", "from": WORKER,
            "role": "UserAuthMethod-TAP.ReadWrite.All" }),
        json!({ "kind": "add_grant", "client": WORKER, "scope": "User.Read" }),
        json!({ "kind": "add_owner", "of": application,
            "owner": { "person": "nina@contoso.example" } }),
        json!({ "kind": "add_owner", "of": principal,
            "owner": { "service_principal": "payroll" } }),
        json!({ "kind": "set_redirects", "application": "airlock-portal",
            "web": ["https://evil.example/callback"] }),
        json!({ "kind": "set_redirects", "application": "airlock-portal",
            "implicit_id_tokens": true }),
        json!({ "kind": "set_redirects", "application": WORKER, "fallback_public": true }),
        json!({ "kind": "add_directory_role", "to": WORKER, "role": "Global Administrator" }),
        json!({ "kind": "add_directory_role", "to": WORKER, "role": "Global Administrator",
            "application": "airlock-observer" }),
        json!({ "kind": "remove_directory_role", "from": "airlock-worker-passwords",
            "role": "User Administrator" }),
        json!({ "kind": "add_directory_role", "to": "airlock-drift",
            "role": "Airlock Credential Remover", "application": "airlock-observer" }),
        json!({ "kind": "set_role_actions", "role": "Airlock Credential Remover",
            "actions": ["microsoft.directory/applications/allProperties/allTasks"] }),
        json!({ "kind": "remove_role", "role": "Airlock Credential Remover" }),
        json!({ "kind": "add_to_group", "service_principal": WORKER,
            "group": "Helpdesk Tier 2" }),
        json!({ "kind": "set_lock", "application": WORKER, "enabled": false }),
        json!({ "kind": "set_lock", "application": WORKER, "sign": false }),
        json!({ "kind": "set_audience", "application": WORKER, "audience": "AzureADMyOrg" }),
        json!({ "kind": "set_enabled", "service_principal": WORKER, "enabled": false }),
        json!({ "kind": "expose_scope", "application": "airlock-portal", "value": "more" }),
        json!({ "kind": "expose_app_role", "application": "airlock-portal", "value": "More" }),
        json!({ "kind": "pre_authorize", "application": "airlock-portal", "client": Uuid::nil() }),
        json!({ "kind": "set_access_policy", "policy": step_up, "state": "disabled" }),
        json!({ "kind": "set_access_policy", "policy": step_up, "excluded_groups": ["Finance"] }),
        json!({ "kind": "set_access_policy", "policy": step_up, "controls": ["block"] }),
        json!({ "kind": "remove_access_policy", "policy": step_up }),
        json!({ "kind": "write_audit", "by": { "service_principal": WORKER }, "activity": "Update user" }),
        json!({ "kind": "remove_application", "application": "payroll" }),
    ]
}

#[test]
fn each_alteration_changes_something_and_is_undone_by_restoring() {
    let directory = Directory::new(&names());
    let before = shown(&directory);
    let kept = directory.keep();

    for change in all() {
        alter(&directory, change.clone()).unwrap_or_else(|error| panic!("{change}: {error:?}"));
        assert_ne!(shown(&directory), before, "{change}");

        directory.restore(kept).unwrap();
        assert_eq!(shown(&directory), before, "{change}");
    }
}

#[test]
fn what_is_not_there_is_named_and_nothing_changes() {
    let directory = Directory::new(&names());
    let before = shown(&directory);
    let absent = |name: &str| Err(NotAltered::Absent(name.to_owned()));

    for (change, expected) in [
        (json!({ "kind": "add_password", "on": { "application": "none" } }), absent("none")),
        (json!({ "kind": "grant_app_role", "to": WORKER, "role": "No.Such" }), absent("No.Such")),
        (
            json!({ "kind": "grant_app_role", "to": WORKER,
                "role": "UserAuthMethod-TAP.ReadWrite.All" }),
            Err(NotAltered::Standing("UserAuthMethod-TAP.ReadWrite.All".to_owned())),
        ),
        (
            json!({ "kind": "remove_application", "application": WORKER }),
            Err(NotAltered::Standing(WORKER.to_owned())),
        ),
        (json!({ "kind": "remove_grants", "client": WORKER }), absent(WORKER)),
        (
            json!({ "kind": "set_access_policy", "policy": "Step-up for finance",
                "groups": ["Nobody"], "state": "disabled" }),
            absent("Nobody"),
        ),
    ] {
        assert_eq!(alter(&directory, change.clone()), expected, "{change}");
    }
    assert_eq!(shown(&directory), before);
    let unknown = json!({ "kind": "add_password", "on": { "application": WORKER }, "x": 1 });
    assert!(serde_json::from_value::<Alteration>(unknown).is_err());
}

#[test]
fn an_application_is_meant_by_name_client_or_object_and_followed_in_every_tenant() {
    let directory = Directory::new(&names());
    let portal = "airlock-portal";

    for named in
        [portal.to_owned(), application_id(portal).to_string(), registration_id(portal).to_string()]
    {
        let web = [format!("https://{named}.example/")];
        let change = json!({ "kind": "set_redirects", "application": named, "web": web });
        alter(&directory, change).unwrap();

        for card in directory.tenants() {
            let id = service_principal_id(portal, card.id);
            let urls = directory
                .look(card.id, |tenant| tenant.principals.get(&id).unwrap().reply_urls.clone());
            assert_eq!(urls.unwrap(), web, "{}", card.name);
        }
    }
}
