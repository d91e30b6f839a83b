//! All workers together.

use std::collections::BTreeMap;
use std::rc::Rc;

use actix::prelude::{Actor, AsyncContext, Context, Handler, MessageResult};
use pictor_actors::ids::{AccountId, WorkerId};
use pictor_actors::protocol::Cancel;
use pictor_actors::supervise::{Door, DoorError};
use pictor_actors::units::Millis;
use pictor_cloud_domain::liveness::Connection;

use super::elsewhere::Elsewhere;
use super::free_slots::FreeSlots;
use super::messages::{
    CancelLease, Capacity, GetBriefs, GetCapacity, GetLive, LeasesEnded, NeedNode, NodeBeginsAnew,
    NodeReport, NodeReported, NodeRetired, OfferTask, OfferTasks, RestWorker, WorkerBrief,
};
use super::writes::Writes;
use crate::agents::dispatcher::Wake;
use crate::agents::wiring::Wiring;
use crate::agents::worker_live::WorkerLive;
use crate::agents::worker_node::{EndLease, OfferLease, ReportNow, Rest, TakeBack, WorkerNode};

/// How often gathered rows are written. A cloud that dies loses so much of *last seen*.
const WRITE_EVERY: Millis = Millis(2_000);

/// The actor of all workers together.
pub struct Fleet {
    pub(super) wiring: Rc<Wiring>,
    pub(super) live: BTreeMap<WorkerId, WorkerLive>,
    pub(super) free: FreeSlots,
    pub(super) writes: Writes,
    pub(super) is_writing: bool,
    pub(super) is_stopping: bool,
    pub(super) elsewhere: Elsewhere,
}

impl Fleet {
    /// A fleet that knows its workers' actors, if there are any from before, but not yet how they fare.
    pub(in crate::agents) fn new(wiring: Rc<Wiring>) -> Self {
        Self {
            elsewhere: Elsewhere::new(wiring.peers.clone()),
            wiring,
            live: BTreeMap::new(),
            free: FreeSlots::default(),
            writes: Writes::default(),
            is_writing: false,
            is_stopping: false,
        }
    }

    fn take_report(&mut self, report: NodeReport) {
        let worker = report.live.worker;
        if self.wiring.nodes.get(worker).is_none() {
            return; // it was let go meanwhile
        }
        let rested_until = report.live.standing.rest.as_ref().map(|rest| rest.until);
        let has_more_room = self.free.report(worker, report.slots, report.offers_seen, rested_until);
        self.free.set_absence(worker, report.absence);
        if let Some(mut row) = report.heartbeat {
            row.live = self.elsewhere.row_of(&report.live);
            self.writes.heartbeat(row);
        }
        let before = self.live.insert(worker, report.live).map(|live| live.connection);
        self.log_connection(worker, report.account, before);
        self.writes.renew(report.renew);
        if let Some(minute) = report.minute {
            self.writes.minute(minute);
        }
        if has_more_room {
            // Lost: the dispatcher looks by itself every two seconds.
            let _ = self.wiring.work.dispatcher.try_send(Wake);
        }
    }

    fn log_connection(&mut self, worker: WorkerId, account: AccountId, before: Option<Connection>) {
        self.elsewhere.note_account(worker, account);
        let now = self.live.get(&worker).map(|live| live.connection);
        if let Some(connection) = now.filter(|_| now != before) {
            tracing::info!(%worker, connection = connection.as_str(), "worker's connection changed");
            self.elsewhere.tell_changed(worker);
        }
    }

    fn offer(&mut self, task: OfferTask, context: &mut Context<Self>) {
        let (worker, slot, job) = (task.worker, task.offer.slot, task.offer.task.job);
        let lease = task.offer.lease.lease;
        let number = self.free.offer(worker, slot, job, lease);
        let offered = match self.wiring.nodes.get(worker) {
            Some(node) => {
                let (offer, lost_after) = (Box::new(task.offer), task.lost_after);
                node.try_send(OfferLease { offer, lost_after, number })
            }
            None => Err(DoorError::Closed),
        };
        if let Err(error) = offered {
            tracing::warn!(%worker, %lease, %error, "an offer did not get to its worker");
            self.free.offer_failed(worker, number);
            self.release_unsent(vec![lease], context);
        }
    }

    /// Whether the worker's socket is here.
    fn is_here(&self, worker: WorkerId) -> bool {
        self.live.get(&worker).is_some_and(|live| live.online_since.is_some())
    }

    pub(super) fn tell<M>(&self, worker: WorkerId, message: M)
    where
        M: actix::Message<Result = ()> + Send + 'static,
        WorkerNode: Handler<M>,
    {
        let Some(node) = self.wiring.nodes.get(worker) else { return };
        if let Err(error) = node.try_send(message) {
            // The next heartbeat compares what both hold, so nothing stays wrong for long.
            tracing::debug!(%worker, %error, "a worker's actor did not take a message");
        }
    }

    fn begin_stop(&mut self, context: &mut Context<Self>) {
        self.is_stopping = true;
        for (worker, _) in self.wiring.nodes.all() {
            self.tell(worker, crate::agents::worker_node::SayBye);
        }
        self.write(context);
    }
}

impl Actor for Fleet {
    type Context = Context<Self>;

    fn started(&mut self, context: &mut Context<Self>) {
        for (_, node) in self.wiring.nodes.all() {
            let _ = node.try_send(ReportNow); // else its next heartbeat brings the report
        }
        context.run_interval(WRITE_EVERY.to_duration(), |fleet, context| fleet.write(context));
        self.watch_stop(context);
    }
}

impl Handler<super::effects::StopBegan> for Fleet {
    type Result = ();

    fn handle(&mut self, _began: super::effects::StopBegan, context: &mut Context<Self>) {
        self.begin_stop(context);
    }
}

impl Handler<NeedNode> for Fleet {
    type Result = Option<Door<WorkerNode>>;

    fn handle(&mut self, NeedNode(row): NeedNode, _context: &mut Context<Self>) -> Self::Result {
        if self.is_stopping {
            return None;
        }
        let known = self.wiring.nodes.get(row.id);
        Some(known.unwrap_or_else(|| {
            let worker = row.id;
            let node = super::effects::start_node(&self.wiring, *row);
            self.wiring.nodes.insert(worker, node.clone());
            node
        }))
    }
}

impl Handler<NodeReported> for Fleet {
    type Result = ();

    fn handle(&mut self, NodeReported(report): NodeReported, _context: &mut Context<Self>) {
        self.take_report(*report);
    }
}

impl Handler<NodeRetired> for Fleet {
    type Result = ();

    fn handle(&mut self, NodeRetired(worker): NodeRetired, _context: &mut Context<Self>) {
        if let Some(node) = self.wiring.nodes.remove(worker) {
            node.close();
        }
        self.live.remove(&worker);
        self.free.forget(worker);
        self.elsewhere.forget(worker);
    }
}

impl Handler<NodeBeginsAnew> for Fleet {
    type Result = ();

    fn handle(&mut self, NodeBeginsAnew(worker): NodeBeginsAnew, context: &mut Context<Self>) {
        let unheard = self.free.begin_anew(worker);
        self.release_unsent(unheard, context);
    }
}

impl Handler<GetCapacity> for Fleet {
    type Result = Capacity;

    fn handle(&mut self, _get: GetCapacity, _context: &mut Context<Self>) -> Capacity {
        if self.is_stopping {
            return Capacity::default();
        }
        Capacity { slots: self.free.all(self.wiring.now().wall), absent: self.free.absent() }
    }
}

impl Handler<OfferTasks> for Fleet {
    type Result = ();

    fn handle(&mut self, OfferTasks(tasks): OfferTasks, context: &mut Context<Self>) {
        self.wiring.metrics.offers(u64::try_from(tasks.len()).unwrap_or(u64::MAX));
        for task in tasks {
            self.offer(task, context);
        }
    }
}

impl Handler<CancelLease> for Fleet {
    type Result = ();

    fn handle(&mut self, CancelLease { worker, cancel }: CancelLease, _context: &mut Context<Self>) {
        let cancel: Cancel = cancel;
        if !self.is_here(worker) {
            self.elsewhere.tell_cancel(worker, &cancel);
        }
        self.tell(worker, TakeBack(cancel));
    }
}

impl Handler<LeasesEnded> for Fleet {
    type Result = ();

    fn handle(&mut self, LeasesEnded(leases): LeasesEnded, _context: &mut Context<Self>) {
        for (worker, lease) in leases {
            if !self.is_here(worker) {
                self.elsewhere.tell_ended(worker, lease);
            }
            self.tell(worker, EndLease(lease));
        }
    }
}

impl Handler<RestWorker> for Fleet {
    type Result = ();

    fn handle(&mut self, rest: RestWorker, _context: &mut Context<Self>) {
        tracing::warn!(worker = %rest.worker, reason = rest.reason, "worker is rested");
        if !self.is_here(rest.worker) {
            self.elsewhere.tell_row(rest.worker);
        }
        self.tell(rest.worker, Rest { until: rest.until, reason: rest.reason });
    }
}

impl Handler<GetLive> for Fleet {
    type Result = Vec<WorkerLive>;

    fn handle(&mut self, GetLive(workers): GetLive, _context: &mut Context<Self>) -> Vec<WorkerLive> {
        workers.iter().filter_map(|worker| self.live.get(worker).cloned()).collect()
    }
}

impl Handler<GetBriefs> for Fleet {
    type Result = MessageResult<GetBriefs>;

    fn handle(&mut self, GetBriefs(workers): GetBriefs, _context: &mut Context<Self>) -> Self::Result {
        let brief = |live: &WorkerLive| WorkerBrief {
            connection: live.connection,
            activity: live.activity.clone(),
            rested_until: live.standing.rest.as_ref().map(|rest| rest.until),
        };
        let known = |worker: WorkerId| self.live.get(&worker).map(|live| (worker, brief(live)));
        MessageResult(workers.into_iter().filter_map(known).collect())
    }
}
