//! One instance per data folder: a lock that the system takes back when its process ends, however it ends.

use std::fs::{File, OpenOptions, TryLockError};
use std::io;

use crate::config::DataDir;

/// Held by the instance that runs; dropping it lets the next one in.
#[derive(Debug)]
pub struct InstanceLock {
    _file: File,
}

impl InstanceLock {
    /// The lock, or `None` if another process holds it.
    pub fn take(data: &DataDir) -> io::Result<Option<Self>> {
        let mut options = OpenOptions::new();
        // Private, as its folder may not be: whoever can open it can hold it.
        #[cfg(unix)]
        std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
        let file = options.create(true).truncate(false).write(true).open(data.lock())?;
        match file.try_lock() {
            Ok(()) => Ok(Some(Self { _file: file })),
            Err(TryLockError::WouldBlock) => Ok(None),
            Err(TryLockError::Error(error)) => Err(error),
        }
    }
}
