//! How attempts end on the cloud's side: frames that come in, failures that are judged, leases that expire.

use std::collections::BTreeSet;

use pictor_actors::ids::{LeaseId, TaskId};
use pictor_actors::protocol::{CancelReason, FailureClass, LeaseRef};
use pictor_cloud_domain::lease::Outcome;
use pictor_cloud_domain::task::{FailedAttempt, Record, Verdict, judge, judge_loss};

use crate::cloud::Caller;
use crate::machine::{Answer, id_of};
use crate::store::{NewFrame, Said, Write};
use crate::world::{Event, Farm, Trouble, Upload};

impl Farm {
    /// A frame comes in: it is asked for first, then its bytes are kept and flushed, then its row is stored.
    pub fn put(&mut self, upload: Upload) {
        if self.cloud.is_none() {
            return;
        }
        let (lease, by) = (lease_of(upload), id_of(upload.worker));
        match self.store.wants(lease, upload.key.frame, self.wall()) {
            Ok(Some(other)) if other == by => self.answer(upload, Answer::Receipt),
            Ok(Some(_)) | Err(()) => self.answer(upload, Answer::Superseded),
            Ok(None) => {
                self.store.blobs.entry(upload.blob).or_insert(false);
                let (life, wait) = (self.cloud_life, self.rng.u64(1..2_000));
                self.after(wait, Event::Flushed { life, upload });
            }
        }
    }

    pub fn flushed(&mut self, life: u64, upload: Upload) {
        if life != self.cloud_life || self.cloud.is_none() {
            return;
        }
        self.store.blobs.insert(upload.blob, true);
        let frame = NewFrame { lease: lease_of(upload), frame: upload.key.frame, blob: upload.blob };
        self.submit(Write::Frame(frame), Caller::Frame(upload, 1));
    }

    pub fn frame_stored(&mut self, write: Write, upload: Upload, tries: u8, said: Result<Said, Trouble>) {
        match said {
            Ok(Said::Stored { by, .. }) if by == id_of(upload.worker) => {
                self.answer(upload, Answer::Receipt);
                self.not_needed(upload.key.lease);
            }
            Ok(_) => self.answer(upload, Answer::Superseded),
            Err(Trouble::Unknown) if tries < 2 => self.submit(write, Caller::Frame(upload, tries + 1)),
            Err(_) => self.answer(upload, Answer::Later),
        }
    }

    /// Whoever works on a task that somebody else's late frame completed hears so.
    fn not_needed(&mut self, by: LeaseId) {
        let task = self.store.leases[&by].task;
        let others = self.store.leases.iter().filter(|(_, row)| row.task == task);
        let others = others.filter(|(_, row)| row.life.outcome == Some(Outcome::NotNeeded));
        let others: Vec<LeaseId> = others.map(|(id, _)| *id).collect();
        others.into_iter().for_each(|lease| self.take_back(lease, CancelReason::Superseded));
    }

    /// What a failed attempt means for its task.
    pub fn judge(&mut self, worker: usize, lease: LeaseRef, task: TaskId, class: FailureClass) {
        let before = self.store.attempts(task).filter(|(id, _)| **id != lease.lease);
        let mut failures: Vec<FailedAttempt> = before
            .filter_map(|(_, row)| {
                Some(FailedAttempt { worker: row.worker, class: row.failed?, in_good_standing: true })
            })
            .collect();
        failures.push(FailedAttempt { worker: id_of(worker), class, in_good_standing: true });
        let able: BTreeSet<_> = (0..self.plan.workers).map(id_of).collect();
        let (verdict, _) = judge(&Record {
            failures: &failures,
            message: "it broke",
            able: &able,
            job_has_frames: true,
            worker_failed_job_before: false,
        });
        self.submit(Write::Failed { lease, class, verdict }, Caller::Job);
    }

    /// Leases whose worker fell silent.
    pub fn expire(&mut self, expired: Vec<LeaseId>) {
        let (mut again, mut given_up) = (Vec::new(), Vec::new());
        for id in expired {
            let task = self.store.leases[&id].task;
            let lost =
                self.store.attempts(task).filter(|(_, row)| row.life.outcome == Some(Outcome::Expired));
            match judge_loss(u32::try_from(lost.count()).unwrap() + 1) {
                Verdict::Again { .. } => again.push(id),
                Verdict::JobFault { .. } | Verdict::GivenUp { .. } => given_up.push(id),
            }
        }
        if !again.is_empty() || !given_up.is_empty() {
            self.sweeping(true);
            self.submit(Write::Expire { again, given_up }, Caller::Sweep);
        }
    }

    pub fn swept(&mut self, said: Result<Said, Trouble>) {
        self.sweeping(false);
        match said {
            Ok(Said::Released(leases)) => {
                leases.into_iter().for_each(|lease| self.take_back(lease, CancelReason::Superseded));
            }
            Ok(_) => {}
            Err(_) => self.be_patient(),
        }
    }
}

fn lease_of(upload: Upload) -> LeaseRef {
    LeaseRef { lease: upload.key.lease, fence: upload.fence }
}
