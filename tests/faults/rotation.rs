//! Rotation under SIGKILL, and under load.

use std::time::Duration;

use airlock_tests::{Control, Desk, Kill, LATER, Rotations, World, eventually};
use serde_json::{Value, json};

/// The application of all client secrets here.
const APPLICATION: &str = "timesheets";

/// For how long a process that died has its secrets to itself, and the rest of a round.
const LEASE: Duration = Duration::from_mins(6);

/// A client secret of the application, never changed before.
fn client_secret(name: &str, application: &Value) -> Value {
    json!({
        "name": name, "max_age_days": 30, "overlap_hours": 1,
        "driver": {
            "kind": "entra_client_secret", "secret": format!("client-secret-{name}"),
            "application": application["id"], "client": application["appId"],
        },
    })
}

/// A random secret, never made before.
fn generated(name: &str) -> Value {
    json!({
        "name": name, "max_age_days": 30, "overlap_hours": 1,
        "driver": { "kind": "generated", "secret": format!("generated-{name}"), "bytes": 32 },
    })
}

/// A call around which the process dies: service, method, path, and how many calls like it pass
/// before.
type Call = (&'static str, &'static str, &'static str, u32);

/// Calls of one change of a client secret called `{name}`, and of a random one. What is read of a
/// vault secret is first its versions, and last the value that is proved.
const CALLS: [(&str, Call); 5] = [
    ("client", ("graph", "POST", "/v1.0/applications/*/addPassword", 0)),
    ("client", ("vault", "PUT", "/secrets/client-secret-{name}", 0)),
    ("client", ("vault", "GET", "/secrets/client-secret-{name}/*", 1)),
    ("random", ("vault", "PUT", "/secrets/generated-{name}", 0)),
    ("random", ("vault", "GET", "/secrets/generated-{name}/*", 2)),
];

/// Milliseconds into a round at which the process dies of nothing in particular.
const MOMENTS_MS: [u64; 4] = [150, 450, 900, 1600];

/// A process that knows nothing from before. The host alone would give up after three of them.
async fn revived(control: &Control) {
    control.stop("rotate").await;
    control.start("rotate").await;
}

#[tokio::test]
#[ignore = "waits until leases of dead processes are over: tests/run plays it"]
async fn whenever_rotate_is_killed_each_secret_ends_with_one_credential_and_none_is_left_over() {
    let world = World::start().await;
    let (control, rotations, desk) =
        (world.control(), Rotations::of(&world).await, Desk::of(&world));
    let application = rotations.application(APPLICATION).await;
    let mut names: Vec<String> = Vec::new();
    let mut table = vec![format!("{:64} {:12} {}", "killed", "secret", "stage then")];

    // Around each call, before it and after it: one secret for each.
    for (kind, (service, method, path, skip)) in CALLS {
        for when in [Kill::Before, Kill::After] {
            let name = format!("{kind}-{}", names.len());
            let secret = match kind {
                "client" => client_secret(&name, &application),
                _ => generated(&name),
            };
            desk.rebind_secrets(|secrets| {
                secrets.clear();
                secrets.push(secret);
            });
            let path = path.replace("{name}", &name);
            control.clear_faults().await;
            let side = format!("{when:?}").to_lowercase();
            control
                .fault(json!({
                    "service": service, "method": method, "path": path, "skip": skip,
                    "effect": { "kind": "kill", "process": "rotate", "when": side },
                }))
                .await;
            rotations.round().await;
            assert_eq!(control.bitten().await, [1], "{when:?} {service} {method} {path}");
            revived(control).await;
            let told = format!("{when:?} {method} {path}");
            table.push(format!("{told:64} {name:12} {}", rotations.stage(&name).await));
            names.push(name);
        }
    }
    control.clear_faults().await;

    // And at moments of a round that changes several.
    for (index, after_ms) in MOMENTS_MS.into_iter().enumerate() {
        let these = [0, 1, 2].map(|each| format!("moment-{index}-{each}"));
        desk.rebind_secrets(|secrets| {
            secrets.clear();
            secrets.push(client_secret(&these[0], &application));
            secrets.push(client_secret(&these[1], &application));
            secrets.push(generated(&these[2]));
        });
        let killed = async {
            tokio::time::sleep(Duration::from_millis(after_ms)).await;
            control.kill("rotate").await;
        };
        tokio::join!(rotations.round(), killed);
        revived(control).await;
        for name in these {
            let told = format!("{after_ms} ms into a round of three");
            table.push(format!("{told:64} {name:12} {}", rotations.stage(&name).await));
            names.push(name);
        }
    }

    // Everything is bound again, and whoever comes next finishes it.
    let bound = names.iter().map(|name| match name.as_str() {
        name if name.starts_with("random")
            || name.ends_with("-2") && name.starts_with("moment") =>
        {
            generated(name)
        }
        name => client_secret(name, &application),
    });
    let bound: Vec<Value> = bound.collect();
    desk.rebind_secrets(|secrets| *secrets = bound.clone());
    let wanted: Vec<&str> = names.iter().map(String::as_str).collect();
    eventually("all of them are rotated", LEASE, async || {
        rotations.round().await;
        if rotations.are_rotated(&wanted).await {
            return Some(());
        }
        tokio::time::sleep(Duration::from_secs(5)).await;
        None
    })
    .await;

    println!("{}", table.join("\n"));
    each_has_one_credential(&rotations, &application, &bound).await;
    world.quiet().await;
    assert!(world.stopped(&world.contoso().to_string()).await.is_none());
}

/// Makes sure that users of each secret find one that is good, and that nothing is left over.
async fn each_has_one_credential(rotations: &Rotations<'_>, application: &Value, bound: &[Value]) {
    let credentials = rotations.credentials(APPLICATION).await;
    let mut in_use = Vec::new();
    for secret in bound {
        let name = secret["name"].as_str().unwrap();
        let place = secret["driver"]["secret"].as_str().unwrap();
        let recorded = rotations.recorded(name).await.unwrap();
        let held = &recorded["active"]["held"];
        let value = rotations.value(place).await;
        let enabled: Vec<Value> = rotations.versions("secrets", place).await;
        let enabled: Vec<&Value> = enabled
            .iter()
            .filter(|version| version["attributes"]["enabled"] == true)
            .map(|version| &version["version"])
            .collect();
        assert_eq!(enabled, [&held["version"]], "{name}");
        if secret["driver"]["kind"] == "entra_client_secret" {
            let client = application["appId"].as_str().unwrap();
            assert_eq!(rotations.signs_in(client, &value).await, Ok(()), "{name}");
            in_use.push(held["credential"].as_str().unwrap().to_owned());
        }
    }
    // Those in use, and no other: whatever a process left over that died is removed.
    let (mut credentials, mut in_use) = (credentials, in_use);
    credentials.sort();
    in_use.sort();
    assert_eq!(credentials, in_use);
}

#[tokio::test]
async fn while_secrets_are_replaced_no_sign_in_no_request_and_no_user_of_them_fails() {
    let world = World::start().await;
    let rotations = Rotations::of(&world).await;
    let application = rotations.application("expense-reports").await;
    let client = application["appId"].as_str().unwrap();
    let (nina, secret) = (world.who("nina"), "client-secret-expense-reports");
    let done = std::sync::atomic::AtomicBool::new(false);
    let is_done = || done.load(std::sync::atomic::Ordering::SeqCst);

    let requests = async {
        let mut count = 0;
        let harriet = world.person("harriet").await;
        while !is_done() {
            let asking = harriet.ask("sessions.revoke", &nina).await;
            harriet.wait_for(&asking.id, "succeeded").await;
            count += 1;
        }
        count
    };
    let sign_ins = async {
        let mut count = 0;
        while !is_done() {
            drop(world.person("sam").await);
            count += 1;
        }
        count
    };
    // As users of the client secret do: the newest value, each time.
    let uses = async {
        let mut count = 0;
        while !is_done() {
            let value = rotations.value(secret).await;
            assert_eq!(rotations.signs_in(client, &value).await, Ok(()));
            count += 1;
        }
        count
    };
    let rotated = async {
        Desk::of(&world).rebind_secrets(|secrets| {
            for secret in secrets {
                secret["max_age_days"] = json!(30);
            }
        });
        rotations.rotated(&["expense-reports", "payroll-webhook", "tenant-data"]).await;
        // And a while after it, under the new ones.
        tokio::time::sleep(Duration::from_secs(5)).await;
        done.store(true, std::sync::atomic::Ordering::SeqCst);
    };
    let (requests, sign_ins, uses, ()) = tokio::join!(requests, sign_ins, uses, rotated);

    println!("{requests} requests, {sign_ins} sign-ins and {uses} uses of a secret, none failed");
    assert!(requests > 2 && sign_ins > 2 && uses > 10, "{requests} {sign_ins} {uses}");
    eventually("all is sealed", LATER, async || {
        world.quiet().await;
        Some(())
    })
    .await;
    assert!(world.stopped(&world.contoso().to_string()).await.is_none());
}
