//! Named things in versions, keys and secrets alike: the newest counts unless another is named,
//! and an old one goes on until somebody disables it.

use std::{
    collections::BTreeMap,
    sync::{PoisonError, RwLock, RwLockReadGuard, RwLockWriteGuard},
};

use serde_json::{Value, json};
use uuid::Uuid;

use super::attributes::{Attributes, Tags, Wanted};

/// One version.
#[derive(Clone, Debug)]
pub(super) struct Version<T> {
    /// 32 hexadecimal digits, at random: their order says nothing about age.
    pub(super) id: String,
    /// Whether and when it may be used.
    pub(super) attributes: Attributes,
    /// The owner's words about it.
    pub(super) tags: Tags,
    /// The thing itself.
    pub(super) what: T,
}

/// All things of one kind. No lock is held while one is made or used.
#[derive(Debug)]
pub(super) struct Versions<T> {
    /// By name, oldest first, never none.
    all: RwLock<BTreeMap<String, Vec<Version<T>>>>,
}

impl<T> Version<T> {
    /// A version that is made now.
    pub(super) fn new(what: T, wanted: &Wanted, tags: Tags) -> Self {
        Self { attributes: Attributes::new(wanted), tags, ..Self::since(what, 0) }
    }

    /// A version that was made then.
    pub(super) fn since(what: T, created_s: i64) -> Self {
        let id = Uuid::new_v4().simple().to_string();
        Self { id, attributes: Attributes::since(created_s), tags: Tags::new(), what }
    }
}

impl<T> Default for Versions<T> {
    fn default() -> Self {
        Self { all: RwLock::default() }
    }
}

impl<T: Clone> Versions<T> {
    /// A version; the newest, if none is named.
    pub(super) fn find(&self, name: &str, version: Option<&str>) -> Option<Version<T>> {
        let all = self.read();
        let versions = all.get(name)?;
        let found = match version {
            None => versions.last(),
            Some(id) => versions.iter().find(|version| version.id == id),
        };
        found.cloned()
    }

    /// Every version, oldest first; none, if there is no such thing.
    pub(super) fn of(&self, name: &str) -> Vec<Version<T>> {
        self.read().get(name).cloned().unwrap_or_default()
    }

    /// Every name.
    pub(super) fn names(&self) -> Vec<String> {
        self.read().keys().cloned().collect()
    }

    /// Adds a version, which is the newest from now on.
    pub(super) fn add(&self, name: &str, version: Version<T>) {
        self.write().entry(name.to_owned()).or_default().push(version);
    }

    /// Changes a version, and returns it as it is then.
    pub(super) fn update(
        &self,
        name: &str,
        version: &str,
        change: impl FnOnce(&mut Version<T>),
    ) -> Option<Version<T>> {
        let mut all = self.write();
        let found = all.get_mut(name)?.iter_mut().find(|found| found.id == version)?;
        change(found);
        Some(found.clone())
    }

    /// Names, versions oldest first, and attributes: nothing that opens anything.
    pub(super) fn shown(&self) -> Value {
        let all = self.read();
        let shown = |version: &Version<T>| {
            json!({
                "version": version.id,
                "attributes": version.attributes.written(),
                "tags": version.tags,
            })
        };
        let shown =
            all.iter().map(|(name, versions)| (name.clone(), versions.iter().map(shown).collect()));
        Value::Object(shown.collect())
    }

    fn read(&self) -> RwLockReadGuard<'_, BTreeMap<String, Vec<Version<T>>>> {
        // No code that holds the lock can leave a version half changed.
        self.all.read().unwrap_or_else(PoisonError::into_inner)
    }

    fn write(&self) -> RwLockWriteGuard<'_, BTreeMap<String, Vec<Version<T>>>> {
        self.all.write().unwrap_or_else(PoisonError::into_inner)
    }
}
