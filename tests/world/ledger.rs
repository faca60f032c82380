//! What remains: a tree's leaves, read past every handler.

use airlock_core::{
    base64url,
    digest::Digest,
    ledger::{Frontier, Statement, merkle::leaf_hash},
};
use serde_json::Value;

use super::payload;

/// A tree as it is stored.
#[derive(Clone, Debug)]
pub struct Ledger {
    leaves: Vec<Leaf>,
    head: Option<Value>,
}

/// One signed statement.
#[derive(Clone, Debug)]
pub struct Leaf {
    /// Its position.
    pub index: u64,
    /// Its compact form.
    pub text: String,
    /// What it says.
    pub says: Value,
}

impl Leaf {
    fn read(document: &Value) -> Self {
        let text = document["statement"].as_str().expect("a leaf holds a statement").to_owned();
        let payload = text.split('.').nth(1).and_then(base64url::decode).expect("a compact JWS");
        let says = serde_json::from_slice(&payload).expect("a statement is JSON");
        Self { index: document["at"].as_u64().expect("a leaf has a position"), text, says }
    }

    /// What happened.
    #[must_use]
    pub fn kind(&self) -> &str {
        self.says["type"].as_str().unwrap_or_default()
    }

    /// Why.
    #[must_use]
    pub fn reason(&self) -> &str {
        self.says["data"]["reason"].as_str().unwrap_or_default()
    }

    /// The app that saw it happen.
    #[must_use]
    pub fn by(&self) -> &str {
        self.says["iss"].as_str().unwrap_or_default()
    }

    /// What another app said that was written down here.
    #[must_use]
    pub fn event(&self) -> Option<Statement> {
        self.says["data"]["event"].as_str().map(payload)
    }

    /// Whether a worker says that it did not do, or no longer does, something.
    #[must_use]
    pub fn is_refusal(&self) -> bool {
        let kinds = ["airlock.integrity.violation", "airlock.request.ended"];
        self.by() == "execute" && kinds.contains(&self.kind())
    }

    /// Whether it says that evidence does not hold.
    #[must_use]
    pub fn is_violation(&self) -> bool {
        self.kind() == "airlock.integrity.violation"
    }
}

impl Ledger {
    /// Reads the tree among the documents of its partition.
    #[must_use]
    pub fn read(documents: &[Value]) -> Self {
        let of = |kind: &'static str| documents.iter().filter(move |it| it["kind"] == kind);
        let mut leaves: Vec<Leaf> = of("leaf").map(Leaf::read).collect();
        leaves.sort_by_key(|leaf| leaf.index);
        Self { leaves, head: of("head").next().cloned() }
    }

    /// The leaves in their order.
    #[must_use]
    pub fn leaves(&self) -> &[Leaf] {
        &self.leaves
    }

    /// The leaves in their order.
    #[must_use]
    pub fn into_leaves(self) -> Vec<Leaf> {
        self.leaves
    }

    /// What happened to a request, in order.
    #[must_use]
    pub fn of_request(&self, id: &str) -> Vec<&str> {
        let (_, digest) = id.split_once('.').expect("an id is a tenant and a digest");
        let about = |leaf: &&Leaf| leaf.says["data"]["request"] == digest;
        self.leaves.iter().filter(about).map(Leaf::kind).collect()
    }

    /// What was written down about a session, in order; requests name it so too.
    #[must_use]
    pub fn of_session(&self, sid: Digest) -> Vec<Statement> {
        let subject = format!("session-{sid}");
        self.leaves.iter().filter_map(Leaf::event).filter(|said| said.subject == subject).collect()
    }

    /// The right edge of the tree over these leaves.
    #[must_use]
    pub fn frontier(&self) -> Frontier {
        let mut frontier = Frontier::empty();
        for leaf in &self.leaves {
            frontier.push(leaf_hash(leaf.text.as_bytes()));
        }
        frontier
    }

    /// Makes sure that the head is the root over exactly these leaves, none missing, none twice.
    #[track_caller]
    pub fn assert_whole(&self) {
        for (position, leaf) in self.leaves.iter().enumerate() {
            assert_eq!(leaf.index, position as u64, "a leaf is missing or stands twice");
        }
        let frontier = self.frontier();
        let Some(head) = &self.head else {
            assert!(self.leaves.is_empty(), "leaves without a head");
            return;
        };
        assert_eq!(head["frontier"]["size"], frontier.size());
        assert_eq!(head["root"], frontier.root().to_string());
    }
}
