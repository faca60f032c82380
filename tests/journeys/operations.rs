//! Each operation of the catalog that needs more than one plain call: what it changes, what a
//! second time changes, and whom it refuses.

use airlock_tests::{Asking, Order, Person, Places, Who, World};
use serde_json::{Value, json};

const ENTERPRISEPACK: &str = "6fd2c87f-b296-42f0-b197-1e91e994b900";
const POWER_BI_PRO: &str = "f8a1db68-be16-40ed-86d5-cb42ce701560";

/// Asks for an operation with parameters, has it approved if need be, and waits how it ends.
async fn ended(
    world: &World,
    (asker, operation): (&Person, &str),
    on: &Who,
    parameters: Value,
    state: &str,
) -> (Asking, Value) {
    let asking = asker.sign(&Order { parameters, ..Order::of(operation, on) }).await;
    let taken = asker.submit(&asking).await;
    assert_eq!(taken.status, 202, "{}", taken.text);
    if taken.json["state"] == "pending" {
        world.person("april").await.approve(&asking.id).await;
    }
    let ended = asker.wait_for(&asking.id, state).await;
    (asking, ended)
}

/// As [`ended`], for what must be refused before anything is written. Gives the reason.
async fn refused(world: &World, asked: (&Person, &str), on: &Who, parameters: Value) -> String {
    let before = world.before().await;
    let (asking, ended) = ended(world, asked, on, parameters, "refused").await;
    let leaf = world.refused_since(&before).await;
    assert_eq!(leaf.kind(), "airlock.request.ended");
    assert_eq!(leaf.says["data"]["request"], asking.digest().to_string());
    ended["outcome"]["reason"].as_str().unwrap_or_default().to_owned()
}

/// What the directory keeps about a tenant.
async fn kept(world: &World, on: &Who) -> Value {
    world.control().directory().await["tenants"][on.tenant.to_string()].take()
}

async fn person(world: &World, on: &Who) -> Value {
    kept(world, on).await["people"][&on.name].take()
}

#[tokio::test]
async fn memberships_come_and_go_in_listed_groups_alone() {
    let world = World::start().await;
    let harriet = world.person("harriet").await;
    let nina = world.who("nina");
    let groups = kept(&world, &nina).await["groups"].take();
    let of = |name: &str| json!({ "group": groups[name]["id"] });
    let members = async || kept(&world, &nina).await["groups"]["Travel Booking"]["members"].take();

    for (operation, expected) in [("group.add", json!([nina.object])), ("group.remove", json!([]))]
    {
        for _ in 0..2 {
            let asked = (&harriet, operation);
            ended(&world, asked, &nina, of("Travel Booking"), "succeeded").await;
            assert_eq!(members().await, expected, "{operation}");
        }
    }
    let effects = world.control().effects().await;
    assert_eq!(effects.len(), 2, "{effects:#?}");
    assert!(effects.iter().all(|effect| effect["application"] == "airlock-worker-groups"));

    let unlisted = "the group is not one that memberships may be asked for";
    for (group, reason) in [
        ("Finance", unlisted),
        ("Helpdesk Tier 2", unlisted),
        ("Night Shift", "a rule decides who is in the group"),
    ] {
        for operation in ["group.add", "group.remove"] {
            let said = refused(&world, (&harriet, operation), &nina, of(group)).await;
            assert_eq!(said, reason, "{group}");
        }
    }
    // A list holds in its own tenant.
    let flora = world.who("flora");
    let said = refused(&world, (&harriet, "group.add"), &flora, of("Travel Booking")).await;
    assert_eq!(said, unlisted);
    for tenant in [nina.tenant, flora.tenant] {
        world.ledger(tenant).await.assert_whole();
    }
}

#[tokio::test]
async fn a_licence_is_assigned_where_there_is_one_and_the_target_may_hold_it() {
    let world = World::start().await;
    let harriet = world.person("harriet").await;
    let nina = world.who("nina");
    let assign = (&harriet, "license.assign");

    for _ in 0..2 {
        ended(&world, assign, &nina, json!({ "sku": ENTERPRISEPACK }), "succeeded").await;
        assert_eq!(person(&world, &nina).await["licences"], json!([ENTERPRISEPACK]));
    }
    assert_eq!(kept(&world, &nina).await["licences"]["ENTERPRISEPACK"]["holders"], 2);

    let said = refused(&world, assign, &nina, json!({ "sku": POWER_BI_PRO })).await;
    assert_eq!(said, "no licence of this kind is left");
    let gus = world.who("gus");
    let said = refused(&world, assign, &gus, json!({ "sku": ENTERPRISEPACK })).await;
    assert_eq!(said, "the target has no usage location, which licences need");
    let said = refused(&world, assign, &nina, json!({ "sku": nina.object })).await;
    assert_eq!(said, "the tenant has no licence of this kind for users");
}

#[tokio::test]
async fn the_last_licence_is_assigned_once_even_if_the_answer_is_lost() {
    let world = World::start().await;
    let harriet = world.person("harriet").await;
    let flora = world.who("flora");
    world
        .control()
        .fault(json!({
            "service": "graph", "method": "POST", "path": "*/assignLicense",
            "effect": { "kind": "lose_answer" },
        }))
        .await;

    let asked = (&harriet, "license.assign");
    ended(&world, asked, &flora, json!({ "sku": ENTERPRISEPACK }), "succeeded").await;

    assert_eq!(world.control().bitten().await, [1]);
    assert_eq!(person(&world, &flora).await["licences"], json!([ENTERPRISEPACK]));
}

#[tokio::test]
async fn chosen_methods_are_removed_the_default_last_and_across_a_lost_answer() {
    let world = World::start().await;
    let harriet = world.person("harriet").await;
    let nina = world.who("nina");
    let all = "phone,authenticator,passkey,software_oath,windows_hello,email";
    let reset = (&harriet, "mfa.reset");
    world
        .control()
        .fault(json!({
            "service": "graph", "method": "DELETE", "path": "*/fido2Methods/*",
            "effect": { "kind": "lose_answer" },
        }))
        .await;

    for _ in 0..2 {
        ended(&world, reset, &nina, json!({ "methods": all }), "succeeded").await;
        assert_eq!(person(&world, &nina).await["methods"], json!([]));
    }

    let effects = world.control().effects().await;
    assert_eq!(effects.len(), 6, "{effects:#?}");
    let last = effects.last().unwrap();
    assert!(last["path"].as_str().unwrap().contains("/phoneMethods/"), "the default: {last}");
    assert!(effects.iter().all(|effect| effect["application"] == "airlock-worker-methods"));
}

#[tokio::test]
async fn only_the_chosen_methods_are_removed() {
    let world = World::start().await;
    let harriet = world.person("harriet").await;
    let nina = world.who("nina");

    let chosen = json!({ "methods": ["passkey", "windows_hello"] });
    ended(&world, (&harriet, "mfa.reset"), &nina, chosen, "succeeded").await;

    let left = person(&world, &nina).await["methods"].take();
    let left: Vec<&str> =
        left.as_array().unwrap().iter().map(|method| method["kind"].as_str().unwrap()).collect();
    assert_eq!(left, ["phone", "microsoftAuthenticator", "softwareOath", "email"]);

    // The default cannot go while others stay: nothing was done, and that is what it says.
    let phone = json!({ "methods": "phone" });
    let (_, ended) = ended(&world, (&harriet, "mfa.reset"), &nina, phone, "failed").await;
    let reason = ended["outcome"]["reason"].as_str().unwrap();
    assert!(reason.starts_with("the directory keeps the default method"), "{reason}");
}

#[tokio::test]
async fn the_newest_local_password_is_shown_to_its_requester_and_stands_nowhere_else() {
    let world = World::start().await;
    let (sam, april) = (world.person("sam").await, world.person("april").await);
    let nina = world.who("nina");
    let devices = kept(&world, &nina).await["devices"].take();
    let of = |name: &str| json!({ "device": devices[name]["deviceId"] });

    for _ in 0..2 {
        let laptop = of("NINA-LAPTOP");
        let (asking, _) = ended(&world, (&sam, "laps.read"), &nina, laptop, "succeeded").await;
        april.reveal(&asking.id).await.assert_problem("not-found");
        let shown = asking.open(&sam.reveal(&asking.id).await.ok());
        sam.reveal(&asking.id).await.assert_problem("gone");

        let credentials = devices["NINA-LAPTOP"]["credentials"].as_array().unwrap();
        let newest = credentials.iter().max_by_key(|one| one["backupDateTime"].as_str()).unwrap();
        let password = newest["password"].as_str().unwrap();
        assert_eq!(shown, format!("lapsadmin\n{password}"));
        assert_eq!(Places::everywhere(&world).await.with(password), Vec::<&str>::new());
    }
    assert_eq!(world.control().effects().await, Vec::<Value>::new(), "nothing was written");
    world.ledger(nina.tenant).await.assert_whole();
}

#[tokio::test]
async fn a_recovery_key_is_read_once_for_each_request_and_stands_nowhere_else() {
    let world = World::start().await;
    let sam = world.person("sam").await;
    let nina = world.who("nina");
    let laptop = async || kept(&world, &nina).await["devices"]["NINA-LAPTOP"].take();
    let key = laptop().await["recoveryKeys"][0].take();

    let named = json!({ "key": key["id"] });
    let (asking, _) = ended(&world, (&sam, "bitlocker.read"), &nina, named, "succeeded").await;
    let shown = asking.open(&sam.reveal(&asking.id).await.ok());

    assert_eq!(shown, key["key"].as_str().unwrap());
    assert_eq!(laptop().await["recoveryKeys"][0]["told"], 1, "once, in Entra's own log too");
    assert_eq!(Places::everywhere(&world).await.with(&shown), Vec::<&str>::new());
}

#[tokio::test]
async fn a_device_is_opened_for_nobody_but_its_owner_and_never_past_somebody_protected() {
    let world = World::start().await;
    let sam = world.person("sam").await;
    let (nina, oscar, olga) = (world.who("nina"), world.who("oscar"), world.who("olga"));
    let devices = kept(&world, &nina).await["devices"].take();
    let device = |name: &str| json!({ "device": devices[name]["deviceId"] });
    let key = |name: &str| json!({ "key": devices[name]["recoveryKeys"][0]["id"] });

    let not_theirs = "the device is not registered to the target";
    for (target, name, reason) in [
        (&oscar, "NINA-LAPTOP", not_theirs),
        (&nina, "LOBBY-KIOSK", not_theirs),
        (&nina, "OLGA-LAPTOP", not_theirs),
        (&oscar, "LOADING-DESK", "somebody who is protected uses the device too"),
    ] {
        let said = refused(&world, (&sam, "laps.read"), target, device(name)).await;
        assert_eq!(said, reason, "{name}");
        let said = refused(&world, (&sam, "bitlocker.read"), target, key(name)).await;
        assert_eq!(said, reason, "{name}");
    }
    let said = refused(&world, (&sam, "laps.read"), &olga, device("OLGA-LAPTOP")).await;
    assert!(said.starts_with("the target is protected"), "{said}");
    let said = refused(&world, (&sam, "laps.read"), &nina, json!({ "device": nina.object })).await;
    assert_eq!(said, "the device does not exist");

    // The application that can read secrets was not used at all.
    let tokens = world.control().tokens().await;
    assert!(tokens.iter().all(|token| token["holder"] != "airlock-worker-devices"));
    // A device that backs nothing up has nothing to show.
    let tablet = device("OSCAR-TABLET");
    let (_, ended) = ended(&world, (&sam, "laps.read"), &oscar, tablet, "failed").await;
    let reason = "the directory keeps no local administrator's password of the device";
    assert_eq!(ended["outcome"]["reason"], reason);
}

#[tokio::test]
async fn risks_are_dismissed_at_the_pace_that_the_directory_bears() {
    let world = World::start().await;
    let (harriet, april) = (world.person("harriet").await, world.person("april").await);
    let (nina, oscar) = (world.who("nina"), world.who("oscar"));
    // And once it throttles all the same, without a word when to come again.
    world
        .control()
        .fault(json!({
            "service": "graph", "method": "POST", "path": "*/riskyUsers/dismiss", "skip": 1,
            "effect": { "kind": "throttle" },
        }))
        .await;

    let mut waiting = Vec::new();
    for target in [&nina, &oscar, &nina, &oscar] {
        let asking = harriet.ask("risk.dismiss", target).await;
        april.approve(&asking.id).await;
        waiting.push(asking);
    }
    for asking in &waiting {
        harriet.wait_long_for(&asking.id, "succeeded").await;
    }

    for target in [&nina, &oscar] {
        assert_eq!(person(&world, target).await["risk"], "dismissed");
    }
    assert_eq!(world.control().effects().await.len(), 4);
    assert_eq!(world.control().bitten().await, [1]);
    world.ledger(nina.tenant).await.assert_whole();
}
