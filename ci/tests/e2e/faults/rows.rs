//! What must hold in the database at every moment, asked of it directly, also while the cloud runs.

use std::path::{Path, PathBuf};
use std::process::Command;

use crate::harness::Stage;

/// A rule, and how many rows break it.
const RULES: &[(&str, &str)] = &[
    (
        "a task has one live lease at most",
        "SELECT COUNT(*) FROM (SELECT task_id FROM leases WHERE ended_at IS NULL
         GROUP BY task_id HAVING COUNT(*) > 1) AS broken",
    ),
    (
        "no fence of a task is granted twice",
        "SELECT COUNT(*) FROM (SELECT task_id FROM leases
         GROUP BY task_id, fence HAVING COUNT(*) > 1) AS broken",
    ),
    (
        "a live lease has the fence in force and is its task's",
        "SELECT COUNT(*) FROM leases JOIN tasks ON tasks.id = leases.task_id WHERE leases.ended_at IS NULL
         AND (tasks.fence <> leases.fence OR tasks.lease_id IS NULL OR tasks.lease_id <> leases.id)",
    ),
    (
        "a task's lease is live",
        "SELECT COUNT(*) FROM tasks JOIN leases ON leases.id = tasks.lease_id
         WHERE leases.ended_at IS NOT NULL",
    ),
    (
        "a task counts the frames that are stored",
        "SELECT COUNT(*) FROM tasks WHERE frames_done <>
         (SELECT COUNT(*) FROM frames WHERE frames.task_id = tasks.id)",
    ),
    (
        "a job counts the frames that are stored",
        "SELECT COUNT(*) FROM jobs WHERE frames_done <>
         (SELECT COUNT(*) FROM frames WHERE frames.job_id = jobs.id)",
    ),
    (
        "a completed job or task is whole",
        "SELECT (SELECT COUNT(*) FROM jobs WHERE state = 'completed' AND frames_done <> frames_total)
         + (SELECT COUNT(*) FROM tasks WHERE state = 'completed' AND frames_done <> frames_total)",
    ),
    (
        "of a job that has ended no task is open and no lease is live",
        "SELECT (SELECT COUNT(*) FROM tasks JOIN jobs ON jobs.id = tasks.job_id
                 WHERE jobs.ended_at IS NOT NULL AND tasks.ended_at IS NULL)
         + (SELECT COUNT(*) FROM leases JOIN jobs ON jobs.id = leases.job_id
            WHERE jobs.ended_at IS NOT NULL AND leases.ended_at IS NULL)",
    ),
    (
        "every stored frame has its blob's row",
        "SELECT COUNT(*) FROM frames WHERE NOT EXISTS
         (SELECT blobs.hash FROM blobs WHERE blobs.hash = frames.hash)",
    ),
];

/// Runs a statement on SQLite and prints the rows, a tab between values.
const ON_SQLITE: &str = "import sqlite3, sys
db = sqlite3.connect('file:' + sys.argv[1] + '?mode=ro', uri=True, timeout=30)
for row in db.execute(sys.argv[2]): print(*row, sep=chr(9))";

/// The way to a trial's rows.
pub enum Rows {
    Sqlite(PathBuf),
    Postgres(String),
}

impl Rows {
    pub fn of(stage: &Stage) -> Self {
        match stage.farm.setting("PICTOR__DATABASE__URL") {
            Some(url) => Self::Postgres(url.to_owned()),
            None => Self::Sqlite(stage.folder.path().join("cloud/pictor.db")),
        }
    }

    /// Jobs that have not ended, each with its state.
    pub fn open_jobs(&self) -> Vec<(String, String)> {
        let rows = self.ask("SELECT id, state FROM jobs WHERE ended_at IS NULL");
        let pair = |row: String| row.split_once('\t').map(|(id, state)| (id.to_owned(), state.to_owned()));
        rows.into_iter().filter_map(pair).collect()
    }

    /// Every rule holds.
    pub fn audit(&self) {
        for (rule, broken) in RULES {
            assert_eq!(self.ask(broken), ["0"], "{rule}");
        }
    }

    /// Every stored frame lies in the folder, whole.
    pub fn audit_files(&self, objects: &Path) {
        for row in self.ask("SELECT DISTINCT hash, size FROM frames") {
            let (hash, size) = row.split_once('\t').unwrap();
            let path = objects.join(&hash[..2]).join(hash);
            let found = std::fs::read(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display()));
            assert_eq!(found.len().to_string(), size, "{}", path.display());
            assert_eq!(blake3::hash(&found).to_string(), hash, "{}", path.display());
        }
    }

    fn ask(&self, sql: &str) -> Vec<String> {
        let mut command = match self {
            Self::Sqlite(path) => {
                let mut command = Command::new("python3");
                command.args(["-c", ON_SQLITE]).arg(path);
                command
            }
            Self::Postgres(url) => {
                let mut command = Command::new("psql");
                command.args([url, "-q", "-A", "-t", "-F", "\t", "-c"]);
                command
            }
        };
        let output = command.arg(sql).output().unwrap();
        assert!(output.status.success(), "{sql}: {}", String::from_utf8_lossy(&output.stderr));
        String::from_utf8_lossy(&output.stdout).lines().map(str::to_owned).collect()
    }
}
