//! Start and stop: builds store, blobs, actors and HTTP in order, and lets them go in the reverse order.

use std::fs::{File, TryLockError};
use std::io::Write;
use std::net::TcpListener;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use anyhow::{Context, Result, bail};
use pictor_actors::ids::ReplicaId;
use pictor_actors::now::{Clock, SystemClock};
use pictor_actors::supervise::{Holding, Phase, Shutdown, StopReason};
use pictor_actors::units::Millis;
use url::Url;

use crate::agents::replicas::{LEASE, Peers, Replica, Seen};
use crate::agents::{Farm, FarmParts};
use crate::blobs;
use crate::bus;
use crate::config::Config;
use crate::config::address::{is_wildcard, on_this_machine};
use crate::http::layers::rate_limit::{RateLimits, RateRules};
use crate::http::server;
use crate::http::state::AppState;
use crate::ingest::Ingest;
use crate::secrets::new_secret;
use crate::store::{Beat, Store};
use crate::telemetry::Metrics;
use crate::views::Views;

/// Requests in flight get this long once a stop is asked for.
const DRAIN_WITHIN: Millis = Millis::from_secs(6);
/// Sockets, actors and the store get this long to close after that; the whole stop takes ten seconds at most,
/// and beside other replicas as much longer as the drain lasts.
const CLOSE_WITHIN: Millis = Millis::from_secs(3);
/// A set-up address is good for this long; `admin set-up` prints a fresh one.
pub const SET_UP_VALID_FOR: Millis = Millis::from_secs(24 * 3600);
/// Where the running cloud writes its address, for `admin` verbs beside it.
const ADDRESS_FILE: &str = "address";
/// How often and how long the lock is waited for: an `admin` verb that looks whether a cloud runs holds it
/// for a moment.
const LOCK_TRIES: u32 = 5;
const LOCK_RETRY: Millis = Millis(100);
/// What an operator has to know of a cloud that listens on a wildcard address.
pub const EVERY_INTERFACE: &str = "the cloud listens on every interface, and does not know under which \
    address others call it: set server.public_url to that (http://HOST:PORT, or https://HOST behind a proxy)";
/// Held while a cloud runs with the folder.
const LOCK_FILE: &str = "lock";
/// The name that the newest process with this folder has among its replicas.
const REPLICA_FILE: &str = "replica";

/// Makes the data folder if it is not there: for its owner only, since it holds password hashes, scenes and
/// frames. One that is there keeps the mode its owner chose.
///
/// # Errors
/// It cannot be made.
pub fn private_folder(folder: &Path) -> Result<()> {
    let mut maker = std::fs::DirBuilder::new();
    maker.recursive(true);
    #[cfg(unix)]
    std::os::unix::fs::DirBuilderExt::mode(&mut maker, 0o700);
    maker.create(folder).with_context(|| format!("cannot make the data folder {}", folder.display()))
}

/// Runs the cloud until it is asked to stop.
///
/// # Errors
/// Something it cannot do without could not be had, or an actor was given up.
pub async fn serve(config: Config) -> Result<()> {
    let folder = &config.data_dir;
    private_folder(folder)?;
    let _lock = lock(folder).await?;
    let _database_lock = lock_database(&config).await?;
    let config = Arc::new(config);
    let clock: Arc<dyn Clock> = Arc::new(SystemClock);
    let store = Store::open(&config.database).await.context("cannot open the database")?;
    if config.database.is_one_process() {
        // Killed before, it could not note that its workers' sockets ended.
        store.close_all_links(clock.now().wall).await.context("cannot write to the database")?;
    }
    let blobs = blobs::open(&config.blobs).await.context("cannot open the storage of blobs")?;
    let listener = TcpListener::bind(config.server.listen)
        .with_context(|| format!("cannot listen on {}: is another program there?", config.server.listen))?;
    let listens_on = listener.local_addr().context("the listener has no address")?;
    let address = config.server.address(listens_on);
    let (shutdown, metrics) = (Shutdown::new(), Metrics::new());
    let (store, replica) = join_others(&config, store, &listener).await?;
    let peers = replica.as_ref().map_or_else(Peers::alone, |replica| replica.peers.clone());
    let farm = Farm::start(FarmParts {
        store: store.clone(),
        blobs: Arc::clone(&blobs),
        config: Arc::clone(&config),
        clock: Arc::clone(&clock),
        metrics: metrics.clone(),
        shutdown: shutdown.clone(),
        replica,
    });
    let state = AppState {
        ingest: Ingest::new(&config, store.clone(), Arc::clone(&blobs), Arc::clone(&clock)),
        rate_limits: RateLimits::new(&RateRules::from(&config.limits)),
        views: Arc::new(Views::load().context("cannot read the templates")?),
        config: Arc::clone(&config),
        store: store.clone(),
        blobs,
        farm,
        clock: Arc::clone(&clock),
        metrics,
        shutdown: shutdown.clone(),
    };
    let _noted = NotedAddress::write(&config.data_dir, &address)?;
    // Whoever has read the address may ask it to stop at once.
    stop_on_signals(shutdown.clone())?;
    let drain = Millis(if peers.me().is_some() { config.server.drain_ms } else { 0 });
    let held = shutdown.hold(Phase::Refusing, "load balancer");
    actix_rt::spawn(wait_for_balancer(shutdown.clone(), held, peers.clone(), drain));
    announce(&address, set_up_path(&store, &*clock, &peers).await?.as_deref())?;
    let conducting = shutdown.conduct(Millis(DRAIN_WITHIN.0 + drain.0), CLOSE_WITHIN);
    let (served, report) =
        tokio::join!(server::serve(Arc::new(state), listener, shutdown.clone()), conducting);
    served.context("the HTTP server failed")?;
    store.close().await;
    for (phase, who) in report.overdue {
        tracing::warn!(?phase, who, "had not stopped in time");
    }
    match shutdown.reason() {
        Some(reason) if reason.is_failure() => bail!("{reason}"),
        reason => {
            tracing::info!(reason = reason.map(|reason| reason.to_string()), "stopped");
            Ok(())
        }
    }
}

/// On PostgreSQL this process is one of several that may be there: it takes its place among them, and says
/// what they must have in common.
async fn join_others(
    config: &Config,
    store: Store,
    listener: &TcpListener,
) -> Result<(Store, Option<Replica>)> {
    if config.database.is_one_process() {
        return Ok((store, None));
    }
    let id = ReplicaId::generate();
    // The lock on the folder is ours: whoever noted itself here has ended, and need not be waited for.
    let note = config.data_dir.join(REPLICA_FILE);
    if let Some(before) = std::fs::read_to_string(&note).ok().and_then(|text| text.trim().parse().ok()) {
        store.end_replica(before).await.context("cannot write to the database")?;
    }
    std::fs::write(&note, id.to_string()).context("cannot note this replica's name")?;
    let (bus, heard) = bus::open(&config.bus, id).await?;
    let peers = Peers::of(id, bus);
    let address = listener.local_addr().context("the listener has an address")?.to_string();
    let beat = Beat {
        id,
        address: address.clone(),
        version: env!("CARGO_PKG_VERSION").to_owned(),
        slots: serde_json::Value::Null,
        lease: LEASE,
    };
    let alive = store.keep_replica(&beat).await.context("cannot write to the database")?;
    let others: Vec<_> = alive.into_iter().filter(|row| row.id != id).collect();
    peers.note(Seen { others: others.len(), ..Seen::default() });
    for other in &others {
        let (address, version) = (&other.address, &other.version);
        tracing::info!(replica = %other.id, address, version, "another replica");
    }
    if needs_shared_folder(config, others.len()) {
        tracing::info!(
            folder = %config.blobs.dir.display(),
            "several replicas: each must see this same folder of blobs (a shared file system)"
        );
    }
    let replica = Replica { id, address, peers, heard };
    Ok((store.of_replica(id), Some(replica)))
}

/// Whether this replica's folder of blobs must be the others' too; a bucket is theirs anyway.
fn needs_shared_folder(config: &Config, others: usize) -> bool {
    config.blobs.url.is_none() && (config.bus.url.is_some() || others > 0)
}

/// Once told to stop, requests are served for a while on, so that a load balancer which sees that this
/// replica is not ready can send them elsewhere. Where there is no other replica nobody would be helped.
async fn wait_for_balancer(shutdown: Shutdown, held: Holding, peers: Peers, drain: Millis) {
    shutdown.cancelled().await;
    if peers.seen().others > 0 {
        tracing::info!(
            drain_ms = drain.0,
            "not ready any more; requests are served until the end of the drain"
        );
        tokio::time::sleep(drain.to_duration()).await;
    }
    drop(held);
}

/// An SQLite file outside the data folder has a lock of its own: two clouds on it would not see each other's
/// actors.
async fn lock_database(config: &Config) -> Result<Option<File>> {
    let Some(path) = config.database.url.expose().strip_prefix("sqlite://").map(Path::new) else {
        return Ok(None);
    };
    let Some(folder) = path.parent().filter(|folder| *folder != config.data_dir) else { return Ok(None) };
    let name = path.file_name().unwrap_or_default().to_string_lossy();
    lock_file(&folder.join(format!("{name}.lock")), || {
        format!(
            "another pictor-cloud works on {}: SQLite is for one at a time; stop it, or use PostgreSQL",
            path.display()
        )
    })
    .await
    .map(Some)
}

/// One cloud a data folder: two would not see each other's actors.
async fn lock(folder: &Path) -> Result<File> {
    lock_file(&folder.join(LOCK_FILE), || {
        format!(
            "another pictor-cloud runs with {}: stop it, or say --data with another folder",
            folder.display()
        )
    })
    .await
}

async fn lock_file(path: &Path, taken: impl FnOnce() -> String) -> Result<File> {
    let file = File::create(path).with_context(|| format!("cannot make {}", path.display()))?;
    let mut locked = file.try_lock();
    for _ in 0..LOCK_TRIES {
        if !matches!(locked, Err(TryLockError::WouldBlock)) {
            break;
        }
        tokio::time::sleep(LOCK_RETRY.to_duration()).await;
        locked = file.try_lock();
    }
    match locked {
        Ok(()) => Ok(file),
        Err(TryLockError::WouldBlock) => bail!("{}", taken()),
        Err(TryLockError::Error(error)) => {
            Err(error).with_context(|| format!("cannot lock {}", path.display()))
        }
    }
}

/// The address of the cloud that runs with this data folder; nothing if none does, whatever one that was
/// killed left behind.
#[must_use]
pub fn running_address(folder: &Path) -> Option<String> {
    // Without the right to write: looking must not make a lock.
    let is_held = File::open(folder.join(LOCK_FILE))
        .is_ok_and(|file| matches!(file.try_lock_shared(), Err(TryLockError::WouldBlock)));
    let noted = std::fs::read_to_string(folder.join(ADDRESS_FILE)).ok().filter(|_| is_held)?;
    Some(noted.trim().to_owned()).filter(|address| !address.is_empty())
}

/// The file with the address, there for as long as this is.
struct NotedAddress(PathBuf);

impl NotedAddress {
    fn write(folder: &Path, address: &str) -> Result<Self> {
        let path = folder.join(ADDRESS_FILE);
        std::fs::write(&path, address).context("cannot note the address")?;
        Ok(Self(path))
    }
}

impl Drop for NotedAddress {
    fn drop(&mut self) {
        // One that stays behind is not believed without a running cloud.
        let _ = std::fs::remove_file(&self.0);
    }
}

/// A fresh set-up path while nobody could sign in. Another replica that lives has printed one, which is to
/// stay good.
async fn set_up_path(store: &Store, clock: &dyn Clock, peers: &Peers) -> Result<Option<String>> {
    if store.count_accounts().await? > 0 || peers.seen().others > 0 {
        return Ok(None);
    }
    fresh_set_up_path(store, clock).await.map(Some)
}

/// A fresh one-time set-up path; the one before is dead.
///
/// # Errors
/// The store or the system's random numbers failed.
pub async fn fresh_set_up_path(store: &Store, clock: &dyn Clock) -> Result<String> {
    let (secret, hash) = new_secret("")?;
    store.put_setup_token(&hash, clock.now().wall.plus(SET_UP_VALID_FOR)).await?;
    Ok(format!("/set-up/{secret}"))
}

/// One line for people and scripts, and one while nobody could sign in; the log goes elsewhere.
fn announce(address: &str, set_up: Option<&str>) -> Result<()> {
    let mut out = std::io::stdout().lock();
    out.write_all(announcement(address, set_up)?.as_bytes())?;
    out.flush().context("cannot write to standard output")
}

fn announcement(address: &str, set_up: Option<&str>) -> Result<String> {
    let url: Url = address.parse().with_context(|| format!("{address} is not an address"))?;
    if is_wildcard(&url) {
        tracing::warn!("{EVERY_INTERFACE}");
    }
    let mut text = format!("pictor-cloud listens on {address}\n");
    if let Some(path) = set_up {
        let here = on_this_machine(url);
        let here = here.as_str().trim_end_matches('/');
        text.push_str(&format!("no account yet; set it up once at {here}{path}\n"));
    }
    Ok(text)
}

fn stop_on_signals(shutdown: Shutdown) -> Result<()> {
    #[cfg(unix)]
    {
        use tokio::signal::unix::{SignalKind, signal};
        let mut terminate = signal(SignalKind::terminate()).context("cannot listen for signals")?;
        let mut interrupt = signal(SignalKind::interrupt()).context("cannot listen for signals")?;
        actix_rt::spawn(async move {
            let name = tokio::select! {
                _ = terminate.recv() => "SIGTERM",
                _ = interrupt.recv() => "SIGINT",
            };
            shutdown.begin(StopReason::Asked(name.into()));
        });
    }
    #[cfg(not(unix))]
    actix_rt::spawn(async move {
        if tokio::signal::ctrl_c().await.is_ok() {
            shutdown.begin(StopReason::Asked("Ctrl-C".into()));
        }
    });
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::Secret;

    #[test]
    fn only_replicas_without_a_bucket_are_told_to_share_a_folder() {
        let mut config = Config::for_testing(Path::new("data"));
        assert!(!needs_shared_folder(&config, 0), "alone");
        assert!(needs_shared_folder(&config, 1));
        config.bus.url = Some(Secret::new("nats://127.0.0.1:4222"));
        assert!(needs_shared_folder(&config, 0), "the others come later");
        config.blobs.url = Some("s3://bucket/prefix".parse().unwrap());
        assert!(!needs_shared_folder(&config, 1));
    }

    #[test]
    fn the_set_up_address_is_one_that_can_be_called() {
        for (address, set_up) in [
            ("http://0.0.0.0:7420", "http://127.0.0.1:7420/set-up/x"),
            ("http://[::]:7420", "http://[::1]:7420/set-up/x"),
            ("http://192.168.0.9:7420", "http://192.168.0.9:7420/set-up/x"),
            ("https://farm.example.org", "https://farm.example.org/set-up/x"),
        ] {
            let listens = format!("pictor-cloud listens on {address}\n");
            assert_eq!(announcement(address, None).unwrap(), listens);
            let said = format!("{listens}no account yet; set it up once at {set_up}\n");
            assert_eq!(announcement(address, Some("/set-up/x")).unwrap(), said);
        }
    }
}
