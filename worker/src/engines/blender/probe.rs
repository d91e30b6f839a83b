//! Starts a program to see whether it is Blender (or a Python with `bpy`), which version, and which engines
//! work here.

use std::path::{Path, PathBuf};
use std::time::Duration;

use pictor_actors::protocol::Software;
use pictor_actors::protocol::assignment::RenderEngine;
use tokio::io::AsyncWriteExt;
use tokio::process::Child;
use tokio::time::timeout;

use super::command::{BPY, Launch, command};
use super::lines::BoundedLines;
use super::wire::{Answer, Order, read_answer};
use crate::machine::FoundSoftware;
use crate::platform::{ProcessGroup, ProcessLimits, spawn};

/// A program that does not greet by then is no Blender.
const GREETS_WITHIN: Duration = Duration::from_secs(60);
/// Eight by eight pixels take longer only where an engine does not work: software rendering of a new EEVEE
/// takes minutes.
const TRIES_WITHIN: Duration = Duration::from_secs(60);
/// The engines, the surest first.
const ENGINES: [RenderEngine; 3] = [RenderEngine::Cycles, RenderEngine::Eevee, RenderEngine::Workbench];

/// What came out.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Probed {
    /// It renders.
    Works(FoundSoftware),
    /// It runs and is something else, or a Blender that renders nothing.
    NotBlender,
    /// It did not answer in time or could not be started.
    NoAnswer,
}

struct Greeting {
    version: String,
    denoiser: bool,
}

/// What one engine's try came to.
enum Tried {
    Works,
    Not(String),
}

/// Probes one program: one process per engine, since an engine that lacks its graphics may take the process
/// along.
pub async fn probe(program: &Path, is_python: bool) -> Probed {
    let mut found: Option<FoundSoftware> = None;
    for engine in ENGINES {
        let (greeting, tried) = match try_engine(program, is_python, engine).await {
            Ok(answers) => answers,
            Err(probed) if found.is_none() => return probed,
            Err(_) => continue,
        };
        let entry = found.get_or_insert_with(|| FoundSoftware {
            software: Software {
                name: if is_python { BPY } else { "Blender" }.to_owned(),
                version: greeting.version,
                path: program.to_string_lossy().into_owned(),
                engines: Vec::new(),
            },
            has_denoiser: greeting.denoiser,
            notes: Vec::new(),
        });
        match tried {
            Tried::Works => entry.software.engines.push(engine),
            Tried::Not(why) => entry.notes.push(format!("{engine:?} does not run here: {why}")),
        }
    }
    match found {
        Some(mut found) => {
            if !found.has_denoiser {
                found.notes.push("this build has no denoiser: scenes are rendered without".to_owned());
            }
            Probed::Works(found)
        }
        None => Probed::NotBlender,
    }
}

async fn try_engine(
    program: &Path,
    is_python: bool,
    engine: RenderEngine,
) -> Result<(Greeting, Tried), Probed> {
    let scratch = Scratch::new().ok_or(Probed::NoAnswer)?;
    let launch = Launch {
        program: program.to_owned(),
        is_module: is_python,
        scratch_dir: scratch.0.clone(),
        kernel_cache_dir: scratch.0.clone(),
        gpu_uuid: None,
        limits: ProcessLimits { nice: 5, ..ProcessLimits::default() },
    };
    let child = spawn(command(&launch).map_err(|_| Probed::NoAnswer)?).await.map_err(|_| Probed::NoAnswer)?;
    let group = ProcessGroup::new(child.id().unwrap_or(0));
    let answers = converse(child, engine, &scratch.0.join("try.png"), &group).await;
    group.close();
    answers
}

async fn converse(
    mut child: Child,
    engine: RenderEngine,
    path: &Path,
    group: &ProcessGroup,
) -> Result<(Greeting, Tried), Probed> {
    let (Some(mut stdin), Some(stdout), Some(stderr)) =
        (child.stdin.take(), child.stdout.take(), child.stderr.take())
    else {
        return Err(Probed::NoAnswer);
    };
    // Nobody reads it, but a full pipe would stop the program.
    let drain = tokio::spawn(async move {
        let mut lines = BoundedLines::new(stderr);
        while lines.next().await.is_some() {}
    });
    let mut lines = BoundedLines::new(stdout);
    let _ = stdin.write_all(&Order::TryEngine { engine, path }.to_line()).await;
    let greeting = timeout(GREETS_WITHIN, greeting(&mut lines)).await;
    let tried = match &greeting {
        Ok(Some(_)) => timeout(TRIES_WITHIN, outcome(&mut lines)).await.ok(),
        Ok(None) | Err(_) => None,
    };
    drop(stdin);
    group.kill();
    let _ = child.wait().await;
    drain.abort();
    let greeting = match greeting {
        Ok(Some(greeting)) => greeting,
        Ok(None) => return Err(Probed::NotBlender),
        Err(_) => return Err(Probed::NoAnswer),
    };
    let too_slow = || Tried::Not(format!("no picture in {} s", TRIES_WITHIN.as_secs()));
    Ok((greeting, tried.unwrap_or_else(too_slow)))
}

async fn greeting<R: tokio::io::AsyncRead + Unpin>(lines: &mut BoundedLines<R>) -> Option<Greeting> {
    loop {
        if let Some(Answer::Hello { version, denoiser }) = read_answer(&lines.next().await?) {
            return Some(Greeting { version, denoiser });
        }
    }
}

async fn outcome<R: tokio::io::AsyncRead + Unpin>(lines: &mut BoundedLines<R>) -> Tried {
    while let Some(line) = lines.next().await {
        match read_answer(&line) {
            Some(Answer::Tried { why_not: None }) => return Tried::Works,
            Some(Answer::Tried { why_not: Some(why) } | Answer::Failed { text: why, .. }) => {
                return Tried::Not(why);
            }
            Some(_) | None => {}
        }
    }
    Tried::Not("the program ended".to_owned())
}

/// A temporary folder that is removed.
struct Scratch(PathBuf);

impl Scratch {
    fn new() -> Option<Self> {
        let mut name = [0_u8; 8];
        getrandom::fill(&mut name).ok()?;
        let path = std::env::temp_dir().join(format!("pictor-probe-{:016x}", u64::from_ne_bytes(name)));
        std::fs::create_dir(&path).ok()?;
        Some(Self(path))
    }
}

impl Drop for Scratch {
    fn drop(&mut self) {
        let _ = std::fs::remove_dir_all(&self.0);
    }
}
