//! A worker delivers frames: right, twice, late, broken.

use pictor_actors::protocol::LeaseRef;
use pictor_actors::protocol::upload::{FENCE_HEADER, FrameReceipt, HASH_HEADER, RENDER_MS_HEADER};
use pictor_actors::units::BlobHash;
use pictor_cloud_domain::task::TaskState;

use crate::harness::{Client, Reply, TestApp};

fn hash_of(body: &[u8]) -> BlobHash {
    BlobHash::from_bytes(*blake3::hash(body).as_bytes())
}

fn put(client: &Client, lease: LeaseRef, frame: i32, body: &[u8]) -> reqwest::RequestBuilder {
    client
        .request("PUT", &format!("/api/v1/leases/{}/frames/{frame}", lease.lease))
        .header(FENCE_HEADER, lease.fence.to_string())
        .header(HASH_HEADER, hash_of(body).to_string())
        .header(RENDER_MS_HEADER, "1500")
        .body(body.to_vec())
}

#[tokio::test]
async fn the_first_delivery_counts_and_a_repetition_gets_the_same_receipt() {
    let app = TestApp::start().await;
    let worker = app.worker().await;
    let job = app.leased_job(&worker, "1-2").await;
    let first = Reply::of(put(&worker.client, job.lease, 1, b"frame one")).await;
    assert_eq!(first.status, 201, "{first}");
    let receipt: FrameReceipt = first.json();
    assert_eq!((receipt.frame, receipt.size, receipt.hash), (1, 9, hash_of(b"frame one")));
    let again = Reply::of(put(&worker.client, job.lease, 1, b"frame one")).await;
    assert_eq!((again.status, again.json::<FrameReceipt>()), (200, receipt), "{again}");
    let stored = app.store.frames_of(job.row.id).await.unwrap();
    assert_eq!(stored.len(), 1);
    let last = Reply::of(put(&worker.client, job.lease, 2, b"frame two")).await;
    assert_eq!(last.status, 201, "{last}");
    assert_eq!(app.store.task(job.task).await.unwrap().state, TaskState::Completed);
    let late = Reply::of(put(&worker.client, job.lease, 2, b"frame two")).await;
    assert_eq!(late.status, 200, "{late}");
}

#[tokio::test]
async fn a_frame_is_listed_once_it_is_stored() {
    let app = TestApp::start().await;
    let worker = app.worker().await;
    let job = app.leased_job(&worker, "9-11").await;
    Reply::of(put(&worker.client, job.lease, 10, b"ten")).await;
    let program = app.token("read").await;
    let path = format!("/api/v1/jobs/{}/frames", job.row.id);
    let listed = program.get(&path).await.value();
    let states: Vec<_> =
        listed["items"].as_array().unwrap().iter().map(|frame| frame["state"].clone()).collect();
    assert_eq!(states, ["pending", "stored", "pending"]);
    assert_eq!(listed["items"][1]["file_name"], "lamp_0010.png");
    assert_eq!(listed["items"][1]["size"], 3);
    assert_eq!(listed["items"][0]["size"], serde_json::Value::Null);
    let second = program.get(&format!("{path}?limit=2&cursor=2")).await.value();
    assert_eq!(second["items"].as_array().unwrap().len(), 1);
    assert_eq!(second["next_cursor"], serde_json::Value::Null);
}

#[tokio::test]
async fn a_superseded_lease_is_refused_before_its_bytes_are_kept() {
    let app = TestApp::start().await;
    let worker = app.worker().await;
    let job = app.leased_job(&worker, "1").await;
    let stale = LeaseRef { fence: job.lease.fence - 1, ..job.lease };
    let body = vec![7; 300_000];
    let refused = Reply::of(put(&worker.client, stale, 1, &body)).await;
    assert_eq!((refused.status, refused.code().as_str()), (409, "lease_superseded"), "{refused}");
    assert_eq!(app.blobs.head(hash_of(&body)).await.unwrap(), None);
    let other_frame = Reply::of(put(&worker.client, job.lease, 99, &body)).await;
    assert_eq!(other_frame.code(), "lease_superseded", "{other_frame}");
}

#[tokio::test]
async fn another_worker_cannot_deliver_under_the_lease() {
    let app = TestApp::start().await;
    let worker = app.worker().await;
    let other = app.worker_of(&app.owner, "rig-02").await;
    let job = app.leased_job(&worker, "1").await;
    let refused = Reply::of(put(&other.client, job.lease, 1, b"mine")).await;
    assert_eq!((refused.status, refused.code().as_str()), (409, "lease_superseded"), "{refused}");
}

#[tokio::test]
async fn only_the_newest_connection_may_deliver() {
    let app = TestApp::start().await;
    let before = app.worker().await;
    let job = app.leased_job(&before, "1").await;
    let after = app.connect(before.row.id).await;
    assert_eq!(Reply::of(put(&before.client, job.lease, 1, b"x")).await.status, 401);
    assert_eq!(Reply::of(put(&after.client, job.lease, 1, b"x")).await.status, 201);
}

#[tokio::test]
async fn bytes_that_are_not_what_the_headers_say_are_not_kept() {
    let app = TestApp::start().await;
    let worker = app.worker().await;
    let job = app.leased_job(&worker, "1").await;
    let lying = put(&worker.client, job.lease, 1, b"something else");
    let (client, request) = lying.build_split();
    let mut request = request.unwrap();
    request.headers_mut().insert(HASH_HEADER, hash_of(b"announced").to_string().parse().unwrap());
    let refused = Reply::of(reqwest::RequestBuilder::from_parts(client, request)).await;
    assert_eq!((refused.status, refused.code().as_str()), (422, "hash_mismatch"), "{refused}");
    assert_eq!(app.store.frames_of(job.row.id).await.unwrap(), []);
    let right = Reply::of(put(&worker.client, job.lease, 1, b"announced")).await;
    assert_eq!(right.status, 201, "{right}");
}

#[tokio::test]
async fn headers_are_checked_before_anything_else() {
    let app = TestApp::start_with(|config| config.limits.frame_bytes_max = 1_000).await;
    let worker = app.worker().await;
    let job = app.leased_job(&worker, "1").await;
    let large = Reply::of(put(&worker.client, job.lease, 1, &[0; 1_001])).await;
    assert_eq!((large.status, large.code().as_str()), (413, "too_large"), "{large}");
    let empty = Reply::of(put(&worker.client, job.lease, 1, b"")).await;
    assert!(empty.status == 422 || empty.status == 400, "{empty}");
    let path = format!("/api/v1/leases/{}/frames/1", job.lease.lease);
    let bare = Reply::of(worker.client.request("PUT", &path).body("x")).await;
    assert_eq!((bare.status, bare.code().as_str()), (400, "malformed"), "{bare}");
}
