//! An engine for tests and simulated farms: small real pictures after a given time, or a failure on demand.
//!
//! Never for a real job: whoever builds it must say so by name ([`FakeEngine::for_simulation`]).
#![allow(clippy::todo, unused_variables)]

use std::collections::BTreeMap;
use std::sync::Arc;

use futures_util::future::BoxFuture;
use pictor_actors::now::Clock;
use pictor_actors::protocol::FailureClass;
use pictor_actors::units::Millis;
use tokio::sync::mpsc;

use super::{Engine, EngineEvent, EngineFailure, EngineRequest, EngineSession};

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
        todo!()
    }
}
