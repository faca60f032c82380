//! Where users find a secret: the newest version in Key Vault.

use super::{
    NotRotated,
    ports::{SecretVault, Tags, Version},
    rotating::{CREDENTIAL_TAG, RUN_TAG, tags},
    state::{Held, Run},
};
use crate::{ports::PortError, secret::Secret, secret_binding::VaultName};

/// Tag of a version that holds what an older one holds, because the one between was no good.
const RESTORED_TAG: &str = "airlock-restored";

/// One secret in Key Vault.
pub(super) struct Place<'a> {
    pub vault: &'a dyn SecretVault,
    pub name: &'a VaultName,
}

impl Place<'_> {
    async fn versions(&self) -> Result<Vec<Version>, PortError> {
        self.vault.versions(self.name.as_str()).await
    }

    /// The version that users find.
    pub async fn newest(&self) -> Result<Option<Version>, PortError> {
        Ok(self.versions().await?.pop().filter(|version| version.enabled))
    }

    /// Id of the credential that users find, if we put it there.
    pub async fn used_credential(&self) -> Result<Option<String>, PortError> {
        let newest = self.newest().await?;
        Ok(newest.and_then(|mut version| version.tags.remove(CREDENTIAL_TAG)))
    }

    /// The value of what is held.
    pub async fn value(&self, held: &Held) -> Result<Secret, PortError> {
        self.vault.get(self.name.as_str(), &held.version).await
    }

    /// Where a run put a credential, if it did.
    pub async fn stored(&self, run: &Run, credential: &str) -> Result<Option<Held>, NotRotated> {
        let tags = tags(run, credential);
        let mut versions = self.versions().await?.into_iter();
        let found = versions.find(|version| version.enabled && holds(version, &tags));
        Ok(found.map(|version| held(credential, version.id)))
    }

    /// Puts a credential there.
    pub async fn put(
        &self,
        run: &Run,
        credential: &str,
        value: &Secret,
    ) -> Result<Held, NotRotated> {
        let tags = tags(run, credential);
        let version = self.vault.set(self.name.as_str(), value, &tags).await?;
        Ok(held(credential, version))
    }

    /// Lets users find again what they found before a run put a credential there that is no good.
    /// First the good one comes back, then the other is disabled: the newest version is never one
    /// that cannot be read.
    pub async fn restore(
        &self,
        run: &Run,
        credential: &str,
        active: Option<&Held>,
    ) -> Result<Option<Held>, NotRotated> {
        let (bad, mut restored) = (tags(run, credential), tags(run, ""));
        restored.remove(CREDENTIAL_TAG);
        restored.insert(RESTORED_TAG.to_owned(), credential.to_owned());
        if let Some(active) = active {
            restored.insert(CREDENTIAL_TAG.to_owned(), active.credential.clone());
        }
        let versions = self.versions().await?;
        let is_bad = |version: &&Version| version.enabled && holds(version, &bad);
        let all_bad: Vec<&Version> = versions.iter().filter(is_bad).collect();
        let back = versions.iter().find(|version| version.enabled && holds(version, &restored));
        let of_run = |version: &Version| version.tags.get(RUN_TAG) == bad.get(RUN_TAG);
        let before = versions.iter().rfind(|version| version.enabled && !of_run(version));
        let back = match (back, before) {
            (Some(back), _) => Some(back.id.clone()),
            (None, Some(before)) if !all_bad.is_empty() => {
                let value = self.vault.get(self.name.as_str(), &before.id).await?;
                Some(self.vault.set(self.name.as_str(), &value, &restored).await?)
            }
            (None, _) => None,
        };
        // What came back stands there twice by now. Said again after a crash, it may be another
        // one that is before: one that is still in its overlap.
        let is_active = |version: &&Version| {
            active.is_some_and(|active| {
                let tagged = version.tags.get(CREDENTIAL_TAG);
                version.id == active.version || tagged == Some(&active.credential)
            })
        };
        let twice = before.filter(is_active).filter(|_| back.is_some());
        for version in all_bad.into_iter().chain(twice) {
            self.vault.disable(self.name.as_str(), &version.id).await?;
        }
        Ok(back.zip(active).map(|(version, active)| held(&active.credential, version)))
    }

    /// Disables every version that holds an old credential.
    pub async fn retire(&self, old: &Held) -> Result<(), NotRotated> {
        for version in self.versions().await? {
            let its = version.tags.get(CREDENTIAL_TAG) == Some(&old.credential);
            if version.enabled && (its || version.id == old.version) {
                self.vault.disable(self.name.as_str(), &version.id).await?;
            }
        }
        Ok(())
    }
}

fn holds(version: &Version, tags: &Tags) -> bool {
    tags.iter().all(|(name, value)| version.tags.get(name) == Some(value))
}

fn held(credential: &str, version: String) -> Held {
    Held { credential: credential.to_owned(), version }
}
