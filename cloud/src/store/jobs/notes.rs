//! What a job's creator should know: warnings and failures.

use pictor_actors::ids::JobId;
use pictor_actors::protocol::FailureClass;
use pictor_actors::protocol::outcome::WarningClass;
use pictor_actors::units::UnixMillis;

use crate::store::sql::row;
use crate::store::{Result, Store};

row! {
    /// A warning, kept once.
    pub struct JobWarningRow {
        /// The job.
        pub job_id: JobId,
        /// What kind.
        pub class: WarningClass,
        /// In words.
        pub text: String,
        /// First seen.
        pub at: UnixMillis,
    }
}

row! {
    /// Failed attempts of one class.
    pub struct FailureRow {
        /// The class.
        pub class: FailureClass,
        /// Message of the newest.
        pub message: String,
        /// Attempts that failed so.
        pub attempts: u32,
        /// Frames not stored of tasks that were given up for it.
        pub frames: u32,
    }
}

impl Store {
    /// Keeps a warning, once; returns whether it is new. At most 100 a job are kept.
    pub async fn add_job_warning(
        &self,
        job: JobId,
        class: WarningClass,
        text: &str,
        now: UnixMillis,
    ) -> Result<bool> {
        todo!()
    }

    /// The job's warnings, in the order they came.
    pub async fn job_warnings(&self, job: JobId) -> Result<Vec<JobWarningRow>> {
        todo!()
    }

    /// The job's failed attempts by class, most first.
    pub async fn job_failures(&self, job: JobId) -> Result<Vec<FailureRow>> {
        todo!()
    }
}
