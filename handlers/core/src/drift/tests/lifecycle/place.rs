//! A place whose findings are settled as a test says what was judged there.

use super::*;
use crate::{
    drift::{
        check::{self, Deviation, Judged, Judgement},
        findings::{Book, Bounds, NotSettled, Pages, STANDING, Settled},
        seen::{Sources, Unread},
    },
    ledger::{
        Happened,
        commit::{LEAF, StoredLeaf},
    },
};

pub struct Place {
    pub world: World,
    pub partition: Partition,
    pub accepted: Vec<Accepted>,
    pub bounds: Bounds,
    /// Who writes to the store besides, in the same moment.
    pub rival: Option<Arc<dyn crate::ports::Documents>>,
}

/// Bounds that are soon met.
pub const SMALL: Bounds = Bounds { new: 10, changed: 15, lasting: 25, compared: 40, page: 10 };

/// What one check says.
pub fn says(name: &str, deviations: impl IntoIterator<Item = Deviation>) -> Judgement {
    of(name, Ok(deviations.into_iter().collect()))
}

/// That a check could not be judged, for want of a source.
pub fn unread(name: &str, source: Source) -> Judgement {
    let sources = Sources { unread: [source].into(), ..Sources::default() };
    Judgement { sources, ..of(name, Err(Unread(source))) }
}

fn of(name: &str, judged: Judged) -> Judgement {
    Judgement { checks: vec![(check::named(name).unwrap(), judged)], sources: Sources::default() }
}

/// Things that deviate, named so that they stand in this order.
pub fn things(numbers: std::ops::Range<usize>) -> impl Iterator<Item = Deviation> {
    numbers.map(|number| Deviation::of(format!("thing/{number:04}")).found("there"))
}

impl Place {
    pub async fn new() -> Self {
        let world = World::new().await;
        let (partition, accepted) = (Partition::platform(), Vec::new());
        Self { world, partition, accepted, bounds: Bounds::default(), rival: None }
    }

    /// One that is soon full.
    pub async fn small() -> Self {
        Self { bounds: SMALL, ..Self::new().await }
    }

    /// Half a minute later.
    pub async fn settle(&self, judged: &Judgement) -> Result<Settled, NotSettled> {
        self.world.clock.advance_s(30);
        self.world.seal().await;
        let mut ports = self.world.ports(App::Drift);
        ports.documents = self.rival.clone().unwrap_or(ports.documents);
        let ledger = Ledger::new(App::Drift, &ports, Arc::new(self.world.trust_store()));
        let book = Book {
            ports: &ports,
            ledger: &ledger,
            trust: &self.world.trust().await,
            partition: &self.partition,
            tenant: CONTOSO,
            accepted: &self.accepted,
            may_mend: false,
            now: self.world.now(),
        };
        Box::pin(book.settle_within(self.bounds, judged)).await
    }

    /// Genuine ones that stand.
    pub async fn standing(&self) -> Vec<Finding> {
        let ports = self.world.ports(App::Drift);
        let ledger = Ledger::new(App::Drift, &ports, Arc::new(self.world.trust_store()));
        let trust = self.world.trust().await;
        let mut pages = Pages::of(&*ports.documents, &self.partition, STANDING);
        let mut all = Vec::new();
        while let Some(page) = pages.next().await.unwrap() {
            for found in page {
                let opened = open(found, &self.partition, &ledger, &trust, self.world.now()).await;
                all.extend(opened.ok().map(|(_, finding)| finding));
            }
        }
        all.sort_by(|one, other| one.subject.cmp(&other.subject));
        all
    }

    /// The one that stands about this.
    pub async fn about(&self, subject: &str) -> Option<Drifted> {
        let all = self.standing().await;
        all.into_iter().find(|finding| finding.subject == subject)?.drift
    }

    /// How many leaves of this kind there are.
    pub fn leaves(&self, happened: Happened) -> usize {
        let all = self.world.documents.all(&self.partition).into_values();
        let leaves = all.filter(|json| json["kind"] == LEAF).filter(|json| {
            let leaf: StoredLeaf = serde_json::from_value(json.clone()).unwrap();
            leaf.statement.peek().unwrap().r#type == happened
        });
        leaves.count()
    }
}
