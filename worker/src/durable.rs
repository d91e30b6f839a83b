//! Writes that are whole after a crash: temporary file, sync, rename, sync of the folder.
//!
//! A name either has its old bytes or its new ones, never a part. Temporary names end in [`TEMPORARY`], so
//! whoever owns a folder can sweep what a crash left. Blocking: call it from a blocking thread, or for a few
//! bytes at start.

use std::fs::{self, File, OpenOptions};
use std::io::{self, Write};
use std::path::Path;
use std::time::{SystemTime, UNIX_EPOCH};

use pictor_actors::faults;
use pictor_actors::units::{Millis, UnixMillis};

/// Ending of names that mean nothing yet.
pub const TEMPORARY: &str = ".tmp";

/// Who may read a file.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Secrecy {
    /// Its owner alone (0600).
    Private,
    /// As the umask says.
    Plain,
}

/// Replaces `path` by `bytes`.
pub fn replace(path: &Path, bytes: &[u8], secrecy: Secrecy) -> io::Result<()> {
    let temporary = temporary_of(path)?;
    let written = write_new(&temporary, bytes, secrecy).and_then(|()| {
        faults::reach("durable.written")?;
        rename(&temporary, path)
    });
    if written.is_err() {
        let _ = fs::remove_file(&temporary); // a rest is swept at the next start
    }
    written
}

/// Renames and makes the rename last.
pub fn rename(from: &Path, to: &Path) -> io::Result<()> {
    fs::rename(from, to)?;
    faults::reach("durable.renamed")?;
    sync_folder_of(to)
}

/// Makes what happened to the names in `path`'s folder last.
pub fn sync_folder_of(path: &Path) -> io::Result<()> {
    if cfg!(unix) {
        let folder = path.parent().ok_or_else(|| io::Error::other("a path without a folder"))?;
        File::open(folder)?.sync_all()?;
    }
    Ok(())
}

/// A moment as files carry it.
#[must_use]
pub fn time_of(moment: UnixMillis) -> SystemTime {
    UNIX_EPOCH + Millis(u64::try_from(moment.0).unwrap_or(0)).to_duration()
}

/// Gives a file this time of its last change.
pub fn touch(path: &Path, moment: UnixMillis) -> io::Result<()> {
    File::open(path)?.set_modified(time_of(moment))
}

/// Makes a folder that only its owner may enter. One that is there stays as it is.
pub fn private_folder(path: &Path) -> io::Result<()> {
    if let Some(parent) = path.parent() {
        fs::create_dir_all(parent)?;
    }
    let mut folder = fs::DirBuilder::new();
    #[cfg(unix)]
    std::os::unix::fs::DirBuilderExt::mode(&mut folder, 0o700);
    match folder.create(path) {
        Err(error) if error.kind() == io::ErrorKind::AlreadyExists && path.is_dir() => Ok(()),
        done => done,
    }
}

fn write_new(path: &Path, bytes: &[u8], secrecy: Secrecy) -> io::Result<()> {
    let mut options = OpenOptions::new();
    options.write(true).create(true).truncate(true);
    #[cfg(unix)]
    if secrecy == Secrecy::Private {
        use std::os::unix::fs::OpenOptionsExt;
        options.mode(0o600);
    }
    let mut file = options.open(path)?;
    file.write_all(bytes)?;
    file.sync_all()
}

fn temporary_of(path: &Path) -> io::Result<std::path::PathBuf> {
    let mut name = path.file_name().ok_or_else(|| io::Error::other("a path without a name"))?.to_owned();
    name.push(TEMPORARY);
    Ok(path.with_file_name(name))
}
