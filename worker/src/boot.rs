//! Puts a worker together, runs it until it is told to stop, and takes it apart in order.

use std::collections::BTreeSet;
use std::fs;
use std::io;
use std::path::PathBuf;
use std::sync::atomic::{AtomicBool, AtomicU32};
use std::sync::{Arc, Mutex, OnceLock};

use pictor_actors::now::Clock;
use pictor_actors::protocol::assignment::RenderEngine;
use pictor_actors::protocol::{MachineFacts, Refusal, SearchPhase, SlotFacts, Software};
use pictor_actors::supervise::{Holding, Phase as StopPhase, Shutdown, StopReason};
use pictor_actors::units::Millis;
use tokio::sync::watch;

use crate::agents::coordinator::SoftwareFound;
use crate::agents::{self, Known, Workplace};
use crate::cloud::Cloud;
use crate::config::{DataDir, Identity, Key, Settings};
use crate::control::{self, InstanceLock};
use crate::engines::Engine;
use crate::engines::blender::kernel_cache_dir;
use crate::inputs::Inputs;
use crate::machine::{Devices, FoundSoftware, Machine, SoftwareSearch, look_for_software};
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
    let (parts, facts) = with_facts(parts).await?;
    let place = Arc::new(workplace(parts, facts, shutdown.clone())?);
    let listening = actix_rt::spawn(control::serve(&place.data, Arc::clone(&place))?);
    let is_given = given.is_some();
    let phase = if is_given { SearchPhase::Done } else { SearchPhase::Running };
    know_software(&place, &given.unwrap_or_default(), phase);
    agents::start(&place);
    if !is_given {
        let hold = shutdown.hold(StopPhase::Draining, "the look for 3D software");
        actix_rt::spawn(look(Arc::clone(&place), hold));
    }
    let report = shutdown.conduct(DRAIN_MAX, CLOSE_MAX).await;
    for (phase, who) in report.overdue {
        tracing::warn!(?phase, who, "did not end in time");
    }
    listening.abort();
    Ok(Outcome { reason: shutdown.reason(), barred: place.barred.get().cloned() })
}

/// Asks the machine for its facts: drivers answer slowly.
async fn with_facts(mut parts: Parts) -> io::Result<(Parts, MachineFacts)> {
    let asking = tokio::task::spawn_blocking(move || {
        let facts = parts.machine.facts();
        (parts, facts)
    });
    asking.await.map_err(io::Error::other)
}

fn workplace(parts: Parts, facts: MachineFacts, shutdown: Shutdown) -> io::Result<Workplace> {
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
        slot_policy: parts.machine.slot_policy(),
        machine: Arc::new(Mutex::new(parts.machine)),
        known: Mutex::new(Known { facts, ..Known::default() }),
        busy: watch::channel(false).0,
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
        scratch_dir: Some(scratch_of_probes(place)),
        busy: Some(place.busy.subscribe()),
        devices: devices(place),
        kernel_cache_dir: Some(kernel_cache_dir(place.data.root())),
        now: place.clock.now().wall,
    }
}

fn devices(place: &Workplace) -> Devices {
    let known = place.known();
    Devices::of(&known.facts, &known.slots)
}

fn scratch_of_probes(place: &Workplace) -> PathBuf {
    place.data.work().join("probes")
}

/// The machine stays as it is: its slots have their actors. Only what they can run is otherwise.
fn know_software(place: &Workplace, software: &[FoundSoftware], phase: SearchPhase) {
    let mut known = place.known();
    for found in software.iter().filter(|found| !known.software.contains(found)) {
        let Software { name, version, path, engines } = &found.software;
        tracing::info!(name, version, path, ?engines, notes = ?found.notes, "found");
    }
    known.facts.software = software.iter().map(|found| found.software.clone()).collect();
    known.facts.software_search = Some(phase);
    known.software = software.to_vec();
    known.slots = slots(place, &known.facts, &known.software);
    known.revision += 1;
}

fn slots(place: &Workplace, facts: &MachineFacts, software: &[FoundSoftware]) -> Vec<SlotFacts> {
    let mut slots = place.slot_policy.slots(facts);
    for slot in &mut slots {
        let runs =
            |engine: &RenderEngine| software.iter().any(|one| one.on(slot, facts).engines.contains(engine));
        let engines = slot.engines.iter().copied().filter(|engine| runs(engine)).collect();
        slot.engines = engines;
    }
    let off: BTreeSet<u16> = place.settings.slots_off.iter().copied().collect();
    for slot in &mut slots {
        slot.enabled &= !off.contains(&slot.slot);
    }
    slots
}

/// Looks for programs that render; each answer is made known at once. Where there is none, looks again and
/// again. A stop ends the probe that runs.
async fn look(place: Arc<Workplace>, hold: Holding) {
    let _ = fs::remove_dir_all(scratch_of_probes(&place)); // what a crash left; there may be nothing
    let looking = async {
        let mut phase = SearchPhase::Running;
        loop {
            let looked = look_for_software(&search(&place), |found| tell(&place, found, phase)).await;
            if looked.found.is_empty() && phase == SearchPhase::Running {
                tracing::warn!("no Blender was found: this machine takes no work until there is one");
            }
            // Later looks are for what may have come since, which nobody waits for.
            phase = SearchPhase::Done;
            tell(&place, &looked.found, phase);
            let again_after = if looked.found.is_empty() { Some(LOOK_AGAIN) } else { looked.again_after };
            let Some(again_after) = again_after else { return };
            tokio::time::sleep(again_after.max(LOOK_AGAIN).to_duration()).await;
        }
    };
    tokio::select! {
        () = looking => {}
        () = place.shutdown.cancelled() => {}
    }
    drop(hold);
}

fn tell(place: &Workplace, software: &[FoundSoftware], phase: SearchPhase) {
    know_software(place, software, phase);
    agents::tell(&place.doors().coordinator, SoftwareFound);
}
