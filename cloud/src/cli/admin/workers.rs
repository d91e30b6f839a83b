//! Workers from the command line: made together with their one-time configuration file, and listed.

use std::path::Path;

use anyhow::{Context, Result, bail};
use pictor_actors::ids::WorkerId;
use url::Url;

use super::private_file::PrivateFile;
use super::{account, checked_name, now};
use crate::boot;
use crate::config::Config;
use crate::config::address::is_wildcard;
use crate::secrets::enrolment;
use crate::store::{NewWorkerRow, Store};

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
    if is_wildcard(&address) {
        let port = address.port_or_known_default().unwrap_or_default();
        bail!(
            "the cloud listens on every interface ({}), which is no address that a worker can call: say \
             --cloud http://HOST:{port} with this machine's name or address, or set server.public_url",
            address.as_str().trim_end_matches('/'),
        );
    }
    let name = checked_name(name)?;
    let new = NewWorkerRow { id: WorkerId::generate(), account_id: account.id, name: name.clone() };
    let cannot_write = || format!("cannot write {}", out.display());
    // Begun first: a worker without its file would only stand in the way of the next try.
    let file = PrivateFile::begin(out, &new.id.to_string()).with_context(cannot_write)?;
    let worker = store.create_worker(&new, now()).await?;
    let fresh = enrolment::fresh_configuration(store, worker.id, &name, &address, now()).await?;
    if let Err(error) = file.finish(&fresh.content) {
        store.remove_worker(account.id, worker.id, now()).await?;
        return Err(error).with_context(cannot_write);
    }
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
