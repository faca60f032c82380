//! The cloud's own hand: its control API.

use serde_json::{Value, json};

use super::{Answer, Impostor};

/// Header that carries the key.
const KEY: &str = "x-airlock-control";

/// The control API of a running cloud.
#[derive(Clone, Debug)]
pub struct Control {
    http: reqwest::Client,
    origin: String,
    key: String,
}

/// When a process dies around a call.
#[derive(Clone, Copy, Debug)]
pub enum Kill {
    /// Before it is carried out.
    Before,
    /// After it was carried out.
    After,
}

impl Control {
    /// Of the cloud that wrote this `stack.json`.
    #[must_use]
    pub fn new(http: reqwest::Client, stack: &Value) -> Self {
        let text =
            |name: &str| stack[name].as_str().expect("stack.json names the control API").to_owned();
        Self { http, origin: text("control"), key: text("control_key") }
    }

    /// The key, which nothing else may know.
    #[must_use]
    pub fn key(&self) -> &str {
        &self.key
    }

    async fn ask(&self, request: reqwest::RequestBuilder) -> Value {
        Answer::to(request.header(KEY, &self.key)).await.ok()
    }

    /// Reads.
    pub async fn get(&self, path: &str) -> Value {
        self.ask(self.http.get(format!("{}{path}", self.origin))).await
    }

    async fn post(&self, path: &str, body: &Value) -> Value {
        self.ask(self.http.post(format!("{}{path}", self.origin)).json(body)).await
    }

    /// Changes the world behind everyone's back.
    pub async fn hand(&self, path: &str, body: &Value) -> Value {
        self.post(path, body).await
    }

    /// Lets calls go wrong.
    pub async fn fault(&self, rule: Value) {
        self.post("/faults", &rule).await;
    }

    /// Lets the next call of this kind kill a process.
    pub async fn kill_at(
        &self,
        process: &str,
        when: Kill,
        service: &str,
        method: &str,
        path: &str,
    ) {
        let when = match when {
            Kill::Before => "before",
            Kill::After => "after",
        };
        self.fault(json!({
            "service": service, "method": method, "path": path,
            "effect": { "kind": "kill", "process": process, "when": when },
        }))
        .await;
    }

    /// How often rules have bitten, in the order in which they were set.
    pub async fn bitten(&self) -> Vec<u64> {
        let rules = self.get("/faults").await;
        let rules = rules.as_array().expect("a list of rules");
        rules.iter().map(|rule| rule["taken"].as_u64().expect("a count")).collect()
    }

    /// Takes every rule away.
    pub async fn clear_faults(&self) {
        self.ask(self.http.delete(format!("{}/faults", self.origin))).await;
    }

    /// Every call that was made to the cloud.
    pub async fn calls(&self) -> Vec<Value> {
        list(self.get("/calls").await)
    }

    /// Every token that was issued.
    pub async fn tokens(&self) -> Vec<Value> {
        list(self.get("/tokens").await["issued"].take())
    }

    /// The directory: people, groups, and every write that took effect.
    pub async fn directory(&self) -> Value {
        self.get("/directory").await
    }

    /// Every write to the directory that took effect.
    pub async fn effects(&self) -> Vec<Value> {
        list(self.directory().await["effects"].take())
    }

    /// All documents of a container.
    pub async fn documents(&self, container: &str) -> Vec<Value> {
        list(self.get(&format!("/cosmos/{container}")).await)
    }

    /// One document, if it is there.
    pub async fn document(&self, container: &str, id: &str) -> Option<Value> {
        self.documents(container).await.into_iter().find(|document| document["id"] == id)
    }

    /// Stores exactly this, whatever was there.
    pub async fn put(&self, container: &str, partition: &str, document: &Value) {
        let id = document["id"].as_str().expect("a document has an id");
        let url = format!("{}/cosmos/{container}/{partition}/{id}", self.origin);
        self.ask(self.http.put(url).json(document)).await;
    }

    /// Deletes a document.
    pub async fn remove(&self, container: &str, partition: &str, id: &str) {
        self.ask(self.http.delete(format!("{}/cosmos/{container}/{partition}/{id}", self.origin)))
            .await;
    }

    /// All documents of a partition, to be put back later.
    pub async fn partition(&self, container: &str, partition: &str) -> Vec<Value> {
        let mut documents = self.documents(container).await;
        documents.retain(|document| document["tenant"] == partition);
        documents
    }

    /// Makes a new version of a key, as whoever owns the vault can.
    pub async fn new_version(&self, key: &str) {
        self.ask(self.http.post(format!("{}/rotation/keys/{key}", self.origin))).await;
    }

    /// What the admin plane published last: the keyset of `platform`, the binding of a tenant.
    pub async fn published(&self, partition: &str) -> Value {
        let id = if partition == "platform" { "keyset" } else { "binding" };
        let mut documents = self.partition("bindings", partition).await;
        documents.retain(|document| document["id"] == id);
        documents.pop().expect("the admin plane stored it")
    }

    /// Puts a whole partition back to what it once was.
    pub async fn put_back(&self, container: &str, partition: &str, documents: &[Value]) {
        let url = format!("{}/cosmos/{container}/{partition}", self.origin);
        self.ask(self.http.put(url).json(documents)).await;
    }

    /// Every queue.
    pub async fn bus(&self) -> Value {
        self.get("/bus").await
    }

    /// Puts a message into a queue without anyone's right.
    pub async fn inject(&self, queue: &str, message_id: &str, body: &[u8]) {
        use base64::Engine as _;
        let body = base64::engine::general_purpose::STANDARD.encode(body);
        let message = json!({ "message_id": message_id, "body_base64": body });
        self.post(&format!("/bus/{queue}"), &message).await;
    }

    /// Every blob.
    pub async fn blobs(&self) -> Value {
        self.get("/blobs").await
    }

    /// Every app's process.
    pub async fn processes(&self) -> Value {
        self.get("/processes").await
    }

    /// SIGKILL. Returns when the process is dead; the host starts another.
    pub async fn kill(&self, app: &str) {
        self.post(&format!("/processes/{app}/kill"), &json!({})).await;
    }

    /// Stops an app: no process, and nobody listens to its queues.
    pub async fn stop(&self, app: &str) {
        self.post(&format!("/processes/{app}/stop"), &json!({})).await;
        self.until(app, "stopped").await;
    }

    /// Starts a stopped app.
    pub async fn start(&self, app: &str) {
        self.post(&format!("/processes/{app}/start"), &json!({})).await;
        self.until(app, "running").await;
    }

    /// Waits until an app's process is in this state.
    pub async fn until(&self, app: &str, state: &str) {
        let within = std::time::Duration::from_secs(20);
        super::eventually(&format!("{app} {state}"), within, async || {
            (self.processes().await[app]["state"] == state).then_some(())
        })
        .await;
    }

    /// Calls the function of a timer now, and returns when the call is over.
    pub async fn fire(&self, app: &str, function: &str) {
        self.post(&format!("/timers/{app}/{function}"), &json!({})).await;
    }

    /// What an app has logged.
    pub async fn log(&self, app: &str) -> String {
        let log = self.get(&format!("/logs/{app}")).await;
        log["log"].as_str().expect("a log is text").to_owned()
    }

    /// A token with these claims, signed with a key that is right (`current`) or is not.
    pub async fn mint(&self, claims: &Value, key: &str) -> String {
        let minted = self.post("/mint", &json!({ "claims": claims, "key": key })).await;
        minted["token"].as_str().expect("a token is text").to_owned()
    }

    /// A text, signed as if it were a token: what stands before the signature need not be one.
    pub async fn sign(&self, input: &str, key: &str) -> String {
        let signed = self.post("/sign", &json!({ "input": input, "key": key })).await;
        signed["token"].as_str().expect("a token is text").to_owned()
    }

    /// A token of the customer's own issuer, signed with its key (`current`) or a `stranger`'s.
    pub async fn mint_for_service(&self, claims: &Value, header: Value, key: &str) -> String {
        let body = json!({ "claims": claims, "header": header, "key": key });
        let minted = self.post("/issuer/mint", &body).await;
        minted["token"].as_str().expect("a token is text").to_owned()
    }

    /// What the platform gives to the processes of an identity.
    pub async fn identity(&self, name: &str) -> Value {
        self.get(&format!("/identity/{name}")).await
    }

    /// Names, addresses and ids of everything.
    pub async fn names(&self) -> Value {
        self.get("/names").await
    }

    /// Somebody who has taken over an app: everything that its process may do.
    pub async fn impostor(&self, azure: &reqwest::Client, app: &str) -> Impostor {
        let (identity, names) = (self.identity(app).await, self.names().await);
        Impostor::new(app, &identity, &names, self.http.clone(), azure.clone())
    }
}

fn list(value: Value) -> Vec<Value> {
    match value {
        Value::Array(list) => list,
        other => panic!("not a list: {other}"),
    }
}
