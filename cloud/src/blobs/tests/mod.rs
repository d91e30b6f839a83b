//! The same for a folder and for a bucket; then what only a folder, and what only a bucket has.

mod bucket;

use std::io;
use std::sync::Arc;

use bytes::Bytes;
use futures_util::{StreamExt as _, TryStreamExt as _, stream};
use pictor_actors::ids::UploadId;
use pictor_actors::units::{BlobHash, UnixMillis};

use super::local::Folder;
use super::{BlobError, Blobs, BytesIn, Removal};
use crate::config::BlobsConfig;

fn body(parts: &[&[u8]]) -> BytesIn {
    let parts: Vec<io::Result<Bytes>> = parts.iter().map(|part| Ok(Bytes::copy_from_slice(part))).collect();
    stream::iter(parts).boxed()
}

fn broken(part: &'static [u8]) -> BytesIn {
    let end = Err(io::Error::other("the line broke"));
    stream::iter([Ok(Bytes::from_static(part)), end]).boxed()
}

fn hash_of(bytes: &[u8]) -> BlobHash {
    BlobHash::from_bytes(*blake3::hash(bytes).as_bytes())
}

async fn folder() -> (tempfile::TempDir, Folder) {
    let place = tempfile::tempdir().unwrap();
    let blobs = Folder::open(place.path()).await.unwrap();
    (place, blobs)
}

async fn read(blobs: &dyn Blobs, hash: BlobHash, range: Option<std::ops::Range<u64>>) -> Vec<u8> {
    let (_, bytes) = blobs.get(hash, range).await.unwrap();
    bytes
        .try_fold(Vec::new(), |mut all, part| async move {
            all.extend_from_slice(&part);
            Ok(all)
        })
        .await
        .unwrap()
}

/// A storage with what holds it.
struct Place {
    folder: tempfile::TempDir,
    bucket: Option<ci_s3::S3Server>,
    blobs: Arc<dyn Blobs>,
}

async fn in_a_folder() -> Place {
    let (folder, blobs) = folder().await;
    Place { folder, bucket: None, blobs: Arc::new(blobs) }
}

async fn in_a_bucket() -> Place {
    let (folder, server) = (tempfile::tempdir().unwrap(), ci_s3::S3Server::start());
    let blobs = super::open(&bucket_of(&server)).await.unwrap();
    Place { folder, bucket: Some(server), blobs }
}

/// The settings that lead there, as they come from the environment.
fn bucket_of(server: &ci_s3::S3Server) -> BlobsConfig {
    let mut config = crate::config::Config::for_testing("/nowhere");
    for (name, value) in server.settings("some/prefix") {
        let key = name.trim_start_matches("PICTOR__").to_lowercase().replace("__", ".");
        let setting = crate::config::SETTINGS.iter().find(|setting| setting.key == key).unwrap();
        (setting.set)(&mut config, &value).unwrap();
    }
    config.blobs
}

impl Place {
    /// The file that holds a blob.
    fn file(&self, hash: BlobHash) -> std::path::PathBuf {
        let root = match &self.bucket {
            None => self.folder.path().to_owned(),
            Some(server) => server.objects().join("some/prefix"),
        };
        root.join("objects").join(&hash.to_string()[..2]).join(hash.to_string())
    }

    /// What lies about that nobody can see by a blob's name.
    fn left_over(&self) -> usize {
        let count = |folder: std::path::PathBuf| std::fs::read_dir(folder).map_or(0, Iterator::count);
        match &self.bucket {
            None => count(self.folder.path().join("staging")),
            Some(server) => count(server.objects().join("some/prefix/staging")),
        }
    }
}

/// Each of these is a test over a folder and a test over a bucket.
macro_rules! over_both {
    ($($name:ident)*) => {
        mod folder_ { $(#[tokio::test] async fn $name() { super::$name(super::in_a_folder().await).await })* }
        mod bucket_ { $(#[tokio::test] async fn $name() { super::$name(super::in_a_bucket().await).await })* }
    };
}

over_both! {
    bytes_come_back_whole_and_in_ranges
    an_empty_blob_is_a_blob
    a_large_blob_is_one_only_if_it_is_right
    what_is_refused_leaves_nothing
    parts_in_any_order_become_one_blob
    a_part_that_is_sent_again_and_fails_leaves_the_good_copy
    only_what_was_written_before_is_removed
}

fn staged(place: &tempfile::TempDir) -> usize {
    std::fs::read_dir(place.path().join("staging")).unwrap().count()
}

async fn bytes_come_back_whole_and_in_ranges(place: Place) {
    let blobs = place.blobs.as_ref();
    let stored =
        blobs.put_stream(body(&[b"hello ", b"world"]), Some(hash_of(b"hello world")), 11).await.unwrap();
    assert_eq!((stored.hash, stored.size), (hash_of(b"hello world"), 11));
    assert_eq!(read(blobs, stored.hash, None).await, b"hello world");
    assert_eq!(read(blobs, stored.hash, Some(6..9)).await, b"wor");
    assert_eq!(read(blobs, stored.hash, Some(4..4)).await, b"");
    assert!(matches!(blobs.get(stored.hash, Some(5..12)).await, Err(BlobError::BadRange { size: 11 })));
    assert_eq!(blobs.head(stored.hash).await.unwrap(), Some(11));
    if let Some(path) = blobs.local_path(stored.hash) {
        assert_eq!(std::fs::read(path).unwrap(), b"hello world");
    }
    blobs.put_stream(body(&[b"hello world"]), None, 11).await.unwrap();
    assert_eq!(place.left_over(), 0, "the same again leaves nothing behind");
    blobs.delete(stored.hash).await.unwrap();
    blobs.delete(stored.hash).await.unwrap();
    assert_eq!(blobs.head(stored.hash).await.unwrap(), None);
    assert!(matches!(blobs.get(stored.hash, None).await, Err(BlobError::NotFound)));
}

async fn an_empty_blob_is_a_blob(place: Place) {
    let blobs = place.blobs.as_ref();
    let stored = blobs.put_stream(body(&[]), None, 0).await.unwrap();
    assert_eq!(read(blobs, stored.hash, None).await, b"");
}

/// More than one request holds, so that a bucket takes it in several.
async fn a_large_blob_is_one_only_if_it_is_right(place: Place) {
    let blobs = place.blobs.as_ref();
    let bytes: Vec<u8> = (0..9 * 1024 * 1024_u32).map(|index| (index % 251) as u8).collect();
    let pieces = || body(&bytes.chunks(300_000).collect::<Vec<_>>());
    let size = bytes.len() as u64;
    let wrong = blobs.put_stream(pieces(), Some(hash_of(b"x")), size).await;
    assert!(matches!(wrong, Err(BlobError::HashMismatch { found }) if found == hash_of(&bytes)));
    let large = blobs.put_stream(pieces(), Some(hash_of(&bytes)), size - 1).await;
    assert!(matches!(large, Err(BlobError::TooLarge { .. })));
    assert_eq!(blobs.head(hash_of(&bytes)).await.unwrap(), None);
    assert_eq!(blobs.head(hash_of(b"x")).await.unwrap(), None);
    for expected in [Some(hash_of(&bytes)), None] {
        let stored = blobs.put_stream(pieces(), expected, size).await.unwrap();
        assert_eq!((stored.hash, stored.size), (hash_of(&bytes), size));
        assert!(read(blobs, stored.hash, None).await == bytes);
        assert_eq!(read(blobs, stored.hash, Some(size - 3..size)).await, bytes[bytes.len() - 3..]);
        blobs.delete(stored.hash).await.unwrap();
    }
    assert_eq!(place.left_over(), 0);
}

async fn what_is_refused_leaves_nothing(place: Place) {
    let blobs = place.blobs.as_ref();
    let large = blobs.put_stream(body(&[b"1234", b"5"]), None, 4).await;
    assert!(matches!(large, Err(BlobError::TooLarge { limit: 4 })));
    let other = blobs.put_stream(body(&[b"1234"]), Some(hash_of(b"x")), 4).await;
    assert!(matches!(other, Err(BlobError::HashMismatch { found }) if found == hash_of(b"1234")));
    assert!(matches!(blobs.put_stream(broken(b"12"), None, 4).await, Err(BlobError::Body(_))));
    assert_eq!(place.left_over(), 0);
    assert_eq!(blobs.head(hash_of(b"1234")).await.unwrap(), None);
}

/// Parts that come in their order are written once; what broke off behind them is no part of them.
#[tokio::test]
async fn parts_in_their_order_are_not_written_again() {
    let (place, blobs) = folder().await;
    let upload = UploadId::generate();
    for (part, bytes) in [(0, &b"1234"[..]), (1, b"5678"), (2, b"9")] {
        let torn = blobs.put_part(upload, part, broken(b"xx"), bytes.len() as u64).await;
        assert!(matches!(torn, Err(BlobError::Body(_) | BlobError::TooLarge { .. })));
        blobs.put_part(upload, part, body(&[bytes]), bytes.len() as u64).await.unwrap();
    }
    let joined = place.path().join(format!("uploads/{upload}/joined-3-4-9"));
    let garbage = || {
        use std::io::Write as _;
        std::fs::File::options().append(true).open(&joined).unwrap().write_all(b"a kill left this").unwrap();
    };
    garbage();
    let stored = blobs.finish_parts(upload, 9, Some(hash_of(b"123456789"))).await.unwrap();
    assert_eq!(read(&blobs, stored.hash, None).await, b"123456789");
    #[cfg(unix)]
    {
        use std::os::unix::fs::MetadataExt as _;
        let blob = blobs.local_path(stored.hash).unwrap();
        assert_eq!(blob.metadata().unwrap().ino(), joined.metadata().unwrap().ino());
    }
    assert_eq!(blobs.finish_parts(upload, 9, None).await.unwrap(), stored);
    // A part that comes again now is not written into the blob.
    blobs.put_part(upload, 0, body(&[b"abcd"]), 4).await.unwrap();
    blobs.put_part(upload, 3, body(&[b"more"]), 4).await.unwrap();
    assert_eq!(read(&blobs, stored.hash, None).await, b"123456789");
    let other = blobs.finish_parts(upload, 13, None).await.unwrap();
    assert_eq!(read(&blobs, other.hash, None).await, b"abcd56789more");
    blobs.drop_parts(upload).await.unwrap();
    assert_eq!(read(&blobs, stored.hash, None).await, b"123456789");
    assert_eq!(staged(&place), 0);
}

#[tokio::test]
async fn a_start_clears_half_written_blobs_and_keeps_uploads() {
    let (place, blobs) = folder().await;
    let upload = UploadId::generate();
    blobs.put_part(upload, 0, body(&[b"abc"]), 3).await.unwrap();
    std::fs::write(place.path().join("staging/left.part"), b"half").unwrap();
    drop(blobs);
    let blobs = Folder::open(place.path()).await.unwrap();
    assert_eq!(staged(&place), 0);
    assert_eq!(blobs.finish_parts(upload, 3, None).await.unwrap().hash, hash_of(b"abc"));
}

async fn parts_in_any_order_become_one_blob(place: Place) {
    let blobs = place.blobs.as_ref();
    let upload = UploadId::generate();
    assert!(matches!(blobs.finish_parts(upload, 7, None).await, Err(BlobError::NotFound)));
    blobs.put_part(upload, 1, body(&[b"567"]), 3).await.unwrap();
    let gap = blobs.finish_parts(upload, 3, None).await;
    assert!(matches!(gap, Err(BlobError::Incomplete { .. })), "the first part is missing");
    blobs.put_part(upload, 0, body(&[b"xxxx"]), 4).await.unwrap();
    blobs.put_part(upload, 0, body(&[b"12", b"34"]), 4).await.unwrap();
    let short = blobs.finish_parts(upload, 8, None).await;
    assert!(matches!(short, Err(BlobError::Incomplete { found: 7, wanted: 8 })));
    let other = blobs.finish_parts(upload, 7, Some(hash_of(b"x"))).await;
    assert!(matches!(other, Err(BlobError::HashMismatch { found }) if found == hash_of(b"1234567")));
    let stored = blobs.finish_parts(upload, 7, Some(hash_of(b"1234567"))).await.unwrap();
    assert_eq!(stored.hash, hash_of(b"1234567"), "again replaces");
    assert_eq!(blobs.finish_parts(upload, 7, None).await.unwrap(), stored, "asked again, the same");
    assert_eq!(read(blobs, stored.hash, None).await, b"1234567");
    blobs.drop_parts(upload).await.unwrap();
    blobs.drop_parts(upload).await.unwrap();
    assert!(matches!(blobs.finish_parts(upload, 7, None).await, Err(BlobError::NotFound)));
    assert_eq!(blobs.head(stored.hash).await.unwrap(), Some(7), "the blob stays");
    assert_eq!(place.left_over(), 0);
}

async fn a_part_that_is_sent_again_and_fails_leaves_the_good_copy(place: Place) {
    let blobs = place.blobs.as_ref();
    let upload = UploadId::generate();
    blobs.put_part(upload, 0, body(&[b"1234"]), 4).await.unwrap();
    blobs.put_part(upload, 1, body(&[b"56"]), 2).await.unwrap();
    for part in [0, 1] {
        let torn = blobs.put_part(upload, part, broken(b"x"), 4).await;
        assert!(matches!(torn, Err(BlobError::Body(_))));
        let long = blobs.put_part(upload, part, body(&[b"xxxx", b"x"]), 4).await;
        assert!(matches!(long, Err(BlobError::TooLarge { limit: 4 })));
        let short = blobs.put_part(upload, part, body(&[b"x"]), 4).await;
        assert!(matches!(short, Err(BlobError::Incomplete { found: 1, wanted: 4 })));
    }
    // One sender hangs in the middle of a part while another sends it whole.
    let (slow, rest) = tokio::sync::mpsc::channel::<io::Result<Bytes>>(4);
    slow.send(Ok(Bytes::from_static(b"xx"))).await.unwrap();
    let hanging = blobs.put_part(upload, 0, tokio_stream::wrappers::ReceiverStream::new(rest).boxed(), 4);
    let mut hanging = std::pin::pin!(hanging);
    assert!(futures_util::poll!(&mut hanging).is_pending());
    blobs.put_part(upload, 0, body(&[b"abcd"]), 4).await.unwrap();
    drop(slow);
    assert!(matches!(hanging.await, Err(BlobError::Incomplete { .. })));
    assert_eq!(blobs.finish_parts(upload, 6, None).await.unwrap().hash, hash_of(b"abcd56"));
    assert_eq!(place.left_over(), 0);
}

#[tokio::test]
async fn a_part_that_ends_after_its_upload_was_dropped_leaves_nothing() {
    let (place, blobs) = folder().await;
    let upload = UploadId::generate();
    let (slow, rest) = tokio::sync::mpsc::channel::<io::Result<Bytes>>(4);
    let late = blobs.put_part(upload, 0, tokio_stream::wrappers::ReceiverStream::new(rest).boxed(), 2);
    let dropping = async {
        while std::fs::read_dir(place.path().join("staging")).unwrap().count() == 0 {
            tokio::task::yield_now().await;
        }
        blobs.drop_parts(upload).await.unwrap();
        slow.send(Ok(Bytes::from_static(b"12"))).await.unwrap();
        drop(slow);
    };
    let (late, ()) = tokio::join!(late, dropping);
    assert!(matches!(late, Err(BlobError::NotFound)));
    assert_eq!((staged(&place), std::fs::read_dir(place.path().join("uploads")).unwrap().count()), (0, 0));
}

async fn only_what_was_written_before_is_removed(place: Place) {
    let blobs = place.blobs.as_ref();
    let stored = blobs.put_stream(body(&[b"123"]), None, 3).await.unwrap();
    let upload = UploadId::generate();
    blobs.put_part(upload, 0, body(&[b"x"]), 1).await.unwrap();
    let shard = stored.hash.as_bytes()[0];
    let file = place.file(stored.hash);
    std::fs::write(file.with_file_name("no-blob"), b"x").unwrap();
    let listed = blobs.list(shard).await.unwrap();
    assert_eq!(listed.iter().map(|found| found.id).collect::<Vec<_>>(), [stored.hash]);
    assert!(blobs.list(shard.wrapping_add(1)).await.unwrap().is_empty());
    assert_eq!(blobs.list_uploads().await.unwrap().len(), 1);
    // A bucket tells whole seconds when asked for one object.
    let written = UnixMillis(listed[0].written_at.0 / 1000 * 1000);
    let removal = Removal::of(stored.hash);
    assert!(!blobs.remove_older(&removal, written).await.unwrap());
    assert_eq!(blobs.head(stored.hash).await.unwrap(), Some(3));
    // Stored again it is as young as if it were new.
    std::fs::File::open(file).unwrap().set_modified(std::time::UNIX_EPOCH).unwrap();
    assert_eq!(blobs.list(shard).await.unwrap()[0].written_at, UnixMillis(0));
    blobs.put_stream(body(&[b"123"]), None, 3).await.unwrap();
    assert!(!blobs.remove_older(&removal, written).await.unwrap());
    let later = written.plus(pictor_actors::units::Millis::from_secs(3_600));
    assert!(blobs.remove_older(&removal, later).await.unwrap());
    assert!(blobs.remove_older(&removal, later).await.unwrap(), "gone already");
    blobs.forget_copy(&removal).await.unwrap();
    assert_eq!(blobs.head(stored.hash).await.unwrap(), None);
}

#[test]
fn a_full_disk_is_told_apart() {
    let full = io::Error::from(io::ErrorKind::StorageFull);
    assert!(matches!(super::staging::disk(full), BlobError::DiskFull));
    let quota = io::Error::from(io::ErrorKind::QuotaExceeded);
    assert!(matches!(super::staging::disk(quota), BlobError::DiskFull));
    assert!(matches!(super::staging::disk(io::Error::other("x")), BlobError::Io(_)));
}
