//! `run`: one instance, its log, signals, exit codes.

use std::sync::Arc;
use std::time::Duration;

use pictor_actors::now::SystemClock;
use pictor_actors::supervise::{Shutdown, StopReason};

use super::{Exit, logs, say};
use crate::boot::{self, Outcome, Parts};
use crate::config::{DataDir, Settings, identity};
use crate::control::{Answer, InstanceLock, Request, ask};
use crate::engines::blender::BlenderEngine;
use crate::machine::{SlotPolicy, this_machine};
use crate::platform;

/// Threads for what blocks (files, hashing, the sampler); each is gone after a few idle seconds.
const BLOCKING_THREADS_MAX: usize = 8;
/// An idle blocking thread costs nothing but memory; it goes after this.
const THREAD_KEPT: Duration = Duration::from_secs(5);

pub(super) fn run(data: DataDir, log: &str) -> Exit {
    let lock = match InstanceLock::take(&data) {
        Ok(Some(lock)) => lock,
        Ok(None) => return super::on_runtime(found(&data)),
        Err(error) => return say::fault(Exit::Failed, &format!("the data folder cannot be locked: {error}")),
    };
    let (identity, key) = match identity::load(&data) {
        Ok(known) => known,
        Err(problem) => return say::fault(Exit::NotEnrolled, &problem.to_string()),
    };
    let settings = match Settings::load(&data) {
        Ok(settings) => settings,
        Err(error) => return say::fault(Exit::Failed, &format!("the settings cannot be read: {error}")),
    };
    if let Err(error) = logs::start(&data.logs(), settings.log_bytes, log) {
        return say::fault(Exit::Failed, &format!("the log cannot be written: {error}"));
    }
    tracing::info!(
        version = env!("CARGO_PKG_VERSION"),
        worker = %identity.worker,
        name = identity.name,
        cloud = %identity.cloud,
        data = %data.root().display(),
        "worker starts"
    );
    let policy = SlotPolicy { cpu_beside_gpus: settings.allow_cpu };
    let machine = this_machine(data.root(), policy);
    let clock = Arc::new(SystemClock);
    let engine = Arc::new(BlenderEngine::new(clock.clone(), data.root()));
    let parts = Parts { data, identity, key, settings, engine, machine, software: None, clock };
    worked(parts, &lock)
}

fn worked(parts: Parts, lock: &InstanceLock) -> Exit {
    let shutdown = Shutdown::new();
    let root = parts.data.root().to_owned();
    let system = actix_rt::System::with_tokio_rt(|| {
        tokio::runtime::Builder::new_current_thread()
            .enable_all()
            .max_blocking_threads(BLOCKING_THREADS_MAX)
            .thread_keep_alive(THREAD_KEPT)
            .build()
            .expect("a runtime needs only what every process may have")
    });
    let outcome = system.block_on(async {
        actix_rt::spawn(obey_signals(shutdown.clone(), root));
        boot::run(parts, shutdown, lock).await
    });
    match outcome {
        Ok(outcome) => ended(&outcome),
        Err(error) => {
            tracing::error!(%error, "the worker cannot run");
            say::fault(Exit::Failed, &format!("the worker cannot run: {error}"))
        }
    }
}

fn ended(outcome: &Outcome) -> Exit {
    if let Some(refusal) = &outcome.barred {
        return say::fault(Exit::Revoked, &format!("the cloud refuses this worker: {}", refusal.message));
    }
    match &outcome.reason {
        Some(reason) if reason.is_failure() => say::fault(Exit::Failed, &reason.to_string()),
        Some(reason) => {
            tracing::info!(%reason, "worker ends");
            Exit::Done
        }
        None => Exit::Done,
    }
}

/// The first signal asks for an ordered stop, the second one ends the process with its engines at once.
async fn obey_signals(shutdown: Shutdown, root: std::path::PathBuf) {
    let Some(name) = next_signal().await else { return };
    shutdown.begin(StopReason::Asked(name.to_owned()));
    if next_signal().await.is_some() {
        tracing::warn!("second signal: ending at once");
        let _ = platform::end_orphans(&root);
        std::process::exit(130);
    }
}

#[cfg(unix)]
pub(super) async fn next_signal() -> Option<&'static str> {
    use tokio::signal::unix::{SignalKind, signal};
    let (mut terminate, mut interrupt) =
        (signal(SignalKind::terminate()).ok()?, signal(SignalKind::interrupt()).ok()?);
    tokio::select! {
        _ = terminate.recv() => Some("SIGTERM"),
        _ = interrupt.recv() => Some("SIGINT"),
    }
}

#[cfg(not(unix))]
pub(super) async fn next_signal() -> Option<&'static str> {
    tokio::signal::ctrl_c().await.ok().map(|()| "Ctrl-C")
}

/// A second start finds the first and says so.
async fn found(data: &DataDir) -> Exit {
    let who = match ask(data, &Request::Status).await {
        Ok(Answer::Status(status)) => format!(" ({:?}, process {})", status.name, status.pid),
        Ok(Answer::Starting | Answer::Done | Answer::Resumed { .. } | Answer::Failed { .. }) | Err(_) => {
            String::new()
        }
    };
    let text = format!(
        "a worker runs with this data folder already{who}: `pictor-worker status` shows it, --data names \
        another folder"
    );
    say::fault(Exit::RunsAlready, &text)
}
