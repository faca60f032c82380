//! Where the pages lead, and whom they answer.

use super::{
    people::{authorize, choose, code, handle_in, person, returned, sign_in},
    *,
};

#[tokio::test]
async fn the_code_comes_back_to_where_it_was_asked_with_the_state() {
    let cloud = cloud();
    let home = cloud.names.tenant;
    let page = authorize(&cloud, home, &sign_in(&cloud)).await;
    let handle = handle_in(&page);
    let person = person(&cloud, home).user_principal_name;
    let fields = vec![("request", handle), ("person", person)];

    let (place, query) = returned(&choose(&cloud, home, &fields).await);
    assert_eq!(place, "http://localhost:7001/auth/callback");
    assert_eq!(query["state"], "a&b");
    assert!(query["session_state"].is_string());

    let again = choose(&cloud, home, &fields).await;
    assert_eq!(again.status(), StatusCode::BAD_REQUEST);
}

#[tokio::test]
async fn a_page_is_answered_only_at_its_own_tenant_and_by_its_own_form() {
    let cloud = cloud();
    let home = cloud.names.tenant;
    let handle = handle_in(&authorize(&cloud, home, &sign_in(&cloud)).await);
    let person = person(&cloud, fabrikam()).user_principal_name;
    let fields = vec![("request", handle), ("person", person)];
    assert_eq!(choose(&cloud, fabrikam(), &fields).await.status(), StatusCode::BAD_REQUEST);

    let handle = handle_in(&authorize(&cloud, home, &sign_in(&cloud)).await);
    let person = self::person(&cloud, home).user_principal_name;
    let body = encoded(&vec![("request", handle), ("person", person)]);
    let sent_from = async |origin: &str| {
        let asked = Request::post(format!("{}/{home}/login", cloud.names.pages))
            .header(header::ORIGIN, origin)
            .body(Bytes::from(body.clone()))
            .unwrap();
        Entra::answer_page(&cloud, asked).await.status()
    };
    assert_eq!(sent_from("http://localhost:7000").await, StatusCode::BAD_REQUEST);
    assert_eq!(sent_from(&cloud.names.pages).await, StatusCode::FOUND);
}

#[tokio::test]
async fn a_client_that_is_not_known_is_never_redirected_to() {
    let cloud = cloud();
    let home = cloud.names.tenant;
    let good = sign_in(&cloud);
    let worker = application_id("airlock-worker-accounts").to_string();

    for parameters in [
        with(good.clone(), "redirect_uri", "http://localhost:7001/auth/callback/"),
        with(good.clone(), "redirect_uri", "https://evil.example/auth/callback"),
        with(good.clone(), "client_id", &worker),
        with(good, "client_id", "x"),
    ] {
        let answer = authorize(&cloud, home, &parameters).await;
        assert_eq!(answer.status(), StatusCode::BAD_REQUEST);
        assert!(!answer.headers().contains_key(header::LOCATION));
    }
}

#[tokio::test]
async fn a_client_that_is_known_learns_what_is_wrong() {
    let cloud = cloud();
    let good = sign_in(&cloud);

    for (parameters, error, code) in [
        (with(good.clone(), "response_type", "id_token"), "unsupported_response_type", 700_054),
        (with(good.clone(), "response_mode", "fragment"), "invalid_request", 70_007),
        (with(good.clone(), "scope", "profile"), "invalid_scope", 70_011),
        (with(good.clone(), "scope", "openid User.Read"), "invalid_scope", 70_011),
        (with(good.clone(), "code_challenge", ""), "invalid_request", 50_147),
        (with(good.clone(), "code_challenge_method", "plain"), "invalid_request", 501_491),
        (with(good.clone(), "prompt", "none"), "login_required", 50_058),
        (with(good, "claims", "{"), "invalid_request", 9_002_313),
    ] {
        let (_, query) = returned(&authorize(&cloud, cloud.names.tenant, &parameters).await);
        assert_eq!(query["error"], error);
        let description = query["error_description"].as_str().unwrap();
        assert!(description.starts_with(&format!("AADSTS{code}: ")), "{description}");
        assert_eq!(query["state"], "a&b");
    }
}

#[tokio::test]
async fn a_declined_sign_in_tells_the_client() {
    let cloud = cloud();
    let home = cloud.names.tenant;
    let handle = handle_in(&authorize(&cloud, home, &sign_in(&cloud)).await);
    let fields = vec![("request", handle), ("cancel", "yes".to_owned())];

    let (_, query) = returned(&choose(&cloud, home, &fields).await);

    assert_eq!(query["error"], "access_denied");
    assert!(query["code"].is_null());
}

#[tokio::test]
async fn sign_out_tells_the_application_in_a_frame_and_returns_only_to_known_places() {
    let cloud = cloud();
    let home = cloud.names.tenant;
    code(&cloud, home, &sign_in(&cloud)).await;
    let hint = login_hint(home, person(&cloud, home).object);
    let get = async |back: &str| {
        let url = format!(
            "{}/{home}/oauth2/v2.0/logout?logout_hint={hint}&post_logout_redirect_uri={back}",
            cloud.names.pages
        );
        let asked: Asked = Request::get(url).body(Bytes::new()).unwrap();
        let answer = Entra::answer_page(&cloud, asked).await;
        String::from_utf8(answer.body().to_vec()).unwrap()
    };

    let first = get("http://localhost:7000/signed-out").await;
    assert!(first.contains("<iframe src=\"http://localhost:7001/auth/front-channel-sign-out?"));
    assert!(first.contains("url=http://localhost:7000/signed-out"));

    let second = get("https://evil.example/").await;
    assert!(!second.contains("<iframe"));
    assert!(!second.contains("evil.example"));
}
