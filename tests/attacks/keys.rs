//! Keys: which count, and from when on they no longer do.

use airlock_core::{
    ask::RequestEvidence,
    binding::Binding,
    identity::App,
    jws::{Signed, Typ},
    keyset::Keyset,
    time::Timestamp,
};
use airlock_tests::{Forger, Leaf, Order, Person, VaultKey, World, now, payload};
use serde_json::json;

/// The admin plane, whose root key signs the keyset.
struct Admin<'a> {
    world: &'a World,
    root: VaultKey,
}

impl<'a> Admin<'a> {
    async fn new(world: &'a World) -> Self {
        let root = world.impostor("admin").await.key_named("admin-root").await;
        Self { world, root }
    }

    /// Publishes the next version of the keyset.
    async fn publish(&self, change: impl Fn(&mut Keyset)) {
        let control = self.world.control();
        let mut stored = control.published("platform").await;
        let mut keyset: Keyset = payload(stored["artefact"].as_str().unwrap());
        keyset.ver += 1;
        change(&mut keyset);
        stored["artefact"] = json!(Signed::sign(&keyset, &self.root).await.unwrap());
        control.put("bindings", "platform", &stored).await;
    }

    /// Publishes the next version of a tenant's binding.
    async fn bind(&self, tenant: &str) {
        let control = self.world.control();
        let mut stored = control.published(tenant).await;
        let mut binding: Binding = payload(stored["artefact"].as_str().unwrap());
        binding.ver += 1;
        stored["artefact"] = json!(Signed::sign(&binding, &self.root).await.unwrap());
        control.put("bindings", tenant, &stored).await;
    }

    /// From now on no signature of this app's key counts.
    async fn revoke(&self, app: App, revoked: Option<Timestamp>) {
        self.publish(|keyset| {
            keyset
                .keys
                .iter_mut()
                .filter(|key| key.app == app)
                .for_each(|key| key.revoked = revoked);
        })
        .await;
    }
}

/// Delivers a request about which everything is genuine, but perhaps the keys.
async fn delivered(forger: &Forger, person: &Person, order: &Order) -> String {
    let asking = person.sign(order).await;
    let evidence = RequestEvidence::Proven {
        request: asking.signed.clone(),
        person: forger.evidence_of(person).await,
    };
    let fake = forger.forge(evidence, Vec::new()).await;
    forger.deliver(&fake).await;
    asking.id
}

#[tokio::test]
async fn what_a_revoked_key_signed_counts_no_more_for_anyone() {
    let world = World::start().await;
    let admin = Admin::new(&world).await;
    let forger = Forger::new(&world).await;
    let harriet = world.person("harriet").await;
    let order = Order::of("sessions.revoke", &world.who("nina"));

    for (app, reason) in [
        (App::Intake, "the permit is not intake's"),
        (App::Signin, "the request is not the requester's"),
    ] {
        admin.revoke(app, Some(now())).await;
        let before = world.before().await;
        delivered(&forger, &harriet, &order).await;
        let leaf = world.refused_since(&before).await;
        assert_eq!(leaf.reason(), reason);
        assert!(leaf.is_violation());
        admin.revoke(app, None).await;
    }

    // The same, under keys that count.
    let id = delivered(&forger, &harriet, &order).await;
    harriet.wait_for(&id, "succeeded").await;
}

#[tokio::test]
async fn a_key_signs_what_the_keyset_lets_it_sign_and_from_when_on() {
    let world = World::start().await;
    let admin = Admin::new(&world).await;
    let forger = Forger::new(&world).await;
    let harriet = world.person("harriet").await;
    let order = Order::of("sessions.revoke", &world.who("nina"));
    let not_yet: &dyn Fn(&mut Keyset) = &|keyset| {
        keyset.keys.iter_mut().for_each(|key| {
            if key.app == App::Intake {
                key.nbf = now().plus_s(3600);
            }
        });
    };
    let no_permits: &dyn Fn(&mut Keyset) = &|keyset| {
        keyset.keys.iter_mut().for_each(|key| key.signs.retain(|typ| *typ != Typ::Permit));
    };
    let gone: &dyn Fn(&mut Keyset) = &|keyset| keyset.keys.retain(|key| key.app != App::Intake);
    let anothers: &dyn Fn(&mut Keyset) = &|keyset| {
        keyset.keys.iter_mut().for_each(|key| {
            if key.app == App::Intake {
                key.app = App::Drift;
            }
        });
    };
    let over: &dyn Fn(&mut Keyset) = &|keyset| keyset.exp = now().plus_s(-1);
    let genuine = world.control().partition("bindings", "platform").await;

    for (what, change) in [
        ("its time has not come", not_yet),
        ("permits are not among what it signs", no_permits),
        ("it is not listed", gone),
        ("it is another app's", anothers),
        ("the whole keyset is too old", over),
    ] {
        admin.publish(change).await;
        let before = world.before().await;
        delivered(&forger, &harriet, &order).await;
        let leaf = world.refused_since(&before).await;
        assert!(leaf.is_violation(), "{what}: {leaf:?}");
        assert_eq!(leaf.says["tenantid"], "platform", "{what}");
        world.control().put_back("bindings", "platform", &genuine).await;
    }
}

#[tokio::test]
async fn an_older_keyset_or_binding_that_is_put_back_is_not_older_than_what_a_permit_saw() {
    let world = World::start().await;
    let control = world.control();
    let admin = Admin::new(&world).await;
    let forger = Forger::new(&world).await;
    let harriet = world.person("harriet").await;
    let order = Order::of("sessions.revoke", &world.who("nina"));
    let contoso = world.contoso().to_string();
    let (keyset, binding) = (
        control.partition("bindings", "platform").await,
        control.partition("bindings", &contoso).await,
    );
    // No anchor names the new ones yet: else it would tell.
    control.stop("drift").await;
    admin.publish(|_| ()).await;
    admin.bind(&contoso).await;

    for (partition, old, reason) in [
        ("platform", &keyset, "the keyset is older than the permit's"),
        (contoso.as_str(), &binding, "the binding is older than the permit's"),
    ] {
        let new = control.partition("bindings", partition).await;
        let asking = harriet.sign(&order).await;
        let evidence = RequestEvidence::Proven {
            request: asking.signed.clone(),
            person: forger.evidence_of(&harriet).await,
        };
        let fake = forger.forge(evidence, Vec::new()).await;
        // Nor has the worker seen them.
        control.stop("execute").await;
        control.put_back("bindings", partition, old).await;
        control.start("execute").await;
        let before = world.before().await;
        forger.deliver(&fake).await;
        let leaf = world.refused_since(&before).await;
        assert_eq!(leaf.reason(), reason);
        control.put_back("bindings", partition, &new).await;
    }
}

#[tokio::test]
async fn a_keyset_by_any_other_key_than_the_root_is_none() {
    let world = World::start().await;
    let control = world.control();
    let forger = Forger::new(&world).await;
    let harriet = world.person("harriet").await;
    let order = Order::of("sessions.revoke", &world.who("nina"));
    // A worker that knows whom to trust.
    let id = delivered(&forger, &harriet, &order).await;
    harriet.wait_for(&id, "succeeded").await;
    let genuine = control.published("platform").await;
    let mut stored = genuine.clone();
    let keyset: Keyset = payload(stored["artefact"].as_str().unwrap());
    // Whoever can write anywhere in the database and sign with intake's key.
    stored["artefact"] = json!(Signed::sign(&keyset, forger.key()).await.unwrap());
    control.put("bindings", "platform", &stored).await;

    let before = world.before().await;
    delivered(&forger, &harriet, &order).await;
    let leaf = world.refused_since(&before).await;
    assert_eq!(leaf.reason(), "the keyset or a binding is not genuine");
    assert!(leaf.is_violation());

    // A worker that starts now trusts nobody: by whose keys would it say so?
    control.stop("execute").await;
    control.start("execute").await;
    let before = world.before().await;
    delivered(&forger, &harriet, &order).await;
    world.settled().await;
    let log = control.log("execute").await;
    assert!(log.contains("integrity violation; no ledger to record it in"), "the log tells");
    world.nothing_done_since(&before).await;
    let contoso = world.contoso().to_string();
    for partition in [contoso.as_str(), "platform"] {
        let leaves = world.tree(partition).await.into_leaves();
        let new = leaves.iter().skip(before.leaves_of(partition));
        let new: Vec<&str> = new.filter(|leaf| leaf.by() == "execute").map(Leaf::kind).collect();
        assert_eq!(new, Vec::<&str>::new(), "{partition}");
    }

    // With the root's own keyset it works again.
    control.put("bindings", "platform", &genuine).await;
    let id = delivered(&forger, &harriet, &order).await;
    harriet.wait_for(&id, "succeeded").await;
}
