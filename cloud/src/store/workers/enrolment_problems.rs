//! The newest configuration file of a worker that was refused: what happened at the machine, for the owner's
//! page.

use pictor_actors::ids::WorkerId;
use pictor_actors::units::UnixMillis;

use crate::store::sql::{args, row};
use crate::store::{Result, Store};

row! {
    /// A refused enrolment.
    pub struct EnrolmentProblemRow {
        /// The worker that the file was of.
        pub worker_id: WorkerId,
        /// Why it was refused: a problem code (`enrolment_expired`).
        pub code: String,
        /// The machine that tried.
        pub hostname: String,
        /// When.
        pub happened_at: UnixMillis,
    }
}

impl Store {
    /// Keeps why a configuration file was refused; the one before is forgotten. False if there is no such
    /// worker.
    pub async fn note_enrolment_problem(
        &self,
        worker: WorkerId,
        code: &str,
        hostname: &str,
        now: UnixMillis,
    ) -> Result<bool> {
        let noted = self
            .write_one(
                "INSERT INTO enrolment_problems (worker_id, code, hostname, happened_at)
                 SELECT id, $2, $3, $4 FROM workers WHERE id = $1 AND removed_at IS NULL
                 ON CONFLICT (worker_id) DO UPDATE SET code = excluded.code, hostname = excluded.hostname,
                     happened_at = excluded.happened_at",
                args![worker, code, hostname, now],
            )
            .await?;
        Ok(noted > 0)
    }

    /// An enrolment went well: what went wrong before is over.
    pub async fn clear_enrolment_problem(&self, worker: WorkerId) -> Result<()> {
        self.write_one("DELETE FROM enrolment_problems WHERE worker_id = $1", args![worker]).await.map(drop)
    }

    /// Why the newest configuration file was refused, if it was.
    pub async fn enrolment_problem(&self, worker: WorkerId) -> Result<Option<EnrolmentProblemRow>> {
        self.optional("SELECT * FROM enrolment_problems WHERE worker_id = $1", args![worker]).await
    }
}
