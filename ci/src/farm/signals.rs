//! Signals to and from the tool: those that ask it to end, those it sends, and the one that the kernel sends
//! in its place.

use std::io::Write;
use std::process::Command;
use std::sync::atomic::{AtomicI32, Ordering};
use std::time::Duration;

use anyhow::{Context, Result};
use nix::sys::signal::{SaFlags, SigAction, SigHandler, SigSet, Signal, kill, sigaction};
use nix::unistd::Pid;

use super::kept::stop_all;
use super::pause;

/// The signals that ask a tool to end: Ctrl-C, a service manager, a terminal that is closed.
const ASKING: [Signal; 3] = [Signal::SIGINT, Signal::SIGTERM, Signal::SIGHUP];
/// How often a signal is looked for: a handler itself may do next to nothing.
const LOOK_EVERY: Duration = Duration::from_millis(50);

static ASKED: AtomicI32 = AtomicI32::new(0);

extern "C" fn note(signal: i32) {
    ASKED.store(signal, Ordering::Relaxed);
}

/// From here on SIGINT, SIGTERM and SIGHUP stop all programs in order, then this process with the status
/// that a shell shows for the signal.
///
/// # Errors
/// The system refuses the handler or the thread.
#[allow(unsafe_code)]
pub fn stop_on_signals() -> Result<()> {
    let action = SigAction::new(SigHandler::Handler(note), SaFlags::SA_RESTART, SigSet::empty());
    for signal in ASKING {
        // SAFETY: a handler may only do what is async-signal-safe: `note` stores one atomic integer. A
        // started program does not inherit it, since exec sets handlers back.
        unsafe { sigaction(signal, &action) }.with_context(|| format!("cannot handle {signal}"))?;
    }
    let watch = || {
        loop {
            pause(LOOK_EVERY);
            let signal = ASKED.load(Ordering::Relaxed);
            if signal != 0 {
                // Not println: the terminal may be what has gone.
                let _ = writeln!(std::io::stdout(), "\nstopping the farm");
                stop_all();
                std::process::exit(128 + signal);
            }
        }
    };
    std::thread::Builder::new().name("signals".to_owned()).spawn(watch).context("no thread for signals")?;
    Ok(())
}

/// Returns at once, unless this process was asked to end: then never. Whoever is at a farm's programs must
/// not come between those who stop them in order, since a second signal ends a worker at once.
pub(super) fn stand_back() {
    while ASKED.load(Ordering::Relaxed) != 0 {
        std::thread::park();
    }
}

/// Has the kernel ask the command's process to end when the thread that starts it is gone.
#[allow(unsafe_code)]
pub fn die_with_this_process(command: &mut Command) {
    #[cfg(target_os = "linux")]
    {
        use std::os::unix::process::CommandExt;
        let parent = nix::unistd::getpid();
        // SAFETY: between fork and exec only async-signal-safe functions may be called, and nothing may be
        // allocated or locked. The closure makes two system calls (prctl, getppid) on a copied number, and
        // its errors are made of an error number, which does not allocate.
        unsafe {
            command.pre_exec(move || {
                // Asked, not killed: a worker ends its engines and a cloud its database in order.
                nix::sys::prctl::set_pdeathsig(Signal::SIGTERM)?;
                // The parent may have died before the line above: then nobody would tell any more.
                if nix::unistd::getppid() == parent { Ok(()) } else { Err(nix::errno::Errno::ESRCH.into()) }
            });
        }
    }
    #[cfg(not(target_os = "linux"))]
    let _ = command;
}

/// SIGTERM.
pub(super) fn ask_to_end(process: u32) {
    send(process, Signal::SIGTERM);
}

/// SIGKILL.
pub(super) fn end_now(process: u32) {
    send(process, Signal::SIGKILL);
}

fn send(process: u32, signal: Signal) {
    if let Ok(process) = i32::try_from(process) {
        let _ = kill(Pid::from_raw(process), signal); // an error: it has ended
    }
}
