//! One cloud as a process; a farm has one, and may have further ones on the same database.

use std::fs::OpenOptions;
use std::io::{BufRead, BufReader};
use std::path::{Path, PathBuf};
use std::process::{Child, Stdio};
use std::sync::mpsc::sync_channel;
use std::time::Duration;

use anyhow::{Context, Result, bail};

use super::kept::{self, Rank, kill_hard, stop};
use super::{Programs, READY_WITHIN, is_alive, pause};

/// A running cloud; dropping it stops it.
pub struct Replica {
    folder: PathBuf,
    settings: Vec<(&'static str, String)>,
    url: String,
    process: Child,
}

impl Replica {
    /// Starts a cloud that keeps everything in `folder`.
    pub(super) fn start(
        programs: &Programs,
        folder: &Path,
        listen: &str,
        settings: &[(&'static str, String)],
    ) -> Result<Self> {
        let (process, url) = serve(programs, folder, listen, settings)?;
        Ok(Self { folder: folder.into(), settings: settings.into(), url, process })
    }

    /// Its address.
    pub fn url(&self) -> &str {
        &self.url
    }

    /// Its `host:port`.
    pub fn listen(&self) -> &str {
        self.url.trim_start_matches("http://")
    }

    /// Its process number.
    pub fn process(&self) -> u32 {
        self.process.id()
    }

    /// Ends it as a power cut would.
    pub fn kill(&mut self) -> Result<()> {
        kill_hard(&mut self.process)
    }

    /// Asks it to end, as a service manager would, waits until it has, and gives the time it took.
    pub fn end(&mut self, within: Duration) -> Result<Duration> {
        crate::shell::output("kill", &["-TERM", &self.process.id().to_string()])?;
        let started = crate::shell::started_now();
        while is_alive(self.process.id()) {
            if started.elapsed() > within {
                bail!("the cloud still runs {} s after it was asked to end", within.as_secs());
            }
            pause(Duration::from_millis(20));
        }
        let took = started.elapsed();
        let status = self.process.wait()?;
        kill_hard(&mut self.process)?; // takes it off the list of what runs
        if !status.success() {
            bail!("the cloud ended with {status}");
        }
        Ok(took)
    }

    /// Starts it again at the same address with the same folder.
    pub fn restart(&mut self, programs: &Programs) -> Result<()> {
        let settings = self.settings.clone();
        self.restart_with(programs, &settings)
    }

    /// The same, this once with these settings.
    pub(super) fn restart_with(
        &mut self,
        programs: &Programs,
        settings: &[(&'static str, String)],
    ) -> Result<()> {
        let listen = self.listen().to_owned();
        (self.process, self.url) = serve(programs, &self.folder, &listen, settings)?;
        Ok(())
    }
}

impl Drop for Replica {
    fn drop(&mut self) {
        stop(&mut self.process);
    }
}

fn serve(
    programs: &Programs,
    folder: &Path,
    listen: &str,
    settings: &[(&'static str, String)],
) -> Result<(Child, String)> {
    let mut command = programs.command("pictor-cloud");
    command.arg("serve").args(["--listen", listen]).arg("--data").arg(folder.join("cloud"));
    command.envs(settings.iter().map(|(name, value)| (name, value)));
    let log = OpenOptions::new().create(true).append(true).open(folder.join("cloud.log"))?;
    command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(log);
    let mut cloud = kept::start(command, Rank::Cloud)?;
    match address_said(&mut cloud) {
        Ok(url) => Ok((cloud, url)),
        Err(error) => {
            kill_hard(&mut cloud)?;
            let log = std::fs::read_to_string(folder.join("cloud.log")).unwrap_or_default();
            Err(error.context(format!("its log:\n{log}")))
        }
    }
}

/// The first address that the cloud prints; the rest of its output is read on and dropped so that it never
/// blocks.
fn address_said(cloud: &mut Child) -> Result<String> {
    let output = cloud.stdout.take().context("the cloud's output is a pipe")?;
    let (tell, told) = sync_channel(1);
    std::thread::spawn(move || {
        for line in BufReader::new(output).lines().map_while(Result::ok) {
            if let Some(at) = line.find("http://") {
                let address = line[at..].split_whitespace().next().unwrap_or_default();
                let _ = tell.try_send(address.trim_end_matches('/').to_owned());
            }
        }
    });
    told.recv_timeout(READY_WITHIN).context("the cloud did not print its address")
}
