//! Starts and stops workers.

use std::path::Path;
use std::sync::Arc;

use futures_util::future::BoxFuture;
use pictor_actors::ids::WorkerId;
use pictor_actors::now::SystemClock;
use pictor_actors::protocol::Software;
use pictor_actors::supervise::{Shutdown, StopReason};
use pictor_actors::units::Millis;
use pictor_worker::boot::{self, Outcome, Parts};
use pictor_worker::config::{DataDir, Identity, Key, Settings};
use pictor_worker::control::InstanceLock;
use pictor_worker::engines::fake::{FakeEngine, FakePlan};
use pictor_worker::engines::{Engine, EngineEvent, EngineFailure, EngineRequest, EngineSession};
use pictor_worker::machine::fake::{FakeMachine, simulated_software};
use pictor_worker::machine::{CyclesOn, FoundSoftware, Machine};

use tokio::sync::mpsc;

use crate::cloud::FakeCloud;

pub struct Worker {
    pub data: DataDir,
    pub shutdown: Shutdown,
    running: tokio::task::JoinHandle<Outcome>,
}

/// The simulated engine renders only for the simulated software; here it does for any.
struct ForAnySoftware(FakeEngine);

impl Engine for ForAnySoftware {
    fn start(
        &self,
        request: EngineRequest,
        events: mpsc::Sender<EngineEvent>,
    ) -> BoxFuture<'static, Result<Box<dyn EngineSession>, EngineFailure>> {
        self.0.start(EngineRequest { software: simulated_software(), ..request }, events)
    }
}

impl Worker {
    /// With a simulated engine that takes this long for a frame, on a simulated GPU.
    pub fn start(cloud: &FakeCloud, folder: &Path, frame: Millis) -> Self {
        let plan = FakePlan { frame, ..FakePlan::default() };
        let engine = Arc::new(FakeEngine::for_simulation(Arc::new(SystemClock), plan));
        Self::start_with(cloud, folder, engine, simulated_software(), 1)
    }

    /// With a program of which it has to find out what it can do.
    pub fn start_looking(cloud: &FakeCloud, folder: &Path, program: &Path, frame: Millis) -> Self {
        Self::start_looking_on(Box::new(FakeMachine::with_gpus("rig", 1)), cloud, folder, program, frame)
    }

    /// The same on this machine.
    pub fn start_looking_on(
        machine: Box<dyn Machine>,
        cloud: &FakeCloud,
        folder: &Path,
        program: &Path,
        frame: Millis,
    ) -> Self {
        let plan = FakePlan { frame, ..FakePlan::default() };
        let engine = Arc::new(ForAnySoftware(FakeEngine::for_simulation(Arc::new(SystemClock), plan)));
        let settings = Settings { blender: vec![program.to_owned()], ..Settings::for_testing() };
        Self::begin(cloud, folder, engine, None, settings, machine)
    }

    /// On a disk that has less room than its owner wants; `before` sees the folder of inputs first.
    pub fn start_low_on_disk(cloud: &FakeCloud, folder: &Path, before: impl FnOnce(&Path)) -> Self {
        before(&DataDir::open(Some(folder.to_owned())).unwrap().inputs());
        let engine = Arc::new(FakeEngine::for_simulation(Arc::new(SystemClock), FakePlan::default()));
        let settings = Settings { disk_free_bytes_min: 1 << 60, ..Settings::for_testing() };
        let machine = Box::new(FakeMachine::with_gpus("rig", 1));
        Self::begin(cloud, folder, engine, Some(Vec::new()), settings, machine)
    }

    /// With this engine, which renders with `software`, on as many simulated GPUs; none: on the CPU.
    pub fn start_with(
        cloud: &FakeCloud,
        folder: &Path,
        engine: Arc<dyn Engine>,
        software: Software,
        gpus: u16,
    ) -> Self {
        let machine = Box::new(FakeMachine::with_gpus("rig", gpus));
        let software = vec![FoundSoftware {
            software,
            has_denoiser: true,
            notes: Vec::new(),
            cycles_on: CyclesOn::Everything,
        }];
        Self::begin(cloud, folder, engine, Some(software), Settings::for_testing(), machine)
    }

    fn begin(
        cloud: &FakeCloud,
        folder: &Path,
        engine: Arc<dyn Engine>,
        software: Option<Vec<FoundSoftware>>,
        settings: Settings,
        machine: Box<dyn Machine>,
    ) -> Self {
        let data = DataDir::open(Some(folder.to_owned())).unwrap();
        let identity =
            Identity { cloud: cloud.url.clone(), worker: WorkerId::from_u128(1), name: "rig".into() };
        let parts = Parts {
            data: data.clone(),
            identity,
            key: Key::generate().unwrap(),
            settings,
            engine,
            machine,
            software,
            clock: Arc::new(SystemClock),
        };
        let (shutdown, lock) = (Shutdown::new(), InstanceLock::take(&data).unwrap().unwrap());
        let told = shutdown.clone();
        let running = actix_web::rt::spawn(async move { boot::run(parts, told, &lock).await.unwrap() });
        Self { data, shutdown, running }
    }

    pub async fn stop(self) -> Outcome {
        self.shutdown.begin(StopReason::Asked("the test".into()));
        self.running.await.unwrap()
    }

    /// Whole entries in the spool; looks only, as the worker is at work in it.
    pub fn spooled(&self) -> usize {
        let names = std::fs::read_dir(self.data.spool()).unwrap();
        names
            .filter(|name| name.as_ref().unwrap().path().extension().is_some_and(|end| end == "json"))
            .count()
    }
}
