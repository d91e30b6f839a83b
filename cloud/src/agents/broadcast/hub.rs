//! Who listens to what, and what they missed. No timers and no actor: moments come in.
//!
//! Events of workers are not kept: they only say *look again*, so a listener that comes back is simply told
//! to look. Events of jobs are kept in a ring, because a page appends frames one by one. A page that shows
//! some of very many workers hears of those alone, and at a slow pace that some have changed: to hear of each
//! would make it fall behind.

use std::collections::{BTreeMap, VecDeque};

use pictor_actors::fanout::{Fanout, TooManyListeners};
use pictor_actors::ids::{AccountId, WorkerId};
use pictor_actors::now::Mono;
use pictor_actors::units::Millis;

use super::messages::{Announce, LiveEvent, Topic};
use super::subscription::{EventId, Subscription, Told};

/// The same worker, job or log is announced at most so often; the last change is never lost, only late.
const PACE: Millis = Millis(1_000);
/// An account's workers are counted at most so often for its pages: they may be thousands.
const COUNT_PACE: Millis = Millis(2_000);
/// Events that may wait for one listener: some seconds of a job that stores tiny frames.
const QUEUE: usize = 256;
/// Listeners of one topic.
const LISTENERS_PER_TOPIC_MAX: usize = 256;
/// Topics that are listened to at a time; with it the memory of all queues is bounded.
const TOPICS_MAX: usize = 10_000;
/// Events of jobs that are kept for those who come back.
const RING: usize = 8_192;

/// The set of listeners.
#[derive(Debug)]
pub(super) struct Hub {
    epoch: i64,
    last: u64,
    topics: BTreeMap<Topic, Fanout<Told>>,
    /// Pages by the workers whose rows they show.
    pages: BTreeMap<WorkerId, Vec<Topic>>,
    /// Pages so far.
    last_page: u64,
    ring: VecDeque<(u64, Announce)>,
    /// The newest event that has left the ring.
    forgotten: u64,
    paces: BTreeMap<LiveEvent, Pace>,
}

#[derive(Debug)]
struct Pace {
    account: AccountId,
    told_at: Mono,
    is_waiting: bool,
}

impl Hub {
    /// Nobody listens. `epoch` must differ from that of every hub before.
    pub(super) fn new(epoch: i64) -> Self {
        Self {
            epoch,
            last: 0,
            topics: BTreeMap::new(),
            pages: BTreeMap::new(),
            last_page: 0,
            ring: VecDeque::new(),
            forgotten: 0,
            paces: BTreeMap::new(),
        }
    }

    /// Tells the listeners now, or at a later [`Self::flush`] if the same was told just before.
    pub(super) fn announce(&mut self, announce: Announce, now: Mono) {
        let Some(apart) = apart(announce.event) else {
            self.tell(announce);
            return;
        };
        if let LiveEvent::WorkerChanged(_) = announce.event {
            let account = announce.account;
            self.announce(Announce { account, event: LiveEvent::WorkersChanged(account) }, now);
        }
        // Before listeners are looked for: of thousands of workers most announcements end here.
        if let Some(pace) = self.paces.get_mut(&announce.event)
            && now < pace.told_at.plus(apart)
        {
            pace.is_waiting = true;
            return;
        }
        self.tell_and_pace(announce, now);
    }

    fn tell_and_pace(&mut self, announce: Announce, now: Mono) {
        if is_of_worker(announce.event) && !self.has_listener(announce) {
            return;
        }
        let pace = Pace { account: announce.account, told_at: now, is_waiting: false };
        self.paces.insert(announce.event, pace);
        self.tell(announce);
    }

    /// Tells what has waited long enough.
    pub(super) fn flush(&mut self, now: Mono) {
        let due: Vec<LiveEvent> = self
            .paces
            .iter()
            .filter(|(event, pace)| now >= over_at(**event, pace))
            .map(|(e, _)| *e)
            .collect();
        for event in due {
            let Some(Pace { account, is_waiting, .. }) = self.paces.remove(&event) else { continue };
            if is_waiting {
                self.tell_and_pace(Announce { account, event }, now);
            }
        }
    }

    /// When [`Self::flush`] has something to do.
    pub(super) fn next_deadline(&self) -> Option<Mono> {
        self.paces.iter().map(|(event, pace)| over_at(*event, pace)).min()
    }

    /// A new listener; with `after`, it first hears what it missed, or that it must load everything anew. Of
    /// an account's workers it hears of those in `rows` only, unless there are none.
    pub(super) fn subscribe(
        &mut self,
        topic: Topic,
        rows: &[WorkerId],
        after: Option<EventId>,
    ) -> Result<Subscription, TooManyListeners> {
        self.forget_idle();
        let topic = self.page_of(topic, rows);
        if self.topics.len() >= TOPICS_MAX && !self.topics.contains_key(&topic) {
            return Err(TooManyListeners(self.topics.len()));
        }
        let fanout = self.topics.entry(topic).or_insert_with(|| Fanout::new(QUEUE, LISTENERS_PER_TOPIC_MAX));
        let listener = fanout.listen()?;
        let missed = after.map_or_else(Vec::new, |after| self.missed(topic, after));
        if matches!(topic, Topic::RowsOf(..)) {
            rows.iter().for_each(|row| self.pages.entry(*row).or_default().push(topic));
        }
        Ok(Subscription::new(self.id(self.last), missed, listener))
    }

    fn forget_idle(&mut self) {
        self.topics.retain(|_, fanout| !fanout.is_idle());
        self.pages.retain(|_, pages| {
            pages.retain(|page| self.topics.contains_key(page));
            !pages.is_empty()
        });
    }

    /// A topic of its own for a page that shows these workers.
    fn page_of(&mut self, topic: Topic, rows: &[WorkerId]) -> Topic {
        let Topic::WorkersOf(account) = topic else { return topic };
        if rows.is_empty() {
            return topic;
        }
        self.last_page += 1;
        Topic::RowsOf(account, self.last_page)
    }

    fn missed(&self, topic: Topic, after: EventId) -> Vec<Told> {
        let at_once = |event| vec![Told { id: self.id(self.last), event }];
        if after.epoch != self.epoch || after.number > self.last {
            return at_once(LiveEvent::Resync);
        }
        match topic {
            Topic::Worker(worker) => at_once(LiveEvent::WorkerChanged(worker)),
            Topic::WorkersOf(_) | Topic::RowsOf(..) => at_once(LiveEvent::Resync),
            Topic::Job(_) | Topic::JobsOf(_) if after.number < self.forgotten => at_once(LiveEvent::Resync),
            Topic::Job(_) | Topic::JobsOf(_) => self
                .ring
                .iter()
                .filter(|(number, announce)| {
                    *number > after.number && topics_of(*announce).contains(&Some(topic))
                })
                .map(|(number, announce)| Told { id: self.id(*number), event: announce.event })
                .collect(),
        }
    }

    fn tell(&mut self, announce: Announce) {
        self.last += 1;
        let told = Told { id: self.id(self.last), event: announce.event };
        for topic in self.listened_to(announce) {
            if let Some(fanout) = self.topics.get_mut(&topic) {
                fanout.publish(&told);
                if fanout.is_idle() {
                    self.topics.remove(&topic);
                }
            }
        }
        if is_of_worker(announce.event) {
            return;
        }
        if self.ring.len() >= RING {
            self.forgotten = self.ring.pop_front().map_or(self.forgotten, |(number, _)| number);
        }
        self.ring.push_back((self.last, announce));
    }

    fn has_listener(&self, announce: Announce) -> bool {
        !self.listened_to(announce).is_empty()
    }

    /// Topics with listeners to whom it is told.
    fn listened_to(&self, announce: Announce) -> Vec<Topic> {
        let pages = match announce.event {
            LiveEvent::WorkerChanged(worker) => self.pages.get(&worker),
            LiveEvent::WorkersChanged(account) => return self.lists_of(account),
            LiveEvent::JobChanged(_)
            | LiveEvent::FrameStored { .. }
            | LiveEvent::LogAppended { .. }
            | LiveEvent::Resync => None,
        };
        let of_account = |page: &&Topic| matches!(page, Topic::RowsOf(of, _) if *of == announce.account);
        let pages = pages.into_iter().flatten().filter(of_account).copied();
        let topics = topics_of(announce).into_iter().flatten().chain(pages);
        topics.filter(|topic| self.topics.contains_key(topic)).collect()
    }

    /// Every page that lists workers of the account, whichever rows it shows.
    fn lists_of(&self, account: AccountId) -> Vec<Topic> {
        let some = Topic::RowsOf(account, 0)..=Topic::RowsOf(account, u64::MAX);
        let some = self.topics.range(some).map(|(topic, _)| *topic);
        let all = Some(Topic::WorkersOf(account)).filter(|topic| self.topics.contains_key(topic));
        some.chain(all).collect()
    }

    fn id(&self, number: u64) -> EventId {
        EventId { epoch: self.epoch, number }
    }
}

/// Who hears of it.
fn topics_of(announce: Announce) -> [Option<Topic>; 2] {
    match announce.event {
        LiveEvent::WorkerChanged(worker) => {
            [Some(Topic::Worker(worker)), Some(Topic::WorkersOf(announce.account))]
        }
        LiveEvent::JobChanged(job) => [Some(Topic::Job(job)), Some(Topic::JobsOf(announce.account))],
        LiveEvent::FrameStored { job, .. } | LiveEvent::LogAppended { job } => [Some(Topic::Job(job)), None],
        // To every list of the account, whose number is not fixed: `Hub::lists_of`.
        LiveEvent::WorkersChanged(_) | LiveEvent::Resync => [None, None],
    }
}

/// How far apart the same event is told; nothing: each at once.
fn apart(event: LiveEvent) -> Option<Millis> {
    match event {
        LiveEvent::WorkerChanged(_) | LiveEvent::JobChanged(_) | LiveEvent::LogAppended { .. } => Some(PACE),
        LiveEvent::WorkersChanged(_) => Some(COUNT_PACE),
        LiveEvent::FrameStored { .. } | LiveEvent::Resync => None,
    }
}

fn over_at(event: LiveEvent, pace: &Pace) -> Mono {
    pace.told_at.plus(apart(event).unwrap_or_default())
}

fn is_of_worker(event: LiveEvent) -> bool {
    match event {
        LiveEvent::WorkerChanged(_) | LiveEvent::WorkersChanged(_) => true,
        LiveEvent::JobChanged(_)
        | LiveEvent::LogAppended { .. }
        | LiveEvent::FrameStored { .. }
        | LiveEvent::Resync => false,
    }
}

#[cfg(test)]
mod tests {
    use futures_util::{FutureExt as _, StreamExt as _};
    use pictor_actors::ids::{JobId, WorkerId};

    use super::*;

    const ME: AccountId = AccountId::from_u128(1);
    const JOB: JobId = JobId::from_u128(2);
    const WORKER: WorkerId = WorkerId::from_u128(3);

    fn heard(subscription: &mut Subscription) -> Vec<LiveEvent> {
        std::iter::from_fn(|| subscription.next().now_or_never().flatten()).map(|told| told.event).collect()
    }

    fn say(hub: &mut Hub, event: LiveEvent, at: u64) {
        hub.announce(Announce { account: ME, event }, Mono(at));
    }

    fn frame(frame: i32) -> LiveEvent {
        LiveEvent::FrameStored { job: JOB, frame }
    }

    #[test]
    fn a_change_is_told_at_once_and_then_at_most_once_a_second_and_the_last_one_is_not_lost() {
        let mut hub = Hub::new(7);
        let mut list = hub.subscribe(Topic::WorkersOf(ME), &[], None).unwrap();
        let mut page = hub.subscribe(Topic::Worker(WORKER), &[], None).unwrap();
        let (counts, worker) = (LiveEvent::WorkersChanged(ME), LiveEvent::WorkerChanged(WORKER));
        for at in [0, 10, 20, 990] {
            say(&mut hub, worker, at);
            hub.flush(Mono(at));
        }
        assert_eq!(heard(&mut list), [counts, worker]);
        assert_eq!(hub.next_deadline(), Some(Mono(1_000)));
        hub.flush(Mono(1_000));
        assert_eq!(heard(&mut list), [worker]);
        hub.flush(Mono(2_000));
        assert_eq!(heard(&mut list), [counts], "counted seldomer");
        hub.flush(Mono(4_000));
        assert_eq!((heard(&mut list), hub.next_deadline()), (vec![], None));
        assert_eq!(heard(&mut page).len(), 2);
    }

    #[test]
    fn what_waits_for_listeners_who_went_is_forgotten() {
        let mut hub = Hub::new(7);
        let page = hub.subscribe(Topic::Worker(WORKER), &[], None).unwrap();
        let list = hub.subscribe(Topic::WorkersOf(ME), &[], None).unwrap();
        for at in [0, 10] {
            say(&mut hub, LiveEvent::WorkerChanged(WORKER), at);
        }
        drop((page, list));
        hub.forget_idle();
        say(&mut hub, LiveEvent::WorkerChanged(WORKER), 20);
        hub.flush(Mono(2_000));
        assert_eq!(hub.next_deadline(), None, "nobody is told again and again");
        say(&mut hub, LiveEvent::WorkerChanged(WORKER), 3_000);
        assert!(hub.paces.is_empty());
    }

    #[test]
    fn a_page_hears_of_the_workers_that_it_shows_and_of_no_others() {
        let mut hub = Hub::new(7);
        let other = WorkerId::from_u128(4);
        let mut page = hub.subscribe(Topic::WorkersOf(ME), &[WORKER], None).unwrap();
        let stranger = Topic::WorkersOf(AccountId::from_u128(9));
        let mut stranger = hub.subscribe(stranger, &[WORKER], None).unwrap();
        for n in 0..i32::try_from(QUEUE).unwrap() {
            say(&mut hub, LiveEvent::WorkerChanged(other), n.unsigned_abs().into());
        }
        let counts = LiveEvent::WorkersChanged(ME);
        assert_eq!(heard(&mut page), [counts], "of the others, that they are to be counted");
        say(&mut hub, LiveEvent::WorkerChanged(WORKER), 0);
        assert_eq!(
            (heard(&mut page), heard(&mut stranger)),
            (vec![LiveEvent::WorkerChanged(WORKER)], vec![])
        );
        assert_eq!(hub.paces.len(), 2, "nothing is kept of the others");
        hub.flush(Mono(2_000));
        assert_eq!(heard(&mut page), [counts], "once more for all the changes since");
        let at = page.started_after();
        let mut again = hub.subscribe(Topic::WorkersOf(ME), &[WORKER], Some(at)).unwrap();
        assert_eq!(heard(&mut again), [LiveEvent::Resync]);
        drop((page, stranger, again));
        hub.forget_idle();
        assert!(hub.pages.is_empty() && hub.topics.is_empty());
    }

    #[test]
    fn nobody_hears_of_what_belongs_to_another_account_or_topic() {
        let mut hub = Hub::new(7);
        let mut other = hub.subscribe(Topic::JobsOf(AccountId::from_u128(9)), &[], None).unwrap();
        let mut mine = hub.subscribe(Topic::JobsOf(ME), &[], None).unwrap();
        say(&mut hub, LiveEvent::JobChanged(JOB), 0);
        say(&mut hub, frame(1), 0);
        assert_eq!((heard(&mut other), heard(&mut mine)), (vec![], vec![LiveEvent::JobChanged(JOB)]));
    }

    #[test]
    fn who_comes_back_hears_what_was_missed() {
        let mut hub = Hub::new(7);
        let first = hub.subscribe(Topic::Job(JOB), &[], None).unwrap();
        let at = first.started_after();
        drop(first);
        say(&mut hub, frame(1), 0);
        say(&mut hub, frame(2), 0);
        say(&mut hub, LiveEvent::WorkerChanged(WORKER), 0);
        let mut again = hub.subscribe(Topic::Job(JOB), &[], Some(at)).unwrap();
        say(&mut hub, frame(3), 0);
        assert_eq!(heard(&mut again), [frame(1), frame(2), frame(3)]);
        let half = EventId { number: at.number + 1, ..at };
        assert_eq!(
            heard(&mut hub.subscribe(Topic::Job(JOB), &[], Some(half)).unwrap()),
            [frame(2), frame(3)]
        );
    }

    #[test]
    fn who_comes_back_too_late_or_from_another_process_loads_anew() {
        let mut hub = Hub::new(7);
        let topic = Topic::Job(JOB);
        let resync = |hub: &mut Hub, epoch, number| {
            heard(&mut hub.subscribe(topic, &[], Some(EventId { epoch, number })).unwrap())
        };
        for n in 0..i32::try_from(RING).unwrap() + 2 {
            say(&mut hub, frame(n), 0);
        }
        assert_eq!(resync(&mut hub, 7, 1), [LiveEvent::Resync], "event 2 has left the ring");
        assert_eq!(resync(&mut hub, 7, 2).len(), RING);
        assert_eq!(resync(&mut hub, 6, 2), [LiveEvent::Resync]);
        assert_eq!(resync(&mut hub, 7, u64::MAX), [LiveEvent::Resync]);
        let worker = Some(EventId { epoch: 7, number: 1 });
        let mut page = hub.subscribe(Topic::Worker(WORKER), &[], worker).unwrap();
        assert_eq!(heard(&mut page), [LiveEvent::WorkerChanged(WORKER)]);
    }

    #[test]
    fn a_slow_listener_is_dropped_and_told_and_its_topic_is_forgotten() {
        let mut hub = Hub::new(7);
        let mut slow = hub.subscribe(Topic::Job(JOB), &[], None).unwrap();
        for n in 0..i32::try_from(QUEUE).unwrap() + 1 {
            say(&mut hub, frame(n), 0);
        }
        let events = heard(&mut slow);
        assert_eq!((events.len(), events.last()), (QUEUE + 1, Some(&LiveEvent::Resync)));
        assert!(hub.topics.is_empty());
    }
}
