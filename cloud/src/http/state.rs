//! What every handler can reach.

use std::sync::Arc;

use pictor_actors::now::{Clock, Now};
use pictor_actors::supervise::Shutdown;
use pictor_actors::units::UnixMillis;

use super::layers::rate_limit::RateLimits;
use crate::agents::Farm;
use crate::blobs::Blobs;
use crate::config::Config;
use crate::store::Store;
use crate::telemetry::Metrics;
use crate::views::Views;

/// Shared by all HTTP threads as `web::Data<AppState>`.
pub struct AppState {
    /// Settings in force.
    pub config: Arc<Config>,
    /// The database.
    pub store: Store,
    /// Stored bytes.
    pub blobs: Arc<dyn Blobs>,
    /// The actors.
    pub farm: Farm,
    /// The templates.
    pub views: Arc<Views>,
    /// The time.
    pub clock: Arc<dyn Clock>,
    /// Counters for `/metrics`.
    pub metrics: Metrics,
    /// Requests counted per address and per caller.
    pub rate_limits: RateLimits,
    /// Begins when the program stops: live streams end then.
    pub shutdown: Shutdown,
}

impl AppState {
    /// Both clocks, read now.
    #[must_use]
    pub fn now(&self) -> Now {
        self.clock.now()
    }

    /// The time of day, to store.
    #[must_use]
    pub fn wall(&self) -> UnixMillis {
        self.clock.now().wall
    }
}
