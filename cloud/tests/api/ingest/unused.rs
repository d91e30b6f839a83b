//! The sweep over a cloud in use: what is referred to stays, the rest goes after a day.

use std::io::{Cursor, Write as _};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use ci_s3::S3Server;
use futures_util::TryStreamExt as _;
use pictor_actors::protocol::upload::{FENCE_HEADER, HASH_HEADER, RENDER_MS_HEADER};
use pictor_actors::units::{BlobHash, Millis, UnixMillis};
use pictor_cloud::agents::sweeps::{Stale, Unused};
use pictor_cloud::blobs::{Removal, open};
use serde_json::json;
use zip::write::SimpleFileOptions;

use super::direct::on_s3;
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

/// Blobs of a bucket that nobody refers to, two days old by the storage's clock, and another replica's sweep.
struct Orphans {
    app: TestApp,
    server: S3Server,
    sweep: Unused,
}

impl Orphans {
    async fn start() -> Self {
        let (app, server) = on_s3().await;
        let replica = open(&app.config.blobs).await.unwrap();
        let clock = Arc::new(app.clock.clone());
        let sweep = Unused::new(app.store.clone(), replica, clock, app.config.thumbnails_dir());
        Self { app, server, sweep }
    }

    async fn store(&self, bytes: &'static [u8]) -> BlobHash {
        self.app.blobs.put_stream(body(bytes), None, 100).await.unwrap().hash
    }

    async fn orphan(&self, bytes: &'static [u8]) -> BlobHash {
        let hash = self.store(bytes).await;
        grow_old(&self.file(hash));
        hash
    }

    fn file(&self, hash: BlobHash) -> PathBuf {
        let name = hash.to_string();
        self.server.objects().join("farm/objects").join(&name[..2]).join(name)
    }

    fn removed(&self) -> PathBuf {
        self.server.objects().join("farm/removed")
    }

    /// Every shard, once.
    async fn sweep(&self) {
        for _ in 0..32 {
            self.sweep.clone().pass().await;
        }
    }

    /// A sweep of which this happens while its `number`th delete is on the way.
    async fn sweep_while(&self, number: usize, done: impl Future<Output = ()>) {
        self.server.hold_deletes(true);
        let meanwhile = async {
            self.server.wait_held_deletes(number).await;
            done.await;
            self.server.hold_deletes(false);
        };
        tokio::join!(self.sweep(), meanwhile);
    }

    async fn read(&self, hash: BlobHash) -> Vec<u8> {
        let (_, bytes) = self.app.blobs.get(hash, None).await.unwrap();
        bytes.try_fold(Vec::new(), async |all, some| Ok([&all[..], &some].concat())).await.unwrap()
    }
}

fn grow_old(file: &Path) {
    let file = std::fs::File::options().write(true).open(file).unwrap();
    let now = file.metadata().unwrap().modified().unwrap();
    file.set_modified(now - std::time::Duration::from_secs(2 * 24 * 3600)).unwrap();
}

#[tokio::test]
async fn a_blob_that_is_stored_again_while_it_is_removed_from_a_bucket_is_not_lost() {
    let place = Orphans::start().await;
    let (store, now) = (place.app.store.clone(), place.app.now());
    let early = place.orphan(b"early").await;
    let stored = async {
        assert_eq!(place.store(b"early").await, early);
        store.put_blob(early, 5, None, now).await.unwrap();
    };
    place.sweep_while(1, stored).await;
    assert!(place.file(early).is_file(), "its row was there when the sweep asked, and it was put back");
    assert_eq!((place.read(early).await, files_in(&place.removed())), (b"early".to_vec(), 1));
    place.sweep().await;
    assert_eq!(files_in(&place.removed()), 1, "the request that removes it may still be on its way");

    // The row comes when the sweep is long over.
    let late = place.orphan(b"late").await;
    place.sweep_while(2, async { assert_eq!(place.store(b"late").await, late) }).await;
    assert!(!place.file(late).exists() && files_in(&place.removed()) == 2);
    assert_eq!(place.read(late).await, b"late", "who asks gets it in between");
    assert_eq!(place.app.blobs.head(late).await.unwrap(), Some(4));
    store.put_blob(late, 4, None, now).await.unwrap();
    place.sweep().await;
    assert!(place.file(late).is_file() && files_in(&place.removed()) == 2);

    let gone = place.orphan(b"gone").await;
    place.sweep().await;
    assert!(!place.file(gone).exists() && files_in(&place.removed()) == 3);
    place.app.clock.advance(Millis::from_secs(25 * 3600));
    for (hash, size) in [(early, 5), (late, 4)] {
        store.put_blob(hash, size, None, place.app.now()).await.unwrap();
    }
    place.sweep().await;
    assert_eq!((place.app.blobs.head(gone).await.unwrap(), files_in(&place.removed())), (None, 0));
    assert_eq!(store.removals(place.app.now(), None).await.unwrap(), []);
    assert_eq!(place.read(early).await, b"early");
}

#[tokio::test]
async fn a_blob_that_is_stored_again_while_its_copy_is_made_stays() {
    let place = Orphans::start().await;
    let hash = place.orphan(b"again").await;
    place.server.hold_copies(true);
    let meanwhile = async {
        place.server.wait_held_copies(1).await;
        assert!(place.app.store.is_being_removed(hash).await.unwrap());
        assert_eq!(place.store(b"again").await, hash);
        place.server.hold_copies(false);
    };
    tokio::join!(place.sweep(), meanwhile);
    assert!(place.file(hash).is_file() && files_in(&place.removed()) == 0, "it is another one now");
    assert!(!place.app.store.is_being_removed(hash).await.unwrap(), "nothing was begun");
}

/// Two contents whose hashes begin with the same byte, in the order of these.
fn of_one_shard() -> [&'static [u8]; 2] {
    let mut seen = std::collections::BTreeMap::new();
    let contents = (0..).map(|number: u32| -> &'static [u8] { number.to_string().leak().as_bytes() });
    for content in contents {
        let hash = hash_of(content);
        if let Some((other, before)) = seen.insert(hash.as_bytes()[0], (hash, content)) {
            return if other < hash { [before, content] } else { [content, before] };
        }
    }
    unreachable!("there are more numbers than shards")
}

/// Its row came before the removal was noted, and after the sweep had looked.
#[tokio::test]
async fn a_blob_whose_row_comes_just_before_its_removal_is_noted_is_not_touched() {
    let place = Orphans::start().await;
    let [first, second] = of_one_shard();
    let (first, second) = (place.orphan(first).await, place.orphan(second).await);
    let stored = Box::pin(place.app.store.put_blob(second, 1, None, place.app.now()));
    place.sweep_while(1, async { stored.await.unwrap() }).await;
    assert!(!place.file(first).exists() && place.file(second).is_file());
    assert_eq!(files_in(&place.removed()), 1, "not even a copy was made");
}

/// Nobody is sent to the storage for a blob that is not where it belongs.
#[tokio::test]
async fn a_blob_that_is_not_put_back_yet_is_sent_by_the_cloud() {
    let place = Orphans::start().await;
    let (store, now) = (place.app.store.clone(), place.app.now());
    let hash = place.orphan(b"late").await;
    place.sweep_while(1, async { assert_eq!(place.store(b"late").await, hash) }).await;
    assert!(!place.file(hash).exists());
    store.put_blob(hash, 4, Some(place.app.owner.id), now).await.unwrap();
    let creator = place.app.token("all").await;
    let path = format!("/api/v1/blobs/{hash}");
    let sent = creator.get(&path).await;
    assert_eq!((sent.status, &sent.body[..]), (200, &b"late"[..]));
    place.sweep().await;
    assert!(place.file(hash).is_file());
    assert_eq!(creator.get(&path).await.status, 200, "the request that removes it may still be on its way");
    place.app.clock.advance(Millis::from_secs(25 * 3600));
    store.put_blob(hash, 4, None, place.app.now()).await.unwrap();
    place.sweep().await;
    let led = creator.get(&path).await;
    assert_eq!((led.status, files_in(&place.removed())), (307, 0));
}

#[tokio::test]
async fn a_blob_that_is_stored_again_before_its_removal_begins_stays() {
    let place = Orphans::start().await;
    let hash = place.orphan(b"again").await;
    let list = place.app.blobs.list(hash.as_bytes()[0]).await.unwrap();
    assert_eq!(list.len(), 1);
    let before = UnixMillis(place.app.now().0 - 24 * 3600 * 1000);
    place.store(b"again").await;
    assert!(!place.app.blobs.remove_older(&Removal::of(hash), before).await.unwrap());
    assert!(place.file(hash).is_file() && files_in(&place.removed()) == 0);
}

fn body(bytes: &'static [u8]) -> pictor_cloud::blobs::BytesIn {
    use futures_util::StreamExt as _;
    futures_util::stream::iter([Ok(bytes::Bytes::from_static(bytes))]).boxed()
}
