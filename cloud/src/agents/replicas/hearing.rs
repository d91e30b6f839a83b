//! What the other replicas say, handed to the actors it concerns. Nothing of it is said on.

use pictor_actors::ids::WorkerId;
use pictor_actors::protocol::{Cancel, LeaseRef};
use pictor_actors::supervise::{Door, DoorError};

use crate::agents::broadcast::{Announce, Broadcast};
use crate::agents::dispatcher::Wake;
use crate::agents::jobs::{JobLook, LookForJobs};
use crate::agents::ports::WorkDoors;
use crate::agents::wiring::Nodes;
use crate::agents::worker_node::{EndLease, LookAtRow, TakeBack, WorkerNode};
use crate::bus::{Heard, Nudge};

/// Whom it may concern.
pub(super) struct Listeners {
    pub doors: WorkDoors,
    pub nodes: Nodes,
    pub broadcast: Door<Broadcast>,
}

impl Listeners {
    /// Listens until nobody can say anything more.
    pub async fn listen(self, mut heard: Heard) {
        while let Some(nudge) = heard.recv().await {
            self.hear(nudge);
        }
    }

    fn hear(&self, nudge: Nudge) {
        let taken = match nudge {
            Nudge::JobsFree => self.doors.jobs.try_send(LookForJobs),
            Nudge::Job { job, by_hand } => {
                let told = self.doors.jobs.try_send(JobLook { job, at_once: by_hand });
                // Tasks may wait again of a job that has no actor here.
                if by_hand { told.and(self.doors.dispatcher.try_send(Wake)) } else { told }
            }
            Nudge::Wake => self.doors.dispatcher.try_send(Wake),
            Nudge::Worker { worker } => self.to(worker, |node| node.try_send(LookAtRow)),
            Nudge::Cancel { worker, lease, fence, reason } => {
                let cancel = Cancel { lease: LeaseRef { lease, fence }, reason };
                self.to(worker, |node| node.try_send(TakeBack(cancel)))
            }
            Nudge::Ended { worker, lease } => self.to(worker, |node| node.try_send(EndLease(lease))),
            Nudge::Live { account, event } => self.broadcast.try_send(Announce { account, event }),
        };
        if let Err(error) = taken {
            // As the bus may lose it.
            tracing::debug!(%error, "a nudge was not taken");
        }
    }

    fn to(
        &self,
        worker: WorkerId,
        tell: impl FnOnce(Door<WorkerNode>) -> Result<(), DoorError>,
    ) -> Result<(), DoorError> {
        self.nodes.get(worker).map_or(Ok(()), tell)
    }
}
