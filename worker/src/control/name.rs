//! The socket's name: a path in the data folder where paths are sockets, a name made of it elsewhere.

use std::io;

use interprocess::local_socket::{GenericNamespaced, Name, ToNsName};

use crate::config::DataDir;

/// Paths of Unix sockets are at most 107 bytes long; longer ones take the way by name.
#[cfg(unix)]
const PATH_BYTES_MAX: usize = 100;

/// The name under which this data folder's worker listens.
pub(super) fn name(data: &DataDir) -> io::Result<Name<'static>> {
    #[cfg(unix)]
    if let Some(path) = path(data) {
        use interprocess::local_socket::{GenericFilePath, ToFsName};
        return path.to_fs_name::<GenericFilePath>();
    }
    let hash = blake3::hash(data.root().as_os_str().as_encoded_bytes());
    format!("pictor-worker-{}", &hash.to_hex()[..24]).to_ns_name::<GenericNamespaced>()
}

/// Removes what a killed worker left; only the holder of the lock may do that.
pub(super) fn clear(data: &DataDir) -> io::Result<()> {
    #[cfg(unix)]
    if let Some(path) = path(data) {
        return match std::fs::remove_file(path) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(()),
            done => done,
        };
    }
    let _ = data;
    Ok(())
}

#[cfg(unix)]
fn path(data: &DataDir) -> Option<std::path::PathBuf> {
    let path = data.root().join("control.sock");
    (path.as_os_str().len() <= PATH_BYTES_MAX).then_some(path)
}
