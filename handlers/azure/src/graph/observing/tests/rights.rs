use std::{
    sync::Arc,
    sync::atomic::{AtomicBool, Ordering::SeqCst},
    time::Duration,
};

use airlock_core::drift::actual::{Name, Over};

use super::*;

const READ: u128 = 0x51;
const WRITE: u128 = 0x52;

fn assigned(role: u128, principal: u128, resource: u128) -> Value {
    json!({
        "id": "x", "deletedDateTime": null, "appRoleId": shouted(role),
        "createdDateTime": "2026-01-01T00:00:00Z", "principalDisplayName": "p",
        "principalId": shouted(principal), "principalType": "ServicePrincipal",
        "resourceDisplayName": "Microsoft Graph", "resourceId": shouted(resource),
    })
}

fn interface(number: u128, roles: &[(u128, &str)]) -> Value {
    let roles: Vec<Value> = roles
        .iter()
        .map(|(role, value)| json!({ "id": shouted(*role), "value": value, "isEnabled": true }))
        .collect();
    json!({ "id": shouted(number), "appId": shouted(number + 100), "appRoles": roles })
}

#[tokio::test]
async fn app_roles_are_told_by_their_values_at_the_interface_that_they_are_over() {
    let canned = Canned::new(|path| match about(path) {
        _ if path.ends_with("?$select=id,appId,appRoles") => {
            Reply::ok(interface(30, &[(READ, "User.Read.All"), (WRITE, "User.ReadWrite.All")]))
        }
        one if one == id(1).to_string() => Reply::all(json!([
            assigned(WRITE, 1, 30),
            assigned(READ, 1, 30),
            assigned(0x99, 1, 30),
        ])),
        _ => Reply::all(json!([])),
    });

    let held = canned.graph.app_roles(tenant(), &[id(1), id(2)]).await.unwrap();

    let roles: Vec<(ObjectId, &str)> =
        held[&id(1)].iter().map(|held| (held.resource, held.role.as_str())).collect();
    let unknown = id(0x99).to_string();
    let client = id(130);
    assert_eq!(
        roles,
        [(client, "User.Read.All"), (client, "User.ReadWrite.All"), (client, unknown.as_str()),]
    );
    assert!(held[&id(2)].is_empty());
    assert_eq!(canned.calls().len(), 2);
}

#[tokio::test(start_paused = true)]
async fn an_interface_is_read_once_in_an_hour_unless_it_has_a_role_that_is_not_known() {
    let has_new_role = Arc::new(AtomicBool::new(false));
    let now = Arc::clone(&has_new_role);
    let canned = Canned::new(move |path| {
        let known: &[(u128, &str)] = &[(READ, "Read"), (WRITE, "Write")];
        let known = if now.load(SeqCst) { known } else { &known[..1] };
        if path.contains("appRoles") && !path.contains("appRoleAssignments") {
            return Reply::ok(interface(30, known));
        }
        let held: Vec<Value> = known.iter().map(|(role, _)| assigned(*role, 1, 30)).collect();
        Reply::all(json!(held))
    });
    let read = || async {
        let before = canned.calls().len();
        let held = canned.graph.app_roles(tenant(), &[id(1)]).await.unwrap();
        let roles: Vec<String> = held[&id(1)].iter().map(|held| held.role.clone()).collect();
        (roles, canned.calls().len() - before)
    };
    let old = vec!["Read".to_owned()];
    let new = vec!["Read".to_owned(), "Write".to_owned()];

    assert_eq!(read().await, (old.clone(), 2));
    assert_eq!(read().await, (old, 1));
    has_new_role.store(true, SeqCst);
    assert_eq!(read().await, (new.clone(), 2));
    assert_eq!(read().await, (new.clone(), 1));
    tokio::time::advance(Duration::from_hours(1)).await;
    assert_eq!(read().await, (new, 2));
}

#[tokio::test]
async fn a_right_over_an_interface_that_is_gone_is_over_nothing_declared() {
    let canned = Canned::new(|path| {
        if path.contains("$select=id,appId,appRoles") {
            return Reply::refused(404, "Request_ResourceNotFound");
        }
        Reply::all(json!([assigned(READ, 1, 30)]))
    });

    let held = canned.graph.app_roles(tenant(), &[id(1)]).await.unwrap();

    assert_eq!(
        (held[&id(1)][0].resource, &*held[&id(1)][0].role),
        (id(30), &*id(READ).to_string())
    );
}

#[tokio::test]
async fn anothers_rights_are_not_taken_for_ones_own() {
    let canned = Canned::new(|path| {
        if path.contains("$select=id,appId,appRoles") {
            return Reply::ok(interface(30, &[]));
        }
        let grant = json!({
            "id": "g", "clientId": shouted(2), "consentType": "AllPrincipals",
            "principalId": null, "resourceId": shouted(30), "scope": "x",
        });
        Reply::all(if path.contains("oauth2") {
            json!([grant])
        } else {
            json!([assigned(READ, 2, 30)])
        })
    });

    assert!(canned.graph.app_roles(tenant(), &[id(1)]).await.is_err());
    assert!(canned.graph.delegated(tenant(), &[id(1)]).await.is_err());
}

#[tokio::test]
async fn a_grant_is_in_everybodys_name_unless_it_is_certainly_one_persons() {
    let canned = Canned::new(|path| {
        if path.contains("$select=id,appId,appRoles") {
            return Reply::ok(interface(30, &[]));
        }
        let grant = |name: &str, consent: Value, person: Value| {
            json!({
                "id": name, "clientId": shouted(1), "consentType": consent, "principalId": person,
                "resourceId": shouted(30), "scope": " User.Read  Mail.Read",
            })
        };
        Reply::all(json!([
            grant("d", json!("SomethingNew"), json!(shouted(5))),
            grant("c", json!("Principal"), Value::Null),
            grant("b", json!("Principal"), json!(shouted(5))),
            grant("a", json!("AllPrincipals"), Value::Null),
        ]))
    });

    let held = canned.graph.delegated(tenant(), &[id(1)]).await.unwrap();

    let persons: Vec<(&str, Option<ObjectId>)> =
        held[&id(1)].iter().map(|grant| (grant.id.as_str(), grant.person)).collect();
    assert_eq!(persons, [("a", None), ("b", Some(id(5))), ("c", None), ("d", None)]);
    assert!(held[&id(1)].iter().all(|grant| grant.resource == id(130)));
    assert!(held[&id(1)][0].scopes.iter().eq(["Mail.Read", "User.Read"]));
    assert_eq!(canned.calls().len(), 2);
}

const ADMINISTRATOR: Uuid = uuid::uuid!("62e90394-69f5-4237-9190-012177145e10");
const OF_USERS: Uuid = uuid::uuid!("fe930be7-5e62-47db-91af-98c3a49a38b1");
/// A role that was made since the names were read, and one that has none.
const NEW: Uuid = uuid::uuid!("aaaaaaaa-0000-4000-8000-000000000001");
const NAMELESS: Uuid = uuid::uuid!("aaaaaaaa-0000-4000-8000-000000000002");

fn holds(principal: u128, role: Uuid) -> Value {
    json!({
        "id": "x", "principalId": shouted(principal), "directoryScopeId": "/", "appScopeId": null,
        "roleDefinitionId": role.to_string().to_uppercase(),
    })
}

/// The same role over something else.
fn over(directory: Value, part: Value) -> Value {
    let mut assigned = holds(1, OF_USERS);
    assigned["directoryScopeId"] = directory;
    assigned["appScopeId"] = part;
    assigned
}

fn names() -> Reply {
    Reply::all(json!([
        { "id": ADMINISTRATOR, "displayName": "Global Administrator" },
        { "id": OF_USERS.to_string().to_uppercase(), "displayName": "User Administrator" },
        { "id": NAMELESS, "displayName": null },
    ]))
}

fn group(number: u128, roles: Value) -> Value {
    let kind = "#microsoft.graph.group";
    let mut group = json!({ "@odata.type": kind, "id": shouted(number) });
    group["isAssignableToRole"] = roles;
    group
}

#[tokio::test]
async fn directory_roles_are_those_given_to_it_and_to_its_groups() {
    let canned = Canned::new(|path| {
        let is_for = |number: u128| path.contains(&id(number).to_string());
        if path == "/roleManagement/directory/roleDefinitions?$select=id,displayName" {
            return names();
        }
        if path.contains("transitiveMemberOf") {
            let kind = "#microsoft.graph.administrativeUnit";
            let unit = json!({ "@odata.type": kind, "id": shouted(9) });
            let no = [group(41, json!(false)), group(42, Value::Null), unit];
            let of_second = json!([group(40, json!(true)), no[0], no[1], no[2]]);
            return Reply::all(if is_for(2) { of_second } else { json!([]) });
        }
        assert!(path.starts_with("/roleManagement/directory/roleAssignments?$filter="), "{path}");
        assert!(!is_for(41) && !is_for(42), "a group that can hold no role was asked for");
        Reply::all(match () {
            () if is_for(1) => {
                let one = over(format!("/{}", shouted(77)).into(), Value::Null);
                json!([holds(1, OF_USERS), holds(1, OF_USERS), holds(1, NEW), one])
            }
            () if is_for(40) => json!([holds(40, ADMINISTRATOR), holds(40, NAMELESS)]),
            () => json!([]),
        })
    });

    let held = canned.graph.directory_roles(tenant(), &[id(1), id(2), id(3)]).await.unwrap();

    let whole = |definition: Uuid, name: Option<&str>| DirectoryRole {
        definition,
        over: Over::Directory,
        name: name.map(str::to_owned),
    };
    let user = whole(OF_USERS, Some("User Administrator"));
    let one = DirectoryRole { over: Over::Object(id(77)), ..user.clone() };
    assert_eq!(held[&id(1)], [whole(NEW, None), user, one]);
    let administrator = whole(ADMINISTRATOR, Some("Global Administrator"));
    assert_eq!(held[&id(2)], [administrator, whole(NAMELESS, None)]);
    assert!(held[&id(3)].is_empty());
    assert_eq!(canned.calls().len(), 4);
}

#[tokio::test]
async fn only_what_is_certainly_the_directory_or_one_object_is_taken_for_it() {
    let unit = format!("/administrativeUnits/{}", shouted(9));
    for (directory, part, expected) in [
        (json!("/"), Value::Null, Over::Directory),
        (json!(format!("/{}", shouted(7))), Value::Null, Over::Object(id(7))),
        (json!(unit), Value::Null, Over::Part(Name::new(&unit))),
        (json!(shouted(7)), Value::Null, Over::Part(Name::new(&shouted(7)))),
        (json!(""), Value::Null, Over::Part(Name::new(""))),
        (Value::Null, json!("/Catalog/1"), Over::Part(Name::new("/catalog/1"))),
        (Value::Null, Value::Null, Over::Part(Name::new(""))),
    ] {
        let assigned = over(directory.clone(), part);
        let canned = Canned::new(move |path| {
            if path.contains("roleDefinitions") {
                return names();
            }
            let none = path.contains("transitiveMemberOf");
            Reply::all(if none { json!([]) } else { json!([assigned]) })
        });

        let held = canned.graph.directory_roles(tenant(), &[id(1)]).await.unwrap();

        assert_eq!(held[&id(1)][0].over, expected, "{directory}");
    }
}

#[tokio::test]
async fn roles_of_a_tenants_own_are_told_with_all_that_they_allow() {
    let role = |built_in: bool, permissions: Value| {
        json!({
            "id": shouted(1), "templateId": shouted(2), "displayName": "Remover",
            "isBuiltIn": built_in, "isEnabled": true, "rolePermissions": permissions,
        })
    };
    let read = async |role: Value| {
        let canned = Canned::new(move |path| {
            let asked = "/roleManagement/directory/roleDefinitions?$filter=isBuiltIn%20eq%20false&";
            assert!(path.starts_with(asked), "{path}");
            Reply::all(json!([role]))
        });
        canned.graph.custom_roles(tenant()).await
    };

    let permissions = json!([
        { "allowedResourceActions": ["microsoft.directory/Users/standard/read"], "condition": null },
        { "allowedResourceActions": ["a/b", "a/c"], "condition": "$ResourceIsSelf" },
    ]);
    let found = read(role(false, permissions)).await.unwrap().remove(0);

    assert_eq!((found.id, found.template), (id(1).uuid(), id(2).uuid()));
    assert_eq!((found.name.as_deref(), found.enabled), (Some("Remover"), true));
    let actions: Vec<&str> = found.actions.iter().map(Name::as_str).collect();
    assert_eq!(actions, ["a/b", "a/c", "microsoft.directory/users/standard/read"]);
    // A filter that meant nothing, and a role that does not say what it allows.
    assert!(read(role(true, json!([]))).await.is_err());
    assert!(read(role(false, Value::Null)).await.is_err());
    assert!(read(role(false, json!([{}]))).await.is_err());
}

#[tokio::test]
async fn a_group_that_does_not_say_whether_it_holds_roles_is_not_harmless() {
    let canned = Canned::new(|path| {
        let mut group = group(40, Value::Null);
        group.as_object_mut().unwrap().remove("isAssignableToRole");
        Reply::all(if path.contains("MemberOf") { json!([group]) } else { json!([]) })
    });

    let read = canned.graph.directory_roles(tenant(), &[id(1)]).await;

    assert!(matches!(read, Err(PortError::Broken(_))));
}

#[tokio::test]
async fn a_role_of_another_is_not_taken_for_ones_own() {
    let canned = Canned::new(|path| {
        let others = json!([holds(2, OF_USERS)]);
        Reply::all(if path.contains("MemberOf") { json!([]) } else { others })
    });

    assert!(canned.graph.directory_roles(tenant(), &[id(1)]).await.is_err());
}
