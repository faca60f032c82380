//! The audit of a whole tree: every entry, every tile, the checkpoint, and what it grew from.
//!
//! The tree is made again from its entries, in one pass and without ever holding it; everything
//! that is served of it is compared with that. So a fault names the file in which it is.

use std::{
    cmp::Reverse,
    collections::{BTreeMap, BTreeSet, HashSet},
    fmt,
};

use airlock_core::{
    digest::Digest,
    jws::Signed,
    ledger::{
        Checkpoint, Note, Statement,
        merkle::leaf_hash,
        tile::{Bundle, Edge, Resource, Tile, WIDTH, decode_entries, decode_hashes},
    },
};
use async_trait::async_trait;
use serde::Serialize;

use super::judge::Judge;

/// Name of the newest checkpoint; of a folder of them, where what is stored was copied as it is.
const CHECKPOINT: &str = "checkpoint";

/// Where the files of one tree are read.
#[async_trait]
pub trait Source: Send + Sync {
    /// The names of all files, if that can be told.
    fn names(&self) -> Option<&BTreeSet<String>>;

    /// A file; `None` if there is none.
    async fn read(&self, name: &str) -> anyhow::Result<Option<Vec<u8>>>;
}

/// Something that does not hold.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Fault {
    /// The file, and the entry in it.
    pub place: String,
    /// What is wrong.
    pub what: String,
}

/// What an audit found.
#[derive(Debug, Serialize)]
pub struct Audited {
    /// Name of the tree.
    pub origin: String,
    /// Number of entries, as the checkpoint says; nothing if it does not count.
    pub size: Option<u64>,
    /// How many entries were compared.
    pub entries: u64,
    /// How many files were compared.
    pub files: u64,
    /// How many files belong to a larger tree than the checkpoint's, and were not looked at.
    pub later_files: usize,
    /// Whether entries were judged by who signed them.
    pub signed_by_keyset: bool,
    /// What does not hold.
    pub faults: Vec<Fault>,
}

impl fmt::Display for Audited {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { origin, entries, files, later_files, faults, .. } = self;
        let verdict = if faults.is_empty() { "the tree holds" } else { "the tree does not hold" };
        let judged = if self.signed_by_keyset {
            "every entry is judged by who signed it"
        } else {
            "who signed the entries is not judged: that needs --keyset"
        };
        write!(
            formatter,
            "{verdict}: {origin}\n  {entries} entries in {files} files compared\n  {judged}"
        )?;
        if *later_files > 0 {
            write!(formatter, "\n  {later_files} files of a larger tree were not looked at")?;
        }
        Ok(())
    }
}

/// Where a tile or bundle stands, whatever its width: its level, or none for entries, and index.
type Position = (Option<u8>, u64);

fn position(resource: Resource) -> Position {
    match resource {
        Resource::Hashes(tile) => (Some(tile.level()), tile.index()),
        Resource::Entries(bundle) => (None, bundle.index()),
    }
}

/// Audits a tree. `kept` are checkpoints that it must have grown from, smallest first.
///
/// # Errors
///
/// If something could not be read. What does not hold is no error: it is told.
pub async fn audit(
    source: &dyn Source,
    judge: &Judge,
    kept: Vec<(String, Checkpoint)>,
) -> anyhow::Result<Audited> {
    let mut auditor = Auditor::new(source, judge, kept);
    let size = match auditor.checkpoints().await? {
        Some(checkpoint) => {
            auditor.tree(&checkpoint).await?;
            Some(checkpoint.size)
        }
        None => None,
    };
    Ok(Audited {
        origin: judge.origin().to_string(),
        size,
        entries: auditor.edge.size(),
        files: auditor.files,
        later_files: auditor.listed.map_or(0, |listed| listed.values().map(Vec::len).sum()),
        signed_by_keyset: judge.has_keyset(),
        faults: auditor.faults,
    })
}

struct Auditor<'a> {
    source: &'a dyn Source,
    judge: &'a Judge,
    /// Names and checkpoints that the tree must have grown from, and the judge of what was in
    /// each.
    kept: Vec<(String, Checkpoint, Judge)>,
    /// What is there and was not compared yet, if that can be told.
    listed: Option<BTreeMap<Position, Vec<Resource>>>,
    edge: Edge,
    seen: HashSet<Digest>,
    files: u64,
    faults: Vec<Fault>,
}

impl<'a> Auditor<'a> {
    fn new(source: &'a dyn Source, judge: &'a Judge, kept: Vec<(String, Checkpoint)>) -> Self {
        let judged = |(place, checkpoint): (String, Checkpoint)| {
            let judge = judge.as_of(checkpoint.seal.time);
            (place, checkpoint, judge)
        };
        let mut auditor = Self {
            source,
            judge,
            kept: kept.into_iter().map(judged).collect(),
            listed: None,
            edge: Edge::empty(),
            seen: HashSet::new(),
            files: 0,
            faults: Vec::new(),
        };
        if let Some(names) = source.names() {
            let mut listed: BTreeMap<Position, Vec<Resource>> = BTreeMap::new();
            for name in names {
                match Resource::parse(name) {
                    Some(resource) => {
                        listed.entry(position(resource)).or_default().push(resource);
                    }
                    None if is_checkpoint(name) => {}
                    None => auditor.fault(name, "not a file of a tree"),
                }
            }
            auditor.listed = Some(listed);
        }
        auditor
    }

    fn fault(&mut self, place: impl Into<String>, what: impl fmt::Display) {
        self.faults.push(Fault { place: place.into(), what: what.to_string() });
    }

    /// Opens the newest checkpoint; what it must have grown from are those beside it as well.
    async fn checkpoints(&mut self) -> anyhow::Result<Option<Checkpoint>> {
        let stored = |name: &&String| is_checkpoint(name);
        let names: Vec<String> = match self.source.names() {
            Some(names) => names.iter().filter(stored).cloned().collect(),
            None => vec![CHECKPOINT.to_owned()],
        };
        let mut opened = Vec::new();
        for name in names {
            let Some(bytes) = self.source.read(&name).await? else { continue };
            let note = String::from_utf8(bytes).ok().and_then(|text| Note::parse(&text).ok());
            let Some(note) = note else {
                self.fault(name, "not a signed note");
                continue;
            };
            match self.judge.checkpoint(&note) {
                Ok(checkpoint) => opened.push((name, checkpoint)),
                Err(error) => self.fault(name, chain(&error)),
            }
            self.files += 1;
        }
        opened.sort_by_key(|(_, checkpoint)| checkpoint.size);
        let Some((name, newest)) = opened.pop() else {
            if self.faults.is_empty() {
                self.fault(CHECKPOINT, "there is none");
            }
            return Ok(None);
        };
        for (place, before, _) in &self.kept {
            if before.size > newest.size {
                let what = format!(
                    "{} entries, and {place} has {}: the tree was put back",
                    newest.size, before.size
                );
                self.faults.push(Fault { place: name.clone(), what });
            } else if before.seal.number > newest.seal.number {
                let what = format!("older than {place}, by its number");
                self.faults.push(Fault { place: name.clone(), what });
            }
        }
        // The judge of what is beside it knows no more than its signature: anybody can put an
        // older file here, so it moves no revocation.
        self.kept.extend(
            opened.into_iter().map(|(name, checkpoint)| (name, checkpoint, self.judge.clone())),
        );
        self.kept.push((name, newest.clone(), self.judge.clone()));
        Ok(Some(newest))
    }

    async fn tree(&mut self, checkpoint: &Checkpoint) -> anyhow::Result<()> {
        // Of the empty tree, which has no files.
        self.grown();
        for bundle in Bundle::of_tree(checkpoint.size) {
            let Some(entries) = self.entries(bundle).await? else {
                self.fault(bundle.path(), "without these entries, what follows cannot be compared");
                return Ok(());
            };
            for (index, entry) in bundle.leaves().zip(entries) {
                self.entry(bundle, index, &entry);
                for (tile, row) in self.edge.push(leaf_hash(&entry)) {
                    self.tile(tile, &row).await?;
                }
                self.grown();
            }
        }
        let partial: Vec<(Tile, Vec<Digest>)> =
            self.edge.partial().map(|(tile, row)| (tile, row.to_vec())).collect();
        for (tile, row) in partial {
            self.tile(tile, &row).await?;
        }
        Ok(())
    }

    /// The entries of a bundle: of every file that has some of them, the same.
    async fn entries(&mut self, bundle: Bundle) -> anyhow::Result<Option<Vec<Vec<u8>>>> {
        let mut found: Option<Vec<Vec<u8>>> = None;
        for (name, width, bytes) in self.forms(Resource::Entries(bundle)).await? {
            let Some(mut entries) = decode_entries(&bytes, width) else {
                self.fault(name, format!("not a bundle of {width} entries"));
                continue;
            };
            entries.truncate(bundle.width().into());
            let differs = found
                .as_ref()
                .is_some_and(|found| found.iter().zip(&entries).any(|(one, other)| one != other));
            if differs {
                self.fault(name, "other entries than a wider file of the same bundle");
            } else if found.is_none() && width >= bundle.width() {
                found = Some(entries.into_iter().map(<[u8]>::to_vec).collect());
            }
        }
        Ok(found)
    }

    /// Compares every file of a tile with the hashes that its entries have.
    async fn tile(&mut self, tile: Tile, row: &[Digest]) -> anyhow::Result<()> {
        let mut is_there = false;
        for (name, width, bytes) in self.forms(Resource::Hashes(tile)).await? {
            is_there |= width >= tile.width();
            let Some(hashes) = decode_hashes(&bytes, width) else {
                self.fault(name, format!("not a tile of {width} hashes"));
                continue;
            };
            if let Some(at) = row.iter().zip(&hashes).position(|(one, other)| one != other) {
                self.fault(name, format!("another hash {at} than the entries have"));
            }
        }
        if !is_there {
            self.fault(tile.path(), "missing");
        }
        Ok(())
    }

    /// The files of a tile or bundle: all that are listed, widest first; else the one of this
    /// size, or the full one.
    async fn forms(&mut self, wanted: Resource) -> anyhow::Result<Vec<(String, u16, Vec<u8>)>> {
        let mut resources = match &mut self.listed {
            Some(listed) => listed.remove(&position(wanted)).unwrap_or_default(),
            // Once there is a full one, the partial one may be gone.
            None => vec![wanted, full(wanted)],
        };
        if self.listed.is_some() {
            resources.sort_by_key(|resource| Reverse(width(*resource)));
        }
        let mut forms = Vec::new();
        for resource in resources {
            let name = resource.path();
            if let Some(bytes) = self.source.read(&name).await? {
                self.files += 1;
                forms.push((name, width(resource), bytes));
            }
            if self.listed.is_none() && !forms.is_empty() {
                break;
            }
        }
        Ok(forms)
    }

    /// Judges an entry by who signed it, and where it stands.
    fn entry(&mut self, bundle: Bundle, index: u64, entry: &[u8]) {
        if !self.judge.has_keyset() {
            return;
        }
        if let Err(what) = self.judged(index, entry) {
            self.fault(format!("{} (entry {index})", bundle.path()), what);
        }
    }

    fn judged(&mut self, index: u64, entry: &[u8]) -> Result<(), String> {
        let signed: Signed<Statement> = std::str::from_utf8(entry)
            .ok()
            .and_then(|text| Signed::parse(text).ok())
            .ok_or("not a statement")?;
        let judge = self.kept.iter().find(|(_, checkpoint, _)| checkpoint.size > index);
        let judge = judge.map_or(self.judge, |(_, _, judge)| judge);
        let Some(statement) = judge.open(&signed) else { return Ok(()) };
        let statement = statement.map_err(|error| chain(&error))?;
        if statement.tenantid != self.judge.origin().partition() {
            return Err("a statement about another tenant".to_owned());
        }
        if !self.seen.insert(statement.digest()) {
            return Err("the same statement stands in the tree before".to_owned());
        }
        Ok(())
    }

    /// Compares the tree with each checkpoint of its size.
    fn grown(&mut self) {
        let size = self.edge.size();
        let mut root = None;
        for (place, checkpoint, _) in &self.kept {
            if checkpoint.size != size {
                continue;
            }
            let root = *root.get_or_insert_with(|| self.edge.root());
            if checkpoint.root != root {
                let what = format!("another root than its {size} entries have");
                self.faults.push(Fault { place: place.clone(), what });
            }
        }
    }
}

fn is_checkpoint(name: &str) -> bool {
    name.strip_prefix(CHECKPOINT).is_some_and(|rest| rest.is_empty() || rest.starts_with('/'))
}

const fn width(resource: Resource) -> u16 {
    match resource {
        Resource::Hashes(tile) => tile.width(),
        Resource::Entries(bundle) => bundle.width(),
    }
}

/// The same one when it is full.
fn full(resource: Resource) -> Resource {
    let full = match resource {
        Resource::Hashes(tile) => {
            Tile::new(tile.level(), tile.index(), WIDTH).map(Resource::Hashes)
        }
        Resource::Entries(bundle) => Bundle::new(bundle.index(), WIDTH).map(Resource::Entries),
    };
    full.unwrap_or(resource)
}

/// An error with its reasons, in one line.
fn chain(error: &(dyn std::error::Error + 'static)) -> String {
    let sources = std::iter::successors(error.source(), |error| error.source());
    sources.fold(error.to_string(), |text, source| format!("{text}: {source}"))
}
