//! Time that passes, with `drift` at work.

use std::sync::Arc;

use crate::{
    identity::App,
    ledger::Anchors,
    sealing::{Round, Sealer},
};

use super::{LEDGER, World};

impl World {
    /// Another process of `drift`'s, which remembers nothing.
    pub fn drift(&self) -> Sealer {
        let ports = self.ports(App::Drift);
        let anchors = Anchors::new(ports.anchors.clone(), LEDGER);
        Sealer::new(ports, self.checkpoints.clone(), Arc::new(self.trust_store()), anchors)
    }

    /// Seals whatever is not sealed.
    pub async fn seal(&self) -> Round {
        self.drift().round().await.unwrap()
    }

    /// Lets time pass, and everything be sealed as it is written.
    pub async fn pass(&self, seconds: i64) {
        self.seal().await;
        self.clock.advance_s(seconds);
        self.seal().await;
    }
}
