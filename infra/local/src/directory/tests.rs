use serde_json::json;
use uuid::Uuid;

use super::seed::stable_user_id;
use super::*;
use crate::{
    entra::tests::names,
    identities::{Identities, application_id, service_principal_id, stable_id},
};

fn contoso() -> Uuid {
    names().tenant
}

fn fabrikam() -> Uuid {
    stable_id("tenant", "fabrikam.example")
}

#[test]
fn the_seed_names_only_what_it_contains() {
    let directory = Directory::new(&names());

    for card in directory.tenants() {
        directory.look(card.id, |tenant| {
            let exists =
                |id: &Uuid| tenant.people.contains_key(id) || tenant.groups.contains_key(id);
            for group in tenant.groups.values() {
                assert!(group.members.iter().all(exists), "{}", group.name);
                assert!(
                    group.owners.iter().all(|owner| tenant.people.contains_key(owner)),
                    "{}",
                    group.name
                );
            }
            let rotator = service_principal_id("airlock-rotator", tenant.id);
            for registration in tenant.registrations.values() {
                let known = |owner: &Uuid| *owner == rotator || tenant.people.contains_key(owner);
                assert!(registration.owners.iter().all(known), "{}", registration.name);
            }
            let exists = |id: &Uuid| exists(id) || tenant.principals.get(id).is_some();
            assert!(tenant.assignments.iter().all(|held| exists(&held.principal)));
            assert!(tenant.eligible.iter().all(|held| exists(&held.principal)));
            assert!(!tenant.assignments.is_empty());
        });
    }
}

#[test]
fn every_declared_permission_and_role_is_granted_as_declared_and_nothing_else() {
    let directory = Directory::new(&names());
    let identities = Identities::parse(crate::IDENTITIES).unwrap();

    for card in directory.tenants() {
        directory.look(card.id, |tenant| {
            for (name, declared) in &identities.applications {
                let id = service_principal_id(name, tenant.id);
                let mut granted = tenant.roles_held(id, principal::GRAPH);
                let mut permissions = declared.permissions.clone();
                granted.sort();
                permissions.sort();
                assert_eq!(granted, permissions, "{name}");
                let held = tenant.assignments.iter().filter(|held| held.principal == id);
                let (whole, single): (Vec<_>, Vec<_>) = held.partition(|held| held.scope.is_none());
                assert_eq!(whole.len(), declared.directory_roles.len(), "{name}");
                let is_home = tenant.id == contoso();
                let expected = if is_home { declared.removes_credentials_of.len() } else { 0 };
                assert_eq!(single.len(), expected, "{name}");
            }
        });
    }
}

#[test]
fn airlocks_own_applications_begin_as_they_are_declared() {
    let directory = Directory::new(&names());
    let identities = Identities::parse(crate::IDENTITIES).unwrap();

    directory.look(contoso(), |tenant| {
        let ours: Vec<_> = tenant.registrations.values().filter(|one| one.ours).collect();
        assert_eq!(ours.len(), identities.applications.len());
        for one in ours {
            assert_eq!(one.credentials, credentials::Credentials::default(), "{}", one.name);
            assert!(one.owners.is_empty() && one.lock == registration::Lock::FULL, "{}", one.name);
            let trusted = one.federated.iter().map(|one| one.subject.clone());
            let declared = identities.applications[&one.name].trusts.iter();
            let declared = declared.map(|name| crate::identities::principal_id(name).to_string());
            assert_eq!(trusted.collect::<Vec<_>>(), declared.collect::<Vec<_>>(), "{}", one.name);
        }
    });
    let elsewhere = directory
        .look(fabrikam(), |tenant| tenant.registrations.values().filter(|one| one.ours).count());
    assert_eq!(elsewhere, Some(0));
}

#[test]
fn in_every_tenant_the_rotator_owns_some_applications_and_none_of_them_is_airlocks() {
    let directory = Directory::new(&names());
    let identities = Identities::parse(crate::IDENTITIES).unwrap();
    let ours: Vec<Uuid> = identities.applications.keys().map(|name| application_id(name)).collect();

    for card in directory.tenants() {
        let rotator = service_principal_id("airlock-rotator", card.id);
        let (owned, others): (Vec<_>, Vec<_>) = directory
            .look(card.id, |tenant| tenant.registrations.values().cloned().collect::<Vec<_>>())
            .unwrap()
            .into_iter()
            .partition(|registration| registration.owners.contains(&rotator));
        assert!(!owned.is_empty() && !others.is_empty(), "{}", card.name);
        assert!(owned.iter().all(|one| !ours.contains(&one.client)), "{}", card.name);
        assert!(owned.iter().all(|one| one.credentials.history().len() <= 1), "{}", card.name);
    }
}

#[test]
fn the_tenant_of_the_deployment_comes_first() {
    let tenants = Directory::new(&names()).tenants();

    assert_eq!(
        tenants.iter().map(|tenant| tenant.name.as_str()).collect::<Vec<_>>(),
        ["Contoso", "Fabrikam", "Wingtip"]
    );
    assert_eq!(tenants[0].id, contoso());
    assert_eq!(tenants[1].id, fabrikam());
}

#[test]
fn people_sign_in_by_name_whatever_the_case_and_only_at_home() {
    let directory = Directory::new(&names());

    let harriet = directory.sign_in(contoso(), "Harriet@Contoso.Example").unwrap();

    assert_eq!(harriet.app_roles, ["HelpdeskAgent"]);
    assert_eq!(harriet.object, stable_user_id("harriet@contoso.example"));
    assert_eq!(directory.by_object(contoso(), harriet.object), Some(harriet));
    assert_eq!(directory.sign_in(fabrikam(), "harriet@contoso.example"), None);
    assert_eq!(directory.sign_in(Uuid::nil(), "harriet@contoso.example"), None);
}

#[test]
fn a_disabled_person_does_not_sign_in_but_is_known() {
    let directory = Directory::new(&names());

    assert_eq!(directory.sign_in(contoso(), "dora@contoso.example"), None);
    assert!(
        !directory.by_object(contoso(), stable_user_id("dora@contoso.example")).unwrap().enabled
    );
}

#[test]
fn roles_reach_people_through_groups_and_protect_owners_too() {
    let directory = Directory::new(&names());
    let protected = |name: &str| {
        directory
            .look(contoso(), |tenant| {
                tenant.protects(stable_user_id(&format!("{name}@contoso.example")))
            })
            .unwrap()
    };

    for name in ["olga", "rosa", "owen", "ivan"] {
        assert!(protected(name), "{name}");
    }
    // Who is only eligible is not protected by Graph. That is left to who asks it to act.
    for name in ["nina", "oscar", "elias", "harriet", "gus"] {
        assert!(!protected(name), "{name}");
    }
    let roles = directory.look(contoso(), |tenant| {
        tenant
            .roles_of(stable_user_id("rosa@contoso.example"))
            .iter()
            .map(|role| role.name.clone())
            .collect::<Vec<_>>()
    });
    assert_eq!(roles.unwrap(), ["Helpdesk Administrator"]);
}

#[test]
fn membership_reaches_through_nested_groups() {
    let directory = Directory::new(&names());

    let mut groups = directory
        .look(contoso(), |tenant| {
            let nina = stable_user_id("nina@contoso.example");
            tenant.groups_of(nina).iter().map(|group| group.name.clone()).collect::<Vec<_>>()
        })
        .unwrap();

    groups.sort();
    assert_eq!(groups, ["Accounts Payable", "All Staff", "Finance"]);
}

#[test]
fn a_refused_change_leaves_no_effect() {
    let directory = Directory::new(&names());
    let effect = Effect {
        at: OffsetDateTime::now_utc(),
        tenant: contoso(),
        application: "airlock-worker-accounts".to_owned(),
        principal: service_principal_id("airlock-worker-accounts", contoso()),
        correlation: Uuid::from_u128(5),
        agent: None,
        method: "PATCH".to_owned(),
        path: "/v1.0/users/x".to_owned(),
        person: stable_user_id("nina@contoso.example"),
        change: json!({ "accountEnabled": false }),
    };

    let refused = directory.change(effect.clone(), |_, _| Err::<(), _>("no"));
    assert_eq!(refused, Some(Err("no")));
    assert_eq!(directory.snapshot()["effects"], json!([]));

    let made = directory.change(effect, |person, _| {
        person.enabled = false;
        Ok::<_, ()>(())
    });
    assert_eq!(made, Some(Ok(())));
    let snapshot = directory.snapshot();
    assert_eq!(snapshot["effects"][0]["change"], json!({ "accountEnabled": false }));
    let nina = &snapshot["tenants"][contoso().to_string()]["people"]["nina@contoso.example"];
    assert_eq!(nina["accountEnabled"], false);
}

#[test]
fn cards_say_what_is_special_about_people() {
    let directory = Directory::new(&names());
    let what = |tenant: Uuid, name: &str| {
        directory
            .people(tenant)
            .into_iter()
            .find(|card| card.user_principal_name.starts_with(name))
            .unwrap()
            .what
    };

    assert_eq!(what(contoso(), "olga"), "holds the directory role User Administrator");
    assert_eq!(what(contoso(), "elias"), "is eligible for Global Administrator");
    assert_eq!(what(contoso(), "owen"), "owns the role-assignable group Helpdesk Tier 2");
    assert_eq!(what(contoso(), "sven"), "is synchronised from on-premises");
    assert_eq!(what(contoso(), "dora"), "is disabled");
    assert_eq!(what(contoso(), "gus"), "is a guest");
    assert_eq!(what(contoso(), "nina"), "");
    assert_eq!(what(fabrikam(), "fabio"), "holds the directory role Global Administrator");
}
