//! Downloading frames: each into a temporary name, checked, then renamed, so that a folder never holds half a
//! frame.

use std::path::{Path, PathBuf};

use futures_util::{StreamExt, TryStreamExt, stream};
use pictor_cloud_api::jobs::{Frame, Job};
use reqwest::Method;
use tokio::io::AsyncWriteExt;

use crate::arguments::PullArguments;
use crate::client::{self, Client};
use crate::error::{Failure, Kind};
use crate::jobs::{Looks, has_ended, verdict};
use crate::progress::Bar;
use crate::show;
use crate::watching::status_words;

/// Frames fetched at the same time.
const AT_A_TIME: usize = 4;

/// Fetches what is stored and, with `--watch`, what comes, until the job ends.
pub async fn run(client: &Client, arguments: &PullArguments, is_json: bool) -> Result<(), Failure> {
    let mut job: Job = client.get(&format!("jobs/{}", arguments.job)).await?;
    let folder = arguments.out.clone().unwrap_or_else(|| PathBuf::from(safe_name(&job.name)));
    std::fs::create_dir_all(&folder).map_err(|error| {
        Failure::new(Kind::Usage, format!("{} cannot be made: {error}", folder.display()))
    })?;
    let bar = Bar::frames(&job.name, u64::from(job.frames_total), is_json);
    let mut fetched: Vec<Frame> = Vec::new();
    let mut looks = Looks::new();
    loop {
        let has_new = usize::try_from(job.frames_done).unwrap_or(usize::MAX) > fetched.len();
        if has_new {
            fetch_new(client, &job.id, &folder, &mut fetched, &bar).await?;
            looks.moved();
        }
        bar.set(fetched.len() as u64, &status_words(&job));
        if !arguments.watch || has_ended(&job) {
            break;
        }
        looks.wait().await;
        job = client.get(&format!("jobs/{}", arguments.job)).await?;
    }
    bar.finish();
    if is_json {
        show::json(&fetched)?;
    } else {
        println!("{} of {} frames in {}", fetched.len(), job.frames_total, folder.display());
    }
    if arguments.watch { verdict(&job) } else { Ok(()) }
}

async fn fetch_new(
    client: &Client,
    job: &str,
    folder: &Path,
    fetched: &mut Vec<Frame>,
    bar: &Bar,
) -> Result<(), Failure> {
    let frames: Vec<Frame> = client.list(&format!("jobs/{job}/frames"), None).await?;
    let known: std::collections::BTreeSet<i32> = fetched.iter().map(|frame| frame.frame).collect();
    let new: Vec<Frame> =
        frames.into_iter().filter(|frame| frame.blake3.is_some() && !known.contains(&frame.frame)).collect();
    let mut arriving = stream::iter(new)
        .map(|frame| async move { fetch(client, job, folder, &frame).await.map(|()| frame) })
        .buffer_unordered(AT_A_TIME);
    while let Some(frame) = arriving.try_next().await? {
        bar.advance(1);
        fetched.push(frame);
    }
    Ok(())
}

async fn fetch(client: &Client, job: &str, folder: &Path, frame: &Frame) -> Result<(), Failure> {
    let file = folder.join(safe_name(&frame.file_name));
    let wanted = frame.blake3.clone().unwrap_or_default();
    if has_hash(&file, &wanted) {
        return Ok(());
    }
    let path = format!("jobs/{job}/frames/{}", frame.frame);
    let response = client.send_again(|| client.request(Method::GET, &path)).await?;
    let part = file.with_extension("part");
    let mut output = tokio::fs::File::create(&part).await?;
    let mut hasher = blake3::Hasher::new();
    let mut bytes = response.bytes_stream();
    while let Some(chunk) =
        bytes.try_next().await.map_err(|e| Failure::new(Kind::Network, client::words(&e)))?
    {
        hasher.update(&chunk);
        output.write_all(&chunk).await?;
    }
    output.flush().await?;
    drop(output);
    if hasher.finalize().to_hex().as_str() != wanted {
        std::fs::remove_file(&part)?;
        return Err(Failure::failed(format!("frame {} arrived damaged: pull it again", frame.frame)));
    }
    std::fs::rename(&part, &file)?;
    Ok(())
}

fn has_hash(file: &Path, wanted: &str) -> bool {
    let mut hasher = blake3::Hasher::new();
    let hashed = std::fs::File::open(file).and_then(|opened| std::io::copy(&mut { opened }, &mut hasher));
    hashed.is_ok() && hasher.finalize().to_hex().as_str() == wanted
}

/// A name that cannot leave the folder, whatever the server says.
fn safe_name(name: &str) -> String {
    let kept: String = name
        .chars()
        .map(|c| if c.is_alphanumeric() || matches!(c, '.' | '-' | '_' | ' ') { c } else { '_' })
        .collect();
    let kept = kept.trim_matches(['.', ' ']);
    if kept.is_empty() { "frames".to_owned() } else { kept.to_owned() }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_never_leaves_the_folder() {
        assert_eq!(safe_name("../../etc/passwd"), "_.._etc_passwd");
        assert_eq!(safe_name(".."), "frames");
        assert_eq!(safe_name("shot 1_0001.png"), "shot 1_0001.png");
        assert_eq!(safe_name("C:\\x"), "C__x");
    }
}
