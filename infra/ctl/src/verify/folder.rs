//! A tree as files in a folder.

use std::{
    collections::BTreeSet,
    fs, io,
    path::{Path, PathBuf},
};

use anyhow::Context as _;
use async_trait::async_trait;

use super::{audit::Source, bytes};

/// How deep folders can be: a level and the seven parts of the longest number.
const MAX_DEPTH: usize = 10;

/// The folder of one tree.
#[derive(Debug)]
pub struct Folder {
    folder: PathBuf,
    names: BTreeSet<String>,
}

impl Folder {
    /// Looks what is there.
    ///
    /// # Errors
    ///
    /// If it cannot be looked at, or holds what no tree holds: links, or names that are no text.
    pub fn open(folder: &Path) -> anyhow::Result<Self> {
        let mut names = BTreeSet::new();
        walk(folder, "", MAX_DEPTH, &mut names).with_context(|| folder.display().to_string())?;
        Ok(Self { folder: folder.to_owned(), names })
    }
}

fn walk(
    folder: &Path,
    prefix: &str,
    depth: usize,
    names: &mut BTreeSet<String>,
) -> anyhow::Result<()> {
    for entry in fs::read_dir(folder.join(prefix))? {
        let entry = entry?;
        let name = entry.file_name();
        let name = name.to_str().with_context(|| format!("{}", entry.path().display()))?;
        let name = if prefix.is_empty() { name.to_owned() } else { format!("{prefix}/{name}") };
        let kind = entry.file_type()?;
        if kind.is_file() {
            names.insert(name);
        } else if kind.is_dir() && depth > 0 {
            walk(folder, &name, depth - 1, names)?;
        } else {
            anyhow::bail!("{name}: neither a file nor a folder of a tree");
        }
    }
    Ok(())
}

#[async_trait]
impl Source for Folder {
    fn names(&self) -> Option<&BTreeSet<String>> {
        Some(&self.names)
    }

    async fn read(&self, name: &str) -> anyhow::Result<Option<Vec<u8>>> {
        let file = self.folder.join(name);
        match bytes(&file) {
            Ok(bytes) => Ok(Some(bytes)),
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
            Err(error) => Err(error).with_context(|| file.display().to_string()),
        }
    }
}
