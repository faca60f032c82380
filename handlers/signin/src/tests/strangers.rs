//! What strangers cost us: few questions to Entra, no writes, and nothing at all beyond a pace.

use super::*;

#[tokio::test]
async fn who_makes_up_codes_has_entra_asked_once() {
    let world = World::new().await;
    let (path, browser) = on_the_way(&world).await;
    let instance = world.router();
    let cookie = format!("{START}={}", browser.expose());
    let made_up = async |number: u32| {
        let path = path.replace("code=code-0", &format!("code=junk-{number}"));
        let request = Request::get(path).header("cookie", &cookie);
        World::answered_by(instance.clone(), request.body(Body::empty()).unwrap()).await
    };
    let written = world.written().await;

    for number in 0..60 {
        assert_eq!(made_up(number).await.location(), FAILED);
    }

    assert_eq!(world.entra.redeemed(), 1);
    assert_eq!(world.written().await, written);
}

#[tokio::test]
async fn a_strangers_garbage_is_put_off_before_anything_is_done_for_it() {
    let world = World::new().await;
    let instance = world.router();
    let asked = async |address: &str| {
        // What a sign-in starts with: the first one of the day wraps and stores a key.
        let request = Request::post("/auth/challenge").header("x-forwarded-for", address);
        World::answered_by(instance.clone(), request.body(Body::empty()).unwrap()).await
    };

    let mut refused = None;
    for _ in 0..5000 {
        let answer = asked("198.51.100.7, 203.0.113.9:4711").await;
        if answer.status != 200 {
            refused = Some(answer);
            break;
        }
    }

    let refused = refused.expect("somebody who asks 5000 times in a row is put off");
    assert_eq!(problem(&refused), (429, "too-many"));
    assert_eq!(refused.headers[header::RETRY_AFTER], "1");
    assert_eq!(asked("203.0.113.10:4711").await.status, 200);
}

#[tokio::test]
async fn a_script_of_the_portal_may_read_that_it_has_to_wait() {
    let world = World::new().await;
    let instance = world.router();
    let asked = async || {
        let request = Request::post("/auth/challenge")
            .header("x-forwarded-for", "203.0.113.9:4711")
            .header("origin", PORTAL)
            .header("sec-fetch-site", "same-site");
        World::answered_by(instance.clone(), request.body(Body::empty()).unwrap()).await
    };

    let mut answer = asked().await;
    while answer.status == 200 {
        answer = asked().await;
    }

    assert_eq!(problem(&answer), (429, "too-many"));
    assert_eq!(answer.headers[header::ACCESS_CONTROL_ALLOW_ORIGIN], PORTAL);
    assert_eq!(answer.headers[header::ACCESS_CONTROL_EXPOSE_HEADERS], "retry-after");
}

#[tokio::test]
async fn strangers_make_us_write_nothing() {
    let world = World::new().await;
    world.challenge().await;
    let written = world.written().await;

    for _ in 0..3 {
        let started = world.started_by_portal(None).await;
        let browser = started.cookie(START).unwrap();
        let forged = world.at_entra(&started).replace("code=code-", "code=forged-");
        world.called_back(&forged, &[(START, &browser)]).await;
    }

    assert_eq!(written, [("sealing-key", 1)].into());
    assert_eq!(world.written().await, written);
}
