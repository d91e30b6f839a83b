//! What is set in the child between fork and exec, and what is read of it afterwards.

use std::io;

use nix::libc;
use nix::sys::resource::{Resource, setrlimit};
use tokio::process::Command;

use super::ProcessLimits;

/// Makes the command's process the leader of its own group, bounded by `limits`, and bound to die with this
/// process.
///
/// The last holds for the *thread* that starts it: use [`super::spawn`].
#[allow(unsafe_code)]
pub fn harden(command: &mut Command, limits: ProcessLimits) {
    let parent = nix::unistd::getpid();
    command.process_group(0);
    // SAFETY: between fork and exec only async-signal-safe functions may be called, and nothing may be
    // allocated or locked. `apply` makes system calls alone (prctl, getppid, setrlimit, setpriority) on
    // values that were copied into the closure before the fork, and turns their errors into `io::Error` from
    // an error number, which does not allocate.
    unsafe {
        command.pre_exec(move || apply(parent, limits));
    }
}

fn apply(parent: nix::unistd::Pid, limits: ProcessLimits) -> io::Result<()> {
    die_with(parent)?;
    setrlimit(Resource::RLIMIT_CORE, 0, 0)?;
    if let Some(bytes) = limits.address_space_bytes {
        setrlimit(Resource::RLIMIT_AS, bytes, bytes)?;
    }
    if let Some(bytes) = limits.file_bytes {
        setrlimit(Resource::RLIMIT_FSIZE, bytes, bytes)?;
    }
    step_back(limits.nice);
    Ok(())
}

#[cfg(any(target_os = "linux", target_os = "android"))]
fn die_with(parent: nix::unistd::Pid) -> io::Result<()> {
    nix::sys::prctl::set_pdeathsig(nix::sys::signal::Signal::SIGKILL)?;
    // The parent may have died before the line above: then nobody would send the signal any more.
    if nix::unistd::getppid() != parent {
        return Err(io::Error::from_raw_os_error(libc::ESRCH));
    }
    Ok(())
}

#[cfg(not(any(target_os = "linux", target_os = "android")))]
fn die_with(_parent: nix::unistd::Pid) -> io::Result<()> {
    Ok(())
}

/// Not worth failing for: a system may forbid it.
#[allow(unsafe_code)]
fn step_back(nice: u8) {
    if nice > 0 {
        // SAFETY: `setpriority` takes three integers by value, 0 means this process, and it touches no memory
        // of ours.
        unsafe { libc::setpriority(libc::PRIO_PROCESS, 0, i32::from(nice.min(19))) };
    }
}

/// Resident memory of a process; nothing where it is gone or cannot be told.
#[must_use]
pub fn resident_bytes(pid: u32) -> Option<u64> {
    let statm = std::fs::read_to_string(format!("/proc/{pid}/statm")).ok()?;
    let pages: u64 = statm.split_whitespace().nth(1)?.parse().ok()?;
    let page = nix::unistd::sysconf(nix::unistd::SysconfVar::PAGE_SIZE).ok()??;
    pages.checked_mul(u64::try_from(page).ok()?)
}
