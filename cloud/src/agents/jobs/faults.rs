//! The faults of one job: how often its actor may be built anew before the job is failed.
//!
//! A row that cannot be read, or a handler that panics at it, would do so for ever. That must cost this job
//! and nothing else, so the job fails in words and the process lives on. A database that is away is nobody's
//! fault and costs nothing here.

use std::cell::{Cell, RefCell};
use std::rc::Rc;

use pictor_actors::ids::JobId;
use pictor_actors::protocol::{CancelReason, LeaseRef};
use pictor_actors::supervise::{BuildError, Gone, RestartBudget, Spending};
use pictor_actors::units::Millis;

use super::actor::{Job, Parts};
use super::effects::{Reach, retried};
use crate::agents::broadcast::{Announce, LiveEvent};
use crate::store::StoreError;

/// Enough for what passes by itself, too few for a fault that comes back each time.
const JOB_BUDGET: RestartBudget = RestartBudget { restarts: 5, within: Millis::from_secs(60) };

/// What one job's actor has spent of its restarts.
pub(super) struct Faults {
    id: JobId,
    spending: RefCell<Spending>,
    /// The next build is not due to a fault: the first one, or one after the database's trouble.
    is_excused: Rc<Cell<bool>>,
    /// Why the last build failed; nothing: an actor was built and ended.
    why: RefCell<Option<String>>,
}

impl Faults {
    pub fn new(id: JobId) -> Self {
        Self {
            id,
            spending: RefCell::new(Spending::new(JOB_BUDGET)),
            is_excused: Rc::new(Cell::new(true)),
            why: RefCell::default(),
        }
    }

    /// Builds the job's actor. When the restarts are spent the job is failed instead, and is [`Gone`]; should
    /// that not be possible, the registry's next look at the live jobs tries it all again.
    pub async fn build(&self, parts: Parts) -> Result<Job, BuildError> {
        let now = parts.reach.ports.clock.now().mono;
        let is_fault = !self.is_excused.replace(false);
        if is_fault && self.spending.borrow_mut().spend(now).is_err() {
            self.give_up(&parts.reach).await;
            return Err(Box::new(Gone));
        }
        let built = Job::build(self.id, parts, Rc::clone(&self.is_excused)).await;
        let why = built.as_ref().err().map(ToString::to_string);
        self.why.replace(why);
        if let Err(error) = &built
            && error.downcast_ref::<StoreError>().is_some_and(is_trouble)
        {
            self.is_excused.set(true);
        }
        built
    }

    async fn give_up(&self, reach: &Reach) {
        let why =
            self.why.take().unwrap_or_else(|| "its part of the program ended again and again".to_owned());
        tracing::error!(job = %self.id, why, "a job's actor is given up");
        let reason = format!(
            "the farm could not work on this job ({why}): try it again, or ask the farm's operator, whose \
             log says more"
        );
        let store = &reach.ports.store;
        match retried(|| store.fail_job(self.id, &reason, reach.now())).await {
            Ok(leases) => {
                for row in leases {
                    let lease = LeaseRef { lease: row.id, fence: row.fence };
                    reach.cancel(row.worker_id, lease, CancelReason::Superseded);
                }
                if let Ok(row) = store.job(self.id).await {
                    let event = LiveEvent::JobChanged(self.id);
                    reach.announce(Announce { account: row.account_id, event });
                }
            }
            Err(error) => tracing::error!(job = %self.id, %error, "a job that cannot run was not failed"),
        }
    }
}

/// The database's own trouble, not what is in it.
fn is_trouble(error: &StoreError) -> bool {
    matches!(error, StoreError::Unavailable(_) | StoreError::Unknown(_))
}
