//! Workers: the row and what the farm knows of this moment.

use std::collections::BTreeMap;

use pictor_actors::ids::WorkerId;
use pictor_actors::protocol::heartbeat::SlotPhase;
use pictor_actors::units::UnixMillis;
use pictor_cloud_api::workers::{Worker, WorkerSlot};
use pictor_cloud_domain::worker::status::activity_word;
use pictor_cloud_domain::worker::{Rest, Status, StatusFacts};

use super::time;
use crate::agents::worker_live::standing_of;
use crate::agents::{Connection, SlotLive, WorkerLive};
use crate::http::state::AppState;
use crate::store::WorkerRow;

/// Workers as they are now, in the order of the rows. One question to the farm for all of them.
pub async fn load(state: &AppState, rows: Vec<WorkerRow>) -> Vec<Worker> {
    let live = state.farm.workers_live_of(&rows).await;
    let by_id: BTreeMap<WorkerId, WorkerLive> = live.into_iter().map(|live| (live.worker, live)).collect();
    let now = state.wall();
    rows.iter().map(|row| worker(row, by_id.get(&row.id), now)).collect()
}

/// One worker as it is now.
pub async fn load_one(state: &AppState, row: WorkerRow) -> Worker {
    let live = state.farm.workers_live_of(std::slice::from_ref(&row)).await;
    worker(&row, live.first(), state.wall())
}

/// A worker; without live state (the farm is busy) as its row says, with nothing claimed about this moment.
#[must_use]
pub fn worker(row: &WorkerRow, live: Option<&WorkerLive>, now: UnixMillis) -> Worker {
    let connection = live.map_or_else(|| stored_connection(row), |live| live.connection);
    let activity = live.and_then(|live| live.activity.as_ref());
    let rest = rest_of(row, live);
    let is_rested = rest.as_ref().is_some_and(|rest| now < rest.until);
    let last_heartbeat_at = live.and_then(|live| live.last_heartbeat_at).or(row.last_heartbeat_at);
    let slots = live.map_or(&[][..], |live| &live.slots);
    let task = task_in_words(slots);
    let facts = StatusFacts {
        connection,
        activity,
        pause: row.pause.as_ref(),
        rest: rest.as_ref(),
        last_heartbeat_at,
        task: task.as_deref(),
    };
    let sample = live.and_then(|live| live.sample.as_ref()).or(row.sample.as_ref());
    Worker {
        id: row.id.to_string(),
        name: row.name.clone(),
        connection: connection.as_str().into(),
        activity: activity_word(activity, is_rested).map(str::to_owned),
        status: Status::of(&facts, now).to_string(),
        last_heartbeat_at: last_heartbeat_at.map(time),
        online_since: live.and_then(|live| live.online_since).map(time),
        machine: row.machine.as_ref().and_then(|machine| serde_json::to_value(machine).ok()),
        sample: sample.and_then(|sample| serde_json::to_value(sample).ok()),
        app_version: row.app_version.clone(),
        slots: slots_of(row, slots),
        created_at: time(row.created_at),
        updated_at: time(row.updated_at),
    }
}

fn stored_connection(row: &WorkerRow) -> Connection {
    if row.connected_at.is_none() { Connection::Never } else { Connection::Offline }
}

fn rest_of(row: &WorkerRow, live: Option<&WorkerLive>) -> Option<Rest> {
    live.map_or_else(|| standing_of(row), |live| live.standing.clone()).rest
}

fn task_in_words(slots: &[SlotLive]) -> Option<String> {
    let frames: Vec<String> =
        slots.iter().filter_map(|slot| slot.frame).map(|frame| format!("frame {frame}")).collect();
    (!frames.is_empty()).then(|| frames.join(", "))
}

/// The live slots, or those of the last connection with everything about this moment unknown.
fn slots_of(row: &WorkerRow, live: &[SlotLive]) -> Vec<WorkerSlot> {
    if !live.is_empty() {
        return live.iter().map(slot).collect();
    }
    let stored = row.slots.iter().flatten();
    stored
        .map(|facts| WorkerSlot {
            slot: facts.slot,
            gpu_pci_id: facts.gpu_pci_id.clone(),
            phase: None,
            job: None,
            task: None,
            frame: None,
            progress: None,
        })
        .collect()
}

fn slot(live: &SlotLive) -> WorkerSlot {
    WorkerSlot {
        slot: live.slot,
        gpu_pci_id: live.gpu_pci_id.clone(),
        phase: live.phase.map(|phase| phase_text(phase).to_owned()),
        job: live.job.map(|job| job.to_string()),
        task: live.task.map(|task| task.to_string()),
        frame: live.frame,
        progress: live.progress(),
    }
}

/// The API's word for a phase.
#[must_use]
pub const fn phase_text(phase: SlotPhase) -> &'static str {
    match phase {
        SlotPhase::Idle => "idle",
        SlotPhase::Fetching => "fetching",
        SlotPhase::Loading => "loading",
        SlotPhase::Rendering => "rendering",
        SlotPhase::Stopping => "stopping",
    }
}
