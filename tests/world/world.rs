//! The world itself.

use std::{
    collections::{BTreeMap, BTreeSet},
    fs,
    path::Path,
    time::Duration,
};

use airlock_core::{
    identity::TenantId,
    ledger::{Frontier, Happened, Statement},
};
use base64::{Engine as _, engine::general_purpose::STANDARD};
use serde_json::Value;
use tokio::sync::OnceCell;

use super::{
    Answer, Control, Impostor, Leaf, Ledger, Opener, Person, Who, eventually,
    launch::{Launched, launched},
    payload,
};

/// How long anything may take that needs no crash and no pause.
pub const SOON: Duration = Duration::from_secs(30);

/// How long anything may take that has to wait for a lease, a lock or a timer.
pub const LATER: Duration = Duration::from_secs(90);

/// Rounds of `rotate` after which it has nothing to do, at the most: what was made a moment ago is
/// not accepted everywhere at once.
const ROUNDS: u32 = 5;

/// A running cloud with its handlers.
pub struct World {
    launched: Launched,
    control: Control,
    http: reqwest::Client,
    azure: reqwest::Client,
    directory: Value,
    settled_in: OnceCell<()>,
}

/// All documents, by where they are.
#[derive(Clone, Debug)]
pub struct Stored(BTreeMap<String, String>);

/// How things stood before an attack.
#[derive(Clone, Debug)]
pub struct Before {
    effects: usize,
    leaves: Vec<(String, usize)>,
}

impl Before {
    /// How many leaves a tree had.
    #[must_use]
    pub fn leaves_of(&self, partition: &str) -> usize {
        let tree = self.leaves.iter().find(|(name, _)| name == partition);
        tree.expect("a partition of this world").1
    }
}

impl World {
    /// Starts a world of its own for this test.
    pub async fn start() -> Self {
        let launched = tokio::task::spawn_blocking(launched).await.expect("the cloud starts");
        let http = reqwest::Client::builder()
            .no_proxy()
            .redirect(reqwest::redirect::Policy::none())
            .timeout(Duration::from_mins(1))
            .build()
            .expect("a client for the loopback");
        let azure = azure(&launched.stack);
        let control = Control::new(http.clone(), &launched.stack);
        let directory = control.directory().await;
        let settled_in = OnceCell::new();
        Self { launched, control, http, azure, directory, settled_in }
    }

    /// The cloud's own hand.
    #[must_use]
    pub const fn control(&self) -> &Control {
        &self.control
    }

    /// A client for what is on `localhost`: it follows no redirect and keeps no cookie.
    #[must_use]
    pub const fn http(&self) -> &reqwest::Client {
        &self.http
    }

    /// A client for Azure's host names, with every certificate check on.
    #[must_use]
    pub const fn azure(&self) -> &reqwest::Client {
        &self.azure
    }

    /// What the cloud wrote down about itself.
    #[must_use]
    pub const fn stack(&self) -> &Value {
        &self.launched.stack
    }

    /// Where the cloud keeps its files.
    #[must_use]
    pub fn state(&self) -> &Path {
        self.launched.state()
    }

    /// From spawn to ready.
    #[must_use]
    pub const fn took(&self) -> Duration {
        self.launched.took
    }

    /// What the cloud printed.
    #[must_use]
    pub fn said(&self) -> String {
        self.launched.said()
    }

    /// The API's origin.
    #[must_use]
    pub fn api(&self) -> &str {
        self.stack()["api"].as_str().expect("stack.json names the API")
    }

    /// The portal's origin.
    #[must_use]
    pub fn portal(&self) -> &str {
        self.stack()["portal"].as_str().expect("stack.json names the portal")
    }

    /// The person with this name before the `@`.
    #[must_use]
    pub fn who(&self, user: &str) -> Who {
        Who::find(&self.directory, user)
    }

    /// Contoso: tenant of the deployment.
    #[must_use]
    pub fn contoso(&self) -> TenantId {
        self.who("harriet").tenant
    }

    /// Fabrikam: another tenant, with a binding, a container and a wrapping key of its own.
    #[must_use]
    pub fn fabrikam(&self) -> TenantId {
        self.who("fiona").tenant
    }

    /// Wingtip: a third, with a binding and a database of its own.
    #[must_use]
    pub fn wingtip(&self) -> TenantId {
        self.who("wanda").tenant
    }

    /// Signs somebody in.
    pub async fn person(&self, user: &str) -> Person {
        Person::sign_in(self, self.who(user)).await
    }

    /// Whoever may read what is encrypted.
    pub async fn opener(&self) -> Opener {
        Opener::new(self.control.clone(), self.impostor("intake").await)
    }

    /// Somebody who has taken over an app.
    pub async fn impostor(&self, app: &str) -> Impostor {
        self.control.impostor(&self.azure, app).await
    }

    /// The ledger of a tenant, as it stands.
    pub async fn ledger(&self, tenant: TenantId) -> Ledger {
        self.tree(&tenant.to_string()).await
    }

    /// A tree by its partition: a tenant's id, or `platform`.
    pub async fn tree(&self, partition: &str) -> Ledger {
        Ledger::read(&self.control.partition("tenants", partition).await)
    }

    /// The body of a stored request.
    pub async fn stored_request(&self, id: &str) -> Option<Value> {
        let (_, digest) = id.split_once('.').expect("an id is a tenant and a digest");
        let stored = self.control.document("tenants", &format!("request-{digest}")).await?;
        let text = self.opener().await.text(&stored).await.expect("a request is encrypted");
        serde_json::from_str(&text).ok()
    }

    /// How things stand now.
    pub async fn before(&self) -> Before {
        let effects = self.control.effects().await.len();
        let mut leaves = Vec::new();
        for partition in self.partitions() {
            let size = self.tree(&partition).await.leaves().len();
            leaves.push((partition, size));
        }
        Before { effects, leaves }
    }

    /// Waits for a leaf that says that something was refused, and makes sure that nothing else
    /// happened since: no write to the directory, no message left.
    pub async fn refused_since(&self, before: &Before) -> Leaf {
        let leaf =
            eventually("a leaf about the refusal", SOON, async || self.new_refusal(before).await)
                .await;
        self.settled().await;
        self.nothing_done_since(before).await;
        leaf
    }

    async fn new_refusal(&self, before: &Before) -> Option<Leaf> {
        for (partition, known) in &before.leaves {
            let leaves = self.tree(partition).await.into_leaves();
            let refusal = leaves.into_iter().skip(*known).find(Leaf::is_refusal);
            if refusal.is_some() {
                return refusal;
            }
        }
        None
    }

    /// Makes sure that nobody wrote to the directory.
    pub async fn nothing_done_since(&self, before: &Before) {
        let effects = self.control.effects().await;
        assert_eq!(effects.len(), before.effects, "{:?}", effects.last());
    }

    /// Waits until no message waits for `execute`, not even for later.
    pub async fn settled(&self) {
        eventually("the queue is empty", LATER, async || {
            let bus = self.control.bus().await;
            let queue = &bus["permits-execute"];
            ["active", "locked", "scheduled"]
                .iter()
                .all(|side| queue[side].as_array().is_some_and(Vec::is_empty))
                .then_some(())
        })
        .await;
    }

    /// Waits until everything that `signin` has to say is written down. What it left, it sends
    /// again.
    pub async fn recorded(&self) {
        eventually("everything is written down", LATER, async || {
            for container in ["sessions", "revocations"] {
                let documents = self.control.documents(container).await;
                if documents.iter().any(|document| document["kind"] == "report") {
                    self.control.fire("signin", "resend").await;
                    return None;
                }
            }
            let bus = self.control.bus().await;
            let queue = &bus["audit-events"];
            ["active", "locked", "scheduled", "dead"]
                .iter()
                .all(|side| queue[side].as_array().is_some_and(Vec::is_empty))
                .then_some(())
        })
        .await;
    }

    /// What was sealed last of a tree.
    pub async fn sealed(&self, partition: &str) -> Option<Frontier> {
        serde_json::from_value(self.anchor(partition).await?["frontier"].take()).ok()
    }

    async fn anchor(&self, partition: &str) -> Option<Value> {
        let blobs = self.control.blobs().await;
        let anchors = blobs["anchors"]["anchors"].as_object()?;
        // The newest has the first name.
        let (_, newest) = anchors.iter().find(|(name, _)| name.starts_with(partition))?;
        let body = newest["body"].as_str().expect("a blob has a body");
        let body = STANDARD.decode(body).expect("a body is in base64");
        Some(serde_json::from_slice(&body).expect("an anchor is JSON"))
    }

    /// Has `drift` seal, until all that was written is sealed: then it has nothing to say any more.
    /// Nor has `rotate`, whose first round in a new deployment makes what is not there yet.
    pub async fn quiet(&self) {
        self.settled_in.get_or_init(|| self.settles_in()).await;
        eventually("everything is sealed", LATER, async || {
            if self.is_sealed().await {
                return Some(());
            }
            self.control.fire("drift", "seal").await;
            None
        })
        .await;
    }

    /// Rounds of `rotate` until one changes nothing, and whatever it had to say is sent.
    async fn settles_in(&self) {
        let of_kind = async |kind: &str| {
            let mut all = self.control.documents("tenants").await;
            all.retain(|document| document["kind"] == kind);
            all
        };
        let processes = self.control.processes().await;
        // A test that has stopped one of them has nothing to wait for.
        let works = |app: &str| processes[app]["state"] == "running";
        let mut before = of_kind("rotation").await;
        for _ in 0..ROUNDS {
            if !works("rotate") {
                break;
            }
            self.control.fire("rotate", "rotate").await;
            let after = of_kind("rotation").await;
            if after == before {
                break;
            }
            before = after;
        }
        if works("intake") && !of_kind("outbox").await.is_empty() {
            self.control.fire("intake", "resend").await;
        }
    }

    async fn is_sealed(&self) -> bool {
        for partition in &self.partitions() {
            if self.sealed(partition).await != Some(self.tree(partition).await.frontier()) {
                return false;
            }
        }
        true
    }

    /// What `drift` says of a tree that it refused a seal, if it did: the newest anchor.
    pub async fn stopped(&self, partition: &str) -> Option<Statement> {
        let anchor = self.anchor(partition).await?;
        Some(payload(anchor["refused"].as_str()?))
    }

    /// Waits until `drift` has refused a tree, and told so where whoever watches looks: in the
    /// platform's tree. Gives what it says is wrong.
    pub async fn refused_a_seal(&self, partition: &str) -> String {
        let said = eventually("drift refuses the tree", LATER, async || {
            self.control.fire("drift", "seal").await;
            self.stopped(partition).await
        })
        .await;
        assert_eq!(said.r#type, Happened::SealRefused);
        let told = |leaf: &Leaf| leaf.by() == "drift" && leaf.is_violation();
        eventually("it is told", LATER, async || {
            let platform = self.tree("platform").await;
            platform.assert_whole();
            platform.leaves().iter().any(told).then_some(())
        })
        .await;
        said.data.reason.expect("a refusal says why")
    }

    /// Calls the API as nobody in particular.
    pub fn call(&self, method: http::Method, path: &str) -> reqwest::RequestBuilder {
        self.http.request(method, format!("{}{path}", self.api()))
    }

    /// Everything that is stored, once who signed in before is written down.
    pub async fn stored(&self) -> Stored {
        self.recorded().await;
        self.quiet().await;
        let mut all = BTreeMap::new();
        for container in ["tenants", "sessions", "revocations", "bindings"] {
            for document in self.control.documents(container).await {
                let place = format!("{container}/{}/{}", document["tenant"], document["id"]);
                all.insert(place, document.to_string());
            }
        }
        Stored(all)
    }

    /// Makes sure that nobody has written to the database since.
    pub async fn nothing_stored_since(&self, before: &Stored) {
        let after = self.stored().await;
        let places: BTreeSet<&String> = before.0.keys().chain(after.0.keys()).collect();
        let changed: Vec<&String> = places
            .into_iter()
            .filter(|place| before.0.get(*place) != after.0.get(*place))
            .collect();
        assert!(changed.is_empty(), "written to: {changed:#?}");
    }

    fn partitions(&self) -> [String; 4] {
        let tenants = [self.contoso(), self.fabrikam(), self.wingtip()];
        let [contoso, fabrikam, wingtip] = tenants.map(|tenant| tenant.to_string());
        [contoso, fabrikam, wingtip, "platform".to_owned()]
    }

    /// Asks for a path of the API and reads the answer.
    pub async fn get(&self, path: &str) -> Answer {
        Answer::to(self.call(http::Method::GET, path)).await
    }
}

/// A client that finds Azure's names as the handlers do: through the proxy, trusting the cloud's
/// authority and nobody else.
fn azure(stack: &Value) -> reqwest::Client {
    let text = |name: &str| stack[name].as_str().expect("stack.json names proxy and authority");
    let authority = fs::read(text("ca")).expect("the authority's certificate");
    let authority = reqwest::Certificate::from_pem(&authority).expect("a certificate");
    reqwest::Client::builder()
        .no_proxy()
        .proxy(reqwest::Proxy::https(text("proxy")).expect("the proxy's address"))
        .tls_certs_only([authority])
        .redirect(reqwest::redirect::Policy::none())
        .timeout(Duration::from_mins(1))
        .build()
        .expect("a client for Azure's names")
}
