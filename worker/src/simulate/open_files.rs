//! Every simulated worker has a socket, and a system bounds how many files a process may have open.

/// Files beside the sockets of workers: requests, listeners, the program's own.
const BESIDE: u64 = 512;

/// Makes room for so many sockets.
///
/// # Errors
/// The words say why not and what to do.
#[cfg(unix)]
pub fn make_room(sockets: u64) -> Result<(), String> {
    use nix::sys::resource::{Resource, getrlimit, setrlimit};
    let wanted = sockets + BESIDE;
    let (soft, hard) = getrlimit(Resource::RLIMIT_NOFILE).map_err(|error| error.to_string())?;
    if soft >= wanted {
        return Ok(());
    }
    if hard < wanted {
        return Err(format!(
            "{sockets} workers need about {wanted} open files and this user may have {hard}: simulate \
             fewer, or raise the limit (`ulimit -Hn`, LimitNOFILE= of a service)"
        ));
    }
    setrlimit(Resource::RLIMIT_NOFILE, hard, hard).map_err(|error| error.to_string())
}

/// Other systems have no such bound.
#[cfg(not(unix))]
pub fn make_room(_sockets: u64) -> Result<(), String> {
    Ok(())
}

#[cfg(all(test, unix))]
mod tests {
    use super::*;

    #[test]
    fn more_than_the_system_allows_is_said_in_words() {
        assert_eq!(make_room(1), Ok(()));
        let refused = make_room(u64::MAX / 2).unwrap_err();
        assert!(refused.contains("open files") && refused.contains("ulimit"), "{refused}");
    }
}
