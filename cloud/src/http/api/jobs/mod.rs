//! The account's jobs.

mod actions;
mod create;
mod listing;

pub use actions::{
    __path_cancel_job, __path_pause_job, __path_resume_job, __path_retry_job, JobAction, act, cancel_job,
    pause_job, resume_job, retry_job,
};
pub use create::{__path_create_job, create, create_job};
pub use listing::{
    __path_change_job, __path_get_job, __path_list_jobs, JobsQuery, change, change_job, get_job, list_jobs,
    states_of,
};
