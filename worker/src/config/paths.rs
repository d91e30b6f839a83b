//! Where everything lies: one data folder, one name for each thing in it.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use etcetera::base_strategy::BaseStrategy;

use crate::durable;

/// Names that only a worker's folder has.
const MARKS: [&str; 7] =
    ["identity.toml", "worker.key", "worker.key.pending", "worker.lock", "settings.toml", "spool", "probes"];

/// What a folder holds before a worker comes to live in it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Content {
    /// Nothing, or it is not there.
    Nothing,
    /// A worker's things.
    Worker,
    /// Something else.
    Foreign,
}

impl Content {
    fn of(root: &Path) -> io::Result<Self> {
        let entries = match fs::read_dir(root) {
            Ok(entries) => entries,
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Self::Nothing),
            Err(error) => return Err(error),
        };
        let mut content = Self::Nothing;
        for entry in entries {
            let name = entry?.file_name();
            if MARKS.iter().any(|mark| name == *mark) {
                return Ok(Self::Worker);
            }
            // The top of a disk has the one; the other was put there to be imported.
            if name != "lost+found" && Path::new(&name).extension().is_none_or(|ending| ending != "pictor") {
                content = Self::Foreign;
            }
        }
        Ok(content)
    }
}

/// The data folder. Everything the worker keeps lies in it; the program itself may lie anywhere.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DataDir {
    root: PathBuf,
}

impl DataDir {
    /// The folder that was asked for, or the user's usual one, for a worker that will live in it: made if it
    /// is not there, absolute. What is made is private; a folder that was there keeps its owner's choice. One
    /// that holds something else is refused: a slip of the hand must not scatter a worker over it.
    pub fn open(asked: Option<PathBuf>) -> io::Result<Self> {
        let root = chosen(asked)?;
        if Content::of(&root)? == Content::Foreign {
            return Err(io::Error::other(foreign(&root)));
        }
        durable::private_folder(&root)?;
        let data = Self { root: root.canonicalize()? };
        for folder in [data.spool(), data.inputs(), data.work(), data.logs()] {
            durable::private_folder(&folder)?;
        }
        Ok(data)
    }

    /// The same folder as it is, for whoever only asks: nothing is made or changed, and it need not be there.
    pub fn find(asked: Option<PathBuf>) -> io::Result<Self> {
        let root = chosen(asked)?;
        match root.canonicalize() {
            Ok(root) => Ok(Self { root }),
            Err(error) if error.kind() == io::ErrorKind::NotFound => {
                Ok(Self { root: std::path::absolute(root)? })
            }
            Err(error) => Err(error),
        }
    }

    /// What the folder holds.
    pub fn content(&self) -> io::Result<Content> {
        Content::of(&self.root)
    }

    /// The folder itself.
    #[must_use]
    pub fn root(&self) -> &Path {
        &self.root
    }

    /// Who this worker is.
    #[must_use]
    pub fn identity(&self) -> PathBuf {
        self.root.join("identity.toml")
    }

    /// The private key; never leaves the machine.
    #[must_use]
    pub fn key(&self) -> PathBuf {
        self.root.join("worker.key")
    }

    /// What the owner set.
    #[must_use]
    pub fn settings(&self) -> PathBuf {
        self.root.join("settings.toml")
    }

    /// The owner's pause, if there is one.
    #[must_use]
    pub fn pause(&self) -> PathBuf {
        self.root.join("pause.toml")
    }

    /// Locked by the one instance that runs.
    #[must_use]
    pub fn lock(&self) -> PathBuf {
        self.root.join("worker.lock")
    }

    /// Frames that wait for delivery.
    #[must_use]
    pub fn spool(&self) -> PathBuf {
        self.root.join("spool")
    }

    /// Input files by hash.
    #[must_use]
    pub fn inputs(&self) -> PathBuf {
        self.root.join("inputs")
    }

    /// One folder per slot, emptied at start.
    #[must_use]
    pub fn work(&self) -> PathBuf {
        self.root.join("work")
    }

    /// The worker's own log.
    #[must_use]
    pub fn logs(&self) -> PathBuf {
        self.root.join("logs")
    }

    /// Remembered answers of slow probes.
    #[must_use]
    pub fn probes(&self) -> PathBuf {
        self.root.join("probes")
    }
}

fn chosen(asked: Option<PathBuf>) -> io::Result<PathBuf> {
    if let Some(root) = asked {
        return Ok(root);
    }
    let places = etcetera::base_strategy::choose_native_strategy()
        .map_err(|_| io::Error::other("this user has no home folder: name a data folder with --data"))?;
    Ok(places.data_dir().join("pictor-worker"))
}

fn foreign(root: &Path) -> String {
    format!(
        "{} holds other things and is no worker's data folder: name a new or an empty folder with --data",
        root.display()
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_worker_moves_into_its_own_folder_or_an_empty_one() {
        let folder = tempfile::tempdir().unwrap();
        let root = folder.path().join("data");
        let find = || DataDir::find(Some(root.clone())).unwrap();
        assert_eq!(find().content().unwrap(), Content::Nothing);
        assert!(!root.exists(), "asking makes nothing");
        fs::create_dir(&root).unwrap();
        fs::write(root.join("rig.pictor"), "").unwrap();
        assert_eq!(find().content().unwrap(), Content::Nothing);
        fs::write(root.join("holiday.jpg"), "").unwrap();
        assert_eq!(find().content().unwrap(), Content::Foreign);
        let refused = DataDir::open(Some(root.clone())).unwrap_err().to_string();
        assert!(refused.contains("holds other things") && refused.contains("--data"), "{refused}");
        assert_eq!(fs::read_dir(&root).unwrap().count(), 2, "it was left as it was");
        fs::remove_file(root.join("holiday.jpg")).unwrap();
        DataDir::open(Some(root.clone())).unwrap();
        fs::write(root.join("note.txt"), "").unwrap();
        assert_eq!(find().content().unwrap(), Content::Worker);
        DataDir::open(Some(root.clone())).unwrap();
    }

    #[cfg(unix)]
    #[test]
    fn what_is_made_is_private_and_what_was_there_keeps_its_mode() {
        use std::os::unix::fs::PermissionsExt;
        let folder = tempfile::tempdir().unwrap();
        let mode = |path: &Path| fs::metadata(path).unwrap().permissions().mode() & 0o777;
        let made = DataDir::open(Some(folder.path().join("made"))).unwrap();
        assert_eq!((mode(made.root()), mode(&made.spool())), (0o700, 0o700));
        let there = folder.path().join("there");
        fs::create_dir(&there).unwrap();
        fs::set_permissions(&there, fs::Permissions::from_mode(0o755)).unwrap();
        let data = DataDir::open(Some(there)).unwrap();
        assert_eq!((mode(data.root()), mode(&data.spool())), (0o755, 0o700));
    }
}
