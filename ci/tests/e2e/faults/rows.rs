//! What no other program tells of a trial's rows, asked of the database directly, also while the cloud runs.

use std::path::PathBuf;
use std::process::Command;

use crate::harness::Stage;

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

    /// Every job with its state.
    pub fn jobs(&self) -> Vec<(String, String)> {
        let rows = self.ask("SELECT id, state FROM jobs");
        let pair = |row: String| row.split_once('\t').map(|(id, state)| (id.to_owned(), state.to_owned()));
        rows.into_iter().filter_map(pair).collect()
    }

    /// Leases that ended because a worker was silent.
    pub fn leases_lost(&self) -> u64 {
        let count = self.ask("SELECT COUNT(*) FROM leases WHERE outcome = 'expired'");
        count[0].parse().unwrap()
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
