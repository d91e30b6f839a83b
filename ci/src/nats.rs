//! A NATS server for tests and benchmarks: Debian's, on a free loopback port, gone with its handle.

use std::path::Path;
use std::process::{Child, Command, Stdio};

use anyhow::{Context, Result};

use crate::farm::{free_port, kill_hard};

/// A server, which may be killed and started again at the same address.
pub struct Nats {
    port: u16,
    server: Option<Child>,
}

impl Nats {
    /// Starts one.
    pub fn start() -> Result<Self> {
        let mut nats = Self { port: free_port()?, server: None };
        nats.start_again()?;
        Ok(nats)
    }

    /// Starts it at the address of before.
    pub fn start_again(&mut self) -> Result<()> {
        let debian = Path::new("/usr/sbin/nats-server");
        let program = if debian.is_file() { debian } else { Path::new("nats-server") };
        let server = Command::new(program)
            .args(["--addr", "127.0.0.1", "--port", &self.port.to_string()])
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .context("cannot start nats-server, which `cargo ci setup` installs")?;
        self.server = Some(server);
        Ok(())
    }

    /// What a cloud's bus is set to.
    pub fn url(&self) -> String {
        format!("nats://127.0.0.1:{}", self.port)
    }

    /// Ends it as a power cut would.
    pub fn kill(&mut self) -> Result<()> {
        self.server.take().map_or(Ok(()), |mut server| kill_hard(&mut server))
    }
}

impl Drop for Nats {
    fn drop(&mut self) {
        // It is the end of a test or a benchmark; there is nobody to tell.
        drop(self.kill());
    }
}
