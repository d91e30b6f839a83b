//! The socket's place: in the data folder, or in a private folder of its own where that one's path is too
//! long for a socket. On systems without such sockets it has a name made of the data folder's.
//!
//! Both sides find it by themselves, the one started by a service manager, the other from a terminal with
//! other variables: whoever asks looks in every place in which the worker may have had to put it.

use std::io;

use interprocess::local_socket::Name;

use crate::config::DataDir;

#[cfg(unix)]
pub(super) use unix::{to_ask, to_listen};

#[cfg(not(unix))]
pub(super) fn to_listen(data: &DataDir) -> io::Result<Name<'static>> {
    use interprocess::local_socket::{GenericNamespaced, ToNsName};
    format!("pictor-worker-{}", short_hash(data)).to_ns_name::<GenericNamespaced>()
}

#[cfg(not(unix))]
pub(super) fn to_ask(data: &DataDir) -> Vec<Name<'static>> {
    to_listen(data).into_iter().collect()
}

fn short_hash(data: &DataDir) -> String {
    blake3::hash(data.root().as_os_str().as_encoded_bytes()).to_hex()[..24].to_owned()
}

#[cfg(unix)]
mod unix {
    use std::fs;
    use std::os::unix::fs::{DirBuilderExt, MetadataExt};
    use std::path::{Path, PathBuf};

    use interprocess::local_socket::{GenericFilePath, ToFsName};
    use nix::unistd::geteuid;

    use super::{DataDir, Name, io, short_hash};

    /// Paths of Unix sockets are at most 107 bytes long, on some systems 103.
    const PATH_BYTES_MAX: usize = 100;
    const FILE: &str = "control.sock";

    /// Where to listen. What a killed worker left there is removed: only the holder of the lock may call it.
    pub(in crate::control) fn to_listen(data: &DataDir) -> io::Result<Name<'static>> {
        let mut because = io::Error::other("every place for the control socket has too long a path");
        for place in places(data, &bases()) {
            match prepare(data, &place) {
                Ok(()) => return place.to_fs_name::<GenericFilePath>(),
                Err(error) => because = error,
            }
        }
        Err(because)
    }

    /// Where the worker of this data folder may listen, the likeliest first.
    pub(in crate::control) fn to_ask(data: &DataDir) -> Vec<Name<'static>> {
        let places = places(data, &bases()).into_iter();
        let trusted = places.filter(|place| is_in_data(data, place) || check(place).is_ok());
        trusted.filter_map(|place| place.to_fs_name::<GenericFilePath>().ok()).collect()
    }

    fn bases() -> Vec<PathBuf> {
        let mut bases: Vec<PathBuf> =
            std::env::var_os("XDG_RUNTIME_DIR").map(PathBuf::from).into_iter().collect();
        bases.push(format!("/run/user/{}", geteuid()).into());
        bases.push(std::env::temp_dir());
        bases.push("/tmp".into());
        bases.retain(|base| base.is_absolute());
        bases
    }

    fn places(data: &DataDir, bases: &[PathBuf]) -> Vec<PathBuf> {
        let fits = |place: &PathBuf| place.as_os_str().len() <= PATH_BYTES_MAX;
        let in_data = data.root().join(FILE);
        if fits(&in_data) {
            return vec![in_data];
        }
        let folder = format!("pictor-worker-{}", short_hash(data));
        bases.iter().map(|base| base.join(&folder).join(FILE)).filter(fits).collect()
    }

    fn is_in_data(data: &DataDir, place: &Path) -> bool {
        place.parent() == Some(data.root())
    }

    fn prepare(data: &DataDir, place: &Path) -> io::Result<()> {
        if !is_in_data(data, place) {
            let folder = place.parent().ok_or_else(|| io::Error::other("a place without a folder"))?;
            match fs::DirBuilder::new().mode(0o700).create(folder) {
                Err(error) if error.kind() != io::ErrorKind::AlreadyExists => return Err(error),
                Ok(()) | Err(_) => {}
            }
            check(place)?;
        }
        match fs::remove_file(place) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(()),
            done => done,
        }
    }

    /// In a folder that all may write to, somebody else may have made the one with our name.
    fn check(place: &Path) -> io::Result<()> {
        let folder = place.parent().unwrap_or(place);
        let facts = fs::symlink_metadata(folder)?;
        let is_ours = facts.is_dir() && facts.uid() == geteuid().as_raw() && facts.mode() & 0o077 == 0;
        if is_ours {
            return Ok(());
        }
        let text = format!("{} is not a private folder of this user: remove it", folder.display());
        Err(io::Error::new(io::ErrorKind::PermissionDenied, text))
    }

    #[cfg(test)]
    mod tests {
        use std::os::unix::fs::PermissionsExt;

        use super::*;

        #[test]
        fn a_long_path_leads_to_a_private_folder_and_a_foreign_one_is_not_trusted() {
            let folder = tempfile::tempdir().unwrap();
            let data = DataDir::open(Some(folder.path().join("d".repeat(100)))).unwrap();
            let bases = ["no", "one", "two"].map(|base| folder.path().join(base));
            bases[1..].iter().for_each(|base| fs::create_dir(base).unwrap());
            let found = places(&data, &bases);
            assert_eq!(found.len(), 3);
            assert!(prepare(&data, &found[0]).is_err(), "there is no such base");
            prepare(&data, &found[1]).unwrap();
            let made = found[1].parent().unwrap();
            assert_eq!(fs::metadata(made).unwrap().permissions().mode() & 0o777, 0o700);
            fs::write(&found[1], "the socket of a worker that was killed").unwrap();
            prepare(&data, &found[1]).unwrap();
            assert!(!found[1].exists());

            fs::set_permissions(made, fs::Permissions::from_mode(0o777)).unwrap();
            assert!(prepare(&data, &found[1]).is_err() && check(&found[1]).is_err());
            std::os::unix::fs::symlink(made, found[2].parent().unwrap()).unwrap();
            assert!(prepare(&data, &found[2]).is_err());
        }
    }
}
