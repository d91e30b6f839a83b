//! Starts the reading process and waits for it, bounded.

use std::path::{Path, PathBuf};
use std::process::{ExitStatus, Stdio};
use std::sync::Arc;

use pictor_actors::units::Millis;
use tokio::io::AsyncReadExt;
use tokio::process::{Child, Command};
use tokio::sync::Semaphore;
use tokio::time::timeout;

use super::{Inspected, Unread, child};

/// Wall time for one file: the limit on processor time, and waiting for the disk.
const WITHIN: Millis = Millis::from_secs(120);
/// Bytes of one answer; 20,000 links are below 4 MiB.
const ANSWER_BYTES_MAX: u64 = 16 * 1024 * 1024;
/// Reading processes at a time: each may take a processor and gigabytes.
const AT_A_TIME: usize = 2;

/// Has `.blend` files read by processes of the given program. Clones share the bound.
#[derive(Debug, Clone)]
pub struct Inspector {
    program: PathBuf,
    scratch_dir: PathBuf,
    permits: Arc<Semaphore>,
}

impl Inspector {
    /// `program` must know the verb [`child::VERB`]; compressed files are unpacked to `scratch_dir`.
    #[must_use]
    pub fn new(program: PathBuf, scratch_dir: PathBuf) -> Self {
        Self { program, scratch_dir, permits: Arc::new(Semaphore::new(AT_A_TIME)) }
    }

    /// Reads one file.
    ///
    /// # Errors
    /// Why it could not be read.
    pub async fn inspect(&self, path: &Path) -> Result<Inspected, Unread> {
        let Ok(_permit) = self.permits.acquire().await else { return Err(unreadable("the cloud stops")) };
        let started = match tokio::fs::create_dir_all(&self.scratch_dir).await {
            Ok(()) => self.start(path),
            Err(error) => Err(error),
        };
        let mut reading = started.map_err(|error| {
            let program = self.program.display();
            tracing::warn!(%error, %program, "the reader of .blend files does not start");
            unreadable("the cloud's reader of .blend files does not start")
        })?;
        let read = timeout(WITHIN.to_duration(), answer(&mut reading)).await;
        let (status, text) = match read {
            Ok(Ok(answer)) => answer,
            Ok(Err(error)) => return Err(unreadable(format!("its reader broke off: {error}"))),
            Err(_) => return Err(unreadable("reading it took too long")),
        };
        if status.success() {
            return serde_json::from_str(&text).map_err(|_| unreadable("its reader gave no answer"));
        }
        if status.code() == Some(i32::from(child::NOT_BLEND)) {
            return Err(Unread::NotBlend);
        }
        let why = text.lines().next().unwrap_or_default().chars().take(300).collect::<String>();
        let why = if why.is_empty() { "it needs too much memory or is damaged".to_owned() } else { why };
        Err(unreadable(why))
    }

    fn start(&self, path: &Path) -> std::io::Result<Child> {
        Command::new(&self.program)
            .arg(child::VERB)
            .arg(path)
            .env_clear()
            .env("TMPDIR", &self.scratch_dir)
            .current_dir(&self.scratch_dir)
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .kill_on_drop(true)
            .spawn()
    }
}

fn unreadable(why: impl Into<String>) -> Unread {
    Unread::Unreadable(why.into())
}

async fn answer(reading: &mut Child) -> std::io::Result<(ExitStatus, String)> {
    let mut text = String::new();
    if let Some(stdout) = reading.stdout.take() {
        stdout.take(ANSWER_BYTES_MAX).read_to_string(&mut text).await?;
    }
    Ok((reading.wait().await?, text))
}
