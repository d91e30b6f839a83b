//! The disk of the blobs fills up in the middle of writing.

use std::ops::Range;
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use futures_util::StreamExt as _;
use futures_util::future::{BoxFuture, FutureExt as _};
use pictor_actors::ids::UploadId;
use pictor_actors::protocol::upload::{FENCE_HEADER, HASH_HEADER, RENDER_MS_HEADER};
use pictor_actors::units::{BlobHash, UnixMillis};
use pictor_cloud::blobs::{BlobError, Blobs, BytesIn, BytesOut, Found, Removal, Stored};
use serde_json::json;

use super::{begin, complete, hash_of, send_part};
use crate::harness::{Reply, TestApp};

/// Takes the first chunk and then has no more room, while it is full.
struct Filling {
    inner: Arc<dyn Blobs>,
    is_full: Arc<AtomicBool>,
}

impl Filling {
    fn is_full(&self) -> bool {
        self.is_full.load(Ordering::SeqCst)
    }
}

async fn no_room(mut body: BytesIn) -> BlobError {
    body.next().await;
    BlobError::DiskFull
}

impl Blobs for Filling {
    fn put_stream(
        &self,
        body: BytesIn,
        expected: Option<BlobHash>,
        size_max: u64,
    ) -> BoxFuture<'_, Result<Stored, BlobError>> {
        if self.is_full() {
            return no_room(body).map(Err).boxed();
        }
        self.inner.put_stream(body, expected, size_max)
    }

    fn get(
        &self,
        hash: BlobHash,
        range: Option<Range<u64>>,
    ) -> BoxFuture<'_, Result<(u64, BytesOut), BlobError>> {
        self.inner.get(hash, range)
    }

    fn head(&self, hash: BlobHash) -> BoxFuture<'_, Result<Option<u64>, BlobError>> {
        self.inner.head(hash)
    }

    fn delete(&self, hash: BlobHash) -> BoxFuture<'_, Result<(), BlobError>> {
        self.inner.delete(hash)
    }

    fn put_part(
        &self,
        upload: UploadId,
        part: u32,
        body: BytesIn,
        length: u64,
    ) -> BoxFuture<'_, Result<(), BlobError>> {
        if self.is_full() {
            return no_room(body).map(Err).boxed();
        }
        self.inner.put_part(upload, part, body, length)
    }

    fn finish_parts(
        &self,
        upload: UploadId,
        size: u64,
        expected: Option<BlobHash>,
    ) -> BoxFuture<'_, Result<Stored, BlobError>> {
        if self.is_full() {
            return async { Err(BlobError::DiskFull) }.boxed();
        }
        self.inner.finish_parts(upload, size, expected)
    }

    fn drop_parts(&self, upload: UploadId) -> BoxFuture<'_, Result<(), BlobError>> {
        self.inner.drop_parts(upload)
    }

    fn list(&self, shard: u8) -> BoxFuture<'_, Result<Vec<Found<BlobHash>>, BlobError>> {
        self.inner.list(shard)
    }

    fn remove_older<'a>(
        &'a self,
        removal: &'a Removal,
        before: UnixMillis,
    ) -> BoxFuture<'a, Result<bool, BlobError>> {
        self.inner.remove_older(removal, before)
    }

    fn list_uploads(&self) -> BoxFuture<'_, Result<Vec<Found<UploadId>>, BlobError>> {
        self.inner.list_uploads()
    }

    fn local_path(&self, hash: BlobHash) -> Option<PathBuf> {
        self.inner.local_path(hash)
    }
}

async fn filling() -> (TestApp, Arc<AtomicBool>) {
    let is_full = Arc::new(AtomicBool::new(false));
    let switch = Arc::clone(&is_full);
    let layer = move |inner| Arc::new(Filling { inner, is_full: Arc::clone(&switch) }) as Arc<dyn Blobs>;
    (TestApp::start_on(Arc::new(layer)).await, is_full)
}

#[track_caller]
fn assert_no_room(reply: &Reply) {
    assert_eq!((reply.status, reply.code().as_str()), (507, "disk_full"), "{reply}");
    assert!(reply.text().contains("disk is full"), "{reply}");
    assert_ne!(reply.header("retry-after"), "", "{reply}");
}

#[tokio::test]
async fn an_upload_is_gone_on_with_when_there_is_room_again() {
    let (app, is_full) = filling().await;
    let program = app.token("jobs").await;
    let part = 16 * 1024 * 1024;
    let noise = (0..part + 5_000).map(|index| u8::try_from(index % 251).unwrap());
    let bytes: Vec<u8> = b"BLENDER".iter().copied().chain(noise).collect();
    let id = begin(&program, "noise.blend", &bytes, Some(hash_of(&bytes))).await;
    assert_eq!(send_part(&program, &id, 1, &bytes[part..]).await.status, 200);
    is_full.store(true, Ordering::SeqCst);
    // Far more than the connection holds: the answer comes although the bytes were not wanted.
    assert_no_room(&send_part(&program, &id, 0, &bytes[..part]).await);
    assert_no_room(&send_part(&program, &id, 1, &bytes[part..]).await);
    let stands = program.get(&format!("/api/v1/uploads/{id}")).await;
    assert_eq!(stands.value()["parts_stored"], json!([1]), "{stands}");
    is_full.store(false, Ordering::SeqCst);
    assert_eq!(send_part(&program, &id, 0, &bytes[..part]).await.status, 200);
    is_full.store(true, Ordering::SeqCst);
    assert_no_room(&complete(&program, &id).await);
    is_full.store(false, Ordering::SeqCst);
    let done = complete(&program, &id).await;
    assert_eq!((done.status, &done.value()["blake3"]), (200, &json!(hash_of(&bytes).to_string())), "{done}");
}

#[tokio::test]
async fn a_frame_is_taken_when_there_is_room_again() {
    let (app, is_full) = filling().await;
    let worker = app.worker().await;
    let job = app.leased_job(&worker, "1-2").await;
    let frame = vec![7; 3_000_000];
    let put = || {
        let path = format!("/api/v1/leases/{}/frames/1", job.lease.lease);
        let request = worker.client.request("PUT", &path).header(FENCE_HEADER, job.lease.fence.to_string());
        let request = request.header(HASH_HEADER, hash_of(&frame).to_string()).header(RENDER_MS_HEADER, "5");
        Reply::of(request.body(frame.clone()))
    };
    is_full.store(true, Ordering::SeqCst);
    assert_no_room(&put().await);
    assert_eq!(app.store.frames_of(job.row.id).await.unwrap(), []);
    assert_eq!(app.store.blob(hash_of(&frame)).await.unwrap(), None);
    is_full.store(false, Ordering::SeqCst);
    assert_eq!(put().await.status, 201);
}
