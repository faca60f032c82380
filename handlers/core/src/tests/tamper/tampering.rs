//! What whoever owns the database can do to what is stored there.

use std::fmt;

use serde_json::{Value, json};
use uuid::Uuid;

use super::stage::{Kind, Stage};
use crate::{
    identity::App,
    jws::Signed,
    ledger::{
        Frontier, Statement,
        commit::{HEAD, StoredHead, StoredLeaf, leaf_id},
        merkle::leaf_hash,
    },
    memory::LocalKey,
    ports::Partition,
    tests::world::{CONTOSO, FABRIKAM, key},
};

/// One way to tamper with a document.
#[derive(Clone, Debug)]
pub enum Tampering {
    /// A member, by its path, is another than it was.
    Changed(String, Value),
    /// A member is gone.
    Without(String),
    /// A member that nobody writes there.
    With(&'static str),
    Deleted,
    /// The same once more, under another id.
    Duplicated,
    /// In the place of another of its kind, and that in its place.
    Swapped,
    /// The same in another tenant.
    Moved,
    /// As it was when less had happened.
    RolledBack,
}

/// What is done to a whole partition.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Whole {
    TenantRolledBack,
    BindingRolledBack,
    KeysetRolledBack,
    AllRolledBack,
    Truncated,
    CutToTheAnchor,
    ForgedByAStranger,
    ForgedInAnothersName,
    ForgedTenant,
    Replayed,
}

impl Whole {
    pub const ALL: [Self; 10] = [
        Self::TenantRolledBack,
        Self::BindingRolledBack,
        Self::KeysetRolledBack,
        Self::AllRolledBack,
        Self::Truncated,
        Self::CutToTheAnchor,
        Self::ForgedByAStranger,
        Self::ForgedInAnothersName,
        Self::ForgedTenant,
        Self::Replayed,
    ];

    pub const fn words(self) -> &'static str {
        match self {
            Self::TenantRolledBack => "tenant put back to an older signed state",
            Self::BindingRolledBack => "binding put back to an older version",
            Self::KeysetRolledBack => "keyset put back to an older version",
            Self::AllRolledBack => "database put back to an older signed state",
            Self::Truncated => "truncated, with a head that fits",
            Self::CutToTheAnchor => "all that is not sealed cut off, with a head that fits",
            Self::ForgedByAStranger => "leaf by an unlisted key in the unsigned window",
            Self::ForgedInAnothersName => "leaf by execute in intake's name in the unsigned window",
            Self::ForgedTenant => "genuine leaf of another tenant in the unsigned window",
            Self::Replayed => "genuine leaf once more in the unsigned window",
        }
    }

    pub async fn apply(self, stage: &Stage) {
        let (world, contoso) = (&stage.world, &stage.contoso);
        let bindings = Partition::bindings(CONTOSO);
        let size = size(stage, contoso);
        match self {
            Self::TenantRolledBack => stage.earlier.put_partition(world, contoso),
            Self::BindingRolledBack => stage.earlier.put_partition(world, &bindings),
            Self::KeysetRolledBack => {
                stage.earlier.put_partition(world, &Partition::deployment());
            }
            Self::AllRolledBack => {
                for partition in stage.earlier.partitions() {
                    stage.earlier.put_partition(world, partition);
                }
            }
            Self::Truncated => cut(stage, 500),
            Self::CutToTheAnchor => {
                let anchored = anchored(stage).await;
                assert!(anchored < size);
                cut(stage, anchored);
            }
            Self::ForgedByAStranger => forge(stage, &key(), |_| {}).await,
            Self::ForgedInAnothersName => {
                forge(stage, world.key_of(App::Execute), |said| said.iss = App::Intake).await;
            }
            Self::ForgedTenant => {
                let foreign = leaf(stage, &stage.fabrikam, 1);
                append(stage, foreign["statement"].as_str().unwrap());
            }
            Self::Replayed => {
                let known = leaf(stage, contoso, size - 3);
                append(stage, known["statement"].as_str().unwrap());
            }
        }
    }
}

impl fmt::Display for Tampering {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Changed(path, to) if to.is_number() => write!(formatter, "{path} = {to}"),
            Self::Changed(path, _) => write!(formatter, "{path} changed"),
            Self::Without(path) => write!(formatter, "{path} taken away"),
            Self::With(member) => write!(formatter, "{member} added"),
            Self::Deleted => formatter.write_str("deleted"),
            Self::Duplicated => formatter.write_str("duplicated"),
            Self::Swapped => formatter.write_str("swapped"),
            Self::Moved => formatter.write_str("moved to another tenant"),
            Self::RolledBack => formatter.write_str("rolled back"),
        }
    }
}

impl Tampering {
    /// All that there is to do to a document.
    pub fn of(stage: &Stage, kind: &Kind) -> Vec<Self> {
        let document = &stage.state.of_partition(&kind.partition)[&kind.id];
        let mut all = Vec::new();
        members(document, "", &mut all);
        all.extend([Self::With("more"), Self::Deleted, Self::Duplicated, Self::Moved]);
        if kind.other.is_some() {
            all.push(Self::Swapped);
        }
        let before = stage.earlier.of_partition(&kind.partition).get(&kind.id);
        if before.is_some_and(|before| before != document) {
            all.push(Self::RolledBack);
        }
        all
    }

    pub fn apply(&self, stage: &Stage, kind: &Kind) {
        let (documents, Kind { partition, id, .. }) = (&stage.world.documents, kind);
        let mut document = documents.all(partition)[id].clone();
        match self {
            Self::Changed(path, to) => {
                *document.pointer_mut(path).unwrap() = to.clone();
                // The store knows a document by its id.
                documents.forget(partition, id);
                let id = document["id"].as_str().unwrap_or(id).to_owned();
                documents.overwrite(partition, &id, document);
            }
            Self::Without(path) => {
                let (parent, member) = path.rsplit_once('/').unwrap();
                let parent = document.pointer_mut(parent).unwrap();
                parent.as_object_mut().unwrap().remove(member);
                documents.overwrite(partition, id, document);
            }
            Self::With(member) => {
                document[*member] = json!("x");
                documents.overwrite(partition, id, document);
            }
            Self::Deleted => documents.forget(partition, id),
            Self::Duplicated => {
                let copy = format!("{id}-2");
                document["id"] = copy.clone().into();
                documents.overwrite(partition, &copy, document);
            }
            Self::Swapped => {
                let other = kind.other.as_ref().unwrap();
                let mut theirs = documents.all(partition)[other].clone();
                (document["id"], theirs["id"]) = (theirs["id"].take(), document["id"].take());
                documents.overwrite(partition, other, document);
                documents.overwrite(partition, id, theirs);
            }
            Self::Moved => {
                let there = elsewhere(stage, partition);
                document["tenant"] = there.key().into();
                documents.overwrite(&there, id, document);
            }
            Self::RolledBack => {
                let before = stage.earlier.of_partition(partition)[id].clone();
                documents.overwrite(partition, id, before);
            }
        }
    }
}

/// Where a document of this partition is moved to.
pub fn elsewhere(stage: &Stage, partition: &Partition) -> Partition {
    if *partition == stage.contoso {
        stage.fabrikam.clone()
    } else if *partition == Partition::revocations(CONTOSO) {
        Partition::revocations(FABRIKAM)
    } else {
        Partition::bindings(FABRIKAM)
    }
}

/// Every member, and every member of a member.
fn members(value: &Value, path: &str, all: &mut Vec<Tampering>) {
    match value {
        Value::Object(inner) => {
            for (name, value) in inner {
                let path = format!("{path}/{name}");
                if !["/id", "/tenant"].contains(&path.as_str()) {
                    all.push(Tampering::Without(path.clone()));
                }
                members(value, &path, all);
            }
        }
        Value::Array(inner) => {
            for (position, value) in inner.iter().enumerate().take(2) {
                members(value, &format!("{path}/{position}"), all);
            }
        }
        Value::String(text) => {
            // Of what is signed: its header, what it says, its signature.
            let dots: Vec<usize> = text.match_indices('.').map(|(at, _)| at).collect();
            let at = if text.len() > 200 && dots.len() == 2 {
                vec![
                    dots[0] / 2,
                    usize::midpoint(dots[0], dots[1]),
                    usize::midpoint(dots[1], text.len()),
                ]
            } else {
                vec![text.len() / 2]
            };
            for at in at {
                all.push(Tampering::Changed(path.to_owned(), with_another(text, at).into()));
            }
        }
        Value::Number(number) => {
            let number = number.as_i64().unwrap();
            for to in [number + 1, 0] {
                if to != number {
                    all.push(Tampering::Changed(path.to_owned(), to.into()));
                }
            }
        }
        Value::Bool(is) => all.push(Tampering::Changed(path.to_owned(), (!is).into())),
        Value::Null => all.push(Tampering::Changed(path.to_owned(), json!("x"))),
    }
}

/// The text with another letter somewhere.
fn with_another(text: &str, at: usize) -> String {
    let mut letters: Vec<char> = text.chars().collect();
    let at = at.min(letters.len().saturating_sub(1));
    match letters.get_mut(at) {
        Some(letter) => *letter = if *letter == 'b' { 'c' } else { 'b' },
        None => letters.push('b'),
    }
    letters.into_iter().collect()
}

fn leaf(stage: &Stage, partition: &Partition, index: u64) -> Value {
    stage.world.documents.all(partition)[&leaf_id(0, index)].clone()
}

fn size(stage: &Stage, partition: &Partition) -> u64 {
    stage.world.documents.all(partition)[HEAD]["frontier"]["size"].as_u64().unwrap()
}

async fn anchored(stage: &Stage) -> u64 {
    let seal = stage.world.trust_store();
    let trust = stage.world.trust().await;
    seal.trees().proven(&stage.contoso, &trust, stage.world.now()).await.unwrap().size
}

/// Removes leaves, and makes the head say what is left.
fn cut(stage: &Stage, size_after: u64) {
    let (documents, contoso) = (&stage.world.documents, &stage.contoso);
    for index in size_after..size(stage, contoso) {
        documents.forget(contoso, &leaf_id(0, index));
    }
    rewrite_head(stage, size_after);
}

fn rewrite_head(stage: &Stage, size: u64) {
    let all = stage.world.documents.all(&stage.contoso);
    let mut frontier = Frontier::empty();
    for index in 0..size {
        let leaf = &all[&leaf_id(0, index)];
        frontier.push(leaf_hash(leaf["statement"].as_str().unwrap().as_bytes()));
    }
    let head = serde_json::to_value(StoredHead::new(&stage.contoso, 0, frontier)).unwrap();
    stage.world.documents.overwrite(&stage.contoso, HEAD, head);
}

/// Puts a statement behind the last, under a head that fits.
fn append(stage: &Stage, text: &str) {
    let statement: Signed<Statement> = Signed::parse(text).unwrap();
    let subject = statement.peek().unwrap().subject;
    let index = size(stage, &stage.contoso);
    let leaf = StoredLeaf::new(&stage.contoso, 0, index, &subject, &statement);
    let json = serde_json::to_value(leaf).unwrap();
    stage.world.documents.overwrite(&stage.contoso, &leaf_id(0, index), json);
    rewrite_head(stage, index + 1);
}

async fn forge(stage: &Stage, key: &LocalKey, change: impl FnOnce(&mut Statement)) {
    let last = leaf(stage, &stage.contoso, size(stage, &stage.contoso) - 1);
    let signed = Signed::parse(last["statement"].as_str().unwrap()).unwrap();
    let mut statement: Statement = signed.peek().unwrap();
    statement.id = Uuid::new_v4();
    change(&mut statement);
    append(stage, Signed::sign(&statement, key).await.unwrap().as_str());
}
