pub(super) mod canned;

use azure_core::http::headers::HeaderName;

use super::*;
use canned::{Canned, Reply};

fn graph() -> Graph {
    Canned::graph(&[])
}

#[test]
fn a_request_names_what_it_is_for() {
    let body = json!({ "accountEnabled": false });

    let request = graph().request("PATCH", "/users/1", Some(&body), Uuid::from_u128(5)).unwrap();

    assert_eq!(request.url().as_str(), "https://graph.microsoft.com/v1.0/users/1");
    let header = |name| request.headers().get_optional_string(&HeaderName::from_static(name));
    assert_eq!(header("client-request-id").unwrap(), "00000000-0000-0000-0000-000000000005");
}

#[test]
fn quotes_and_dollars_of_a_path_arrive_as_they_were_meant() {
    let path = "/devices(deviceId='9f1c2d3e-4b5a-4678-8c9d-0e1f2a3b4c5d')/registeredOwners";
    let member = "/groups/1/members/2/$ref";

    let url = |path| graph().request("GET", path, None, Uuid::nil()).unwrap().url().to_string();

    assert_eq!(url(path), format!("https://graph.microsoft.com/v1.0{path}"));
    assert_eq!(url(member), format!("https://graph.microsoft.com/v1.0{member}"));
}

#[test]
fn a_token_goes_to_graph_and_nowhere_else() {
    let graph = graph();

    assert!(graph.below("https://graph.microsoft.com/v1.0/users?$skiptoken=x").is_ok());
    for bad in [
        "https://graph.microsoft.com.evil.example/v1.0/users",
        "https://evil.example/v1.0/users",
        "http://graph.microsoft.com/v1.0/users",
        "https://graph.microsoft.com:8443/v1.0/users",
        "https://x@graph.microsoft.com/v1.0/users",
        "https://graph.microsoft.com/beta/users",
        "https://graph.microsoft.com/v1.0/../beta/users",
        "/v1.0/users",
    ] {
        assert!(graph.below(bad).is_err(), "{bad}");
    }
    assert!(graph.request("GET", "/../beta/users", None, Uuid::nil()).is_err());
    assert!(graph.request("TRACE", "/users", None, Uuid::nil()).is_err());
}

#[tokio::test]
async fn an_application_that_the_manifest_does_not_name_is_not_used() {
    let tenant = TenantId::new(Uuid::nil());

    for other in ["airlock-rotator", OBSERVER] {
        assert!(graph().pipeline(other, tenant).is_err(), "{other}");
    }
    assert!(graph().pipeline(LOOK_UP, tenant).is_ok());
}

#[tokio::test]
async fn every_call_says_how_urgent_it_is_and_has_an_id() {
    let canned = Canned::new(|_| Reply::ok(json!({ "value": [] })));
    let tenant = TenantId::new(Uuid::nil());

    canned.graph.read_all(tenant, "/users").await.unwrap();
    canned.graph.all_access_policies(tenant).await.unwrap();

    let calls = canned.calls();
    let told: Vec<_> = calls.iter().map(|call| (&*call.path, &*call.priority)).collect();
    let policies = "/v1.0/identity/conditionalAccess/policies";
    assert_eq!(told, [("/v1.0/users", "high"), (policies, "low")]);
    assert!(calls.iter().all(|call| Uuid::try_parse(&call.id).is_ok()));
}
