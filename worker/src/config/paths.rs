//! Where everything lies: one data folder, one name for each thing in it.

use std::io;
use std::path::{Path, PathBuf};

use etcetera::base_strategy::BaseStrategy;

use crate::durable;

/// The data folder. Everything the worker keeps lies in it; the program itself may lie anywhere.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DataDir {
    root: PathBuf,
}

impl DataDir {
    /// The folder that was asked for, or the user's usual one; made if it is not there, absolute, private.
    pub fn open(asked: Option<PathBuf>) -> io::Result<Self> {
        let root = match asked {
            Some(root) => root,
            None => etcetera::base_strategy::choose_native_strategy()
                .map(|places| places.data_dir().join("pictor-worker"))
                .map_err(|_| {
                    io::Error::other("this user has no home folder: name a data folder with --data")
                })?,
        };
        durable::private_folder(&root)?;
        let data = Self { root: root.canonicalize()? };
        for folder in [data.spool(), data.inputs(), data.work(), data.logs()] {
            durable::private_folder(&folder)?;
        }
        Ok(data)
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
