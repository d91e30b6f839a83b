//! Sending a file in parts: hashed first (a file the cloud has is not sent again), resumed where it broke
//! off.

use std::io::Read;
use std::path::Path;
use std::time::Duration;

use bytes::Bytes;
use pictor_cloud_api::uploads::{NewUpload, PartPlace, PartPlaces, Parts, Upload};
use tokio::io::{AsyncReadExt, AsyncSeekExt};

use crate::client::Client;
use crate::error::{Failure, Kind};
use crate::progress::Bar;

/// Between two questions whether the file is read.
const COMPLETE_AGAIN_AFTER: Duration = Duration::from_secs(2);
/// Questions at most; each may wait 40 s in the cloud: hours, for the largest zip on a slow disk.
const COMPLETE_LOOKS_MAX: u32 = 500;
/// Parts for which addresses of the storage are asked, and which are then noted, at a time.
const PARTS_AT_A_TIME: usize = 16;
/// Tries of one part at the storage, and the first wait between two.
const PUT_TRIES_MAX: u32 = 5;
const PUT_AGAIN_AFTER: Duration = Duration::from_secs(1);

/// Uploads a file and gives the completed upload.
pub async fn upload(client: &Client, file: &Path, is_quiet: bool) -> Result<Upload, Failure> {
    let unreadable = |error: std::io::Error| {
        Failure::new(Kind::Usage, format!("{} cannot be read: {error}", file.display()))
    };
    let size = std::fs::metadata(file).map_err(unreadable)?.len();
    let name = file.file_name().map(|name| name.to_string_lossy().into_owned()).unwrap_or_default();
    let hash = hash(file, size, is_quiet).map_err(unreadable)?;
    let new = NewUpload { file_name: name, size, blake3: Some(hash) };
    let state: Upload = client.post("uploads", &new).await?;
    if state.blake3.is_some() {
        return Ok(state);
    }
    send_parts(client, file, &state, is_quiet).await?;
    let bar = Bar::words("reading", "the cloud reads the file", is_quiet);
    let done = complete(client, &state.id).await;
    bar.finish();
    done
}

/// Joining and reading a large file takes longer than one request may: asked again until it is done.
async fn complete(client: &Client, upload: &str) -> Result<Upload, Failure> {
    for _ in 0..COMPLETE_LOOKS_MAX {
        let state: Upload =
            client.post(&format!("uploads/{upload}/complete"), &serde_json::json!({})).await?;
        if state.blake3.is_some() {
            return Ok(state);
        }
        tokio::time::sleep(COMPLETE_AGAIN_AFTER).await;
    }
    Err(Failure::failed("the cloud is still reading the file: submit it again later, nothing is sent twice"))
}

fn hash(file: &Path, size: u64, is_quiet: bool) -> std::io::Result<String> {
    let bar = Bar::bytes("hashing", size, is_quiet);
    let mut reader = std::fs::File::open(file)?;
    let mut hasher = blake3::Hasher::new();
    let mut buffer = vec![0; 1 << 20];
    loop {
        let count = reader.read(&mut buffer)?;
        if count == 0 {
            break;
        }
        hasher.update(&buffer[..count]);
        bar.advance(count as u64);
    }
    bar.finish();
    Ok(hasher.finalize().to_hex().to_string())
}

async fn send_parts(client: &Client, file: &Path, upload: &Upload, is_quiet: bool) -> Result<(), Failure> {
    let bar = Bar::bytes("uploading", upload.size, is_quiet);
    let mut reader = tokio::fs::File::open(file).await?;
    let is_stored = |part: &u32| upload.parts_stored.contains(part);
    (0..upload.part_count).filter(is_stored).for_each(|part| bar.advance(length_of(upload, part)));
    let missing: Vec<u32> = (0..upload.part_count).filter(|part| !is_stored(part)).collect();
    for parts in missing.chunks(PARTS_AT_A_TIME) {
        let is_direct = upload.puts_directly;
        let mut places = if is_direct { places(client, upload, parts).await? } else { Vec::new() };
        for part in parts {
            let bytes = read_part(&mut reader, upload, *part).await?;
            if let Some(place) = places.iter_mut().find(|place| place.part == *part) {
                put(client, upload, place, &bytes).await?;
            } else {
                // Sending a part again replaces it, so a lost answer is simply asked for anew.
                client.put_again(&format!("uploads/{}/parts/{part}", upload.id), &bytes).await?;
            }
            bar.advance(length_of(upload, *part));
        }
        if !places.is_empty() {
            let put = Parts { parts: places.iter().map(|place| place.part).collect() };
            client.post::<_, Upload>(&format!("uploads/{}/parts", upload.id), &put).await?;
        }
    }
    bar.finish();
    Ok(())
}

/// Addresses of the storage for these parts; none where they go through the cloud.
async fn places(client: &Client, upload: &Upload, parts: &[u32]) -> Result<Vec<PartPlace>, Failure> {
    let wanted = Parts { parts: parts.to_vec() };
    let found: PartPlaces = client.post(&format!("uploads/{}/places", upload.id), &wanted).await?;
    Ok(found.places)
}

/// Puts a part into the storage; after a failure to another address, since this one may be too old.
async fn put(client: &Client, upload: &Upload, place: &mut PartPlace, bytes: &Bytes) -> Result<(), Failure> {
    for tried in 1.. {
        match client.put_elsewhere(&place.url, &place.headers, bytes.clone()).await {
            Ok(()) => break,
            Err(failure) if tried == PUT_TRIES_MAX => return Err(failure),
            Err(_) => {}
        }
        tokio::time::sleep(PUT_AGAIN_AFTER * tried).await;
        if let Some(fresh) = places(client, upload, &[place.part]).await?.pop() {
            *place = fresh;
        }
    }
    Ok(())
}

fn length_of(upload: &Upload, part: u32) -> u64 {
    upload.part_size.min(upload.size - u64::from(part) * upload.part_size)
}

async fn read_part(reader: &mut tokio::fs::File, upload: &Upload, part: u32) -> Result<Bytes, Failure> {
    let (start, length) = (u64::from(part) * upload.part_size, length_of(upload, part));
    reader.seek(std::io::SeekFrom::Start(start)).await?;
    let mut bytes = vec![0; usize::try_from(length).map_err(|_| Failure::failed("the part is too large"))?];
    reader.read_exact(&mut bytes).await.map_err(|error| {
        Failure::failed(format!("the file changed while it was read ({error}): submit it again"))
    })?;
    Ok(bytes.into())
}
