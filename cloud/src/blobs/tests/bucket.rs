//! What only a bucket has: addresses that are signed, and a network between.

use ci_s3::S3Server;
use pictor_actors::ids::{LeaseId, UploadId};
use pictor_actors::units::{Millis, UnixMillis};
use reqwest::Client;

use super::{Place, body, bucket_of, hash_of, in_a_bucket, read};
use crate::blobs::{Address, BlobError, Direct, Removal, Shown, Stored, open};

fn direct(place: &Place) -> &dyn Direct {
    place.blobs.direct().unwrap()
}

async fn put(address: &Address, bytes: &[u8]) -> u16 {
    Client::new().put(&address.url).body(bytes.to_vec()).send().await.unwrap().status().as_u16()
}

fn stored(bytes: &[u8]) -> Stored {
    Stored { hash: hash_of(bytes), size: bytes.len() as u64 }
}

#[tokio::test]
async fn a_frame_that_was_put_is_a_blob_once_it_was_taken() {
    let place = in_a_bucket().await;
    let (lease, frame) = (LeaseId::generate(), stored(b"a frame"));
    let nothing = direct(&place).take_frame(lease, 7, frame).await;
    assert!(matches!(nothing, Err(BlobError::NotFound)));
    let address = direct(&place).put_frame_at(lease, 7, frame.hash).await.unwrap();
    assert!(address.url.starts_with(direct(&place).origin()), "{}", direct(&place).origin());
    assert_eq!(put(&address, b"a frame").await, 200);
    assert_eq!(place.blobs.head(frame.hash).await.unwrap(), None, "it is nothing yet");
    direct(&place).take_frame(lease, 7, frame).await.unwrap();
    assert_eq!(read(place.blobs.as_ref(), frame.hash, None).await, b"a frame");
    assert_eq!(place.left_over(), 0);
    assert!(matches!(direct(&place).take_frame(lease, 7, frame).await, Err(BlobError::NotFound)));
}

#[tokio::test]
async fn what_is_not_as_announced_is_refused_and_gone() {
    let place = in_a_bucket().await;
    let (lease, announced) = (LeaseId::generate(), stored(b"a frame"));
    let address = direct(&place).put_frame_at(lease, 7, announced.hash).await.unwrap();
    assert_eq!(put(&address, b"b frame").await, 200);
    let wrong = direct(&place).take_frame(lease, 7, announced).await;
    assert!(matches!(wrong, Err(BlobError::HashMismatch { found }) if found == hash_of(b"b frame")));
    assert_eq!(put(&address, b"a frame and more").await, 200);
    let long = direct(&place).take_frame(lease, 7, announced).await;
    assert!(matches!(long, Err(BlobError::Incomplete { found: 16, wanted: 7 })));
    assert_eq!(place.left_over(), 0);
    assert_eq!(place.blobs.head(announced.hash).await.unwrap(), None);
}

/// The address stays good for minutes: what is put after the frame was taken changes nothing.
#[tokio::test]
async fn what_is_put_later_touches_no_blob() {
    let place = in_a_bucket().await;
    let (lease, frame) = (LeaseId::generate(), stored(b"a frame"));
    let address = direct(&place).put_frame_at(lease, 7, frame.hash).await.unwrap();
    put(&address, b"a frame").await;
    direct(&place).take_frame(lease, 7, frame).await.unwrap();
    assert_eq!(put(&address, b"b frame").await, 200);
    assert_eq!(read(place.blobs.as_ref(), frame.hash, None).await, b"a frame");
    assert_eq!(direct(&place).clear_staging(UnixMillis(0)).await.unwrap(), 0, "it is young");
    assert_eq!(direct(&place).clear_staging(UnixMillis(i64::MAX)).await.unwrap(), 1);
    assert_eq!(place.left_over(), 0);
}

#[tokio::test]
async fn an_address_is_for_one_thing_and_one_method() {
    let place = in_a_bucket().await;
    let hash = place.blobs.put_stream(body(&[b"0123456789"]), None, 10).await.unwrap().hash;
    let shown = Shown { media_type: "image/png", disposition: None };
    let url = direct(&place).get_at(hash, Some(shown)).await.unwrap().unwrap();
    let client = Client::new();
    let part = client.get(&url).header("range", "bytes=4-6").send().await.unwrap();
    assert_eq!(part.status(), 206);
    assert_eq!(part.bytes().await.unwrap(), "456");
    assert_eq!(client.put(&url).body("x").send().await.unwrap().status(), 403);
    let other = url.replacen(&hash.to_string()[2..], &"0".repeat(62), 1);
    assert_ne!(other, url);
    assert_eq!(client.get(other).send().await.unwrap().status(), 403);
    let shown_otherwise = url.replacen("image%2Fpng", "text%2Fhtml", 1);
    assert_ne!(shown_otherwise, url);
    assert_eq!(client.get(shown_otherwise).send().await.unwrap().status(), 403);
    let upload = UploadId::generate();
    let address = direct(&place).put_part_at(upload, 3).await.unwrap();
    assert!(matches!(direct(&place).check_part(upload, 3, 4).await, Err(BlobError::NotFound)));
    assert_eq!(put(&address, b"1234").await, 200);
    direct(&place).check_part(upload, 3, 4).await.unwrap();
    let short = direct(&place).check_part(upload, 3, 5).await;
    assert!(matches!(short, Err(BlobError::Incomplete { found: 4, wanted: 5 })));
}

#[tokio::test]
async fn an_address_is_good_for_as_long_as_it_says() {
    let server = S3Server::start();
    let mut config = bucket_of(&server);
    config.signed_for_ms = 1_000;
    let blobs = open(&config).await.unwrap();
    let (direct, lease) = (blobs.direct().unwrap(), LeaseId::generate());
    let address = direct.put_frame_at(lease, 1, hash_of(b"x")).await.unwrap();
    assert_eq!(address.good_for, Millis(1_000));
    let mut status = put(&address, b"x").await;
    assert_eq!(status, 200);
    for _ in 0..100 {
        status = put(&address, b"x").await;
        if status == 403 {
            break;
        }
        tokio::time::sleep(std::time::Duration::from_millis(50)).await;
    }
    assert_eq!(status, 403, "too old");
    let fresh = direct.put_frame_at(lease, 1, hash_of(b"x")).await.unwrap();
    assert_eq!(put(&fresh, b"x").await, 200);
}

#[tokio::test]
async fn a_storage_that_is_away_is_told_apart_and_comes_back() {
    let mut place = in_a_bucket().await;
    let frame = stored(b"a frame");
    let lease = LeaseId::generate();
    let address = direct(&place).put_frame_at(lease, 7, frame.hash).await.unwrap();
    put(&address, b"a frame").await;
    place.bucket.as_mut().unwrap().stop();
    let (head, taken, written) = tokio::join!(
        place.blobs.head(frame.hash),
        direct(&place).take_frame(lease, 7, frame),
        place.blobs.put_stream(body(&[b"x"]), None, 1),
    );
    assert!(matches!(head, Err(BlobError::Away(_))));
    assert!(matches!(taken, Err(BlobError::Away(_))));
    assert!(matches!(written, Err(BlobError::Away(_))));
    direct(&place).put_frame_at(lease, 7, frame.hash).await.unwrap();
    place.bucket.as_mut().unwrap().start_again();
    direct(&place).take_frame(lease, 7, frame).await.unwrap();
    assert_eq!(place.blobs.head(frame.hash).await.unwrap(), Some(7));
}

#[tokio::test]
async fn a_bucket_that_is_not_there_or_not_ours_is_found_out_at_the_start() {
    let server = S3Server::start();
    for (url, secret) in [("s3://other/x", ci_s3::SECRET_KEY), ("s3://farm/x", "guessed")] {
        let mut config = bucket_of(&server);
        config.url = Some(url.parse().unwrap());
        config.secret_access_key = Some(crate::config::Secret::new(secret));
        assert!(matches!(open(&config).await.map(drop), Err(BlobError::Away(_))), "{url}");
    }
}

#[tokio::test]
async fn clients_get_the_address_that_they_can_reach() {
    let server = S3Server::start();
    let mut config = bucket_of(&server);
    config.public_endpoint = Some("https://storage.example.org".parse().unwrap());
    let blobs = open(&config).await.unwrap();
    let direct = blobs.direct().unwrap();
    assert_eq!(direct.origin(), "https://storage.example.org");
    let address = direct.put_part_at(UploadId::generate(), 0).await.unwrap();
    assert!(
        address.url.starts_with("https://storage.example.org/farm/some/prefix/uploads/"),
        "{}",
        address.url
    );
    assert_eq!(blobs.head(hash_of(b"x")).await.unwrap(), None, "the cloud itself goes the other way");
}

/// Their servers are not to be had here: what can be told without one.
#[tokio::test]
async fn azure_and_google_sign_their_own_way() {
    let key = "Eby8vdM02xNOcqFlqUwJPLlmEtlCDXJ1OUzFT50uSRZ6IFsuFq2UVErCz4I6tq/K1SZFPTOtr/KBHBeksoGMGw==";
    let mut config = crate::config::BlobsConfig::in_folder(std::path::Path::new("/nowhere"));
    config.url = Some("az://container/farm".parse().unwrap());
    config.access_key_id = Some(crate::config::Secret::new("account"));
    config.secret_access_key = Some(crate::config::Secret::new(key));
    let bucket = crate::blobs::remote::unprobed(config.url.as_ref().unwrap(), &config).await.unwrap();
    let address = bucket.put_part_at(UploadId::generate(), 7).await.unwrap();
    assert!(address.url.starts_with("https://account.blob.core.windows.net/container/farm/uploads/"));
    assert!(address.url.contains("sig="), "{}", address.url);
    assert_eq!(address.headers, [("x-ms-blob-type", "BlockBlob")]);
    let shown = Shown { media_type: "image/png", disposition: None };
    assert_eq!(bucket.get_at(hash_of(b"x"), Some(shown)).await.unwrap(), None, "it signs no wishes");
    assert!(bucket.get_at(hash_of(b"x"), None).await.unwrap().is_some());
}

/// A blob that was written long ago, and its removal.
async fn old_blob(place: &Place, bytes: &[u8]) -> (Removal, UnixMillis) {
    let hash = place.blobs.put_stream(body(&[bytes]), None, 100).await.unwrap().hash;
    std::fs::File::open(place.file(hash)).unwrap().set_modified(std::time::UNIX_EPOCH).unwrap();
    (Removal::of(hash), UnixMillis(1_000))
}

fn copies(place: &Place, removal: &Removal) -> usize {
    let removed = place.bucket.as_ref().unwrap().objects().join("some/prefix/removed");
    std::fs::read_dir(removed.join(removal.hash.to_string())).map_or(0, Iterator::count)
}

#[tokio::test]
async fn a_copy_that_is_not_whole_removes_nothing() {
    let place = in_a_bucket().await;
    let (removal, before) = old_blob(&place, b"12345").await;
    let server = place.bucket.as_ref().unwrap();
    server.hold_copies(true);
    let meanwhile = async {
        server.wait_held_copies(1).await;
        std::fs::write(place.file(removal.hash), b"1234").unwrap();
        server.hold_copies(false);
    };
    let (removed, ()) = tokio::join!(place.blobs.remove_older(&removal, before), meanwhile);
    assert!(matches!(removed, Err(BlobError::Away(_))), "{removed:?}");
    assert!(place.file(removal.hash).is_file() && copies(&place, &removal) == 0);
}

#[tokio::test]
async fn a_storage_that_copies_nothing_itself_loses_nothing() {
    let mut place = in_a_bucket().await;
    let server = place.bucket.as_ref().unwrap();
    let config = bucket_of(server);
    let bucket = crate::blobs::remote::unprobed(config.url.as_ref().unwrap(), &config).await.unwrap();
    server.hold_copies(true); // one that is asked for would never come
    place.blobs = std::sync::Arc::new(bucket.that_copies_nothing());
    let (removal, before) = old_blob(&place, b"12345").await;
    assert!(place.blobs.remove_older(&removal, before).await.unwrap());
    assert!(!place.file(removal.hash).exists() && copies(&place, &removal) == 1);
    assert_eq!(read(place.blobs.as_ref(), removal.hash, None).await, b"12345");
    place.blobs.put_back(removal.hash).await.unwrap();
    place.blobs.forget_copy(&removal).await.unwrap();
    assert!(place.file(removal.hash).is_file() && copies(&place, &removal) == 0);
}
