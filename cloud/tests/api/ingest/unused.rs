//! The sweep over a cloud in use: what is referred to stays, the rest goes after a day.

use std::io::{Cursor, Write as _};
use std::path::Path;
use std::sync::Arc;

use pictor_actors::protocol::upload::{FENCE_HEADER, HASH_HEADER, RENDER_MS_HEADER};
use pictor_actors::units::{BlobHash, Millis};
use pictor_cloud::agents::sweeps::{Stale, Unused};
use serde_json::json;
use zip::write::SimpleFileOptions;

use super::{begin, hash_of, send_part, upload};
use crate::harness::{Reply, TestApp};

fn zip_of(files: &[(&str, &[u8])]) -> Vec<u8> {
    let mut zip = zip::ZipWriter::new(Cursor::new(Vec::new()));
    for (path, bytes) in files {
        zip.start_file(*path, SimpleFileOptions::default()).unwrap();
        zip.write_all(bytes).unwrap();
    }
    zip.finish().unwrap().into_inner()
}

async fn sweep_everything(app: &TestApp) {
    let (store, blobs) = (app.store.clone(), Arc::clone(&app.blobs));
    let clock = Arc::new(app.clock.clone());
    let sweep = Unused::new(store, blobs, clock, app.config.thumbnails_dir());
    // All shards, twice: what only a dropped manifest named goes in the second round.
    for _ in 0..64 {
        sweep.clone().pass().await;
    }
}

fn files_in(folder: &Path) -> usize {
    let Ok(entries) = std::fs::read_dir(folder) else { return 0 };
    let count = |entry: std::fs::DirEntry| match entry.file_type().unwrap().is_dir() {
        true => files_in(&entry.path()),
        false => 1,
    };
    entries.map(|entry| count(entry.unwrap())).sum()
}

#[tokio::test]
async fn what_nothing_refers_to_goes_after_a_day_and_all_else_stays() {
    let app = TestApp::start().await;
    let (program, worker) = (app.token("all").await, app.worker().await);
    let (scene, texture) = (b"BLENDER-v304 in a zip", b"a texture");
    let zip = zip_of(&[("scene.blend", scene), ("textures/wood.png", texture)]);
    assert_eq!(upload(&program, "scene.zip", &zip).await.status, 200);
    let made =
        program.post("/api/v1/jobs", &json!({ "blake3": hash_of(&zip).to_string(), "frames": "1" })).await;
    assert_eq!(made.status, 201, "{made}");
    let job = app.leased_job(&worker, "1").await;
    let mut frame = Cursor::new(Vec::new());
    image::RgbImage::new(4, 4).write_to(&mut frame, image::ImageFormat::Png).unwrap();
    let frame = frame.into_inner();
    let path = format!("/api/v1/leases/{}/frames/1", job.lease.lease);
    let put = worker.client.request("PUT", &path).header(FENCE_HEADER, job.lease.fence.to_string());
    let put = put.header(HASH_HEADER, hash_of(&frame).to_string()).header(RENDER_MS_HEADER, "5");
    assert_eq!(Reply::of(put.body(frame.clone())).await.status, 201);
    for size in ["small", "large"] {
        let picture = format!("/api/v1/jobs/{}/frames/1/thumbnail?size={size}", job.row.id);
        assert_eq!(program.get(&picture).await.status, 200);
    }
    let open = begin(&program, "later.blend", b"12345", None).await;
    assert_eq!(send_part(&program, &open, 0, b"12345").await.status, 200);
    let needed: Vec<BlobHash> = [&zip[..], scene, texture, &frame].into_iter().map(hash_of).collect();
    // A zip that is refused leaves what was unpacked of it; a frame whose row was never made; a picture and
    // parts of what is gone.
    let refused = zip_of(&[("readme.txt", b"no scene"), ("more.txt", b"nor here")]);
    assert_eq!(upload(&program, "refused.zip", &refused).await.status, 422);
    let stray = app.blobs.put_stream(body(b"stray"), None, 5).await.unwrap().hash;
    app.store.put_blob(stray, 5, Some(app.owner.id), app.now()).await.unwrap();
    let gone: Vec<BlobHash> =
        [&refused[..], b"no scene", b"nor here", b"stray"].into_iter().map(hash_of).collect();
    let pictures = app.config.thumbnails_dir();
    std::fs::create_dir_all(pictures.join("ab")).unwrap();
    std::fs::write(pictures.join("ab").join("ab".repeat(32)), b"x").unwrap();
    let uploads = app.config.blobs.dir.join("uploads");
    std::fs::create_dir_all(uploads.join("upl_00000000000000000000000000000001")).unwrap();

    sweep_everything(&app).await;
    for hash in needed.iter().chain(&gone) {
        assert!(app.blobs.head(*hash).await.unwrap().is_some(), "a day has not passed");
    }
    app.clock.advance(Millis::from_secs(25 * 3600));
    sweep_everything(&app).await;
    for hash in &needed {
        assert!(
            app.blobs.head(*hash).await.unwrap().is_some() && app.store.blob(*hash).await.unwrap().is_some()
        );
    }
    for hash in &gone {
        assert_eq!(app.blobs.head(*hash).await.unwrap(), None);
        assert_eq!(app.store.blob(*hash).await.unwrap(), None);
    }
    assert_eq!(files_in(&pictures), 2, "the pictures of the frame");
    assert_eq!(files_in(&uploads), 1, "the part of the upload under way");
    assert_eq!(std::fs::read_dir(&uploads).unwrap().count(), 1);
    let inputs = program.get(&format!("/api/v1/jobs/{}/inputs", made.value()["id"].as_str().unwrap())).await;
    assert_eq!(inputs.status, 200, "{inputs}");
}

#[tokio::test]
async fn an_upload_that_no_job_uses_goes_a_week_after_its_last_use() {
    const DAY: u64 = 24 * 3600;
    let app = TestApp::start().await;
    let mut contents = Vec::new();
    for name in ["unused", "used", "announced"] {
        contents.push((name, format!("BLENDER-v304 {name}").into_bytes()));
        let (name, bytes) = contents.last().unwrap();
        assert_eq!(upload(&app.token("all").await, &format!("{name}.blend"), bytes).await.status, 200);
    }
    let of = |wanted: &str| contents.iter().find(|(name, _)| *name == wanted).unwrap().1.as_slice();
    let job = json!({ "blake3": hash_of(of("used")).to_string(), "frames": "1" });
    assert_eq!(app.token("all").await.post("/api/v1/jobs", &job).await.status, 201);
    app.clock.advance(Millis::from_secs(6 * DAY));
    let bytes = of("announced");
    let new = json!({ "file_name": "a.blend", "size": bytes.len(), "blake3": hash_of(bytes).to_string() });
    assert_eq!(app.token("all").await.post("/api/v1/uploads", &new).await.status, 200, "it is known");
    for days in [2, 6] {
        app.clock.advance(Millis::from_secs(days * DAY));
        let clock = Arc::new(app.clock.clone());
        Stale::new(app.store.clone(), Arc::clone(&app.blobs), clock).pass().await;
        sweep_everything(&app).await;
        let is_there = async |name: &str| app.blobs.head(hash_of(of(name))).await.unwrap().is_some();
        let is_known = async |name: &str| {
            app.store.upload_content(app.owner.id, hash_of(of(name))).await.unwrap().is_some()
        };
        assert!(!is_there("unused").await && !is_known("unused").await, "nobody came for it");
        assert!(is_there("used").await && is_known("used").await, "its job may be submitted again");
        assert_eq!(is_there("announced").await, days == 2);
        assert_eq!(is_known("announced").await, days == 2);
    }
}

fn body(bytes: &'static [u8]) -> pictor_cloud::blobs::BytesIn {
    use futures_util::StreamExt as _;
    futures_util::stream::iter([Ok(bytes::Bytes::from_static(bytes))]).boxed()
}
