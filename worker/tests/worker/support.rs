//! Starts and stops workers.

use std::path::Path;
use std::sync::Arc;

use pictor_actors::ids::WorkerId;
use pictor_actors::now::SystemClock;
use pictor_actors::supervise::{Shutdown, StopReason};
use pictor_actors::units::Millis;
use pictor_worker::boot::{self, Outcome, Parts};
use pictor_worker::config::{DataDir, Identity, Key, Settings};
use pictor_worker::control::InstanceLock;
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
    pub fn start(cloud: &FakeCloud, folder: &Path, frame: Millis) -> Self {
        let data = DataDir::open(Some(folder.to_owned())).unwrap();
        let clock = Arc::new(SystemClock);
        let plan = FakePlan { frame, ..FakePlan::default() };
        let identity =
            Identity { cloud: cloud.url.clone(), worker: WorkerId::from_u128(1), name: "rig".into() };
        let software =
            FoundSoftware { software: simulated_software(), has_denoiser: true, notes: Vec::new() };
        let parts = Parts {
            data: data.clone(),
            identity,
            key: Key::generate().unwrap(),
            settings: Settings::for_testing(),
            engine: Arc::new(FakeEngine::for_simulation(clock.clone(), plan)),
            machine: Box::new(FakeMachine::with_gpus("rig", 1)),
            software: Some(vec![software]),
            clock,
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
