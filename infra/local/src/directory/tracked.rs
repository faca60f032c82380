//! Objects that remember which of them changed since when: what a delta query is answered from.

use std::{collections::BTreeMap, ops::Bound};

use uuid::Uuid;

/// Objects by id, and the order of their last changes.
#[derive(Clone, Debug)]
pub struct Tracked<T> {
    objects: BTreeMap<Uuid, T>,
    // INVARIANT: `order` and `latest` are each other's inverse, so that looking for what changed
    // costs as much as has changed, however many objects there are.
    order: BTreeMap<u64, Uuid>,
    latest: BTreeMap<Uuid, u64>,
    version: u64,
}

/// An object that changed after some version.
#[derive(Clone, Copy, Debug)]
pub struct Changed<'a, T> {
    /// The version of its last change.
    pub version: u64,
    /// Its id.
    pub id: Uuid,
    /// The object, unless it is gone.
    pub object: Option<&'a T>,
}

impl<T> Default for Tracked<T> {
    fn default() -> Self {
        Self {
            objects: BTreeMap::new(),
            order: BTreeMap::new(),
            latest: BTreeMap::new(),
            version: 0,
        }
    }
}

impl<T> FromIterator<(Uuid, T)> for Tracked<T> {
    fn from_iter<I: IntoIterator<Item = (Uuid, T)>>(objects: I) -> Self {
        let mut tracked = Self::default();
        for (id, object) in objects {
            tracked.insert(id, object);
        }
        tracked
    }
}

impl<T> Tracked<T> {
    /// The object with this id.
    #[must_use]
    pub fn get(&self, id: &Uuid) -> Option<&T> {
        self.objects.get(id)
    }

    /// The object with this id, to be changed. Whoever asks is taken to change it.
    pub fn get_mut(&mut self, id: &Uuid) -> Option<&mut T> {
        if self.objects.contains_key(id) {
            self.touch(*id);
        }
        self.objects.get_mut(id)
    }

    /// The object with this id, to note in it what is no change of it.
    pub fn noted(&mut self, id: &Uuid) -> Option<&mut T> {
        self.objects.get_mut(id)
    }

    /// Adds or replaces an object.
    pub fn insert(&mut self, id: Uuid, object: T) {
        self.objects.insert(id, object);
        self.touch(id);
    }

    /// Removes an object.
    pub fn remove(&mut self, id: &Uuid) -> Option<T> {
        let removed = self.objects.remove(id)?;
        self.touch(*id);
        Some(removed)
    }

    /// Counts an object as changed.
    pub fn touch(&mut self, id: Uuid) {
        self.version += 1;
        self.order.insert(self.version, id);
        if let Some(before) = self.latest.insert(id, self.version) {
            self.order.remove(&before);
        }
    }

    /// All objects.
    pub fn values(&self) -> impl Iterator<Item = &T> {
        self.objects.values()
    }

    /// Those that come after an id.
    pub fn after(&self, id: Option<Uuid>) -> impl Iterator<Item = (&Uuid, &T)> {
        let first = id.map_or(Bound::Unbounded, Bound::Excluded);
        self.objects.range((first, Bound::Unbounded))
    }

    /// The version of the last change.
    #[must_use]
    pub const fn version(&self) -> u64 {
        self.version
    }

    /// What changed after a version, in that order, each object once.
    pub fn since(&self, version: u64) -> impl Iterator<Item = Changed<'_, T>> {
        let later = self.order.range(version.saturating_add(1)..);
        later.map(|(version, id)| Changed {
            version: *version,
            id: *id,
            object: self.objects.get(id),
        })
    }

    /// Makes the objects what they were; those that differ count as changed.
    pub fn restore(&mut self, before: &Self)
    where
        T: Clone + PartialEq,
    {
        let gone: Vec<Uuid> =
            self.objects.keys().filter(|id| !before.objects.contains_key(id)).copied().collect();
        for id in gone {
            self.remove(&id);
        }
        for (id, object) in &before.objects {
            if self.objects.get(id) != Some(object) {
                self.insert(*id, object.clone());
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn id(number: u128) -> Uuid {
        Uuid::from_u128(number)
    }

    fn three() -> Tracked<char> {
        [(id(1), 'a'), (id(2), 'b'), (id(3), 'c')].into_iter().collect()
    }

    fn since(tracked: &Tracked<char>, version: u64) -> Vec<(Uuid, Option<char>)> {
        tracked.since(version).map(|changed| (changed.id, changed.object.copied())).collect()
    }

    #[test]
    fn what_changed_is_told_once_and_in_the_order_of_its_last_change() {
        let mut tracked = three();
        let before = tracked.version();

        *tracked.get_mut(&id(2)).unwrap() = 'x';
        tracked.remove(&id(1));
        *tracked.get_mut(&id(2)).unwrap() = 'y';

        assert_eq!(since(&tracked, before), [(id(1), None), (id(2), Some('y'))]);
        assert_eq!(since(&tracked, tracked.version()), []);
        assert_eq!(tracked.since(0).count(), 3);
    }

    #[test]
    fn a_note_and_a_miss_are_no_changes() {
        let mut tracked = three();
        let before = tracked.version();

        *tracked.noted(&id(2)).unwrap() = 'x';
        assert!(tracked.get_mut(&id(9)).is_none() && tracked.remove(&id(9)).is_none());

        assert_eq!(tracked.version(), before);
    }

    #[test]
    fn what_is_put_back_counts_as_changed_and_nothing_else_does() {
        let mut tracked = three();
        let before = tracked.clone();
        tracked.insert(id(4), 'd');
        tracked.remove(&id(1));
        let changed = tracked.version();

        tracked.restore(&before);

        assert_eq!(since(&tracked, changed), [(id(4), None), (id(1), Some('a'))]);
        assert_eq!(tracked.values().collect::<String>(), "abc");
    }
}
