//! Starts and stops workers.

use std::path::Path;
use std::sync::Arc;

use pictor_actors::ids::WorkerId;
use pictor_actors::now::SystemClock;
use pictor_actors::protocol::Software;
use pictor_actors::supervise::{Shutdown, StopReason};
use pictor_actors::units::Millis;
use pictor_worker::boot::{self, Outcome, Parts};
use pictor_worker::config::{DataDir, Identity, Key, Settings};
use pictor_worker::control::InstanceLock;
use pictor_worker::engines::Engine;
use pictor_worker::engines::fake::{FakeEngine, FakePlan};
use pictor_worker::machine::FoundSoftware;
use pictor_worker::machine::fake::{FakeMachine, simulated_software};

use crate::cloud::FakeCloud;

pub struct Worker {
    pub data: DataDir,
    pub shutdown: Shutdown,
    running: tokio::task::JoinHandle<Outcome>,
}

impl Worker {
    /// With a simulated engine that takes this long for a frame, on a simulated GPU.
    pub fn start(cloud: &FakeCloud, folder: &Path, frame: Millis) -> Self {
        let plan = FakePlan { frame, ..FakePlan::default() };
        let engine = Arc::new(FakeEngine::for_simulation(Arc::new(SystemClock), plan));
        Self::start_with(cloud, folder, engine, simulated_software(), 1)
    }

    /// With this engine, which renders with `software`, on as many simulated GPUs; none: on the CPU.
    pub fn start_with(
        cloud: &FakeCloud,
        folder: &Path,
        engine: Arc<dyn Engine>,
        software: Software,
        gpus: u16,
    ) -> Self {
        let data = DataDir::open(Some(folder.to_owned())).unwrap();
        let identity =
            Identity { cloud: cloud.url.clone(), worker: WorkerId::from_u128(1), name: "rig".into() };
        let parts = Parts {
            data: data.clone(),
            identity,
            key: Key::generate().unwrap(),
            settings: Settings::for_testing(),
            engine,
            machine: Box::new(FakeMachine::with_gpus("rig", gpus)),
            software: Some(vec![FoundSoftware { software, has_denoiser: true, notes: Vec::new() }]),
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
