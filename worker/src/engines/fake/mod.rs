//! An engine for tests and simulated farms: small real pictures after a given time, or a failure on demand.
//!
//! The same frame is always the same bytes. Never for a real job: whoever builds it must say so by name
//! ([`FakeEngine::for_simulation`]), and it refuses software that is not a simulated machine's.

pub mod pixels;

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::sync::Arc;

use futures_util::future::BoxFuture;
use pictor_actors::now::Clock;
use pictor_actors::protocol::FailureClass;
use pictor_actors::units::Millis;
use tokio::sync::{mpsc, oneshot};
use tokio::time::sleep;

use super::{Engine, EngineEvent, EngineFailure, EngineRequest, EngineSession, class_of_io};
use crate::machine::fake::simulated_software;

/// How the fake behaves.
#[derive(Debug, Clone)]
pub struct FakePlan {
    /// Time to load a scene.
    pub load: Millis,
    /// Time per frame.
    pub frame: Millis,
    /// Pixels wide and high of its pictures where the task does not say.
    pub resolution: (u32, u32),
    /// Fails at load.
    pub fail_load: Option<FailureClass>,
    /// Fails at these frames.
    pub fail_frames: BTreeMap<i32, FailureClass>,
}

impl Default for FakePlan {
    fn default() -> Self {
        Self {
            load: Millis(20),
            frame: Millis(50),
            resolution: (64, 36),
            fail_load: None,
            fail_frames: BTreeMap::new(),
        }
    }
}

/// The engine.
pub struct FakeEngine {
    clock: Arc<dyn Clock>,
    plan: FakePlan,
}

impl FakeEngine {
    /// A fake that renders nothing real.
    pub fn for_simulation(clock: Arc<dyn Clock>, plan: FakePlan) -> Self {
        Self { clock, plan }
    }
}

impl Engine for FakeEngine {
    fn start(
        &self,
        request: EngineRequest,
        events: mpsc::Sender<EngineEvent>,
    ) -> BoxFuture<'static, Result<Box<dyn EngineSession>, EngineFailure>> {
        let session = Running { clock: self.clock.clone(), plan: self.plan.clone(), request, events };
        Box::pin(session.start())
    }
}

struct FakeSession {
    orders: mpsc::Sender<i32>,
    /// Taken when the session is killed; dropping it does the same.
    alive: Option<oneshot::Sender<()>>,
}

impl EngineSession for FakeSession {
    fn render(&mut self, frame: i32) -> Result<(), EngineFailure> {
        let refuse = |_| {
            EngineFailure::new(FailureClass::WorkerError, "the session is over or a frame is in hand")
                .in_frame(frame)
        };
        self.orders.try_send(frame).map_err(refuse)
    }

    fn kill(&mut self) {
        self.alive = None;
    }
}

struct Running {
    clock: Arc<dyn Clock>,
    plan: FakePlan,
    request: EngineRequest,
    events: mpsc::Sender<EngineEvent>,
}

impl Running {
    async fn start(self) -> Result<Box<dyn EngineSession>, EngineFailure> {
        if self.request.software.name != simulated_software().name {
            let text = "a simulated engine renders only for a simulated machine";
            return Err(EngineFailure::new(FailureClass::EngineNotAvailable, text));
        }
        sleep(self.plan.load.to_duration()).await;
        if let Some(class) = self.plan.fail_load {
            return Err(EngineFailure::new(class, "told to fail while loading"));
        }
        let (orders, ordered) = mpsc::channel(1);
        let (alive, killed) = oneshot::channel();
        tokio::spawn(self.run(ordered, killed));
        Ok(Box::new(FakeSession { orders, alive: Some(alive) }))
    }

    async fn run(self, mut orders: mpsc::Receiver<i32>, mut killed: oneshot::Receiver<()>) {
        let engine = format!("fake {}", self.request.software.version);
        let device = self.request.slot.gpu_pci_id.clone().unwrap_or_else(|| "simulated CPU".to_owned());
        self.tell(EngineEvent::Ready { engine, device }).await;
        loop {
            let frame = tokio::select! {
                frame = orders.recv() => frame,
                _ = &mut killed => None,
            };
            let Some(frame) = frame else { break };
            let rendered = tokio::select! {
                rendered = self.frame(frame) => rendered,
                _ = &mut killed => break,
            };
            if let Err(failure) = rendered {
                self.tell(EngineEvent::Failed(failure)).await;
                break;
            }
        }
        self.tell(EngineEvent::Exited).await;
    }

    async fn frame(&self, frame: i32) -> Result<(), EngineFailure> {
        let began = self.clock.now().mono;
        self.tell(EngineEvent::FrameStarted { frame }).await;
        let half = Millis(self.plan.frame.0 / 2);
        sleep(half.to_duration()).await;
        let text = Some("Sample 1/2".to_owned());
        self.tell(EngineEvent::Progress { frame, done: Some(0.5), samples: Some((1, 2)), text }).await;
        sleep(Millis(self.plan.frame.0 - half.0).to_duration()).await;
        if let Some(class) = self.plan.fail_frames.get(&frame) {
            return Err(EngineFailure::new(*class, "told to fail").in_frame(frame));
        }
        let path = self.write(frame).map_err(|error| {
            let class = class_of_io(&error, FailureClass::NoOutputWritten);
            EngineFailure::new(class, format!("the frame cannot be written: {error}")).in_frame(frame)
        })?;
        let render_ms = self.clock.now().elapsed(began).0;
        self.tell(EngineEvent::FrameWritten { frame, path, render_ms, memory_peak_bytes: None }).await;
        Ok(())
    }

    fn write(&self, frame: i32) -> std::io::Result<PathBuf> {
        let format = self.request.render.format;
        let (width, height) = self.request.render.resolution.unwrap_or(self.plan.resolution);
        let path = self.request.output_dir.join(format!("frame_{frame:06}.{}", format.extension()));
        std::fs::write(&path, pixels::picture(format, frame, width, height, "simulated"))?;
        Ok(path)
    }

    async fn tell(&self, event: EngineEvent) {
        // Nobody listens any more: the session's end comes by the order channel.
        let _ = self.events.send(event).await;
    }
}

#[cfg(test)]
mod tests {
    use pictor_actors::now::SystemClock;
    use pictor_actors::protocol::SlotFacts;
    use pictor_actors::protocol::assignment::{OutputFormat, RenderSettings, TaskLimits};

    use super::*;
    use crate::engines::picture::check_picture;

    fn request(dir: &std::path::Path, format: OutputFormat) -> EngineRequest {
        EngineRequest {
            software: simulated_software(),
            slot: SlotFacts { slot: 0, gpu_pci_id: None, engines: vec![], enabled: true },
            scene: dir.join("a.blend"),
            inputs_dir: dir.into(),
            output_dir: dir.into(),
            scratch_dir: dir.into(),
            render: RenderSettings { format, ..RenderSettings::default() },
            limits: TaskLimits { frame_time_ms: 1000, memory_bytes: None },
        }
    }

    async fn next(events: &mut mpsc::Receiver<EngineEvent>) -> EngineEvent {
        events.recv().await.unwrap()
    }

    #[tokio::test(start_paused = true)]
    async fn frames_are_real_pictures_and_a_failure_ends_the_session() {
        let dir = tempfile::tempdir().unwrap();
        for format in
            [OutputFormat::Png, OutputFormat::Jpeg, OutputFormat::OpenExr, OutputFormat::OpenExrMultilayer]
        {
            let plan = FakePlan { fail_frames: [(2, FailureClass::Crash)].into(), ..FakePlan::default() };
            let engine = FakeEngine::for_simulation(Arc::new(SystemClock), plan);
            let (sender, mut events) = mpsc::channel(16);
            let mut session = engine.start(request(dir.path(), format), sender).await.unwrap();
            assert!(matches!(next(&mut events).await, EngineEvent::Ready { .. }));
            session.render(1).unwrap();
            assert_eq!(next(&mut events).await, EngineEvent::FrameStarted { frame: 1 });
            assert!(matches!(next(&mut events).await, EngineEvent::Progress { .. }));
            let EngineEvent::FrameWritten { path, .. } = next(&mut events).await else { panic!() };
            assert!(check_picture(&path, format).is_ok());
            session.render(2).unwrap();
            next(&mut events).await;
            next(&mut events).await;
            let EngineEvent::Failed(failure) = next(&mut events).await else { panic!() };
            assert_eq!((failure.class, failure.frame), (FailureClass::Crash, Some(2)));
            assert_eq!(next(&mut events).await, EngineEvent::Exited);
        }
    }

    #[tokio::test(start_paused = true)]
    async fn a_killed_session_exits_without_a_failure() {
        let dir = tempfile::tempdir().unwrap();
        let engine = FakeEngine::for_simulation(Arc::new(SystemClock), FakePlan::default());
        let (sender, mut events) = mpsc::channel(16);
        let mut session = engine.start(request(dir.path(), OutputFormat::Png), sender).await.unwrap();
        session.render(1).unwrap();
        session.kill();
        while next(&mut events).await != EngineEvent::Exited {}
        assert!(session.render(2).is_err());
    }

    #[tokio::test]
    async fn a_real_job_is_refused() {
        let dir = tempfile::tempdir().unwrap();
        let engine = FakeEngine::for_simulation(Arc::new(SystemClock), FakePlan::default());
        let mut request = request(dir.path(), OutputFormat::Png);
        request.software.name = "Blender".to_owned();
        let (sender, _events) = mpsc::channel(1);
        let refused = engine.start(request, sender).await.err().unwrap();
        assert_eq!(refused.class, FailureClass::EngineNotAvailable);
    }
}
