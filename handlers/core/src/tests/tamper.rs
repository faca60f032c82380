//! Whoever owns the database does everything to everything: each member of each kind of stored
//! document is changed and taken away, each document deleted, duplicated, swapped, moved and put
//! back, and the whole of it too. All of it is detected, but for what is listed as without effect,
//! with the reason; and nothing is done in the tenant from then on.

mod looks;
mod stage;
mod tampering;

use std::{collections::BTreeMap, time::Instant};

use looks::Seen;
use stage::{Kind, Stage};
use tampering::{Tampering, Whole};

use super::world::{CONTOSO, FABRIKAM};

/// What is not detected because there is nothing to detect: it changes nothing that anybody does
/// but to keep something from being done.
fn is_without_effect(kind: &str, tampering: &Tampering) -> Option<&'static str> {
    use Tampering::{Changed, Deleted, Duplicated, Moved, With, Without};
    let path = match tampering {
        Changed(path, _) | Without(path) => path.as_str(),
        With(member) => member,
        Deleted | Duplicated | Moved | Tampering::RolledBack | Tampering::Swapped => "",
    };
    Some(match (kind, tampering) {
        ("outbox message", Deleted) => {
            "is not sent: what was permitted is not done, and is seen to wait"
        }
        ("counter", Changed(..)) if path == "/count" => "counts more: fewer requests are taken",
        ("counter", Changed(..)) if path == "/at" => "counts on in that hour: fewer are taken",
        ("counter", Duplicated) => "of nobody: it is not read",
        ("counter", Moved) => "counts more there: fewer requests are taken",
        ("keyset" | "binding" | "manifest", Changed(..)) if path == "/at" => "nobody reads it",
        ("keyset" | "binding", Duplicated) => "has no name by which anybody reads it",
        ("erasure order", Changed(..) | Without(_)) if path == "/kind" => {
            "is not carried out, as if it were deleted"
        }
        ("erasure order", Changed(..)) if path == "/ttl" => {
            "the store forgets it at another time, as if it were deleted then"
        }
        ("erasure order", Deleted) => {
            "is not carried out: who ordered it sees no end of it in the ledger"
        }
        ("manifest", Deleted | Moved | Duplicated) => {
            "no app reads it: each has its own in its package"
        }
        ("manifest", Changed(..)) if path == "/id" => "is there no longer, as if it were deleted",
        ("recovery order", _) => "is read of a tenant that is stopped alone",
        ("keyset", Moved) => "has no place there: nobody reads it",
        ("leaf, sealed" | "leaf, not sealed", Moved) => {
            "is behind the end of that tree: nobody reads it, and nobody writes over it"
        }
        _ => return None,
    })
}

/// Kinds that say nothing of the tenant's ledger: what is wrong with one is said, nobody goes by it,
/// and everything else goes on.
const STOPS_NOTHING: [&str; 2] = ["erasure order", "manifest"];

/// What came of the ways to tamper, by kind and words of whoever detected it.
#[derive(Default)]
struct Table {
    lines: BTreeMap<(String, String), Vec<String>>,
    detected: usize,
    without_effect: usize,
    missed: Vec<String>,
}

impl Table {
    fn add(&mut self, kind: &str, tampering: &str, seen: &Seen, reason: Option<&str>) {
        let told = match (seen.words(), reason) {
            (Some(words), _) => {
                self.detected += 1;
                words
            }
            (None, Some(reason)) => {
                self.without_effect += 1;
                format!("without effect: {reason}")
            }
            (None, None) => {
                self.missed.push(format!("{kind}: {tampering}"));
                "NOT DETECTED".to_owned()
            }
        };
        self.lines.entry((kind.to_owned(), told)).or_default().push(tampering.to_owned());
        let is_to_stop = !STOPS_NOTHING.contains(&kind);
        if is_to_stop && seen.done_afterwards > 0 && (seen.words().is_some() || reason.is_none()) {
            self.missed.push(format!("{kind}: {tampering}: done all the same"));
        }
    }

    fn print(&self) {
        for ((kind, told), tamperings) in &self.lines {
            println!("{kind:24} | {told} | {}", tamperings.join(", "));
        }
        let all = self.detected + self.missed.len();
        println!(
            "{} tamperings, of which {} without effect; {} of {} detected: {} %",
            all + self.without_effect,
            self.without_effect,
            self.detected,
            all,
            100 * self.detected / all.max(1),
        );
    }
}

#[tokio::test]
async fn what_is_not_tampered_with_is_found_by_nobody_and_done() {
    let stage = Box::pin(Stage::set()).await;

    for tenant in [CONTOSO, FABRIKAM] {
        let seen = looks::tampered(&stage, tenant, true, async || {}).await;

        let wanted = if tenant == CONTOSO { 2 } else { 1 };
        assert_eq!((seen.words(), seen.done_afterwards), (None, wanted));
    }
}

#[tokio::test]
#[ignore = "takes minutes: tests/run plays it"]
async fn whatever_is_tampered_with_is_detected_and_nothing_is_done_afterwards() {
    let begun = Instant::now();
    let stage = Box::pin(Stage::set()).await;
    let mut table = Table::default();
    for whole in Whole::ALL {
        let tamper = async || whole.apply(&stage).await;
        let seen = looks::tampered(&stage, CONTOSO, true, tamper).await;
        table.add("the whole", whole.words(), &seen, None);
    }
    for kind in &stage.kinds {
        for tampering in Tampering::of(&stage, kind) {
            let seen = of_one(&stage, kind, &tampering).await;
            let reason = is_without_effect(kind.name, &tampering);
            table.add(kind.name, &tampering.to_string(), &seen, reason);
        }
    }
    table.print();
    println!("{} kinds, in {:.0?}", stage.kinds.len(), begun.elapsed());
    assert!(table.missed.is_empty(), "{:#?}", table.missed);
}

async fn of_one(stage: &Stage, kind: &Kind, tampering: &Tampering) -> Seen {
    let is_read = !kind.name.starts_with("leaf, sealed");
    let tenant = if matches!(tampering, Tampering::Moved) { FABRIKAM } else { CONTOSO };
    looks::tampered(stage, tenant, is_read, async || tampering.apply(stage, kind)).await
}
