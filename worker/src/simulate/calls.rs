//! Requests of simulated workers: the same ones that real workers make, over connections that all share.

use std::sync::Arc;

use pictor_actors::ids::JobId;
use pictor_actors::protocol::LeaseRef;
use pictor_actors::protocol::assignment::InputManifest;
use pictor_actors::units::BlobHash;
use pictor_worker_domain::outbox::{Ended, Entry};
use tokio::sync::Semaphore;

use super::brain::Input;
use super::spool::Stored;
use super::stats::count;
use super::worker::Shared;
use crate::cloud::{Cloud, FrameBytes, FrameUpload, Verdict};

/// Fetches the list of a job's files and checks it, as a real worker does.
pub async fn inputs(
    cloud: Arc<Cloud>,
    requests: Arc<Semaphore>,
    slot: usize,
    lease: LeaseRef,
    job: JobId,
    hash: BlobHash,
) -> Input {
    let _place = requests.acquire().await;
    let brought = match cloud.inputs_of(job).await {
        Err(error) => Err(error.to_string()),
        Ok(list) if *blake3::hash(&list).as_bytes() != *hash.as_bytes() => {
            Err("the list of the job's files is not the one the task names".to_owned())
        }
        Ok(list) => match serde_json::from_slice::<InputManifest>(&list) {
            Ok(_) => Ok(()),
            Err(error) => Err(format!("the list of the job's files cannot be read: {error}")),
        },
    };
    Input::InputsBrought(slot, lease, brought)
}

/// Uploads a frame.
pub async fn upload(
    cloud: Arc<Cloud>,
    shared: Arc<Shared>,
    entry: Entry,
    stored: Stored,
    random: u64,
) -> Input {
    let key = entry.key();
    let _place = shared.requests.acquire().await;
    let began = shared.clock.now().mono;
    let ended = match put(&cloud, &entry, entry.lease.fence, &stored).await {
        Verdict::Delivered { .. } => {
            shared.stats.upload.add(shared.clock.now().elapsed(began));
            Ended::Delivered
        }
        Verdict::Superseded => Ended::Superseded,
        Verdict::Away { retry_after, .. } => Ended::Unavailable { retry_after, random },
        // What is announced is hashed anew each time, so it was on its way.
        Verdict::Damaged => Ended::Unavailable { retry_after: None, random },
        Verdict::Refused { status, text } => Ended::Refused { text: format!("{text} ({status})") },
    };
    Input::Uploaded(key, ended)
}

/// Sends a frame under the fence before its own. Whoever takes it has forgotten to compare.
pub async fn stale(cloud: Arc<Cloud>, shared: Arc<Shared>, entry: Entry, stored: Stored) {
    let _place = shared.requests.acquire().await;
    match put(&cloud, &entry, entry.lease.fence.saturating_sub(1), &stored).await {
        Verdict::Delivered { .. } => count(&shared.stats.stale_taken),
        Verdict::Superseded => count(&shared.stats.stale_refused),
        // It says nothing about the fence.
        Verdict::Away { .. } | Verdict::Damaged | Verdict::Refused { .. } => {}
    }
}

async fn put(cloud: &Cloud, entry: &Entry, fence: u64, stored: &Stored) -> Verdict {
    let hash = BlobHash::from_bytes(*blake3::hash(&stored.bytes).as_bytes());
    let upload = FrameUpload {
        lease: entry.lease.lease,
        fence,
        frame: entry.frame,
        hash,
        size: u64::try_from(stored.bytes.len()).unwrap_or(u64::MAX),
        render_ms: stored.render_ms,
        media_type: stored.format.media_type(),
        bytes: FrameBytes::Memory(stored.bytes.clone()),
    };
    Verdict::of(cloud.deliver(&upload).await, &upload)
}
