//! A deployment in which every kind of stored document has its place, and its state from before.

use std::{collections::BTreeMap, sync::Arc};

use serde_json::Value;
use uuid::Uuid;

use crate::{
    claim,
    decision::Verdict,
    drift::{self, looks, scan},
    erasure, finding,
    identity::{
        App, ObjectId, PersonId,
        Role::{Approver, HelpdeskAgent, SeniorAgent, TenantAdmin},
    },
    jws::{Artefact, Signed},
    ledger::{
        Commit, Ledger, anchor,
        commit::leaf_id,
        published,
        recovery::{Quarantined, RECOVERY_ID, Recovery},
    },
    memory::{Fault, Kept},
    ports::{Blobs as _, Clock as _, Partition},
    reception::RequestName,
    record::document_id,
    recording::{
        Recorder,
        event::{self, Report},
    },
    revocation,
    sealing::deployment_id,
    step_up::Context,
    tests::{
        artefacts::manifest,
        sealing::said,
        world::{CONTOSO, Client, FABRIKAM, NINA, SVEN, World, key, settle},
    },
    trust::{BINDING_ID, KEYSET_ID, StoredArtefact},
};

/// Leaves of the tree that is tampered with, at the least.
pub const LEAVES: u64 = 1_000;

/// What everything is found in, and put back to.
#[derive(Clone)]
pub struct State {
    documents: Vec<(Partition, BTreeMap<String, Value>)>,
    blobs: Vec<(&'static str, String, Vec<u8>)>,
    anchors: Vec<(String, Vec<u8>)>,
    at: i64,
}

/// A stored document of some kind.
#[derive(Clone)]
pub struct Kind {
    pub name: &'static str,
    pub partition: Partition,
    pub id: String,
    /// Another of its kind, if there is one.
    pub other: Option<String>,
}

pub struct Stage {
    pub world: World,
    pub contoso: Partition,
    pub fabrikam: Partition,
    pub kinds: Vec<Kind>,
    /// What is tampered with.
    pub state: State,
    /// The same when less had happened, all of it genuine.
    pub earlier: State,
    /// Who may ask, in one tenant and the other, and what is permitted in the first.
    pub sam: Client,
    pub fran: Client,
    pub permitted: RequestName,
    pub permit: Vec<u8>,
}

impl Stage {
    pub async fn set() -> Self {
        let world = World::new().await;
        world.change_terms(FABRIKAM, |terms| "Fabrikam".clone_into(&mut terms.name)).await;
        let contoso = Partition::tenant(&world.scope(CONTOSO).await);
        let fabrikam = Partition::tenant(&world.scope(FABRIKAM).await);
        write(&world, &fabrikam, 3).await;
        let harriet = world.sign_in(CONTOSO, 1, &[HelpdeskAgent]).await;
        let sam = world.sign_in(CONTOSO, 2, &[SeniorAgent]).await;
        let april = world.sign_in(CONTOSO, 3, &[Approver]).await;
        let tara = world.sign_in(CONTOSO, 4, &[TenantAdmin]).await;
        let fran = world.sign_in(FABRIKAM, 5, &[SeniorAgent]).await;
        let worker = world.worker();
        let asks = async |client: &Client, operation: &str, target: ObjectId| {
            let view = world.submit(client, &world.ask(client, operation, target)).await.unwrap();
            RequestName::parse(&view.id).unwrap()
        };
        let mut names = Vec::new();

        // What was erased, with its proof and the mark that the order is done.
        let erased = asks(&sam, "sessions.revoke", SVEN).await;
        assert!(world.deliver_permit(&worker).await);
        let order = world.order_to_erase(CONTOSO, PersonId { tid: CONTOSO, oid: SVEN }).await;
        world.put_order(CONTOSO, &order);
        assert_eq!(world.reception.erase_ordered().await.unwrap().requests, 1);
        let says = order.order.peek().unwrap();
        names.push(("request, erased", document_id(erased.digest)));
        names.push(("erasure's proof", erasure::proof_id(erased.digest, &says)));
        names.push(("erasure's end", erasure::marker_id(says.jti)));

        // Requests in each state. This one is given once more below, from before its approval.
        let pending = asks(&harriet, "account.disable", NINA).await;
        let context = Context::try_from("c1".to_owned()).unwrap();
        world.find(&context, finding::Verdict::Match).await;
        world.seal().await;
        world.clock.advance_s(5);
        let earlier = State::of(&world).await;
        world.find(&context, finding::Verdict::Drift).await;
        world.decide(&april, &pending.to_string(), Verdict::Approve).await.unwrap();
        assert!(world.deliver_permit(&worker).await);
        names.push(("request, succeeded", document_id(pending.digest)));
        let turned_down = asks(&harriet, "account.disable", NINA).await;
        world.decide(&april, &turned_down.to_string(), Verdict::Deny).await.unwrap();
        names.push(("request, turned down", document_id(turned_down.digest)));
        let waits = asks(&harriet, "account.disable", NINA).await;
        names.push(("request, pending", document_id(waits.digest)));
        let mut ask = world.ask(&tara, "account.disable", NINA);
        ask.break_glass = true;
        let emergency = world.submit(&tara, &ask).await.unwrap();
        assert!(world.deliver_permit(&worker).await);
        let emergency = RequestName::parse(&emergency.id).unwrap();
        names.push(("request, to be reviewed", document_id(emergency.digest)));
        let shown = asks(&sam, "tap.issue", NINA).await;
        assert!(world.deliver_permit(&worker).await);
        names.push(("request, with a secret", document_id(shown.digest)));
        let begun = asks(&sam, "sessions.revoke", NINA).await;
        world.directory.faults.lock().unwrap().push_back(Fault::Fails);
        assert!(world.deliver_permit(&worker).await);
        assert_eq!(world.state(&begun.to_string()).await.0, "executing");
        names.push(("request, executing", document_id(begun.digest)));

        // What `signin` says, written down.
        let session = world.session(CONTOSO, 1, &[HelpdeskAgent], &key());
        let signed = Signed::sign(&session, world.key_of(App::Signin)).await.unwrap();
        let started = event::started(&session, &signed, Uuid::new_v4(), world.now());
        let started = Signed::sign(&started, world.key_of(App::Signin)).await.unwrap();
        let recorder = Recorder::new(world.ports(App::Drift), world.trust_store());
        let told = Report::new(started.clone()).message(None, None).unwrap();
        recorder.handle(&told.body, None).await.unwrap();
        names.push(("event", crate::recording::document_id(started.digest())));

        // How far drift has looked.
        Box::pin(drift::tests::looked_at(&world)).await;
        let revoked = revoke(&world, [&april, &harriet]).await;
        let published = publish(&world).await;
        world.change_terms(CONTOSO, |terms| "Contoso".clone_into(&mut terms.name)).await;
        world.replace_keyset(2).await;
        let written = world.documents.all(&contoso).len() as u64;
        write(&world, &contoso, LEAVES.saturating_sub(written) + 100).await;
        world.seal().await;
        world.clock.advance_s(5);

        // In the window that is not sealed: the permit that everything is tried with.
        write(&world, &contoso, 3).await;
        let ask = Signed::sign(&world.ask(&sam, "sessions.revoke", NINA), &sam.key).await.unwrap();
        let view = world.desk().submit(&sam.caller, ask, Some("a key"), None).await.unwrap();
        let permitted = RequestName::parse(&view.id).unwrap();
        // Before the permit goes out, and is taken off the outbox.
        let state = State::of(&world).await;
        settle().await;
        let (_, message) = world.bus.all().into_iter().rfind(is_permit).unwrap();
        names.push(("request, permitted", document_id(permitted.digest)));

        let mut set = Self {
            kinds: Vec::new(),
            permit: message.body,
            world,
            contoso,
            fabrikam,
            state,
            earlier,
            sam,
            fran,
            permitted,
        };
        set.name_kinds(names);
        for (name, partition, id) in published {
            set.add(name, &partition, id, None);
        }
        let [one, other] = revoked;
        set.add("revocation", &Partition::revocations(CONTOSO), one, Some(other));
        set
    }

    fn name_kinds(&mut self, names: Vec<(&'static str, String)>) {
        let contoso = self.contoso.clone();
        let all = self.state.of_partition(&contoso).clone();
        let first = |prefix: &str, skip: usize| {
            all.keys().filter(|id| id.starts_with(prefix)).nth(skip).cloned()
        };
        let size = all["head"]["frontier"]["size"].as_u64().unwrap();
        assert!(size >= LEAVES, "{size}");
        let request = Some(document_id(self.permitted.digest));
        for (name, id) in names {
            let other = request.clone().filter(|other| name.starts_with("request") && *other != id);
            self.add(name, &contoso, id, other);
        }
        self.add("data key", &contoso, first("data-key-", 0).unwrap(), None);
        self.add("look at a tenant", &contoso, looks::KIND.to_owned(), None);
        self.add("scan of applications", &contoso, scan::KIND.to_owned(), None);
        self.add("finding", &contoso, first("finding-", 0).unwrap(), None);
        self.add("outbox message", &contoso, first("outbox-", 0).unwrap(), first("outbox-", 1));
        self.add("marker", &contoso, first("once-", 0).unwrap(), None);
        self.add("counter", &contoso, "counter-tenant".to_owned(), first("counter-", 0));
        self.add("head", &contoso, "head".to_owned(), None);
        self.add("leaf, sealed", &contoso, leaf_id(0, 500), Some(leaf_id(0, 501)));
        self.add("leaf, not sealed", &contoso, leaf_id(0, size - 2), Some(leaf_id(0, size - 1)));
        self.add("keyset", &Partition::deployment(), KEYSET_ID.to_owned(), None);
        self.add("binding", &Partition::bindings(CONTOSO), BINDING_ID.to_owned(), None);
    }

    fn add(
        &mut self,
        name: &'static str,
        partition: &Partition,
        id: String,
        other: Option<String>,
    ) {
        self.kinds.push(Kind { name, partition: partition.clone(), id, other });
    }

    /// Puts everything back, time as well.
    pub fn restore(&self) {
        self.state.put(&self.world);
    }
}

/// What else the admin plane has published: an order that concerns nobody here, what an app's
/// package trusts, and an order to go on that was carried out long ago.
async fn publish(world: &World) -> [(&'static str, Partition, String); 3] {
    let nobody = PersonId { tid: CONTOSO, oid: ObjectId::new(Uuid::from_u128(0xe0)) };
    let order = world.order_to_erase(CONTOSO, nobody).await;
    world.put_order(CONTOSO, &order);
    let (deployment, contoso) = (Partition::deployment(), Partition::bindings(CONTOSO));
    let manifest = manifest(world.root.key(), world.now(), &[]);
    let manifest_id = deployment_id(App::Intake);
    store(world, &deployment, &manifest_id, &manifest).await;
    let recovery = Recovery {
        tnt: CONTOSO.to_string(),
        epoch: 1,
        after: 1,
        previous: String::new(),
        quarantined: Quarantined::of(0, []),
        reason: "a leaf was lost".to_owned(),
        iat: world.now(),
        exp: world.now().plus_s(600),
    };
    store(world, &contoso, RECOVERY_ID, &recovery).await;
    [
        ("erasure order", contoso.clone(), order.id),
        ("manifest", deployment, manifest_id),
        ("recovery order", contoso, RECOVERY_ID.to_owned()),
    ]
}

/// Ends the sessions of people who have asked and decided before: ids of their revocations.
async fn revoke(world: &World, people: [&Client; 2]) -> [String; 2] {
    for client in people {
        let revocation = world.revoke(client).await;
        world.tell(client, &revocation).await;
    }
    people.map(|client| revocation::person_id(client.id()))
}

async fn store<T: Artefact>(world: &World, partition: &Partition, id: &str, value: &T) {
    let stored = StoredArtefact {
        id: id.to_owned(),
        tenant: partition.key().to_owned(),
        kind: id.to_owned(),
        at: world.now().as_unix_s(),
        artefact: Signed::sign(value, &world.root).await.unwrap(),
    };
    world.documents.overwrite(partition, id, serde_json::to_value(stored).unwrap());
}

fn is_permit((queue, _): &(String, crate::ports::Message)) -> bool {
    queue.starts_with("permits")
}

/// Leaves that say nothing of note, as many writers at once.
async fn write(world: &World, partition: &Partition, count: u64) {
    let ports = world.ports(App::Intake);
    let ledger = Ledger::new(App::Intake, &ports, Arc::new(world.trust_store()));
    let commit = || ledger.commit(partition, Commit { ..said() }, world.now());
    let written = futures::future::join_all((0..count).map(|_| commit())).await;
    assert!(written.iter().all(Result::is_ok));
}

impl State {
    async fn of(world: &World) -> Self {
        let mut partitions = vec![Partition::platform(), Partition::deployment()];
        for tenant in [CONTOSO, FABRIKAM] {
            let scope = world.scope(tenant).await;
            partitions.push(Partition::tenant(&scope));
            partitions.push(Partition::bindings(tenant));
            partitions.push(Partition::revocations(tenant));
        }
        let documents = partitions.into_iter().map(|partition| {
            let all = world.documents.all(&partition);
            (partition, all)
        });
        let mut blobs = Vec::new();
        for container in [claim::CONTAINER, published::CONTAINER] {
            for (name, bytes) in kept(&world.blobs, container).await {
                blobs.push((container, name, bytes));
            }
        }
        let anchors = kept(&world.anchors, anchor::CONTAINER).await;
        let at = world.clock.now().as_unix_s();
        Self { documents: documents.collect(), blobs, anchors, at }
    }

    pub fn of_partition(&self, partition: &Partition) -> &BTreeMap<String, Value> {
        &self.documents.iter().find(|(own, _)| own == partition).unwrap().1
    }

    fn put(&self, world: &World) {
        world.clock.advance_s(self.at - world.clock.now().as_unix_s());
        for (partition, all) in &self.documents {
            self.put_partition(world, partition);
            debug_assert_eq!(world.documents.all(partition).len(), all.len());
        }
        for container in [claim::CONTAINER, published::CONTAINER] {
            for name in world.blobs.names(container) {
                world.blobs.forget(container, &name);
            }
        }
        for (container, name, bytes) in &self.blobs {
            world.blobs.overwrite(container, name, bytes);
        }
        for name in world.anchors.names(anchor::CONTAINER) {
            world.anchors.forget(anchor::CONTAINER, &name);
        }
        for (name, bytes) in &self.anchors {
            world.anchors.overwrite(anchor::CONTAINER, name, bytes);
        }
    }

    /// Puts one partition of the database back, and nothing else.
    pub fn put_partition(&self, world: &World, partition: &Partition) {
        let wanted = self.of_partition(partition);
        let present = world.documents.all(partition);
        for id in present.keys().filter(|id| !wanted.contains_key(*id)) {
            world.documents.forget(partition, id);
        }
        for (id, json) in wanted.iter().filter(|(id, json)| present.get(*id) != Some(json)) {
            world.documents.overwrite(partition, id, json.clone());
        }
    }

    pub fn partitions(&self) -> impl Iterator<Item = &Partition> {
        self.documents.iter().map(|(partition, _)| partition)
    }
}

async fn kept(blobs: &Kept, container: &str) -> Vec<(String, Vec<u8>)> {
    let mut kept = Vec::new();
    for name in blobs.names(container) {
        let bytes = blobs.read(container, &name).await.unwrap().unwrap();
        kept.push((name, bytes));
    }
    kept
}
