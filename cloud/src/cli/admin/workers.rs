//! Workers from the command line: made together with their one-time configuration file, and listed.

use std::fs::{File, OpenOptions};
use std::io::Write as _;
use std::path::Path;

use anyhow::{Context, Result};
use pictor_actors::ids::WorkerId;
use pictor_cloud_domain::job::plan::check_name;
use url::Url;

use super::{account, now};
use crate::config::Config;
use crate::store::{NewWorkerRow, Store};
use crate::{boot, enrolment};

/// Makes a worker, saves its configuration file and prints its id.
pub(super) async fn create(
    store: &Store,
    config: &Config,
    email: &str,
    name: &str,
    out: &Path,
    cloud: Option<Url>,
) -> Result<()> {
    let account = account(store, email).await?;
    let address = cloud_address(config, cloud)?;
    let name = check_name(name).map_err(|problem| anyhow::anyhow!("that name will not do: {problem}"))?;
    let new = NewWorkerRow { id: WorkerId::generate(), account_id: account.id, name: name.clone() };
    // Opened first: a worker without its file would only stand in the way of the next try.
    let mut file = open_private(out).with_context(|| format!("cannot write {}", out.display()))?;
    let worker = store.create_worker(&new, now()).await?;
    let fresh = enrolment::fresh_configuration(store, worker.id, &name, &address, now()).await?;
    let written = file.set_len(0).and_then(|()| file.write_all(fresh.content.as_bytes()));
    written.with_context(|| format!("cannot write {}", out.display()))?;
    println!("{}", worker.id);
    Ok(())
}

/// Prints the account's workers, one a line.
pub(super) async fn list(store: &Store, email: &str) -> Result<()> {
    let account = account(store, email).await?;
    for worker in store.all_workers_of(account.id).await? {
        println!("{}  {}", worker.id, worker.name);
    }
    Ok(())
}

/// Where the worker shall find the cloud: as said, as configured, where the running one listens, or where one
/// will.
pub(super) fn cloud_address(config: &Config, said: Option<Url>) -> Result<Url> {
    if let Some(url) = said.or_else(|| config.server.public_url.clone()) {
        return Ok(url);
    }
    let running = boot::running_address(&config.data_dir);
    let text = running.unwrap_or_else(|| format!("http://{}", config.server.listen));
    text.parse().with_context(|| format!("{text} is not an address: say --cloud http://…"))
}

/// For the owner's eyes only from the first byte on: the file holds a secret.
fn open_private(path: &Path) -> std::io::Result<File> {
    let mut options = OpenOptions::new();
    // What is there stays until there is something to put in its place.
    options.write(true).create(true).truncate(false);
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
    options.open(path)
}
