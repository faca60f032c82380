//! Findings of a place, page by page: however many there are, little is held at once.

use std::collections::BTreeSet;

use crate::{
    finding::KIND,
    ports::{Documents, Found, Partition, PortError, Query},
};

/// Findings that are read at once.
pub(super) const PAGE: usize = 100;

/// Findings of one second that are read at once. A round writes fewer; more are there only if
/// somebody else writes to the store, and those are passed over.
const MOST_OF_A_SECOND: usize = 5000;

/// After every time that JSON can tell exactly. A document whose time is no number is not ours,
/// and would stand before all others.
const LATEST: i64 = (1 << 53) - 1;

/// Findings that are found by one hint, newest first.
///
/// None that is there all the while comes twice or is left out, though others change in between.
pub struct Pages<'a> {
    documents: &'a dyn Documents,
    partition: &'a Partition,
    hint: &'static str,
    size: usize,
    /// Where the next page begins: the second of the last finding that came.
    not_after: i64,
    /// What came of that second already.
    seen: BTreeSet<String>,
    ended: bool,
    passed_over: bool,
}

impl<'a> Pages<'a> {
    /// From the newest on.
    #[must_use]
    pub fn of(documents: &'a dyn Documents, partition: &'a Partition, hint: &'static str) -> Self {
        Self {
            documents,
            partition,
            hint,
            size: PAGE,
            not_after: LATEST,
            seen: BTreeSet::new(),
            ended: false,
            passed_over: false,
        }
    }

    /// So many at once.
    pub(super) const fn by(mut self, size: usize) -> Self {
        self.size = size;
        self
    }

    /// The next page. None: all have come. Remote calls: one query.
    ///
    /// # Errors
    ///
    /// [`PortError`]; the same page is asked for again.
    pub async fn next(&mut self) -> Result<Option<Vec<Found>>, PortError> {
        if self.ended {
            return Ok(None);
        }
        // What came of the last second comes again, in whatever order: beyond it a page more.
        let limit = self.size + self.seen.len();
        let query = Query {
            kind: KIND,
            equals: Some(("hint", self.hint.to_owned())),
            not_after: Some(self.not_after),
            limit: u32::try_from(limit).unwrap_or(u32::MAX),
        };
        let mut page = self.documents.query(self.partition, &query).await?;
        // Never forward again, whatever the store answers.
        let second = |found: &Found| second(found).map(|at| at.min(self.not_after));
        let last = page.last().and_then(second);
        self.ended = page.len() < limit || last.is_none();
        let of_last: Vec<String> =
            page.iter().filter(|found| second(found) == last).map(id).collect();
        page.retain(|found| !self.seen.contains(&id(found)));
        if let Some(last) = last {
            if last < self.not_after {
                self.seen.clear();
            }
            self.not_after = last;
            self.seen.extend(of_last);
        }
        if self.seen.len() > MOST_OF_A_SECOND {
            self.passed_over = true;
            self.not_after -= 1;
            self.seen.clear();
        }
        Ok(Some(page))
    }

    /// Whether there were so many of one second that some were passed over.
    #[must_use]
    pub const fn passed_over(&self) -> bool {
        self.passed_over
    }
}

/// Its id, or nothing: such a one is no document of ours.
pub(super) fn id(found: &Found) -> String {
    found.json["id"].as_str().unwrap_or_default().to_owned()
}

/// The second that it was created in; of a fraction, which is not ours, the one that ends it.
fn second(found: &Found) -> Option<i64> {
    let at = found.json["at"].as_f64()?.ceil();
    #[expect(clippy::cast_possible_truncation, reason = "a float beyond the range saturates")]
    Some(at as i64)
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use serde_json::json;

    use super::*;
    use crate::{
        identity::App,
        tests::world::{CONTOSO, World},
    };

    fn stored(world: &World, partition: &Partition, all: &[(String, serde_json::Value)]) {
        for (id, at) in all {
            let json = json!({
                "id": id, "tenant": partition.key(), "kind": KIND, "at": at, "hint": "standing",
            });
            world.documents.overwrite(partition, id, json);
        }
    }

    async fn came(pages: &mut Pages<'_>) -> BTreeMap<String, usize> {
        let mut all = BTreeMap::new();
        while let Some(page) = pages.next().await.unwrap() {
            assert!(page.len() <= PAGE, "{}", page.len());
            for found in page {
                *all.entry(id(&found)).or_default() += 1;
            }
        }
        all
    }

    #[tokio::test]
    async fn each_comes_once_however_many_are_of_one_second() {
        let world = World::new().await;
        let partition = Partition::tenant(&world.scope(CONTOSO).await);
        let named = |number: usize| format!("finding-{number:05}");
        // Seconds of one, of more than two pages, and of a page exactly.
        let at = |number: usize| match number {
            0..250 => 5_000 - number,
            250..750 => 3_000,
            _ => 2_000,
        };
        let all: Vec<_> = (0..950).map(|number| (named(number), json!(at(number)))).collect();
        stored(&world, &partition, &all);
        // What no app of ours wrote, and what keeps nothing else from coming.
        let odd =
            [("finding-half".to_owned(), json!(2_999.5)), ("finding-text".to_owned(), json!("z"))];
        stored(&world, &partition, &odd);
        let ports = world.ports(App::Drift);

        let mut pages = Pages::of(&*ports.documents, &partition, "standing");
        let came = came(&mut pages).await;

        assert!(came.values().all(|times| *times == 1), "{came:?}");
        assert!(all.iter().all(|(id, _)| came.contains_key(id)), "{}", came.len());
        assert!(!pages.passed_over());
    }

    #[tokio::test]
    async fn more_of_one_second_than_a_round_writes_are_passed_over_and_what_is_older_comes() {
        let world = World::new().await;
        let partition = Partition::tenant(&world.scope(CONTOSO).await);
        let mut all: Vec<_> = (0..=MOST_OF_A_SECOND + PAGE)
            .map(|number| (format!("finding-{number:06}"), json!(3_000)))
            .collect();
        all.push(("finding-older".to_owned(), json!(2_999)));
        stored(&world, &partition, &all);
        let ports = world.ports(App::Drift);

        let mut pages = Pages::of(&*ports.documents, &partition, "standing");
        let came = came(&mut pages).await;

        assert!(pages.passed_over());
        assert_eq!(came.get("finding-older"), Some(&1));
    }
}
