//! What a stretch of work took: time, a process's processor time, and its memory, sampled.

use std::sync::mpsc::{RecvTimeoutError, SyncSender, sync_channel};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use crate::shell;

/// Between two looks at the memory.
const SAMPLE_EVERY: Duration = Duration::from_millis(50);
/// The kernel's clock of processor time: 100 a second on every Linux we know.
const TICK: Duration = Duration::from_millis(10);

/// What it took. Nothing where no process was watched or it could not be read.
#[derive(Clone, Copy)]
pub struct Used {
    pub wall: Duration,
    pub cpu: Option<Duration>,
    /// Resident MiB at the beginning, and the most that was seen.
    pub memory: Option<(u64, u64)>,
}

impl Used {
    /// One after the other.
    pub fn both(first: &Self, second: &Self) -> Self {
        let memory = first.memory.zip(second.memory).map(|(one, two)| (one.0, one.1.max(two.1)));
        let cpu = first.cpu.zip(second.cpu).map(|(one, two)| one + two);
        Self { wall: first.wall + second.wall, cpu, memory }
    }
}

/// A look that goes on.
pub struct Watch {
    process: Option<u32>,
    began: Instant,
    cpu: Option<Duration>,
    memory: Option<u64>,
    stop: SyncSender<()>,
    sampler: JoinHandle<Option<u64>>,
}

impl Watch {
    pub fn begin(process: Option<u32>) -> Self {
        let (stop, stopped) = sync_channel(1);
        let sampler = std::thread::spawn(move || {
            let mut most = process.and_then(resident_mib);
            while matches!(stopped.recv_timeout(SAMPLE_EVERY), Err(RecvTimeoutError::Timeout)) {
                most = most.max(process.and_then(resident_mib));
            }
            most
        });
        let (cpu, memory) = (process.and_then(cpu_of), process.and_then(resident_mib));
        Self { process, began: shell::started_now(), cpu, memory, stop, sampler }
    }

    pub fn end(self) -> Used {
        let wall = self.began.elapsed();
        let cpu = self.process.and_then(cpu_of).zip(self.cpu).map(|(after, before)| after - before);
        let _ = self.stop.send(());
        let most = self.sampler.join().ok().flatten();
        Used { wall, cpu, memory: self.memory.zip(most) }
    }
}

fn resident_mib(process: u32) -> Option<u64> {
    let status = std::fs::read_to_string(format!("/proc/{process}/status")).ok()?;
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:"))?;
    Some(line.split_whitespace().next()?.parse::<u64>().ok()? / 1024)
}

fn cpu_of(process: u32) -> Option<Duration> {
    let stat = std::fs::read_to_string(format!("/proc/{process}/stat")).ok()?;
    let fields: Vec<&str> = stat.rsplit(')').next()?.split_whitespace().collect();
    let ticks: u32 = fields.get(11)?.parse::<u32>().ok()? + fields.get(12)?.parse::<u32>().ok()?;
    Some(TICK * ticks)
}
