//! Settling a place: what stands is compared with what was seen, then what is new is written down.

use std::collections::{BTreeMap, BTreeSet};

use super::{
    Book, Kept, Lies, MORE, MOST_CHANGED, MOST_NEW, NOT_GENUINE, NotSettled, Observed, Pages,
    STANDING, Settled, UNREADABLE, document_id, next::Look, pages::id, subject,
};
use crate::{
    digest::Digest,
    drift::{
        check::{self, Deviation, Judgement},
        seen::{Source, Sources},
        severity::Severity,
    },
    ports::Found,
};

/// Findings that are not genuine and are kept in mind in one round; of more it is told how many.
const MOST_SPOILT: usize = 1000;

/// One place in one round.
struct Settling<'a> {
    book: &'a Book<'a>,
    judged: &'a Judgement,
    /// What was seen, and not yet met among what stands.
    seen: BTreeMap<Digest, Observed>,
    /// Collective findings that stand: what they tell is known last.
    collective: BTreeMap<Digest, Kept>,
    /// Ids of findings that are not genuine, and were not told of yet.
    spoilt: BTreeSet<String>,
    /// What they should have told of, as far as that is seen.
    instead: BTreeMap<String, String>,
    /// How many were told of each check that did not stand.
    told: BTreeMap<&'static str, usize>,
    /// What deviates besides.
    more: BTreeMap<&'static str, More>,
    /// Findings that stood and changed.
    changed: usize,
    settled: Settled,
}

/// What deviates of one check and has no finding of its own.
#[derive(Clone, Copy)]
struct More {
    count: usize,
    worst: Severity,
}

impl Book<'_> {
    /// Writes down what was judged.
    ///
    /// Remote calls: a query for each page of what stands; one read for each deviation that does
    /// not stand, [`MOST_NEW`] of a check at the most; for each change of a finding a signature
    /// and a commit.
    ///
    /// # Errors
    ///
    /// [`NotSettled`]; what was written before it stands.
    pub(in crate::drift) async fn settle(&self, judged: &Judgement) -> Result<Settled, NotSettled> {
        let mut settling = Settling {
            book: self,
            judged,
            seen: self.observed(judged),
            collective: BTreeMap::new(),
            spoilt: BTreeSet::new(),
            instead: BTreeMap::new(),
            told: BTreeMap::new(),
            more: BTreeMap::new(),
            changed: 0,
            settled: Settled::default(),
        };
        settling.compare().await?;
        settling.tell_new().await?;
        settling.tell_more(|check| check != NOT_GENUINE).await?;
        settling.tell_spoilt().await?;
        settling.tell_more(|check| check == NOT_GENUINE).await?;
        let Settling { spoilt, changed, mut settled, more, .. } = settling;
        let is_lasting = |name: &&str| check::named(name).is_some_and(|check| check.lasting);
        settled.must_see_again = more.keys().any(is_lasting);
        if changed > MOST_CHANGED {
            let (place, left) = (self.partition.key(), changed - MOST_CHANGED);
            tracing::warn!(place, left, "findings are changed in the next round");
        }
        if spoilt.is_empty() { Ok(settled) } else { Err(NotSettled::Untold) }
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
        let mut pages = Pages::of(documents, self.book.partition, STANDING);
        while let Some(page) = pages.next().await? {
            for found in page {
                self.compare_one(found).await?;
            }
        }
        if pages.passed_over() {
            self.besides(NOT_GENUINE, Severity::Critical);
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
        if *about == subject(&drifted.check, MORE) {
            self.collective.insert(drifted.fingerprint, *kept);
        } else if drifted.check == NOT_GENUINE {
            let of = about.strip_prefix(NOT_GENUINE).and_then(|thing| thing.strip_prefix('/'));
            let of = of.unwrap_or_default().to_owned();
            match self.book.read(&of).await? {
                // Told of with the others.
                Some(Lies::Spoilt) => self.spoil(of),
                None | Some(Lies::Genuine(_)) => self.change(*kept, Look::Gone).await?,
            }
        } else if let Some(observed) = self.seen.remove(&drifted.fingerprint) {
            self.change(*kept, Look::Seen(&observed)).await?;
        } else {
            let look = if self.is_gone(&kept) { Look::Gone } else { Look::Unknown };
            self.change(*kept, look).await?;
        }
        Ok(())
    }

    /// Tells of what does not stand: the worst first, and then in an order that stays.
    async fn tell_new(&mut self) -> Result<(), NotSettled> {
        let mut all: Vec<Observed> = std::mem::take(&mut self.seen).into_values().collect();
        all.sort_by(|one, other| {
            let worst = other.severity.cmp(&one.severity);
            worst.then_with(|| one.subject().cmp(&other.subject()))
        });
        for observed in &all {
            if !self.tell(observed).await? {
                self.besides(observed.check, observed.severity);
            }
        }
        Ok(())
    }

    /// Tells of findings that are not genuine, and of those in whose places those would stand.
    async fn tell_spoilt(&mut self) -> Result<(), NotSettled> {
        let mut seen = BTreeSet::new();
        while let Some(id) = self.spoilt.pop_first() {
            let instead = self.instead.get(&id);
            let found = instead.map_or_else(
                || "something else".to_owned(),
                |instead| format!("something else; deviates: {instead}"),
            );
            let deviation = Deviation::of(id.clone()).declared("what drift wrote").found(found);
            let (check, severity) = (NOT_GENUINE, Severity::Critical);
            let observed = Observed::of(self.book.partition, check, severity, deviation);
            if seen.insert(id) && !self.tell(&observed).await? {
                self.besides(check, severity);
            }
        }
        Ok(())
    }

    /// Tells of what deviates besides; or that nothing does any more.
    async fn tell_more(&mut self, of: impl Fn(&str) -> bool) -> Result<(), NotSettled> {
        let all: Vec<_> = self.more.iter().map(|(check, more)| (*check, *more)).collect();
        for (check, More { count, worst }) in all {
            if !of(check) {
                continue;
            }
            let found = format!("{count} more");
            let deviation = Deviation::of(MORE).declared("none").found(found).as_bad_as(worst);
            let observed = Observed::of(self.book.partition, check, worst, deviation);
            match self.collective.remove(&observed.fingerprint) {
                Some(before) => self.change(before, Look::Seen(&observed)).await?,
                None => self.write(&observed).await?,
            }
        }
        let all = std::mem::take(&mut self.collective).into_iter();
        let (over, others): (BTreeMap<_, _>, BTreeMap<_, _>) =
            all.partition(|(_, kept)| of(&kept.drifted.check));
        self.collective = others;
        for kept in over.into_values() {
            let look =
                if self.was_judged(&kept.drifted.check) { Look::Gone } else { Look::Unknown };
            self.change(kept, look).await?;
        }
        Ok(())
    }

    /// Writes down what does not stand, unless enough of its check was told in this round.
    async fn tell(&mut self, observed: &Observed) -> Result<bool, NotSettled> {
        let told = self.told.entry(observed.check).or_default();
        if *told >= MOST_NEW {
            return Ok(false);
        }
        *told += 1;
        self.write(observed).await?;
        Ok(true)
    }

    async fn write(&mut self, observed: &Observed) -> Result<(), NotSettled> {
        let id = document_id(observed.fingerprint);
        let before = match self.book.read(&id).await? {
            Some(Lies::Spoilt) => {
                let told = format!("{}, {}", observed.subject(), observed.severity.name());
                self.instead.insert(id.clone(), told);
                self.spoil(id);
                return Ok(());
            }
            Some(Lies::Genuine(kept)) => Some(*kept),
            None => None,
        };
        self.book.keep(before, Look::Seen(observed), true, &mut self.settled).await?;
        Ok(())
    }

    /// Changes one that stands; as far as not enough were changed in this round.
    async fn change(&mut self, kept: Kept, look: Look<'_>) -> Result<(), NotSettled> {
        let may_change = self.changed < MOST_CHANGED;
        let changed = self.book.keep(Some(kept), look, may_change, &mut self.settled).await?;
        self.changed += usize::from(changed);
        Ok(())
    }

    fn spoil(&mut self, id: String) {
        // Another id is nobody's finding: nothing is kept from being told by it.
        let is_ours = id.strip_prefix("finding-").and_then(Digest::parse).is_some();
        if is_ours && (self.spoilt.len() < MOST_SPOILT || self.spoilt.contains(&id)) {
            self.spoilt.insert(id);
        } else {
            self.besides(NOT_GENUINE, Severity::Critical);
        }
    }

    fn besides(&mut self, check: &'static str, severity: Severity) {
        let more = self.more.entry(check).or_insert(More { count: 0, worst: severity });
        more.count += 1;
        more.worst = more.worst.max(severity);
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
        let mut all = self.judged.checks.iter();
        let is_lasting = all.any(|(each, _)| each.name == check && each.lasting);
        self.was_judged(check) && !is_lasting
    }
}

/// The thing that a finding about an unreadable source is about.
fn of_source(source: Source) -> String {
    format!("source/{}", source.name())
}
