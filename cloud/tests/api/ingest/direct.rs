//! Bytes by way of a storage that clients reach themselves: a real S3 server, which checks signatures.

use ci_s3::S3Server;
use pictor_actors::ids::{JobId, TaskId};
use pictor_actors::protocol::LeaseRef;
use pictor_actors::protocol::upload::{
    DIRECT_HEADER, FENCE_HEADER, FrameAnnounced, FramePlace, FrameReceipt, HASH_HEADER, PutAddress,
    RENDER_MS_HEADER,
};
use pictor_cloud::config::{Config, SETTINGS};
use pictor_cloud::store::NewTaskRow;
use serde_json::{Value, json};

use super::{begin, complete, hash_of, upload};
use crate::harness::{Client, Reply, TestApp};

pub(super) async fn on_s3() -> (TestApp, S3Server) {
    let server = S3Server::start();
    let change = |config: &mut Config| {
        for (name, value) in server.settings("farm") {
            let key = name.trim_start_matches("PICTOR__").to_lowercase().replace("__", ".");
            let setting = SETTINGS.iter().find(|setting| setting.key == key).unwrap();
            (setting.set)(config, &value).unwrap();
        }
    };
    (TestApp::start_with(change).await, server)
}

fn announced(lease: LeaseRef, bytes: &[u8]) -> FrameAnnounced {
    let size = bytes.len() as u64;
    FrameAnnounced { fence: lease.fence, hash: hash_of(bytes), size, render_ms: 1_500 }
}

async fn ask(client: &Client, lease: LeaseRef, frame: i32, verb: &str, bytes: &[u8]) -> Reply {
    let path = format!("/api/v1/leases/{}/frames/{frame}/{verb}", lease.lease);
    client.post(&path, &announced(lease, bytes)).await
}

async fn address(client: &Client, lease: LeaseRef, frame: i32, bytes: &[u8]) -> PutAddress {
    let place: FramePlace = ask(client, lease, frame, "place", bytes).await.json();
    assert_eq!(place.receipt, None);
    place.put.unwrap()
}

/// As a stranger to the cloud: the storage gets no bearer and needs none.
async fn put(url: &str, bytes: &[u8]) {
    let answer = reqwest::Client::new().put(url).body(bytes.to_vec()).send().await.unwrap();
    assert_eq!(answer.status(), 200, "{}", answer.text().await.unwrap());
}

#[tokio::test]
async fn a_frame_goes_into_the_storage_and_counts_once_it_was_read() {
    let (app, _server) = on_s3().await;
    let worker = app.worker().await;
    let job = app.leased_job(&worker, "1-2").await;
    let none = ask(&worker.client, job.lease, 1, "commit", b"one").await;
    assert_eq!((none.status, none.code().as_str()), (409, "upload_incomplete"), "{none}");
    let place = address(&worker.client, job.lease, 1, b"one").await;
    put(&place.url, b"one").await;
    assert_eq!(app.store.frames_of(job.row.id).await.unwrap(), [], "it is nobody's yet");
    let first = ask(&worker.client, job.lease, 1, "commit", b"one").await;
    assert_eq!(first.status, 201, "{first}");
    let receipt: FrameReceipt = first.json();
    assert_eq!((receipt.frame, receipt.size, receipt.hash), (1, 3, hash_of(b"one")));
    let again = ask(&worker.client, job.lease, 1, "commit", b"one").await;
    assert_eq!((again.status, again.json::<FrameReceipt>()), (200, receipt.clone()));
    let place: FramePlace = ask(&worker.client, job.lease, 1, "place", b"one").await.json();
    assert_eq!(place, FramePlace { put: None, receipt: Some(receipt) }, "it need not be put again");
    // A worker that knows nothing of all this delivers as ever.
    let path = format!("/api/v1/leases/{}/frames/2", job.lease.lease);
    let old = worker.client.request("PUT", &path).header(FENCE_HEADER, job.lease.fence.to_string());
    let old = old.header(HASH_HEADER, hash_of(b"two").to_string()).header(RENDER_MS_HEADER, "1");
    assert_eq!(Reply::of(old.body("two")).await.status, 201);
    assert_eq!(app.store.frames_of(job.row.id).await.unwrap().len(), 2);
}

#[tokio::test]
async fn only_the_announced_bytes_of_a_wanted_frame_are_taken() {
    let (app, server) = on_s3().await;
    let (worker, other) = (app.worker().await, app.worker_of(&app.owner, "rig-02").await);
    let job = app.leased_job(&worker, "1").await;
    let place = address(&worker.client, job.lease, 1, b"one").await;
    put(&place.url, b"two").await;
    let wrong = ask(&worker.client, job.lease, 1, "commit", b"one").await;
    assert_eq!((wrong.status, wrong.code().as_str()), (422, "hash_mismatch"), "{wrong}");
    put(&place.url, b"longer").await;
    let long = ask(&worker.client, job.lease, 1, "commit", b"one").await;
    assert_eq!(long.code(), "hash_mismatch", "{long}");
    put(&place.url, b"one").await;
    let stale = LeaseRef { fence: job.lease.fence - 1, ..job.lease };
    for (client, lease, frame) in
        [(&other.client, job.lease, 1), (&worker.client, stale, 1), (&worker.client, job.lease, 9)]
    {
        for verb in ["place", "commit"] {
            let refused = ask(client, lease, frame, verb, b"one").await;
            assert_eq!(refused.code(), "lease_superseded", "{verb}: {refused}");
        }
    }
    for (bytes, code) in [(&b""[..], "hash_mismatch")] {
        assert_eq!(ask(&worker.client, job.lease, 1, "place", bytes).await.code(), code);
    }
    assert_eq!(app.store.frames_of(job.row.id).await.unwrap(), []);
    assert!(!server.objects().join("farm/objects").exists(), "nothing became a blob");
    assert_eq!(ask(&worker.client, job.lease, 1, "commit", b"one").await.status, 201);
}

#[tokio::test]
async fn a_creator_is_led_to_the_storage_and_the_zip_is_not() {
    let (app, server) = on_s3().await;
    let worker = app.worker().await;
    let job = app.leased_job(&worker, "1").await;
    let place = address(&worker.client, job.lease, 1, b"0123456789").await;
    put(&place.url, b"0123456789").await;
    ask(&worker.client, job.lease, 1, "commit", b"0123456789").await;
    let program = app.token("read").await;
    let path = format!("/api/v1/jobs/{}/frames/1", job.row.id);
    let led = program.get(&path).await;
    assert_eq!((led.status, led.header("cache-control")), (307, "private, no-store"), "{led}");
    let to = led.header("location").to_owned();
    assert!(to.starts_with(&server.endpoint()) && to.contains("response-content-type=image%2Fpng"), "{to}");
    assert!(!to.contains("content-disposition"), "a picture is shown in place");
    let part = reqwest::Client::new().get(&to).header("range", "bytes=3-5").send().await.unwrap();
    assert_eq!((part.status().as_u16(), part.text().await.unwrap().as_str()), (206, "345"));
    let saved = program.get(&format!("{path}?download")).await;
    assert!(saved.header("location").contains("content-disposition=attachment"), "{saved}");
    let head = Reply::of(program.request("HEAD", &path)).await;
    assert_eq!((head.status, head.header("content-length")), (200, "10"), "a signature is for GET");
    let tag = format!("\"{}\"", hash_of(b"0123456789"));
    let known = Reply::of(program.request("GET", &path).header("if-none-match", tag)).await;
    assert_eq!(known.status, 304);
    let zip = program.get(&format!("/api/v1/jobs/{}/frames.zip", job.row.id)).await;
    assert!(zip.status == 200 && zip.body.windows(10).any(|some| some == b"0123456789"));
    let stranger = app.token_of(&app.stranger().await, "read").await;
    assert_eq!(stranger.get(&path).await.status, 404);
    let policy = program.get("/sign-in").await.header("content-security-policy").to_owned();
    assert!(policy.contains(&format!("img-src 'self' {} data:", server.endpoint())), "{policy}");
    assert!(policy.contains("connect-src 'self';") && policy.contains("script-src 'self';"), "{policy}");
}

#[tokio::test]
async fn a_worker_is_led_only_if_it_says_that_it_follows() {
    let (app, server) = on_s3().await;
    let (program, worker) = (app.token("jobs").await, app.worker().await);
    let uploaded = upload(&program, "a.blend", b"BLENDER a").await.value();
    let new = json!({ "blake3": uploaded["blake3"], "frames": "1-3", "paused": true });
    let job = program.post("/api/v1/jobs", &new).await;
    let id: JobId = job.value()["id"].as_str().unwrap().parse().unwrap();
    app.store.resume_job(id, app.now()).await.unwrap();
    let task = NewTaskRow { id: TaskId::generate(), frames: "1-3".into(), frames_total: 3 };
    // The farm may have been quicker with a task of its own: any of the job's tasks will do.
    let _ = app.store.cut_tasks(id, 0, &[task], app.now()).await;
    let pending = app.store.open_tasks_of(id).await.unwrap().remove(0);
    app.grant(pending.id, worker.row.id, pending.fence).await;
    let scene = format!("/api/v1/blobs/{}", hash_of(b"BLENDER a"));
    let here = worker.client.get(&scene).await;
    assert_eq!((here.status, here.body.as_slice()), (200, &b"BLENDER a"[..]), "an older one, here");
    let rest = worker.client.with("range", "bytes=8-").get(&scene).await;
    assert_eq!((rest.status, rest.body.as_slice()), (206, &b"a"[..]));
    for client in [worker.client.with(DIRECT_HEADER, "1"), program.clone()] {
        let led = client.get(&scene).await;
        assert!(led.status == 307 && led.header("location").starts_with(&server.endpoint()), "{led}");
    }
    let manifest = worker.client.with(DIRECT_HEADER, "1").get(&format!("/api/v1/jobs/{id}/inputs")).await;
    assert_eq!(manifest.status, 200, "the list is small and stays here");
}

#[tokio::test]
async fn an_upload_goes_into_the_storage_in_parts() {
    let (app, server) = on_s3().await;
    let program = app.token("jobs").await;
    let part_size = 16 * 1024 * 1024;
    let mut bytes: Vec<u8> = (0..part_size + 5_000).map(|index| u8::try_from(index % 251).unwrap()).collect();
    bytes[..7].copy_from_slice(b"BLENDER");
    let id = begin(&program, "noise.blend", &bytes, Some(hash_of(&bytes))).await;
    let (places, parts) = (format!("/api/v1/uploads/{id}/places"), format!("/api/v1/uploads/{id}/parts"));
    assert_eq!(program.get(&format!("/api/v1/uploads/{id}")).await.value()["puts_directly"], true);
    let both = json!({ "parts": [0, 1] });
    let found = program.post(&places, &both).await.value();
    assert_eq!(found["good_for_ms"], 900_000);
    let url = |part: usize| found["places"][part]["url"].as_str().unwrap();
    put(url(0), &bytes[..part_size]).await;
    let early = program.post(&parts, &both).await;
    assert_eq!((early.status, early.code().as_str()), (409, "upload_incomplete"), "{early}");
    put(url(1), b"short").await;
    let short = program.post(&parts, &json!({ "parts": [1] })).await;
    assert_eq!(short.code(), "hash_mismatch", "{short}");
    put(url(1), &bytes[part_size..]).await;
    let noted = program.post(&parts, &both).await.value();
    assert_eq!(noted["parts_stored"], json!([0, 1]));
    let done = complete(&program, &id).await;
    assert_eq!(done.value()["blake3"], hash_of(&bytes).to_string(), "{done}");
    assert!(!server.objects().join(format!("farm/uploads/{id}/00000")).exists(), "its parts are gone");
    let late = program.post(&places, &both).await;
    assert_eq!(late.code(), "conflict", "{late}");
    for parts in [json!([]), json!((0..65).collect::<Vec<u32>>())] {
        let refused = program.post(&places, &json!({ "parts": parts })).await;
        assert_eq!((refused.status, refused.code().as_str()), (422, "invalid_input"), "{refused}");
    }
    let stranger = app.token_of(&app.stranger().await, "jobs").await;
    assert_eq!(stranger.post(&places, &both).await.status, 404);
}

#[tokio::test]
async fn a_wrong_upload_is_refused_whole() {
    let (app, server) = on_s3().await;
    let program = app.token("jobs").await;
    let id = begin(&program, "noise.blend", b"12345", Some(hash_of(b"12345"))).await;
    let found = program.post(&format!("/api/v1/uploads/{id}/places"), &json!({ "parts": [0] })).await.value();
    put(found["places"][0]["url"].as_str().unwrap(), b"54321").await;
    assert_eq!(
        program.post(&format!("/api/v1/uploads/{id}/parts"), &json!({ "parts": [0] })).await.status,
        200
    );
    let refused = complete(&program, &id).await;
    assert_eq!(refused.code(), "hash_mismatch", "{refused}");
    assert!(!server.objects().join("farm/objects").exists());
}

#[tokio::test]
async fn a_storage_that_is_away_is_a_reason_to_come_again() {
    let (app, mut server) = on_s3().await;
    let worker = app.worker().await;
    let job = app.leased_job(&worker, "1").await;
    let place = address(&worker.client, job.lease, 1, b"one").await;
    put(&place.url, b"one").await;
    server.stop();
    let away = ask(&worker.client, job.lease, 1, "commit", b"one").await;
    assert_eq!((away.status, away.code().as_str()), (503, "unavailable"), "{away}");
    assert_ne!(away.header("retry-after"), "");
    assert!(!away.text().contains("127.0.0.1"), "where it lies is nobody's business: {away}");
    let ready = app.nobody().get("/readyz").await;
    let checks = ready.value()["checks"].as_array().unwrap().clone();
    let blobs = checks.iter().find(|check| check["name"] == "blobs").unwrap();
    assert_eq!((&blobs["is_ok"], &blobs["is_needed"]), (&json!(false), &json!(false)), "{ready}");
    assert_eq!(ready.status, 200, "the other replicas have no storage either: {ready}");
    server.start_again();
    assert_eq!(ask(&worker.client, job.lease, 1, "commit", b"one").await.status, 201);
}

/// With a folder there is no storage to go to, and the answers say so.
#[tokio::test]
async fn without_a_storage_bytes_go_through_the_cloud() {
    let app = TestApp::start().await;
    let worker = app.worker().await;
    let job = app.leased_job(&worker, "1").await;
    let place: Value = ask(&worker.client, job.lease, 1, "place", b"one").await.value();
    assert_eq!(place, json!({ "put": null, "receipt": null }));
    let none = ask(&worker.client, job.lease, 1, "commit", b"one").await;
    assert_eq!(none.code(), "upload_incomplete", "{none}");
    let program = app.token("jobs").await;
    let id = begin(&program, "noise.blend", b"12345", None).await;
    let found = program.post(&format!("/api/v1/uploads/{id}/places"), &json!({ "parts": [0] })).await;
    assert_eq!(found.value(), json!({ "places": [], "good_for_ms": null }));
    assert!(program.get(&format!("/api/v1/uploads/{id}")).await.value().get("puts_directly").is_none());
    let policy = program.get("/sign-in").await.header("content-security-policy").to_owned();
    assert!(policy.contains("img-src 'self' data: blob:;"), "{policy}");
}

/// It is asked every few seconds at every replica.
#[tokio::test]
async fn whether_a_bucket_answers_is_one_request() {
    let (app, mut server) = on_s3().await;
    let ready = async || app.nobody().get("/readyz").await;
    let before = server.requests();
    let reply = ready().await;
    assert_eq!((reply.status, server.requests() - before), (200, 1), "{reply}");
    server.stop();
    let reply = ready().await;
    let checks = reply.value()["checks"].as_array().unwrap().clone();
    let blobs = checks.iter().find(|check| check["name"] == "blobs").unwrap();
    assert_eq!((reply.status, &blobs["is_ok"]), (200, &json!(false)), "{reply}");
}
