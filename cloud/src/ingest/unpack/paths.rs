//! Which paths a zip may hold. Pure.
//!
//! The files are laid out again on workers of every system, so a path must mean the same file everywhere: no
//! way out of the folder, nothing that another system reads differently, no two names that are one on a disk
//! without letter case.

use std::collections::BTreeMap;
use std::collections::btree_map::Entry;

/// Bytes of one path: Windows stops at 260 characters with the folder in front, others at 4,096 bytes.
const PATH_BYTES_MAX: usize = 1_024;
/// Bytes of one name, on every system.
const NAME_BYTES_MAX: usize = 255;
/// Folders in one another.
const DEPTH_MAX: usize = 32;

/// Why a path is refused.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum PathRefused {
    /// It leads out of the folder, or is not relative.
    #[error("{0:?} leads out of its folder: make the zip with relative paths")]
    Escapes(String),
    /// It holds a character that not every system takes in a name.
    #[error("{0:?} holds a character that not every system takes in a file name")]
    Character(String),
    /// It is too long or too deep.
    #[error("{0:?} is too long or lies in too many folders")]
    TooLong(String),
    /// Two entries are one file where letter case does not count.
    #[error("{0:?} and {1:?} would be the same file on some systems: rename one")]
    Collides(String, String),
}

/// The paths taken so far.
#[derive(Debug, Default)]
pub struct Paths {
    /// Lower-case path → path as given and whether it is a folder on the way to a file.
    taken: BTreeMap<String, (String, bool)>,
}

impl Paths {
    /// Takes the path of a file.
    ///
    /// # Errors
    /// When it may not stand in a zip, or collides with one taken before.
    pub fn take(&mut self, path: &str) -> Result<(), PathRefused> {
        check(path)?;
        let mut end = 0;
        while let Some(slash) = path[end..].find('/') {
            self.take_one(&path[..end + slash], true)?;
            end += slash + 1;
        }
        self.take_one(path, false)
    }

    fn take_one(&mut self, path: &str, is_folder: bool) -> Result<(), PathRefused> {
        match self.taken.entry(path.to_lowercase()) {
            Entry::Vacant(free) => {
                free.insert((path.to_owned(), is_folder));
                Ok(())
            }
            Entry::Occupied(known) if is_folder && *known.get() == (path.to_owned(), true) => Ok(()),
            Entry::Occupied(known) => Err(PathRefused::Collides(known.get().0.clone(), path.to_owned())),
        }
    }
}

fn check(path: &str) -> Result<(), PathRefused> {
    let names: Vec<&str> = path.split('/').collect();
    if path.len() > PATH_BYTES_MAX
        || names.len() > DEPTH_MAX
        || names.iter().any(|name| name.len() > NAME_BYTES_MAX)
    {
        return Err(PathRefused::TooLong(path.chars().take(100).collect()));
    }
    if names.iter().any(|name| matches!(*name, "" | "." | "..")) || has_drive(path) {
        return Err(PathRefused::Escapes(path.to_owned()));
    }
    let is_bad = |letter: char| {
        letter.is_control() || matches!(letter, '\\' | ':' | '*' | '?' | '"' | '<' | '>' | '|')
    };
    if path.chars().any(is_bad) || names.iter().any(|name| name.ends_with(['.', ' '])) {
        return Err(PathRefused::Character(path.to_owned()));
    }
    Ok(())
}

fn has_drive(path: &str) -> bool {
    matches!(path.as_bytes(), [letter, b':', ..] if letter.is_ascii_alphabetic())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn take_all(paths: &[&str]) -> Result<(), PathRefused> {
        let mut taken = Paths::default();
        paths.iter().try_for_each(|path| taken.take(path))
    }

    #[test]
    fn ordinary_trees_are_taken() {
        assert_eq!(
            take_all(&["scene.blend", "textures/wood.png", "textures/größe 2.png", "a/b/c.vdb", "a/b2.vdb"]),
            Ok(())
        );
    }

    #[test]
    fn ways_out_are_refused() {
        for path in ["/etc/passwd", "../x", "a/../../x", "a/./b", "a//b", "", "a/", "C:/x", "c:x"] {
            assert!(matches!(take_all(&[path]), Err(PathRefused::Escapes(_))), "{path}");
        }
        for path in ["a\\b", "..\\x", "ab:c", "a\0b", "a\nb", "nul.", "a /b"] {
            assert!(matches!(take_all(&[path]), Err(PathRefused::Character(_))), "{path:?}");
        }
        assert!(matches!(take_all(&[&"d/".repeat(40)]), Err(PathRefused::TooLong(_))));
        assert!(matches!(take_all(&[&"x".repeat(256)]), Err(PathRefused::TooLong(_))));
    }

    #[test]
    fn what_would_be_one_file_is_refused() {
        for pair in [
            ["a.png", "a.png"],
            ["a.png", "A.PNG"],
            ["Tex/a", "tex/b"],
            ["a", "a/b"],
            ["a/b", "a"],
            ["Ä", "ä"],
        ] {
            assert!(matches!(take_all(&pair), Err(PathRefused::Collides(..))), "{pair:?}");
        }
    }
}
