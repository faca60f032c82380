use super::*;

const LOCK_MS: u64 = 60_000;
const WINDOW_MS: u64 = 600_000;

fn queue() -> Queue {
    let settings = identities::Queue {
        max_delivery_count: 3,
        lock_duration_s: 60,
        duplicate_detection_s: 600,
    };
    Queue::new("permits", &settings)
}

fn named(id: &str) -> Message {
    Message { message_id: id.to_owned(), ..Message::default() }
}

fn send(queue: &mut Queue, now_ms: u64, message: Message) -> Sent {
    queue.send(now_ms, message, Routing::default())
}

fn receive(queue: &mut Queue, now_ms: u64) -> Option<Delivery> {
    queue.receive(now_ms, Side::Main)
}

#[test]
fn messages_are_delivered_in_the_order_of_their_arrival() {
    let mut queue = queue();
    send(&mut queue, 0, named("a"));
    send(&mut queue, 0, named("b"));

    assert_eq!(receive(&mut queue, 1).unwrap().message.message_id, "a");
    assert_eq!(receive(&mut queue, 1).unwrap().message.message_id, "b");
    assert!(receive(&mut queue, 1).is_none());
}

#[test]
fn a_locked_message_is_nobody_elses_until_its_lock_expires() {
    let mut queue = queue();
    send(&mut queue, 0, named("a"));
    let first = receive(&mut queue, 0).unwrap();
    assert_eq!(first.delivery_count, 1);
    assert_eq!(queue.next_change_ms(Side::Main), Some(LOCK_MS));

    assert!(receive(&mut queue, LOCK_MS - 1).is_none());
    let second = receive(&mut queue, LOCK_MS).unwrap();

    assert_eq!(second.delivery_count, 2);
    assert_eq!(second.sequence_number, first.sequence_number);
    assert_eq!(queue.complete(LOCK_MS, Side::Main, first.lock_token), Err(LockLost));
    assert_eq!(queue.complete(LOCK_MS, Side::Main, second.lock_token), Ok(()));
    assert!(receive(&mut queue, 10 * LOCK_MS).is_none());
}

#[test]
fn a_renewed_lock_holds_for_its_duration_from_then() {
    let mut queue = queue();
    send(&mut queue, 0, named("a"));
    let delivery = receive(&mut queue, 0).unwrap();

    assert_eq!(queue.renew(LOCK_MS - 1, Side::Main, delivery.lock_token), Ok(2 * LOCK_MS - 1));

    assert!(receive(&mut queue, LOCK_MS).is_none());
    assert_eq!(queue.renew(2 * LOCK_MS, Side::Main, delivery.lock_token), Err(LockLost));
}

#[test]
fn an_abandoned_message_comes_again_at_once_and_ahead_of_later_ones() {
    let mut queue = queue();
    send(&mut queue, 0, named("a"));
    send(&mut queue, 0, named("b"));
    let delivery = receive(&mut queue, 0).unwrap();

    queue.abandon(1, Side::Main, delivery.lock_token).unwrap();

    let again = receive(&mut queue, 1).unwrap();
    assert_eq!((again.message.message_id.as_str(), again.delivery_count), ("a", 2));
}

#[test]
fn after_its_last_delivery_a_message_is_dead_lettered_whole() {
    let mut queue = queue();
    send(&mut queue, 0, Message { body: "envelope".into(), ..named("a") });
    for expected in 1..=3 {
        let delivery = receive(&mut queue, 0).unwrap();
        assert_eq!(delivery.delivery_count, expected);
        queue.abandon(0, Side::Main, delivery.lock_token).unwrap();
    }

    assert!(receive(&mut queue, 0).is_none());
    let dead = queue.receive(0, Side::Dead).unwrap();
    assert_eq!(dead.death.as_ref().unwrap().reason, "MaxDeliveryCountExceeded");
    assert_eq!(dead.message.body, "envelope");
    assert_eq!(queue.snapshot(0)["dead"][0]["reason"], "MaxDeliveryCountExceeded");
}

#[test]
fn a_lock_that_expires_on_the_last_delivery_dead_letters_too() {
    let mut queue = queue();
    send(&mut queue, 0, named("a"));
    for turn in 0..3 {
        receive(&mut queue, turn * LOCK_MS).unwrap();
    }

    assert!(receive(&mut queue, 3 * LOCK_MS).is_none());
    assert!(queue.receive(3 * LOCK_MS, Side::Dead).is_some());
}

#[test]
fn a_scheduled_message_becomes_active_at_its_time_with_a_new_number() {
    let mut queue = queue();
    send(&mut queue, 0, Message { scheduled_ms: Some(5_000), ..named("later") });
    send(&mut queue, 0, named("now"));
    assert_eq!(queue.next_change_ms(Side::Main), Some(5_000));
    assert_eq!(receive(&mut queue, 4_999).unwrap().message.message_id, "now");
    assert!(receive(&mut queue, 4_999).is_none());

    let later = receive(&mut queue, 7_000).unwrap();

    assert_eq!(later.message.message_id, "later");
    assert_eq!((later.sequence_number, later.enqueued_at_ms), (3, 5_000));
}

#[test]
fn a_repeated_message_id_is_swallowed_within_the_window_only() {
    let mut queue = queue();
    assert_eq!(send(&mut queue, 0, named("a")), Sent::Accepted);
    assert_eq!(send(&mut queue, WINDOW_MS - 1, named("a")), Sent::Duplicate);
    assert_eq!(send(&mut queue, WINDOW_MS, named("a")), Sent::Accepted);

    assert!(receive(&mut queue, WINDOW_MS).is_some());
    assert!(receive(&mut queue, WINDOW_MS).is_some());
    assert!(receive(&mut queue, WINDOW_MS).is_none());
}

#[test]
fn messages_without_an_id_are_no_duplicates_of_each_other() {
    let mut queue = queue();
    assert_eq!(send(&mut queue, 0, named("")), Sent::Accepted);
    assert_eq!(send(&mut queue, 0, named("")), Sent::Accepted);

    assert_eq!(receive(&mut queue, 0).unwrap().message.message_id.len(), 32);
}

#[test]
fn an_expired_message_is_dropped_and_not_dead_lettered() {
    let mut queue = queue();
    send(&mut queue, 0, Message { time_to_live_s: Some(2), ..named("a") });

    assert!(receive(&mut queue, 2_000).is_none());
    assert!(queue.receive(2_000, Side::Dead).is_none());
}

#[test]
fn receive_and_delete_leaves_nothing_to_come_again() {
    let mut queue = queue();
    send(&mut queue, 0, named("a"));

    assert!(queue.receive_and_delete(0, Side::Main).is_some());

    assert!(receive(&mut queue, 10 * LOCK_MS).is_none());
}

#[test]
fn a_lock_token_settles_only_the_message_that_it_locks() {
    let mut queue = queue();
    send(&mut queue, 0, named("a"));
    let delivery = receive(&mut queue, 0).unwrap();

    assert!(queue.locks(0, Side::Main, delivery.lock_token, "a"));
    assert!(queue.locks(0, Side::Main, delivery.lock_token, "1"));
    assert!(!queue.locks(0, Side::Main, delivery.lock_token, "b"));
    assert!(!queue.locks(0, Side::Dead, delivery.lock_token, "a"));
}
