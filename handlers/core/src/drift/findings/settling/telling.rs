//! Telling what does not stand yet: by a finding of its own, or by its check's collective one.

use std::collections::{BTreeMap, BTreeSet};

use super::Settling;
use crate::{
    digest::Digest,
    drift::{
        check::Deviation,
        findings::{
            Kept, Lies, MORE, NOT_GENUINE, NotSettled, Observed, document_id, fingerprint,
            is_lasting, next::Look, writing::Written,
        },
        severity::Severity,
    },
    finding::{Drifted, State},
};

/// Findings that are not genuine and are kept in mind in one round; of more it is told how many.
const MOST_SPOILT: usize = 1000;

/// Of what lies where a finding should.
const SOMETHING_ELSE: &str = "something else";

/// Stands before the subject of what deviates there.
const DEVIATES: &str = "something else; deviates: ";

/// What deviates of one check and has no finding of its own.
#[derive(Clone)]
pub(super) struct More {
    count: usize,
    worst: Severity,
    /// The first of them.
    such_as: String,
}

/// What deviates in whose place something lies that is not genuine.
pub(super) struct Instead {
    told: String,
    pub is_lasting: bool,
}

/// How something is told that did not stand.
#[derive(PartialEq, Eq)]
enum Told {
    /// By a finding of its own.
    Itself,
    /// By the collective finding, until the next round.
    Later,
    /// By the collective finding: too many of its check stand.
    WithOthers,
}

impl Settling<'_> {
    /// Tells of what does not stand: the worst first, and then in an order that stays.
    pub(super) async fn tell_new(&mut self) -> Result<(), NotSettled> {
        let mut all: Vec<Observed> = std::mem::take(&mut self.seen).into_values().collect();
        all.sort_by(|one, other| {
            let worst = other.severity.cmp(&one.severity);
            worst.then_with(|| one.subject().cmp(&other.subject()))
        });
        for observed in &all {
            let told = self.tell(observed).await?;
            if told != Told::Itself {
                self.settled.must_see_again |= told == Told::Later && is_lasting(observed.check);
                self.besides(observed.check, observed.severity, observed.subject());
            }
        }
        Ok(())
    }

    /// Tells of findings that are not genuine, and of those in whose places those would stand.
    pub(super) async fn tell_spoilt(&mut self) -> Result<(), NotSettled> {
        let mut seen = BTreeSet::new();
        while let Some(id) = self.spoilt.pop_first() {
            let instead = self.instead.get(&id);
            let found = instead.map_or_else(
                || SOMETHING_ELSE.to_owned(),
                |Instead { told, .. }| format!("{DEVIATES}{told}"),
            );
            let deviation = Deviation::of(id.clone()).declared("what drift wrote").found(found);
            let (check, severity) = (NOT_GENUINE, Severity::Critical);
            let observed = Observed::of(self.book.partition, check, severity, deviation);
            if seen.insert(id) && self.tell(&observed).await? != Told::Itself {
                self.lasting_besides |= self.is_of_lasting(&observed);
                self.besides(check, severity, observed.subject());
            }
        }
        Ok(())
    }

    /// Tells of what deviates besides; or that nothing does any more.
    pub(super) async fn tell_more(&mut self, of: impl Fn(&str) -> bool) -> Result<(), NotSettled> {
        let all = self.more.iter().filter(|(check, _)| of(check));
        let all: Vec<_> = all.map(|(check, more)| (*check, more.clone())).collect();
        for (check, More { count, mut worst, such_as }) in all {
            let before = fingerprint(self.book.partition, check, MORE);
            let mut found = format!("{count} more");
            if self.is_full(check) {
                // It has told of others already: how many there were is not known any more.
                found = format!("too many to be told one by one, such as {such_as}");
                let before = self.collective.get(&before);
                worst = before.map_or(worst, |before| before.drifted.severity.max(worst));
            }
            let deviation = Deviation::of(MORE).declared("none").found(found).as_bad_as(worst);
            let observed = Observed::of(self.book.partition, check, worst, deviation);
            match self.collective.remove(&observed.fingerprint) {
                Some(before) => self.keep(Some(before), Look::Seen(&observed)).await?,
                None => self.write(&observed).await?,
            }
        }
        let all = std::mem::take(&mut self.collective).into_iter();
        let (over, others): (BTreeMap<_, _>, BTreeMap<_, _>) =
            all.partition(|(_, kept)| of(&kept.drifted.check));
        self.collective = others;
        for kept in over.into_values() {
            let check = &kept.drifted.check;
            let is_over = self.was_judged(check) && !self.is_full(check);
            self.keep(Some(kept), if is_over { Look::Gone } else { Look::Unknown }).await?;
        }
        Ok(())
    }

    /// Writes down what does not stand, unless enough of its check was told or stands.
    async fn tell(&mut self, observed: &Observed) -> Result<Told, NotSettled> {
        if self.is_full(observed.check) {
            return Ok(Told::WithOthers);
        }
        let told = self.told.entry(observed.check).or_default();
        if *told >= self.bounds.new {
            return Ok(Told::Later);
        }
        *told += 1;
        if is_lasting(observed.check) {
            *self.lasting.entry(observed.check.to_owned()).or_default() += 1;
        }
        self.write(observed).await?;
        Ok(Told::Itself)
    }

    async fn write(&mut self, observed: &Observed) -> Result<(), NotSettled> {
        let id = document_id(observed.fingerprint);
        let before = match self.book.read(&id).await? {
            Some(Lies::Spoilt) => {
                let told = format!("{}, {}", observed.subject(), observed.severity.name());
                let is_lasting = self.is_of_lasting(observed);
                self.instead.insert(id.clone(), Instead { told, is_lasting });
                self.spoil(id);
                return Ok(());
            }
            Some(Lies::Genuine(kept)) => Some(*kept),
            None => None,
        };
        let told = before.as_ref().map(|kept| &kept.drifted);
        if let Some(told) = told.filter(|told| tells_of_lasting(told)) {
            // It is not seen again: what was told of it stays.
            let mut observed = observed.clone();
            observed.deviation.found.clone_from(&told.found);
            return self.keep(before, Look::Seen(&observed)).await;
        }
        self.keep(before, Look::Seen(observed)).await
    }

    pub(super) async fn keep(
        &mut self,
        before: Option<Kept>,
        look: Look<'_>,
    ) -> Result<(), NotSettled> {
        let written = self.book.keep(before, look, &mut self.settled).await?;
        if let (Written::Conflict, Look::Seen(observed)) = (written, look) {
            // Whoever wrote there may have written anything.
            self.settled.must_see_again |= self.is_of_lasting(observed);
        }
        Ok(())
    }

    /// Whether it tells of what has happened and is not seen for ever, itself or in the place of
    /// what is not genuine.
    fn is_of_lasting(&self, Observed { check, deviation, .. }: &Observed) -> bool {
        let instead = || match deviation.thing.as_str() {
            MORE => self.lasting_besides,
            thing => self.instead.get(thing).is_some_and(|instead| instead.is_lasting),
        };
        is_lasting(check) || (*check == NOT_GENUINE && instead())
    }

    /// Whether so many of a lasting check stand that no more are told one by one.
    pub(super) fn is_full(&self, check: &str) -> bool {
        self.lasting.get(check).is_some_and(|standing| *standing >= self.bounds.lasting)
    }

    pub(super) fn spoil(&mut self, id: String) {
        // Another id is nobody's finding: nothing is kept from being told by it.
        let is_ours = id.strip_prefix("finding-").and_then(Digest::parse).is_some();
        if is_ours && (self.spoilt.len() < MOST_SPOILT || self.spoilt.contains(&id)) {
            self.spoilt.insert(id);
        } else {
            let instead = self.instead.get(&id);
            self.lasting_besides |= instead.is_some_and(|instead| instead.is_lasting);
            self.besides(NOT_GENUINE, Severity::Critical, id);
        }
    }

    pub(super) fn besides(&mut self, check: &'static str, severity: Severity, such_as: String) {
        let more = More { count: 0, worst: severity, such_as };
        let more = self.more.entry(check).or_insert(more);
        more.count += 1;
        more.worst = more.worst.max(severity);
    }
}

/// Whether a finding of one that is not genuine names what has happened and is not seen again.
pub(super) fn tells_of_lasting(told: &Drifted) -> bool {
    let of = told.found.as_deref().and_then(|found| found.strip_prefix(DEVIATES));
    let check = of.and_then(|of| of.split_once('/')).map(|(check, _)| check);
    let stands = !matches!(told.state, State::Resolved { .. });
    told.check == NOT_GENUINE && stands && check.is_some_and(is_lasting)
}
