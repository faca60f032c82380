//! Writes that fail, are repeated, or whose answer is lost.

use super::*;

/// The writes of a sign-in in a browser: its mark, its entry under Entra's id, the session.
const WRITES: usize = 3;

#[tokio::test]
async fn a_write_that_the_driver_repeats_after_a_lost_answer_is_still_ours() {
    for write in 0..WRITES {
        let world = World::new().await;
        let (path, browser) = on_the_way(&world).await;
        world.documents.next_batches([Fault::None].repeat(write));
        world.documents.next_batches([Fault::Repeats]);

        let answer = world.called_back(&path, &[(START, &browser)]).await;

        let cookie = answer.cookie(SESSION).unwrap();
        let view = world.looked_at_by_portal(&cookie, "/auth/session").await;
        assert_eq!(view.status, 200, "write {write}");
    }
}

#[tokio::test]
async fn nobody_is_signed_in_by_a_write_that_may_not_have_been_made() {
    for fault in [Fault::Fails, Fault::LosesAnswer] {
        for write in 0..WRITES {
            let world = World::new().await;
            let old = world.signed_in().await;
            let (path, browser) = on_the_way(&world).await;
            world.documents.next_batches([Fault::None].repeat(write));
            world.documents.next_batches([fault]);

            let answer = world.called_back(&path, &[(START, &browser)]).await;

            assert_eq!(answer.location(), FAILED, "{fault:?} of write {write}");
            assert!(answer.cookie(SESSION).is_none(), "{fault:?} of write {write}");
            // And nobody is signed out by it: the browser did not bring the old session.
            assert_eq!(world.looked_at_by_portal(&old, "/auth/session").await.status, 200);
        }
    }
}

#[tokio::test]
async fn a_code_whose_use_may_not_have_been_recorded_gives_no_session_twice() {
    for (fault, first, second) in
        [(Fault::Repeats, 200, 410), (Fault::Fails, 503, 200), (Fault::LosesAnswer, 503, 410)]
    {
        let world = World::new().await;
        let code = coded(&world, 2).await;
        world.documents.next_batches([fault]);

        let statuses = [
            redeemed(&world, 2, &code, &[]).await.status.as_u16(),
            redeemed(&world, 2, &code, &[]).await.status.as_u16(),
        ];

        assert_eq!(statuses, [first, second], "{fault:?}");
    }
}

#[tokio::test]
async fn a_sign_out_that_was_not_recorded_is_not_reported_as_one() {
    for (fault, status) in [(Fault::Fails, 503), (Fault::LosesAnswer, 503), (Fault::Repeats, 200)] {
        for write in 0..2 {
            let world = World::new().await;
            let cookie = world.signed_in().await;
            world.documents.next_batches([Fault::None].repeat(write));
            world.documents.next_batches([fault]);

            let answer = world.asked_by_portal(&cookie, "/auth/sign-out", &json!({})).await;

            assert_eq!(answer.status, status, "{fault:?} of write {write}");
            assert_eq!(answer.headers.contains_key(header::SET_COOKIE), status == 200);
        }
    }
}
