//! What can be read of users, of the organization and of applications, and in which form.

use super::*;

#[test]
fn a_user_who_is_not_asked_about_tells_eleven_properties() {
    let world = World::new();

    let (status, by_id) =
        world.get("airlock-worker-lookup", &format!("/v1.0/users/{}", user("nina")));
    let (_, by_name) = world.get("airlock-worker-lookup", "/V1.0/Users/NINA%40contoso.example");

    assert_eq!(status, 200);
    assert_eq!(by_id["@odata.context"], "https://graph.microsoft.com/v1.0/$metadata#users/$entity");
    let mut names: Vec<&String> = by_id.as_object().unwrap().keys().collect();
    names.sort();
    assert_eq!(
        names,
        [
            "@odata.context",
            "businessPhones",
            "displayName",
            "givenName",
            "id",
            "jobTitle",
            "mail",
            "mobilePhone",
            "officeLocation",
            "preferredLanguage",
            "surname",
            "userPrincipalName",
        ]
    );
    assert_eq!(by_id["id"], by_name["id"]);
}

#[test]
fn a_selection_shows_exactly_what_it_names() {
    let world = World::new();
    let select =
        "$select=id,accountEnabled,userType,onPremisesSyncEnabled,signInSessionsValidFromDateTime";

    let (_, sven) =
        world.get("airlock-worker-lookup", &format!("/v1.0/users/{}?{select}", user("sven")));
    let (_, nina) =
        world.get("airlock-worker-lookup", &format!("/v1.0/users/{}?{select}", user("nina")));
    let (status, body) = world
        .get("airlock-worker-lookup", &format!("/v1.0/users/{}?$select=id,password", user("nina")));

    assert_eq!(sven["onPremisesSyncEnabled"], true);
    assert_eq!(nina["onPremisesSyncEnabled"], Value::Null);
    assert_eq!(nina["accountEnabled"], true);
    assert_eq!(nina.as_object().unwrap().len(), 6);
    assert_eq!((status, code(&body)), (400, "BadRequest"));
}

#[test]
fn people_are_found_by_the_start_of_their_name_or_by_their_whole_address() {
    let world = World::new();
    let filter = "$filter=startswith(displayName,'o')%20or%20userPrincipalName%20eq%20'NINA@contoso.example'";

    let (status, body) = world
        .get("airlock-worker-lookup", &format!("/v1.0/users?{filter}&$select=userPrincipalName"));

    assert_eq!(status, 200);
    assert_eq!(
        values(&body, "userPrincipalName"),
        [
            "nina@contoso.example",
            "olga@contoso.example",
            "oscar@contoso.example",
            "owen@contoso.example"
        ]
    );
}

#[test]
fn pages_show_everybody_once() {
    let world = World::new();
    let mut path = "/v1.0/users?$top=5&$select=id".to_owned();
    let mut seen = Vec::new();
    let mut pages = 0;

    loop {
        let (status, body) = world.get("airlock-worker-lookup", &path);
        assert_eq!(status, 200, "{body}");
        seen.extend(
            body["value"]
                .as_array()
                .unwrap()
                .iter()
                .map(|user| user["id"].as_str().unwrap().to_owned()),
        );
        pages += 1;
        let Some(next) = body["@odata.nextLink"].as_str() else {
            break;
        };
        path = next.strip_prefix("https://graph.microsoft.com").unwrap().to_owned();
    }

    assert_eq!((pages, seen.len()), (4, 17));
    seen.sort();
    seen.dedup();
    assert_eq!(seen.len(), 17);
    for wrong in ["$top=0", "$top=1000", "$top=x"] {
        assert_eq!(
            world.get("airlock-worker-lookup", &format!("/v1.0/users?{wrong}")).0,
            400,
            "{wrong}"
        );
    }
    let (_, body) = world.get("airlock-worker-lookup", "/v1.0/users?$skiptoken=!");
    assert_eq!(code(&body), "Directory_ExpiredPageToken");
}

#[test]
fn what_is_not_offered_is_refused_and_not_ignored() {
    let world = World::new();
    let nina = user("nina");

    for path in [
        format!("/v1.0/users/{nina}?$expand=memberOf"),
        "/v1.0/users?$search=\"displayName:n\"".replace('"', "%22"),
        "/v1.0/users?$filter=startswith(displayName".to_owned(),
        "/v1.0/users?$filter=a%20eq%20'b'".to_owned(),
        "/v1.0/users?$top=1&$top=2".to_owned(),
        format!("/v1.0/users/{nina}/manager"),
        format!("/v1.0/users/{nina}/transitiveMemberOf/microsoft.graph.device"),
        "/v1.0/nothing".to_owned(),
        "/v2.0/users".to_owned(),
        "/v1.0/users/%GG".to_owned(),
        format!("/v1.0/users//{nina}"),
        format!(
            "/v1.0/roleManagement/directory/transitiveRoleAssignments?$filter=principalId%20eq%20'{nina}'&$count=true"
        ),
    ] {
        assert_eq!(world.get("airlock-worker-lookup", &path).0, 400, "{path}");
    }
    assert_eq!(world.post("airlock-worker-lookup", "/v1.0/users", json!({})).0, 405);
}

#[test]
fn the_organization_tells_its_domain() {
    let world = World::new();

    let (_, body) = world.get("airlock-worker-lookup", "/v1.0/organization");

    assert_eq!(body["value"][0]["id"], json!(contoso()));
    assert_eq!(body["value"][0]["verifiedDomains"][0]["name"], "contoso.example");
}

#[test]
fn service_principals_are_found_by_their_application() {
    let world = World::new();
    let client = crate::identities::application_id("airlock-portal");

    let (_, found) = world
        .get("airlock-observer", &format!("/v1.0/servicePrincipals?$filter=appId+eq+'{client}'"));

    assert_eq!(values(&found, "displayName"), ["airlock-portal"]);
    let id = found["value"][0]["id"].as_str().unwrap();
    let (_, one) =
        world.get("airlock-observer", &format!("/v1.0/servicePrincipals/{id}?$select=id,appRoles"));
    assert_eq!(one["appRoles"].as_array().unwrap().len(), 6);
}
