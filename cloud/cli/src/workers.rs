//! Workers: list, show, and their names where other things speak of them.

use std::collections::BTreeMap;

use pictor_actors::ids::WorkerId;
use pictor_cloud_api::workers::Worker;

use crate::client::Client;
use crate::error::{Failure, Kind};
use crate::show;

/// Prints the account's workers.
pub async fn list(client: &Client, is_json: bool) -> Result<(), Failure> {
    let workers: Vec<Worker> = client.list("workers", None).await?;
    if is_json {
        return show::json(&workers);
    }
    let row = |worker: &Worker| {
        vec![
            worker.id.clone(),
            worker.name.clone(),
            worker.status.clone(),
            gpus(worker).unwrap_or_else(|| "unknown".into()),
            worker.last_heartbeat_at.clone().unwrap_or_else(|| "never".into()),
        ]
    };
    show::table(&["id", "name", "status", "gpu", "last heartbeat"], workers.iter().map(row).collect());
    Ok(())
}

/// Prints one worker, named by its id or its name.
pub async fn show(client: &Client, worker: &str, is_json: bool) -> Result<(), Failure> {
    let worker = if worker.parse::<WorkerId>().is_ok() {
        client.get::<Worker>(&format!("workers/{worker}")).await?
    } else {
        let workers: Vec<Worker> = client.list("workers", None).await?;
        workers
            .into_iter()
            .find(|other| other.name == worker)
            .ok_or_else(|| Failure::new(Kind::NotFound, format!("there is no worker of the name {worker}")))?
    };
    if is_json {
        return show::json(&worker);
    }
    let fact =
        |name: &str| worker.machine.as_ref().and_then(|machine| machine[name].as_str()).map(str::to_owned);
    let ram = worker.machine.as_ref().and_then(|machine| machine["ram_bytes"].as_u64()).map(show::bytes);
    show::pairs(&[
        ("id", Some(worker.id.clone())),
        ("name", Some(worker.name.clone())),
        ("status", Some(worker.status.clone())),
        ("last heartbeat", Some(worker.last_heartbeat_at.clone().unwrap_or_else(|| "never".into()))),
        ("online since", worker.online_since.clone()),
        ("system", fact("os")),
        ("processor", fact("cpu_model")),
        ("memory", ram),
        ("gpu", gpus(&worker)),
        ("version", worker.app_version.clone()),
        ("created", Some(worker.created_at.clone())),
    ]);
    for slot in &worker.slots {
        let place = slot.gpu_pci_id.clone().unwrap_or_else(|| "processor".into());
        let phase = slot.phase.clone().unwrap_or_else(|| "unknown".into());
        let task = slot.task.as_ref().map(|task| format!("  {task}")).unwrap_or_default();
        println!("slot {}  {place}  {phase}{task}", slot.slot);
    }
    Ok(())
}

/// Names of the account's workers by id.
pub struct Names(BTreeMap<String, String>);

impl Names {
    /// Asks for them if any of these entries names a worker. None is no fault: a token may be good for jobs
    /// alone, and ids do as well.
    pub async fn of<'a>(client: &Client, mut workers: impl Iterator<Item = Option<&'a str>>) -> Self {
        if !workers.any(|worker| worker.is_some()) {
            return Self(BTreeMap::new());
        }
        let known: Vec<Worker> = client.list("workers", None).await.unwrap_or_default();
        Self(known.into_iter().map(|worker| (worker.id, worker.name)).collect())
    }

    /// Its name; its id where that is all there is to know: a worker that was removed, or of another account.
    pub fn of_worker(&self, id: Option<&str>) -> Option<String> {
        id.map(|id| self.0.get(id).map_or(id, String::as_str).to_owned())
    }
}

/// Models of the GPUs, `none` where the machine said that it has none, nothing where it was never seen.
fn gpus(worker: &Worker) -> Option<String> {
    let gpus = worker.machine.as_ref()?["gpus"].as_array()?;
    if gpus.is_empty() {
        return Some("none".into());
    }
    Some(gpus.iter().filter_map(|gpu| gpu["model"].as_str()).collect::<Vec<_>>().join(", "))
}
