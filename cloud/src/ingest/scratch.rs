//! A blob as a file on this machine, for readers that need one.

use std::path::{Path, PathBuf};

use futures_util::StreamExt;
use pictor_actors::ids::UploadId;
use pictor_actors::units::BlobHash;
use tokio::io::AsyncWriteExt;

use crate::blobs::{BlobError, Blobs, disk};

/// The file; a copy goes away with this.
pub(super) struct AsFile {
    path: PathBuf,
    is_copy: bool,
}

impl AsFile {
    /// Where it is.
    pub(super) fn path(&self) -> &Path {
        &self.path
    }
}

impl Drop for AsFile {
    fn drop(&mut self) {
        if self.is_copy {
            // What cannot be removed now lies in a folder that may be emptied at any time.
            let _ = std::fs::remove_file(&self.path);
        }
    }
}

/// The blob in place where blobs are files, otherwise a copy in `dir`.
pub(super) async fn as_file(blobs: &dyn Blobs, hash: BlobHash, dir: &Path) -> Result<AsFile, BlobError> {
    if let Some(path) = blobs.local_path(hash) {
        return Ok(AsFile { path, is_copy: false });
    }
    tokio::fs::create_dir_all(dir).await.map_err(disk)?;
    let copy = AsFile { path: dir.join(format!("{hash}.{}", UploadId::generate())), is_copy: true };
    let (_, mut body) = blobs.get(hash, None).await?;
    let mut file = tokio::fs::File::create(&copy.path).await.map_err(disk)?;
    while let Some(chunk) = body.next().await {
        file.write_all(&chunk.map_err(disk)?).await.map_err(disk)?;
    }
    file.flush().await.map_err(disk)?;
    Ok(copy)
}
