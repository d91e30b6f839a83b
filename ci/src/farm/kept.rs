//! No program of a farm outlives the tool that started it, however the tool ends.
//!
//! A tool that returns stops its farm by dropping it. One that is told to end by a signal stops its programs
//! in order first (`signals`). One that is killed cannot do anything any more: then the kernel tells
//! the programs (Linux), as each asked for between fork and exec. That signal comes when the *thread* that
//! started a program ends, hence one thread for all of them, which lives as long as the tool.

use std::collections::BTreeMap;
use std::io;
use std::process::{Child, Command};
use std::sync::mpsc::{SyncSender, sync_channel};
use std::sync::{Mutex, MutexGuard, OnceLock, PoisonError};
use std::time::Duration;

use anyhow::{Context, Result};

use super::signals::{ask_to_end, die_with_this_process, end_now, stand_back};
use super::{is_alive, pause};

/// A program asked to end gets this long: the product's own promise is ten seconds, and fifteen for a cloud
/// beside others.
const STOP_WITHIN: Duration = Duration::from_secs(17);
/// Starts that wait for the thread: a farm starts its programs one after the other.
const WAITING_MAX: usize = 16;

/// Programs end in this order: a cloud hears its workers say goodbye.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Rank {
    /// Ends first.
    Worker,
    /// Ends last.
    Cloud,
}

/// The programs that run, by rank and process number.
static RUNNING: Mutex<BTreeMap<u32, Rank>> = Mutex::new(BTreeMap::new());

fn running() -> MutexGuard<'static, BTreeMap<u32, Rank>> {
    RUNNING.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Starts a program that ends with this tool. It leads a group of its own, so that a Ctrl-C in the terminal
/// reaches the tool alone, which then stops its programs in order.
///
/// # Errors
/// It cannot be started.
pub fn start(mut command: Command, rank: Rank) -> Result<Child> {
    let shown = command.get_program().to_string_lossy().into_owned();
    die_with_this_process(&mut command);
    std::os::unix::process::CommandExt::process_group(&mut command, 0);
    let child = started_by_the_thread(command).with_context(|| format!("cannot start {shown}"))?;
    running().insert(child.id(), rank);
    Ok(child)
}

/// Asks a program to end, as a service manager would, and makes it end if it does not.
pub fn stop(child: &mut Child) {
    stand_back();
    let has_ended = |child: &mut Child| matches!(child.try_wait(), Ok(Some(_)));
    if !has_ended(child) {
        ask_to_end(child.id());
        let started = crate::shell::started_now();
        while !has_ended(child) && started.elapsed() < STOP_WITHIN {
            pause(Duration::from_millis(20));
        }
    }
    let _ = kill_hard(child);
}

/// Ends a program at once (SIGKILL) and reaps it.
///
/// # Errors
/// It cannot be waited for.
pub fn kill_hard(child: &mut Child) -> Result<()> {
    let _ = child.kill();
    // Out of the list before its number may be given to a stranger.
    running().remove(&child.id());
    child.wait().map(drop).context("cannot wait for a killed process")
}

/// Stops every program in order, from any thread; their handles stay with whoever holds them.
pub(super) fn stop_all() {
    for rank in [Rank::Worker, Rank::Cloud] {
        let all: Vec<u32> =
            running().iter().filter(|(_, of)| **of == rank).map(|(process, _)| *process).collect();
        all.iter().for_each(|process| ask_to_end(*process));
        let started = crate::shell::started_now();
        while all.iter().any(|process| is_alive(*process)) && started.elapsed() < STOP_WITHIN {
            pause(Duration::from_millis(20));
        }
        all.iter().filter(|process| is_alive(**process)).for_each(|process| end_now(*process));
    }
}

fn started_by_the_thread(command: Command) -> io::Result<Child> {
    type Start = (Command, SyncSender<io::Result<Child>>);
    static STARTS: OnceLock<Option<SyncSender<Start>>> = OnceLock::new();
    let begin = || {
        let (sender, starts) = sync_channel::<Start>(WAITING_MAX);
        let run = move || {
            for (mut command, answer) in starts {
                let _ = answer.send(command.spawn());
            }
        };
        std::thread::Builder::new().name("farm-starter".to_owned()).spawn(run).ok().map(|_| sender)
    };
    let gone = || io::Error::other("there is no thread that starts programs");
    let starts = STARTS.get_or_init(begin).as_ref().ok_or_else(gone)?;
    let (answer, started) = sync_channel(1);
    starts.send((command, answer)).map_err(|_| gone())?;
    started.recv().map_err(|_| gone())?
}
