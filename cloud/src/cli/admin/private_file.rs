//! A file with a secret in it: for its owner's eyes only from the first byte on, and there only when it is
//! whole. Until then it lies beside its place under another name, so that what stood there before stays.

use std::fs::{File, OpenOptions};
use std::io::{Error, ErrorKind, Result, Write as _};
use std::path::{Path, PathBuf};

/// The file on its way to its place; gone if it is dropped before.
pub(super) struct PrivateFile {
    place: PathBuf,
    partial: PathBuf,
    file: File,
}

impl PrivateFile {
    /// Begins one for `place`; `mark` tells its other name from everybody else's.
    pub(super) fn begin(place: &Path, mark: &str) -> Result<Self> {
        // The file that a link leads to is replaced, and the link stays.
        let place = place.canonicalize().unwrap_or_else(|_| place.to_owned());
        if place.metadata().is_ok_and(|there| !there.is_file()) {
            return Err(Error::new(ErrorKind::InvalidInput, "something that is not a file is there"));
        }
        let name = place.file_name().ok_or_else(|| Error::new(ErrorKind::InvalidInput, "name a file"))?;
        let partial = place.with_file_name(format!(".{}.{mark}", name.to_string_lossy()));
        let mut options = OpenOptions::new();
        options.write(true).create_new(true);
        #[cfg(unix)]
        std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
        let file = options.open(&partial)?;
        Ok(Self { place, partial, file })
    }

    /// Puts it in its place, on the disk, with this in it.
    pub(super) fn finish(mut self, content: &str) -> Result<()> {
        self.file.write_all(content.as_bytes())?;
        self.file.sync_all()?;
        std::fs::rename(&self.partial, &self.place)
    }
}

impl Drop for PrivateFile {
    fn drop(&mut self) {
        // Under this name it is there only if it was not finished.
        let _ = std::fs::remove_file(&self.partial);
    }
}
