//! Delta queries: everything once, then what changed, and the end of a token.

use super::*;
use crate::directory::{Growth, Resync, Touch};

const OBSERVER: &str = "airlock-observer";

/// A round of a delta query: what it told, how many pages it had, and where the next one begins.
struct Round {
    objects: Vec<Value>,
    pages: usize,
    next: String,
}

impl World {
    fn round(&self, from: &str) -> Round {
        let (mut objects, mut pages, mut path) = (Vec::new(), 0, from.to_owned());
        loop {
            let (status, body) = self.get(OBSERVER, &path);
            assert_eq!(status, 200, "{path}: {body}");
            pages += 1;
            objects.extend(body["value"].as_array().unwrap().clone());
            match (body["@odata.nextLink"].as_str(), body["@odata.deltaLink"].as_str()) {
                (Some(next), None) => path = below(next),
                (None, Some(next)) => return Round { objects, pages, next: below(next) },
                _ => panic!("a page has one link: {body}"),
            }
        }
    }
}

#[test]
fn a_first_round_tells_everything_and_the_next_what_changed() {
    let world = World::new();
    world.directory.grow(contoso(), Growth { people: 0, applications: 230 });
    let total = world.all(OBSERVER, "/v1.0/applications").len();

    let first = world.round("/v1.0/applications/delta?$select=appId,displayName");
    let quiet = world.round(&first.next);
    let touched = world.directory.touch(contoso(), Touch { applications: 7 });
    let removed =
        world.alter(json!({ "kind": "remove_application", "application": "application-000100" }));
    let second = world.round(&quiet.next);

    assert_eq!((first.objects.len(), first.pages), (total, total.div_ceil(100)));
    assert!(first.objects.iter().all(|one| one.as_object().unwrap().len() == 3));
    assert!(quiet.objects.is_empty());
    assert_eq!((touched, second.objects.len(), second.pages), (Some(7), 8, 1));
    let gone = json!({ "id": removed["id"], "@removed": { "reason": "changed" } });
    assert!(second.objects.contains(&gone));
    assert!(world.round(&second.next).objects.is_empty());
}

#[test]
fn what_changes_while_pages_are_read_is_told_in_the_next_round() {
    let world = World::new();
    world.directory.grow(contoso(), Growth { people: 0, applications: 150 });
    let (_, page) = world.get(OBSERVER, "/v1.0/servicePrincipals/delta");

    world.alter(json!({
        "kind": "set_enabled", "service_principal": "airlock-worker-devices", "enabled": false,
    }));
    let rest = world.round(&below(page["@odata.nextLink"].as_str().unwrap()));
    let next = world.round(&rest.next);

    assert_eq!(
        values(&json!({ "value": next.objects }), "displayName"),
        ["airlock-worker-devices"]
    );
    assert_eq!(next.objects[0]["accountEnabled"], false);
}

#[test]
fn a_grant_that_is_withdrawn_is_deleted_for_good() {
    let world = World::new();
    let added =
        world.alter(json!({ "kind": "add_grant", "client": "payroll", "scope": "User.Read" }));
    let first = world.round("/v1.0/oauth2PermissionGrants/delta");

    world.alter(json!({ "kind": "remove_grants", "client": "payroll" }));

    assert_eq!(first.objects.len(), 1);
    let gone = json!({ "id": added["id"], "@removed": { "reason": "deleted" } });
    assert_eq!(world.round(&first.next).objects, [gone]);
}

#[test]
fn who_asks_for_the_latest_is_told_nothing_of_before() {
    let world = World::new();

    let latest = world.round("/v1.0/applications/delta?$deltatoken=latest");
    world.alter(json!({ "kind": "add_certificate", "on": { "application": "payroll" } }));

    assert_eq!((latest.objects.len(), latest.pages), (0, 1));
    let told = world.round(&latest.next).objects;
    assert_eq!(told.len(), 1);
    assert_eq!(told[0]["keyCredentials"].as_array().unwrap().len(), 1);
}

#[test]
fn who_is_trusted_anew_is_told_as_a_change_of_the_application_and_an_owner_is_not() {
    let world = World::new();
    let before = world.round("/v1.0/applications/delta").next;

    world.alter(json!({ "kind": "add_owner", "of": { "application": "timesheets" },
        "owner": { "service_principal": "payroll" } }));
    let owned = world.round(&before);
    world.alter(json!({ "kind": "add_federated_credential", "application": "payroll",
        "name": "more", "subject": "someone" }));

    assert!(owned.objects.is_empty());
    let told = world.round(&owned.next).objects;
    assert_eq!(values(&json!({ "value": told }), "displayName"), ["payroll"]);
}

#[test]
fn pages_are_as_long_as_is_preferred() {
    let world = World::new();
    let caller = world.application(OBSERVER);
    let prefer = [("prefer", "odata.maxpagesize=4")];

    let (_, page) = world.send(&caller, "GET", "/v1.0/applications/delta", &prefer, Value::Null);
    let too_long = [("prefer", "odata.maxpagesize=1000")];
    let refused = world.send(&caller, "GET", "/v1.0/applications/delta", &too_long, Value::Null).0;

    assert_eq!(page["value"].as_array().unwrap().len(), 4);
    assert_eq!(refused, 400);
}

#[test]
fn a_token_ends_when_it_is_expired_and_counts_only_where_it_was_given() {
    let world = World::new();
    let token = world.round("/v1.0/applications/delta").next;
    let elsewhere = token.replace("/applications/", "/servicePrincipals/");
    let garbage = "/v1.0/applications/delta?$deltatoken=x".to_owned();
    let refused = |path: &str| {
        let (status, error) = world.get(OBSERVER, path);
        (status, code(&error).to_owned())
    };
    let gone = || (410, "syncStateNotFound".to_owned());

    assert_eq!((refused(&elsewhere), refused(&garbage)), (gone(), gone()));
    assert_eq!(refused(&token).0, 200);
    world.directory.expire_deltas(Resync::Gone);
    assert_eq!(refused(&token), gone());
    let token = world.round("/v1.0/applications/delta").next;
    world.directory.expire_deltas(Resync::Aged);
    assert_eq!(refused(&token), (400, "syncStateNotFound".to_owned()));
}

#[test]
fn what_is_restored_is_told_as_a_change() {
    let world = World::new();
    let kept = world.directory.keep();
    world.alter(json!({ "kind": "set_audience", "application": "airlock-worker-groups",
        "audience": "AzureADandPersonalMicrosoftAccount" }));
    let changed = world.round("/v1.0/applications/delta").next;

    world.directory.restore(kept).unwrap();

    let told = world.round(&changed).objects;
    assert_eq!(values(&json!({ "value": told }), "signInAudience"), ["AzureADMultipleOrgs"]);
    assert!(world.directory.restore(9).is_err());
}

#[test]
fn a_large_tenant_is_told_in_proportion_to_what_changed() {
    let world = World::new();
    world.directory.grow(contoso(), Growth { people: 0, applications: 5_000 });
    let first = world.round("/v1.0/applications/delta?$select=id,appId");

    world.directory.touch(contoso(), Touch { applications: 10 });
    let second = world.round(&first.next);

    assert!(first.pages > 50);
    assert_eq!((second.pages, second.objects.len()), (1, 10));
}
