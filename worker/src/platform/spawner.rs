//! Starts processes from one thread that lives as long as this process.
//!
//! On Linux the parent-death signal is sent when the *thread* that started the child ends, and runtimes let
//! idle threads end. Hence this one, which never does.

use std::io;
use std::sync::OnceLock;
use std::sync::mpsc::{SyncSender, sync_channel};

use tokio::process::{Child, Command};
use tokio::runtime::Handle;
use tokio::sync::oneshot;

/// Starts waiting for the thread; more than any machine has slots.
const WAITING_MAX: usize = 64;

struct Start {
    command: Command,
    runtime: Handle,
    answer: oneshot::Sender<io::Result<Child>>,
}

static STARTS: OnceLock<Option<SyncSender<Start>>> = OnceLock::new();

/// Starts `command`; the child belongs to the runtime of the caller.
///
/// # Errors
/// The program cannot be started, or too many starts are waiting.
pub async fn spawn(command: Command) -> io::Result<Child> {
    let starts =
        STARTS.get_or_init(begin).as_ref().ok_or_else(|| io::Error::other("no thread for processes"))?;
    let (answer, started) = oneshot::channel();
    starts
        .try_send(Start { command, runtime: Handle::current(), answer })
        .map_err(|_| io::Error::other("too many programs are being started at once"))?;
    started.await.map_err(|_| io::Error::other("the thread that starts programs is gone"))?
}

fn begin() -> Option<SyncSender<Start>> {
    let (sender, starts) = sync_channel::<Start>(WAITING_MAX);
    let run = move || {
        for Start { mut command, runtime, answer } in starts {
            let _inside = runtime.enter();
            // A child that nobody waits for any more is killed by its drop.
            let _ = answer.send(command.spawn());
        }
    };
    std::thread::Builder::new().name("engine-starter".to_owned()).spawn(run).ok().map(|_| sender)
}
