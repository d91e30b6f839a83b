//! Starts a program to see whether it is Blender (or a Python with `bpy`), which version, and whether an
//! engine works here. Which programs are tried with which engines, and in which order, is
//! `machine/software.rs`'s.

use std::path::{Path, PathBuf};
use std::time::Duration;

use pictor_actors::protocol::assignment::RenderEngine;
use tokio::io::AsyncWriteExt;
use tokio::process::Child;
use tokio::time::timeout;

use super::command::{Launch, command};
use super::lines::BoundedLines;
use super::wire::{Answer, Order, read_answer};
use crate::platform::{ProcessGroup, ProcessLimits, spawn};

/// A program that does not greet by then is no Blender.
const GREETS_WITHIN: Duration = Duration::from_secs(60);
/// Eight by eight pixels take longer only where an engine does not work: software rendering of a new EEVEE
/// takes minutes.
const TRIES_WITHIN: Duration = Duration::from_secs(60);

/// What a try of one engine told.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Tried {
    /// Version of the program.
    pub version: String,
    /// It can denoise.
    pub has_denoiser: bool,
    /// Why the engine does not run here; nothing: it does.
    pub why_not: Option<String>,
    /// It does not because no picture came in time.
    pub is_too_slow: bool,
}

/// Why a try told nothing.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Untold {
    /// The program ran and is something else.
    NotBlender,
    /// It did not answer in time or could not be started.
    NoAnswer,
}

struct Greeting {
    version: String,
    denoiser: bool,
}

/// Has a program render a few pixels with one engine, in a process of its own: an engine that lacks its
/// graphics may take the process along. Dropping the future ends the process and all it started.
/// It writes into a folder of its own in `scratch_dir`.
pub async fn try_engine(
    program: &Path,
    is_python: bool,
    engine: RenderEngine,
    scratch_dir: &Path,
) -> Result<Tried, Untold> {
    let scratch = Scratch::in_folder(scratch_dir).ok_or(Untold::NoAnswer)?;
    let launch = Launch {
        program: program.to_owned(),
        is_module: is_python,
        scratch_dir: scratch.0.clone(),
        kernel_cache_dir: scratch.0.clone(),
        gpu_uuid: None,
        limits: ProcessLimits { nice: 5, ..ProcessLimits::default() },
    };
    let command = command(&launch).map_err(|_| Untold::NoAnswer)?;
    let mut child = spawn(command).await.map_err(|_| Untold::NoAnswer)?;
    // Declared after the child, so that it goes before it: the leader's number is still the leader's.
    let group = Ended(ProcessGroup::new(child.id().unwrap_or(0)));
    converse(&mut child, engine, &scratch.0.join("try.png"), &group.0).await
}

/// Ends a process group when it is dropped.
struct Ended(ProcessGroup);

impl Drop for Ended {
    fn drop(&mut self) {
        self.0.close();
    }
}

async fn converse(
    child: &mut Child,
    engine: RenderEngine,
    path: &Path,
    group: &ProcessGroup,
) -> Result<Tried, Untold> {
    let (Some(mut stdin), Some(stdout), Some(stderr)) =
        (child.stdin.take(), child.stdout.take(), child.stderr.take())
    else {
        return Err(Untold::NoAnswer);
    };
    // Nobody reads it, but a full pipe would stop the program.
    let drain = tokio::spawn(async move {
        let mut lines = BoundedLines::new(stderr);
        while lines.next().await.is_some() {}
    });
    let mut lines = BoundedLines::new(stdout);
    let _ = stdin.write_all(&Order::TryEngine { engine, path }.to_line()).await;
    let greeting = timeout(GREETS_WITHIN, greeting(&mut lines)).await;
    let outcome = match &greeting {
        Ok(Some(_)) => timeout(TRIES_WITHIN, outcome(&mut lines)).await.ok(),
        Ok(None) | Err(_) => None,
    };
    drop(stdin);
    group.kill();
    let _ = child.wait().await;
    drain.abort();
    let Greeting { version, denoiser } = match greeting {
        Ok(Some(greeting)) => greeting,
        Ok(None) => return Err(Untold::NotBlender),
        Err(_) => return Err(Untold::NoAnswer),
    };
    let is_too_slow = outcome.is_none();
    let too_slow = || Some(format!("no picture in {} s", TRIES_WITHIN.as_secs()));
    let why_not = outcome.unwrap_or_else(too_slow);
    Ok(Tried { version, has_denoiser: denoiser, why_not, is_too_slow })
}

async fn greeting<R: tokio::io::AsyncRead + Unpin>(lines: &mut BoundedLines<R>) -> Option<Greeting> {
    loop {
        if let Some(Answer::Hello { version, denoiser }) = read_answer(&lines.next().await?) {
            return Some(Greeting { version, denoiser });
        }
    }
}

/// Why the engine does not run here; nothing: it does.
async fn outcome<R: tokio::io::AsyncRead + Unpin>(lines: &mut BoundedLines<R>) -> Option<String> {
    while let Some(line) = lines.next().await {
        match read_answer(&line) {
            Some(Answer::Tried { why_not }) => return why_not,
            Some(Answer::Failed { text, .. }) => return Some(text),
            Some(_) | None => {}
        }
    }
    Some("the program ended".to_owned())
}

/// A temporary folder that is removed.
struct Scratch(PathBuf);

impl Scratch {
    fn in_folder(parent: &Path) -> Option<Self> {
        let mut name = [0_u8; 8];
        getrandom::fill(&mut name).ok()?;
        let path = parent.join(format!("pictor-probe-{:016x}", u64::from_ne_bytes(name)));
        std::fs::create_dir_all(&path).ok()?;
        Some(Self(path))
    }
}

impl Drop for Scratch {
    fn drop(&mut self) {
        let _ = std::fs::remove_dir_all(&self.0);
    }
}
