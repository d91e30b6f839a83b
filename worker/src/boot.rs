//! Puts a worker together, runs it until it is told to stop, and takes it apart in order.

use std::collections::BTreeSet;
use std::io;
use std::sync::atomic::{AtomicBool, AtomicU32};
use std::sync::{Arc, Mutex, OnceLock, PoisonError};

use pictor_actors::now::Clock;
use pictor_actors::protocol::{Refusal, Software};
use pictor_actors::supervise::{Shutdown, StopReason};
use pictor_actors::units::Millis;

use crate::agents::coordinator::SoftwareFound;
use crate::agents::{self, Known, Workplace};
use crate::cloud::Cloud;
use crate::config::{DataDir, Identity, Key, Settings};
use crate::control::{self, InstanceLock};
use crate::engines::Engine;
use crate::inputs::Inputs;
use crate::machine::{FoundSoftware, Machine, SoftwareSearch, find_software};
use crate::platform;
use crate::spool::Spool;

/// Finished frames and the goodbye get this long, engines' ends included; `systemctl stop` waits longer.
const DRAIN_MAX: Millis = Millis::from_secs(8);
/// Actors and sockets get this long after that.
const CLOSE_MAX: Millis = Millis::from_secs(2);
/// A machine without Blender is looked through again this often: the owner may be installing it.
const LOOK_AGAIN: Millis = Millis::from_secs(60);

/// What a worker is made of.
pub struct Parts {
    /// Where things lie.
    pub data: DataDir,
    /// Who it is.
    pub identity: Identity,
    /// Its key.
    pub key: Key,
    /// What its owner set.
    pub settings: Settings,
    /// What renders.
    pub engine: Arc<dyn Engine>,
    /// Whatever answers for the machine.
    pub machine: Box<dyn Machine>,
    /// Programs that render; nothing: look for them.
    pub software: Option<Vec<FoundSoftware>>,
    /// The time.
    pub clock: Arc<dyn Clock>,
}

/// How it ended.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Outcome {
    /// Why it stopped.
    pub reason: Option<StopReason>,
    /// The cloud's refusal for ever, if that was it.
    pub barred: Option<Refusal>,
}

/// Runs a worker until `shutdown` begins and everything has ended. The caller holds the instance lock, and is
/// on a thread with a `LocalSet`.
pub async fn run(parts: Parts, shutdown: Shutdown, _lock: &InstanceLock) -> io::Result<Outcome> {
    let ended = platform::end_orphans(parts.data.root());
    if ended > 0 {
        tracing::warn!(ended, "engines of an earlier run were still there and were ended");
    }
    let given = parts.software.clone();
    let place = Arc::new(workplace(parts, shutdown.clone())?);
    let listening = actix_rt::spawn(control::serve(&place.data, Arc::clone(&place))?);
    let search = search(&place);
    let found = match given {
        Some(software) => software,
        None => tokio::select! {
            found = find_software(&search) => found,
            () = shutdown.cancelled() => Vec::new(),
        },
    };
    let is_missing = found.is_empty();
    know(&place, found);
    agents::start(&place);
    if is_missing {
        actix_rt::spawn(look_again(Arc::clone(&place)));
    }
    let report = shutdown.conduct(DRAIN_MAX, CLOSE_MAX).await;
    for (phase, who) in report.overdue {
        tracing::warn!(?phase, who, "did not end in time");
    }
    listening.abort();
    Ok(Outcome { reason: shutdown.reason(), barred: place.barred.get().cloned() })
}

fn workplace(parts: Parts, shutdown: Shutdown) -> io::Result<Workplace> {
    let cloud = Arc::new(Cloud::new(parts.identity.cloud.clone()));
    let inputs = Inputs::open(parts.data.inputs(), parts.settings.cache_bytes, Arc::clone(&cloud))?;
    Ok(Workplace {
        started_at: parts.clock.now().wall,
        clock: parts.clock,
        spool: Spool::at(parts.data.spool()),
        data: parts.data,
        identity: parts.identity,
        key: parts.key,
        settings: parts.settings,
        inputs: Arc::new(inputs),
        cloud,
        engine: parts.engine,
        machine: Arc::new(Mutex::new(parts.machine)),
        known: Mutex::default(),
        shutdown,
        link_lives: AtomicU32::new(0),
        is_spool_read: AtomicBool::new(false),
        barred: OnceLock::new(),
        doors: OnceLock::new(),
    })
}

fn search(place: &Workplace) -> SoftwareSearch {
    SoftwareSearch {
        configured: place.settings.blender.clone(),
        look_around: place.settings.find_blender,
        cache_dir: Some(place.data.probes()),
    }
}

/// Puts together what is known of the machine with this software.
fn know(place: &Workplace, software: Vec<FoundSoftware>) {
    for found in &software {
        let Software { name, version, path, .. } = &found.software;
        tracing::info!(name, version, path, notes = ?found.notes, "found");
    }
    let mut machine = place.machine.lock().unwrap_or_else(PoisonError::into_inner);
    let mut facts = machine.facts();
    facts.software = software.iter().map(|found| found.software.clone()).collect();
    let mut slots = machine.slots(&facts);
    drop(machine);
    let off: BTreeSet<u16> = place.settings.slots_off.iter().copied().collect();
    for slot in &mut slots {
        slot.enabled &= !off.contains(&slot.slot);
    }
    *place.known() = Known { facts, slots, software };
}

async fn look_again(place: Arc<Workplace>) {
    tracing::warn!("no Blender was found: this machine takes no work until there is one");
    loop {
        tokio::select! {
            () = tokio::time::sleep(LOOK_AGAIN.to_duration()) => {}
            () = place.shutdown.cancelled() => return,
        }
        let found = find_software(&search(&place)).await;
        if !found.is_empty() {
            know(&place, found);
            if place.doors().coordinator.try_send(SoftwareFound).is_ok() {
                return;
            }
        }
    }
}
