//! Which pages may call which route.

use super::*;

/// Every route that needs a session, called without one and from another origin.
#[tokio::test]
async fn every_route_refuses_strangers_and_other_sites() {
    let world = World::new().await;
    let cookie = world.signed_in().await;
    let written = world.written().await;
    let cookies = format!("{SESSION}={}", cookie.expose());
    let evil = [
        ("cookie", cookies.as_str()),
        ("origin", "https://evil.example"),
        ("sec-fetch-site", "cross-site"),
    ];
    let body = json!({ "person": World::person(1) });

    for (method, path) in [
        (Method::GET, "/auth/session"),
        (Method::GET, "/auth/call-the-api"),
        (Method::POST, "/auth/sign-out"),
        (Method::POST, "/auth/revocations"),
    ] {
        let stranger = world.asked(method.clone(), path, &[], Some(&body)).await;
        assert_eq!(problem(&stranger), (401, "not-signed-in"), "{path}");
        let other_site = world.asked(method, path, &evil, Some(&body)).await;
        assert_eq!(problem(&other_site), (403, "wrong-origin"), "{path}");
        assert!(!other_site.headers.contains_key(header::ACCESS_CONTROL_ALLOW_ORIGIN));
    }
    for path in ["/auth/challenge", "/auth/start", "/auth/redeem"] {
        let other_site = world.asked(Method::POST, path, &evil, Some(&body)).await;
        assert_eq!(problem(&other_site), (403, "wrong-origin"), "{path}");
    }
    assert_eq!(world.written().await, written);
}

#[tokio::test]
async fn a_preflight_allows_exactly_the_portal_with_credentials() {
    let world = World::new().await;
    let preflight = async |origin: &str| {
        let headers = [
            ("origin", origin),
            ("access-control-request-method", "POST"),
            ("access-control-request-headers", "content-type,x-airlock-csrf"),
        ];
        world.asked(Method::OPTIONS, "/auth/sign-out", &headers, None).await.headers
    };

    let portal = preflight(PORTAL).await;
    let evil = preflight("https://evil.example").await;
    let api = preflight(API).await;

    assert_eq!(portal[header::ACCESS_CONTROL_ALLOW_ORIGIN], PORTAL);
    assert_eq!(portal[header::ACCESS_CONTROL_ALLOW_CREDENTIALS], "true");
    assert_eq!(
        portal[header::ACCESS_CONTROL_ALLOW_HEADERS],
        "content-type,x-airlock-csrf,traceparent"
    );
    assert!(!evil.contains_key(header::ACCESS_CONTROL_ALLOW_ORIGIN));
    assert!(!api.contains_key(header::ACCESS_CONTROL_ALLOW_ORIGIN));
}
