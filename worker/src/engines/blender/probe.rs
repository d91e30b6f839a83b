//! Starts a program to see whether it is Blender (or a Python with `bpy`), which version, and whether an
//! engine works here. Which programs are tried with which engines, and in which order, is
//! `machine/software.rs`'s.

use std::path::{Path, PathBuf};
use std::time::Duration;

use pictor_actors::protocol::GpuFacts;
use pictor_actors::protocol::assignment::RenderEngine;
use pictor_worker_domain::progress::line::{Line, read_line};
use tokio::io::AsyncWriteExt;
use tokio::process::Child;
use tokio::time::timeout;

use super::command::{Launch, command};
use super::lines::BoundedLines;
use super::wire::{Answer, Order, read_answer};
use crate::platform::{ProcessGroup, ProcessLimits, spawn};

/// What a dead program printed is read by then; a process that left its group may hold the pipe for ever.
const PRINTED_WITHIN: Duration = Duration::from_secs(5);
/// A program that does not greet by then is no Blender.
const GREETS_WITHIN: Duration = Duration::from_secs(60);
/// Eight by eight pixels take longer only where an engine does not work: software rendering of a new EEVEE
/// takes minutes.
const TRIES_WITHIN: Duration = Duration::from_secs(60);

/// On a GPU the driver may have to compile kernels first, which it does once: they are kept.
const TRIES_ON_GPU_WITHIN: Duration = Duration::from_secs(300);
/// Lines of Blender's output that are searched for a failure of a GPU; the first ones say it.
const LINES_KEPT: usize = 200;

/// What is to be tried, and where.
#[derive(Debug, Clone, Copy)]
pub struct TryOut<'a> {
    /// Which engine.
    pub engine: RenderEngine,
    /// The GPU that Cycles is to take; nothing: the processor.
    pub gpu: Option<&'a GpuFacts>,
    /// The try makes a folder of its own in it.
    pub scratch_dir: &'a Path,
    /// Where compiled kernels stay; nothing: they go with the try.
    pub kernel_cache_dir: Option<&'a Path>,
}

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
pub async fn try_engine(program: &Path, is_python: bool, out: TryOut<'_>) -> Result<Tried, Untold> {
    let scratch = Scratch::in_folder(out.scratch_dir).ok_or(Untold::NoAnswer)?;
    let kernel_cache_dir = out.kernel_cache_dir.map_or_else(|| scratch.0.clone(), Path::to_owned);
    std::fs::create_dir_all(&kernel_cache_dir).map_err(|_| Untold::NoAnswer)?;
    let launch = Launch {
        program: program.to_owned(),
        is_module: is_python,
        scratch_dir: scratch.0.clone(),
        kernel_cache_dir,
        gpu_uuid: out.gpu.and_then(|gpu| gpu.uuid.clone()),
        limits: ProcessLimits { nice: 5, ..ProcessLimits::default() },
    };
    let command = command(&launch).map_err(|_| Untold::NoAnswer)?;
    let mut child = spawn(command).await.map_err(|_| Untold::NoAnswer)?;
    // Declared after the child, so that it goes before it: the leader's number is still the leader's.
    let group = Ended(ProcessGroup::new(child.id().unwrap_or(0)));
    converse(&mut child, out, &scratch.0.join("try.png"), &group.0).await
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
    out: TryOut<'_>,
    path: &Path,
    group: &ProcessGroup,
) -> Result<Tried, Untold> {
    let (Some(mut stdin), Some(stdout), Some(stderr)) =
        (child.stdin.take(), child.stdout.take(), child.stderr.take())
    else {
        return Err(Untold::NoAnswer);
    };
    // Read to its end: a full pipe would stop the program.
    let printing = tokio::spawn(async move {
        let (mut lines, mut kept) = (BoundedLines::new(stderr), Vec::new());
        while let Some(line) = lines.next().await {
            if kept.len() < LINES_KEPT {
                kept.push(line);
            }
        }
        kept
    });
    let mut lines = BoundedLines::new(stdout);
    let gpu = out.gpu.map(|gpu| gpu.pci_id.as_str());
    let _ = stdin.write_all(&Order::TryEngine { engine: out.engine, path, gpu }.to_line()).await;
    let greeting = timeout(GREETS_WITHIN, greeting(&mut lines)).await;
    let within = if gpu.is_some() { TRIES_ON_GPU_WITHIN } else { TRIES_WITHIN };
    let outcome = match &greeting {
        Ok(Some(_)) => timeout(within, outcome(&mut lines)).await.ok(),
        Ok(None) | Err(_) => None,
    };
    drop(stdin);
    group.kill();
    let _ = child.wait().await;
    let abort = printing.abort_handle();
    let printed = timeout(PRINTED_WITHIN, printing).await;
    abort.abort();
    let printed = printed.ok().and_then(Result::ok).unwrap_or_default();
    let Greeting { version, denoiser } = match greeting {
        Ok(Some(greeting)) => greeting,
        Ok(None) => return Err(Untold::NotBlender),
        Err(_) => return Err(Untold::NoAnswer),
    };
    let is_too_slow = outcome.is_none();
    let why_not = match outcome {
        Some(told) if gpu.is_some() => why_not_on_gpu(told, &printed),
        Some(told) => told,
        None => Some(format!("no picture in {} s", within.as_secs())),
    };
    Ok(Tried { version, has_denoiser: denoiser, why_not, is_too_slow })
}

/// Whether a GPU rendered: a build without kernels for it writes a black picture and only prints why. What it
/// printed says more than the driver's own words, where both are there.
fn why_not_on_gpu(told: Option<String>, printed: &[String]) -> Option<String> {
    let is_fatal = |line: &&String| match read_line(line) {
        Line::Symptom(symptom) => symptom.fatal,
        Line::Stats(_) | Line::Saved { .. } | Line::Other | Line::Empty => false,
    };
    printed.iter().find(is_fatal).map(|line| line.trim().to_owned()).or(told)
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

#[cfg(test)]
mod tests {
    use super::*;

    /// Lines that Blender printed where its build had no kernels for the GPU, or the driver could not use
    /// them; it wrote a picture all the same in the first.
    const WITHOUT_KERNELS: [&[&str]; 3] = [
        &[
            "Read prefs: \"/tmp/x/userpref.blend\"",
            "Fra:1 Mem:9.1M (Peak 9.1M) | Time:00:00.09 | Mem:0.0M, Peak:0.0M | Scene, View Layer | Loading \
             render kernels (may take a few minutes the first time)",
            "CUDA binary kernel for this graphics card compute capability (9.0) not found.",
            "Refer to the Cycles GPU rendering documentation for possible solutions:",
        ],
        &["CUDA nvcc compiler not found. Install CUDA toolkit in default location."],
        &["00:01.361  cycles           | ERROR Failed to load OptiX kernel from '/x' \
             (OPTIX_ERROR_INTERNAL_ERROR)"],
    ];

    #[test]
    fn a_gpu_without_kernels_is_not_offered_whatever_the_driver_script_says() {
        for printed in WITHOUT_KERNELS {
            let printed: Vec<String> = printed.iter().map(ToString::to_string).collect();
            for told in [None, Some("Error: rendering failed".to_owned())] {
                let why = why_not_on_gpu(told, &printed).unwrap_or_default().to_lowercase();
                assert!(why.contains("kernel") || why.contains("nvcc"), "{why}");
            }
        }
    }

    #[test]
    fn a_gpu_that_rendered_is_offered() {
        let printed = [
            "Fra:1 Mem:9.1M (Peak 9.1M) | Time:00:00.09 | Mem:0.8M, Peak:0.8M | Scene, Out of memory in \
             CUDA | Sample 1/1",
            "Saved: '/tmp/x/try.png'",
            "Time: 00:00.41 (Saving: 00:00.01)",
        ];
        assert_eq!(why_not_on_gpu(None, &printed.map(str::to_owned)), None);
        let refused = Some("Cycles does not offer the GPU".to_owned());
        assert_eq!(why_not_on_gpu(refused.clone(), &printed.map(str::to_owned)), refused);
    }
}
