//! Each single change is found by the right check, with the right severity, and by no other; and is
//! resolved when it is undone.

use super::*;
use crate::{
    drift::{
        actual::{
            AppRole, AzureRole, Credential, CredentialKind, CustomRole, Delegated, DirectoryRole,
            Federated, Function, IdentityTrust, Name, Over, RoleAssignment, Route, Settings, Way,
        },
        severity::Severity::{self, Critical, High, Medium},
    },
    memory::actual::{GRAPH, Is, object, principal},
    time::Timestamp,
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

/// Of Entra's own: Global Administrator.
const ADMINISTRATOR: Uuid = uuid::uuid!("62e90394-69f5-4237-9190-012177145e10");

fn whole(definition: Uuid, name: &str) -> DirectoryRole {
    DirectoryRole { definition, over: Over::Directory, name: Some(name.to_owned()) }
}

/// Roles of the worker that resets passwords: User Administrator alone.
fn roles(is: &mut Is) -> &mut Vec<DirectoryRole> {
    is.directory_roles.get_mut(&at_contoso()).unwrap()
}

/// Roles of the application that takes credentials away.
fn removing(is: &mut Is) -> &mut Vec<DirectoryRole> {
    is.directory_roles.get_mut(&principal(CONTOSO, id(0xc010 + 7))).unwrap()
}

fn remover(is: &mut Is) -> &mut CustomRole {
    &mut is.custom_roles[0]
}

/// The role in Azure that creates blobs.
fn creator(is: &mut Is) -> &mut AzureRole {
    let id = Name::new("8a3a3f6e-63d0-4a2b-9c39-7d0c6f3a1e04");
    is.azure_roles.iter_mut().find(|each| each.id == id).unwrap()
}

/// Principal id of an app's identity.
fn identity(app: App) -> ObjectId {
    let index = APPS.into_iter().chain([App::Admin]).position(|each| each == app).unwrap();
    id(0xa000 + index as u128)
}

fn identified(is: &mut Is, app: App) -> &mut crate::drift::actual::ServicePrincipal {
    is.identities.iter_mut().find(|each| each.object == identity(app)).unwrap()
}

fn managed(is: &mut Is, app: App) -> &mut crate::drift::actual::ManagedIdentity {
    is.managed.iter_mut().find(|each| each.principal == identity(app)).unwrap()
}

/// Somebody whom an identity is made to trust.
fn pipeline(subject: Option<&str>) -> IdentityTrust {
    IdentityTrust {
        name: Name::new("ci"),
        issuer: "https://token.actions.example".to_owned(),
        subject: subject.map(str::to_owned),
        audiences: ["api://AzureADTokenExchange".to_owned()].into(),
    }
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

fn grant(is: &mut Is, of: ObjectId, scope: &str, person: Option<ObjectId>) {
    let scopes = [scope.to_owned()].into();
    let grant = Delegated { id: "g1".to_owned(), resource: GRAPH, scopes, person };
    is.delegated.entry(of).or_default().push(grant);
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
    ("the database takes keys", |is| is.stores[1].keyed = [Way::SharedKeys].into(), "keyed-access", Critical),
    ("storage takes keys", |is| is.stores[3].keyed = [Way::LocalUsers].into(), "keyed-access", Critical),
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
    ("a grant for everybody", |is| grant(is, at_contoso(), "Mail.Read", None), "delegated-grant", Critical),
    ("a grant for one", |is| grant(is, at_contoso(), "Mail.Read", Some(id(0x5))), "delegated-grant", High),
    ("a directory role more", |is| roles(is).push(whole(ADMINISTRATOR, "Global Administrator")), "directory-role", Critical),
    ("a directory role that is called like the declared one", |is| roles(is).push(whole(Uuid::from_u128(0xbad), "User Administrator")), "directory-role", Critical),
    ("another directory role by the declared name", |is| roles(is)[0].definition = ADMINISTRATOR, "directory-role", Critical),
    ("a role over more than was declared", |is| { let role = removing(is)[0].clone(); removing(is).push(DirectoryRole { over: Over::Directory, ..role }); }, "directory-role", Critical),
    ("a role over an application that was not declared", |is| { let rotator = object(id(0xc010 + 6)); removing(is)[0].over = Over::Object(rotator); }, "directory-role", Critical),
    ("a role over a part of the directory, instead", |is| roles(is)[0].over = Over::Part(Name::new("/administrativeUnits/1")), "directory-role", Critical),
    ("a directory role less", |is| roles(is).clear(), "directory-role", Medium),
    ("a role over an application less", |is| { removing(is).pop(); }, "directory-role", Medium),
    ("a role of our own allows more", |is| { remover(is).actions.insert(Name::new("microsoft.directory/applications/owners/update")); }, "directory-role-definition", Critical),
    ("a role of our own allows something else", |is| remover(is).actions = [Name::new("microsoft.directory/users/password/update")].into(), "directory-role-definition", Critical),
    ("a role of our own exists twice, and once allows more", |is| { let more = CustomRole { id: Uuid::from_u128(0xbad), actions: [Name::new("microsoft.directory/applications/allProperties/allTasks")].into(), ..remover(is).clone() }; is.custom_roles.push(more); }, "directory-role-definition", Critical),
    ("a role of our own allows less", |is| remover(is).actions.clear(), "directory-role-definition", Medium),
    ("a role of our own is switched off", |is| remover(is).enabled = false, "directory-role-definition", Medium),
    ("a role of our own in Azure allows more", |is| { creator(is).data_actions.insert(Name::new("Microsoft.Storage/storageAccounts/blobServices/containers/blobs/write")); }, "azure-role-definition", Critical),
    ("a role of our own in Azure allows everything", |is| creator(is).actions = [Name::new("*")].into(), "azure-role-definition", Critical),
    ("a role of our own in Azure takes something out", |is| { let action = creator(is).data_actions.first().unwrap().clone(); creator(is).excluded.insert(action); }, "azure-role-definition", Medium),
    ("a role of our own in Azure allows less", |is| creator(is).data_actions.clear(), "azure-role-definition", Medium),
    ("a role of our own in Azure can be assigned elsewhere", |is| { creator(is).assignable.insert(Name::new("/subscriptions/1")); }, "azure-role-definition", Medium),
    ("a role of our own in Azure is gone", |is| { is.azure_roles.pop(); }, "azure-role-definition", Medium),
    ("an identity holds a permission", |is| is.app_roles.get_mut(&identity(App::Execute)).unwrap().push(AppRole { resource: GRAPH, role: "User.Read.All".to_owned() }), "application-permission", Critical),
    ("an identity calls another application", |is| is.app_roles.get_mut(&identity(App::Signin)).unwrap().push(AppRole { resource: id(0x777), role: "Confirmations.Ask".to_owned() }), "application-permission", Critical),
    ("an inner app calls intake", |is| { let asks = is.app_roles[&identity(App::Signin)].clone(); is.app_roles.get_mut(&identity(App::Drift)).unwrap().extend(asks); }, "application-permission", Critical),
    ("an identity may not call what it calls", |is| is.app_roles.get_mut(&identity(App::Signin)).unwrap().clear(), "application-permission", Medium),
    ("an identity holds a directory role", |is| { is.directory_roles.insert(identity(App::Rotate), vec![whole(ADMINISTRATOR, "Global Administrator")]); }, "directory-role", Critical),
    ("an identity holds a role of our own", |is| { let role = removing(is)[0].clone(); is.directory_roles.insert(identity(App::Rotate), vec![role]); }, "directory-role", Critical),
    ("an identity acts for everybody", |is| grant(is, identity(App::Intake), "Mail.Read", None), "delegated-grant", Critical),
    ("an identity acts for one", |is| grant(is, identity(App::Intake), "openid", Some(id(0x5))), "delegated-grant", High),
    ("an identity is owned", |is| { is.owners.insert(identity(App::Drift), vec![id(0x999)]); }, "principal-owner", High),
    ("an identity has a password", |is| identified(is, App::Execute).credentials.push(credential(CredentialKind::Password)), "secretless-principal", Critical),
    ("an identity has a certificate that does not end", |is| identified(is, App::Admin).credentials.push(credential(CredentialKind::Key)), "secretless-principal", Critical),
    ("an identity has a certificate for a year", |is| identified(is, App::Signin).credentials[0].ends = Some(Timestamp::from_unix_s(crate::tests::world::NOON + 365 * 86_400)), "secretless-principal", Critical),
    ("an identity is disabled", |is| identified(is, App::Intake).enabled = false, "service-principal", Medium),
    ("an identity is gone", |is| is.identities.retain(|each| each.object != identity(App::Signin)), "service-principal", Medium),
    ("an identity trusts a pipeline", |is| managed(is, App::Execute).trusts.push(pipeline(Some("repo:evil/evil"))), "identity-trust", Critical),
    ("the admin plane's identity trusts by a pattern", |is| managed(is, App::Admin).trusts.push(pipeline(None)), "identity-trust", Critical),
    ("an identity is in no group of ours", |is| is.managed.retain(|each| each.principal != identity(App::Drift)), "identity-trust", Medium),
    ("the rotator owns a worker", |is| { is.owned.insert(principal(CONTOSO, id(0xc010 + 6)), vec![object(client())]); }, "rotator-ownership", Critical),
];

#[tokio::test]
async fn whatever_is_planted_on_any_identity_is_found() {
    type Planting = (&'static str, fn(&mut Is, App));
    let plantings: [Planting; 6] = [
        ("application-permission", |is, app| {
            let role = AppRole { resource: GRAPH, role: "User.Read.All".to_owned() };
            is.app_roles.entry(identity(app)).or_default().push(role);
        }),
        ("directory-role", |is, app| {
            is.directory_roles.insert(identity(app), vec![whole(ADMINISTRATOR, "any")]);
        }),
        ("delegated-grant", |is, app| grant(is, identity(app), "User.Read", None)),
        ("principal-owner", |is, app| drop(is.owners.insert(identity(app), vec![id(0x999)]))),
        ("secretless-principal", |is, app| {
            identified(is, app).credentials.push(credential(CredentialKind::Password));
        }),
        ("identity-trust", |is, app| managed(is, app).trusts.push(pipeline(Some("repo:x")))),
    ];
    let stage = Stage::new().await;
    let declared = stage.actual.is.lock().unwrap().clone();
    let drift = stage.drift();
    for app in APPS.into_iter().chain([App::Admin]) {
        for (_, plant) in plantings {
            plant(&mut stage.actual.is.lock().unwrap(), app);
        }
        drift.round().await.unwrap();
        stage.world.seal().await;

        let standing = stage.standing().await;
        let mut found: Vec<_> =
            standing.iter().map(|each| (each.check.as_str(), each.severity)).collect();
        found.sort_unstable();
        let mut expected = plantings.map(|(check, _)| match check {
            "principal-owner" => (check, High),
            check => (check, Critical),
        });
        expected.sort_unstable();
        assert_eq!(found, expected, "{app}");
        let whose = format!("/identity/{app}/");
        let open =
            |each: &Finding| each.drift.as_ref().is_some_and(|each| each.state == State::Open);
        for finding in stage.all().await.iter().filter(|each| open(each)) {
            assert!(finding.subject.contains(&whose), "{}", finding.subject);
        }

        *stage.actual.is.lock().unwrap() = declared.clone();
        drift.round().await.unwrap();
        stage.world.seal().await;
        assert_eq!(stage.standing().await, [], "{app}");
    }
}

#[tokio::test]
async fn a_role_is_known_by_its_id_whatever_it_is_called_or_nobody_knows_its_name() {
    let stage = Stage::new().await;
    {
        let mut is = stage.actual.is.lock().unwrap();
        for role in is.directory_roles.values_mut().flatten() {
            role.name = None;
        }
        remover(&mut is).name = Some("Harmless".to_owned());
    }

    stage.round().await;

    assert_eq!(stage.standing().await, []);
}

#[tokio::test]
async fn the_admin_plane_can_be_a_person() {
    let stage = Stage::new().await;
    {
        let mut is = stage.actual.is.lock().unwrap();
        is.identities.retain(|each| each.object != identity(App::Admin));
        is.managed.retain(|each| each.principal != identity(App::Admin));
    }

    stage.round().await;

    assert_eq!(stage.standing().await, []);
}

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
