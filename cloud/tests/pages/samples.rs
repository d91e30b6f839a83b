//! Sample shapes of the API, as the view models get them. `T` stands in for text that a person typed.

use pictor_cloud_api::accounts::{Account, Session, Token};
use pictor_cloud_api::jobs::{FailureGroup, Frame, Job, JobSettings, LogLine, Task};
use pictor_cloud_api::uploads::{BlendScene, UploadContent};
use pictor_cloud_api::workers::{Worker, WorkerSlot};
use serde_json::json;

pub const NOW: &str = "2026-11-23T09:15:00Z";
pub const EARLIER: &str = "2026-11-23T06:02:00Z";
const GPU_0: &str = "00000000:01:00.0";
const GPU_1: &str = "00000000:41:00.0";

pub fn id(prefix: &str, number: u8) -> String {
    format!("{prefix}_019ab0000000700080000000000000{number:02x}")
}

fn slot(number: u16, pci: Option<&str>) -> WorkerSlot {
    let gpu_pci_id = pci.map(ToOwned::to_owned);
    WorkerSlot {
        slot: number,
        gpu_pci_id,
        phase: Some("idle".into()),
        job: None,
        task: None,
        frame: None,
        progress: None,
    }
}

pub fn gpu_worker(name: &str, text: &str) -> Worker {
    let gib = 1_u64 << 30;
    let gpu =
        |pci: &str| json!({"pci_id": pci, "model": "NVIDIA GeForce RTX 4090", "memory_bytes": 24 * gib});
    let sample = |pci: &str, used: f64, celsius: f64| {
        json!({"pci_id": pci, "utilisation_percent": used, "memory_used_bytes": 9 * gib, "celsius": celsius,
            "power_watts": 341.5, "power_limit_watts": 450.0})
    };
    Worker {
        id: id("wrk", 1),
        name: name.to_owned(),
        connection: "online".into(),
        activity: Some("working".into()),
        status: format!("working: frame 12 of {text}"),
        last_heartbeat_at: Some(NOW.into()),
        online_since: Some(EARLIER.into()),
        machine: Some(json!({
            "hostname": text, "os": "Debian GNU/Linux 12", "arch": "x86_64", "cpu_model": "AMD Ryzen 9 7950X",
            "cpu_count": 32, "ram_bytes": 64 * gib,
            "nvidia_driver": "570.86", "gpus": [gpu(GPU_0), gpu(GPU_1)],
            "software": [{"name": "Blender", "version": "4.5.3", "path": "/opt/blender/blender",
                "engines": ["cycles", "eevee"]}],
        })),
        sample: Some(json!({
            "at": 1_795_425_300_000_i64, "cpu_percent": 12.5, "cpu_celsius": 61.0, "ram_used_bytes": 21 * gib,
            "gpus": [sample(GPU_0, 97.0, 71.0), sample(GPU_1, 0.0, 86.0)],
        })),
        app_version: Some("0.1.0".into()),
        slots: vec![
            WorkerSlot {
                phase: Some("rendering".into()),
                job: Some(id("job", 1)),
                task: Some(id("tsk", 3)),
                frame: Some(12),
                progress: Some(0.42),
                ..slot(0, Some(GPU_0))
            },
            slot(1, Some(GPU_1)),
        ],
        created_at: EARLIER.into(),
        updated_at: NOW.into(),
    }
}

pub fn cpu_worker(name: &str) -> Worker {
    let gib = 1_u64 << 30;
    Worker {
        id: id("wrk", 2),
        status: "offline: last heartbeat 3 h ago".into(),
        connection: "offline".into(),
        activity: None,
        online_since: None,
        last_heartbeat_at: Some(EARLIER.into()),
        machine: Some(json!({
            "hostname": "attic", "os": "Debian GNU/Linux 12", "arch": "x86_64", "cpu_model": "Intel Core i5",
            "cpu_count": 1, "ram_bytes": 8 * gib,
            "no_gpu_because": "no NVIDIA driver library on this machine",
        })),
        sample: Some(json!({"at": 1_795_413_720_000_i64, "cpu_percent": 3.0})),
        slots: vec![WorkerSlot { phase: None, ..slot(0, None) }],
        ..gpu_worker(name, "")
    }
}

pub fn new_worker(name: &str) -> Worker {
    Worker {
        id: id("wrk", 3),
        name: name.to_owned(),
        connection: "never".into(),
        activity: None,
        status: "never seen: waits for its first connection".into(),
        last_heartbeat_at: None,
        online_since: None,
        machine: None,
        sample: None,
        app_version: None,
        slots: Vec::new(),
        created_at: EARLIER.into(),
        updated_at: NOW.into(),
    }
}

pub fn paused_worker(name: &str) -> Worker {
    Worker {
        id: id("wrk", 4),
        activity: Some("paused".into()),
        status: "paused: by its owner, from the dashboard, for another 2 h".into(),
        slots: vec![slot(0, Some(GPU_0)), slot(1, Some(GPU_1))],
        ..gpu_worker(name, "rig")
    }
}

pub fn job(number: u8, name: &str, state: &str, done: u32, text: &str) -> Job {
    Job {
        id: id("job", number),
        name: name.to_owned(),
        state: state.to_owned(),
        reason: (state == "failed").then(|| format!("no camera: {text}")),
        priority: 50,
        frames_total: 24,
        frames_done: done,
        frames_failed: if state == "failed" { 24 - done } else { 0 },
        frames_in_hand: (state == "running").then_some(1),
        progress: f64::from(done) / 24.0,
        eta: (state == "running").then(|| NOW.to_owned()),
        frame_mean_ms: (done > 0).then_some(4_200),
        settings: JobSettings {
            frames: "1-24".into(),
            main: format!("{text}.blend"),
            format: "PNG".into(),
            samples: Some(128),
            frame_time_limit_ms: 14_400_000,
            ..JobSettings::default()
        },
        warnings: vec![format!("texture //textures/{text}.png is missing; it renders pink")],
        failures: vec![FailureGroup {
            class: "no_camera".into(),
            words: "no camera".into(),
            message: format!("the scene “{text}” has no camera: add one and submit again"),
            attempts: 2,
            frames: if state == "failed" { 24 - done } else { 0 },
        }],
        waiting: if state == "ready" { vec![format!("no worker is online: {text}")] } else { Vec::new() },
        created_at: EARLIER.into(),
        started_at: (done > 0).then(|| EARLIER.to_owned()),
        ended_at: matches!(state, "completed" | "failed").then(|| NOW.to_owned()),
    }
}

pub fn frame(number: i32, state: &str, text: &str) -> Frame {
    let is_stored = state == "stored";
    Frame {
        frame: number,
        state: state.to_owned(),
        file_name: format!("{text}_{number:04}.png"),
        blake3: is_stored.then(|| "ab".repeat(32)),
        size: is_stored.then_some(1_234_567),
        render_ms: is_stored.then_some(4_210),
        worker: is_stored.then(|| id("wrk", 1)),
        stored_at: is_stored.then(|| NOW.to_owned()),
    }
}

pub fn task(number: u8, state: &str, text: &str) -> Task {
    Task {
        id: id("tsk", number),
        job: id("job", 1),
        state: state.to_owned(),
        frames: "1-4".into(),
        frames_total: 4,
        frames_done: 2,
        attempts: 1,
        worker: (state == "running").then(|| id("wrk", 1)),
        failure: (state == "failed").then(|| "no_camera".to_owned()),
        failure_message: (state == "failed").then(|| text.to_owned()),
        created_at: EARLIER.into(),
        started_at: Some(EARLIER.into()),
        ended_at: (state == "completed").then(|| NOW.to_owned()),
    }
}

pub fn log_line(text: &str) -> LogLine {
    LogLine { at: NOW.into(), task: id("tsk", 1), worker: id("wrk", 1), text: text.to_owned() }
}

pub fn account(text: &str) -> Account {
    Account {
        id: id("acc", 1),
        email: "ada@example.org".into(),
        name: text.to_owned(),
        roles: vec!["provider".into(), "creator".into(), "release_manager".into()],
        wallet_address: Some(text.to_owned()),
        created_at: EARLIER.into(),
    }
}

pub fn session(is_current: bool, user_agent: &str) -> Session {
    let user_agent = user_agent.to_owned();
    Session { id: id("ses", 1), user_agent, is_current, created_at: EARLIER.into(), last_used_at: NOW.into() }
}

pub fn token(text: &str) -> Token {
    Token {
        id: id("tok", 1),
        name: text.to_owned(),
        scopes: vec!["jobs".into(), "read".into()],
        created_at: EARLIER.into(),
        last_used_at: None,
        expires_at: Some(NOW.into()),
    }
}

pub fn content(text: &str) -> UploadContent {
    let scene = |name: &str, is_active| BlendScene {
        file: "scene.blend".into(),
        name: name.to_owned(),
        is_active,
        cameras: vec!["Camera".into(), text.to_owned()],
        is_list_whole: true,
        frame_start: Some(1),
        frame_end: Some(240),
        frame_step: Some(2),
        fps: Some(24),
        engine: Some("cycles".into()),
        width: Some(1920),
        height: Some(1080),
        resolution_percent: Some(50),
        samples: Some(128),
        saved_with: Some("4.5.3".into()),
    };
    UploadContent {
        blend_files: vec!["scene.blend".into(), text.to_owned()],
        file_count: 3,
        scenes: vec![scene("Scene", true), scene(text, false)],
        warnings: vec![format!("{text} is linked and not in the zip")],
        ..UploadContent::default()
    }
}
