//! Starts and stops a cloud within the test's process.

use std::net::TcpListener;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex};
use std::thread::JoinHandle;

use actix_web::web::Data;
use pictor_actors::now::{Clock, Mono, Now, SystemClock};
use pictor_actors::supervise::{Shutdown, StopReason};
use pictor_actors::units::{Millis, UnixMillis};
use pictor_cloud::agents::farm::{Farm, FarmParts};
use pictor_cloud::blobs::{self, Blobs};
use pictor_cloud::config::Config;
use pictor_cloud::http::layers::rate_limit::{RateLimits, RateRules};
use pictor_cloud::http::server;
use pictor_cloud::http::state::AppState;
use pictor_cloud::ingest::Ingest;
use pictor_cloud::store::Store;
use pictor_cloud::telemetry::Metrics;
use pictor_cloud::views::Views;
use tokio::sync::oneshot;

use super::client::Client;
use super::seed::Person;

/// The machine's clock, set ahead by hand.
#[derive(Clone, Default)]
pub struct TestClock(Arc<AtomicU64>);

impl TestClock {
    pub fn advance(&self, by: Millis) {
        self.0.fetch_add(by.0, Ordering::SeqCst);
    }

    pub fn wall(&self) -> UnixMillis {
        self.now().wall
    }
}

impl Clock for TestClock {
    fn now(&self) -> Now {
        let now = SystemClock.now();
        let ahead = self.0.load(Ordering::SeqCst);
        Now { mono: Mono(now.mono.0 + ahead), wall: now.wall.plus(Millis(ahead)) }
    }
}

/// What a test puts between the cloud and its folder of blobs.
pub type BlobsLayer = Arc<dyn Fn(Arc<dyn Blobs>) -> Arc<dyn Blobs> + Send + Sync>;

/// A running cloud with one account, the owner. Stops when dropped.
pub struct TestApp {
    /// `http://127.0.0.1:PORT`
    pub base: String,
    pub config: Arc<Config>,
    pub store: Store,
    pub blobs: Arc<dyn Blobs>,
    pub farm: Farm,
    pub metrics: Metrics,
    pub clock: TestClock,
    pub owner: Person,
    /// What handlers reach, for calling what lies under them.
    pub state: Data<AppState>,
    shutdown: Shutdown,
    thread: Mutex<Option<JoinHandle<()>>>,
    /// Removed last.
    folder: Option<tempfile::TempDir>,
}

/// What the server's thread made.
struct Parts {
    store: Store,
    blobs: Arc<dyn Blobs>,
    farm: Farm,
    state: Data<AppState>,
}

impl TestApp {
    /// A cloud whose rate limits no test reaches by accident.
    pub async fn start() -> Self {
        Self::start_with(|_| {}).await
    }

    /// A cloud with other settings.
    pub async fn start_with(change: impl FnOnce(&mut Config)) -> Self {
        let app = Self::start_empty(change).await;
        app.seed_owner().await;
        app
    }

    /// A cloud without any account: `owner` is not there.
    pub async fn start_empty(change: impl FnOnce(&mut Config)) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let mut config = Config::for_testing(folder.path());
        config.limits.requests_per_minute = 1_000_000;
        config.limits.sign_ins_per_minute = 10_000;
        change(&mut config);
        Self::launch(folder, Arc::new(config), TestClock::default(), Person::named("owner"), plain()).await
    }

    /// A cloud with something between it and its blobs.
    pub async fn start_on(layer: BlobsLayer) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let config = Arc::new(Config::for_testing(folder.path()));
        let app = Self::launch(folder, config, TestClock::default(), Person::named("owner"), layer).await;
        app.seed_owner().await;
        app
    }

    /// Stops the cloud in order and starts another on the same folder, at another address.
    pub async fn restart(mut self) -> Self {
        let folder = self.folder.take().unwrap();
        let (config, clock, owner) = (Arc::clone(&self.config), self.clock.clone(), self.owner.clone());
        tokio::task::spawn_blocking(move || drop(self)).await.unwrap();
        Self::launch(folder, config, clock, owner, plain()).await
    }

    async fn launch(
        folder: tempfile::TempDir,
        config: Arc<Config>,
        clock: TestClock,
        owner: Person,
        layer: BlobsLayer,
    ) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let base = format!("http://{}", listener.local_addr().unwrap());
        let (shutdown, metrics) = (Shutdown::new(), Metrics::new());
        let (sender, receiver) = oneshot::channel();
        let thread = {
            let (config, clock, shutdown, metrics) =
                (Arc::clone(&config), clock.clone(), shutdown.clone(), metrics.clone());
            std::thread::spawn(move || run(config, clock, shutdown, metrics, listener, layer, sender))
        };
        let Parts { store, blobs, farm, state } = receiver.await.expect("the server's thread starts");
        Self {
            base,
            config,
            store,
            blobs,
            farm,
            metrics,
            clock,
            owner,
            state,
            shutdown,
            thread: Mutex::new(Some(thread)),
            folder: Some(folder),
        }
    }

    /// Somebody who shows nothing.
    pub fn nobody(&self) -> Client {
        Client::new(&self.base)
    }

    pub fn now(&self) -> UnixMillis {
        self.clock.wall()
    }
}

fn plain() -> BlobsLayer {
    Arc::new(|blobs| blobs)
}

fn run(
    config: Arc<Config>,
    clock: TestClock,
    shutdown: Shutdown,
    metrics: Metrics,
    listener: TcpListener,
    layer: BlobsLayer,
    ready: oneshot::Sender<Parts>,
) {
    actix_web::rt::System::new().block_on(async move {
        let clock: Arc<dyn Clock> = Arc::new(clock);
        let store = Store::open(&config.database).await.unwrap();
        let blobs = layer(blobs::open(&config.blobs).await.unwrap());
        let farm = Farm::start(FarmParts {
            store: store.clone(),
            blobs: Arc::clone(&blobs),
            config: Arc::clone(&config),
            clock: Arc::clone(&clock),
            metrics: metrics.clone(),
            shutdown: shutdown.clone(),
            replica: None,
        });
        let ingest = Ingest::new(&config, store.clone(), Arc::clone(&blobs), Arc::clone(&clock));
        let state = Data::new(AppState {
            ingest,
            rate_limits: RateLimits::new(&RateRules::from(&config.limits)),
            views: Arc::new(Views::load().unwrap()),
            config,
            store: store.clone(),
            blobs: Arc::clone(&blobs),
            farm: farm.clone(),
            clock,
            metrics,
            shutdown: shutdown.clone(),
        });
        let _ = ready.send(Parts { store, blobs, farm, state: state.clone() });
        let conductor = shutdown.clone();
        let conducting = async move { conductor.conduct(Millis::from_secs(5), Millis::from_secs(2)).await };
        let serving = server::serve(state.into_inner(), listener, shutdown);
        let (served, _) = tokio::join!(serving, conducting);
        served.unwrap();
    });
}

impl Drop for TestApp {
    fn drop(&mut self) {
        self.shutdown.begin(StopReason::Asked("the test".into()));
        let thread = self.thread.lock().unwrap().take();
        // A test that failed already shall say why, not that its server did too.
        if let Some(Err(_)) = thread.map(JoinHandle::join)
            && !std::thread::panicking()
        {
            panic!("the server's thread panicked");
        }
    }
}
