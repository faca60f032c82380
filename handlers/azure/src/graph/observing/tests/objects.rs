use airlock_core::drift::actual::{Credential, CredentialKind, Name};

use super::*;

/// An `application` as Graph writes one: what is not set is null or empty.
fn application(number: u128) -> Value {
    json!({
        "id": shouted(number),
        "appId": shouted(number + 100),
        "signInAudience": "AzureADMultipleOrgs",
        "passwordCredentials": [],
        "keyCredentials": [],
        "web": {
            "homePageUrl": null,
            "logoutUrl": null,
            "redirectUris": [],
            "redirectUriSettings": [],
            "implicitGrantSettings": {
                "enableIdTokenIssuance": false, "enableAccessTokenIssuance": false
            },
        },
        "spa": { "redirectUris": [] },
        "publicClient": { "redirectUris": [] },
        "isFallbackPublicClient": null,
        "api": {
            "acceptMappedClaims": null,
            "knownClientApplications": [],
            "requestedAccessTokenVersion": 2,
            "oauth2PermissionScopes": [],
            "preAuthorizedApplications": [],
        },
        "appRoles": [],
        "servicePrincipalLockConfiguration": {
            "isEnabled": true,
            "allProperties": true,
            "credentialsWithUsageVerify": true,
            "credentialsWithUsageSign": true,
            "tokenEncryptionKeyId": true,
        },
    })
}

/// The same with one value put in its place.
fn with(pointer: &str, value: Value) -> Value {
    let mut object = application(1);
    let (parent, name) = pointer.rsplit_once('/').unwrap();
    object.pointer_mut(parent).unwrap()[name] = value;
    object
}

fn without(pointer: &str) -> Value {
    let mut object = application(1);
    let (parent, name) = pointer.rsplit_once('/').unwrap();
    object.pointer_mut(parent).unwrap().as_object_mut().unwrap().remove(name);
    object
}

async fn registered(object: Value) -> Result<Registration, PortError> {
    let canned = Canned::new(move |_| Reply::all(json!([object])));
    let found = canned.graph.registrations(tenant(), &[id(101)]).await?;
    let [found] = <[Registration; 1]>::try_from(found).unwrap();
    Ok(found)
}

#[tokio::test]
async fn registrations_are_asked_for_by_client_id_twenty_in_a_call() {
    let canned = Canned::new(|path| {
        assert!(path.starts_with("/applications?$filter=appId%20eq%20'a0000000-"), "{path}");
        // Every other one is there.
        let number: u128 =
            (101..=125).find(|number| path.contains(&id(*number).to_string())).unwrap();
        let found =
            if number.is_multiple_of(2) { json!([application(number - 100)]) } else { json!([]) };
        Reply::all(found)
    });
    let asked: Vec<ObjectId> = (101..=125).rev().map(id).collect();

    let found = canned.graph.registrations(tenant(), &asked).await.unwrap();

    let clients: Vec<ObjectId> = found.iter().map(|one| one.client).collect();
    let there: Vec<ObjectId> = (101..=125).filter(|number| number % 2 == 0).map(id).collect();
    assert_eq!(clients, there);
    assert_eq!(found[0].object, id(2));
    assert_eq!(canned.calls().len(), 2);
    assert!(canned.calls().iter().all(|call| call.priority == "low"));
}

#[tokio::test]
async fn nobody_is_asked_about_nothing() {
    let canned = Canned::new(|path| panic!("asked for {path}"));
    let graph = &canned.graph;

    assert!(graph.registrations(tenant(), &[]).await.unwrap().is_empty());
    assert!(graph.app_roles(tenant(), &[]).await.unwrap().is_empty());
    assert!(graph.directory_roles(tenant(), &[]).await.unwrap().is_empty());
    assert!(graph.admirers(tenant(), &[], &[id(1)]).await.unwrap().is_empty());
    assert_eq!(graph.changes(tenant(), &BTreeSet::new(), year()).await.unwrap(), Some(Vec::new()));
}

#[tokio::test]
async fn a_registration_without_anything_is_read_as_one() {
    let found = registered(application(1)).await.unwrap();

    assert_eq!((found.client, found.object), (id(101), id(1)));
    assert_eq!(found.audience, Name::new("azureadmultipleorgs"));
    assert!(found.locked && !found.implicit);
    assert!(found.credentials.is_empty() && found.redirects.is_empty());
    assert!(found.scopes.is_empty() && found.app_roles.is_empty());
    assert!(found.preauthorized.is_empty());
}

#[tokio::test]
async fn keys_and_passwords_are_credentials_alike() {
    let password = json!({
        "keyId": shouted(7), "displayName": "x", "hint": "abc", "secretText": null,
        "startDateTime": "2026-01-01T00:00:00Z", "endDateTime": "2026-07-01T10:00:00.1234567Z",
    });
    let key = |usage: &str| {
        json!({
            "keyId": shouted(8), "type": "AsymmetricX509Cert", "usage": usage, "key": null,
            "endDateTime": null, "customKeyIdentifier": "AA==",
        })
    };
    let mut object = with("/passwordCredentials", json!([password]));
    object["keyCredentials"] = json!([key("Sign"), key("Verify"), key("SomethingNew")]);

    let found = registered(object).await.unwrap();

    let ends = Some(at("2026-07-01T10:00:00Z"));
    let expected = [
        Credential { id: id(7).uuid(), kind: CredentialKind::Password, ends },
        Credential { id: id(8).uuid(), kind: CredentialKind::Key, ends: None },
    ];
    assert_eq!(found.credentials, expected);
}

#[tokio::test]
async fn a_credential_that_is_not_understood_is_not_left_out() {
    for bad in [
        json!({ "keyId": null, "endDateTime": null }),
        json!({ "keyId": shouted(7) }),
        json!({ "keyId": shouted(7), "endDateTime": "some day" }),
        json!("x"),
    ] {
        let read = registered(with("/passwordCredentials", json!([bad]))).await;
        assert!(matches!(read, Err(PortError::Broken(_))), "{bad}");
    }
}

#[tokio::test]
async fn people_are_sent_back_to_wherever_any_kind_of_client_may_be() {
    let mut object = with("/web/redirectUris", json!(["https://a.example/"]));
    object["web"]["redirectUriSettings"] = json!([{ "uri": "https://b.example/", "index": 0 }]);
    object["spa"] = json!({ "redirectUris": ["https://c.example/", "https://a.example/"] });
    object["publicClient"] = json!({ "redirectUris": ["http://localhost"] });

    let found = registered(object).await.unwrap();

    let expected =
        ["http://localhost", "https://a.example/", "https://b.example/", "https://c.example/"];
    assert!(found.redirects.iter().eq(expected));
}

#[tokio::test]
async fn tokens_without_a_code_or_a_credential_are_seen() {
    let settings = "/web/implicitGrantSettings";
    for (pointer, value) in [
        ("/isFallbackPublicClient".to_owned(), json!(true)),
        (format!("{settings}/enableIdTokenIssuance"), json!(true)),
        (format!("{settings}/enableAccessTokenIssuance"), json!(true)),
    ] {
        assert!(registered(with(&pointer, value)).await.unwrap().implicit, "{pointer}");
    }
    assert!(!registered(with(settings, Value::Null)).await.unwrap().implicit);
}

#[tokio::test]
async fn a_lock_counts_only_if_it_is_on_and_over_everything() {
    let lock = |value| async {
        registered(with("/servicePrincipalLockConfiguration", value)).await.unwrap().locked
    };

    assert!(lock(json!({ "isEnabled": true, "allProperties": true })).await);
    assert!(!lock(json!({ "isEnabled": false, "allProperties": true })).await);
    assert!(!lock(json!({ "isEnabled": true, "allProperties": false })).await);
    let parts = json!({
        "isEnabled": true, "allProperties": null, "credentialsWithUsageSign": true,
        "credentialsWithUsageVerify": true, "tokenEncryptionKeyId": true,
    });
    assert!(!lock(parts).await);
    assert!(!lock(Value::Null).await);
}

#[tokio::test]
async fn what_it_exposes_counts_if_it_is_enabled() {
    let exposed = json!([
        { "id": shouted(1), "isEnabled": true, "value": "access_as_user", "type": "User" },
        { "id": shouted(2), "isEnabled": false, "value": "old" },
        { "id": shouted(3), "isEnabled": true, "value": null },
    ]);
    let mut object = with("/appRoles", exposed.clone());
    object["api"]["oauth2PermissionScopes"] = exposed;
    object["api"]["preAuthorizedApplications"] =
        json!([{ "appId": shouted(55), "delegatedPermissionIds": [] }]);

    let found = registered(object).await.unwrap();

    assert!(found.scopes.iter().eq(&[id(3).to_string(), "access_as_user".to_owned()]));
    assert_eq!(found.scopes, found.app_roles);
    assert!(found.preauthorized.iter().eq(&[id(55)]));
}

#[tokio::test]
async fn what_graph_leaves_out_is_not_taken_for_none() {
    for pointer in [
        "/id",
        "/appId",
        "/signInAudience",
        "/passwordCredentials",
        "/keyCredentials",
        "/web",
        "/web/redirectUris",
        "/web/implicitGrantSettings",
        "/web/implicitGrantSettings/enableIdTokenIssuance",
        "/spa",
        "/publicClient",
        "/isFallbackPublicClient",
        "/api",
        "/api/oauth2PermissionScopes",
        "/api/preAuthorizedApplications",
        "/appRoles",
        "/servicePrincipalLockConfiguration",
        "/servicePrincipalLockConfiguration/allProperties",
    ] {
        let read = registered(without(pointer)).await;
        assert!(matches!(read, Err(PortError::Broken(_))), "{pointer}");
    }
}

#[tokio::test]
async fn another_object_than_the_one_asked_for_is_not_taken_for_it() {
    for answer in [json!([application(2)]), json!([application(1), application(1)])] {
        let canned = Canned::new(move |_| Reply::all(answer.clone()));
        let read = canned.graph.registrations(tenant(), &[id(101)]).await;
        assert!(matches!(read, Err(PortError::Broken(_))));
    }
}

#[tokio::test]
async fn service_principals_tell_their_own_credentials_and_their_home() {
    let principal = |enabled: Value, home: Value| {
        json!({
            "id": shouted(1), "appId": shouted(101), "accountEnabled": enabled,
            "appOwnerOrganizationId": home, "keyCredentials": [],
            "passwordCredentials": [{ "keyId": shouted(7), "endDateTime": null }],
        })
    };
    let read = |object: Value| async {
        let canned = Canned::new(move |path| {
            assert!(path.starts_with("/servicePrincipals?$filter=appId%20eq%20'"), "{path}");
            Reply::all(json!([object]))
        });
        canned.graph.service_principals(tenant(), &[id(101)]).await.map(|mut all| all.remove(0))
    };

    let found = read(principal(json!(true), json!(shouted(9)))).await.unwrap();
    assert_eq!((found.client, found.object), (id(101), id(1)));
    assert_eq!(found.home, Some(TenantId::new(id(9).uuid())));
    assert_eq!(found.credentials.len(), 1);
    assert!(found.enabled);
    assert!(!read(principal(json!(false), Value::Null)).await.unwrap().enabled);
    assert!(read(principal(Value::Null, Value::Null)).await.unwrap().enabled);
    assert!(read(principal(json!("no"), Value::Null)).await.is_err());
}

#[tokio::test]
async fn identities_are_read_by_their_ids_and_one_that_is_gone_is_left_out() {
    let principal = |number: u128| {
        json!({
            "id": shouted(number), "appId": shouted(100 + number), "accountEnabled": true,
            "appOwnerOrganizationId": null, "passwordCredentials": [],
            "keyCredentials": [{ "keyId": shouted(7), "endDateTime": "2026-07-01T10:00:00Z" }],
        })
    };
    let canned = Canned::new(move |path| {
        let asked = about(path);
        if asked == id(2).to_string() {
            return Reply::refused(404, "Request_ResourceNotFound");
        }
        let number = if asked == id(1).to_string() { 1 } else { 4 };
        Reply::ok(principal(number))
    });

    let found = canned.graph.identities(tenant(), &[id(1), id(2)]).await.unwrap();

    assert_eq!(found.len(), 1);
    assert_eq!((found[0].object, found[0].home), (id(1), None));
    assert_eq!(found[0].credentials[0].kind, CredentialKind::Key);
    assert_eq!(canned.calls().len(), 1);
    assert!(canned.graph.identities(tenant(), &[]).await.unwrap().is_empty());
    // Another one is not taken for it.
    assert!(canned.graph.identities(tenant(), &[id(3)]).await.is_err());
}

#[tokio::test]
async fn an_identity_that_cannot_be_read_is_not_gone() {
    for (status, code) in [(403, "Authorization_RequestDenied"), (503, "serviceNotAvailable")] {
        let canned = Canned::new(move |_| Reply::refused(status, code));

        assert!(canned.graph.identities(tenant(), &[id(1)]).await.is_err(), "{status}");
    }
}

#[tokio::test]
async fn federated_credentials_are_told_for_each_registration() {
    let canned = Canned::new(|path| {
        assert!(path.ends_with("/federatedIdentityCredentials"), "{path}");
        let of = |number: u128, subject: Value, rest: Value| {
            let mut found = json!({
                "id": shouted(number), "name": "x", "description": null,
                "issuer": "https://login.microsoftonline.com/t/v2.0",
                "subject": subject, "audiences": ["api://AzureADTokenExchange"],
            });
            found.as_object_mut().unwrap().extend(rest.as_object().unwrap().clone());
            found
        };
        Reply::all(if about(path) == id(1).to_string() {
            json!([
                of(13, Value::Null, json!({})),
                of(
                    12,
                    Value::Null,
                    json!({ "claimsMatchingExpression": {
                    "value": "claims['sub'] matches 'repo:a/*'", "languageVersion": 1,
                } })
                ),
                of(11, json!(shouted(5)), json!({ "claimsMatchingExpression": null })),
            ])
        } else {
            json!([])
        })
    });

    let found = canned.graph.federated(tenant(), &[id(2), id(1)]).await.unwrap();

    assert!(found[&id(2)].is_empty());
    let subjects: Vec<&str> = found[&id(1)].iter().map(|one| one.subject.as_str()).collect();
    // As it is written: Entra compares it so.
    assert_eq!(subjects, [&*shouted(5), "claims['sub'] matches 'repo:a/*'", "*"]);
    assert_eq!(found[&id(1)][0].id, id(11));
    assert!(found[&id(1)][0].audiences.contains("api://AzureADTokenExchange"));
    assert_eq!(canned.calls().len(), 1);
}

#[tokio::test]
async fn owners_are_told_by_id_alone_in_any_order_and_case() {
    let canned = Canned::new(|path| {
        assert!(path.ends_with("/owners?$select=id&$top=999"), "{path}");
        let user = json!({ "@odata.type": "#microsoft.graph.user", "id": shouted(8) });
        let principal = json!({ "id": id(7).to_string() });
        Reply::all(json!([user, principal, user]))
    });

    let of_application = canned.graph.application_owners(tenant(), &[id(1)]).await.unwrap();
    let of_principal = canned.graph.principal_owners(tenant(), &[id(2)]).await.unwrap();

    assert_eq!(of_application[&id(1)], [id(7), id(8)]);
    assert_eq!(of_principal[&id(2)], [id(7), id(8)]);
}

#[tokio::test]
async fn what_is_owned_is_an_application_unless_it_is_known_to_be_none() {
    let canned = Canned::new(|path| {
        assert_eq!(about(path), id(1).to_string());
        let of = |kind: &str, number| json!({ "@odata.type": format!("#microsoft.graph.{kind}"), "id": shouted(number) });
        Reply::all(json!([
            of("somethingNew", 9),
            of("servicePrincipal", 8),
            of("application", 7),
            of("group", 6),
        ]))
    });

    assert_eq!(canned.graph.owned(tenant(), id(1)).await.unwrap(), [id(7), id(9)]);

    let untold = Canned::new(|_| Reply::all(json!([{ "id": shouted(9) }])));
    assert!(untold.graph.owned(tenant(), id(1)).await.is_err());
}
