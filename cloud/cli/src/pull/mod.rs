//! Downloading frames: each into a temporary name, checked, then renamed, so that a folder never holds half a
//! frame.

mod folder;

use std::path::Path;

use futures_util::{StreamExt, TryStreamExt, stream};
use pictor_cloud_api::jobs::{Frame, Job};
use reqwest::StatusCode;
use tokio::io::{AsyncSeekExt, AsyncWriteExt};

use crate::arguments::PullArguments;
use crate::client::{self, Client};
use crate::error::{Failure, Kind};
use crate::jobs::{Looks, has_ended, verdict};
use crate::show;
use crate::watching::{Reader, Watching};
use folder::{Folder, has_hash, is_there, safe_name, taken};

/// Frames fetched at the same time.
const AT_A_TIME: usize = 4;
/// Times that a frame is begun or gone on with.
const TRIES_MAX: u32 = 5;

/// Fetches what is stored and, with `--watch`, what comes, until the job ends.
pub async fn run(client: &Client, arguments: &PullArguments, is_json: bool) -> Result<(), Failure> {
    let mut job: Job = client.get(&format!("jobs/{}", arguments.job)).await?;
    let all: Vec<Frame> = client.list(&format!("jobs/{}/frames", job.id), None).await?;
    let folder = folder::choose(&job, &all, arguments.out.as_deref())?;
    std::fs::create_dir_all(&folder.path).map_err(|error| {
        Failure::new(Kind::Usage, format!("{} cannot be made: {error}", folder.path.display()))
    })?;
    let reader = if is_json { Reader::Nobody } else { Reader::Person };
    let mut watching = Watching::new(&job, reader);
    watching.advance(folder.here.len() as u64);
    let mut fetched: Vec<Frame> =
        all.into_iter().filter(|frame| folder.here.contains(&frame.frame)).collect();
    let mut looks = Looks::new();
    loop {
        let has_new = usize::try_from(job.frames_done).unwrap_or(usize::MAX) > fetched.len();
        if has_new {
            fetch_new(client, &job.id, &folder.path, &mut fetched, &watching).await?;
            looks.moved();
        }
        if !arguments.watch {
            break;
        }
        watching.look(&job, u32::try_from(fetched.len()).unwrap_or(u32::MAX))?;
        if has_ended(&job) {
            break;
        }
        looks.wait().await;
        job = client.get(&format!("jobs/{}", arguments.job)).await?;
    }
    watching.finish();
    if is_json {
        show::json(&fetched)?;
    } else {
        println!("{}", result_words(&job, fetched.len(), &folder));
    }
    if arguments.watch { verdict(&job) } else { Ok(()) }
}

fn result_words(job: &Job, count: usize, folder: &Folder) -> String {
    let frames = show::counted(job.frames_total, "frame");
    let place = folder.path.display();
    match folder.here.len() {
        0 => format!("{count} of {frames} in {place}"),
        1 => format!("{count} of {frames} in {place} (1 of them was there already)"),
        before => format!("{count} of {frames} in {place} ({before} of them were there already)"),
    }
}

async fn fetch_new(
    client: &Client,
    job: &str,
    folder: &Path,
    fetched: &mut Vec<Frame>,
    watching: &Watching,
) -> Result<(), Failure> {
    let frames: Vec<Frame> = client.list(&format!("jobs/{job}/frames"), None).await?;
    let known: std::collections::BTreeSet<i32> = fetched.iter().map(|frame| frame.frame).collect();
    let new: Vec<Frame> =
        frames.into_iter().filter(|frame| frame.blake3.is_some() && !known.contains(&frame.frame)).collect();
    let mut arriving = stream::iter(new)
        .map(|frame| async move { fetch(client, job, folder, &frame).await.map(|()| frame) })
        .buffer_unordered(AT_A_TIME);
    while let Some(frame) = arriving.try_next().await? {
        watching.advance(1);
        fetched.push(frame);
    }
    Ok(())
}

async fn fetch(client: &Client, job: &str, folder: &Path, frame: &Frame) -> Result<(), Failure> {
    let name = safe_name(&frame.file_name);
    let file = folder.join(&name);
    let wanted = frame.blake3.clone().unwrap_or_default();
    if has_hash(&file, &wanted) {
        return Ok(());
    }
    if is_there(&file) {
        return Err(taken(&file));
    }
    let path = format!("jobs/{job}/frames/{}", frame.frame);
    // With the job's id: another job's frames of this name may arrive in this folder at the same moment.
    let part = folder.join(format!(".{name}.{job}.part"));
    if arrive(client, &path, &part).await? != wanted {
        std::fs::remove_file(&part)?;
        return Err(Failure::failed(format!("frame {} arrived damaged: pull it again", frame.frame)));
    }
    std::fs::rename(&part, &file)?;
    Ok(())
}

/// Writes the bytes of an address to a file and gives their hash; goes on where the line broke.
async fn arrive(client: &Client, path: &str, part: &Path) -> Result<String, Failure> {
    let mut output = tokio::fs::File::create(part).await?;
    let mut hasher = blake3::Hasher::new();
    let mut have = 0;
    for tried in 1.. {
        let response = client.bytes(path, have).await?;
        if have > 0 && response.status() != StatusCode::PARTIAL_CONTENT {
            output.set_len(0).await?;
            output.rewind().await?;
            (hasher, have) = (blake3::Hasher::new(), 0);
        }
        let mut bytes = response.bytes_stream();
        let broken = loop {
            match bytes.try_next().await {
                Ok(Some(chunk)) => {
                    hasher.update(&chunk);
                    output.write_all(&chunk).await?;
                    have += chunk.len() as u64;
                }
                Ok(None) => break None,
                Err(error) => break Some(error),
            }
        };
        match broken {
            None => break,
            Some(error) if tried == TRIES_MAX => {
                return Err(Failure::new(Kind::Network, client::words(&error.without_url())));
            }
            Some(_) => {}
        }
    }
    output.flush().await?;
    Ok(hasher.finalize().to_hex().to_string())
}
