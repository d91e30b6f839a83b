//! A farm of simulated workers in one process, each with its own key, session and slots, that speak the real
//! protocol with a real cloud: to try a dashboard, to size a machine, to see what faults do.
//!
//! Real are the rules (session, slot, outbox, unheard words), the messages, the socket and the requests. Made
//! up are the machine, its metrics, the engine and its pictures. A simulated worker offers the simulated
//! engine only, so no creator's job ever gets there unless it asks for that by name.

pub mod brain;
mod calls;
pub mod dice;
pub mod faults;
mod identities;
mod io;
mod open_files;
pub mod plan;
pub mod report;
pub mod spool;
pub mod stats;
mod worker;

use std::path::PathBuf;
use std::sync::{Arc, OnceLock};

use pictor_actors::now::Clock;
use pictor_actors::units::Millis;
use tokio::sync::{Semaphore, watch};
use tokio::task::JoinSet;
use tokio::time::{interval, timeout};

use crate::cloud::{CallError, Cloud};
use crate::config::{Identity, Key};
use brain::Who;
use faults::FaultKind;
use identities::Source;
use plan::Plan;
use report::{Report, Reporter};
use spool::Spool;
use stats::Stats;
use worker::{Shared, SimWorker};

/// Requests of all workers at a time: enough to keep a cloud busy, few enough connections.
const REQUESTS_MAX: usize = 256;
/// How often the fleet is looked at.
const LOOK_EVERY: Millis = Millis(50);
/// Workers say goodbye within this, or are left.
const LEAVE_MAX: Millis = Millis::from_secs(10);

/// What is to be simulated, and where.
#[derive(Debug, Clone)]
pub struct Orders {
    /// How many workers.
    pub count: usize,
    /// Folder of configuration files, keys and spools.
    pub folder: Option<PathBuf>,
    /// Where new workers are made, with an account's API token.
    pub enrol_with: Option<(url::Url, String)>,
    /// New workers' names begin so.
    pub prefix: String,
    /// Workers that open their first connection at a time.
    pub openings: usize,
    /// A report so often.
    pub every: Millis,
    /// How they behave.
    pub plan: Plan,
}

/// Why a simulation did not begin, or ended by itself.
#[derive(Debug, thiserror::Error)]
pub enum SimulateError {
    /// Not enough workers.
    #[error(
        "{found} of {wanted} workers are known: put more configuration files into the folder, or say \
         --enrol-with TOKEN to make new ones"
    )]
    TooFew {
        /// How many were asked for.
        wanted: usize,
        /// How many there are.
        found: usize,
    },
    /// A file that is not what its name says.
    #[error("{path} cannot be used: {why}")]
    Unreadable {
        /// Which.
        path: String,
        /// What is wrong with it.
        why: String,
    },
    /// The cloud made or took no worker.
    #[error("a worker could not be enrolled: {0}")]
    Enrolment(#[source] CallError),
    /// The system does not allow it.
    #[error("{0}")]
    Limit(String),
    /// The folder.
    #[error("the folder cannot be used: {0}")]
    Disk(#[from] std::io::Error),
    /// No worker is left.
    #[error("the cloud refuses all of these workers: {0}")]
    Refused(String),
}

/// Simulates until `stop` is there, and gives the sum of it. `show` is called for each report, `aside` with
/// what a person should know while waiting.
pub async fn run(
    orders: Orders,
    clock: Arc<dyn Clock>,
    stop: impl Future<Output = ()>,
    mut show: impl FnMut(&Report),
    aside: impl Fn(&str),
) -> Result<Report, SimulateError> {
    let twins = orders.plan.faults.iter().any(|(kind, _)| *kind == FaultKind::Twin);
    let sockets = u64::try_from(orders.count * if twins { 2 } else { 1 }).unwrap_or(u64::MAX);
    open_files::make_room(sockets).map_err(SimulateError::Limit)?;
    let mut stop = std::pin::pin!(stop);
    let workers = tokio::select! {
        workers = gathered(&orders, &aside) => workers?,
        () = &mut stop => return Ok(Reporter::new(Arc::default(), 0, clock).last()),
    };
    let stats = Arc::new(Stats::default());
    let shared = Arc::new(Shared {
        plan: Arc::new(orders.plan.clone()),
        stats: Arc::clone(&stats),
        clock: Arc::clone(&clock),
        openings: Arc::new(Semaphore::new(orders.openings)),
        requests: Arc::new(Semaphore::new(REQUESTS_MAX)),
    });
    let mut reporter = Reporter::new(stats, workers.len(), clock);
    let (order, told) = watch::channel(false);
    let mut tasks = started(&orders, workers, &shared, &told)?;
    let mut looks = interval(LOOK_EVERY.to_duration());
    loop {
        tokio::select! {
            _ = looks.tick() => reporter.look(orders.every, &mut show),
            ended = tasks.join_next() => if ended.is_none() { break },
            () = &mut stop => {
                let _ = order.send(true); // an error: nobody is left
                let leaving = async { while tasks.join_next().await.is_some() {} };
                let _ = timeout(LEAVE_MAX.to_duration(), leaving).await; // the rest is left
                return Ok(reporter.last());
            }
        }
    }
    let why = shared.stats.refusal.get().cloned().unwrap_or_else(|| "it does not say why".to_owned());
    Err(SimulateError::Refused(why))
}

async fn gathered(orders: &Orders, aside: &dyn Fn(&str)) -> Result<Vec<(Identity, Key)>, SimulateError> {
    let told = OnceLock::new();
    let once = |text: &str| {
        if told.set(()).is_ok() {
            aside(&format!(
                "{text} (the cloud's settings limits.requests_per_minute and limits.sign_ins_per_minute \
                 bound how fast workers are made and enrolled)"
            ));
        }
    };
    let account = orders.enrol_with.as_ref().map(|(cloud, token)| {
        let cloud = Cloud::for_many(cloud.clone(), REQUESTS_MAX);
        cloud.set_bearer(Some(token));
        cloud
    });
    let source = Source { folder: orders.folder.as_deref(), account, prefix: &orders.prefix, aside: &once };
    source.gather(orders.count).await
}

fn started(
    orders: &Orders,
    workers: Vec<(Identity, Key)>,
    shared: &Arc<Shared>,
    told: &watch::Receiver<bool>,
) -> Result<JoinSet<()>, SimulateError> {
    let mut clouds: Vec<Cloud> = Vec::new();
    let mut tasks = JoinSet::new();
    for (number, (identity, key)) in workers.into_iter().enumerate() {
        // One client a cloud: workers of one cloud share its connections.
        let cloud = match clouds.iter().find(|cloud| *cloud.base() == identity.cloud) {
            Some(cloud) => cloud.sibling(),
            None => {
                let cloud = Cloud::for_many(identity.cloud.clone(), REQUESTS_MAX);
                let sibling = cloud.sibling();
                clouds.push(cloud);
                sibling
            }
        };
        let spool = match &orders.folder {
            Some(folder) => Spool::open(folder.join("spool").join(identity.worker.to_string()))?,
            None => (Spool::default(), Vec::new()),
        };
        let who = Arc::new(Who { number: number as u64, identity, key });
        tasks.spawn(SimWorker::new(Arc::clone(shared), who, cloud, spool).run(told.clone()));
    }
    Ok(tasks)
}
