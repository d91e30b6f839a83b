//! Workers.

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

/// `POST /api/v1/workers`.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct NewWorker {
    /// Name, unique within the account.
    pub name: String,
}

/// `PATCH /api/v1/workers/{id}`.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct WorkerChange {
    /// New name.
    pub name: Option<String>,
}

/// `PUT /api/v1/workers/{id}/pause`.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct PauseWorker {
    /// Resume by itself after this; `null`: only by hand.
    pub for_ms: Option<u64>,
}

/// A worker.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct Worker {
    /// The worker.
    pub id: String,
    /// Name.
    pub name: String,
    /// `never`, `online`, `stale` or `offline`.
    pub connection: String,
    /// `idle`, `preparing`, `working`, `finishing`, `paused`, `updating`, `error`, `quarantined`; `null`
    /// unless it is or was connected.
    pub activity: Option<String>,
    /// One word and its cause, as pages show it.
    pub status: String,
    /// RFC 3339 of the last sign of life.
    pub last_heartbeat_at: Option<String>,
    /// Connected since, RFC 3339; `null` when it is not.
    pub online_since: Option<String>,
    /// Machine facts (protocol `MachineFacts`), once it was seen.
    #[schema(value_type = Option<Object>)]
    pub machine: Option<serde_json::Value>,
    /// Newest values (protocol `MetricSample`) with their time, also when offline.
    #[schema(value_type = Option<Object>)]
    pub sample: Option<serde_json::Value>,
    /// Version of its program.
    pub app_version: Option<String>,
    /// What each slot does.
    pub slots: Vec<WorkerSlot>,
    /// RFC 3339.
    pub created_at: String,
    /// RFC 3339 of the newest change.
    pub updated_at: String,
}

/// A slot of a worker.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct WorkerSlot {
    /// Number.
    pub slot: u16,
    /// GPU by PCI id; `null`: the CPU.
    pub gpu_pci_id: Option<String>,
    /// `idle`, `fetching`, `loading`, `rendering` or `stopping`; `null` when offline.
    pub phase: Option<String>,
    /// Job in hand.
    pub job: Option<String>,
    /// Task in hand.
    pub task: Option<String>,
    /// Frame in hand.
    pub frame: Option<i32>,
    /// Part of the task that is done, 0 to 1.
    pub progress: Option<f64>,
}

/// Answer to `POST /api/v1/workers/{id}/configuration`: a fresh one-time file; the one before is dead.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct WorkerConfiguration {
    /// Name to save it under (`rig-01.pictor`).
    pub file_name: String,
    /// Its text (TOML).
    pub content: String,
    /// Good until, RFC 3339.
    pub expires_at: String,
}
