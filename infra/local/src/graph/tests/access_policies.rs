//! Conditional-access policies: who may read them, in pages, and who may switch them.

use super::*;

const POLICIES: &str = "/v1.0/identity/conditionalAccess/policies";
const OBSERVER: &str = "airlock-observer";

fn policy(name: &str) -> Uuid {
    stable_id("access-policy", &format!("contoso.example/{name}"))
}

/// Somebody else's tool, which the tenant allows this.
fn tool(permissions: &[&str]) -> Caller {
    Caller {
        tenant: contoso(),
        object: Uuid::from_u128(7),
        identity: None,
        application: None,
        roles: permissions.iter().map(|&name| name.to_owned()).collect(),
    }
}

/// All policies, as whoever follows the pages reads them, and how many pages that took.
fn read(world: &World) -> (Vec<Value>, usize) {
    let (mut all, mut pages, mut next) = (Vec::new(), 0, Some(POLICIES.to_owned()));
    while let Some(path) = next {
        let (status, mut body) = world.get(OBSERVER, &path);
        assert_eq!(status, 200, "{body}");
        all.append(body["value"].as_array_mut().unwrap());
        pages += 1;
        let link = body["@odata.nextLink"].as_str();
        next = link.map(|link| link.trim_start_matches("https://graph.microsoft.com").to_owned());
    }
    (all, pages)
}

fn switched(world: &World, caller: &Caller, id: Uuid, body: Value) -> (u16, Value) {
    world.send(caller, "PATCH", &format!("{POLICIES}/{id}"), &[], body)
}

#[test]
fn the_observer_reads_them_all_page_by_page() {
    let (all, pages) = read(&World::new());

    let of = |policy: &Value| {
        let contexts =
            &policy["conditions"]["applications"]["includeAuthenticationContextClassReferences"];
        (policy["state"].as_str().unwrap().to_owned(), contexts.to_string())
    };
    let seen: Vec<(String, String)> = all.iter().map(of).collect();
    let expected = [
        ("enabled", "[]"),
        ("enabledForReportingButNotEnforced", r#"["c2"]"#),
        ("disabled", r#"["c3"]"#),
        ("enabled", r#"["c4"]"#),
        ("enabled", r#"["c1"]"#),
    ]
    .map(|(state, contexts)| (state.to_owned(), contexts.to_owned()));
    assert_eq!(seen, expected);
    assert_eq!(pages, 3);
    assert_eq!(all[3]["conditions"]["users"]["includeGroups"], json!([group("Finance")]));
    assert_eq!(all[3]["conditions"]["users"]["includeUsers"], json!([]));
    assert_eq!(all[1]["grantControls"]["authenticationStrength"]["requirementsSatisfied"], "mfa");
}

#[test]
fn no_other_application_of_ours_reads_them() {
    let world = World::new();

    for name in world.identities.applications.keys().filter(|name| *name != OBSERVER) {
        let (status, body) = world.get(name, POLICIES);
        assert_eq!((status, code(&body)), (403, "Authorization_RequestDenied"), "{name}");
    }
    assert_eq!(world.get(OBSERVER, &format!("{POLICIES}?$filter=state+eq+'enabled'")).0, 400);
}

#[test]
fn only_who_has_all_of_three_permissions_switches_one() {
    let world = World::new();
    let id = policy("Step-up for sensitive work");
    let all = ["Policy.Read.All", "Policy.ReadWrite.ConditionalAccess", "Application.Read.All"];
    let off = || json!({ "state": "disabled" });

    for without in 0..all.len() {
        let mut some = all.to_vec();
        some.remove(without);
        assert_eq!(switched(&world, &tool(&some), id, off()).0, 403, "{some:?}");
    }
    for name in world.identities.applications.keys() {
        assert_eq!(switched(&world, &world.application(name), id, off()).0, 403, "{name}");
    }
    // Not with a token that says more than the file either.
    let more = Caller { roles: all.map(str::to_owned).to_vec(), ..world.application(OBSERVER) };
    assert_eq!(switched(&world, &more, id, off()).0, 403);
    for bad in [json!({}), json!({ "state": "off" }), json!({ "state": "enabled", "x": 1 })] {
        assert_eq!(switched(&world, &tool(&all), id, bad).0, 400);
    }
    assert_eq!(switched(&world, &tool(&all), Uuid::nil(), off()).0, 404);
    assert_eq!(world.effects(), Vec::<Value>::new());

    assert_eq!(switched(&world, &tool(&all), id, off()).0, 204);

    let (policies, _) = read(&world);
    assert_eq!((&policies[4]["id"], &policies[4]["state"]), (&json!(id), &json!("disabled")));
    assert!(policies[4]["modifiedDateTime"].is_string());
    assert_eq!(world.effects()[0]["change"], off());
}
