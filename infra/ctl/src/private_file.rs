//! Files that hold a key: readable by their owner alone, written whole or not at all.

use std::{
    fs,
    io::{self, Read as _, Write as _},
    path::{Path, PathBuf},
};

use zeroize::Zeroizing;

/// Longest file that is read, in bytes: ours are smaller by far.
const MAX_BYTES: u64 = 1024 * 1024;

/// A file was not read or written.
#[derive(Debug, thiserror::Error)]
pub enum NotKept {
    /// The system did not let us.
    #[error("{}", .0.display())]
    Io(PathBuf, #[source] io::Error),
    /// Others may read it, so what it holds is no secret any more.
    #[error(
        "{} can be read by others (mode {mode:o}): remove it and sign in again",
        path.display()
    )]
    Open {
        /// The file.
        path: PathBuf,
        /// Its permissions.
        mode: u32,
    },
}

/// Reads a file; `None` if there is none.
///
/// # Errors
///
/// [`NotKept::Open`] if others may read it.
pub fn read(path: &Path) -> Result<Option<Zeroizing<String>>, NotKept> {
    let failed = |error| NotKept::Io(path.to_owned(), error);
    let file = match fs::File::open(path) {
        Ok(file) => file,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
        Err(error) => return Err(failed(error)),
    };
    // Of the opened file, not of the path: that could be another one by now.
    let mode = permissions(&file.metadata().map_err(failed)?);
    if mode & 0o077 != 0 {
        return Err(NotKept::Open { path: path.to_owned(), mode });
    }
    let mut text = Zeroizing::new(String::new());
    file.take(MAX_BYTES).read_to_string(&mut text).map_err(failed)?;
    Ok(Some(text))
}

/// The names of what is in a folder; none if there is no folder.
///
/// # Errors
///
/// [`NotKept::Io`].
pub fn names(folder: &Path) -> Result<Vec<String>, NotKept> {
    let failed = |error| NotKept::Io(folder.to_owned(), error);
    let entries = match fs::read_dir(folder) {
        Ok(entries) => entries,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Vec::new()),
        Err(error) => return Err(failed(error)),
    };
    let mut names = Vec::new();
    for entry in entries {
        // Ours are plain text.
        names.extend(entry.map_err(failed)?.file_name().into_string().ok());
    }
    Ok(names)
}

/// Writes a file and the folders above it, for their owner alone.
///
/// # Errors
///
/// [`NotKept::Io`]; the old contents are left as they were.
pub fn write(path: &Path, text: &str) -> Result<(), NotKept> {
    let folder = path.parent().unwrap_or_else(|| Path::new("."));
    let failed = |error| NotKept::Io(path.to_owned(), error);
    private_folder().recursive(true).create(folder).map_err(failed)?;
    // In the same folder, because only there a rename is atomic; named for the process, so that
    // two of us do not write into one another.
    let half = path.with_extension(format!("{}.half", std::process::id()));
    remove(&half)?;
    let written = private_options()
        .open(&half)
        .and_then(|mut file| file.write_all(text.as_bytes()).and_then(|()| file.sync_all()))
        .and_then(|()| fs::rename(&half, path));
    written.map_err(|error| {
        // The first error is the one to tell; what is left is for our owner alone.
        drop(fs::remove_file(&half));
        failed(error)
    })
}

/// Removes a file, if it is there.
///
/// # Errors
///
/// [`NotKept::Io`].
pub fn remove(path: &Path) -> Result<(), NotKept> {
    match fs::remove_file(path) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => {
            Err(NotKept::Io(path.to_owned(), error))
        }
        _ => Ok(()),
    }
}

#[cfg(unix)]
fn permissions(metadata: &fs::Metadata) -> u32 {
    use std::os::unix::fs::PermissionsExt as _;
    metadata.permissions().mode() & 0o777
}

/// Elsewhere a person's own folder is private by inheritance.
#[cfg(not(unix))]
fn permissions(_: &fs::Metadata) -> u32 {
    0o600
}

fn private_options() -> fs::OpenOptions {
    let mut options = fs::OpenOptions::new();
    options.write(true).create_new(true);
    #[cfg(unix)]
    {
        use std::os::unix::fs::OpenOptionsExt as _;
        options.mode(0o600);
    }
    options
}

fn private_folder() -> fs::DirBuilder {
    let mut builder = fs::DirBuilder::new();
    builder.recursive(true);
    #[cfg(unix)]
    {
        use std::os::unix::fs::DirBuilderExt as _;
        builder.mode(0o700);
    }
    builder
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::scratch::Scratch;

    #[cfg(unix)]
    #[test]
    fn a_file_and_its_folder_are_for_their_owner_alone() {
        let scratch = Scratch::new();
        let file = scratch.path().join("airlock/me.json");

        write(&file, "one").unwrap();
        write(&file, "two").unwrap();

        assert_eq!(permissions(&fs::metadata(&file).unwrap()), 0o600);
        assert_eq!(permissions(&fs::metadata(file.parent().unwrap()).unwrap()), 0o700);
        assert_eq!(read(&file).unwrap().unwrap().as_str(), "two");
        assert_eq!(fs::read_dir(file.parent().unwrap()).unwrap().count(), 1);
    }

    #[cfg(unix)]
    #[test]
    fn a_file_that_others_may_read_is_not_used() {
        use std::os::unix::fs::PermissionsExt as _;
        let scratch = Scratch::new();
        let file = scratch.path().join("me.json");
        write(&file, "one").unwrap();

        fs::set_permissions(&file, fs::Permissions::from_mode(0o640)).unwrap();

        assert!(matches!(read(&file), Err(NotKept::Open { mode: 0o640, .. })));
    }

    #[test]
    fn no_file_is_not_an_error() {
        let scratch = Scratch::new();

        assert!(read(&scratch.path().join("none")).unwrap().is_none());
        remove(&scratch.path().join("none")).unwrap();
    }
}
