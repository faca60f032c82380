//! Figures of a start. They are printed for whoever reads the log, and nothing is asserted about
//! time: the machine is not ours to promise.

use std::time::Instant;

use airlock_tests::World;

#[tokio::test]
async fn every_handler_answers_its_probe_and_says_how_long_it_took_and_what_it_needs() {
    let world = World::start().await;
    let begun = Instant::now();
    let harriet = world.person("harriet").await;
    let signed_in = begun.elapsed();
    let begun = Instant::now();
    let asking = harriet.ask("sessions.revoke", &world.who("nina")).await;
    let taken = begun.elapsed();
    harriet.wait_for(&asking.id, "succeeded").await;
    let done = begun.elapsed();

    println!("from spawn to ready: {:.1} s", world.took().as_secs_f64());
    println!("first sign-in: {} ms", signed_in.as_millis());
    println!(
        "first request: taken after {} ms, carried out after {} ms",
        taken.as_millis(),
        done.as_millis()
    );
    let processes = world.control().processes().await;
    for (app, process) in processes.as_object().unwrap() {
        let ready_ms = process["ready_ms"].as_f64().expect("every handler answered its probe");
        let resident = process["resident_bytes"].as_u64().expect("a running process has memory");
        println!("{app:8} ready after {ready_ms:6.1} ms, {:6} KiB resident", resident / 1024);
        assert_eq!(process["restarts"], 0, "{app}");
    }
}

#[tokio::test]
async fn every_app_answers_its_health_and_says_nothing_else() {
    let world = World::start().await;

    for app in ["signin", "intake", "execute", "rotate", "drift"] {
        let health = world.get(&format!("/health/{app}")).await;
        assert_eq!(health.status, 200, "{app}: {}", health.text);
        assert!(health.text.len() < 160, "{app}: {}", health.text);
    }
    for path in ["/api/health", "/auth/health"] {
        assert_eq!(world.get(path).await.status, 200, "{path}");
    }
}
