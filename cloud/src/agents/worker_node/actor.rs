//! One worker: its connection, what it holds, what it last said.

use std::collections::{BTreeMap, VecDeque};
use std::rc::Rc;

use actix::prelude::{Actor, AsyncContext, Context, SpawnHandle};
use pictor_actors::ids::{AccountId, JobId, LinkId, WorkerId};
use pictor_actors::now::{Mono, Now};
use pictor_actors::protocol::{
    CancelReason, Hello, LeaseRef, MachineFacts, MetricSample, Pause, Refusal, RefusalCode, Retry, SlotFacts,
    SlotStatus, ToWorker, WorkerActivity,
};
use pictor_actors::units::{Millis, UnixMillis};
use pictor_cloud_domain::lease::Outcome;
use pictor_cloud_domain::liveness::Liveness;
use pictor_cloud_domain::worker::Standing;
use pictor_cloud_domain::worker::holdings::{Holdings, Live};
use tokio::sync::mpsc;

use super::messages::{Adopt, Adopted};
use super::readings::Readings;
use crate::agents::jobs::AttemptSaid;
use crate::agents::wiring::{LinkCount, Wiring};
use crate::agents::worker_live::standing_of;
use crate::store::{LeaseRow, WorkerRow};

/// Without a connection for so long, the actor goes and its 15 minutes of samples with it.
const RETIRE_AFTER: Millis = Millis::from_secs(15 * 60);
/// A second machine that runs under the same key shall not throw the first out each second.
const REPLACED_WAITS: Millis = Millis::from_secs(60);

/// The actor of one worker.
pub struct WorkerNode {
    pub(super) wiring: Rc<Wiring>,
    /// There was one before, with which the connection went.
    is_rebuilt: bool,
    pub(super) id: WorkerId,
    pub(super) account: AccountId,
    pub(super) link: Option<Link>,
    /// Number of the newest connection there ever was.
    pub(super) link_number: i64,
    pub(super) liveness: Liveness,
    pub(super) last_heartbeat_at: Option<UnixMillis>,
    pub(super) machine: Option<MachineFacts>,
    pub(super) slots: Vec<SlotFacts>,
    /// The store is to hear of the machine soon.
    pub(super) is_machine_unsaved: bool,
    pub(super) statuses: BTreeMap<u16, SlotStatus>,
    pub(super) warm: BTreeMap<u16, JobId>,
    pub(super) activity: Option<WorkerActivity>,
    pub(super) holdings: Holdings,
    pub(super) readings: Readings,
    pub(super) last_sample: Option<MetricSample>,
    pub(super) pause: Option<Pause>,
    pub(super) standing: Standing,
    pub(super) offers_seen: u64,
    /// What the jobs could not take yet, in order.
    pub(super) unsaid: VecDeque<AttemptSaid>,
    pub(super) retire_at: Mono,
    timer: Option<(Mono, SpawnHandle)>,
}

/// The present connection.
pub(super) struct Link {
    pub id: LinkId,
    pub since: UnixMillis,
    pub outbound: mpsc::Sender<Box<ToWorker>>,
    pub last_seq: Option<u64>,
    _count: LinkCount,
}

impl WorkerNode {
    /// A worker without a connection, as its row says: its first actor, made because it connects, or one
    /// after another that ended.
    pub(in crate::agents) fn of_row(wiring: Rc<Wiring>, row: WorkerRow, is_rebuilt: bool) -> Self {
        let retire_at = wiring.now().mono.plus(RETIRE_AFTER);
        Self {
            is_rebuilt,
            id: row.id,
            account: row.account_id,
            link: None,
            link_number: row.link_number,
            liveness: Liveness::never(wiring.timing.limits),
            last_heartbeat_at: row.last_heartbeat_at,
            standing: standing_of(&row),
            machine: row.machine,
            slots: row.slots.unwrap_or_default(),
            is_machine_unsaved: false,
            statuses: BTreeMap::new(),
            warm: BTreeMap::new(),
            activity: None,
            holdings: Holdings::default(),
            readings: Readings::default(),
            last_sample: row.sample,
            pause: row.pause,
            offers_seen: 0,
            unsaid: VecDeque::new(),
            retire_at,
            timer: None,
            wiring,
        }
    }

    pub(super) fn adopt(&mut self, adopt: Adopt, context: &mut Context<Self>) -> Result<Adopted, Refusal> {
        let (row, now) = (adopt.opened.row, self.wiring.now());
        if row.link_number < self.link_number {
            return Err(replaced());
        }
        if let Some(older) = self.link.take() {
            // Best effort: an older connection that is stuck has no room, and is dropped all the same.
            let _ = older.outbound.try_send(Box::new(ToWorker::Refused(replaced())));
        }
        self.link_number = row.link_number;
        self.standing = standing_of(&row);
        self.pause = row.pause;
        self.link = Some(Link {
            id: adopt.link,
            since: now.wall,
            outbound: adopt.outbound,
            last_seq: None,
            _count: self.wiring.nodes.count_link(&self.wiring.metrics),
        });
        let hello = *adopt.hello;
        let live: Vec<Live> = adopt.opened.live_leases.iter().map(live_of).collect();
        let after =
            self.wiring.timing.policy.next_after(self.wiring.nodes.connected(), super::effects::random());
        let least = self.wiring.timing.lost_after_least(after);
        let compared = self.holdings.reconcile(&hello.held, &live, least, now);
        self.take_facts(hello);
        self.liveness.on_sign(now.mono, after);
        self.last_heartbeat_at = Some(now.wall);
        self.release(compared.lost, Outcome::Released, context);
        if self.pause.is_some() {
            self.say(ToWorker::SetPause { pause: self.pause.clone() });
        }
        self.report_sign(None, compared.renew, now);
        Ok(Adopted { heartbeat_after: after })
    }

    fn take_facts(&mut self, hello: Hello) {
        self.machine = Some(hello.machine);
        self.slots = hello.slots;
        self.statuses.clear();
        self.warm.clear();
        self.activity = hello.pause.map(WorkerActivity::Paused);
    }

    /// Sends to the worker. A worker that does not take what it is sent loses its connection; its leases
    /// stay.
    pub(super) fn say(&mut self, message: ToWorker) -> bool {
        let Some(link) = &self.link else { return false };
        match link.outbound.try_send(Box::new(message)) {
            Ok(()) => true,
            Err(error) => {
                if matches!(error, mpsc::error::TrySendError::Full(_)) {
                    tracing::warn!(worker = %self.id, link = %link.id, "worker does not take its messages");
                    self.wiring.metrics.link_refused("slow");
                }
                self.lose_link();
                false
            }
        }
    }

    fn on_time(&mut self, context: &mut Context<Self>) {
        let now = self.wiring.now();
        let mut has_changed = self.liveness.on_deadline(now.mono);
        let unanswered = self.holdings.take_unanswered(now.mono);
        has_changed |= !unanswered.is_empty();
        self.take_back_unanswered(&unanswered, context);
        self.hand_on_unsaid();
        if self.is_pause_over(now) {
            self.pause = None;
            self.forget_pause(context);
            has_changed = true;
        }
        if self.link.is_none() && now.mono >= self.retire_at {
            self.retire();
        }
        if has_changed {
            self.report(now);
        }
    }

    fn take_back_unanswered(&mut self, unanswered: &[LeaseRef], context: &mut Context<Self>) {
        for lease in unanswered {
            tracing::warn!(worker = %self.id, lease = %lease.lease, "offer was not answered in time");
            self.cancel(*lease, CancelReason::NotAnswered);
        }
        self.release(unanswered.iter().map(|lease| lease.lease).collect(), Outcome::NotAnswered, context);
    }

    fn is_pause_over(&self, now: Now) -> bool {
        self.pause.as_ref().and_then(|pause| pause.until).is_some_and(|until| now.wall >= until)
    }

    /// The earliest moment at which something is due, by whatever reason.
    fn next_deadline(&self, now: Now) -> Option<Mono> {
        let pause_ends = self.pause.as_ref().and_then(|pause| pause.until);
        [
            self.liveness.next_deadline().map(|deadline| deadline.at),
            self.holdings.next_deadline(),
            pause_ends.map(|until| now.mono.plus(now.wall.until(until))),
            (!self.unsaid.is_empty()).then(|| now.mono.plus(super::effects::SAY_AGAIN_AFTER)),
            self.link.is_none().then_some(self.retire_at),
        ]
        .into_iter()
        .flatten()
        .min()
    }

    /// Keeps one timer, on the earliest deadline; one that fires early finds nothing to do.
    pub(super) fn arm(&mut self, context: &mut Context<Self>) {
        let now = self.wiring.now();
        let Some(at) = self.next_deadline(now) else { return };
        if let Some((armed, handle)) = self.timer {
            if armed <= at && armed > now.mono {
                return;
            }
            context.cancel_future(handle);
        }
        let handle = context.run_later(now.mono.until(at).to_duration(), |node, context| {
            node.timer = None;
            node.on_time(context);
            node.arm(context);
        });
        self.timer = Some((at, handle));
    }

    /// Every end of a connection comes by here: the actor stays for its 15 minutes, which begin now.
    pub(super) fn lose_link(&mut self) {
        self.link = None;
        self.retire_at = self.wiring.now().mono.plus(RETIRE_AFTER);
    }
}

fn live_of(row: &LeaseRow) -> Live {
    Live {
        lease: LeaseRef { lease: row.id, fence: row.fence },
        slot: row.slot,
        task: row.task_id,
        job: row.job_id,
        state: row.state,
        outcome: row.outcome,
        lost_after: row.lost_after_ms.map(Millis),
        started_at: row.started_at,
    }
}

pub(super) fn replaced() -> Refusal {
    Refusal {
        code: RefusalCode::Replaced,
        message:
            "a newer connection of this worker took over; if that was another machine, give each its own \
                  configuration file"
                .to_owned(),
        retry: Retry::After { ms: REPLACED_WAITS.0 },
    }
}

impl Actor for WorkerNode {
    type Context = Context<Self>;

    fn started(&mut self, context: &mut Context<Self>) {
        // A first actor is made for a connection, which is reported with it. Without one it would show a
        // worker that is just coming as one that fell silent.
        if self.is_rebuilt {
            self.report(self.wiring.now());
        }
        self.arm(context);
    }
}
