//! The digest of a package: what was deployed, in 32 bytes.
//!
//! SHA-256 over the text `airlock package 1` with a line's end and then, for each file of the folder and its subfolders except
//! `manifest.json` at its root, in the order of their paths' bytes:
//!
//! ```text
//! length of the path in bytes      8 bytes, big-endian
//! path below the folder            UTF-8, parts separated by '/'
//! SHA-256 of the file's contents   32 bytes
//! ```
//!
//! The length keeps a path from running into what follows, so two different packages have two
//! different inputs. Permissions and times are no part of it: zip tools do not keep them.
//! Anything that is neither file nor folder is refused, because what it leads to may change.

use std::{
    fs,
    io::{self, Read as _},
    path::{Path, PathBuf},
};

use sha2::{Digest as _, Sha256};

use crate::digest::Digest;

/// Says what the digest is of, so that it is no other digest of ours.
const TAG: &[u8] = b"airlock package 1\n";

/// The one file that is left out: it holds the digest.
pub const MANIFEST: &str = "manifest.json";

/// Files are read in pieces of this size, in bytes: debug builds are large.
const PIECE_BYTES: usize = 256 * 1024;

/// The package has no digest.
#[derive(Debug, thiserror::Error)]
pub enum NoDigest {
    /// It was not read.
    #[error("{}", .0.display())]
    Io(PathBuf, #[source] io::Error),
    /// There is something else than files and folders.
    #[error("{} is neither a file nor a folder", .0.display())]
    Special(PathBuf),
    /// The name is no text, and would be another on another machine.
    #[error("{} has a name that is not UTF-8", .0.display())]
    Name(PathBuf),
    /// There is nothing in it.
    #[error("{} is empty", .0.display())]
    Empty(PathBuf),
}

/// Computes the digest of a package's folder.
///
/// # Errors
///
/// [`NoDigest`].
pub fn digest(folder: &Path) -> Result<Digest, NoDigest> {
    let mut files = Vec::new();
    walk(folder, "", &mut files)?;
    if files.is_empty() {
        return Err(NoDigest::Empty(folder.to_owned()));
    }
    files.sort_unstable();
    let mut digest = Sha256::new();
    digest.update(TAG);
    for (name, path) in files {
        // A path is far shorter than 2^64.
        digest.update((name.len() as u64).to_be_bytes());
        digest.update(name.as_bytes());
        digest.update(contents(&path).map_err(|error| NoDigest::Io(path, error))?);
    }
    Ok(Digest::from_bytes(digest.finalize().into()))
}

fn walk(folder: &Path, above: &str, files: &mut Vec<(String, PathBuf)>) -> Result<(), NoDigest> {
    let failed = |error| NoDigest::Io(folder.to_owned(), error);
    for entry in fs::read_dir(folder).map_err(failed)? {
        let entry = entry.map_err(failed)?;
        let path = entry.path();
        let name = entry.file_name();
        let name = name.to_str().ok_or_else(|| NoDigest::Name(path.clone()))?;
        let name = format!("{above}{name}");
        // Of the entry itself: a link is a link.
        let kind = entry.file_type().map_err(failed)?;
        if kind.is_dir() {
            walk(&path, &format!("{name}/"), files)?;
        } else if !kind.is_file() {
            return Err(NoDigest::Special(path));
        } else if name != MANIFEST {
            files.push((name, path));
        }
    }
    Ok(())
}

fn contents(path: &Path) -> io::Result<[u8; 32]> {
    let mut file = fs::File::open(path)?;
    let mut digest = Sha256::new();
    let mut piece = vec![0; PIECE_BYTES];
    loop {
        let read = file.read(&mut piece)?;
        if read == 0 {
            return Ok(digest.finalize().into());
        }
        digest.update(&piece[..read]);
    }
}

#[cfg(test)]
mod tests {
    use uuid::Uuid;

    use super::*;

    /// A folder for one test, removed with it.
    struct Scratch(PathBuf);

    impl Scratch {
        fn path(&self) -> &Path {
            &self.0
        }
    }

    impl Drop for Scratch {
        fn drop(&mut self) {
            drop(fs::remove_dir_all(&self.0));
        }
    }

    fn package(files: &[(&str, &[u8])]) -> Scratch {
        let scratch =
            Scratch(std::env::temp_dir().join(format!("airlock-package-{}", Uuid::new_v4())));
        fs::create_dir(scratch.path()).unwrap();
        for (name, contents) in files {
            let path = scratch.path().join(name);
            fs::create_dir_all(path.parent().unwrap()).unwrap();
            fs::write(path, contents).unwrap();
        }
        scratch
    }

    fn of(files: &[(&str, &[u8])]) -> String {
        digest(package(files).path()).unwrap().to_string()
    }

    #[test]
    fn a_digest_is_as_its_format_says() {
        // Computed by another program (Python's hashlib) from the format above.
        assert_eq!(of(&[("host.json", b"{}")]), "Ig_W3jne_P2YDFp5im_3nHWCtlTQdFIvQBpZATpSTgQ");
        assert_eq!(
            of(&[
                ("host.json", b"{}"),
                ("handler", b"\x7fELF"),
                ("auth/function.json", b"{\"bindings\":[]}"),
                ("auth.json", b""),
            ]),
            "8E34VhiuxorEya5fFTXKXuSY5RZHq-NaCc8aeSjfzXI"
        );
    }

    #[test]
    fn the_manifest_is_no_part_of_it_and_everything_else_is() {
        let files: [(&str, &[u8]); 2] = [("host.json", b"{}"), ("api/function.json", b"{}")];
        let plain = of(&files);

        assert_eq!(of(&[files[0], files[1], (MANIFEST, b"anything")]), plain);
        assert_ne!(of(&[files[0], files[1], ("api/manifest.json", b"")]), plain);
        assert_ne!(of(&[files[0], ("api/function.json", b"{} ")]), plain);
        assert_ne!(of(&[files[0], ("apis/function.json", b"{}")]), plain);
        assert_ne!(of(&files[..1]), plain);
    }

    #[test]
    fn bytes_cannot_move_between_a_name_and_its_contents() {
        assert_ne!(of(&[("ab", b"c")]), of(&[("a", b"bc")]));
        assert_ne!(of(&[("a", b""), ("b", b"")]), of(&[("ab", b"")]));
    }

    #[test]
    fn an_empty_package_has_no_digest() {
        assert!(matches!(digest(package(&[]).path()), Err(NoDigest::Empty(_))));
        assert!(matches!(digest(package(&[(MANIFEST, b"{}")]).path()), Err(NoDigest::Empty(_))));
    }

    #[cfg(unix)]
    #[test]
    fn a_link_is_refused() {
        let package = package(&[("host.json", b"{}")]);
        std::os::unix::fs::symlink("host.json", package.path().join("link")).unwrap();

        assert!(matches!(digest(package.path()), Err(NoDigest::Special(_))));
    }

    #[test]
    fn a_large_file_is_read_to_its_end() {
        let mut large = vec![7; PIECE_BYTES * 2 + 1];
        let one = of(&[("handler", &large)]);

        *large.last_mut().unwrap() = 8;

        assert_ne!(of(&[("handler", &large)]), one);
    }
}
