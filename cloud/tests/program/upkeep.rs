//! `audit` and `backup`: beside a cloud that works, and over what is damaged.

use std::fs;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicI32, Ordering};
use std::time::{Duration, SystemTime};

use pictor_actors::ids::JobId;
use pictor_actors::now::SystemClock;
use pictor_actors::protocol::upload::{FENCE_HEADER, HASH_HEADER, RENDER_MS_HEADER};
use pictor_actors::units::BlobHash;
use pictor_cloud::config::{Config, DatabaseConfig};
use pictor_cloud::store::Store;
use pictor_cloud::upkeep::backup::create;
use sqlx::Connection as _;

use crate::harness::{Reply, TestApp};
use crate::program::{Running, assert_refused, good, pictor_cloud, run, run_command};

fn hash_of(bytes: &[u8]) -> BlobHash {
    BlobHash::from_bytes(*blake3::hash(bytes).as_bytes())
}

/// Delivers frames one after the other; counts those that were acknowledged.
async fn deliver(app: &TestApp, frames: std::ops::RangeInclusive<i32>, acknowledged: &AtomicI32) -> JobId {
    let worker = app.worker().await;
    let job = app.leased_job(&worker, &format!("1-{}", frames.end())).await;
    for number in frames {
        let bytes = format!("frame {number}").into_bytes();
        let path = format!("/api/v1/leases/{}/frames/{number}", job.lease.lease);
        let request = worker.client.request("PUT", &path).header(FENCE_HEADER, job.lease.fence.to_string());
        let request = request.header(HASH_HEADER, hash_of(&bytes).to_string()).header(RENDER_MS_HEADER, "5");
        let reply = Reply::of(request.body(bytes)).await;
        assert_eq!(reply.status, 201, "{reply}");
        acknowledged.store(number, Ordering::SeqCst);
    }
    job.row.id
}

/// A farm with three frames, its cloud stopped, and a backup of it.
async fn farm_and_backup() -> (tempfile::TempDir, PathBuf, PathBuf) {
    let folder = tempfile::tempdir().unwrap();
    let (data, backups) = (folder.path().join("data"), folder.path().join("backups"));
    let app = TestApp::start().await;
    deliver(&app, 1..=3, &AtomicI32::new(0)).await;
    create(&app.config, &backups, Arc::new(SystemClock)).await.unwrap();
    let restored = run(&["backup", "restore", backups.to_str().unwrap()], &data, "").await;
    assert_eq!(restored.code, 0, "{}", restored.words);
    (folder, data, backups)
}

async fn tamper(data: &Path, sql: &'static str) {
    let url = DatabaseConfig::in_folder(data).url.expose().to_owned();
    let mut raw = sqlx::SqliteConnection::connect(&url).await.unwrap();
    sqlx::raw_sql(sql).execute(&mut raw).await.unwrap();
    raw.close().await.unwrap();
}

/// The files under `objects`, ascending.
fn objects(folder: &Path) -> Vec<PathBuf> {
    let shards = fs::read_dir(folder.join("objects")).unwrap().map(|entry| entry.unwrap().path());
    let files = shards.flat_map(|shard| fs::read_dir(shard).unwrap().map(|entry| entry.unwrap().path()));
    let mut files: Vec<_> = files.collect();
    files.sort();
    files
}

#[tokio::test]
async fn a_backup_made_while_frames_come_holds_every_frame_acknowledged_before() {
    let app = Arc::new(TestApp::start().await);
    let acknowledged = Arc::new(AtomicI32::new(0));
    let delivering = tokio::spawn({
        let (app, acknowledged) = (Arc::clone(&app), Arc::clone(&acknowledged));
        async move { deliver(&app, 1..=150, &acknowledged).await }
    });
    while acknowledged.load(Ordering::SeqCst) < 30 {
        tokio::task::yield_now().await;
    }
    let folder = tempfile::tempdir().unwrap();
    let (data, backups) = (folder.path().join("again"), folder.path().join("backups"));
    let before = acknowledged.load(Ordering::SeqCst);
    let first = create(&app.config, &backups, Arc::new(SystemClock)).await.unwrap();
    assert!(first.blobs >= u64::try_from(before).unwrap() && first.blobs == first.new_blobs, "{first:?}");
    let job = delivering.await.unwrap();
    let second = create(&app.config, &backups, Arc::new(SystemClock)).await.unwrap();
    assert_eq!((second.blobs, second.new_blobs), (150, 150 - first.blobs), "each blob is brought once");
    let folder_of_backups = backups.to_str().unwrap();
    for name in [&first.name, &second.name] {
        let mut command = pictor_cloud();
        command.args(["backup", "verify", folder_of_backups, "--name", name]);
        let said = run_command(command, "").await;
        assert!(said.code == 0 && said.out.contains("is sound"), "{}{}", said.out, said.words);
    }
    let restore = ["backup", "restore", folder_of_backups, "--name", &first.name];
    let told = good(&restore, &data, "").await;
    assert!(told.contains(&first.name) && told.contains("restored into"), "{told}");
    let cloud = Running::start(&data).await;
    assert_eq!(cloud.client().get("/readyz").await.status, 200);
    let audited = good(&["audit", "--deep"], &data, "").await;
    assert!(audited.ends_with("all 12 promises hold\n"), "{audited}");
    let store = Store::open_to_read(&DatabaseConfig::in_folder(&data)).await.unwrap();
    let kept: Vec<i32> = store.frames_of(job).await.unwrap().iter().map(|frame| frame.frame).collect();
    assert!(
        (1..=before).all(|frame| kept.contains(&frame)),
        "{before} were acknowledged, {kept:?} are there"
    );
    store.close().await;
    cloud.stop().await;
    let over = run(&restore, &data, "").await;
    assert_refused(&over, 1, "is not empty");
}

#[tokio::test]
async fn the_audit_tells_what_is_broken_and_fails() {
    let (_folder, data, _) = farm_and_backup().await;
    good(&["audit"], &data, "").await;
    tamper(&data, "UPDATE tasks SET attempts = 9").await;
    let said = run(&["audit"], &data, "").await;
    assert_eq!(said.code, 1);
    assert!(said.out.contains("INV-6   BROKEN 1 times") && said.out.contains("9 attempts"), "{}", said.out);
    assert!(said.words.contains("1 of 12 promises are broken: INV-6"), "{}", said.words);
    let said = run(&["audit", "--json"], &data, "").await;
    let json: serde_json::Value = serde_json::from_str(&said.out).unwrap();
    assert_eq!((said.code, &json["clean"], &json["promises"][5]["id"]), (1, &false.into(), &"INV-6".into()));
}

#[tokio::test]
async fn the_audit_looks_at_files_too() {
    let (_folder, data, _) = farm_and_backup().await;
    let files = objects(&data.join("blobs"));
    // Its own bytes: a backup that is linked to it is no backup of it.
    fs::remove_file(&files[0]).unwrap();
    fs::write(&files[0], "other by").unwrap();
    good(&["audit"], &data, "").await;
    let deep = run(&["audit", "--deep"], &data, "").await;
    assert!(deep.code == 1 && deep.words.contains(": INV-8"), "{}{}", deep.out, deep.words);
    fs::remove_file(&files[1]).unwrap();
    let gone = run(&["audit"], &data, "").await;
    assert!(gone.code == 1 && gone.words.contains(": INV-10"), "{}{}", gone.out, gone.words);
    assert!(gone.out.contains("is not there: frame "), "{}", gone.out);
    let stray = data.join("blobs/objects/00").join("0".repeat(64));
    fs::create_dir_all(stray.parent().unwrap()).unwrap();
    fs::write(&stray, "stray").unwrap();
    let fresh = run(&["audit"], &data, "").await;
    assert!(!fresh.words.contains("INV-9"), "what refers to it may be on its way: {}", fresh.words);
    let long_ago = SystemTime::UNIX_EPOCH + Duration::from_secs(1_000_000_000);
    fs::File::options().write(true).open(&stray).unwrap().set_modified(long_ago).unwrap();
    let old = run(&["audit"], &data, "").await;
    assert!(old.code == 1 && old.words.contains("INV-9"), "{}{}", old.out, old.words);
}

#[tokio::test]
async fn a_damaged_backup_is_refused_with_its_reason() {
    let (folder, _, backups) = farm_and_backup().await;
    let name = fs::read_dir(backups.join("backups")).unwrap().next().unwrap().unwrap().path();
    let (database, blob) = (name.join("pictor.db"), objects(&backups).remove(0));
    let sound = [fs::read(&database).unwrap(), fs::read(&blob).unwrap()];
    let mut flipped = sound[0].clone();
    let middle = flipped.len() / 2;
    flipped[middle] ^= 1;
    let damages: [(&Path, &[u8], &str); 5] = [
        (&database, &flipped, "with the hash"),
        (&database, &sound[0][..sound[0].len() - 1], "bytes with the hash"),
        (&blob, b"other by", "with the hash"),
        (&blob, b"", "holds 0 bytes"),
        (&name.join("backup.json"), b"{}", "cannot be read"),
    ];
    let target = folder.path().join("target");
    for (file, bytes, words) in damages {
        // In its place, not into it: it is linked to the farm's own.
        let before = fs::read(file).unwrap();
        fs::remove_file(file).unwrap();
        fs::write(file, bytes).unwrap();
        let said = run(&["backup", "restore", backups.to_str().unwrap()], &target, "").await;
        assert_refused(&said, 1, "this backup is damaged: use another one");
        assert!(said.words.contains(words), "{words}: {}", said.words);
        assert!(!target.exists(), "nothing is put there");
        fs::write(file, before).unwrap();
    }
    fs::remove_file(&blob).unwrap();
    let said = run(&["backup", "restore", backups.to_str().unwrap()], &target, "").await;
    assert_refused(&said, 1, "is not there");
    let none = run(&["backup", "restore", backups.to_str().unwrap(), "--name", "../x"], &target, "").await;
    assert_refused(&none, 1, "there is no backup ../x");
}

#[tokio::test]
async fn another_database_is_told_its_own_tools() {
    let folder = tempfile::tempdir().unwrap();
    let elsewhere = ["backup", "create", "--to", "b", "--database", "postgres://nobody@127.0.0.1:1/none"];
    let said = run(&elsewhere, &folder.path().join("data"), "").await;
    assert_refused(&said, 1, "pg_basebackup");
    let mut config = Config::for_testing(folder.path().join("data"));
    config.blobs.dir = folder.path().join("elsewhere");
    let restored = pictor_cloud::upkeep::backup::restore(&config, folder.path(), None, Arc::new(SystemClock))
        .await
        .unwrap_err();
    assert!(restored.to_string().contains("blobs.dir is set to another place"), "{restored}");
}
