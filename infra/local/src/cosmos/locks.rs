//! Who may look while a batch is applied: nobody.
//!
//! A batch is checked and applied in steps (see [`super::batch`]), so it takes its logical
//! partition alone. All other requests share theirs: the emulator keeps single documents
//! consistent by itself. What looks across partitions takes the whole container alone.

use std::{
    collections::{BTreeMap, HashMap},
    sync::{Arc, Mutex, PoisonError},
};

use tokio::sync::RwLock;

/// Locks kept per container before those that nobody holds are dropped.
const IDLE_LOCKS: usize = 1024;

/// The locks of an account.
pub struct Locks(BTreeMap<String, Gate>);

#[derive(Default)]
struct Gate {
    container: Arc<RwLock<()>>,
    partitions: Mutex<HashMap<String, Arc<RwLock<()>>>>,
}

/// Locks that are held. Dropping this lets the others in.
#[must_use]
pub struct Held {
    _guards: Vec<Box<dyn Send>>,
}

impl Locks {
    /// Locks for these containers.
    pub fn new<'a>(containers: impl Iterator<Item = &'a String>) -> Self {
        Self(containers.map(|name| (name.clone(), Gate::default())).collect())
    }

    /// Waits until nobody else is in this partition; without one, in this container.
    ///
    /// A container that does not exist needs no lock: nothing in it can change.
    pub async fn alone(&self, container: &str, partition: Option<&str>) -> Held {
        let mut guards: Vec<Box<dyn Send>> = Vec::new();
        if let Some(gate) = self.0.get(container) {
            let whole = Arc::clone(&gate.container);
            match partition {
                None => guards.push(Box::new(whole.write_owned().await)),
                Some(key) => {
                    guards.push(Box::new(whole.read_owned().await));
                    guards.push(Box::new(gate.partition(key).write_owned().await));
                }
            }
        }
        Held { _guards: guards }
    }

    /// Waits until nobody is alone in this partition or its container.
    pub async fn among_others(&self, container: &str, partition: &str) -> Held {
        let mut guards: Vec<Box<dyn Send>> = Vec::new();
        if let Some(gate) = self.0.get(container) {
            guards.push(Box::new(Arc::clone(&gate.container).read_owned().await));
            guards.push(Box::new(gate.partition(partition).read_owned().await));
        }
        Held { _guards: guards }
    }
}

impl Gate {
    fn partition(&self, key: &str) -> Arc<RwLock<()>> {
        let mut partitions = self.partitions.lock().unwrap_or_else(PoisonError::into_inner);
        if partitions.len() > IDLE_LOCKS {
            // INVARIANT: locks are cloned under this mutex only, so a count of one means idle.
            partitions.retain(|_, lock| Arc::strong_count(lock) > 1);
        }
        Arc::clone(partitions.entry(key.to_owned()).or_default())
    }
}
