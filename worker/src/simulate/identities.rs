//! Who the simulated workers are: read from a folder, or enrolled anew and, with a folder, kept there, so
//! that the next run is the same fleet.
//!
//! ```text
//! DIR/NAME.pictor      a configuration file that waits to be used
//! DIR/NAME.worker      an enrolled worker with its key
//! DIR/spool/wrk_…/     its frames that wait for delivery
//! ```

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use futures_util::{StreamExt, TryStreamExt, stream};
use pictor_actors::backoff::Backoff;
use pictor_actors::protocol::enrolment::{ConfigurationFile, EnrolRequest};
use pictor_actors::units::Millis;
use serde::{Deserialize, Serialize};

use super::SimulateError;
use crate::cloud::{CallError, Cloud};
use crate::config::{Identity, Key};

/// Workers that are enrolled at a time.
const AT_A_TIME: usize = 32;
/// A cloud that gives no answer to one request for so many tries, a minute apart at most, is given up.
const TRIES_MAX: u32 = 60;
/// First and longest wait between two tries.
const RETRY: (Millis, Millis) = (Millis(500), Millis::from_secs(60));

/// An enrolled worker on disk.
#[derive(Serialize, Deserialize)]
struct WorkerFile {
    #[serde(flatten)]
    identity: Identity,
    /// Its private key.
    key: String,
}

/// Where workers come from.
pub struct Source<'a> {
    /// Folder of configuration files and enrolled workers.
    pub folder: Option<&'a Path>,
    /// Cloud with the token of the account that gets new workers.
    pub account: Option<Cloud>,
    /// New workers are named `PREFIX-00001` and so on.
    pub prefix: &'a str,
    /// Told once what slows the enrolment down.
    pub aside: &'a dyn Fn(&str),
}

impl Source<'_> {
    /// So many workers, those of the folder first, by name.
    pub async fn gather(&self, count: usize) -> Result<Vec<(Identity, Key)>, SimulateError> {
        let mut known = match self.folder {
            Some(folder) => self.of_folder(folder, count).await?,
            None => BTreeMap::new(),
        };
        if let Some(account) = &self.account {
            let taken: BTreeSet<String> = known.keys().cloned().collect();
            let names = (1_u32..).map(|number| format!("{}-{number:05}", self.prefix));
            let missing: Vec<String> =
                names.filter(|name| !taken.contains(name)).take(count.saturating_sub(known.len())).collect();
            let made = stream::iter(missing)
                .map(|name| self.made(account, name))
                .buffer_unordered(AT_A_TIME)
                .try_collect::<Vec<_>>()
                .await?;
            known.extend(made.into_iter().map(|worker| (worker.0.name.clone(), worker)));
        }
        if known.len() < count {
            return Err(SimulateError::TooFew { wanted: count, found: known.len() });
        }
        Ok(known.into_values().take(count).collect())
    }

    async fn of_folder(
        &self,
        folder: &Path,
        count: usize,
    ) -> Result<BTreeMap<String, (Identity, Key)>, SimulateError> {
        crate::durable::private_folder(folder)?;
        let (mut known, mut waiting) = (BTreeMap::new(), BTreeMap::new());
        for file in fs::read_dir(folder)? {
            let path = file?.path();
            let Some(stem) = path.file_stem().and_then(|stem| stem.to_str()).map(str::to_owned) else {
                continue;
            };
            match path.extension().and_then(|ending| ending.to_str()) {
                Some("worker") => {
                    known.insert(stem, read_worker(&path)?);
                }
                Some("pictor") => {
                    waiting.insert(stem, path);
                }
                Some(_) | None => {}
            }
        }
        waiting.retain(|stem, _| !known.contains_key(stem));
        let missing = waiting.into_iter().take(count.saturating_sub(known.len()));
        let enrolled = stream::iter(missing)
            .map(|(stem, path)| async move {
                let text = fs::read_to_string(&path)?;
                let file = toml::from_str(&text).map_err(|error| unreadable(&path, error.message()))?;
                let worker = self.enrolled(&file, &stem).await?;
                let _ = fs::remove_file(&path); // it is used up; left behind it is not looked at again
                Ok::<_, SimulateError>((stem, worker))
            })
            .buffer_unordered(AT_A_TIME)
            .try_collect::<Vec<_>>()
            .await?;
        known.extend(enrolled);
        Ok(known)
    }

    async fn made(&self, account: &Cloud, name: String) -> Result<(Identity, Key), SimulateError> {
        let worker = self.patiently(|| account.worker_named(&name)).await?;
        let file = self.patiently(|| account.fresh_configuration(worker)).await?;
        self.enrolled(&file, &name).await
    }

    async fn enrolled(&self, file: &ConfigurationFile, stem: &str) -> Result<(Identity, Key), SimulateError> {
        let cloud: url::Url =
            file.cloud.parse().map_err(|_| unreadable(Path::new(stem), "its cloud is no web address"))?;
        // On disk before the cloud hears of it: when the answer is lost, the same file with the same key is
        // taken again.
        let key = match self.folder {
            Some(folder) => kept_key(&folder.join(format!("{stem}.key")))?,
            None => Key::generate()?,
        };
        let caller = match &self.account {
            Some(account) => account.sibling(),
            None => Cloud::new(cloud.clone()),
        };
        let (worker, token, public_key) = (file.worker, file.token.clone(), key.public());
        let request = EnrolRequest { worker, token, public_key, hostname: format!("{stem} (simulated)") };
        let answer = self.patiently(|| caller.enrol(&request)).await?;
        let identity = Identity { cloud, worker: answer.worker, name: answer.name };
        if let Some(folder) = self.folder {
            let (identity, key) = (identity.clone(), key.to_text().trim().to_owned());
            let text = toml::to_string(&WorkerFile { identity, key }).map_err(io::Error::other)?;
            write_private(&folder.join(format!("{stem}.worker")), &text)?;
            let _ = fs::remove_file(folder.join(format!("{stem}.key"))); // it stands in the other file
        }
        Ok((identity, key))
    }

    /// Asks until there is an answer; the cloud bounds how often anybody may ask.
    async fn patiently<T, F: Future<Output = Result<T, CallError>>>(
        &self,
        ask: impl Fn() -> F,
    ) -> Result<T, SimulateError> {
        let mut backoff = Backoff::new(RETRY.0, RETRY.1);
        loop {
            match ask().await {
                Ok(answer) => return Ok(answer),
                Err(CallError::Away { why, retry_after }) if backoff.failures() < TRIES_MAX => {
                    (self.aside)(&format!("enrolment waits: {why}"));
                    let wait =
                        backoff.failed(crate::random()).max(retry_after.unwrap_or(Millis(0)).min(RETRY.1));
                    tokio::time::sleep(wait.to_duration()).await;
                }
                Err(error) => return Err(SimulateError::Enrolment(error)),
            }
        }
    }
}

fn kept_key(path: &Path) -> io::Result<Key> {
    if let Some(key) = fs::read_to_string(path).ok().as_deref().and_then(Key::from_text) {
        return Ok(key);
    }
    let key = Key::generate()?;
    write_private(path, &key.to_text())?;
    Ok(key)
}

fn read_worker(path: &Path) -> Result<(Identity, Key), SimulateError> {
    let text = fs::read_to_string(path)?;
    let file: WorkerFile = toml::from_str(&text).map_err(|error| unreadable(path, error.message()))?;
    let key = Key::from_text(&file.key).ok_or_else(|| unreadable(path, "its key is not one"))?;
    Ok((file.identity, key))
}

/// Not flushed: a fleet of thousands would wait for nothing else, and a power cut costs an enrolment.
fn write_private(path: &Path, text: &str) -> io::Result<()> {
    let temporary: PathBuf = path.with_extension("tmp");
    let mut options = fs::OpenOptions::new();
    options.write(true).create(true).truncate(true);
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
    io::Write::write_all(&mut options.open(&temporary)?, text.as_bytes())?;
    fs::rename(&temporary, path)
}

fn unreadable(path: &Path, why: &str) -> SimulateError {
    SimulateError::Unreadable { path: path.display().to_string(), why: why.to_owned() }
}
