//! Settling a place: what stands is compared with what was seen, then what is new is written down.

mod telling;

use std::collections::{BTreeMap, BTreeSet};

use super::{
    Book, Bounds, Kept, Lies, NOT_GENUINE, NotSettled, Observed, Pages, STANDING, Settled,
    UNREADABLE,
    changing::{Change, Changes, Known},
    is_lasting,
    pages::id,
    subject,
};
use crate::{
    digest::Digest,
    drift::{
        check::{Deviation, Judgement},
        seen::{Source, Sources},
        severity::Severity,
    },
    finding::State,
    ports::Found,
};
use telling::{Instead, More, tells_of_lasting};

/// One place in one round.
struct Settling<'a> {
    book: &'a Book<'a>,
    bounds: Bounds,
    judged: &'a Judgement,
    /// What was seen, and not yet met among what stands.
    seen: BTreeMap<Digest, Observed>,
    /// Collective findings that stand: what they tell is known last.
    collective: BTreeMap<Digest, Kept>,
    /// Ids of findings that are not genuine, and were not told of yet.
    spoilt: BTreeSet<String>,
    /// What they should have told of, as far as that is seen.
    instead: BTreeMap<String, Instead>,
    /// Whether one of these is of what is not seen for ever, and the collective finding alone
    /// tells of it.
    lasting_besides: bool,
    /// How many were told of each check that did not stand.
    told: BTreeMap<&'static str, usize>,
    /// How many stand of each lasting check that nobody accepted.
    lasting: BTreeMap<String, usize>,
    /// What deviates besides.
    more: BTreeMap<&'static str, More>,
    /// Findings that stand and change.
    changes: Changes,
    settled: Settled,
}

impl Book<'_> {
    /// Writes down what was judged.
    ///
    /// Remote calls: a query for each page of what stands, and a read for each of these that tells
    /// of one that is not genuine; one read for each deviation that does not stand,
    /// [`MOST_NEW`](super::MOST_NEW) of a check at the most; for each change of a finding a
    /// signature and a commit.
    ///
    /// # Errors
    ///
    /// [`NotSettled`]; what was written before it stands.
    pub(in crate::drift) async fn settle(&self, judged: &Judgement) -> Result<Settled, NotSettled> {
        Box::pin(self.settle_within(Bounds::default(), judged)).await
    }

    /// As [`settle`](Self::settle), within these bounds.
    pub(in crate::drift) async fn settle_within(
        &self,
        bounds: Bounds,
        judged: &Judgement,
    ) -> Result<Settled, NotSettled> {
        let mut settling = Settling {
            book: self,
            bounds,
            judged,
            seen: self.observed(judged),
            collective: BTreeMap::new(),
            spoilt: BTreeSet::new(),
            instead: BTreeMap::new(),
            lasting_besides: false,
            told: BTreeMap::new(),
            lasting: BTreeMap::new(),
            more: BTreeMap::new(),
            changes: Changes::default(),
            settled: Settled::default(),
        };
        settling.compare().await?;
        settling.change_standing().await?;
        settling.tell_new().await?;
        settling.tell_more(|check| check != NOT_GENUINE).await?;
        settling.tell_spoilt().await?;
        settling.tell_more(|check| check == NOT_GENUINE).await?;
        let Settling { spoilt, mut settled, instead, .. } = settling;
        settled.untold = spoilt.len();
        let is_lasting = |id: &String| instead.get(id).is_some_and(|instead| instead.is_lasting);
        settled.must_see_again |= spoilt.iter().any(is_lasting);
        if settled.untold > 0 {
            let place = self.partition.key();
            tracing::error!(place, "nothing left to tell by that stored findings are not genuine");
        }
        Ok(settled)
    }

    /// What was seen: deviations, and sources that could not be read.
    fn observed(&self, judged: &Judgement) -> BTreeMap<Digest, Observed> {
        let deviations = judged.checks.iter().flat_map(|(check, judged)| {
            let all = judged.as_ref().into_iter().flatten();
            all.map(|each| Observed::of(self.partition, check.name, check.severity, each.clone()))
        });
        let unread = judged.sources.unread.iter().map(|source| {
            let deviation = Deviation::of(of_source(*source)).declared("readable");
            Observed::of(self.partition, UNREADABLE, Severity::Medium, deviation)
        });
        deviations.chain(unread).map(|observed| (observed.fingerprint, observed)).collect()
    }
}

impl Settling<'_> {
    /// Compares what stands with what was seen, a page after the other.
    async fn compare(&mut self) -> Result<(), NotSettled> {
        let documents = &*self.book.ports.documents;
        let mut pages = Pages::of(documents, self.book.partition, STANDING).by(self.bounds.page);
        let (mut compared, mut is_cut_off) = (0, false);
        while let Some(page) = pages.next().await? {
            is_cut_off = compared >= self.bounds.compared && !page.is_empty();
            if is_cut_off {
                break;
            }
            compared += page.len();
            for found in page {
                self.compare_one(found).await?;
            }
        }
        if is_cut_off || pages.passed_over() {
            self.besides(NOT_GENUINE, Severity::Critical, "one that was passed over".to_owned());
        }
        Ok(())
    }

    async fn compare_one(&mut self, found: Found) -> Result<(), NotSettled> {
        let id = id(&found);
        let Lies::Genuine(kept) = self.book.open(found).await? else {
            self.spoil(id);
            return Ok(());
        };
        let Kept { drifted, subject: about, .. } = &*kept;
        if kept.is_collective() {
            self.collective.insert(drifted.fingerprint, *kept);
            return Ok(());
        }
        if is_lasting(&drifted.check) && !matches!(drifted.state, State::Accepted { .. }) {
            *self.lasting.entry(drifted.check.clone()).or_default() += 1;
        }
        let known = if drifted.check == NOT_GENUINE {
            let of = about.strip_prefix(NOT_GENUINE).and_then(|thing| thing.strip_prefix('/'));
            let of = of.unwrap_or_default().to_owned();
            match self.book.read(&of).await? {
                // Told of with the others.
                Some(Lies::Spoilt) => {
                    self.spoil(of);
                    return Ok(());
                }
                // What it should have told of has happened, and nothing else tells of it.
                None if tells_of_lasting(drifted) => Known::Unknown,
                None | Some(Lies::Genuine(_)) => Known::Gone,
            }
        } else if let Some(observed) = self.seen.remove(&drifted.fingerprint) {
            Known::Seen(observed)
        } else if self.is_gone(&kept) {
            Known::Gone
        } else {
            Known::Unknown
        };
        let change = Change { kept: *kept, known };
        self.changes.take(self.book, change, self.bounds.changed, &mut self.settled).await
    }

    /// Changes those that stand, in their turn.
    async fn change_standing(&mut self) -> Result<(), NotSettled> {
        let changes = std::mem::take(&mut self.changes);
        if changes.left > 0 {
            let (place, left) = (self.book.partition.key(), changes.left);
            tracing::warn!(place, left, "findings are changed in the next round");
        }
        for Change { kept, known } in changes.into_turns() {
            self.keep(Some(kept), known.look()).await?;
        }
        Ok(())
    }

    fn was_judged(&self, check: &str) -> bool {
        let mut all = self.judged.checks.iter();
        // What no check judges is told by what was read in any case; and a check may be no more.
        all.find(|(each, _)| each.name == check).is_none_or(|(_, judged)| judged.is_ok())
    }

    /// Whether a finding that was not seen has been looked for.
    fn is_gone(&self, kept: &Kept) -> bool {
        let check = &kept.drifted.check;
        if check == UNREADABLE {
            // One that was not come to is no better known than before.
            let Sources { unread, missed } = &self.judged.sources;
            let same = |source: &Source| kept.subject == subject(UNREADABLE, &of_source(*source));
            return !unread.union(missed).any(same);
        }
        self.was_judged(check) && !is_lasting(check)
    }
}

/// The thing that a finding about an unreadable source is about.
fn of_source(source: Source) -> String {
    format!("source/{}", source.name())
}
