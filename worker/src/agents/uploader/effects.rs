//! Does what the outbox decided: uploads, deletions.

use std::io;

use actix::fut::{ActorFutureExt, WrapFuture};
use actix::prelude::{AsyncContext, Context};
use pictor_actors::faults;
use pictor_worker_domain::outbox::{Effect, Ended, Key};

use super::actor::Uploader;
use super::messages::UploadEnded;
use crate::agents::coordinator::LeaseEmptied;
use crate::agents::tell;
use crate::cloud::{Cloud, FrameBytes, FrameUpload, Verdict};
use crate::spool::{Manifest, Spool};

impl Uploader {
    pub(super) fn run(&mut self, effect: Effect, context: &mut Context<Self>) {
        match effect {
            Effect::Upload(key) => self.upload(key, context),
            Effect::Abort(key) => {
                if let Some(upload) = self.uploads.remove(&key) {
                    context.cancel_future(upload);
                }
            }
            Effect::Delete(key) => self.on_disk(move |spool| spool.remove(key)),
            Effect::Discard(key) => {
                tracing::info!(lease.id = %key.lease, frame = key.frame, "nobody wants this frame");
                let now = self.place.clock.now().wall;
                self.on_disk(move |spool| spool.discard(key, now));
            }
            Effect::LeaseEmptied(lease) => {
                tell(&self.place.doors().coordinator, LeaseEmptied(lease));
            }
        }
    }

    fn upload(&mut self, key: Key, context: &mut Context<Self>) {
        let (spool, cloud) = (self.place.spool.clone(), std::sync::Arc::clone(&self.place.cloud));
        let uploading = async move { upload(&spool, &cloud, key).await };
        let handle = context.spawn(
            uploading
                .into_actor(self)
                .map(move |ended, _, context| context.notify(UploadEnded { key, ended })),
        );
        self.uploads.insert(key, handle);
    }

    /// An entry that cannot be taken away comes back at the next start and is sent again: the cloud says
    /// *already there*, so that only costs an upload.
    pub(super) fn on_disk(&self, change: impl FnOnce(&Spool) -> io::Result<()> + Send + 'static) {
        let spool = self.place.spool.clone();
        tokio::task::spawn_blocking(move || {
            if let Err(error) = change(&spool) {
                tracing::warn!(%error, "the spool could not be tidied");
            }
        });
    }
}

async fn upload(spool: &Spool, cloud: &Cloud, key: Key) -> Ended {
    let reader = spool.clone();
    let read = tokio::task::spawn_blocking(move || reader.manifest(key)).await;
    let manifest = match read {
        Ok(Ok(manifest)) => manifest,
        Ok(Err(error)) if !error.is_for_good() => return unavailable(&format!("{error:?}"), None),
        Ok(Err(error)) => {
            tracing::error!(lease.id = %key.lease, frame = key.frame, %error, "a frame in the spool is lost");
            return Ended::Unreadable { text: error.to_string() };
        }
        Err(error) => return unavailable(&error.to_string(), None),
    };
    let path = spool.frame_path(key);
    if let Err(injected) = faults::pass("upload.sending").await {
        return unavailable(&injected.to_string(), None);
    }
    let upload = FrameUpload {
        lease: key.lease,
        fence: manifest.entry().lease.fence,
        frame: key.frame,
        hash: manifest.hash(),
        size: manifest.size(),
        render_ms: manifest.render_ms(),
        media_type: manifest.media_type(),
        bytes: FrameBytes::File(&path),
    };
    let sent = cloud.deliver(&upload).await;
    if let Err(injected) = faults::pass("upload.sent").await {
        return unavailable(&injected.to_string(), None);
    }
    match Verdict::of(sent, &upload) {
        Verdict::Delivered { is_this } => {
            if !is_this {
                let Key { lease, frame } = key;
                tracing::info!(lease.id = %lease, frame, "the cloud has it from somebody else");
            }
            Ended::Delivered
        }
        Verdict::Superseded => Ended::Superseded,
        Verdict::Away { why, retry_after } => unavailable(&why, retry_after),
        Verdict::Damaged => damaged(spool, manifest).await,
        Verdict::Refused { status, text } => {
            tracing::warn!(status, words = %text, "the cloud refuses a frame: it is kept");
            Ended::Refused { text: format!("{text} ({status})") }
        }
    }
}

/// On its way, or on this disk.
async fn damaged(spool: &Spool, manifest: Manifest) -> Ended {
    let spool = spool.clone();
    let read = tokio::task::spawn_blocking(move || spool.is_intact(&manifest)).await;
    match read.unwrap_or_else(|error| Err(io::Error::other(error))) {
        Ok(true) => unavailable("the bytes were damaged on their way", None),
        Ok(false) => Ended::Unreadable { text: "its bytes have changed on this disk".to_owned() },
        Err(error) => unavailable(&error.to_string(), None),
    }
}

fn unavailable(why: &str, retry_after: Option<pictor_actors::units::Millis>) -> Ended {
    tracing::debug!(why, "an upload will be tried again");
    Ended::Unavailable { retry_after, random: crate::random() }
}

#[cfg(all(test, unix))]
mod tests {
    use std::path::Path;

    use pictor_actors::ids::{JobId, LeaseId, TaskId};
    use pictor_actors::protocol::LeaseRef;
    use pictor_actors::protocol::assignment::OutputFormat;
    use pictor_actors::units::UnixMillis;

    use super::*;
    use crate::spool::FrameFacts;

    fn entry(folder: &Path) -> (Spool, Manifest) {
        let (source, spool) = (folder.join("frame.png"), Spool::at(folder.join("spool")));
        std::fs::create_dir_all(folder.join("spool")).unwrap();
        std::fs::write(&source, [7; 100]).unwrap();
        let facts = FrameFacts {
            lease: LeaseRef { lease: LeaseId::from_u128(1), fence: 3 },
            task: TaskId::from_u128(2),
            job: JobId::from_u128(3),
            frame: 5,
            format: OutputFormat::Png,
            render_ms: 40,
        };
        let kept = spool.keep(&source, &facts, UnixMillis(1)).unwrap();
        (spool, kept)
    }

    /// A link to itself: an error of the system that says nothing about the bytes.
    fn make_unreadable(spool: &Spool, key: Key) {
        let path = spool.frame_path(key);
        std::fs::rename(&path, path.with_extension("away")).unwrap();
        std::os::unix::fs::symlink(&path, &path).unwrap();
    }

    #[tokio::test]
    async fn an_error_that_may_pass_costs_no_frame() {
        let folder = tempfile::tempdir().unwrap();
        let (spool, kept) = entry(folder.path());
        let (key, cloud) = (kept.entry().key(), Cloud::new("http://127.0.0.1:9".parse().unwrap()));
        let path = spool.frame_path(key);
        make_unreadable(&spool, key);
        assert!(matches!(upload(&spool, &cloud, key).await, Ended::Unavailable { .. }));
        assert!(matches!(damaged(&spool, kept.clone()).await, Ended::Unavailable { .. }));
        let scanned = spool.scan().unwrap();
        assert_eq!((scanned.entries.len(), scanned.unread), (0, 1));

        std::fs::rename(path.with_extension("away"), &path).unwrap();
        let scanned = spool.scan().unwrap();
        assert_eq!((scanned.entries, scanned.unread), (vec![kept.clone()], 0), "it was left as it was");

        std::fs::write(&path, [8; 100]).unwrap();
        assert!(matches!(damaged(&spool, kept).await, Ended::Unreadable { .. }));
        std::fs::remove_file(&path).unwrap();
        assert!(matches!(upload(&spool, &cloud, key).await, Ended::Unreadable { .. }));
    }
}
