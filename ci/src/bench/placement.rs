//! The solver of placement alone, on a problem as large as a full replica sees, and how its time grows.

use std::collections::BTreeSet;
use std::path::Path;

use anyhow::{Result, bail, ensure};
use pictor_actors::ids::{AccountId, JobId, TaskId, WorkerId};
use pictor_actors::protocol::assignment::RenderEngine;
use pictor_actors::units::UnixMillis;
use pictor_cloud_domain::placement::solve::holds;
use pictor_cloud_domain::placement::{Problem, SlotIn, TaskIn, solve, why};

use crate::shell;

/// Free slots, ready tasks and jobs of the problem that the aim is about.
const SLOTS: u32 = 10_000;
const TASKS: u32 = 100_000;
const JOBS: u32 = 500;
/// Leases that the dispatcher grants in one turn.
const TURN: usize = 256;
/// The aim for one round at full size.
const ROUND_MS_MAX: f64 = 50.0;

/// How often to measure.
#[derive(clap::Args)]
pub struct PlacementArguments {
    /// Runs of each measurement; the fastest is shown, which other programs disturbed least
    #[arg(long, default_value_t = 21)]
    runs: usize,
}

/// Measures and prints the table; fails where the aim is missed.
pub fn run(root: &Path, arguments: &PlacementArguments) -> Result<()> {
    if cfg!(debug_assertions) {
        let runs = arguments.runs.to_string();
        shell::say("building for release: another build tells nothing about speed");
        let manifest = root.join("Cargo.toml").to_string_lossy().into_owned();
        let program = ["run", "--quiet", "--release", "--manifest-path", &manifest, "--package", "ci", "--"];
        return shell::run("cargo", &[&program[..], &["bench", "placement", "--runs", &runs]].concat());
    }
    println!("free slots   tasks   jobs │ fill all slots   growth │ one turn ({TURN})   growth │ reasons");
    let (mut before, mut at_full_size) = (None, f64::NAN);
    for (size, share) in [("1/4", 0.25), ("1/2", 0.5), ("1", 1.0), ("2", 2.0)] {
        let whole = problem(share, usize::MAX);
        let turn = Problem { grants_max: TURN, ..whole.clone() };
        let plan = solve(&whole);
        if let Err(broken) = holds(&whole, &plan) {
            bail!("the plan breaks a rule: {broken}");
        }
        let times = [
            fastest(arguments.runs, || solve(&whole).grants.len()),
            fastest(arguments.runs, || solve(&turn).grants.len()),
            fastest(arguments.runs, || why(&whole, &plan).len()),
        ];
        println!(
            "{:>10} {:>7} {:>6} │ {:>11.1} ms {} │ {:>11.1} ms {} │ {:>5.1} ms   size {size}, {} grants",
            whole.slots.len(),
            whole.tasks.len(),
            scaled(JOBS, share),
            times[0],
            growth(before.map(|before: [f64; 3]| times[0] / before[0])),
            times[1],
            growth(before.map(|before| times[1] / before[1])),
            times[2],
            plan.grants.len(),
        );
        if size == "1" {
            at_full_size = times[0];
        }
        before = Some(times);
    }
    println!("aim: one round at size 1 in at most {ROUND_MS_MAX} ms; it took {at_full_size:.1} ms");
    ensure!(at_full_size <= ROUND_MS_MAX, "the aim is missed");
    Ok(())
}

fn growth(ratio: Option<f64>) -> String {
    ratio.map_or_else(|| format!("{:>8}", "–"), |ratio| format!("{ratio:>7.2}×"))
}

/// Milliseconds of the fastest of some runs.
fn fastest(runs: usize, mut act: impl FnMut() -> usize) -> f64 {
    let times = (0..runs.max(1)).map(|_| {
        let started = shell::started_now();
        std::hint::black_box(act());
        started.elapsed()
    });
    times.min().map_or(f64::NAN, |time| time.as_secs_f64() * 1_000.0)
}

fn scaled(number: u32, share: f64) -> u32 {
    (f64::from(number) * share) as u32
}

/// Idle slots, four a worker, of which most run every engine; tasks by job, as the store gives them, of fifty
/// accounts; one in a hundred has failed somewhere.
fn problem(share: f64, grants_max: usize) -> Problem {
    let (slots, tasks, jobs) = (scaled(SLOTS, share), scaled(TASKS, share), scaled(JOBS, share));
    Problem {
        slots: (0..slots).map(|number| slot(number, jobs)).collect(),
        tasks: (0..tasks).map(|number| task(number, number / (tasks / jobs), slots / 4)).collect(),
        absent: Vec::new(),
        grants_max,
    }
}

fn slot(number: u32, jobs: u32) -> SlotIn {
    let engines = [RenderEngine::Cycles, RenderEngine::Eevee, RenderEngine::Workbench];
    let known = match number % 10 {
        0 => 1,
        1 | 2 => 2,
        _ => 3,
    };
    SlotIn {
        worker: WorkerId::from_u128(scattered(number / 4)),
        slot: u16::try_from(number % 4).unwrap_or_default(),
        engines: engines[..known].to_vec(),
        has_gpu: !number.is_multiple_of(7),
        leases_held: 0,
        warm_job: number.is_multiple_of(3).then(|| job_id(number % jobs)),
        rested: number.is_multiple_of(211),
    }
}

fn task(number: u32, job: u32, workers: u32) -> TaskIn {
    let engine = match job % 8 {
        0 => None,
        1 => Some(RenderEngine::Eevee),
        2 => Some(RenderEngine::Workbench),
        _ => Some(RenderEngine::Cycles),
    };
    let failed_on = number.is_multiple_of(100).then(|| WorkerId::from_u128(scattered(number % workers)));
    TaskIn {
        task: TaskId::from_u128(u128::from(number)),
        job: job_id(job),
        account: AccountId::from_u128(u128::from(job % 50)),
        priority: if job.is_multiple_of(10) { 80 } else { 50 },
        job_created_at: UnixMillis(i64::from(job)),
        engine,
        failed_on: failed_on.into_iter().collect::<BTreeSet<_>>(),
        running_of_account: job % 50 % 4,
    }
}

fn job_id(number: u32) -> JobId {
    JobId::from_u128(scattered(number))
}

/// Ids that do not come in the order of the numbers.
fn scattered(number: u32) -> u128 {
    u128::from(number).wrapping_add(1).wrapping_mul(0x9e37_79b9_7f4a_7c15_f39c_c060_5ced_c835)
}
