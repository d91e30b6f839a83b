//! What a seed's farm looks like and which faults it meets: each seed leaves some kinds out, so that rare
//! combinations come up as well as everything at once.

use fastrand::Rng;
use pictor_worker_domain::outbox::Key;

use crate::machine::Answer;
use crate::store::{self, Wish, Write};
use crate::world::{Event, Farm, Line, Mend, Upload};

/// A farm and its faults. Of messages and calls: once in so many; 0: never.
#[derive(Debug, Clone)]
pub struct Plan {
    pub workers: usize,
    /// Slots of each worker.
    pub slots: Vec<usize>,
    pub frame_ms: u64,
    pub lost: u64,
    pub doubled: u64,
    pub late: u64,
    pub maybe: u64,
    pub engine_fails: u64,
    pub inputs_fail: u64,
    pub disk_fails: u64,
    pub engine_sticks: u64,
    /// What may happen to machines and lines, drawn from at each trouble.
    troubles: Vec<Kind>,
    /// Mean time between troubles.
    trouble_ms: u64,
}

/// A fault of a machine, a line or a clock, or a person's wish.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Kind {
    CloudDies,
    PowerCut,
    WorkerDies,
    LineCut,
    LineMute,
    LineDeaf,
    CloudStalls,
    WorkerStalls,
    ClockJumps,
    DatabaseSlow,
    Person,
}

const KINDS: [Kind; 11] = [
    Kind::CloudDies,
    Kind::PowerCut,
    Kind::WorkerDies,
    Kind::LineCut,
    Kind::LineMute,
    Kind::LineDeaf,
    Kind::CloudStalls,
    Kind::WorkerStalls,
    Kind::ClockJumps,
    Kind::DatabaseSlow,
    Kind::Person,
];

impl Plan {
    pub fn drawn(rng: &mut Rng) -> Self {
        let workers = rng.usize(1..=4);
        let once_in = |rng: &mut Rng, most: u64| if rng.bool() { rng.u64(most / 8..=most) } else { 0 };
        let mut troubles: Vec<Kind> = KINDS.into_iter().filter(|_| rng.u8(0..3) > 0).collect();
        if troubles.is_empty() {
            troubles.push(Kind::WorkerDies);
        }
        Self {
            workers,
            slots: (0..workers).map(|_| rng.usize(1..=2)).collect(),
            frame_ms: rng.u64(200..60_000),
            lost: once_in(rng, 200),
            doubled: once_in(rng, 200),
            late: once_in(rng, 100),
            maybe: once_in(rng, 80),
            engine_fails: once_in(rng, 160),
            inputs_fail: once_in(rng, 80),
            disk_fails: once_in(rng, 200),
            engine_sticks: once_in(rng, 40),
            troubles,
            trouble_ms: rng.u64(2_000..120_000),
        }
    }
}

impl Farm {
    /// Something breaks, and the next time for that is set.
    pub fn trouble(&mut self) {
        if self.is_calm {
            return;
        }
        let wait = self.rng.u64(1..=self.plan.trouble_ms * 2);
        self.after(wait, Event::Trouble);
        let kind = self.plan.troubles[self.rng.usize(0..self.plan.troubles.len())];
        let worker = self.rng.usize(0..self.plan.workers);
        self.say(|| format!("trouble: {kind:?} {worker}"));
        // Short troubles are common, long ones outlast a lease.
        let most = [500, 8_000, 40_000, 300_000][self.rng.usize(0..4)];
        let length = self.rng.u64(1..=most);
        match kind {
            Kind::CloudDies => self.cloud_dies(false, length),
            Kind::PowerCut => self.cloud_dies(true, length),
            Kind::WorkerDies => self.worker_dies(worker, length),
            Kind::LineCut => self.break_line(worker, Line { is_cut: true, ..Line::default() }, length),
            Kind::LineMute => self.break_line(worker, Line { is_mute: true, ..Line::default() }, length),
            Kind::LineDeaf => self.break_line(worker, Line { is_deaf: true, ..Line::default() }, length),
            Kind::CloudStalls => self.cloud_stalled_until = self.now + length,
            Kind::WorkerStalls => self.stalled_until[worker] = self.now + length,
            Kind::ClockJumps => self.wall_off += self.rng.i64(-700_000..700_000),
            Kind::DatabaseSlow => self.database_slow_until = self.now + length,
            Kind::Person => self.person(),
        }
    }

    /// From here on nothing breaks, and what is broken is mended.
    pub fn calm(&mut self) {
        self.is_calm = true;
        self.say(|| "from here on all is calm".to_owned());
        self.cloud_stalled_until = 0;
        self.stalled_until.fill(0);
        self.database_slow_until = 0;
        (0..self.plan.workers).for_each(|worker| self.mend(Mend::Line(worker)));
        self.mend(Mend::Cloud);
        (0..self.plan.workers).for_each(|worker| self.mend(Mend::Worker(worker)));
    }

    pub fn mend(&mut self, what: Mend) {
        match what {
            Mend::Cloud if self.cloud.is_none() => self.start_cloud(),
            Mend::Worker(worker) if !self.machines[worker].is_alive => self.start_worker(worker),
            Mend::Line(worker) => self.lines[worker] = Line::default(),
            Mend::Cloud | Mend::Worker(_) => {}
        }
    }

    fn break_line(&mut self, worker: usize, line: Line, length: u64) {
        self.lines[worker] = line;
        self.after(length, Event::Mend(Mend::Line(worker)));
        if line.is_cut {
            let connection = self.machines[worker].connection;
            self.break_socket(worker, connection);
        }
    }

    /// Both ends see it, each in its own time.
    pub fn break_socket(&mut self, worker: usize, connection: u64) {
        for at_cloud in [true, false] {
            let wait = if self.rng.bool() { self.rng.u64(0..50) } else { self.rng.u64(0..20_000) };
            self.after(wait, Event::Closed { worker, connection, at_cloud });
        }
    }

    /// A creator does something.
    fn person(&mut self) {
        let jobs: Vec<_> = self.store.jobs.keys().copied().collect();
        if jobs.is_empty() {
            return;
        }
        let job = jobs[self.rng.usize(0..jobs.len())];
        let wish = match self.rng.u8(0..8) {
            0..3 => Wish::Pause,
            3..6 => Wish::Resume,
            6 => Wish::Retry,
            _ => Wish::Cancel,
        };
        self.say(|| format!("a person: {wish:?} {job}"));
        if self.cloud.is_some() {
            self.submit(Write::Wish(job, wish), crate::cloud::Caller::Person(job, wish));
        }
    }

    /// While there is trouble there is work.
    pub fn submit_jobs(&mut self) {
        let open = self.store.jobs.values().filter(|job| !job.life.state.is_ended()).count();
        if self.is_calm || open >= 3 || (open > 0 && self.rng.u8(0..4) > 0) {
            return;
        }
        let frames = self.rng.u32(1..=40);
        let chunk = self.rng.bool().then(|| self.rng.u32(1..=10));
        let row = store::new_job(self.rng.u128(1..=2), frames, chunk, self.rng.u8(0..=100), self.wall());
        let job = self.new_job_id();
        let now = self.wall();
        self.store.commit(&Write::Submit { job, row }, now);
    }

    /// A message or a call on its way to the cloud or from it: how long it takes, each time that it comes.
    pub fn ways(&mut self, worker: usize, to_cloud: bool) -> Vec<u64> {
        let line = self.lines[worker];
        if line.is_cut || (to_cloud && line.is_mute) || (!to_cloud && line.is_deaf) {
            return Vec::new();
        }
        let (lost, doubled, late) = (self.plan.lost, self.plan.doubled, self.plan.late);
        if self.is_once_in(lost) {
            return Vec::new();
        }
        let copies = if self.is_once_in(doubled) { 2 } else { 1 };
        (0..copies)
            .map(|_| if self.is_once_in(late) { self.rng.u64(50..30_000) } else { self.rng.u64(1..40) })
            .collect()
    }

    /// A frame sets out for the cloud, and its answer is not waited for for ever.
    pub fn send_frame(&mut self, upload: Upload) {
        for wait in self.ways(upload.worker, true) {
            self.after(wait, Event::Put { upload });
        }
        self.after(60_000, Event::Answered { upload, answer: Answer::None });
    }

    /// The answer sets out for the worker.
    pub fn answer(&mut self, upload: Upload, answer: Answer) {
        if answer == Answer::Receipt {
            let Key { lease, frame } = upload.key;
            self.checks.receipt(&self.store, lease, frame);
        }
        for wait in self.ways(upload.worker, false) {
            self.after(wait, Event::Answered { upload, answer });
        }
    }
}
