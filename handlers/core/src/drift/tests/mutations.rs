//! Each single change is found by the right check, with the right severity, and by no other; and is
//! resolved when it is undone.

use super::*;
use crate::{
    drift::{
        actual::{
            AppRole, Credential, CredentialKind, Delegated, DirectoryRole, Federated, Function,
            Name, RoleAssignment, Route, Settings,
        },
        desired::CREDENTIAL_REMOVER,
        severity::Severity::{self, Critical, High, Medium},
    },
    memory::actual::{GRAPH, Is, object, principal},
};

const PASSWORDS: &str = "airlock-worker-passwords";
const PORTAL: u128 = 0xc001;
const SECRETLESS: &str = "secretless-application";

/// What somebody does, and what must be found.
type Row = (&'static str, fn(&mut Is), &'static str, Severity);

fn client() -> ObjectId {
    let index = WORKERS.iter().position(|name| *name == PASSWORDS).unwrap();
    id(0xc010 + index as u128)
}

fn registration(is: &mut Is) -> &mut crate::drift::actual::Registration {
    is.registrations.iter_mut().find(|each| each.client == client()).unwrap()
}

fn portal(is: &mut Is) -> &mut crate::drift::actual::Registration {
    is.registrations.iter_mut().find(|each| each.client == id(PORTAL)).unwrap()
}

fn in_contoso(is: &mut Is) -> &mut crate::drift::actual::ServicePrincipal {
    let all = is.principals.get_mut(&CONTOSO).unwrap();
    all.iter_mut().find(|each| each.client == client()).unwrap()
}

fn at_contoso() -> ObjectId {
    principal(CONTOSO, client())
}

fn trusted(is: &mut Is) -> &mut Federated {
    &mut is.federated.get_mut(&object(client())).unwrap()[0]
}

fn site(is: &mut Is, app: App) -> &mut crate::drift::actual::Site {
    is.sites.iter_mut().find(|site| site.app == Some(app)).unwrap()
}

fn whole(name: &str) -> DirectoryRole {
    DirectoryRole { name: name.to_owned(), over: None }
}

fn credential(kind: CredentialKind) -> Credential {
    Credential { id: Uuid::from_u128(0x5ec), kind, ends: None }
}

fn set(is: &mut Is, app: App, name: &str, value: &str) {
    let Settings(all) = is.settings.get_mut(&app).unwrap();
    all.insert(name.to_owned(), value.to_owned());
}

fn route(is: &mut Is, change: fn(&mut Route)) {
    let mut route = is.routes.pop_first().unwrap();
    change(&mut route);
    is.routes.insert(route);
}

fn grant(is: &mut Is, scope: &str, person: Option<ObjectId>) {
    let scopes = [scope.to_owned()].into();
    let grant = Delegated { id: "g1".to_owned(), resource: GRAPH, scopes, person };
    is.delegated.entry(at_contoso()).or_default().push(grant);
}

#[rustfmt::skip]
const ROWS: &[Row] = &[
    ("a registration is deleted", |is| is.registrations.retain(|each| each.client != id(0xc010 + 6)), "registration", High),
    ("a password on a worker", |is| registration(is).credentials.push(credential(CredentialKind::Password)), SECRETLESS, Critical),
    ("a certificate on a worker", |is| registration(is).credentials.push(credential(CredentialKind::Key)), SECRETLESS, Critical),
    ("a password on the portal", |is| portal(is).credentials.push(credential(CredentialKind::Password)), SECRETLESS, Critical),
    ("another issuer is trusted", |is| trusted(is).issuer = "https://login.example/other/v2.0".to_owned(), "federated-credential", Critical),
    ("another subject is trusted", |is| trusted(is).subject = id(0xbad).to_string(), "federated-credential", Critical),
    ("another audience is trusted", |is| trusted(is).audiences = ["api://other".to_owned()].into(), "federated-credential", Critical),
    ("one audience more", |is| { trusted(is).audiences.insert("api://other".to_owned()); }, "federated-credential", Critical),
    ("a second federated credential", |is| { let more = Federated { id: id(0xfed), subject: "repo:evil".to_owned(), ..trusted(is).clone() }; is.federated.get_mut(&object(client())).unwrap().push(more); }, "federated-credential", Critical),
    ("the federated credential is gone", |is| { is.federated.insert(object(client()), Vec::new()); }, "federated-credential", Medium),
    ("the registration is owned", |is| { is.owners.insert(object(client()), vec![id(0x999)]); }, "application-owner", Critical),
    ("a redirect more", |is| { portal(is).redirects.insert("https://evil.example/auth/callback".to_owned()); }, "redirect-uri", Critical),
    ("a redirect of a worker", |is| { registration(is).redirects.insert("http://localhost".to_owned()); }, "redirect-uri", Critical),
    ("the redirect is gone", |is| portal(is).redirects.clear(), "redirect-uri", Medium),
    ("tokens without a code", |is| portal(is).implicit = true, "redirect-uri", Critical),
    ("a scope more", |is| { registration(is).scopes.insert("user_impersonation".to_owned()); }, "exposed-interface", High),
    ("a scope less", |is| portal(is).scopes.clear(), "exposed-interface", Medium),
    ("a role more", |is| { portal(is).app_roles.insert("Root".to_owned()); }, "exposed-interface", High),
    ("a client in advance", |is| { portal(is).preauthorized.insert(id(0x999)); }, "exposed-interface", High),
    ("personal accounts", |is| portal(is).audience = Name::new("AzureADandPersonalMicrosoftAccount"), "exposed-interface", High),
    ("the lock is off", |is| registration(is).locked = false, "service-principal-lock", High),
    ("another identity runs", |is| { site(is, App::Intake).identities.insert(id(0x999)); }, "function-app", Critical),
    ("no identity runs", |is| site(is, App::Execute).identities.clear(), "function-app", Critical),
    ("HTTP is answered", |is| site(is, App::Signin).https_only = false, "function-app", High),
    ("a password deploys", |is| site(is, App::Execute).basic_publishing = true, "function-app", Critical),
    ("a sixth function app", |is| { let more = crate::drift::actual::Site { app: None, name: Name::new("airlock-extra"), public: false, ..site(is, App::Drift).clone() }; is.sites.push(more); }, "function-app", Critical),
    ("execute is public", |is| site(is, App::Execute).public = true, "network-access", Critical),
    ("everybody is let in", |is| { site(is, App::Intake).admits.insert((Name::new("*"), std::collections::BTreeSet::new())); }, "network-access", High),
    ("another's front door is let in", |is| { let door = (Name::new("AzureFrontDoor.Backend"), [Name::new("other")].into()); site(is, App::Signin).admits = [door].into(); }, "network-access", High),
    ("the vault is public", |is| is.stores[0].public = true, "network-access", Critical),
    ("the bus is public", |is| is.stores[2].public = true, "network-access", High),
    ("a function more", |is| { let more = Function { name: Name::new("shell"), triggers: [Name::new("httpTrigger")].into() }; is.functions.get_mut(&App::Execute).unwrap().push(more); }, "function", Critical),
    ("a function is called otherwise", |is| { let all = is.functions.get_mut(&App::Rotate).unwrap(); let one = all.iter_mut().find(|each| each.name == Name::new("rotate")).unwrap(); one.triggers = [Name::new("httpTrigger")].into(); }, "function", Critical),
    ("a function is gone", |is| { is.functions.get_mut(&App::Drift).unwrap().pop(); }, "function", Medium),
    ("a secret in the settings", |is| set(is, App::Intake, "GRAPH_CLIENT_SECRET", "abc"), "app-setting", Critical),
    ("a connection string in a known setting", |is| set(is, App::Intake, "AIRLOCK_LOG", "Endpoint=sb://x;SharedAccessKey=abc"), "app-setting", Critical),
    ("a setting that moves trust", |is| set(is, App::Execute, "AZURE_AUTHORITY_HOST", "https://evil.example"), "app-setting", Critical),
    ("a setting that nobody knows", |is| set(is, App::Drift, "DEBUG_MODE", "1"), "app-setting", High),
    ("another package runs", |is| is.running[0].package = Digest::of(&[b"other"]), "package", Critical),
    ("the database takes keys", |is| is.stores[1].keyed = true, "keyed-access", Critical),
    ("storage takes keys", |is| is.stores[3].keyed = true, "keyed-access", Critical),
    ("keys can be purged", |is| is.stores[0].kept = false, "retention", High),
    ("anchors can be deleted", |is| is.stores[4].kept = false, "retention", High),
    ("a role more", |is| { let first = is.role_assignments[0].clone(); is.role_assignments.push(RoleAssignment { principal: id(0x999), ..first }); }, "azure-role", Critical),
    ("a declared role over more", |is| { let last = is.role_assignments.last().unwrap().clone(); is.role_assignments.push(RoleAssignment { scope: Name::new(""), ..last }); }, "azure-role", Critical),
    ("a role less", |is| { is.role_assignments.pop(); }, "azure-role", Medium),
    ("a route to an inner app", |is| { let more = Route { id: Name::new("/routes/x"), patterns: ["/x/*".to_owned()].into(), hosts: [Name::new("airlock-execute.azurewebsites.net")].into(), enabled: true, https: true }; is.routes.insert(more); }, "front-door-route", Critical),
    ("a route for more", |is| route(is, |route| { route.patterns.insert("/*".to_owned()); }), "front-door-route", Critical),
    ("a route to another host too", |is| route(is, |route| { route.hosts.insert(Name::new("evil.example")); }), "front-door-route", Critical),
    ("a route that is closed", |is| route(is, |route| route.enabled = false), "front-door-route", Medium),
    ("a principal is gone", |is| is.principals.get_mut(&CONTOSO).unwrap().retain(|each| each.client != client()), "service-principal", Medium),
    ("a principal is disabled", |is| in_contoso(is).enabled = false, "service-principal", Medium),
    ("a principal of another's registration", |is| in_contoso(is).home = Some(FABRIKAM), "service-principal", Critical),
    ("a password on a principal", |is| in_contoso(is).credentials.push(credential(CredentialKind::Password)), "secretless-principal", Critical),
    ("the principal is owned", |is| { is.owners.insert(at_contoso(), vec![id(0x999)]); }, "principal-owner", High),
    ("a permission more", |is| is.app_roles.get_mut(&at_contoso()).unwrap().push(AppRole { resource: GRAPH, role: "Directory.ReadWrite.All".to_owned() }), "application-permission", Critical),
    ("a permission over another interface", |is| is.app_roles.get_mut(&at_contoso()).unwrap().push(AppRole { resource: id(0x777), role: "full_access".to_owned() }), "application-permission", Critical),
    ("a permission less", |is| is.app_roles.get_mut(&at_contoso()).unwrap().clear(), "application-permission", Medium),
    ("a grant for everybody", |is| grant(is, "Mail.Read", None), "delegated-grant", Critical),
    ("a grant for one", |is| grant(is, "Mail.Read", Some(id(0x5))), "delegated-grant", High),
    ("a directory role more", |is| is.directory_roles.get_mut(&at_contoso()).unwrap().push(whole("Global Administrator")), "directory-role", Critical),
    ("a role over more than was declared", |is| { let all = is.directory_roles.get_mut(&principal(CONTOSO, id(0xc010 + 7))).unwrap(); all.push(whole(CREDENTIAL_REMOVER)); }, "directory-role", Critical),
    ("a directory role less", |is| is.directory_roles.get_mut(&at_contoso()).unwrap().clear(), "directory-role", Medium),
    ("the rotator owns a worker", |is| { is.owned.insert(principal(CONTOSO, id(0xc010 + 6)), vec![object(client())]); }, "rotator-ownership", Critical),
];

#[tokio::test]
async fn each_single_change_is_found_by_the_right_check_and_no_other() {
    let stage = Stage::new().await;
    let declared = stage.actual.is.lock().unwrap().clone();
    // One process for all of them, as it is in a deployment.
    let drift = stage.drift();
    drift.round().await.unwrap();
    for (what, change, check, severity) in ROWS {
        change(&mut stage.actual.is.lock().unwrap());
        let round = drift.round().await.unwrap();
        stage.world.seal().await;

        let standing = stage.standing().await;
        let said: Vec<_> =
            standing.iter().map(|each| (each.check.as_str(), each.severity)).collect();
        let worst = said.iter().map(|(_, severity)| *severity).max();
        assert!(said.iter().all(|(found, _)| found == check), "{what}: {said:?}");
        assert_eq!(worst, Some(*severity), "{what}: {said:?}");
        assert_eq!((round.unreadable, round.failed), (0, 0), "{what}");
        println!("{severity:?} {check}: {what} ({} found)", said.len());

        *stage.actual.is.lock().unwrap() = declared.clone();
        *stage.actual.reversed.lock().unwrap() ^= true;
        let round = drift.round().await.unwrap();
        stage.world.seal().await;
        assert_eq!(round.resolved, said.len(), "{what}");
        assert_eq!(stage.standing().await, [], "{what}");
    }
    assert!(ROWS.len() >= 40, "{}", ROWS.len());
}
