//! Results of a job's effects, as facts that come back to its actor.

use pictor_actors::ids::LeaseId;
use pictor_cloud_domain::task::Verdict;

use crate::store::{
    EndedAttempt, JobRow, LeaseRow, LiveLeaseRow, LogRow, NewTaskRow, OpenTaskRow, StoreError,
};

/// Something a job's effect did or could not do.
pub(super) enum Happened {
    /// Tasks were cut, or not.
    TasksCut(Result<JobRow, StoreError>, Vec<NewTaskRow>),
    /// A lease was moved forward, or not.
    LeaseMarked(Result<LeaseRow, StoreError>),
    /// A lease was given back, or not.
    LeaseGivenBack(LeaseId, Result<Vec<LeaseRow>, StoreError>),
    /// A failed attempt was judged and ended, or not.
    AttemptJudged(LeaseId, Box<Result<(EndedAttempt, Verdict), StoreError>>),
    /// The rows were read anew, or not.
    Reloaded(Box<Result<Rows, StoreError>>),
    /// It was looked whether the job is done.
    EndChecked(Result<Option<JobRow>, StoreError>),
    /// The job was failed at once, or not.
    FailedAtOnce(Result<Vec<LeaseRow>, StoreError>),
    /// Log lines were kept, or not.
    LinesKept(Result<(), StoreError>, Vec<LogRow>),
    /// A warning was kept (true: it is new), or not.
    WarningKept(Result<bool, StoreError>),
}

/// The rows of a job that its actor works with.
pub(super) struct Rows {
    pub job: JobRow,
    pub open: Vec<OpenTaskRow>,
    pub leases: Vec<LiveLeaseRow>,
}
