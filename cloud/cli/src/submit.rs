//! Submitting a scene.

use pictor_cloud_api::jobs::{Job, NewJob};

use crate::arguments::SubmitArguments;
use crate::client::Client;
use crate::error::Failure;
use crate::{jobs, show, upload};

/// Uploads the file, makes the job and, if wished, stays until it ends.
pub async fn run(client: &Client, arguments: &SubmitArguments, is_json: bool) -> Result<(), Failure> {
    let upload = upload::upload(client, &arguments.file, is_json).await?;
    if let (false, Some(content)) = (is_json, &upload.content) {
        for warning in &content.warnings {
            eprintln!("pictor: warning: {warning}");
        }
    }
    let new = NewJob {
        blake3: upload.blake3.unwrap_or_default(),
        name: Some(arguments.name.clone().unwrap_or_else(|| file_stem(arguments))),
        main: arguments.main.clone(),
        frames: arguments.frames.clone(),
        format: arguments.format.as_ref().map(|format| format.to_uppercase()),
        scene: arguments.scene.clone(),
        camera: arguments.camera.clone(),
        engine: arguments.engine.clone(),
        width: arguments.resolution.map(|(width, _)| width),
        height: arguments.resolution.map(|(_, height)| height),
        samples: arguments.samples,
        priority: arguments.priority,
        chunk: arguments.chunk,
        frame_time_limit_ms: None,
        paused: arguments.paused,
    };
    let job: Job = client.post("jobs", &new).await?;
    if arguments.watch {
        if !is_json {
            println!("{}  {}", job.id, client.page_address(&format!("jobs/{}", job.id)));
        }
        return jobs::watch(client, &job.id, is_json).await;
    }
    if is_json {
        return show::json(&job);
    }
    let frames = show::counted(job.frames_total, "frame");
    println!("{}  {frames}  {}", job.id, client.page_address(&format!("jobs/{}", job.id)));
    Ok(())
}

fn file_stem(arguments: &SubmitArguments) -> String {
    arguments.file.file_stem().map(|stem| stem.to_string_lossy().into_owned()).unwrap_or_default()
}
